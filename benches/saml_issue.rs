//! How long does a signed response take, next to the bare RSA-2048 signature in it? The goal is 1.5 times at most.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use cedargate::clock::{Clock as _, SystemClock, SystemEntropy, Timestamp};
use cedargate::config::{AppConfig, Preset, RoleConfig};
use cedargate::domain::{
    AppId, AuthnContextClass, Country, DeviceFacts, EmailAddress, GroupName, Method, MethodSet, Profile, RiskFacts,
    RoleName, SessionId, SignalSet, SignatureAlgorithm, User, UserId, UserStatus, Username,
};
use cedargate::policy::{Bundle, IssuePermit, PolicySources, Question, SourceFile, Vocabulary};
use cedargate::saml::{IdentityProvider, IssueContext, KeyStore, ServiceProvider, Supplied, issuer};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const POLICIES: &str = r#"
@id("bench.sign-in")
@description("everybody signs in")
permit (principal, action == Action::"signIn", resource);
@id("bench.roles")
@description("everybody becomes everything")
permit (principal, action == Action::"assumeRole", resource);
"#;

fn aws() -> ServiceProvider {
    let roles = ["Dev", "Admin"].map(|name| RoleConfig {
        name: RoleName::parse(name).expect("a role name"),
        role_arn: format!("arn:aws:iam::123456789012:role/{name}"),
        provider_arn: "arn:aws:iam::123456789012:saml-provider/cedargate".to_owned(),
    });
    let config = AppConfig {
        preset: Some(Preset::Aws),
        roles: roles.to_vec(),
        session_duration: Some(3600),
        ..AppConfig::new(AppId::parse("aws").expect("an app id"))
    };
    ServiceProvider::build(&config, &Supplied::default()).expect("a good app")
}

fn ann(now: Timestamp) -> User {
    User {
        id: UserId::new(now, &SystemEntropy).expect("randomness"),
        username: Username::parse("ann").expect("a username"),
        email: EmailAddress::parse("ann@example.com").expect("an address"),
        first_name: "Ann".to_owned(),
        last_name: "Example".to_owned(),
        phone: None,
        groups: BTreeSet::from([GroupName::parse("aws-users").expect("a group")]),
        home_country: Country::unknown(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 0,
        devices_since: None,
    }
}

fn signals(now: Timestamp) -> SignalSet {
    SignalSet {
        ip: [192, 0, 2, 7].into(),
        country: Country::unknown(),
        place: None,
        asn: 0,
        networks: BTreeSet::new(),
        anonymous: false,
        now,
        hour: 10,
        weekday: 3,
        device: DeviceFacts::default(),
        risk: RiskFacts::default(),
        unknown: BTreeSet::new(),
    }
}

fn bundle(sp: &ServiceProvider) -> Bundle {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let sources = PolicySources {
        schema: file("schema.cedarschema", include_str!("../policies/schema.cedarschema")),
        policies: vec![file("bench.cedar", POLICIES)],
        tests: Vec::new(),
    };
    let group = GroupName::parse("aws-users").expect("a group");
    let vocabulary = Vocabulary::new([group], [sp.app().clone()], [], BTreeMap::new());
    Bundle::parse(&sources, vocabulary, jiff::civil::date(2026, 11, 21)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn saml_issue(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = KeyStore::ensure(dir.path(), &SystemClock, &SystemEntropy).expect("keys");
    let idp = IdentityProvider::new("https://login.example.com", keys.signing_keys());
    let now = SystemClock.now();
    let (sp, user, signals) = (aws(), ann(now), signals(now));
    let bundle = bundle(&sp);
    let shown: MethodSet = [Method::Password, Method::Totp].into_iter().collect();
    let question = Question {
        user: &user,
        app: sp.app(),
        proofs: shown,
        fresh: shown,
        signals: &signals,
        sp_initiated: false,
        force_authn: false,
        required: cedargate::domain::Required::NOTHING,
        profile: Profile::Compat,
    };
    let context = IssueContext {
        acs: None,
        in_response_to: None,
        relay_state: None,
        session_index: "_0123456789abcdef",
        authn_instant: now,
        authn_context: AuthnContextClass::TimeSyncToken,
        session_not_on_or_after: None,
        role: None,
        name_id_format: None,
        persistent_id_key: &[7; 32],
    };
    let session = SessionId::new(now, &SystemEntropy).expect("randomness");
    let permit = || -> IssuePermit {
        let request = sp.issue_request(&user, &context).expect("a good user");
        bundle.permit_issue(&question, request, session, now).expect("permitted")
    };

    let mut group = criterion.benchmark_group("saml_issue");
    group.bench_function("bare RSA-2048 signature", |b| {
        let key = idp.keys().key(SignatureAlgorithm::RsaSha256).expect("an RSA key");
        b.iter(|| key.sign(SignatureAlgorithm::RsaSha256, black_box(&[7; 600])).expect("a signature"));
    });
    group.bench_function("signed response with two roles", |b| {
        b.iter_batched(
            permit,
            |permit| issuer::issue(permit, &idp, now, &SystemEntropy).expect("a response"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, saml_issue);
criterion_main!(benches);
