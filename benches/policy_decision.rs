//! How long does one decision take, and one plan that ends in a one-factor challenge, with the shipped policies?
//! The goal for both together is 200 µs.

#![allow(clippy::unwrap_used, reason = "a bench whose set-up is wrong should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use cedargate::clock::Timestamp;
use cedargate::domain::{
    App, AppId, Country, CountryListName, Decision, DeviceFacts, EmailAddress, GroupName, Method, MethodSet,
    NetworkName, Profile, Repertoire, Required, RiskFacts, RoleName, SignalSet, Step, User, UserId, UserStatus,
    Username,
};
use cedargate::policy::{Bundle, Goal, PolicySources, Question, SourceFile, Vocabulary, planner};
use criterion::{Criterion, criterion_group, criterion_main};

const SCHEMA: &str = include_str!("../policies/schema.cedarschema");
const POLICIES: [&str; 5] = [
    include_str!("../policies/00-base.cedar"),
    include_str!("../policies/10-aws.cedar"),
    include_str!("../policies/20-network.cedar"),
    include_str!("../policies/30-devices.cedar"),
    include_str!("../policies/40-time-risk.cedar"),
];

fn aws() -> App {
    let roles = ["Dev", "Admin"].map(|role| RoleName::parse(role).unwrap()).into();
    App { id: AppId::parse("aws").unwrap(), name: "AWS".to_owned(), device_limit: 3, pilot: None, roles }
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
    let vocabulary = Vocabulary::new(
        ["aws-users", "aws-admins", "contractors"].map(|group| GroupName::parse(group).unwrap()),
        [aws()],
        ["office", "vpn", "blocked"].map(|network| NetworkName::parse(network).unwrap()),
        BTreeMap::from([(CountryListName::parse("blocked").unwrap(), BTreeSet::from([Country::parse("KP").unwrap()]))]),
    );
    Bundle::parse(&sources, vocabulary, jiff::civil::date(2026, 1, 1)).unwrap()
}

fn ann() -> User {
    User {
        id: UserId::parse("01890000-0000-7000-8000-000000000001").unwrap(),
        username: Username::parse("ann").unwrap(),
        email: EmailAddress::parse("ann@example.com").unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: BTreeSet::from([GroupName::parse("aws-users").unwrap()]),
        home_country: Country::parse("DE").unwrap(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 0,
        devices_since: None,
    }
}

fn signals() -> SignalSet {
    SignalSet {
        ip: "192.0.2.7".parse().unwrap(),
        country: Country::parse("DE").unwrap(),
        place: None,
        asn: 64496,
        networks: BTreeSet::new(),
        anonymous: false,
        now: Timestamp::UNIX_EPOCH,
        hour: 10,
        weekday: 3,
        device: DeviceFacts { known: true, trusted: false, registered: 1 },
        risk: RiskFacts::default(),
        unknown: BTreeSet::new(),
    }
}

fn policy_decision(criterion: &mut Criterion) {
    let (bundle, user, app, signals) = (shipped(), ann(), aws(), signals());
    let password = MethodSet::EMPTY.with(Method::Password);
    let q = Question {
        user: &user,
        app: &app,
        proofs: password,
        fresh: password,
        signals: &signals,
        sp_initiated: false,
        force_authn: false,
        required: Required::NOTHING,
        profile: Profile::Compat,
    };
    let enrolled = vec![Method::Password, Method::Totp, Method::BackupCode];
    let repertoire = Repertoire { enrolled, ..Repertoire::default() };
    let plan = || planner::plan(&bundle, Goal::App { roles: &app.roles }, black_box(&q), &repertoire).unwrap();
    assert!(matches!(plan().decision, Decision::Challenge { .. }), "the bench measures a challenge");
    criterion.bench_function("decide one step", |b| b.iter(|| bundle.evaluate(Step::SignIn, None, black_box(&q))));
    criterion.bench_function("decide and plan a one-factor challenge", |b| b.iter(plan));
}

criterion_group!(benches, policy_decision);
criterion_main!(benches);
