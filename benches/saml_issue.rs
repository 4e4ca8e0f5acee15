//! How long does a signed response take, next to the bare signature and encryption in it? The goal is 1.5 times at most for one RSA-2048
//! signature.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use cedargate::clock::{Clock as _, SystemClock, SystemEntropy, Timestamp};
use cedargate::config::{AppConfig, Encrypt, Preset, RoleConfig};
use cedargate::domain::{
    AppId, AuthnContextClass, Country, DeviceFacts, EmailAddress, GroupName, Method, MethodSet, Profile, Required,
    RiskFacts, RoleName, SessionId, SignMode, SignalSet, SignatureAlgorithm, User, UserId, UserStatus, Username,
};
use cedargate::policy::{Bundle, IssuePermit, PolicySources, Question, SourceFile, Vocabulary};
use cedargate::saml::{Certificate, IdentityProvider, IssueContext, ServiceProvider, Supplied, issuer};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

#[path = "keys/mod.rs"]
mod keys;

const POLICIES: &str = r#"
@id("bench.sign-in")
@description("everybody signs in")
permit (principal, action == Action::"signIn", resource);
@id("bench.roles")
@description("everybody becomes everything")
permit (principal, action == Action::"assumeRole", resource);
"#;

/// How a response is signed, and what of it is encrypted.
struct Way {
    name: &'static str,
    sign: SignMode,
    algorithm: SignatureAlgorithm,
    encrypt: Encrypt,
}

const PLAIN: Way = Way {
    name: "signed response with two roles",
    sign: SignMode::Assertion,
    algorithm: SignatureAlgorithm::RsaSha256,
    encrypt: Encrypt::Nothing,
};

const WAYS: [Way; 6] = [
    PLAIN,
    Way { name: "the response signed instead", sign: SignMode::Response, ..PLAIN },
    Way { name: "both signed", sign: SignMode::Both, ..PLAIN },
    Way { name: "signed with ECDSA", algorithm: SignatureAlgorithm::EcdsaSha256, ..PLAIN },
    Way { name: "signed, and the assertion encrypted", encrypt: Encrypt::Assertion, ..PLAIN },
    Way { name: "signed, and the NameID encrypted", encrypt: Encrypt::NameId, ..PLAIN },
];

fn aws(way: &Way, reader: &Certificate) -> ServiceProvider {
    let roles = ["Dev", "Admin"].map(|name| RoleConfig {
        name: RoleName::parse(name).expect("a role name"),
        role_arn: format!("arn:aws:iam::123456789012:role/{name}"),
        provider_arn: "arn:aws:iam::123456789012:saml-provider/cedargate".to_owned(),
    });
    let config = AppConfig {
        preset: Some(Preset::Aws),
        roles: roles.to_vec(),
        session_duration: Some(3600),
        sign: way.sign,
        signature_algorithm: way.algorithm,
        encrypt: way.encrypt,
        ..AppConfig::new(AppId::parse("aws").expect("an app id"))
    };
    let reader = (way.encrypt != Encrypt::Nothing).then(|| reader.clone());
    let supplied = Supplied { encryption_certificate: reader, ..Supplied::default() };
    ServiceProvider::build(&config, &supplied).unwrap_or_else(|problems| panic!("{problems:?}"))
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
        invariants: Vec::new(),
    };
    let group = GroupName::parse("aws-users").expect("a group");
    let vocabulary = Vocabulary::new([group], [sp.app().clone()], [], BTreeMap::new());
    Bundle::parse(&sources, vocabulary, jiff::civil::date(2026, 11, 21)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is issued over and over: everything but the permit, which each response uses up.
struct Desk {
    sp: ServiceProvider,
    bundle: Bundle,
    user: User,
    signals: SignalSet,
    session: SessionId,
    now: Timestamp,
}

impl Desk {
    fn new(way: &Way, reader: &Certificate, now: Timestamp) -> Self {
        let sp = aws(way, reader);
        let session = SessionId::new(now, &SystemEntropy).expect("randomness");
        Self { bundle: bundle(&sp), sp, user: ann(now), signals: signals(now), session, now }
    }

    fn permit(&self) -> IssuePermit {
        let shown: MethodSet = [Method::Password, Method::Totp].into_iter().collect();
        let question = Question {
            user: &self.user,
            app: self.sp.app(),
            proofs: shown,
            fresh: shown,
            signals: &self.signals,
            sp_initiated: false,
            force_authn: false,
            required: Required::NOTHING,
            profile: Profile::Compat,
        };
        let context = IssueContext {
            acs: None,
            in_response_to: None,
            relay_state: None,
            session_index: "_0123456789abcdef",
            authn_instant: self.now,
            authn_context: AuthnContextClass::TimeSyncToken,
            session_not_on_or_after: None,
            role: None,
            name_id_format: None,
            persistent_id_key: &[7; 32],
        };
        let request = self.sp.issue_request(&self.user, &context).expect("a good user");
        self.bundle.permit_issue(&question, request, self.session, self.now).expect("permitted")
    }
}

fn saml_issue(criterion: &mut Criterion) {
    let (keys, [reader, _]) = keys::both();
    let idp = IdentityProvider::new("https://login.example.com", keys);
    let now = SystemClock.now();
    let mut group = criterion.benchmark_group("saml_issue");
    for (name, algorithm) in [
        ("bare RSA-2048 signature", SignatureAlgorithm::RsaSha256),
        ("bare P-256 signature", SignatureAlgorithm::EcdsaSha256),
    ] {
        let key = idp.keys().key(algorithm).expect("a key of this kind");
        group.bench_function(name, |b| b.iter(|| key.sign(algorithm, black_box(&[7; 600])).expect("a signature")));
    }
    let public = PublicEncryptingKey::from_der(reader.public_key()).expect("an RSA key");
    let public = OaepPublicEncryptingKey::new(public).expect("an RSA key");
    let mut wrapped = vec![0; public.ciphertext_size()];
    group.bench_function("bare RSA-2048 OAEP encryption", |b| {
        b.iter(|| public.encrypt(&OAEP_SHA1_MGF1SHA1, black_box(&[7; 32]), &mut wrapped, None).expect("a key").len());
    });
    for way in &WAYS {
        let desk = Desk::new(way, &reader, now);
        group.bench_function(way.name, |b| {
            b.iter_batched(
                || desk.permit(),
                |permit| issuer::issue(permit, &idp, now, &SystemEntropy).expect("a response"),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, saml_issue);
criterion_main!(benches);
