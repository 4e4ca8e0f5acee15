use super::*;
use crate::domain::{AuthnContextClass, Required};
use crate::policy::samples::{self, Sample};

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

/// A forbid that needs `needs` proofs of different kinds, one by one.
fn needs(id: &str, needs: &[&str]) -> String {
    let all: Vec<String> = needs.iter().map(|proof| format!("context.fresh.contains(Proof::\"{proof}\")")).collect();
    let condition = all.join(" && ");
    format!(
        "@id(\"{id}\") @description(\"d\")\nforbid (principal is User, action == Action::\"signIn\", resource) unless {{ {condition} }};\n"
    )
}

const CODES: [&str; 7] = ["totp", "push", "sms_otp", "email_otp", "grid_card", "backup_code", "security_key"];

#[test]
fn what_could_ask_too_often_does_not_load_and_says_which_policies_do_it() {
    let permit = "@id(\"p\") @description(\"d\") permit (principal is User, action, resource);\n";
    // Five kinds in one policy leave thirty cases open; six leave sixty-two.
    samples::parse(&format!("{permit}{}", needs("five", &CODES[..5]))).unwrap();
    let told = samples::parse(&format!("{permit}{}", needs("a.six", &CODES[..6]))).unwrap_err();
    assert_eq!(told.problems[0].rule, crate::policy::Rule::Search);
    assert_eq!((told.problems[0].file.as_str(), told.problems[0].line), ("a.cedar", 2));
    let message = told.to_string();
    assert!(message.contains("`signIn` on `App::\"portal\"` may take 68 evaluations, more than 64"), "{message}");
    assert!(message.contains("`a.six` (6)") && message.contains("help: join proofs"), "{message}");
    // Another app, another count; and what is on trial, or about another step, is not asked.
    let apart = needs("one", &CODES[..5]).replace(", resource)", ", resource == App::\"aws\")")
        + &needs("two", &CODES[2..]).replace(", resource)", ", resource == App::\"wiki\")");
    samples::parse(&format!("{permit}{apart}")).unwrap();
    let together = needs("one", &CODES[..5]) + &needs("two", &CODES[2..]);
    let message = samples::parse(&format!("{permit}{together}")).unwrap_err().to_string();
    assert!(message.contains("`one` (5), `two` (5)"), "{message}");
    samples::parse(&format!("{permit}{}", needs("six", &CODES[..6]).replace("forbid", "@mode(\"report\") forbid")))
        .unwrap();
}

#[test]
fn many_policies_that_need_the_same_cost_no_more_than_one() {
    let mut all = "@id(\"p\") @description(\"d\") permit (principal is User, action, resource);\n".to_owned();
    for (number, proof) in CODES.iter().cycle().take(70).enumerate() {
        all += &needs(&format!("single{number}"), &[proof]);
        all += &needs(&format!("same{number}"), &["totp", "push"]);
    }
    let bundle = samples::parse(&all).unwrap();
    let sample = Sample::new(&[], "portal");
    let q = sample.question(shown(&[Method::Password]));
    let plan = plan(&bundle, Goal::Step(Step::SignIn), &q, &has(&Method::ALL)).unwrap();
    assert_eq!(offered(&plan)[0], Method::SecurityKey, "all seven are needed; the strongest first");
    assert!(plan.evaluations <= 4, "{} evaluations", plan.evaluations);
}
