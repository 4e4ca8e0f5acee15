//! Tests of policies, as tables in `policies/tests/*.toml`. docs/policies.md describes the format.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, SourceFile};
use super::notify::Alerts;
use super::planner::{self, Goal, Repertoire};
use super::question::Question;
use crate::clock::Timestamp;
use crate::domain::{
    App, Country, Decision, DenyReason, DeviceFacts, EmailAddress, EnforcedPolicy, GroupName, Method, NetworkName,
    Profile, RiskFacts, RoleName, SignalSet, Step, UnknownSignal, User, UserId, UserStatus, Username,
};

/// One case that did not come out as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file.
    pub file: String,
    /// The line of the case's name; of the file, 1, when it could not be read at all.
    pub line: usize,
    /// The name of the case.
    pub case: String,
    /// What differs.
    pub message: String,
}

/// What came of all cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// How many cases came out as written.
    pub passed: usize,
    /// The others, and files that cannot be read.
    pub failures: Vec<Failure>,
    /// Policies in force that applied in no case.
    pub untested: Vec<String>,
}

impl Report {
    /// Whether every case came out as written.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: toml::Spanned<String>,
    app: String,
    #[serde(default = "sign_in")]
    step: StepName,
    role: Option<String>,
    /// The group that tries the app out in this case, whatever config.toml says.
    pilot: Option<GroupName>,
    #[serde(default)]
    groups: BTreeSet<GroupName>,
    #[serde(default = "active")]
    status: UserStatus,
    #[serde(default)]
    shown: Vec<Method>,
    #[serde(default)]
    earlier: Vec<Method>,
    #[serde(default)]
    enrolled: Vec<Method>,
    #[serde(default)]
    lost: Vec<Method>,
    #[serde(default)]
    enrollable: Vec<Method>,
    #[serde(default)]
    signals: Signals,
    #[serde(default)]
    force_authn: bool,
    #[serde(default)]
    profile: Profile,
    expect: Expect,
    offers: Option<Vec<Method>>,
    by: Option<BTreeSet<String>>,
    roles: Option<BTreeSet<RoleName>>,
    alerts: Option<BTreeSet<Audience>>,
}

/// Whom an alert goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Audience {
    User,
    Security,
}

/// The steps as tests name them: those of policies, and `open` for signIn with a role.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum StepName {
    Open(Open),
    Step(Step),
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Open {
    Open,
}

fn sign_in() -> StepName {
    StepName::Open(Open::Open)
}

fn active() -> UserStatus {
    UserStatus::Active
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Signals {
    ip: IpAddr,
    home: Country,
    country: Country,
    asn: u32,
    networks: BTreeSet<NetworkName>,
    anonymous: bool,
    hour: u8,
    weekday: u8,
    device_known: bool,
    device_trusted: bool,
    devices: u32,
    failed_attempts: u32,
    new_country: bool,
    impossible_travel: bool,
    unknown: BTreeSet<UnknownSignal>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            ip: IpAddr::from([192, 0, 2, 7]),
            home: Country::unknown(),
            country: Country::unknown(),
            asn: 0,
            networks: BTreeSet::new(),
            anonymous: false,
            hour: 10,
            weekday: 3,
            device_known: true,
            device_trusted: false,
            devices: 1,
            failed_attempts: 0,
            new_country: false,
            impossible_travel: false,
            unknown: BTreeSet::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Expect {
    Allow,
    Challenge,
    Enrol,
    Deny,
}

/// Runs every case of `files`.
#[must_use]
pub fn run(bundle: &Bundle, files: &[SourceFile]) -> Report {
    let mut report = Report::default();
    let mut applied = BTreeSet::new();
    for file in files {
        let table: Table = match toml::from_str(&file.text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(1, |span| line(&file.text, span.start));
                let message = error.message().to_owned();
                report.failures.push(Failure { file: file.path.clone(), line, case: String::new(), message });
                continue;
            }
        };
        for case in &table.case {
            match check(bundle, case, &mut applied) {
                Ok(()) => report.passed += 1,
                Err(message) => report.failures.push(Failure {
                    file: file.path.clone(),
                    line: line(&file.text, case.name.span().start),
                    case: case.name.get_ref().clone(),
                    message,
                }),
            }
        }
    }
    let untested = bundle.policy_ids().filter(|id| !applied.contains(id.as_str()));
    report.untested = untested.map(ToString::to_string).collect();
    report
}

fn line(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1)
}

fn check(bundle: &Bundle, case: &Case, applied: &mut BTreeSet<String>) -> Result<(), String> {
    let app = bundle.vocabulary().app(&case.app).ok_or_else(|| format!("no app is called `{}`", case.app))?;
    let role = case.role.as_deref().map(RoleName::parse).transpose().map_err(|error| error.to_string())?;
    known_names(bundle, case, app, role.as_ref())?;
    let tried_out = case.pilot.clone().map(|pilot| App { pilot: Some(pilot), ..app.clone() });
    let app = tried_out.as_ref().unwrap_or(app);
    let user = user(case).ok_or("the test user could not be made")?;
    let signals = signals(&case.signals);
    let q = Question {
        user: &user,
        app,
        proofs: case.shown.iter().chain(&case.earlier).copied().collect(),
        fresh: case.shown.iter().copied().collect(),
        signals: &signals,
        sp_initiated: false,
        force_authn: case.force_authn,
        required: crate::domain::Required::NOTHING,
        profile: case.profile,
    };
    let mut see = |step: Step, role: Option<&RoleName>| {
        let seen = bundle.apply(step, role, &q);
        applied.extend(bundle.enforced(seen.permits.iter().chain(&seen.forbids)).into_iter().map(|p| p.id.to_string()));
        seen.allowed()
    };
    let Planned { outcome, offers, by, alerts } = match case.step {
        StepName::Step(step @ (Step::Visit | Step::AssumeRole)) => {
            see(step, role.as_ref());
            let verdict = bundle.evaluate(step, role.as_ref(), &q);
            let outcome = if verdict.allowed { Expect::Allow } else { Expect::Deny };
            // Before a first factor there is nobody to tell but the security team.
            let told = step == Step::Visit && outcome == Expect::Deny;
            let security =
                verdict.determining.iter().filter(|policy| told && policy.alerts_security).cloned().collect();
            let alerts = Alerts { security, ..Alerts::default() };
            Planned { outcome, offers: Vec::new(), by: verdict.determining, alerts }
        }
        StepName::Step(step) => {
            see(step, None);
            planned(bundle, Goal::Step(step), &q, case)?
        }
        StepName::Open(Open::Open) => {
            see(Step::SignIn, None);
            let permitted: BTreeSet<RoleName> =
                app.roles.iter().filter(|role| see(Step::AssumeRole, Some(role))).cloned().collect();
            differ("roles", case.roles.as_ref(), &permitted)?;
            let chosen = role.as_ref().map_or(app.roles.as_slice(), std::slice::from_ref);
            planned(bundle, Goal::App { roles: chosen }, &q, case)?
        }
    };
    if outcome != case.expect {
        let by: Vec<_> = by.iter().map(|policy| policy.id.as_str()).collect();
        return Err(format!("expected {:?}, got {outcome:?} by {by:?}", case.expect));
    }
    if !alerts.failed.is_empty() {
        return Err(format!("these policies failed: {:?}", alerts.failed));
    }
    let telling = alerts.user.iter().chain(&alerts.security).map(|policy| policy.id.to_string());
    applied.extend(telling);
    let told = [(Audience::User, &alerts.user), (Audience::Security, &alerts.security)];
    let told = told.into_iter().filter(|(_, policies)| !policies.is_empty()).map(|(audience, _)| audience).collect();
    differ("alerts", case.alerts.as_ref(), &told)?;
    differ("offers", case.offers.as_ref(), &offers)?;
    differ("by", case.by.as_ref(), &by.iter().map(|policy| policy.id.to_string()).collect())
}

/// A misspelt name would make a test that tests nothing.
fn known_names(bundle: &Bundle, case: &Case, app: &App, role: Option<&RoleName>) -> Result<(), String> {
    let vocabulary = bundle.vocabulary();
    if case.pilot.is_some() && !bundle.names().tells_pilot() {
        return Err("the schema has no attribute `pilot: Group` of `App`".to_owned());
    }
    let groups = case.groups.iter().chain(&case.pilot);
    if let Some(group) = groups.into_iter().find(|group| !vocabulary.groups.contains_key(*group)) {
        return Err(format!("no group is called `{group}`"));
    }
    if let Some(network) = case.signals.networks.iter().find(|network| !vocabulary.networks.contains(network)) {
        return Err(format!("no network is called `{network}`"));
    }
    match role.filter(|role| !app.roles.contains(role)) {
        Some(role) => Err(format!("`{}` has no role `{role}`", app.id)),
        None => Ok(()),
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, expected: Option<&T>, got: &T) -> Result<(), String> {
    match expected {
        Some(expected) if expected != got => Err(format!("{what}: expected {expected:?}, got {got:?}")),
        _ => Ok(()),
    }
}

/// What came of a case.
struct Planned {
    outcome: Expect,
    offers: Vec<Method>,
    by: Vec<EnforcedPolicy>,
    alerts: Alerts,
}

fn planned(bundle: &Bundle, goal: Goal<'_>, q: &Question<'_>, case: &Case) -> Result<Planned, String> {
    let repertoire = Repertoire {
        enrolled: case.enrolled.clone(),
        lost: case.lost.clone(),
        enrollable: case.enrollable.clone(),
        last_used: None,
    };
    let plan = planner::plan(bundle, goal, q, &repertoire).map_err(|error| error.to_string())?;
    let alerts = bundle.alerts(&plan.decision, q);
    let (outcome, offers) = match plan.decision {
        Decision::Allow => (Expect::Allow, Vec::new()),
        Decision::Challenge { offers, .. } => (Expect::Challenge, offers.iter().map(|offer| offer.method).collect()),
        Decision::Enrol { methods, .. } => (Expect::Enrol, methods),
        Decision::Deny(DenyReason::EvaluationError { policies }) => {
            return Err(format!("these policies failed: {policies:?}"));
        }
        Decision::Deny(_) => (Expect::Deny, Vec::new()),
    };
    Ok(Planned { outcome, offers, by: plan.determining, alerts })
}

fn user(case: &Case) -> Option<User> {
    Some(User {
        id: UserId::parse("00000000-0000-7000-8000-000000000000")?,
        username: Username::parse("somebody").ok()?,
        email: EmailAddress::parse("somebody@example.com").ok()?,
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: case.groups.clone(),
        home_country: case.signals.home.clone(),
        time_zone: None,
        language: None,
        status: case.status,
        session_epoch: 0,
        devices_since: None,
    })
}

fn signals(given: &Signals) -> SignalSet {
    SignalSet {
        ip: given.ip,
        country: given.country.clone(),
        place: None,
        asn: given.asn,
        networks: given.networks.clone(),
        anonymous: given.anonymous,
        now: Timestamp::UNIX_EPOCH,
        hour: given.hour,
        weekday: given.weekday,
        device: DeviceFacts { known: given.device_known, trusted: given.device_trusted, registered: given.devices },
        risk: RiskFacts {
            failed_attempts: given.failed_attempts,
            new_country: given.new_country,
            impossible_travel: given.impossible_travel,
        },
        unknown: given.unknown.clone(),
    }
}

#[cfg(test)]
mod tests;
