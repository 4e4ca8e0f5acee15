use proptest::prelude::*;

use super::*;
use crate::domain::{AuthnContextClass, Required};
use crate::policy::samples::{self, Sample};

const PROOFS: [&str; 9] = [
    "password",
    "passkey",
    "totp",
    "email_otp",
    "security_key",
    "magic_link",
    "first_factor",
    "second_factor",
    "phishing_resistant",
];
const METHODS: [Method; 6] =
    [Method::Password, Method::Passkey, Method::Totp, Method::EmailOtp, Method::SecurityKey, Method::MagicLink];

/// One `contains`, of `proofs` or `fresh`.
fn any_condition() -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["proofs", "fresh"]), prop::sample::select(PROOFS.to_vec()))
        .prop_map(|(set, proof)| format!("context.{set}.contains(Proof::\"{proof}\")"))
}

/// Policies of up to three forbids, each lifted by any or all of up to three proofs.
fn any_policies() -> impl Strategy<Value = String> {
    let forbid = (prop::collection::vec(any_condition(), 1..4), prop::bool::ANY);
    prop::collection::vec(forbid, 1..4).prop_map(|forbids| {
        let mut all = "@id(\"p\") @description(\"d\") permit (principal is User, action, resource);\n".to_owned();
        for (i, (conditions, any)) in forbids.iter().enumerate() {
            let condition = conditions.join(if *any { " || " } else { " && " });
            all += &format!("@id(\"f{i}\") @description(\"d\")\nforbid (principal is User, action == Action::\"signIn\", resource)\nunless {{ {condition} }};\n");
        }
        all
    })
}

fn any_methods() -> impl Strategy<Value = MethodSet> {
    (0_u32..64).prop_map(|bits| {
        METHODS.into_iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, m)| m).collect()
    })
}

/// What a service provider may want shown.
fn any_required() -> impl Strategy<Value = Required> {
    use AuthnContextClass::{PasswordProtectedTransport, RefedsMfa, TimeSyncToken};
    let wanted = vec![vec![], vec![PasswordProtectedTransport], vec![RefedsMfa], vec![TimeSyncToken]];
    prop::sample::select(wanted).prop_map(|wanted| Required::any_of(&wanted))
}

/// All smallest sets by asking about each.
fn brute_force(bundle: &Bundle, q: &Question<'_>, candidates: MethodSet) -> Vec<MethodSet> {
    let candidates: Vec<Method> = candidates.iter().collect();
    let mut good: Vec<MethodSet> = (0..1_u32 << candidates.len())
        .map(|bits| candidates.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, m)| *m).collect())
        .filter(|more: &MethodSet| {
            let q = Question { proofs: q.proofs.union(*more), fresh: q.fresh.union(*more), ..*q };
            bundle.evaluate(Step::SignIn, None, &q).allowed && q.shows_required()
        })
        .collect();
    let least = good.iter().map(|set| set.len()).min();
    good.retain(|set| Some(set.len()) == least);
    good
}

/// The next proof of each set, by the letter of the rule.
fn next_proofs(sets: &[MethodSet], q: &Question<'_>) -> Vec<Method> {
    let is_first = |m: &Method| classes(MethodSet::EMPTY.with(*m), q.profile).contains(Class::FirstFactor);
    let has_first = q.fresh.iter().any(|m| is_first(&m));
    let next = |set: &MethodSet| set.iter().find(|m| !has_first && is_first(m)).or_else(|| set.iter().next());
    sets.iter().filter_map(next).collect::<MethodSet>().iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_planner_offers_what_brute_force_finds(
        policies in any_policies(), fresh in any_methods(), earlier in any_methods(), enrolled in any_methods(),
        required in any_required(),
    ) {
        let bundle = samples::parse(&policies).unwrap_or_else(|errors| panic!("{errors}"));
        let sample = Sample::new(&[], "portal");
        let q = Question { proofs: fresh.union(earlier), required, ..sample.question(fresh) };
        let repertoire = Repertoire { enrolled: enrolled.iter().collect(), ..Repertoire::default() };
        let plan = plan(&bundle, Goal::Step(Step::SignIn), &q, &repertoire).unwrap();
        let sets = brute_force(&bundle, &q, enrolled.difference(fresh));
        match plan.decision {
            Decision::Allow => prop_assert_eq!(sets, vec![MethodSet::EMPTY]),
            Decision::Challenge { offers, .. } => {
                let offered: Vec<Method> = offers.iter().map(|offer| offer.method).collect();
                prop_assert!(sets.iter().all(|set| !set.is_empty()));
                prop_assert_eq!(offered, next_proofs(&sets, &q));
            }
            Decision::Deny(_) => prop_assert!(sets.is_empty()),
            Decision::Enrol { .. } => prop_assert!(false, "nothing can be enrolled"),
        }
        prop_assert!(plan.evaluations <= MOST_EVALUATIONS);
    }

    #[test]
    fn removing_a_proof_never_gains(policies in any_policies(), more in any_methods(), gone in any_methods()) {
        let bundle = samples::parse(&policies).unwrap_or_else(|errors| panic!("{errors}"));
        let sample = Sample::new(&[], "portal");
        let (with, without) = (sample.question(more), sample.question(more.difference(gone)));
        let allowed = |q: &Question<'_>| bundle.evaluate(Step::SignIn, None, q).allowed;
        prop_assert!(!allowed(&without) || allowed(&with));
    }
}

fn shown(methods: &[Method]) -> MethodSet {
    methods.iter().copied().collect()
}

fn has(enrolled: &[Method]) -> Repertoire {
    Repertoire { enrolled: enrolled.to_vec(), ..Repertoire::default() }
}

fn offered(plan: &Plan) -> Vec<Method> {
    match &plan.decision {
        Decision::Challenge { offers, .. } => offers.iter().map(|offer| offer.method).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_one_used_last_is_offered_in_second_place() {
    let (bundle, sample) = (samples::shipped(), Sample::new(&["aws-users"], "aws"));
    let q = sample.question(shown(&[Method::Password]));
    let mut repertoire = has(&[Method::BackupCode, Method::SmsOtp, Method::Totp, Method::SecurityKey]);
    repertoire.last_used = Some(Method::BackupCode);
    let plan = plan(&bundle, Goal::App { roles: &sample.app.roles }, &q, &repertoire).unwrap();
    assert_eq!(offered(&plan), [Method::SecurityKey, Method::BackupCode, Method::Totp, Method::SmsOtp]);
    assert!(plan.evaluations <= 8, "{} evaluations", plan.evaluations);
}

#[test]
fn everything_enrolled_at_once_stays_within_the_limit() {
    let bundle = samples::shipped();
    for first in [Method::Password, Method::MagicLink, Method::ExternalIdp, Method::AccessPass] {
        for group in ["aws-users", "aws-admins", "contractors"] {
            for known in [true, false] {
                let mut sample = Sample::new(&[group, "aws-users"], "aws");
                sample.signals.device.known = known;
                sample.signals.device.registered = 3;
                sample.signals.risk.failed_attempts = 6;
                let q = sample.question(shown(&[first]));
                let plan = plan(&bundle, Goal::App { roles: &sample.app.roles }, &q, &has(&Method::ALL));
                assert!(plan.is_ok(), "{first:?} {group} {known}");
            }
        }
    }
}

#[test]
fn who_lacks_a_second_factor_enrols_through_a_link_unless_enrolling_is_permitted_already() {
    let (bundle, sample) = (samples::shipped(), Sample::new(&["aws-users"], "aws"));
    for (shown_now, permitted_now) in
        [(vec![Method::Password], false), (vec![Method::Password, Method::ActivationLink], true)]
    {
        let q = sample.question(shown(&shown_now));
        let repertoire = Repertoire { enrollable: vec![Method::Totp], ..has(&[Method::Password]) };
        let plan = plan(&bundle, Goal::App { roles: &sample.app.roles }, &q, &repertoire).unwrap();
        let Decision::Enrol { methods, permitted, policies } = plan.decision else { panic!("{:?}", plan.decision) };
        assert_eq!((methods, permitted), (vec![Method::Totp], permitted_now));
        assert_eq!(policies[0].id.as_str(), "aws.second-factor");
    }
}

#[test]
fn the_reason_of_a_refusal_is_precise() {
    let bundle = samples::shipped();
    let reason = |groups: &[&str], change: fn(&mut Sample)| {
        let mut sample = Sample::new(groups, "aws");
        change(&mut sample);
        let q = sample.question(shown(&[Method::Password]));
        match plan(&bundle, Goal::App { roles: &sample.app.roles }, &q, &has(&[Method::Totp])).unwrap().decision {
            Decision::Deny(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let ids = |reason: DenyReason| match reason {
        DenyReason::Forbidden { policies } => policies.iter().map(|p| p.id.to_string()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&[], |_| ()), DenyReason::NoPermit, "not in the group, with or without a second factor");
    let suspend: fn(&mut Sample) = |sample| sample.user.status = crate::domain::UserStatus::Suspended;
    assert_eq!(ids(reason(&[], suspend)), ["base.suspended"]);
    let block: fn(&mut Sample) = |sample| {
        sample.signals.networks.insert(crate::domain::NetworkName::parse("blocked").unwrap());
    };
    assert_eq!(ids(reason(&["aws-users"], block)), ["net.blocked"]);
    let no_role: fn(&mut Sample) = |sample| sample.app.roles.retain(|role| role.as_str() == "Admin");
    assert_eq!(reason(&["aws-users"], no_role), DenyReason::NoRole);
    assert_eq!(ids(reason(&["aws-users", "aws-admins"], no_role)), ["aws.admin-phishing-resistant"]);
}

#[test]
fn a_policy_that_fails_is_a_refusal_that_names_it() {
    let bundle = samples::parse(
        r#"@id("p") @description("d") permit (principal is User, action, resource);
           @id("overflows") @description("d") forbid (principal is User, action == Action::"signIn", resource)
           when { context.device.registered + 9223372036854775807 < 0 };"#,
    )
    .unwrap();
    let sample = Sample::new(&[], "portal");
    let q = sample.question(shown(&[Method::Passkey]));
    let verdict = bundle.evaluate(Step::SignIn, None, &q);
    assert!(!verdict.allowed && verdict.errors.len() == 1, "{verdict:?}");
    let plan = plan(&bundle, Goal::Step(Step::SignIn), &q, &has(&[Method::Totp])).unwrap();
    assert_eq!(plan.decision, Decision::Deny(DenyReason::EvaluationError { policies: verdict.errors }));
    assert_eq!(plan.determining[0].id.as_str(), "overflows");
}

#[test]
fn what_a_service_provider_wants_is_asked_for_added_or_out_of_reach() {
    let bundle = samples::shipped();
    let sample = Sample::new(&[], "portal");
    let wanting = |class, methods: &[Method]| Question {
        required: Required::any_of(&[class]),
        ..sample.question(shown(methods))
    };
    let goal = Goal::Step(Step::SignIn);
    let decide = |q: &Question<'_>, repertoire: &Repertoire| plan(&bundle, goal, q, repertoire).unwrap().decision;
    let (password, both) = ([Method::Password], [Method::Password, Method::Totp]);
    let offers = |method| vec![Offer { method }];
    let token = AuthnContextClass::TimeSyncToken;
    assert_eq!(decide(&sample.question(shown(&password)), &has(&both)), Decision::Allow, "no policy asks for more");
    let asked = decide(&wanting(token, &password), &has(&both));
    assert_eq!(asked, Decision::Challenge { offers: offers(Method::Totp), policies: Vec::new() });
    assert_eq!(decide(&wanting(token, &both), &has(&both)), Decision::Allow);
    let mailed = has(&[Method::Password, Method::EmailOtp]);
    assert!(matches!(decide(&wanting(token, &password), &mailed), Decision::Deny(DenyReason::CannotShow)));
    let asked = decide(&wanting(AuthnContextClass::RefedsMfa, &password), &mailed);
    assert_eq!(asked, Decision::Challenge { offers: offers(Method::EmailOtp), policies: Vec::new() });
    let new = Repertoire { enrollable: vec![Method::Totp], ..has(&password) };
    assert!(matches!(decide(&wanting(token, &password), &new), Decision::Enrol { .. }));
    // The device may be trusted: that shows nothing.
    let mut trusted = Sample::new(&[], "portal");
    trusted.signals.device.trusted = true;
    let q = Question { required: Required::any_of(&[token]), ..trusted.question(shown(&password)) };
    assert!(matches!(decide(&q, &has(&both)), Decision::Challenge { .. }));
}
