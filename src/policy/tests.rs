//! The shipped policies of the console and of notices, from both sides. No step asks them yet, so the tables of `policies/tests`
//! cannot; here Cedar is asked itself, by the shipped schema.

use std::str::FromStr;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Schema};
use serde_json::{Value, json};

use super::samples::SCHEMA;

const CONSOLE: &str = include_str!("../../policies/60-console.cedar");
const NOTICES: &str = include_str!("../../policies/50-notify.cedar");

fn entity(kind: &str, id: &str, parents: &[&str], attributes: &Value) -> Value {
    let parents: Vec<_> = parents.iter().map(|group| json!({ "type": "Group", "id": group })).collect();
    json!({ "uid": { "type": kind, "id": id }, "attrs": attributes, "parents": parents })
}

/// People of each group of the console, ann who is in none, two tokens, the operator, and the console.
fn entities(schema: &Schema) -> Entities {
    let person = json!({ "status": "active", "home_country": { "type": "Country", "id": "DE" } });
    let user = |name: &str, groups: &[&str]| entity("User", name, groups, &person);
    let all = json!([
        user("ann", &["everyone"]),
        user("olga", &["everyone", "console-users", "owners", "administrators"]),
        user("adam", &["everyone", "console-users", "administrators"]),
        user("hugo", &["everyone", "console-users", "helpdesk"]),
        entity("ApiToken", "people", &[], &json!({ "scopes": ["users"] })),
        entity("ApiToken", "other", &[], &json!({ "scopes": ["log"] })),
        entity("LocalOperator", "root", &[], &json!({})),
        entity("App", "console", &[], &json!({ "device_limit": 0, "pilot": { "type": "Group", "id": "everyone" } }),),
    ]);
    Entities::from_json_value(all, Some(schema)).unwrap()
}

/// The facts of a sign-in with `fresh`, on a device that is known or not.
fn sign_in(fresh: &[&str], known: bool) -> Value {
    let proofs: Vec<_> = fresh.iter().map(|proof| json!({ "__entity": { "type": "Proof", "id": proof } })).collect();
    json!({
        "proofs": proofs, "fresh": proofs, "unknown": [], "sp_initiated": false, "force_authn": false,
        "net": {
            "ip": { "__extn": { "fn": "ip", "arg": "203.0.113.7" } },
            "country": { "__entity": { "type": "Country", "id": "DE" } },
            "asn": 0, "networks": [], "anonymous": false,
        },
        "time": { "now": { "__extn": { "fn": "datetime", "arg": "2026-11-18" } }, "hour": 10, "weekday": 3 },
        "device": { "known": known, "trusted": false, "registered": 1 },
        "risk": { "failed_attempts": 0, "new_country": false, "impossible_travel": false },
    })
}

/// Whether Cedar allows, and the ids of the policies that say so.
fn ask(policies: &str, principal: &str, action: &str, resource: &str, context: Value) -> (bool, Vec<String>) {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let set = PolicySet::from_str(policies).unwrap();
    let uid = |text: &str| EntityUid::from_str(text).unwrap();
    let action = uid(&format!("Action::\"{action}\""));
    let context = Context::from_json_value(context, Some((&schema, &action))).unwrap();
    let request = Request::new(uid(principal), action, uid(resource), context, Some(&schema)).unwrap();
    let response = Authorizer::new().is_authorized(&request, &set, &entities(&schema));
    assert_eq!(response.diagnostics().errors().count(), 0);
    let name = |id| set.policy(id).unwrap().annotation("id").unwrap().to_owned();
    let mut reasons: Vec<String> = response.diagnostics().reason().map(name).collect();
    reasons.sort();
    (response.decision() == Decision::Allow, reasons)
}

/// Who, what, on what; with a second factor shown now; the answer, and by which policies.
type Case = (&'static str, &'static str, &'static str, bool, bool, &'static [&'static str]);

#[test]
fn console_acts_take_the_group_and_a_second_factor_shown_now() {
    let (console, ann, adam, olga, hugo) =
        ("App::\"console\"", "User::\"ann\"", "User::\"adam\"", "User::\"olga\"", "User::\"hugo\"");
    let (tokens, other, root) = ("ApiToken::\"people\"", "ApiToken::\"other\"", "LocalOperator::\"root\"");
    let cases: &[Case] = &[
        (ann, "readConsole", console, true, false, &[]),
        (hugo, "readConsole", console, true, true, &["console.open"]),
        (hugo, "readConsole", console, false, false, &["console.proof"]),
        (adam, "reloadConfig", console, true, true, &["console.administrators"]),
        (adam, "reloadConfig", console, false, false, &["console.proof"]),
        (hugo, "reloadConfig", console, true, false, &[]),
        (hugo, "resetMethod", ann, true, true, &["console.helpdesk"]),
        (hugo, "endSession", ann, true, true, &["console.helpdesk"]),
        (hugo, "disableUser", ann, true, false, &[]),
        (hugo, "resetMethod", adam, true, false, &["console.protect-administrators"]),
        (adam, "disableUser", hugo, true, false, &["console.protect-administrators"]),
        (olga, "disableUser", adam, true, true, &["console.administrators"]),
        (olga, "resetMethod", olga, true, false, &["console.not-oneself"]),
        (hugo, "issueAccessPass", hugo, true, false, &["console.not-oneself", "console.protect-administrators"]),
        (adam, "endSession", adam, true, true, &["console.administrators"]),
        (tokens, "importUsers", console, false, true, &["console.tokens"]),
        (tokens, "disableUser", ann, false, true, &["console.tokens"]),
        (tokens, "disableUser", adam, false, false, &["console.protect-administrators"]),
        (tokens, "readLog", console, false, false, &[]),
        (other, "importUsers", console, false, false, &[]),
        (root, "reloadConfig", console, false, true, &["console.local"]),
        (root, "disableUser", adam, false, true, &["console.local"]),
    ];
    for (principal, action, resource, second_factor, allowed, by) in cases {
        let fresh: &[&str] = if *second_factor { &["first_factor", "second_factor"] } else { &["first_factor"] };
        let told = ask(CONSOLE, principal, action, resource, sign_in(fresh, true));
        let by: Vec<String> = by.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(told, (*allowed, by), "{principal} {action} {resource}, second factor: {second_factor}");
    }
}

#[test]
fn a_new_device_is_told_after_an_allow_only() {
    for (outcome, known, told) in [("allow", false, true), ("allow", true, false), ("deny", false, false)] {
        let context = json!({ "outcome": outcome, "sign_in": sign_in(&["first_factor"], known) });
        let (allowed, by) = ask(NOTICES, "User::\"ann\"", "notify", "App::\"console\"", context);
        assert_eq!((allowed, by.contains(&"notify.new-device".to_owned())), (told, told), "{outcome}, known: {known}");
    }
}
