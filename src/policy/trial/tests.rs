use proptest::prelude::*;

use super::*;
use crate::domain::{Method, MethodSet};
use crate::policy::planner::plan;
use crate::policy::samples::{Sample, role, shipped_sources, today, vocabulary};
use crate::policy::{Plan, SourceFile};

/// Scopes that the schema gives a meaning to.
const PRINCIPALS: [&str; 4] =
    ["principal", "principal is User", r#"principal in Group::"contractors""#, r#"principal == User::"ann""#];
const TARGETS: [&str; 7] = [
    r#"action == Action::"signIn", resource"#,
    r#"action == Action::"signIn", resource == App::"aws""#,
    r#"action in [Action::"signIn", Action::"trustDevice"], resource is App"#,
    r#"action == Action::"assumeRole", resource"#,
    r#"action == Action::"assumeRole", resource == Role::"aws/Admin""#,
    r#"action == Action::"assumeRole", resource in App::"aws""#,
    r#"action == Action::"enroll", resource"#,
];
const PERMITS: [&str; 4] = [
    "",
    "when { context.net.anonymous }",
    r#"when { context.proofs.contains(Proof::"totp") }"#,
    "when { context.time.hour + 9223372036854775807 > 0 }",
];
const FORBIDS: [&str; 6] = [
    "",
    "when { context.net.anonymous }",
    "when { context.risk.impossible_travel }",
    r#"unless { context.proofs.contains(Proof::"passkey") }"#,
    r#"when { context.device.registered > 1 } unless { context.fresh.contains(Proof::"second_factor") }"#,
    "when { context.time.hour + 9223372036854775807 > 0 }",
];

const ON_TRIAL: &str = r#"@mode("report")"#;

/// The shipped policies, the wiki and `more`; `MODE` in it is `mode`.
fn set(more: &str, mode: &str) -> Bundle {
    let wiki = "@id(\"wiki.everyone\") @description(\"x\")\n\
                permit (principal in Group::\"everyone\", action == Action::\"signIn\", resource == App::\"wiki\");\n";
    let mut sources = shipped_sources();
    sources.policies.push(SourceFile { path: "90-more.cedar".to_owned(), text: format!("{wiki}{more}") });
    for file in &mut sources.policies {
        // The shipped ones on trial are put in force with the others.
        file.text = file.text.replace(ON_TRIAL, "MODE").replace("MODE", mode);
    }
    Bundle::parse(&sources, vocabulary(), today()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A policy on trial, with `MODE` where its mode stands.
fn policy() -> impl Strategy<Value = String> {
    let of = proptest::sample::select;
    let permit = of(PERMITS.to_vec()).prop_map(|condition| ("permit", condition));
    let forbid = of(FORBIDS.to_vec()).prop_map(|condition| ("forbid", condition));
    (of(PRINCIPALS.to_vec()), of(TARGETS.to_vec()), prop_oneof![permit, forbid]).prop_map(
        |(principal, target, (effect, condition))| {
            format!("@id(\"t.ID\") @description(\"x\") MODE\n{effect} ({principal}, {target})\n{condition};\n")
        },
    )
}

fn policies() -> impl Strategy<Value = String> {
    let numbered = |all: Vec<String>| {
        all.into_iter().enumerate().map(|(at, policy)| policy.replace("ID", &format!("p{at}"))).collect()
    };
    proptest::collection::vec(policy(), 1..4).prop_map(numbered)
}

/// Somebody before an app with something shown, and what more they have.
pub(in crate::policy) fn asked() -> impl Strategy<Value = (Sample, MethodSet, Repertoire)> {
    let groups = proptest::sample::subsequence(vec!["aws-users", "aws-admins", "contractors"], 0..=3);
    let methods = vec![Method::Password, Method::Totp, Method::Passkey, Method::EmailOtp];
    let shown = proptest::sample::subsequence(methods.clone(), 0..=3);
    let enrolled = proptest::sample::subsequence(methods, 0..=4);
    let facts = (any::<[bool; 6]>(), 0_u32..4, 0_u32..25, 0_u8..24, 1_u8..8);
    (groups, proptest::sample::select(vec!["aws", "wiki"]), shown, enrolled, facts).prop_map(
        |(groups, app, shown, enrolled, (flags, registered, failed, hour, weekday))| {
            let mut sample = Sample::new(&groups, app);
            let signals = &mut sample.signals;
            [signals.anonymous, signals.device.known, signals.device.trusted] = [flags[0], flags[1], flags[2]];
            [signals.risk.impossible_travel, signals.risk.new_country] = [flags[3], flags[4]];
            (signals.device.registered, signals.risk.failed_attempts) = (registered, failed);
            (signals.hour, signals.weekday) = (hour, weekday);
            if flags[5] {
                signals.networks.insert(crate::domain::NetworkName::parse("office").unwrap());
            }
            let enrollable = if enrolled.contains(&Method::Totp) { vec![] } else { vec![Method::Totp] };
            let repertoire = Repertoire { enrolled, enrollable, ..Repertoire::default() };
            (sample, shown.into_iter().collect(), repertoire)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever is on trial, nothing that is decided, told or permitted differs; and what is written down of the trial is what
    /// the same policies say when they are in force.
    #[test]
    fn policies_on_trial_change_nothing_and_are_told_as_they_would_decide(
        policies in policies(),
        asked in proptest::collection::vec(asked(), 20),
    ) {
        let (without, with, in_force) = (set("", ON_TRIAL), set(&policies, ON_TRIAL), set(&policies, ""));
        for (sample, shown, repertoire) in asked {
            let q = sample.question(shown);
            for goal in [Goal::App { roles: &sample.app.roles }, Goal::Step(Step::Enroll), Goal::Step(Step::TrustDevice)] {
                let decided = plan(&without, goal, &q, &repertoire).unwrap();
                prop_assert_eq!(&decided, &plan(&with, goal, &q, &repertoire).unwrap());
                let alerts = |bundle: &Bundle| bundle.alerts(&decided.decision, &q);
                prop_assert_eq!(alerts(&without), alerts(&with));
                prop_assert_eq!(
                    without.evaluate(Step::AssumeRole, sample.app.roles.first(), &q),
                    with.evaluate(Step::AssumeRole, sample.app.roles.first(), &q)
                );
                let step = match goal { Goal::App { .. } => Step::SignIn, Goal::Step(step) => step };
                let word = |plan: &Plan| recorded_kind(step, &plan.decision);
                let trial = with.try_out(goal, &q, &repertoire, &decided.decision);
                let enforced = plan(&in_force, goal, &q, &repertoire).unwrap();
                prop_assert_eq!(trial.would.unwrap_or(word(&decided)), word(&enforced), "{:?} {:?}", goal, trial);
                prop_assert_eq!(trial.would.is_none(), trial.policies.is_empty());
            }
        }
    }
}

type Change = fn(&mut Sample);

fn ids(policies: &[PolicyId]) -> Vec<&str> {
    policies.iter().map(PolicyId::as_str).collect()
}

#[test]
fn a_trial_names_its_policies_and_what_they_would_come_to() {
    let policies = r#"
@id("t.admin") @description("x") MODE
forbid (principal, action == Action::"assumeRole", resource == Role::"aws/Admin");
@id("t.later") @description("x") MODE
permit (principal in Group::"contractors", action in [Action::"signIn", Action::"assumeRole"], resource)
when { context.proofs.contains(Proof::"totp") };
@id("t.passkey") @description("x") MODE
forbid (principal, action == Action::"signIn", resource == App::"wiki")
when { context.net.anonymous }
unless { context.proofs.contains(Proof::"passkey") };
"#;
    let bundle = set(policies, ON_TRIAL);
    let (allow, challenge, deny) = (Some(DecisionKind::Allow), Some(DecisionKind::Challenge), Some(DecisionKind::Deny));
    let (usual, hidden, trusted, office): (Change, Change, Change, Change) = (
        |_| (),
        |sample| sample.signals.anonymous = true,
        |sample| sample.signals.device.trusted = true,
        |sample| _ = sample.signals.networks.insert(crate::domain::NetworkName::parse("office").unwrap()),
    );
    let case = |groups: &[&str], app, change: Change| {
        let mut sample = Sample::new(groups, app);
        change(&mut sample);
        let q = sample.question([Method::Password, Method::EmailOtp].into_iter().collect());
        let repertoire = Repertoire { enrolled: vec![Method::Password, Method::Totp], ..Repertoire::default() };
        let roles = if app == "aws" { vec![role("Dev"), role("Admin")] } else { vec![] };
        let goal = Goal::App { roles: &roles };
        let decided = plan(&bundle, goal, &q, &repertoire).unwrap().decision;
        (decided.kind(), bundle.try_out(goal, &q, &repertoire, &decided))
    };
    for (groups, app, change, policies, was, would) in [
        (&["aws-users"][..], "wiki", usual, &[][..], DecisionKind::Allow, None),
        (&["aws-users"], "wiki", hidden, &["t.passkey"], DecisionKind::Allow, deny),
        (&["aws-users"], "aws", trusted, &["t.admin"], DecisionKind::Allow, allow),
        (&["contractors"], "aws", office, &["t.later"], DecisionKind::Deny, challenge),
    ] {
        let (decided, trial) = case(groups, app, change);
        // The roles are on trial for everybody at AWS; what is told apart here are the others.
        let named: Vec<_> = ids(&trial.policies).into_iter().filter(|id| policies.contains(id)).collect();
        assert_eq!((decided, named, trial.would), (was, policies.to_vec(), would), "{groups:?} {app} {trial:?}");
        assert_eq!(ids(&trial.failed), [""; 0]);
    }
}

#[test]
fn a_policy_on_trial_that_fails_is_named_and_harms_nobody() {
    let bundle = set(
        r#"
@id("t.overflow") @description("x") MODE
forbid (principal is User, action == Action::"signIn", resource)
when { context.time.hour + 9223372036854775807 > 0 };
"#,
        ON_TRIAL,
    );
    let sample = Sample::new(&["aws-users"], "wiki");
    let (q, repertoire) = (sample.question(MethodSet::EMPTY.with(Method::Password)), Repertoire::default());
    let goal = Goal::App { roles: &[] };
    let decided = plan(&bundle, goal, &q, &repertoire).unwrap().decision;
    let trial = bundle.try_out(goal, &q, &repertoire, &decided);
    assert_eq!(decided, Decision::Allow);
    assert_eq!((ids(&trial.failed), ids(&trial.policies)), (vec!["t.overflow"], vec!["t.overflow"]));
    assert_eq!(trial.would, Some(DecisionKind::Deny));
}

#[test]
fn a_visit_is_tried_out_too() {
    let bundle = set(
        r#"
@id("t.hours") @description("x") MODE
forbid (principal, action in Action::"step", resource) when { context.time.hour < 6 };
"#,
        ON_TRIAL,
    );
    let mut sample = Sample::new(&[], "wiki");
    for (hour, would) in [(10, None), (3, Some(DecisionKind::Deny))] {
        sample.signals.hour = hour;
        let verdict = bundle.visit(&sample.app, &sample.signals);
        assert_eq!(bundle.try_out_visit(&sample.app, &sample.signals, &verdict).would, would, "{hour}");
    }
}

#[test]
fn whom_a_trial_would_tell_is_written_down_and_nobody_is_told() {
    let policies = r#"
@id("t.new-device") @description("x") MODE @alert("user")
permit (principal, action == Action::"notify", resource == App::"wiki")
when { context.outcome == "allow" && context.sign_in.net.anonymous };
@id("t.contractors") @description("x") MODE @alert("user,security")
forbid (principal in Group::"contractors", action == Action::"signIn", resource == App::"wiki");
@id("t.silent") @description("x") MODE
forbid (principal, action == Action::"signIn", resource == App::"wiki") when { context.net.asn == 666 };
@id("t.slip") @description("x") MODE @alert("security")
permit (principal, action == Action::"notify", resource == App::"aws")
when { context.sign_in.time.hour + 9223372036854775807 > 0 };
"#;
    let (bundle, without) = (set(policies, ON_TRIAL), set("", ON_TRIAL));
    let (none, new, contractors) = (&[][..], &["t.new-device"][..], &["t.contractors"][..]);
    for (groups, app, hidden, asn, user, security, failed) in [
        (&["aws-users"][..], "wiki", false, 1, none, none, none),
        (&["aws-users"], "wiki", true, 1, new, none, none),
        (&["contractors"], "wiki", true, 1, contractors, contractors, none),
        (&["aws-users"], "wiki", true, 666, none, none, none),
        (&["aws-users"], "aws", false, 1, none, none, &["t.slip"][..]),
    ] {
        let mut sample = Sample::new(groups, app);
        (sample.signals.anonymous, sample.signals.asn) = (hidden, asn);
        let q = sample.question([Method::Password, Method::Totp].into_iter().collect());
        let goal = Goal::App { roles: &sample.app.roles };
        let decided = plan(&bundle, goal, &q, &Repertoire::default()).unwrap().decision;
        let trial = bundle.try_out(goal, &q, &Repertoire::default(), &decided);
        // Those that are shipped on trial are others.
        let ours = |policies| ids(policies).into_iter().filter(|id| id.starts_with("t.")).collect();
        let told: (Vec<_>, Vec<_>, Vec<_>) =
            (ours(&trial.would_tell.user), ours(&trial.would_tell.security), ours(&trial.failed));
        assert_eq!(told, (user.to_vec(), security.to_vec(), failed.to_vec()), "{groups:?} {app} {hidden} {asn}");
        assert_eq!(bundle.alerts(&decided, &q), without.alerts(&decided, &q), "nobody is told");
        let step = bundle.try_out(Goal::Step(Step::Enroll), &q, &Repertoire::default(), &decided);
        assert!(step.would_tell.is_nobody(), "only opening an app is told of");
    }
}
