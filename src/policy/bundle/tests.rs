use std::collections::BTreeSet;

use super::*;
use crate::domain::{MethodSet, Step};
use crate::policy::question::Question;
use crate::policy::samples::{self, SCHEMA, parse};

const OK: &str = "@id(\"a\") @description(\"d\")\n";

#[test]
fn each_mistake_is_told_at_its_place_with_a_hint() {
    for (policy, snippet, told) in [
        (
            "@id(\"a\") @description(\"d\")\npermit (principal in Group::\"aws-user\", action, resource);",
            "Group::",
            "did you mean `Group::\"aws-users\"`?",
        ),
        (
            "@id(\"a\") @description(\"d\") permit (principal, action == Action::\"signIn\", resource == App::\"intranet\");",
            "App::",
            "declare it in config.toml",
        ),
        (
            "@id(\"a\") @description(\"d\") permit (principal, action == Action::\"assumeRole\", resource == Role::\"aws/Owner\");",
            "Role::",
            "Role::\"aws/Owner\"",
        ),
        (
            "@id(\"a\") @description(\"d\") forbid (principal, action in Action::\"step\", resource) when { context.net.networks.contains(Network::\"offices\") };",
            "Network::",
            "did you mean `Network::\"office\"`?",
        ),
        (
            "@id(\"a\") @description(\"d\") forbid (principal is User, action == Action::\"signIn\", resource) when { context.proofs.contains(Proof::\"totp\") };",
            "context.proofs",
            "a forbid may read proofs under `unless` alone",
        ),
        (
            "@id(\"a\") @description(\"d\") forbid (principal is User, action == Action::\"signIn\", resource) unless { context.proofs.contains(Proof::\"otp\") };",
            "Proof::\"otp",
            "otp",
        ),
        ("permit (principal, action, resource);", "permit", "a policy without `@id`"),
        (
            "@id(\"a\") @description(\"d\") @sevrity(\"high\") permit (principal, action, resource);",
            "@id",
            "unknown annotation `@sevrity`",
        ),
        (
            "@id(\"a\") @description(\"d\") permit (principal, action == Action::\"signin\", resource);",
            "Action::",
            "signin",
        ),
        ("@id(\"a\") @description(\"d\")\npermit (principal, action, resource", "", "expected"),
        ("@id(\"a\") @description(\"d\") permit (principal == ?principal, action, resource);", "@id", "a template"),
        (
            "@id(\"a\") @description(\"d\") permit (principal is User, action == Action::\"signIn\", resource) when { context.nett.anonymous };",
            "context.nett",
            "nett",
        ),
        (
            "@id(\"a\") @description(\"d\") permit (principal, action, resource);\n@id(\"a\") @description(\"d\") permit (principal, action, resource);",
            "\n@id",
            "another policy is called `a`",
        ),
    ] {
        let errors = parse(policy).expect_err(policy);
        let text = errors.to_string();
        assert!(text.contains(told), "{policy}: {text}");
        // An empty snippet stands for the end of the text.
        let at = if snippet.is_empty() { policy.len() } else { policy.find(snippet).unwrap() };
        let at = at + snippet.len() - snippet.trim_start().len();
        let (line, column) =
            (policy[..at].matches('\n').count() + 1, at - policy[..at].rfind('\n').map_or(0, |n| n + 1) + 1);
        let here = errors.problems.iter().any(|problem| (problem.line, problem.column) == (line, column));
        assert!(here, "{snippet} at {line}:{column}: {text}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "permit (principal, action, resource == App::\"nowhere\");\n@id(\"b\") forbid (principal in Group::\"nobody\", action, resource);";
    let errors = parse(text).expect_err("three names are missing, and two annotations");
    assert!(errors.problems.len() >= 5, "{errors}");
}

#[test]
fn of_a_name_that_stands_twice_both_places_are_told() {
    let policy = "@id(\"a\") @description(\"d\") permit (principal, action, resource);\n";
    let errors = parse(&format!("// one\n{policy}{policy}")).expect_err("one name for two");
    let problem = &errors.problems[0];
    let help = problem.help.as_deref().unwrap();
    assert!(problem.line == 3 && help.ends_with(&format!("the other stands at {}:2:1", problem.file)), "{help}");
}

#[test]
fn a_schema_that_asks_for_other_facts_is_refused() {
    let mut sources = samples::shipped_sources();
    sources.schema.text = SCHEMA.replace("home_country: Country,", "home_country: Country, shoe_size: Long,");
    let errors = Bundle::parse(&sources, samples::vocabulary(), samples::today()).expect_err("no shoe sizes");
    assert!(errors.to_string().contains("shoe_size"), "{errors}");
}

#[test]
fn policies_on_trial_and_expired_permits_decide_nothing() {
    let bundle = parse(&format!(
        "{OK}permit (principal, action, resource);\n\
         @id(\"trial\") @description(\"d\") @mode(\"report\") forbid (principal is User, action == Action::\"signIn\", resource);\n\
         @id(\"old\") @description(\"d\") @expires(\"2026-11-21\") permit (principal, action == Action::\"visit\", resource);\n\
         @id(\"new\") @description(\"d\") @expires(\"2026-11-22\") permit (principal, action == Action::\"visit\", resource);",
    ))
    .unwrap_or_else(|errors| panic!("{errors}"));
    let sample = samples::Sample::new(&[], "portal");
    let q = sample.question(MethodSet::EMPTY);
    assert!(bundle.evaluate(Step::SignIn, None, &q).allowed);
    let ids = |policies: Vec<crate::domain::EnforcedPolicy>| {
        policies.into_iter().map(|p| p.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(bundle.shadow(Step::SignIn, None, &q)), ["trial"]);
    assert_eq!(ids(bundle.visit(&sample.app, &sample.signals).determining), ["a", "new"]);
    let today = jiff::civil::date(2026, 11, 22);
    let sources = samples::shipped_sources();
    let digest = |today| Bundle::parse(&sources, samples::vocabulary(), today).unwrap().digest().to_owned();
    assert_eq!(digest(today), digest(samples::today()), "nothing shipped expires");
}

#[test]
fn a_permit_ends_on_its_day_in_a_set_that_stays_in_force() {
    let bundle = parse(&format!(
        "{OK}permit (principal is User, action == Action::\"signIn\", resource == App::\"portal\");\n\
         @id(\"visit\") @description(\"d\") @expires(\"2026-12-01\") permit (principal, action == Action::\"visit\", resource);\n\
         @id(\"role\") @description(\"d\") @expires(\"2026-12-01\") permit (principal is User, action == Action::\"assumeRole\", resource);\n\
         @id(\"aws\") @description(\"d\") @expires(\"2026-12-01\") permit (principal is User, action == Action::\"signIn\", resource == App::\"aws\");\n\
         @id(\"later\") @description(\"d\") @expires(\"2026-12-02\") permit (principal is User, action == Action::\"signIn\", resource == App::\"wiki\");\n\
         @id(\"notice\") @description(\"d\") @alert(\"user\") @expires(\"2026-12-01\") permit (principal, action == Action::\"notify\", resource);\n\
         @id(\"trial\") @description(\"d\") @mode(\"report\") @expires(\"2026-12-01\") permit (principal is User, action == Action::\"signIn\", resource);",
    ))
    .unwrap_or_else(|errors| panic!("{errors}"));
    // UTC, whatever is the day where the person is.
    for (now, in_force) in [
        ("2026-11-30T23:59:59.999Z", true),
        ("2026-12-01T00:00:00Z", false),
        ("2026-12-01T23:59:59Z", false),
        ("2027-06-01T12:00:00Z", false),
    ] {
        let now: Timestamp = now.parse().unwrap();
        let at = |app: &str| {
            let mut sample = samples::Sample::new(&[], app);
            sample.signals.now = now;
            sample
        };
        let (aws, wiki, portal) = (at("aws"), at("wiki"), at("portal"));
        let role = samples::role("Dev");
        let q = aws.question(MethodSet::EMPTY);
        assert_eq!(bundle.visit(&aws.app, &aws.signals).allowed, in_force, "{now}");
        assert_eq!(bundle.evaluate(Step::Visit, None, &q).allowed, in_force, "{now}");
        assert_eq!(bundle.evaluate(Step::SignIn, None, &q).allowed, in_force, "{now}");
        assert_eq!(bundle.evaluate(Step::AssumeRole, Some(&role), &q).allowed, in_force, "{now}");
        assert_eq!(bundle.notify(crate::policy::Outcome::Allow, &q).allowed, in_force, "{now}");
        assert_eq!(bundle.shadow(Step::SignIn, None, &q).len(), usize::from(in_force), "{now}");
        let roles = [role];
        let goal = crate::policy::Goal::App { roles: &roles };
        let planned = crate::policy::planner::plan(&bundle, goal, &q, &crate::domain::Repertoire::default()).unwrap();
        assert_eq!(planned.decision == crate::domain::Decision::Allow, in_force, "{now}");
        let told = crate::policy::explain::explain(&bundle, Step::SignIn, None, &q);
        let aws_told = &told.policies.iter().find(|policy| policy.id.as_str() == "aws").unwrap().outcome;
        assert_eq!(*aws_told == crate::policy::explain::Outcome::Expired, !in_force, "{now}: {aws_told:?}");
        let later = now < "2026-12-02T00:00:00Z".parse().unwrap();
        assert_eq!(bundle.evaluate(Step::SignIn, None, &wiki.question(MethodSet::EMPTY)).allowed, later, "{now}");
        assert!(bundle.evaluate(Step::SignIn, None, &portal.question(MethodSet::EMPTY)).allowed, "{now}");
    }
}

#[test]
fn the_order_of_files_makes_no_difference() {
    let forward = samples::shipped();
    let mut sources = samples::shipped_sources();
    sources.policies.reverse();
    let backward = Bundle::parse(&sources, samples::vocabulary(), samples::today()).unwrap();
    assert_eq!(forward.digest(), backward.digest());
    assert_eq!(forward.policy_ids().collect::<Vec<_>>(), backward.policy_ids().collect::<Vec<_>>());
    let sample = samples::Sample::new(&["contractors"], "aws");
    let q = sample.question(MethodSet::EMPTY);
    assert_eq!(forward.evaluate(Step::SignIn, None, &q), backward.evaluate(Step::SignIn, None, &q));
}

#[test]
fn the_digest_changes_with_policies_and_names() {
    let digest = samples::shipped().digest().to_owned();
    assert_eq!(digest.len(), 64);
    let mut sources = samples::shipped_sources();
    sources.policies[0].text.push('\n');
    assert_ne!(Bundle::parse(&sources, samples::vocabulary(), samples::today()).unwrap().digest(), digest);
    let mut vocabulary = samples::vocabulary();
    vocabulary.groups.insert(samples::group("more"), BTreeSet::new());
    let bundle = Bundle::parse(&samples::shipped_sources(), vocabulary, samples::today()).unwrap();
    assert_ne!(bundle.digest(), digest);
}

#[test]
fn a_policy_is_shown_as_it_was_written() {
    let bundle = samples::shipped();
    let text = bundle.policy_text(&PolicyId::parse("aws.group").unwrap()).unwrap();
    assert!(text.starts_with("@id(\"aws.group\")") && text.ends_with(';'), "{text}");
    assert_eq!(bundle.policy_text(&PolicyId::parse("no.such").unwrap()), None);
}

#[test]
fn a_trusted_device_never_counts_for_enrolling() {
    let bundle = parse(&format!(
        "{OK}permit (principal is User, action in Action::\"step\", resource) when {{ context.device.trusted }};"
    ))
    .unwrap_or_else(|errors| panic!("{errors}"));
    let mut sample = samples::Sample::new(&[], "portal");
    sample.signals.device.trusted = true;
    let q = sample.question(MethodSet::EMPTY);
    assert!(bundle.evaluate(Step::SignIn, None, &q).allowed);
    assert!(!bundle.evaluate(Step::Enroll, None, &q).allowed);
    assert!(!bundle.evaluate(Step::SignIn, None, &Question { force_authn: true, ..q }).allowed);
}

#[test]
fn a_schema_from_before_removing_devices_loads_and_then_nobody_removes_any() {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let text = SCHEMA.replace(" removeDevice,", "");
    assert_ne!(text, SCHEMA, "the schema has the action");
    let all = format!("{OK}permit (principal, action, resource);");
    for (schema, may) in [(text.as_str(), false), (SCHEMA, true)] {
        let policies = vec![file("a.cedar", &all)];
        let sources =
            PolicySources { schema: file("schema.cedarschema", schema), policies, tests: vec![], invariants: vec![] };
        let bundle = Bundle::parse(&sources, samples::vocabulary(), samples::today()).unwrap_or_else(|e| panic!("{e}"));
        let sample = samples::Sample::new(&[], "portal");
        let q = sample.question(crate::domain::Method::ALL.into_iter().collect());
        assert_eq!(bundle.evaluate(Step::RemoveDevice, None, &q).allowed, may);
        assert_eq!(bundle.permit_remove_device(&q, Timestamp::UNIX_EPOCH).is_ok(), may);
        assert!(bundle.evaluate(Step::Enroll, None, &q).allowed, "the other steps are as they were");
    }
    let without = SCHEMA.replace("action enroll,", "action");
    let sources = PolicySources {
        schema: file("schema.cedarschema", &without),
        policies: vec![],
        tests: vec![],
        invariants: vec![],
    };
    assert!(Bundle::parse(&sources, samples::vocabulary(), samples::today()).is_err(), "no other step may be missing");
}
