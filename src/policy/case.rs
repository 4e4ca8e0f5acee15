//! One case, as tables in `policies/tests/*.toml` have it: who, from where, having shown what, and what is expected. What
//! somebody types to explain, what a proof finds and what a comparison shows is written in the same words, so that it can be
//! pasted into the tests.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::bundle::Bundle;
use super::situation::{Asks, Situation};
use crate::clock::Timestamp;
use crate::domain::{
    App, Country, DecisionKind, DeviceFacts, EmailAddress, GroupName, Method, NetworkName, Profile, Repertoire,
    Required, RiskFacts, RoleName, SignalSet, Step, UnknownSignal, User, UserId, UserStatus, Username,
};

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
    /// The facts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub signals: Signals,
    /// The app asks for a new authentication.
    #[serde(default, skip_serializing_if = "is_default")]
    pub force_authn: bool,
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
    /// What the case is about, as the policies of `bundle` can be asked.
    ///
    /// # Errors
    /// It names something that config.toml does not declare: it would be about nobody.
    pub fn situation(&self, bundle: &Bundle) -> Result<Situation, String> {
        let app = bundle.vocabulary().app(&self.app).ok_or_else(|| format!("no app is called `{}`", self.app))?;
        let role = self.role.as_deref().map(RoleName::parse).transpose().map_err(|error| error.to_string())?;
        self.known_names(bundle, app, role.as_ref())?;
        let mut app = app.clone();
        if let Some(pilot) = &self.pilot {
            app.pilot = Some(pilot.clone());
        }
        let asks = match self.step {
            StepName::Open(Open::Open) => Asks::Open(role.map_or_else(|| app.roles.clone(), |role| vec![role])),
            StepName::Step(Step::AssumeRole) => Asks::Role(role.ok_or("`assumeRole` needs a `role`")?),
            StepName::Step(step) => Asks::Step(step),
        };
        Ok(Situation {
            user: self.user().ok_or("the test user could not be made")?,
            app,
            asks,
            proofs: self.shown.iter().chain(&self.earlier).copied().collect(),
            fresh: self.shown.iter().copied().collect(),
            signals: self.signals.set(),
            sp_initiated: false,
            force_authn: self.force_authn,
            required: Required::NOTHING,
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
            return Err(format!("no group is called `{group}`"));
        }
        if let Some(network) = self.signals.networks.iter().find(|network| !vocabulary.networks.contains(network)) {
            return Err(format!("no network is called `{network}`"));
        }
        match role.filter(|role| !app.roles.contains(role)) {
            Some(role) => Err(format!("`{}` has no role `{role}`", app.id)),
            None => Ok(()),
        }
    }

    fn user(&self) -> Option<User> {
        Some(User {
            id: UserId::parse("00000000-0000-7000-8000-000000000000")?,
            username: Username::parse("somebody").ok()?,
            email: EmailAddress::parse("somebody@example.com").ok()?,
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

impl Signals {
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
