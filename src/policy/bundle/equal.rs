//! The index against Cedar's own authorizer over all policies: the same answer, the same reasons, the same errors.

use std::sync::LazyLock;

use cedar_policy::Validator;
use jiff::civil::date;
use proptest::prelude::*;

use super::pieces::pieces;
use super::read::{self, Piece, Read, Reader};
use super::{Bundle, PolicySources, SourceFile};
use crate::domain::{Method, MethodSet, Step};
use crate::policy::request::STEPS;
use crate::policy::samples::{self, SCHEMA, Sample};
use crate::policy::{Outcome, Vocabulary};

const PRINCIPALS: [&str; 11] = [
    "principal",
    "principal is User",
    "principal is Anonymous",
    "principal == User::\"ann\"",
    "principal == User::\"bob\"",
    "principal in User::\"ann\"",
    "principal in Group::\"aws-users\"",
    "principal in Group::\"everyone\"",
    "principal is User in Group::\"contractors\"",
    "principal in Group::\"console-users\"",
    "principal in Group::\"interns\"",
];
const ACTIONS: [&str; 9] = [
    "action",
    "action == Action::\"signIn\"",
    "action == Action::\"assumeRole\"",
    "action == Action::\"visit\"",
    "action == Action::\"notify\"",
    "action in Action::\"step\"",
    "action in Action::\"selfService\"",
    "action in [Action::\"signIn\", Action::\"trustDevice\"]",
    "action in [Action::\"selfService\", Action::\"assumeRole\"]",
];
const RESOURCES: [&str; 10] = [
    "resource",
    "resource is App",
    "resource is Role",
    "resource == App::\"aws\"",
    "resource == App::\"wiki\"",
    "resource in App::\"aws\"",
    "resource in App::\"portal\"",
    "resource is Role in App::\"aws\"",
    "resource == Role::\"aws/Dev\"",
    "resource is App in App::\"wiki\"",
];
/// The `!` becomes `when` or `unless`, whichever proofs may stand in.
const CONDITIONS: [&str; 7] = [
    "",
    "when { context.net.anonymous }",
    "! { context.proofs.contains(Proof::\"second_factor\") }",
    "! { context.fresh.contains(Proof::\"totp\") || context.device.known }",
    "when { context.time.hour + 9223372036854775800 > 0 }",
    "when { principal in Group::\"interns\" || principal == User::\"ann\" }",
    "unless { resource in App::\"aws\" }",
];

fn vocabulary() -> Vocabulary {
    let mut vocabulary = samples::vocabulary();
    vocabulary.groups.insert(samples::group("interns"), [samples::group("contractors")].into());
    vocabulary
}

/// Every policy of these parts that loads, with an id of its own; some expire, some are on trial.
static POLICIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for effect in ["permit", "forbid"] {
        let shown = if effect == "permit" { "when" } else { "unless" };
        for (principal, action) in PRINCIPALS.into_iter().flat_map(|one| ACTIONS.map(|other| (one, other))) {
            for (resource, condition) in RESOURCES.into_iter().flat_map(|one| CONDITIONS.map(|other| (one, other))) {
                let condition = condition.replacen('!', shown, 1);
                all.push(format!("{effect} ({principal}, {action}, {resource}) {condition};"));
            }
        }
    }
    let with_notes = |(place, policy): (usize, String)| {
        let more = match (place % 6, effect_of(&policy)) {
            (0, _) => "@mode(\"report\")",
            (1, "permit") => "@expires(\"2026-11-20\")",
            (2, "permit") => "@expires(\"2026-11-23\")",
            _ => "",
        };
        format!("@id(\"p{place}\") @description(\"d\") {more} {policy}")
    };
    // All of them take a minute to validate in a debug build.
    let all: Vec<String> = all.into_iter().step_by(11).enumerate().map(with_notes).collect();
    let (file, schema) = (source("a.cedar", all.join("\n")), source("schema", SCHEMA.to_owned()));
    let validator = Validator::new(read::schema(&schema).unwrap());
    let vocabulary = vocabulary();
    let reader = Reader { files: &[&file], validator: &validator, vocabulary: &vocabulary, today: samples::today() };
    let spans = pieces(&file.text).into_iter().map(|(start, end)| (start, end - start));
    let pieces: Vec<Piece> = spans.enumerate().map(|(place, span)| Piece { file: 0, span, place }).collect();
    let read = reader.all(&pieces);
    assert_eq!(read.len(), all.len(), "each piece is one policy");
    all.into_iter().zip(read).filter(|(_, read)| matches!(read, Read::Good(_))).map(|(policy, _)| policy).collect()
});

/// All of them in one set, from which others are made without checking them again.
static ALL: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::parse(&sources(&POLICIES), vocabulary(), samples::today()).unwrap());

fn effect_of(policy: &str) -> &str {
    policy.split(' ').next().unwrap()
}

fn source(path: &str, text: String) -> SourceFile {
    SourceFile { path: path.to_owned(), text }
}

/// A set of policies in two files.
fn sources(policies: &[String]) -> PolicySources {
    let (one, other) = policies.split_at(policies.len() / 2);
    PolicySources {
        schema: source("schema.cedarschema", SCHEMA.to_owned()),
        policies: vec![source("b.cedar", one.join("\n")), source("a.cedar", other.join("\n// next\n"))],
        tests: vec![],
        invariants: vec![],
    }
}

fn sets() -> impl Strategy<Value = PolicySources> {
    prop::sample::subsequence(POLICIES.clone(), 0..40).prop_shuffle().prop_map(|policies| sources(&policies))
}

/// Somebody before an app who has shown something, before or after some permits expire.
fn people() -> impl Strategy<Value = (Sample, MethodSet, MethodSet)> {
    let groups = prop::sample::subsequence(
        vec!["aws-users", "contractors", "interns", "helpdesk", "owners", "aws-admins", "nobody-declared"],
        0..=5,
    );
    let app = prop::sample::select(vec!["aws", "wiki", "portal"]);
    let shown = || prop::sample::subsequence(vec![Method::Password, Method::Totp, Method::Passkey], 0..=3);
    let facts = (any::<bool>(), any::<bool>(), 0..24_i8, any::<bool>());
    (groups, app, shown(), shown(), facts).prop_map(|(groups, app, proofs, fresh, (anonymous, known, hour, late))| {
        let mut sample = Sample::new(&groups, app);
        (sample.signals.anonymous, sample.signals.device.known, sample.signals.hour) = (anonymous, known, hour as _);
        if late {
            sample.signals.now = "2026-11-23T08:00:00Z".parse().unwrap();
        }
        (sample, proofs.into_iter().collect(), fresh.into_iter().collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_index_answers_as_the_scan_of_all_policies_does(
        sources in sets(), people in prop::collection::vec(people(), 4),
    ) {
        let bundle = Bundle::parse_again(&sources, vocabulary(), samples::today(), &ALL).unwrap();
        for (sample, proofs, fresh) in &people {
            let q = crate::policy::Question { fresh: *fresh, ..sample.question(*proofs) };
            let scan = bundle.scan(&q);
            for step in STEPS {
                let role = (step == Step::AssumeRole).then(|| samples::role("Dev"));
                prop_assert_eq!(bundle.evaluate(step, role.as_ref(), &q), scan.evaluate(step, role.as_ref(), &q), "{:?}", step);
            }
            for outcome in Outcome::ALL {
                prop_assert_eq!(bundle.notify(outcome, &q), scan.notify(outcome, &q));
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_set_that_is_read_again_is_the_set_that_is_read_anew(before in sets(), after in sets(), person in people()) {
        let (today, tomorrow) = (samples::today(), date(2026, 11, 23));
        let parse = |sources: &PolicySources, today| Bundle::parse(sources, vocabulary(), today).unwrap();
        let before = parse(&before, today);
        let (anew, again) =
            (parse(&after, tomorrow), Bundle::parse_again(&after, vocabulary(), tomorrow, &before).unwrap());
        prop_assert_eq!(anew.digest(), again.digest());
        prop_assert_eq!(anew.inventory().collect::<Vec<_>>(), again.inventory().collect::<Vec<_>>());
        let (sample, proofs, _) = &person;
        let q = sample.question(*proofs);
        for step in STEPS.into_iter().filter(|step| *step != Step::AssumeRole) {
            prop_assert_eq!(anew.evaluate(step, None, &q), again.evaluate(step, None, &q));
            prop_assert_eq!(anew.shadow(step, None, &q), again.shadow(step, None, &q));
        }
    }
}

#[test]
fn there_are_policies_of_all_kinds_to_choose_from() {
    for part in
        PRINCIPALS.into_iter().chain(ACTIONS).chain(RESOURCES).chain(["permit", "forbid", "9223372036854775800"])
    {
        assert!(POLICIES.iter().any(|policy| policy.contains(part)), "{part}");
    }
    assert!(POLICIES.len() > 200, "{}", POLICIES.len());
}
