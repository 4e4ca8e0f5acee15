//! How many decisions of the past does one core make again in a second, with the shipped policies? The goal is 20,000: with every
//! question different, and with those of a month in a company, where most are the same. Beside them one bare evaluation, which a
//! plan is made of.

#![allow(clippy::unwrap_used, reason = "a bench whose set-up is wrong should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use cedargate::audit::DecisionRecord;
use cedargate::domain::{
    App, AppId, Country, CountryListName, Decision, DenyReason, DeviceFacts, GroupName, Method, MethodSet, NetworkName,
    Profile, ReferenceId, Repertoire, Required, RiskFacts, RoleName, SignalSet, Step, UserStatus, Username,
};
use cedargate::policy::{Bundle, Goal, PolicySources, Replay, Situation, SourceFile, Vocabulary, planner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SCHEMA: &str = include_str!("../policies/schema.cedarschema");
const POLICIES: [&str; 6] = [
    include_str!("../policies/00-base.cedar"),
    include_str!("../policies/10-aws.cedar"),
    include_str!("../policies/15-wiki.cedar"),
    include_str!("../policies/20-network.cedar"),
    include_str!("../policies/30-devices.cedar"),
    include_str!("../policies/40-time-risk.cedar"),
];

fn app(id: &str, device_limit: u32, roles: &[&str]) -> App {
    let roles = roles.iter().map(|role| RoleName::parse(role).unwrap()).collect();
    App { id: AppId::parse(id).unwrap(), name: id.to_owned(), device_limit, pilot: None, roles }
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn shipped() -> Bundle {
    let file = |path: String, text: &str| SourceFile { path, text: text.to_owned() };
    let policies = POLICIES.iter().enumerate().map(|(i, text)| file(format!("{i}.cedar"), text)).collect();
    let sources = PolicySources {
        schema: file("schema.cedarschema".to_owned(), SCHEMA),
        policies,
        tests: Vec::new(),
        invariants: Vec::new(),
    };
    let teams = (0..20).map(|team| group(&format!("team-{team}")));
    let vocabulary = Vocabulary::new(
        ["aws-users", "aws-admins", "contractors"].map(group).into_iter().chain(teams),
        [app("aws", 3, &["Dev", "Admin"]), app("wiki", 0, &[])],
        ["office", "vpn", "blocked"].map(|network| NetworkName::parse(network).unwrap()),
        BTreeMap::from([(CountryListName::parse("blocked").unwrap(), BTreeSet::from([Country::parse("KP").unwrap()]))]),
    );
    Bundle::parse(&sources, vocabulary, jiff::civil::date(2026, 1, 1)).unwrap()
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// Somebody of 500 people, at work, who opens something with a password or more.
fn record(numbers: &mut Numbers, at: u64) -> DecisionRecord {
    let person = numbers.below(500);
    let mut groups = BTreeSet::from([group(&format!("team-{}", person % 20)), group(&format!("team-{}", person % 7))]);
    groups.extend(person.is_multiple_of(3).then(|| group("aws-users")));
    groups.extend(person.is_multiple_of(50).then(|| group("aws-admins")));
    groups.extend((person % 25 == 1).then(|| group("contractors")));
    let shown: MethodSet =
        if numbers.one_in(2) { [Method::Password, Method::Totp] } else { [Method::Password; 2] }.into_iter().collect();
    let known = !numbers.one_in(20);
    let country = Country::parse(if numbers.one_in(40) { "FR" } else { "DE" }).unwrap();
    let seconds = i64::try_from(1_790_000_000 + at * 130).unwrap();
    DecisionRecord {
        reference: ReferenceId::parse("JTBMK597ZT").unwrap(),
        at: cedargate::clock::Timestamp::from_second(seconds).unwrap(),
        sign_in: None,
        session: None,
        user: Username::parse(&format!("person{person}")).ok(),
        app: AppId::parse(if person.is_multiple_of(3) && numbers.one_in(2) { "aws" } else { "wiki" }).unwrap(),
        step: Step::SignIn,
        role: None,
        groups,
        status: Some(UserStatus::Active),
        home_country: Country::parse("DE").ok(),
        proofs: shown,
        fresh: shown,
        signals: SignalSet {
            ip: std::net::IpAddr::from([192, 0, 2, u8::try_from(person % 250).unwrap()]),
            country,
            place: None,
            asn: 64496,
            networks: numbers.one_in(2).then(|| NetworkName::parse("office").unwrap()).into_iter().collect(),
            anonymous: false,
            now: cedargate::clock::Timestamp::from_second(seconds).unwrap(),
            hour: 7 + u8::try_from(numbers.below(12)).unwrap(),
            weekday: 1 + u8::try_from(numbers.below(5)).unwrap(),
            device: DeviceFacts { known, trusted: known && numbers.one_in(3), registered: 1 + u32::from(!known) },
            risk: RiskFacts { failed_attempts: u32::from(numbers.one_in(30)), ..RiskFacts::default() },
            unknown: BTreeSet::new(),
        },
        sp_initiated: numbers.one_in(2),
        force_authn: false,
        required: Required::NOTHING,
        profile: Profile::default(),
        roles: Vec::new(),
        repertoire: Repertoire {
            enrolled: if person % 10 == 9 { vec![Method::Password] } else { vec![Method::Password, Method::Totp] },
            enrollable: if person % 10 == 9 { vec![Method::Totp] } else { Vec::new() },
            ..Repertoire::default()
        },
        decision: Decision::Deny(DenyReason::NoPermit),
        determining: Vec::new(),
        at_permit: false,
        shadow: Vec::new(),
        shadow_failed: Vec::new(),
        would: None,
        would_tell: cedargate::audit::WouldTell::default(),
        policy_digest: String::new(),
        evaluations: 0,
        micros: 0,
    }
}

/// What `bundle` decided, so that making it again changes nothing.
fn decided(bundle: &Bundle, mut record: DecisionRecord) -> DecisionRecord {
    let plan = Situation::of_record(&record, bundle.vocabulary()).unwrap().decide(bundle).unwrap();
    (record.decision, record.determining) = (plan.decision, plan.determining);
    record
}

fn replay(criterion: &mut Criterion) {
    let bundle = shipped();
    let mut numbers = Numbers(7);
    let month: Vec<DecisionRecord> = (0..20_000).map(|at| decided(&bundle, record(&mut numbers, at))).collect();
    let distinct: Vec<DecisionRecord> = (0..2_000_u32)
        .map(|at| {
            let mut record = record(&mut numbers, at.into());
            // The limit of devices reads it, so no two are the same question.
            record.signals.device.registered = at;
            decided(&bundle, record)
        })
        .collect();
    let made_again = |records: &[DecisionRecord]| {
        let mut replay = Replay::new(&bundle);
        records.iter().for_each(|record| replay.add(black_box(record)));
        replay.finish()
    };
    let asked = |records: &[DecisionRecord]| {
        let tally = made_again(records);
        assert_eq!(tally.same, tally.decisions, "the policies that decided decide the same");
        tally.asked
    };
    assert_eq!(asked(&distinct), 2_000, "each question is asked");
    let different = asked(&month);
    assert!(different < 4_000, "most questions of a month are the same: {different}");

    let allowed =
        month.iter().find(|record| record.decision == Decision::Allow && record.app.as_str() == "wiki").unwrap();
    let first = Situation::of_record(allowed, bundle.vocabulary()).unwrap();
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(20);
    group.bench_function("one bare evaluation", |b| {
        b.iter(|| bundle.evaluate(Step::SignIn, None, black_box(&first.question())))
    });
    let goal = Goal::App { roles: &[] };
    let plan = || planner::plan(&bundle, goal, black_box(&first.question()), &first.repertoire).unwrap();
    let allowed = plan().decision;
    assert_eq!(allowed, Decision::Allow, "most decisions allow");
    group.bench_function("a plan that allows", |b| b.iter(plan));
    // `risk.travel` is on trial.
    let beside = || bundle.try_out(goal, black_box(&first.question()), &first.repertoire, &allowed);
    group.bench_function("what is on trial, beside it", |b| b.iter(beside));
    group.throughput(Throughput::Elements(2_000));
    group.bench_function("2,000 decisions, each question different", |b| b.iter(|| made_again(&distinct)));
    group.throughput(Throughput::Elements(20_000));
    group.bench_function("20,000 decisions of 500 people", |b| b.iter(|| made_again(&month)));
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
