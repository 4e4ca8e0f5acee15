//! What is written down of each decision, assertion and event.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::{
    AppId, Country, Decision, DeviceId, EnforcedPolicy, GroupName, Method, MethodSet, PolicyId, ReferenceId, RoleName,
    SessionId, SignInId, SignalSet, Step, UserStatus, Username,
};

/// One decision with everything that went into it, so that it can be explained and replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// What people are shown and admins search by.
    pub reference: ReferenceId,
    /// When.
    pub at: Timestamp,
    /// The attempt it belongs to; `None` on an existing session.
    pub sign_in: Option<SignInId>,
    /// The session it belongs to, once there is one.
    pub session: Option<SessionId>,
    /// Who; `None` before a first factor.
    pub user: Option<Username>,
    /// Into what.
    pub app: AppId,
    /// To do what.
    pub step: Step,
    /// The role asked about.
    pub role: Option<RoleName>,
    /// The user's groups as given, without those that hold them.
    pub groups: BTreeSet<GroupName>,
    /// The user's status.
    pub status: Option<UserStatus>,
    /// The country an administrator gave the user.
    pub home_country: Option<Country>,
    /// What counted as shown.
    pub proofs: MethodSet,
    /// What counted as shown just now.
    pub fresh: MethodSet,
    /// The facts.
    pub signals: SignalSet,
    /// A service provider asked.
    pub sp_initiated: bool,
    /// It asked for a new authentication.
    pub force_authn: bool,
    /// The answer.
    pub decision: Decision,
    /// The policies it rests on.
    pub determining: Vec<EnforcedPolicy>,
    /// The policies in report mode that would have stood in the way.
    #[serde(default)]
    pub shadow: Vec<PolicyId>,
    /// SHA-256 of the policy set that decided.
    pub policy_digest: String,
    /// How often the policies were evaluated for it.
    pub evaluations: u32,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// How far an assertion got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssertionStage {
    /// It is about to leave. Written before it does.
    Intended,
    /// It left.
    Released,
}

/// One signed assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionRecord {
    /// How far it got.
    pub stage: AssertionStage,
    /// When.
    pub at: Timestamp,
    /// Its `ID`.
    pub assertion: String,
    /// For which app.
    pub app: AppId,
    /// About whom.
    pub user: Username,
    /// SHA-256 of the policy set that permitted it.
    pub policy_digest: String,
    /// The decision it rests on.
    pub decision: ReferenceId,
    /// SHA-256 of the XML as signed, in hexadecimal.
    pub sha256: String,
}

/// What else happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A password or code was wrong, after the first factor.
    ProofFailed,
    /// A link was mailed.
    LinkSent,
    /// A code was mailed.
    CodeSent,
    /// Somebody said in a sign-in that they no longer have this method.
    MethodLost,
    /// An authenticator was added.
    MethodAdded,
    /// The first or a new password was set.
    PasswordSet,
    /// A link we sent was opened and confirmed.
    LinkConfirmed,
    /// A session was ended by its user.
    SignedOut,
    /// The user has a device remembered for an app.
    DeviceTrusted,
    /// The user wants a device remembered no longer.
    TrustEnded,
    /// The user took a device off their list.
    DeviceRemoved,
}

/// An event that is no decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// What.
    pub event: EventKind,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub user: Username,
    /// In which sign-in.
    pub sign_in: Option<SignInId>,
    /// By or about which method.
    pub method: Option<Method>,
    /// About which device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_device: Option<DeviceId>,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// A decision.
    Decision(Box<DecisionRecord>),
    /// An assertion.
    Assertion(AssertionRecord),
    /// An event.
    Event(EventRecord),
}

impl From<DecisionRecord> for Record {
    fn from(record: DecisionRecord) -> Self {
        Self::Decision(Box::new(record))
    }
}

impl From<AssertionRecord> for Record {
    fn from(record: AssertionRecord) -> Self {
        Self::Assertion(record)
    }
}

impl From<EventRecord> for Record {
    fn from(record: EventRecord) -> Self {
        Self::Event(record)
    }
}
