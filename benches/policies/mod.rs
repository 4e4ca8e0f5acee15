//! The shipped policies, large made-up sets of them, and somebody who signs in, for benches.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a bench whose set-up is wrong should stop, and none needs all of this"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cedargate::clock::Timestamp;
use cedargate::domain::{
    App, AppId, Country, CountryListName, DeviceFacts, EmailAddress, GroupName, Method, MethodSet, NetworkName,
    Profile, Repertoire, Required, RiskFacts, RoleName, SignalSet, User, UserId, UserStatus, Username,
};
use cedargate::policy::{Bundle, PolicySources, Question, SourceFile, Vocabulary};

const SCHEMA: &str = include_str!("../../policies/schema.cedarschema");
const POLICIES: [&str; 5] = [
    include_str!("../../policies/00-base.cedar"),
    include_str!("../../policies/10-aws.cedar"),
    include_str!("../../policies/20-network.cedar"),
    include_str!("../../policies/30-devices.cedar"),
    include_str!("../../policies/40-time-risk.cedar"),
];

/// Policies in one file of a large set.
const PER_FILE: usize = 100;

/// The day of every load.
pub(crate) const TODAY: jiff::civil::Date = jiff::civil::date(2026, 1, 1);

pub(crate) fn aws() -> App {
    let roles = ["Dev", "Admin"].map(|role| RoleName::parse(role).unwrap()).into();
    App { id: AppId::parse("aws").unwrap(), name: "AWS".to_owned(), device_limit: 3, pilot: None, roles }
}

/// How many policies a large set has. When the questions are only tried, in a build without optimisation, far fewer do.
pub(crate) fn many() -> usize {
    if std::env::args().any(|argument| argument == "--bench") { 10_000 } else { 1_000 }
}

/// The shipped policies and `more` of a large organisation: of twenty, twelve let a group into an app, three let it become a
/// role there, two ask for a second factor (an app, a group in an app), one keeps a group to the office, one an app to the day,
/// and one is about a single person.
pub(crate) fn sources(more: usize) -> PolicySources {
    let file = |path: String, text: &str| SourceFile { path, text: text.to_owned() };
    let mut policies: Vec<SourceFile> =
        POLICIES.iter().enumerate().map(|(i, text)| file(format!("{i}.cedar"), text)).collect();
    for first in (0..more).step_by(PER_FILE) {
        let mut text = String::new();
        for i in first..more.min(first + PER_FILE) {
            let _ = writeln!(text, "@id(\"made.{i}\") @description(\"Made up.\")\n{}\n", made(i, more));
        }
        policies.push(file(format!("made-{first:06}.cedar"), &text));
    }
    let (tests, invariants) = (Vec::new(), Vec::new());
    PolicySources { schema: file("schema.cedarschema".to_owned(), SCHEMA), policies, tests, invariants }
}

fn made(i: usize, more: usize) -> String {
    let (group, app) = (i % groups(more), i / 20 % apps(more));
    let (group, app) = (format!("Group::\"team-{group}\""), format!("App::\"app-{app}\""));
    let sign_in = "action == Action::\"signIn\"";
    let second_factor = "unless { context.proofs.contains(Proof::\"second_factor\") }";
    match i % 20 {
        0..12 => format!("permit (principal in {group}, {sign_in}, resource == {app});"),
        12..15 => {
            let role = format!("Role::\"app-{}/Dev\"", i / 20 % apps(more));
            format!("permit (principal in {group}, action == Action::\"assumeRole\", resource == {role});")
        }
        15 => format!("forbid (principal, {sign_in}, resource == {app})\n{second_factor};"),
        16 => format!("forbid (principal in {group}, {sign_in}, resource == {app})\n{second_factor};"),
        17 => format!(
            "forbid (principal in {group}, {sign_in}, resource)\nunless {{ context.net.networks.contains(Network::\"office\") || context.device.known }};"
        ),
        18 => format!("forbid (principal, {sign_in}, resource == {app})\nwhen {{ context.time.hour < 6 }};"),
        _ => format!("permit (principal == User::\"person-{i}\", {sign_in}, resource == {app});"),
    }
}

fn groups(more: usize) -> usize {
    more / 20 + 1
}

fn apps(more: usize) -> usize {
    more / 40 + 1
}

/// The names of [`sources`].
pub(crate) fn vocabulary(more: usize) -> Vocabulary {
    let teams = (0..groups(more)).map(|i| GroupName::parse(&format!("team-{i}")).unwrap());
    let shipped = ["aws-users", "aws-admins", "contractors"].map(|group| GroupName::parse(group).unwrap());
    let app = |i| {
        let roles = vec![RoleName::parse("Dev").unwrap()];
        App { id: AppId::parse(&format!("app-{i}")).unwrap(), name: String::new(), device_limit: 3, pilot: None, roles }
    };
    Vocabulary::new(
        shipped.into_iter().chain(teams),
        [aws()].into_iter().chain((0..apps(more)).map(app)),
        ["office", "vpn", "blocked"].map(|network| NetworkName::parse(network).unwrap()),
        BTreeMap::from([(CountryListName::parse("blocked").unwrap(), BTreeSet::from([Country::parse("KP").unwrap()]))]),
    )
}

pub(crate) fn bundle(more: usize) -> Bundle {
    Bundle::parse(&sources(more), vocabulary(more), TODAY).unwrap()
}

/// Somebody in five groups, four of them made up where there are such.
pub(crate) fn ann(more: usize) -> User {
    User {
        id: UserId::parse("01890000-0000-7000-8000-000000000001").unwrap(),
        username: Username::parse("ann").unwrap(),
        email: EmailAddress::parse("ann@example.com").unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: std::iter::once("aws-users".to_owned())
            .chain((0..4).map(|i| i * groups(more) / 4).map(|i| format!("team-{i}")))
            .map(|group| GroupName::parse(&group).unwrap())
            .collect(),
        home_country: Country::parse("DE").unwrap(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 0,
        devices_since: None,
    }
}

pub(crate) fn signals() -> SignalSet {
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

/// A password was shown just now.
pub(crate) fn question<'a>(user: &'a User, app: &'a App, signals: &'a SignalSet) -> Question<'a> {
    let password = MethodSet::EMPTY.with(Method::Password);
    Question {
        user,
        app,
        proofs: password,
        fresh: password,
        signals,
        sp_initiated: false,
        force_authn: false,
        required: Required::NOTHING,
        profile: Profile::Compat,
    }
}

/// A password, a code, and codes to fall back on.
pub(crate) fn repertoire() -> Repertoire {
    Repertoire { enrolled: vec![Method::Password, Method::Totp, Method::BackupCode], ..Repertoire::default() }
}
