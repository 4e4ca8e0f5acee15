use proptest::prelude::*;

use super::*;
use crate::domain::{DecisionKind, Profile, ReferenceId, Required, UnknownSignal};
use crate::policy::planner::{Goal, plan};
use crate::policy::samples::{Sample, shipped, shipped_sources, shipped_with, today, vocabulary};
use crate::policy::trial::tests::asked;
use crate::policy::{Plan, SourceFile};

/// What a sign-in by `bundle` would have written down.
fn record(bundle: &Bundle, sample: &Sample, shown: MethodSet, repertoire: &Repertoire, step: Step) -> DecisionRecord {
    let q = sample.question(shown);
    let goal = if step == Step::SignIn { Goal::App { roles: &sample.app.roles } } else { Goal::Step(step) };
    let Plan { decision, evaluations, determining } = plan(bundle, goal, &q, repertoire).unwrap();
    DecisionRecord {
        reference: ReferenceId::parse("JTBMK597ZT").unwrap(),
        at: sample.signals.now,
        sign_in: None,
        session: None,
        user: Some(sample.user.username.clone()),
        app: sample.app.id.clone(),
        step,
        role: None,
        groups: sample.user.groups.clone(),
        status: Some(sample.user.status),
        home_country: Some(sample.user.home_country.clone()),
        proofs: shown,
        fresh: shown,
        signals: sample.signals.clone(),
        sp_initiated: false,
        force_authn: false,
        required: Required::NOTHING,
        profile: Profile::Compat,
        roles: sample.app.roles.clone(),
        repertoire: repertoire.clone(),
        decision: recorded(step, decision),
        at_permit: false,
        determining,
        shadow: Vec::new(),
        shadow_failed: Vec::new(),
        would: None,
        would_tell: crate::audit::WouldTell::default(),
        policy_digest: bundle.digest().to_owned(),
        evaluations,
        micros: 0,
    }
}

/// The shipped policies, and some that read what those do not.
const MORE: &str = r#"
@id("m.wiki") @description("x")
permit (principal in Group::"everyone", action == Action::"signIn", resource == App::"wiki");
@id("m.ann") @description("x")
forbid (principal == User::"ann", action == Action::"signIn", resource == App::"wiki")
when { context.net.ip.isInRange(ip("10.0.0.0/8")) };
@id("m.asn") @description("x")
forbid (principal in Group::"aws-admins", action == Action::"signIn", resource)
when { context.net.asn == 64497 || context.risk == {failed_attempts: 3, new_country: true, impossible_travel: false} }
unless { context.proofs.contains(Proof::"passkey") };
@id("m.exception") @description("x") @expires("2026-12-01")
permit (principal in Group::"contractors", action == Action::"signIn", resource == App::"aws");
@id("m.night") @description("x")
forbid (principal in Group::"aws-users", action in [Action::"signIn", Action::"enroll"], resource)
when { context.time.now > datetime("2026-11-18T12:00:00Z") && context.sp_initiated };
"#;

/// Facts that only some policies read.
#[derive(Debug, Clone)]
struct Elsewhere {
    flags: [bool; 5],
    day: u8,
}

impl Elsewhere {
    fn put(&self, record: &mut DecisionRecord) {
        let [ip, asn, sp_initiated, is_ann, unknown] = self.flags;
        record.signals.ip = if ip { "10.1.2.3" } else { "192.0.2.9" }.parse().unwrap();
        record.signals.asn = if asn { 64497 } else { 1 };
        record.signals.now = format!("2026-11-{:02}T11:59:00Z", 10 + self.day).parse().unwrap();
        record.sp_initiated = sp_initiated;
        record.user = Username::parse(if is_ann { "ann" } else { "bob" }).ok();
        record.signals.unknown = unknown.then_some(UnknownSignal::Country).into_iter().collect();
    }
}

fn elsewhere() -> impl Strategy<Value = Elsewhere> {
    (any::<[bool; 5]>(), 0_u8..20).prop_map(|(flags, day)| Elsewhere { flags, day })
}

fn set_of(more: &str) -> Bundle {
    let mut sources = shipped_sources();
    sources.policies.push(SourceFile { path: "90-more.cedar".to_owned(), text: more.to_owned() });
    // Before the exception of the set ends, so that it depends on the day of the question.
    Bundle::parse(&sources, vocabulary(), jiff::civil::date(2026, 11, 1)).unwrap_or_else(|errors| panic!("{errors}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn questions_of_one_essence_are_answered_alike(
        asked in proptest::collection::vec((asked(), proptest::sample::select(vec![Step::SignIn, Step::Enroll])), 8),
        places in proptest::collection::vec(elsewhere(), 6),
    ) {
        let bundle = set_of(MORE);
        let mut reader = Reader::new(&bundle);
        let mut answers: HashMap<Essence, (Plan, DecisionRecord)> = HashMap::new();
        for ((sample, shown, repertoire), step) in asked {
            let base = record(&bundle, &sample, shown, &repertoire, step);
            for place in &places {
                let mut record = base.clone();
                place.put(&mut record);
                let Ok(situation) = Situation::of_record(&record, bundle.vocabulary()) else { continue };
                let plan = situation.decide(&bundle).unwrap();
                let essence = reader.essence(&record, &sample.app);
                let (known, first) = answers.entry(essence).or_insert_with(|| (plan.clone(), record.clone()));
                prop_assert_eq!(&*known, &plan, "{:#?} and {:#?}", first, record);
            }
        }
    }

    /// By the very policies that decided, each decision comes out as it was.
    #[test]
    fn the_same_policies_decide_the_same(
        asked in proptest::collection::vec((asked(), proptest::sample::select(vec![Step::SignIn, Step::Enroll])), 20),
    ) {
        let bundle = shipped();
        let mut replay = Replay::new(&bundle);
        for ((sample, shown, repertoire), step) in &asked {
            replay.add(&record(&bundle, sample, *shown, repertoire, *step));
        }
        let tally = replay.finish();
        let left_out: u64 = tally.left_out.values().sum();
        prop_assert_eq!(tally.same + left_out, 20, "{:?}", tally);
        prop_assert_eq!(tally.left_out.keys().filter(|(why, _)| *why != NotReplayable::TooOld).count(), 0);
    }
}

/// Somebody at the wiki or AWS with a password shown, and an authenticator app at home.
fn with_password(user: &str, groups: &[&str], app: &str, change: fn(&mut Sample)) -> (Sample, MethodSet, Repertoire) {
    let mut sample = Sample::new(groups, app);
    sample.user.username = Username::parse(user).unwrap();
    change(&mut sample);
    let repertoire = Repertoire { enrolled: vec![Method::Password, Method::Totp], ..Repertoire::default() };
    (sample, MethodSet::EMPTY.with(Method::Password), repertoire)
}

#[test]
fn who_is_challenged_locked_out_and_let_in_is_counted_by_person_and_policy() {
    const WIKI: &str = r#"
@id("m.wiki") @description("x")
permit (principal in Group::"everyone", action == Action::"signIn", resource == App::"wiki");
"#;
    let then = shipped_with(WIKI);
    let stricter = format!(
        r#"{WIKI}
@id("m.second") @description("x")
forbid (principal in Group::"aws-users", action == Action::"signIn", resource == App::"wiki")
unless {{ context.proofs.contains(Proof::"second_factor") }};
@id("m.no-contractors") @description("x")
forbid (principal in Group::"contractors", action == Action::"signIn", resource == App::"wiki");
"#
    );
    let mut sources = shipped_sources();
    sources.policies.push(SourceFile { path: "90-more.cedar".to_owned(), text: stricter });
    for file in &mut sources.policies {
        // Anonymisers are no matter any more.
        file.text = file.text.replace("when { context.net.anonymous }\n", "when { context.net.asn == 1 }\n");
    }
    let now = Bundle::parse(&sources, vocabulary(), today()).unwrap_or_else(|errors| panic!("{errors}"));
    let hidden: fn(&mut Sample) = |sample| sample.signals.anonymous = true;
    let usual: fn(&mut Sample) = |_| ();
    let mut replay = Replay::new(&now);
    for (user, groups, change) in [
        ("ann", &["aws-users"][..], usual),
        ("ann", &["aws-users"], usual),
        ("bob", &["aws-users"], usual),
        ("carl", &["contractors"], usual),
        ("dora", &[], hidden),
        ("emil", &[], usual),
    ] {
        let (sample, shown, repertoire) = with_password(user, groups, "wiki", change);
        replay.add(&record(&then, &sample, shown, &repertoire, Step::SignIn));
    }
    let (sample, shown, repertoire) = with_password("ann", &["aws-users"], "wiki", usual);
    let mut gone = record(&then, &sample, shown, &repertoire, Step::SignIn);
    gone.app = crate::domain::AppId::parse("old").unwrap();
    replay.add(&gone);
    let old = DecisionRecord {
        repertoire: Repertoire::default(),
        ..record(&then, &sample, shown, &repertoire, Step::SignIn)
    };
    replay.add(&old);
    // A refusal that no plan made says nothing of plans.
    replay.add(&DecisionRecord {
        at_permit: true,
        decision: Decision::Deny(DenyReason::NoPermit),
        ..record(&then, &sample, shown, &repertoire, Step::SignIn)
    });

    let tally = replay.finish();
    let side = |change: Change| {
        let side = &tally.sides[&change];
        let people: Vec<_> =
            side.by_person.iter().map(|(user, hit)| (user.as_ref().unwrap().as_str(), hit.decisions)).collect();
        let policies: Vec<_> = side.by_policy.keys().map(|id| id.as_ref().map_or("", PolicyId::as_str)).collect();
        (people, policies)
    };
    assert_eq!(side(Change::Challenged), (vec![("ann", 2), ("bob", 1)], vec!["m.second"]));
    assert_eq!(side(Change::Denied), (vec![("carl", 1)], vec!["m.no-contractors"]));
    assert_eq!(side(Change::Freed), (vec![("dora", 1)], vec!["net.anonymous"]));
    assert_eq!((tally.decisions, tally.people.len(), tally.same), (9, 5, 1));
    let left_out: Vec<_> = tally.left_out.iter().map(|((why, app), count)| (*why, app.as_str(), *count)).collect();
    assert_eq!(
        left_out,
        [(NotReplayable::AppGone, "old", 1), (NotReplayable::TooOld, "wiki", 1), (NotReplayable::AtPermit, "wiki", 1)]
    );
    assert_eq!(tally.asked, 3, "ann and bob cannot be told apart; nor dora and emil, as nothing reads what differs");

    for (budget, over) in [
        ("challenged=2,denied=1,freed=1", &[][..]),
        ("challenged=1", &[(Change::Challenged, 1)]),
        ("freed=0, denied=0", &[(Change::Denied, 0), (Change::Freed, 0)]),
    ] {
        assert_eq!(tally.over(&budget.parse().unwrap()), over, "{budget}");
    }
    for wrong in ["", "challenged", "challenged=-1", "chalenged=1", "denied=1,denied=2", "freed=all"] {
        assert!(wrong.parse::<Budget>().is_err(), "{wrong}");
    }
}

#[test]
fn whoever_comes_without_a_session_may_be_refused_as_a_visitor() {
    let then = shipped_with("");
    let now = shipped_with(
        r#"
@id("m.visit") @description("x")
forbid (principal is Anonymous, action == Action::"visit", resource) when { context.net.country == Country::"FR" };
"#,
    );
    let in_france: fn(&mut Sample) = |sample| sample.signals.country = Country::parse("FR").unwrap();
    let mut replay = Replay::new(&now);
    for (user, change) in [("ann", in_france), ("bob", (|_| ()) as fn(&mut Sample))] {
        let (sample, shown, repertoire) = with_password(user, &["aws-users"], "portal", change);
        let mut record = record(&then, &sample, shown, &repertoire, Step::SignIn);
        for session in [None, Some(crate::domain::SessionId::parse("0192d3a0-0000-7000-8000-000000000001").unwrap())] {
            record.session = session;
            replay.add(&record);
        }
    }
    let tally = replay.finish();
    let denied = &tally.sides[&Change::Denied];
    let people: Vec<&str> = denied.by_person.keys().map(|user| user.as_ref().unwrap().as_str()).collect();
    assert_eq!(
        (people, denied.by_person.len(), tally.same),
        (vec!["ann"], 1, 3),
        "only ann, and only without a session"
    );
    assert!(denied.by_policy.keys().all(|id| id.as_ref().unwrap().as_str() == "m.visit"));
}

#[test]
fn the_tallies_of_workers_add_up_in_any_order() {
    let then = shipped();
    let now =
        shipped_with("@id(\"m.none\") @description(\"x\") forbid (principal, action == Action::\"signIn\", resource);");
    let usual: fn(&mut Sample) = |sample| sample.signals.device.trusted = true;
    let tally = |users: &[&str]| {
        let mut replay = Replay::new(&now);
        for (at, user) in users.iter().enumerate() {
            let (sample, shown, repertoire) = with_password(user, &["aws-users"], "aws", usual);
            let mut record = record(&then, &sample, shown, &repertoire, Step::SignIn);
            record.at += jiff::SignedDuration::from_secs(at as i64 + 10 * i64::from(user.as_bytes()[0]));
            replay.add(&record);
        }
        replay.finish()
    };
    let (one, two) = (tally(&["ann", "bob", "ann"]), tally(&["carl", "bob"]));
    let (mut there, mut back) = (one.clone(), two.clone());
    there.merge(two);
    back.merge(one);
    assert_eq!(there, back);
    let denied = &there.sides[&Change::Denied];
    assert_eq!((denied.all.decisions, denied.all.people.len(), there.people_of(Change::Freed)), (5, 3, 0));
    assert_eq!(denied.all.examples.len(), 3);
    assert!(denied.all.examples.is_sorted_by(|a, b| a.at >= b.at), "the latest first: {:?}", denied.all.examples);
    assert!(denied.all.examples.iter().all(|example| example.was == DecisionKind::Allow));
}

#[test]
fn roles_that_are_lost_or_gained_are_a_change_of_their_own() {
    let then = shipped();
    let now = shipped_with(
        r#"
@id("m.no-admin") @description("x")
forbid (principal == User::"ann", action == Action::"assumeRole", resource == Role::"aws/Admin");
@id("m.hidden") @description("x")
forbid (principal == User::"carl", action == Action::"signIn", resource == App::"aws");
"#,
    );
    let trusted: fn(&mut Sample) = |sample| sample.signals.device.trusted = true;
    let mut replay = Replay::new(&now);
    let [dev, admin] = ["Dev", "Admin"].map(|role| crate::domain::RoleName::parse(role).unwrap());
    let both = [dev.clone(), admin.clone()];
    for (user, issued) in [
        ("ann", Some(&both[..])),
        ("ann", Some(&both[..1])),
        ("ann", None),
        ("bob", Some(&both[..])),
        ("bob", Some(&both[..1])),
        ("carl", Some(&both[..])),
    ] {
        let (sample, shown, repertoire) = with_password(user, &["aws-users", "aws-admins"], "aws", trusted);
        let shown = shown.with(Method::Passkey);
        let record = record(&then, &sample, shown, &repertoire, Step::SignIn);
        assert_eq!(record.decision, Decision::Allow);
        replay.add_issued(&record, issued);
    }
    let tally = replay.finish();
    let aws = crate::domain::AppId::parse("aws").unwrap();
    let side = &tally.sides[&Change::Roles];
    let of = |user: &str| &side.by_person[&Username::parse(user).ok()];
    let admin = BTreeSet::from([(aws, admin)]);
    assert_eq!((&of("ann").lost, of("ann").gained.len(), of("ann").decisions), (&admin, 0, 1));
    assert_eq!((of("bob").lost.len(), &of("bob").gained, of("bob").decisions), (0, &admin, 1));
    let policies: Vec<_> = side.by_policy.keys().flatten().map(PolicyId::as_str).collect();
    assert!(policies.contains(&"m.no-admin") && policies.len() >= 2, "{policies:?}");
    assert_eq!((tally.same, tally.people_of(Change::Roles), tally.people_of(Change::Denied)), (3, 2, 1));
    assert_eq!(tally.over(&"roles=1".parse().unwrap()), [(Change::Roles, 1)]);
    assert!(tally.over(&"challenged=0,denied=1,freed=0,roles=2".parse().unwrap()).is_empty());
}
