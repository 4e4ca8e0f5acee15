//! One case, as tables in `policies/tests/*.toml` have it: who, from where, having shown what, and what is expected. What
//! somebody types to explain, what a proof finds and what a comparison shows is written in the same words, so that it can be
//! pasted into the tests.

mod words;
mod written;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use toml::Spanned;

pub use words::{CountryWord, DeviceWord, Messages, Surroundings, moment};

use super::bundle::Bundle;
use super::situation::{Asks, Situation};
use crate::clock::Timestamp;
use crate::domain::{
    App, AuthnContextClass, Country, DecisionKind, DeviceFacts, EmailAddress, GroupName, Method, NetworkName, Profile,
    Repertoire, Required, RiskFacts, RoleName, SignalSet, Step, UnknownSignal, User, UserId, UserStatus, Username,
};

/// Who it is when no name matters.
const SOMEBODY: &str = "somebody";

/// A file of cases.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// `[[case]]`
    #[serde(default)]
    pub case: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a sentence.
    pub name: Spanned<String>,
    /// The app's id.
    pub app: String,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub step: StepName,
    /// The role that was chosen, or is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The group that tries the app out in this case, whatever config.toml says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pilot: Option<GroupName>,
    /// The person's name, where policies name somebody. Plain, or as Cedar writes it: `User::"ann"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The groups of the person, without those that hold them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub groups: BTreeSet<GroupName>,
    /// Active, unless told.
    #[serde(default = "active", skip_serializing_if = "is_active")]
    pub status: UserStatus,
    /// Shown in this sign-in, just now.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shown: Vec<Method>,
    /// Shown before, and still counting.
    #[serde(default, skip_serializing_if = "is_default")]
    pub earlier: Vec<Method>,
    /// What the person has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enrolled: Vec<Method>,
    /// What the person had, and says is gone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: Vec<Method>,
    /// What the person could add.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enrollable: Vec<Method>,
    /// Where from: the networks follow from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// From which country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<CountryWord>,
    /// When: hour and weekday of the app follow from it, and what has expired by then.
    #[serde(default, deserialize_with = "words::time", skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// On what kind of device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceWord>,
    /// How many devices the person has for the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<u32>,
    /// The facts, one by one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub signals: Signals,
    /// The service provider sent the person here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sp_initiated: bool,
    /// The app asks for a new authentication.
    #[serde(default, skip_serializing_if = "is_default")]
    pub force_authn: bool,
    /// The classes of authentication that the app asks for, any one of which will do.
    #[serde(default, with = "words::contexts", skip_serializing_if = "is_default")]
    pub requested: Vec<AuthnContextClass>,
    /// How strict the classes are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub profile: Profile,
    /// What is decided.
    pub expect: DecisionKind,
    /// What is offered, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offers: Option<Vec<Method>>,
    /// The policies it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<BTreeSet<String>>,
    /// The keys of the texts that the person reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Messages>,
    /// The roles that are permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<RoleName>>,
    /// Who is told by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<BTreeSet<Audience>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whom an alert goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// The person.
    User,
    /// The security team.
    Security,
}

impl Audience {
    /// The word in cases.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Security => "security",
        }
    }
}

/// The steps as cases name them: those of policies, and `open` for signIn with a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StepName {
    /// `open`
    Open(Open),
    /// A step of policies.
    Step(Step),
}

/// The one word that is no step of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Open {
    /// signIn, and assumeRole where the app has roles.
    Open,
}

impl Default for StepName {
    fn default() -> Self {
        Self::Open(Open::Open)
    }
}

fn active() -> UserStatus {
    UserStatus::Active
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_active(status: &UserStatus) -> bool {
    *status == UserStatus::Active
}

/// The facts of a case; those left out are harmless ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are those of policies")]
pub struct Signals {
    pub ip: IpAddr,
    pub home: Country,
    pub country: Country,
    pub asn: u32,
    pub networks: BTreeSet<NetworkName>,
    pub anonymous: bool,
    pub hour: u8,
    pub weekday: u8,
    pub device_known: bool,
    pub device_trusted: bool,
    pub devices: u32,
    pub failed_attempts: u32,
    pub new_country: bool,
    pub impossible_travel: bool,
    pub unknown: BTreeSet<UnknownSignal>,
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

impl Case {
    /// A case with nothing but its name, its app and what is expected.
    #[must_use]
    pub fn new(name: impl Into<String>, app: impl Into<String>, expect: DecisionKind) -> Self {
        Self {
            name: Spanned::new(0..0, name.into()),
            app: app.into(),
            step: StepName::default(),
            role: None,
            pilot: None,
            user: None,
            groups: BTreeSet::new(),
            status: active(),
            shown: Vec::new(),
            earlier: Vec::new(),
            enrolled: Vec::new(),
            lost: Vec::new(),
            enrollable: Vec::new(),
            address: None,
            country: None,
            time: None,
            device: None,
            devices: None,
            signals: Signals::default(),
            sp_initiated: false,
            force_authn: false,
            requested: Vec::new(),
            profile: Profile::default(),
            expect,
            offers: None,
            by: None,
            message: None,
            roles: None,
            alerts: None,
        }
    }

    /// What the case is about, as the policies of `bundle` can be asked.
    ///
    /// # Errors
    /// It names something that config.toml does not declare: it would be about nobody. Or it needs [`Surroundings`].
    pub fn situation(&self, bundle: &Bundle) -> Result<Situation, String> {
        self.situation_in(bundle, None)
    }

    /// [`Case::situation`], where addresses and hours mean what config.toml says.
    ///
    /// # Errors
    /// As [`Case::situation`].
    pub fn situation_in(&self, bundle: &Bundle, surroundings: Option<&dyn Surroundings>) -> Result<Situation, String> {
        let vocabulary = bundle.vocabulary();
        let app = vocabulary
            .app(&self.app)
            .ok_or_else(|| no_such("app", &self.app, vocabulary.apps.iter().map(|app| app.id.as_str())))?;
        let role = self.role.as_deref().map(RoleName::parse).transpose().map_err(|error| error.to_string())?;
        self.known_names(bundle, app, role.as_ref())?;
        let mut app = app.clone();
        if let Some(pilot) = &self.pilot {
            app.pilot = Some(pilot.clone());
        }
        let signals = self.facts(&app, surroundings)?;
        let asks = match self.step {
            StepName::Open(Open::Open) => Asks::Open(role.map_or_else(|| app.roles.clone(), |role| vec![role])),
            StepName::Step(Step::AssumeRole) => Asks::Role(role.ok_or("`assumeRole` needs a `role`")?),
            StepName::Step(step) => Asks::Step(step),
        };
        if !self.requested.is_empty() && !asks.is_opening() {
            return Err("`requested` counts when an app is opened: leave it out, or leave out `step`".to_owned());
        }
        Ok(Situation {
            user: self.person()?,
            app,
            asks,
            proofs: self.shown.iter().chain(&self.earlier).copied().collect(),
            fresh: self.shown.iter().copied().collect(),
            signals,
            sp_initiated: self.sp_initiated,
            force_authn: self.force_authn,
            required: Required::any_of(&self.requested),
            profile: self.profile,
            repertoire: Repertoire {
                enrolled: self.enrolled.clone(),
                lost: self.lost.clone(),
                enrollable: self.enrollable.clone(),
                last_used: None,
            },
        })
    }

    /// A misspelt name would make a test that tests nothing.
    fn known_names(&self, bundle: &Bundle, app: &App, role: Option<&RoleName>) -> Result<(), String> {
        let vocabulary = bundle.vocabulary();
        if self.pilot.is_some() && !bundle.names().tells_pilot() {
            return Err("the schema has no attribute `pilot: Group` of `App`".to_owned());
        }
        let groups = self.groups.iter().chain(&self.pilot);
        if let Some(group) = groups.into_iter().find(|group| !vocabulary.groups.contains_key(*group)) {
            return Err(no_such("group", group.as_str(), vocabulary.groups.keys().map(GroupName::as_str)));
        }
        if let Some(network) = self.signals.networks.iter().find(|network| !vocabulary.networks.contains(network)) {
            return Err(no_such("network", network.as_str(), vocabulary.networks.iter().map(NetworkName::as_str)));
        }
        let ids = || bundle.policies().iter().map(|stored| stored.notes.enforced.id.as_str());
        if let Some(id) = self.by.iter().flatten().find(|id| !ids().any(|known| known == id.as_str())) {
            return Err(no_such("policy", id, ids()));
        }
        match role.filter(|role| !app.roles.contains(role)) {
            Some(role) => Err(format!("`{}` has no role `{role}`", app.id)),
            None => Ok(()),
        }
    }

    fn person(&self) -> Result<User, String> {
        let name = self.user.as_deref().unwrap_or(SOMEBODY);
        let name = name.strip_prefix("User::\"").and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        let id = UserId::parse("00000000-0000-7000-8000-000000000000").ok_or("the test user could not be made")?;
        Ok(User {
            id,
            username: Username::parse(name).map_err(|error| error.to_string())?,
            email: EmailAddress::parse("somebody@example.com").map_err(|error| error.to_string())?,
            first_name: String::new(),
            last_name: String::new(),
            phone: None,
            groups: self.groups.clone(),
            home_country: self.signals.home.clone(),
            time_zone: None,
            language: None,
            status: self.status,
            session_epoch: 0,
            devices_since: None,
        })
    }
}

/// A name that is not there, with the one that was probably meant.
fn no_such<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let hint = nearest(name, known).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    format!("no {kind} is called `{name}`{hint}")
}

/// The name that was probably meant: at most a third of it is typed differently.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

impl Signals {
    /// As they are written, at no particular time.
    fn set(&self) -> SignalSet {
        SignalSet {
            ip: self.ip,
            country: self.country.clone(),
            place: None,
            asn: self.asn,
            networks: self.networks.clone(),
            anonymous: self.anonymous,
            now: Timestamp::UNIX_EPOCH,
            hour: self.hour,
            weekday: self.weekday,
            device: DeviceFacts { known: self.device_known, trusted: self.device_trusted, registered: self.devices },
            risk: RiskFacts {
                failed_attempts: self.failed_attempts,
                new_country: self.new_country,
                impossible_travel: self.impossible_travel,
            },
            unknown: self.unknown.clone(),
        }
    }
}
