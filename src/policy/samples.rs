//! People, apps, signals and the shipped policies, for the tests of this module.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bundle, PolicySources, Question, SourceFile, Vocabulary};
use crate::domain::{
    App, AppId, Country, CountryListName, DeviceFacts, EmailAddress, GroupName, MethodSet, NetworkName, Profile,
    RiskFacts, RoleName, SignalSet, User, UserId, UserStatus, Username,
};

pub(super) const SCHEMA: &str = include_str!("../../policies/schema.cedarschema");

macro_rules! file {
    ($path:literal) => {
        SourceFile { path: $path.to_owned(), text: include_str!(concat!("../../policies/", $path)).to_owned() }
    };
}

pub(super) fn shipped_sources() -> PolicySources {
    PolicySources {
        schema: file!("schema.cedarschema"),
        policies: vec![
            file!("00-base.cedar"),
            file!("10-aws.cedar"),
            file!("20-network.cedar"),
            file!("30-devices.cedar"),
            file!("40-time-risk.cedar"),
            file!("50-notify.cedar"),
        ],
        tests: vec![
            file!("tests/base.toml"),
            file!("tests/aws.toml"),
            file!("tests/conditions.toml"),
            file!("tests/alerts.toml"),
        ],
        invariants: vec![],
    }
}

pub(super) fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

pub(super) fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub(super) fn vocabulary() -> Vocabulary {
    let aws = App {
        id: AppId::parse("aws").unwrap(),
        name: "AWS".to_owned(),
        device_limit: 3,
        pilot: None,
        roles: vec![role("Dev"), role("Admin")],
    };
    let wiki =
        App { id: AppId::parse("wiki").unwrap(), name: "Wiki".to_owned(), device_limit: 0, pilot: None, roles: vec![] };
    let blocked = (CountryListName::parse("blocked").unwrap(), BTreeSet::from([Country::parse("KP").unwrap()]));
    Vocabulary::new(
        ["aws-users", "aws-admins", "contractors"].map(group),
        [aws, wiki],
        ["office", "vpn", "blocked"].map(|name| NetworkName::parse(name).unwrap()),
        BTreeMap::from([blocked]),
    )
}

pub(super) fn today() -> jiff::civil::Date {
    jiff::civil::date(2026, 11, 21)
}

pub(super) fn shipped() -> Bundle {
    Bundle::parse(&shipped_sources(), vocabulary(), today()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The shipped policies and these.
pub(super) fn shipped_with(policies: &str) -> Bundle {
    let mut sources = shipped_sources();
    sources.policies.push(SourceFile { path: "90-more.cedar".to_owned(), text: policies.to_owned() });
    Bundle::parse(&sources, vocabulary(), today()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A set of these policies alone.
pub(super) fn parse(policies: &str) -> Result<Bundle, super::BundleErrors> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let policies = vec![file("a.cedar", policies)];
    let sources =
        PolicySources { schema: file("schema.cedarschema", SCHEMA), policies, tests: vec![], invariants: vec![] };
    Bundle::parse(&sources, vocabulary(), today())
}

/// Somebody at home on a known device on a Wednesday morning.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) user: User,
    pub(super) app: App,
    pub(super) signals: SignalSet,
}

impl Sample {
    pub(super) fn new(groups: &[&str], app: &str) -> Self {
        let home = Country::parse("DE").unwrap();
        let user = User {
            id: UserId::parse("01890000-0000-7000-8000-000000000001").unwrap(),
            username: Username::parse("ann").unwrap(),
            email: EmailAddress::parse("ann@example.com").unwrap(),
            first_name: "Ann".to_owned(),
            last_name: "Example".to_owned(),
            phone: None,
            groups: groups.iter().copied().map(group).collect(),
            home_country: home.clone(),
            time_zone: None,
            language: None,
            status: UserStatus::Active,
            session_epoch: 0,
            devices_since: None,
        };
        let signals = SignalSet {
            ip: "192.0.2.7".parse().unwrap(),
            country: home,
            place: None,
            asn: 64496,
            networks: BTreeSet::new(),
            anonymous: false,
            now: "2026-11-18T10:00:00Z".parse().unwrap(),
            hour: 10,
            weekday: 3,
            device: DeviceFacts { known: true, trusted: false, registered: 1 },
            risk: RiskFacts::default(),
            unknown: BTreeSet::new(),
        };
        Self { user, app: vocabulary().app(app).unwrap().clone(), signals }
    }

    /// Everything in `shown` was shown just now.
    pub(super) fn question(&self, shown: MethodSet) -> Question<'_> {
        Question {
            user: &self.user,
            app: &self.app,
            proofs: shown,
            fresh: shown,
            signals: &self.signals,
            sp_initiated: false,
            force_authn: false,
            required: crate::domain::Required::NOTHING,
            profile: Profile::Compat,
        }
    }
}
