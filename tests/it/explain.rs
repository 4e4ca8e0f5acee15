//! Why: decisions that real sign-ins led to, made again; and what could be decided.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use cedargate::clock::Stopwatch;
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::process::{Said, run};
use crate::harness::server::{Server, Setup, from};
use crate::harness::untested;

fn explain(server: &Server, arguments: &[&str]) -> Said {
    server.cli(&[&["policy", "explain"], arguments].concat())
}

fn read(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// The references of all decisions so far, oldest first.
fn references(server: &Server) -> Vec<String> {
    let reference = Regex::new(r#""reference":"([0-9A-Z]{10})""#).unwrap();
    let mut found: Vec<String> = Vec::new();
    for one in reference.captures_iter(&server.audit()) {
        if !found.contains(&one[1].to_owned()) {
            found.push(one[1].to_owned());
        }
    }
    found
}

/// Asks `/readyz` until its text satisfies `good`.
async fn until_ready(server: &Server, what: &str, good: impl Fn(&str) -> bool) -> String {
    let (client, start) = (server.client(), Stopwatch::start());
    loop {
        let body = client.get("/readyz").await.body;
        if good(&body) {
            return body;
        }
        let waited = Duration::from_micros(start.micros());
        assert!(waited < Duration::from_secs(60), "{what}: {body}\n{}", server.log());
        tokio::task::yield_now().await;
    }
}

fn digest(ready: &str) -> String {
    ready.lines().find_map(|line| line.strip_prefix("policies ")).unwrap().to_owned()
}

/// What the shipped tests say does not hold beside [`CLOSED`].
fn without_tests() -> Server {
    Setup::default().with_policies("// No tests.\n").start()
}

const CLOSED: &str = "@id(\"test.closed\") @description(\"The wiki is closed.\")\n\
                      forbid (principal, action == Action::\"signIn\", resource == App::\"wiki\");\n";

#[tokio::test]
async fn every_decision_of_a_server_comes_out_again_bit_for_bit_also_after_its_policies_changed() {
    let server = without_tests();
    // Somebody is challenged and let in, somebody is refused, somebody comes from a blocked network.
    let ann = server.client();
    ann.sign_in(server.person("ann")).await;
    ann.follow("/launch/aws").await;
    ann.follow("/launch/wiki").await;
    let emil = server.client();
    emil.sign_in(server.person("emil")).await;
    emil.follow("/launch/aws").await;
    server.client().at_address(from::BLOCKED).get("/").await;
    let made = references(&server);
    assert!(made.len() >= 4, "{made:?}");
    for reference in &made {
        let said = explain(&server, &[reference]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let same = "Decided again by the policies of then, which are those of today: the same, bit for bit.";
        assert!(said.out.contains(same), "{said:?}");
    }

    // A policy that closes the wiki: what was decided before is still what the policies of then say.
    let before = digest(&server.client().get("/readyz").await.body);
    let own = server.file("policies/90-test.cedar");
    server.put("policies/90-test.cedar", &format!("{own}{CLOSED}"));
    until_ready(&server, "the policy is taken", |ready| digest(ready) != before).await;
    let kept = fs::read_dir(server.path("var/audit/policies")).unwrap().count();
    assert_eq!(kept, 2, "each set that was in force");
    let (mut refused, mut others) = (0, 0);
    for reference in &made {
        let told = read(&explain(&server, &[reference, "--json"]));
        assert_eq!((&told["ok"], &told["then"]["same"]), (&json!(true), &json!(true)), "{told:#}");
        assert_eq!(told["changes"], json!([{ "policy": "test.closed", "change": "new" }]));
        let is_wiki = told["record"]["app"] == json!("wiki");
        assert_eq!(told["today"]["same"], json!(!is_wiki), "{told:#}");
        if is_wiki {
            refused += 1;
            assert_eq!(told["today"]["determining"], json!(["test.closed"]));
            let said = explain(&server, &[reference]);
            for line in ["By the policies of today (", "denied: forbidden; then: allowed.", "new       test.closed"] {
                assert!(said.out.contains(line), "{line}: {said:?}");
            }
        } else {
            others += 1;
        }
    }
    assert!(refused >= 1 && others >= 3);

    // What was changed is not believed, and what is not there is missed: then those of today have to do.
    let old = server.path(&format!("var/audit/policies/{before}.json.zst"));
    let new = digest(&server.client().get("/readyz").await.body);
    fs::copy(server.path(&format!("var/audit/policies/{new}.json.zst")), &old).unwrap();
    let said = explain(&server, &[&made[0]]);
    assert!(said.ok && said.out.contains("holds other policies than it is called after"), "{said:?}");
    fs::remove_file(&old).unwrap();
    let said = explain(&server, &[&made[0]]);
    assert!(said.ok && said.out.contains("were not kept on this machine, or were removed"), "{said:?}");
    assert!(said.out.contains("By the policies of today ("), "{said:?}");
}

#[tokio::test]
async fn policies_that_cannot_be_kept_do_not_come_into_force() {
    let server = without_tests();
    let before = digest(&server.client().get("/readyz").await.body);
    fs::rename(server.path("var/audit/policies"), server.path("var/moved")).unwrap();
    fs::write(server.path("var/audit/policies"), "no folder").unwrap();
    let own = server.file("policies/90-test.cedar");
    server.put("policies/90-test.cedar", &format!("{own}{CLOSED}"));
    let refused = until_ready(&server, "the refusal is told", |ready| ready.contains("the files are refused")).await;
    assert!(refused.contains("can't be kept in") && digest(&refused) == before, "{refused}");
    fs::remove_file(server.path("var/audit/policies")).unwrap();
    server.put("policies/90-test.cedar", &format!("{own}{CLOSED}\n"));
    until_ready(&server, "there is room again", |ready| digest(ready) != before).await;
}

#[test]
fn what_could_be_decided_is_told_with_every_policy_or_as_a_table() {
    let server = Setup::default().start();
    let ann = ["--app", "aws", "--group", "aws-users", "--shown", "password", "--enrolled", "password,totp"];
    let settled = [
        "--address",
        from::OFFICE,
        "--country",
        "DE",
        "--home",
        "DE",
        "--anonymous",
        "no",
        "--device",
        "known",
        "--failed-attempts",
        "0",
        "--time",
        "2026-11-25T09:00+01:00",
    ];
    let said = explain(&server, &[&ann[..], &settled].concat());
    for line in [
        "challenged, offering totp\n",
        "  forbid  matched      aws.second-factor: AWS needs a second factor",
        "policies/10-aws.cedar:",
        "  forbid  not matched  net.blocked: when { context.net.networks.contains(Network::\"blocked\") }",
        "  role Dev: permitted by aws.role-dev\n",
        "  role Admin: granted by no policy\n",
        "  the smallest that do: totp\n",
        "more policies are about other people, steps or apps\n",
    ] {
        assert!(said.ok && said.out.contains(line), "{line}: {}{}", said.out, said.err);
    }
    // It can be pasted into the tests, and passes there.
    let case = said.out.split("as a case for policies/tests:\n\n").nth(1).unwrap_or_else(|| panic!("{said:?}"));
    assert!(case.starts_with("[[case]]\n") && case.contains("expect = \"challenge\"\noffers = [\"totp\"]\n"), "{case}");
    server.put("policies/tests/pasted.toml", case);
    let tested = server.cli(&["policy", "test", "--only", "pasted"]);
    assert!(tested.ok && tested.out.contains("1 passed, 0 failed"), "{tested:?}");
    fs::remove_file(server.path("policies/tests/pasted.toml")).unwrap();
    // Left out, it matters: the table says when what is answered.
    let said = explain(&server, &ann);
    for line in
        ["the first line that fits decides:", "from `blocked`", "denied", "challenged: totp", "aws.second-factor"]
    {
        assert!(said.ok && said.out.contains(line), "{line}: {}{}", said.out, said.err);
    }
    let told = read(&explain(&server, &[&ann[..], &["--json"]].concat()));
    assert_eq!(told["complete"], json!(true));
    let facts: Vec<&Value> = told["open"].as_array().unwrap().iter().map(|open| &open["fact"]).collect();
    assert!(facts.contains(&&json!("device")) && !facts.contains(&&json!("hour")), "{facts:?}");
    let decisions: Vec<&Value> = told["branches"].as_array().unwrap().iter().map(|one| &one["decision"]).collect();
    for decision in ["allow", "challenge", "deny"] {
        assert!(decisions.contains(&&json!(decision)), "{decisions:?}");
    }
    // Somebody of the accounts, with the assertion.
    let of_ann =
        ["--app", "aws", "--user", "ann", "--shown", "password,totp", "--address", from::OFFICE, "--device", "known"];
    let told = read(&explain(&server, &[&of_ann[..], &["--json"]].concat()));
    assert_eq!(told["decision"]["outcome"], json!("allow"), "{told:#}");
    assert!(told["assertion"]["name_id"].is_string() && told["groups"] == json!(["aws-users"]), "{told:#}");
    // A case of the tests.
    let said = explain(&server, &["--case", "a password alone is asked for the second factor"]);
    assert!(
        said.ok && said.out.contains("expects: challenge") && said.out.contains("challenged, offering totp"),
        "{said:?}"
    );
    let said = explain(&server, &["0000000000"]);
    assert!(said.code == Some(2) && said.err.contains("no decision `0000000000`"), "{said:?}");
}

/// From a checkout, where there is no server.
fn offline(folder: &TempDir, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.args(["policy", "explain"]).args(arguments).current_dir(folder).env_remove("CEDARGATE_CONFIG");
    run(&mut command, b"")
}

#[test]
fn what_overlaps_and_what_ends_is_tried_and_nothing_is_made_for_it() {
    let folder = untested();
    // Somebody's address in the office is blocked, and another network lies in it whole.
    let config = folder.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("blocked = [\"192.0.2.66\"]", "blocked = [\"203.0.113.66\"]")).unwrap();
    let own = "@id(\"wiki.moving\") @description(\"d\")\nforbid (principal is User, action == Action::\"signIn\", resource == App::\"wiki\")\n\
               unless { context.net.networks.contains(Network::\"office\") && context.time.now < datetime(\"2099-01-31\") };";
    fs::write(folder.path().join("policies/90-own.cedar"), own).unwrap();
    let settled = "--app wiki --user ann --shown password --country DE --home DE --anonymous no --device known \
                   --failed-attempts 0 --enrolled password";
    let settled: Vec<&str> = settled.split_whitespace().collect();
    let said = offline(&folder, &settled);
    let table: Vec<&str> = said.out.lines().skip_while(|line| !line.starts_with("the first line")).skip(1).collect();
    let expected = ["  not from `office` alone ", "  from 2099-01-31 on ", "  otherwise (before 2099-01-31) "];
    assert!(said.ok, "{said:?}");
    for line in expected {
        assert!(table.iter().any(|found| found.starts_with(line)), "{line}: {}", said.out);
    }
    assert!(
        said.out.contains("there are no accounts in `sqlite:") && said.out.contains("say their groups"),
        "{said:?}"
    );
    let made: BTreeSet<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made, BTreeSet::from(["config.toml".into(), "policies".into()]), "nothing is made");
    // Which day it is, and what the app asks for, can be said.
    let day =
        [&settled[..], &["--network", "office,vpn", "--time", "2099-02-01T09:00", "--requested", "TimeSyncToken"]];
    let said = offline(&folder, &day.concat());
    for line in [
        "by [networks] of config.toml there is no address in office and vpn, and no other",
        "the app asks for: TimeSyncToken",
        "denied: forbidden",
        "requested = [\"TimeSyncToken\"]",
    ] {
        assert!(said.ok && said.out.contains(line), "{line}: {}{}", said.out, said.err);
    }
    let asked = said.out.lines().filter(|line| line.contains("with nothing more"));
    assert_eq!(asked.count(), 1, "{}", said.out);
}

#[test]
fn what_is_misspelt_is_told_with_what_there_is() {
    let folder = untested();
    for (wrong, message) in [
        (&["--app", "asw"][..], "no app is called `asw`; there are: portal, console, aws"),
        (&["--app", "aws", "--group", "aws-user"], "no group is called `aws-user`; there are: "),
        (&["--app", "aws", "--network", "offise"], "no network is called `offise`; there are: blocked, office, vpn"),
        (&["--app", "aws", "--role", "Boss"], "app `aws` has no role `Boss`; it has: Dev, Admin"),
        (&["--app", "aws", "--shown", "topt"], "did you mean `totp`?"),
        (&["--app", "aws", "--time", "tomorrow"], "`tomorrow` is no time; write it as 2026-11-25T09:00+01:00"),
        (&["--app", "aws", "--step", "sign-in"], "it is `open`, `visit`, `signIn`"),
        (&["--case", "no such case"], "no case of policies/tests is called `no such case`"),
        (&["--app", "aws", "--against", "nowhere"], "`nowhere` is neither a folder nor a revision"),
        (&[], "say what to explain: a reference"),
        (&["--app", "aws", "--requested", "mfaa"], "there are: unspecified, Password, PasswordProtectedTransport"),
    ] {
        let said = offline(&folder, wrong);
        assert_eq!(said.code, Some(2), "{wrong:?}: {said:?}");
        assert!(said.err.contains(message), "{wrong:?}: {said:?}");
    }
}
