//! Policies on trial and decisions made again: on sign-ins that really happened, by the commands that people type.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::harness::process::{Said, run};
use crate::harness::repository;
use crate::harness::saml::{AuthnRequest, Delivered, SUCCESS};
use crate::harness::server::{Server, Setup, copy_folder, from};

/// The wiki takes a password from everywhere but one network.
const PLAIN: &str = r#"
@id("test.visit") @description("Anybody may see the sign-in page.")
permit (principal is Anonymous, action == Action::"visit", resource);

@id("test.wiki") @description("Everybody may open the wiki.")
permit (principal in Group::"everyone", action == Action::"signIn", resource == App::"wiki");

@id("test.first-factor") @description("Nothing without a first factor.")
forbid (principal is User, action == Action::"signIn", resource)
unless { context.proofs.contains(Proof::"first_factor") };

@id("test.blocked") @description("Addresses seen in attacks.")
forbid (principal, action in Action::"step", resource)
when { context.net.networks.contains(Network::"blocked") };
"#;

/// On trial: the wiki takes a passkey, which nobody has; something that never happens; and a slip.
const TRIALS: &str = r#"
@id("test.wiki-passkey") @description("Trial: a passkey for the wiki.") @mode("report") @alert("user,security")
forbid (principal is User, action == Action::"signIn", resource == App::"wiki")
unless { context.proofs.contains(Proof::"passkey") };

@id("test.antarctica") @description("Trial: nobody from Antarctica.") @mode("report")
forbid (principal is User, action == Action::"signIn", resource)
when { context.net.country == Country::"AQ" };

@id("test.refused") @description("Trial: tell who is refused.") @mode("report") @alert("user")
permit (principal, action == Action::"notify", resource)
when { context.outcome == "deny" };

@id("test.visit-later") @description("Trial: no page for that network.") @mode("report")
forbid (principal is Anonymous, action == Action::"visit", resource)
when { context.net.ip.isInRange(ip("192.0.2.0/24")) };

@id("test.overflow") @description("Trial: a slip.") @mode("report")
forbid (principal == User::"bob", action == Action::"signIn", resource == App::"wiki")
when { context.time.hour + 9223372036854775807 > 0 };
"#;

/// The wiki takes a second factor.
const STRICTER: &str = r#"
@id("test.wiki-second") @description("A second factor for the wiki.")
forbid (principal is User, action == Action::"signIn", resource == App::"wiki")
unless { context.proofs.contains(Proof::"second_factor") };
"#;

async fn opens_the_wiki(server: &Server, username: &str) {
    let client = server.client().at_address(from::ELSEWHERE);
    let page = client.get(&AuthnRequest::of_wiki(server).redirect(None)).await;
    let page = client.walk(page, server.person(username)).await;
    assert_eq!(Delivered::from_page(&page).status(), [SUCCESS], "{username}");
}

/// The example in the documentation of a command has the keys that its output has, with values of the same types.
fn is_documented(command: &str, output: &Value) {
    let text = fs::read_to_string(repository("docs/commands.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(&format!("`{command}`"))).unwrap();
    let example = section.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap_or_else(|error| panic!("{command}: {error}: {example}"));
    same_shape(command, &example, output);
}

fn same_shape(place: &str, example: &Value, output: &Value) {
    match (example, output) {
        (Value::Object(example), Value::Object(output)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(example), keys(output), "{place}: documented, and said");
            for (key, value) in example {
                same_shape(&format!("{place}.{key}"), value, &output[key]);
            }
        }
        (Value::Array(example), Value::Array(output)) => {
            for (one, other) in example.iter().flat_map(|one| output.iter().map(move |other| (one, other))) {
                same_shape(&format!("{place}[]"), one, other);
            }
        }
        // Nobody before a first factor, no policy behind it, no span without a decision.
        (Value::Null, _) | (_, Value::Null) => {}
        (one, other) => {
            assert_eq!(std::mem::discriminant(one), std::mem::discriminant(other), "{place}: {one}, and {other}");
        }
    }
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[tokio::test]
async fn what_is_on_trial_is_written_down_and_stops_nobody() {
    let server = Setup::default().policies(format!("{PLAIN}{TRIALS}").leak()).start();
    for username in ["ann", "emil", "bob"] {
        opens_the_wiki(&server, username).await;
    }
    assert!(server.log().contains("a policy on trial could not be evaluated"), "{}", server.log());

    let said = server.cli(&["policy", "shadow", "--since", "1h", "--json"]);
    assert!(said.ok, "{said:?}");
    let sum = json(&said);
    is_documented("policy shadow", &sum);
    let policy = |id: &str| {
        let policies = sum["policies"].as_array().unwrap();
        policies.iter().find(|policy| policy["policy"] == id).unwrap_or_else(|| panic!("{id}: {said:?}")).clone()
    };
    let passkey = policy("test.wiki-passkey");
    let people: Vec<&str> = passkey["people"].as_array().unwrap().iter().filter_map(|p| p["user"].as_str()).collect();
    assert_eq!(people, ["ann", "bob", "emil"], "{said:?}");
    assert_eq!(passkey["would"]["deny"], passkey["decisions"], "nobody has a passkey: {said:?}");
    let allowed = passkey["changed"].as_array().unwrap().iter().find(|changed| changed["was"] == "allow").unwrap();
    assert!(allowed["would"] == "deny" && allowed["decisions"].as_u64() >= Some(3), "{said:?}");
    let tells = |id: &str| ["user", "security"].map(|whom| policy(id)["would_tell"][whom].as_u64().unwrap());
    let [user, security] = tells("test.wiki-passkey");
    assert!(user >= 2 && user == security, "whom `@alert` names: {said:?}");
    assert!(tells("test.refused")[0] > user, "bob, too, for whom a policy cannot be evaluated: {said:?}");
    assert_eq!((tells("test.refused")[1], tells("test.antarctica")), (0, [0, 0]), "{said:?}");
    let visit = policy("test.visit-later");
    assert_eq!((&visit["people"][0]["user"], &visit["changed"][0]["was"]), (&Value::Null, &"allow".into()), "{said:?}");
    assert_eq!(policy("test.antarctica")["decisions"], 0);
    assert_eq!(policy("test.overflow")["people"][0]["user"], "bob");
    let failed = |id: &str| policy(id)["failed"].as_u64().unwrap();
    assert!(failed("test.overflow") >= 1 && failed("test.wiki-passkey") == 0, "{said:?}");

    let said = server.cli(&["policy", "shadow"]);
    for words in [
        "on trial",
        "would tell     the person",
        "no decision since",
        "test.wiki-passkey: Trial: a passkey for the wiki.",
        "allow → deny",
        "could not be evaluated",
    ] {
        assert!(said.out.contains(words), "`{words}`: {}", said.out);
    }
    let reference = passkey["examples"][0]["reference"].as_str().unwrap();
    assert!(server.cli(&["policy", "explain", reference]).ok, "{reference} leads to the decision");

    // The same decisions, with what was on trial in force.
    let said = server.cli(&["policy", "replay", "--with-trials", "--budget", "denied=2", "--json"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    // Everybody before a first factor is one.
    assert_eq!((&json(&said)["denied"]["people"], &json(&said)["over"][0]["change"]), (&4.into(), &"denied".into()));
}

#[tokio::test]
async fn decisions_are_made_again_and_a_budget_is_held() {
    let server = Setup::default().policies(PLAIN).start();
    for username in ["ann", "bob", "emil"] {
        opens_the_wiki(&server, username).await;
    }
    // Refused before anybody is known, and after: those are decisions, too.
    server.client().at_address(from::BLOCKED).get("/signin").await;

    let said = server.cli(&["policy", "replay", "--budget", "challenged=0,denied=0,freed=0", "--json"]);
    assert_eq!(said.code, Some(0), "the policies that decided decide the same: {said:?}");
    let same = json(&said);
    assert!(same["ok"] == true && same["decisions"].as_u64() >= Some(4), "{said:?}");
    assert_eq!((&same["same"], &same["not_replayed"]), (&same["decisions"], &Value::Array(vec![])), "{said:?}");

    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
        let said = run(Command::new("git").current_dir(server.folder()).args(identity).args(arguments), b"");
        assert!(said.ok, "{said:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "policies", "config.toml"]);
    git(&["commit", "-qm", "as it was"]);
    copy_folder(&server.path("policies"), &server.path("stricter"));
    fs::write(server.path("stricter/95-stricter.cedar"), STRICTER).unwrap();

    let strict = ["policy", "replay", "--since", "1h", "--against", "stricter"];
    let said = server.cli(&[&strict[..], &["--budget", "challenged=1,denied=1,freed=0", "--json"]].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    let told = json(&said);
    is_documented("policy replay", &told);
    let challenged = &told["challenged"];
    assert_eq!((&told["ok"], &told["freed"]["people"]), (&false.into(), &0.into()), "{said:?}");
    assert_eq!((&challenged["people"], &told["denied"]["people"]), (&2.into(), &1.into()), "bob has no app: {said:?}");
    assert_eq!(challenged["by_policy"][0]["policy"], "test.wiki-second", "{said:?}");
    assert_eq!(challenged["by_person"][0]["examples"][0]["was"], "allow", "{said:?}");
    assert_eq!(told["over"].as_array().unwrap().len(), 1, "{said:?}");

    let said = server.cli(&strict);
    assert_eq!(said.code, Some(0), "without a budget nothing is over it: {said:?}");
    for words in ["2 people newly challenged, 1 locked out, 0 let in", "test.wiki-second", "bob", "allow → deny"] {
        assert!(said.out.contains(words), "`{words}`: {}", said.out);
    }

    // Who was stricter, and goes back to a revision.
    fs::write(server.path("policies/95-stricter.cedar"), STRICTER).unwrap();
    let said = server.cli(&["policy", "replay", "--against", "HEAD", "--json"]);
    assert_eq!(json(&said)["challenged"]["people"], 0, "{said:?}");

    fs::write(server.path("stricter/95-stricter.cedar"), "forbid (principal").unwrap();
    for (arguments, code, words) in [
        (&["--against", "stricter"][..], 1, "95-stricter.cedar"),
        (&["--against", "nowhere"], 2, "`nowhere` is neither a folder nor a revision"),
        (&["--since", "yesterday"], 2, "`yesterday` is no time"),
        (&["--budget", "chalenged=1"], 2, "challenged=5,denied=0,freed=0"),
    ] {
        let said = server.cli(&[&["policy", "replay"], arguments].concat());
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.err.contains(words), "{arguments:?}: {said:?}");
    }
}
