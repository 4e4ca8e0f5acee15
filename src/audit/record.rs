//! What is written down of each decision, assertion and event.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::month::Month;
use super::node::NodeId;
use crate::clock::Timestamp;
use crate::domain::{
    AppId, Country, Decision, DecisionKind, DeviceId, EnforcedPolicy, GroupName, Method, MethodSet, PolicyId, Profile,
    ReferenceId, Repertoire, RoleName, SessionId, SignInId, SignalSet, Step, UserStatus, Username,
};

/// How segments are written now.
pub(super) const FORMAT: u32 = 2;

/// The first line of every segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// When the segment was begun.
    pub at: Timestamp,
    /// How it is written.
    pub format: u32,
    /// Who writes it.
    pub node: NodeId,
    /// Which start of the process.
    pub boot: NodeId,
    /// Which segment of the node, from 1.
    pub number: u64,
    /// The node whose chain was left because its end was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<NodeId>,
}

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
    /// What the service provider wanted shown, besides what policies ask for.
    #[serde(default, skip_serializing_if = "crate::domain::Required::is_nothing_ref")]
    pub required: crate::domain::Required,
    /// How strict the classes were.
    #[serde(default)]
    pub profile: Profile,
    /// The roles that would have done, for opening an app.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// What the person could show.
    #[serde(default)]
    pub repertoire: Repertoire,
    /// The answer.
    pub decision: Decision,
    /// The plan had said yes, and this was said when the permit was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_permit: bool,
    /// The policies it rests on.
    pub determining: Vec<EnforcedPolicy>,
    /// The policies in report mode that would have stood in the way.
    #[serde(default)]
    pub shadow: Vec<PolicyId>,
    /// Those of them that could not be evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow_failed: Vec<PolicyId>,
    /// What the answer would have been with the policies in report mode in force; `None` where none of them applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<DecisionKind>,
    /// Whom the policies in report mode would have told. Nobody was.
    #[serde(default, skip_serializing_if = "WouldTell::is_nobody")]
    pub would_tell: WouldTell,
    /// SHA-256 of the policy set that decided.
    pub policy_digest: String,
    /// How often the policies were evaluated for it.
    pub evaluations: u32,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// Whom policies in report mode would tell of a decision, if they were in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WouldTell {
    /// Those that would tell the person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<PolicyId>,
    /// Those that would tell the security team.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<PolicyId>,
}

impl WouldTell {
    /// Whether nobody would be told.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.user.is_empty() && self.security.is_empty()
    }
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
    /// The roles in it.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// The address it is posted to.
    #[serde(default)]
    pub acs: String,
}

/// One signed refusal, written before it leaves. It holds no assertion, only a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRecord {
    /// When.
    pub at: Timestamp,
    /// The `ID` of the Response.
    pub response: String,
    /// For which app.
    pub app: AppId,
    /// About whom; `None` before a first factor.
    pub user: Option<Username>,
    /// The decision it rests on, if one was made.
    pub decision: Option<ReferenceId>,
    /// The second-level status code of SAML.
    pub status: String,
    /// The address it is posted to.
    pub acs: String,
    /// SHA-256 of the XML as signed, in hexadecimal.
    pub sha256: String,
    /// Where the browser is that takes it there.
    pub ip: IpAddr,
}

/// Which way a logout message of ours goes round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogoutKind {
    /// We sign somebody out of an app.
    Request,
    /// An app signed somebody out, and is answered.
    Response,
}

/// One signed logout message, written before it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRecord {
    /// When.
    pub at: Timestamp,
    /// Request or response.
    pub message: LogoutKind,
    /// Its `ID`.
    pub id: String,
    /// For which app.
    pub app: AppId,
    /// About whom; `None` when nobody was signed in.
    pub user: Option<Username>,
    /// The last status code of a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The address it goes to.
    pub destination: String,
    /// SHA-256 of the XML, in hexadecimal.
    pub sha256: String,
    /// Where the browser is that takes it there.
    pub ip: IpAddr,
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
    /// An operator of this server has the next assertion about the user signed to look at it (`cedargate app preview --sign`).
    PreviewSigned,
}

impl EventKind {
    /// The word in the journal.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ProofFailed => "proof-failed",
            Self::LinkSent => "link-sent",
            Self::CodeSent => "code-sent",
            Self::MethodLost => "method-lost",
            Self::MethodAdded => "method-added",
            Self::PasswordSet => "password-set",
            Self::LinkConfirmed => "link-confirmed",
            Self::SignedOut => "signed-out",
            Self::DeviceTrusted => "device-trusted",
            Self::TrustEnded => "trust-ended",
            Self::DeviceRemoved => "device-removed",
            Self::PreviewSigned => "preview-signed",
        }
    }
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
    /// From where.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// From which device, if we know the browser.
    #[serde(default)]
    pub device: Option<DeviceId>,
}

/// What had a month forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForgottenBy {
    /// An operator of this server (`cedargate audit forget`).
    Command,
    /// The server itself (`[audit] keep_months`).
    KeepMonths,
}

impl ForgottenBy {
    /// The word in the journal.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::KeepMonths => "keep-months",
        }
    }
}

/// A month is being forgotten. Written before its key goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenRecord {
    /// When.
    pub at: Timestamp,
    /// Which month.
    pub forgot: Month,
    /// By what.
    pub by: ForgottenBy,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The beginning of a segment.
    Segment(SegmentRecord),
    /// A decision.
    Decision(Box<DecisionRecord>),
    /// An assertion.
    Assertion(AssertionRecord),
    /// A refusal in the protocol.
    Status(StatusRecord),
    /// A logout message.
    Logout(LogoutRecord),
    /// An event.
    Event(EventRecord),
    /// A month that is forgotten.
    Forgotten(ForgottenRecord),
}

impl Record {
    /// Who it is about; `None` before a first factor.
    #[must_use]
    pub fn user(&self) -> Option<&Username> {
        match self {
            Self::Segment(_) | Self::Forgotten(_) => None,
            Self::Decision(decision) => decision.user.as_ref(),
            Self::Assertion(assertion) => Some(&assertion.user),
            Self::Status(status) => status.user.as_ref(),
            Self::Logout(logout) => logout.user.as_ref(),
            Self::Event(event) => Some(&event.user),
        }
    }
}

impl From<LogoutRecord> for Record {
    fn from(record: LogoutRecord) -> Self {
        Self::Logout(record)
    }
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

impl From<StatusRecord> for Record {
    fn from(record: StatusRecord) -> Self {
        Self::Status(record)
    }
}

impl From<ForgottenRecord> for Record {
    fn from(record: ForgottenRecord) -> Self {
        Self::Forgotten(record)
    }
}

impl From<EventRecord> for Record {
    fn from(record: EventRecord) -> Self {
        Self::Event(record)
    }
}
