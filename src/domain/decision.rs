//! What was decided: the words of `Decision` and of the steps that are decided.

use serde::{Deserialize, Serialize};

use super::{Method, PolicyId};

/// A step that policies decide; the Cedar action of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// See the sign-in page: nobody is known yet.
    Visit,
    /// Open an app; asked at every assertion.
    SignIn,
    /// Become a role of an app.
    AssumeRole,
    /// Spare the next challenge on this device.
    TrustDevice,
    /// Add an authenticator.
    Enroll,
    /// Remove an authenticator.
    RemoveMethod,
    /// Change mail address or phone.
    ChangeContact,
    /// Change the password.
    ChangePassword,
    /// Come back without password or second factor.
    Recover,
    /// Take a device off one's list, which makes room for another.
    RemoveDevice,
}

impl Step {
    /// The Cedar action id.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::Visit => "visit",
            Self::SignIn => "signIn",
            Self::AssumeRole => "assumeRole",
            Self::TrustDevice => "trustDevice",
            Self::Enroll => "enroll",
            Self::RemoveMethod => "removeMethod",
            Self::ChangeContact => "changeContact",
            Self::ChangePassword => "changePassword",
            Self::Recover => "recover",
            Self::RemoveDevice => "removeDevice",
        }
    }
}

/// One method that would help now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The method to show next.
    pub method: Method,
}

/// A forbid that stood in the way, or a permit that applied, as pages, logs and alerts need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcedPolicy {
    /// Its `@id`.
    pub id: PolicyId,
    /// Its `@message`: the key of the text people read.
    pub message: Option<String>,
    /// Its `@alert` names the user.
    pub alerts_user: bool,
    /// Its `@alert` names the security team.
    pub alerts_security: bool,
}

/// Why somebody is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum DenyReason {
    /// These forbids apply and nothing the person can show lifts them.
    Forbidden {
        /// The determining policies.
        policies: Vec<EnforcedPolicy>,
    },
    /// No permit applies to this person and app.
    NoPermit,
    /// The app has roles, and this person may become none of them.
    NoRole,
    /// The policies would allow it, but the app wants something shown that this person cannot show.
    CannotShow,
    /// A policy could not be evaluated: everybody it concerns is refused and the operator is told.
    EvaluationError {
        /// The policies that failed.
        policies: Vec<PolicyId>,
    },
}

/// A [`Decision`] in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionKind {
    /// Yes.
    Allow,
    /// Not yet: one more proof is asked for.
    Challenge,
    /// Not yet: a method has to be added first.
    Enrol,
    /// No.
    Deny,
}

impl DecisionKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Challenge, Self::Enrol, Self::Deny];

    /// The word in logs, metrics, tests of policies and on the command line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Enrol => "enrol",
            Self::Deny => "deny",
        }
    }
}

/// The answer to "may they?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Decision {
    /// Go on.
    Allow,
    /// Not yet: each of these leads there, strongest first.
    Challenge {
        /// What to show next.
        offers: Vec<Offer>,
        /// The forbids that ask for more.
        policies: Vec<EnforcedPolicy>,
    },
    /// Not yet: the person has no second factor and may add one of these.
    Enrol {
        /// What can be added, strongest first.
        methods: Vec<Method>,
        /// Adding is permitted now; otherwise a link to the verified address must be opened first.
        permitted: bool,
        /// The forbids that ask for more.
        policies: Vec<EnforcedPolicy>,
    },
    /// No.
    Deny(DenyReason),
}

impl Decision {
    /// The decision in one word.
    #[must_use]
    pub fn kind(&self) -> DecisionKind {
        match self {
            Self::Allow => DecisionKind::Allow,
            Self::Challenge { .. } => DecisionKind::Challenge,
            Self::Enrol { .. } => DecisionKind::Enrol,
            Self::Deny(_) => DecisionKind::Deny,
        }
    }
}

/// What somebody can show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Repertoire {
    /// The methods they have, without those they said they no longer have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enrolled: Vec<Method>,
    /// The methods they said they no longer have. Still theirs: who has a second factor, lost or not, is not asked to
    /// enrol another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Method>,
    /// The methods they could add.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enrollable: Vec<Method>,
    /// The one shown last time; it is offered in second place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Method>,
}
