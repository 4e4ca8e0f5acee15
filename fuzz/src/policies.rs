//! Policies and tables of tests, as an administrator might write them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedargate::domain::{
    App, AppId, Country, CountryListName, Decision, DenyReason, DeviceFacts, EmailAddress, GroupName, Method,
    MethodSet, NetworkName, Profile, Repertoire, Required, RiskFacts, RoleName, SignalSet, Step, User, UserId,
    UserStatus, Username,
};
use cedargate::policy::planner::MOST_EVALUATIONS;
use cedargate::policy::{Asks, Bundle, Plan, PolicySources, Situation, SourceFile, Vocabulary, testing};

const SCHEMA: &str = include_str!("../../policies/schema.cedarschema");
const TODAY: jiff::civil::Date = jiff::civil::date(2026, 11, 22);

/// The shipped policies about apps, which tables are tried on.
static SHIPPED: LazyLock<Bundle> = LazyLock::new(|| {
    let files = [
        ("00-base.cedar", include_str!("../../policies/00-base.cedar")),
        ("10-aws.cedar", include_str!("../../policies/10-aws.cedar")),
        ("20-network.cedar", include_str!("../../policies/20-network.cedar")),
        ("30-devices.cedar", include_str!("../../policies/30-devices.cedar")),
        ("50-notify.cedar", include_str!("../../policies/50-notify.cedar")),
    ];
    Bundle::parse(&sources(files.map(|(path, text)| file(path, text)).into()), vocabulary(), TODAY)
        .unwrap_or_else(|errors| panic!("{errors}"))
});

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

fn sources(policies: Vec<SourceFile>) -> PolicySources {
    PolicySources { schema: file("schema.cedarschema", SCHEMA), policies, tests: Vec::new(), invariants: Vec::new() }
}

fn vocabulary() -> Vocabulary {
    let group = |name: &str| GroupName::parse(name).expect("a group");
    let aws = App {
        id: AppId::parse("aws").expect("an id"),
        name: "AWS".to_owned(),
        device_limit: 3,
        pilot: None,
        roles: ["Dev", "Admin"].map(|name| RoleName::parse(name).expect("a role")).into(),
    };
    let blocked = BTreeSet::from([Country::parse("KP").expect("a country")]);
    Vocabulary::new(
        ["aws-users", "aws-admins", "contractors"].map(group),
        [aws],
        ["office", "vpn", "blocked"].map(|name| NetworkName::parse(name).expect("a network")),
        BTreeMap::from([(CountryListName::parse("blocked").expect("a list"), blocked)]),
    )
}

/// A policy file: it loads or every problem is told at its place; what loads decides, in the same way each time, within the bound
/// that was computed for it, and never lets anybody in by an error or for showing less.
pub fn policy_set(text: &str) {
    let sources = sources(vec![file("a.cedar", text)]);
    let bundle = match Bundle::parse(&sources, vocabulary(), TODAY) {
        Ok(bundle) => bundle,
        Err(errors) => {
            assert!(!errors.problems.is_empty(), "refused for nothing");
            let lines = text.lines().count().max(SCHEMA.lines().count()) + 1;
            assert!(errors.problems.iter().all(|problem| (1..=lines).contains(&problem.line)), "{errors}");
            return;
        }
    };
    let again = Bundle::parse(&sources, vocabulary(), TODAY).expect("it loaded before");
    assert_eq!(bundle.digest(), again.digest());
    for situation in situations(&bundle) {
        let plan = decide(&bundle, &situation);
        assert_eq!(plan, decide(&again, &situation), "decided otherwise the second time");
        let fails = matches!(plan.decision, Decision::Deny(DenyReason::EvaluationError { .. }));
        if plan.decision == Decision::Allow {
            let all: MethodSet = Method::ALL.into_iter().collect();
            let more = Situation { proofs: all, fresh: all, ..situation.clone() };
            let decision = decide(&bundle, &more).decision;
            let failed = matches!(decision, Decision::Deny(DenyReason::EvaluationError { .. }));
            assert!(decision == Decision::Allow || failed, "showing more costs something: {decision:?}");
        }
        let alerts = situation.alerts(&bundle, &plan.decision);
        assert!(!fails || !alerts.failed.is_empty(), "nobody is told of a policy that failed");
    }
}

fn decide(bundle: &Bundle, situation: &Situation) -> Plan {
    let plan = situation.decide(bundle).expect("what loads decides within the bound");
    let roles = u32::try_from(situation.app.roles.len()).expect("few roles");
    assert!(plan.evaluations <= MOST_EVALUATIONS * (1 + roles), "{} evaluations", plan.evaluations);
    plan
}

/// A few people before the portal and before an app with roles.
fn situations(bundle: &Bundle) -> Vec<Situation> {
    let mut all = Vec::new();
    for (app, groups) in [("portal", &[][..]), ("aws", &["aws-users"][..]), ("aws", &["aws-admins", "contractors"][..])]
    {
        let app = bundle.vocabulary().app(app).expect("declared").clone();
        for (shown, known) in [(&[][..], true), (&[Method::Password][..], false), (&[Method::Passkey][..], true)] {
            let shown: MethodSet = shown.iter().copied().collect();
            let home = Country::parse("DE").expect("a country");
            let asks = if app.roles.is_empty() { Asks::Step(Step::SignIn) } else { Asks::Open(app.roles.clone()) };
            all.push(Situation {
                user: user(groups, home.clone()),
                app: app.clone(),
                asks,
                proofs: shown,
                fresh: shown,
                signals: SignalSet {
                    ip: "192.0.2.7".parse().expect("an address"),
                    country: home,
                    place: None,
                    asn: 64496,
                    networks: BTreeSet::new(),
                    anonymous: false,
                    now: "2026-11-22T10:00:00Z".parse().expect("an instant"),
                    hour: 11,
                    weekday: 7,
                    device: DeviceFacts { known, trusted: false, registered: 1 },
                    risk: RiskFacts::default(),
                    unknown: BTreeSet::new(),
                },
                sp_initiated: true,
                force_authn: false,
                required: Required::NOTHING,
                profile: Profile::Compat,
                repertoire: Repertoire { enrolled: Method::ALL.into(), ..Repertoire::default() },
            });
        }
    }
    all
}

fn user(groups: &[&str], home_country: Country) -> User {
    User {
        id: UserId::parse("01890000-0000-7000-8000-000000000001").expect("an id"),
        username: Username::parse("ann").expect("a name"),
        email: EmailAddress::parse("ann@example.com").expect("an address"),
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: groups.iter().map(|name| GroupName::parse(name).expect("a group")).collect(),
        home_country,
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 0,
        devices_since: None,
    }
}

/// A table of tests, run on the shipped policies: each failure has its line, and it goes the same way each time.
pub fn policy_tests(text: &str) {
    let tables = [file("tests/a.toml", text)];
    let report = testing::run(&SHIPPED, &tables);
    assert_eq!(report, testing::run(&SHIPPED, &tables), "another result the second time");
    let lines = text.lines().count() + 1;
    assert!(report.failures.iter().all(|failure| (1..=lines).contains(&failure.line)), "{report:?}");
}
