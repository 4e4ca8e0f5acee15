//! What an app would be told of somebody, before they come: `app preview` and `check --users`.

use regex::Regex;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::judges::{self, Expected};
use crate::harness::process::Said;
use crate::harness::saml::{AWS, AWS_ACS, Delivered, PERSISTENT};
use crate::harness::server::{Server, Setup, from};

/// The tag that people in two groups cannot have.
const TAGS: &str = "session_duration = 3600\nattributes = { \"https://aws.amazon.com/SAML/Attributes/PrincipalTag:Team\" = \"groups\" }";

fn preview(server: &Server, arguments: &[&str]) -> Said {
    server.cli(&[&["app", "preview"], arguments].concat())
}

fn read(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

async fn launched(server: &Server, username: &str, app: &str) -> Delivered {
    let client: Client = server.client();
    client.sign_in(server.person(username)).await;
    Delivered::from_page(&client.follow(&format!("/launch/{app}")).await)
}

#[tokio::test]
async fn a_preview_tells_what_a_sign_in_then_delivers() {
    let server = Server::start();
    for app in ["wiki", "aws"] {
        let told = read(&preview(&server, &["--user", "mallory", "--app", app, "--json"]));
        let delivered = launched(&server, "mallory", app).await;
        let assertion = &told["assertion"];
        assert_eq!(assertion["acs"], json!(delivered.acs));
        assert_eq!(assertion["relay_state"], json!(delivered.relay_state));
        assert_eq!(assertion["name_id"]["value"], json!(delivered.element("NameID").unwrap()), "{told:#}");
        assert_eq!(assertion["audience"], json!(delivered.element("Audience").unwrap()));
        assert_eq!(assertion["authn_context"], json!(delivered.element("AuthnContextClassRef").unwrap()));
        for attribute in assertion["attributes"].as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            assert_eq!(attribute["values"], json!(delivered.attribute(name)), "{name}");
        }
        let roles: Vec<&Value> = assertion["roles"].as_array().unwrap().iter().map(|role| &role["value"]).collect();
        assert_eq!(json!(roles), json!(delivered.attribute("https://aws.amazon.com/SAML/Attributes/Role")));
    }
}

#[test]
fn refusals_end_with_3_and_name_the_policies() {
    let server = Server::start();
    let said = preview(&server, &["--user", "ann@example.com", "--app", "aws", "--proofs", "password"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("asked for more: totp"), "{}", said.out);
    assert!(said.out.contains("forbid       aws.second-factor: "), "{}", said.out);
    let told = read(&preview(&server, &["--user", "emil", "--app", "aws", "--json"]));
    assert_eq!(
        (&told["ok"], &told["assertion"], &told["decision"]["reason"]),
        (&json!(false), &Value::Null, &json!("no-permit"))
    );
    // From the address and at the time that are stated.
    let from_blocked = preview(&server, &["--user", "ann", "--app", "aws", "--address", from::BLOCKED, "--json"]);
    assert_eq!((from_blocked.code, &read(&from_blocked)["policies"]), (Some(3), &json!(["net.blocked"])));
    let night =
        ["--user", "carl", "--app", "aws", "--address", from::OFFICE, "--time", "2026-11-23T02:00:00Z", "--json"];
    let night = preview(&server, &night);
    assert_eq!((night.code, &read(&night)["policies"]), (Some(3), &json!(["time.contractor-hours"])), "{night:?}");
    let day = ["--user", "carl", "--app", "aws", "--address", from::OFFICE, "--time", "2026-11-23T10:00:00Z"];
    assert_eq!(preview(&server, &day).code, Some(0));
    // The policies of the role that was chosen.
    let admin = read(&preview(&server, &["--user", "ann", "--app", "aws", "--role", "Admin", "--json"]));
    let of_role = json!("aws.admin-phishing-resistant");
    assert!(admin["ok"] == json!(false) && admin["policies"].as_array().unwrap().contains(&of_role), "{admin:#}");
    // Nothing but XML where XML was asked for.
    let xml = preview(&server, &["--user", "emil", "--app", "aws", "--xml"]);
    assert_eq!((xml.code, xml.out.as_str()), (Some(3), ""));
    assert!(xml.err.contains("no policy permits it"), "{}", xml.err);
    for (wrong, message) in [
        (["--user", "nobody", "--app", "aws", "--role", "Dev"], "there is no user `nobody`"),
        (
            ["--user", "ann", "--app", "portal", "--role", "Dev"],
            "there is no app `portal` that gets assertions; there are: `aws`",
        ),
        (["--user", "ann", "--app", "aws", "--role", "Boss"], "has no role `Boss`; it has: `"),
        (["--user", "ann", "--app", "aws", "--time", "tomorrow"], "write it as `2027-01-31T09:00:00+01:00`"),
        (["--user", "ann", "--app", "aws", "--acs", "https://x.example/"], "is no address of app `aws`"),
        (["--user", "ann", "--app", "aws", "--proofs", "topt"], "did you mean `totp`?"),
    ] {
        let said = preview(&server, &wrong);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(message), "{said:?}");
    }
    assert!(!server.audit().contains("\"decision\":"), "what is only looked at is not recorded");
}

#[test]
fn only_what_is_signed_on_request_is_signed_and_then_it_is_on_record() {
    let server = Server::start();
    let ann = ["--user", "ann", "--app", "aws"];
    let unsigned = preview(&server, &[&ann[..], &["--xml"]].concat());
    assert!(unsigned.ok, "{unsigned:?}");
    assert!(unsigned.out.contains(":Assertion ") && !unsigned.out.contains("Signature"), "{}", unsigned.out);
    judges::schema_valid(unsigned.out.trim_end()).unwrap();
    let before = server.audit();
    assert!(!before.contains("\"record\":\"assertion\""));
    let signed = read(&preview(&server, &[&ann[..], &["--sign", "--json"]].concat()));
    let response = signed["signed"]["saml_response"].as_str().unwrap();
    let certificate = server.certificate();
    let issuer = server.issuer();
    let expected = Expected {
        issuer: &issuer,
        certificate: &certificate,
        audience: AWS,
        acs: AWS_ACS,
        request_id: None,
        sign: "assertion",
        name_id: PERSISTENT,
    };
    judges::python3_saml(response, &expected).unwrap();
    let after = server.audit();
    for stage in ["intended", "released"] {
        assert_eq!(after.matches(&format!("\"stage\":\"{stage}\"")).count(), 1, "{after}");
    }
    assert_eq!(after.matches("\"event\":\"preview-signed\"").count(), 1);
    let reference = signed["signed"]["reference"].as_str().unwrap();
    let explained = server.cli(&["policy", "explain", reference]);
    assert!(explained.ok && explained.out.contains("ann, signIn aws"), "{explained:?}");
    // With a role, that alone was asked for, and comes out again.
    let signed = read(&preview(&server, &[&ann[..], &["--role", "Dev", "--sign", "--json"]].concat()));
    let reference = signed["signed"]["reference"].as_str().unwrap();
    let explained = read(&server.cli(&["policy", "explain", reference, "--json"]));
    assert_eq!((&explained["record"]["role"], &explained["record"]["roles"]), (&json!("Dev"), &json!(["Dev"])));
    assert_eq!(explained["then"]["same"], json!(true), "{explained:#}");
    let verified = server.cli(&["audit", "verify"]);
    assert!(verified.ok, "{verified:?}");
    let said = preview(&server, &[&ann[..], &["--sign"]].concat());
    assert!(said.out.contains("The app takes it for 5 minutes"), "{}", said.out);
    let refused = preview(&server, &["--user", "emil", "--app", "aws", "--sign"]);
    assert_eq!(refused.code, Some(3));
    assert!(!Regex::new("SAMLResponse").unwrap().is_match(&refused.out), "{}", refused.out);
}

#[test]
fn what_a_sign_in_would_not_send_is_told_and_not_signed() {
    let server = Server::start();
    let archive = ["--user", "ann", "--app", "archive"];
    let said = preview(&server, &archive);
    assert!(said.ok && said.out.contains("not sent     the app takes a response only to its own request"), "{said:?}");
    let said = preview(&server, &[&archive[..], &["--sign"]].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("nothing is signed: the app takes a response only to its own request"), "{said:?}");
    assert!(!server.audit().contains("\"record\":\"assertion\""));
}

#[test]
fn a_link_that_nobody_mails_is_printed_by_a_command() {
    let server = Server::start();
    let row = "username,email,groups,status\nnew,new@example.com,aws-users,active\n";
    std::fs::write(server.path("more.csv"), row).unwrap();
    assert!(server.cli(&["users", "import", "more.csv"]).ok);
    let said = preview(&server, &["--user", "new", "--app", "aws", "--proofs", "password"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("`cedargate users activation-link new` prints one"), "{}", said.out);
    assert!(!said.out.contains("one of totp,"), "{}", said.out);
}

#[tokio::test]
async fn whom_an_app_cannot_be_told_of_is_named_beforehand_and_stands_in_nobodys_way() {
    let server = Setup::default().replace("session_duration = 3600", TAGS).start();
    let rule = "PrincipalTag:Team must have exactly one value, not 2";
    // Nobody lets them open AWS, so it takes no mending.
    let row = "username,email,groups,status\ngus,gus@example.com,contractors;helpdesk,active\n";
    std::fs::write(server.path("more.csv"), row).unwrap();
    let imported = server.cli(&["users", "import", "more.csv"]);
    assert!(imported.ok, "{imported:?}");
    let said = server.cli(&["check", "--users"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    for name in ["carl", "dora"] {
        assert!(said.out.contains(&format!("user `{name}`, app `aws`: {rule}\n")), "{}", said.out);
    }
    // Suspended people are not looked at.
    let end = "7 people, 3 apps: 2 problems; 1 of people whom no policy lets into the app\n";
    assert!(said.out.ends_with(end), "{}", said.out);
    let told: Value = serde_json::from_str(&server.cli(&["check", "--users", "--json"]).out).unwrap();
    assert_eq!((&told["ok"], &told["problems"]), (&json!(false), &json!([])));
    assert_eq!(told["users"]["problems"][0], json!({ "user": "carl", "app": "aws", "rule": rule }));
    assert_eq!(told["users"]["out_of_reach"], json!(1));
    assert!(server.cli(&["check"]).ok, "the settings themselves are fine");

    let said = preview(&server, &["--user", "dora", "--app", "aws"]);
    assert_eq!(
        (said.code, said.out.trim_end()),
        (Some(1), &*format!("no assertion for user `dora` and app `aws`: {rule}"))
    );

    let dora = server.client();
    dora.sign_in(server.person("dora")).await;
    let page = dora.follow("/launch/aws").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    assert!(page.body.contains("Something in your account is missing"), "{page:?}");
    assert!(!page.body.contains("SAMLResponse") && !page.body.contains("PrincipalTag"), "{page:?}");
    // The wiki opens for her, and AWS for ann.
    Delivered::from_page(&dora.follow("/launch/wiki").await);
    let delivered = launched(&server, "ann", "aws").await;
    assert_eq!(delivered.attribute("https://aws.amazon.com/SAML/Attributes/PrincipalTag:Team"), ["aws-users"]);
}
