//! The stages of a sign-in. Each holds only what is valid then; [`super::transition`] says which follows which.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::{
    AppId, DenyReason, EnforcedPolicy, Method, MethodSet, Offer, Proof, Required, RoleName, SessionId, SignInId, UserId,
};
use crate::saml::VerifiedAuthnRequest;

/// How long a sign-in may take, from its first page to the assertion.
pub const LIFETIME_SECONDS: i64 = 15 * 60;

/// One attempt to sign in, from the first page to the assertion.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignIn {
    /// For logs and records; no secret.
    pub id: SignInId,
    /// Where the person wants to go.
    pub target: Target,
    /// When the first page was shown.
    pub started: Timestamp,
    /// How far it got.
    pub stage: Stage,
    /// What the person does on the way.
    #[serde(default)]
    pub errand: Errand,
    /// The person asked to be spared the next challenge on this device.
    #[serde(default)]
    pub remember: Remember,
}

/// What somebody does on the way to where their sign-in leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Errand {
    /// Nothing: straight on.
    #[default]
    None,
    /// Take a device off their list, because there are too many to go on.
    RemoveDevice,
}

/// "Remember this browser".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remember {
    /// Not ticked.
    #[default]
    No,
    /// Ticked.
    Yes,
}

/// What a challenge page offers beside the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extras {
    /// The methods after which the device might be remembered.
    pub trustable: MethodSet,
    /// Fewer devices would help, and the person may come to remove one.
    pub devices: bool,
}

impl SignIn {
    /// An attempt that goes straight on.
    #[must_use]
    pub fn new(id: SignInId, target: Target, started: Timestamp, stage: Stage) -> Self {
        Self { id, target, started, stage, errand: Errand::None, remember: Remember::No }
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        !(0..=LIFETIME_SECONDS).contains(&(now.as_second() - self.started.as_second()))
    }
}

/// Where a sign-in leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The app to open; `portal` when none was asked for.
    pub app: AppId,
    /// The AuthnRequest to answer (SP-initiated).
    pub request: Option<VerifiedAuthnRequest>,
    /// The one role a tile asked for.
    pub role: Option<RoleName>,
    /// The name of a RelayState from config that a link asked for.
    pub relay_state: Option<String>,
    /// What to do there.
    pub aim: Aim,
}

/// What a sign-in is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// To open the app.
    Open,
    /// To add a method: a link that we sent led here.
    Enrol,
    /// To look after one's devices: the page of one's account led here.
    Devices,
}

impl Target {
    /// An app opened from its tile, a bookmark, or by coming to the portal.
    #[must_use]
    pub fn app(app: AppId) -> Self {
        Self { app, request: None, role: None, relay_state: None, aim: Aim::Open }
    }

    /// The service provider asked for an answer without any page.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        self.request.as_ref().is_some_and(VerifiedAuthnRequest::is_passive)
    }

    /// What the service provider wants shown.
    #[must_use]
    pub fn required(&self) -> Required {
        self.request.as_ref().map_or(Required::NOTHING, VerifiedAuthnRequest::required)
    }

    /// The service provider asked for proofs shown now.
    #[must_use]
    pub fn force_authn(&self) -> bool {
        self.request.as_ref().is_some_and(VerifiedAuthnRequest::force_authn)
    }
}

/// Whether this is the first time the person comes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registration {
    /// They are registering: what they set up now counts as shown.
    Underway,
    /// They registered before: what they set up now is no proof in this sign-in.
    Complete,
}

/// Somebody who has shown a first factor, or opened a link we sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// Their `session_epoch` when they became known here; when it rises, this sign-in is over.
    pub epoch: i64,
    /// What was shown in this sign-in.
    pub shown: Vec<Proof>,
    /// The session they came with. When it ends, this sign-in ends.
    pub session: Option<SessionId>,
    /// What that session had shown.
    pub earlier: Vec<Proof>,
    /// What they say they no longer have.
    pub lost: MethodSet,
    /// Whether this is their first time.
    pub registration: Registration,
}

impl Person {
    /// Everything shown, here and before.
    pub fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.earlier.iter().chain(&self.shown)
    }
}

/// How far a sign-in got. Up to [`Stage::Password`] nothing is known and nothing stored: the stage lives sealed in the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// The name is asked for.
    Identify,
    /// The password is asked for.
    Password {
        /// The name as typed.
        typed: String,
        /// The token of the link that brought them here. It is used up by the right password.
        link: Option<String>,
    },
    /// The policies are to be asked.
    Deciding {
        /// Who.
        person: Person,
    },
    /// One more proof is asked for.
    Challenge {
        /// Who.
        person: Person,
        /// What would do, best first.
        offers: Vec<Offer>,
        /// The method on the page.
        chosen: Method,
        /// The policies that ask for it.
        policies: Vec<EnforcedPolicy>,
        /// What else the page offers.
        #[serde(default)]
        extras: Extras,
    },
    /// Refused for now: with fewer devices it would go on.
    AtLimit {
        /// Who.
        person: Person,
        /// Why.
        reason: DenyReason,
    },
    /// One of the person's devices is to be removed.
    ChoosingDevice {
        /// Who.
        person: Person,
    },
    /// A link to their mail address has to be opened before they may add a method.
    AwaitingLink {
        /// Who.
        person: Person,
        /// Whether the mail is on its way.
        mail: LinkMail,
        /// The policies that ask for a second factor.
        policies: Vec<EnforcedPolicy>,
    },
    /// An authenticator app is being added.
    Enrolling {
        /// Who.
        person: Person,
        /// The new secret, sealed.
        sealed_secret: String,
    },
    /// A person who registers chooses a password.
    SettingPassword {
        /// Who.
        person: Person,
    },
    /// The end: the policies allow it.
    Allowed {
        /// Who.
        person: Person,
    },
    /// The end: a method was added, which counts from the next sign-in on.
    Enrolled {
        /// Who.
        person: Person,
    },
    /// The end: the policies refuse it.
    Denied {
        /// Why.
        reason: DenyReason,
    },
}

/// Whether the mail with the link was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkMail {
    /// Not yet.
    Offered,
    /// It is in the outbox.
    Sent,
}

impl Stage {
    /// The name in logs and in the transition table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Password { .. } => "password",
            Self::Deciding { .. } => "deciding",
            Self::Challenge { .. } => "challenge",
            Self::AtLimit { .. } => "at-limit",
            Self::ChoosingDevice { .. } => "choosing-device",
            Self::AwaitingLink { .. } => "awaiting-link",
            Self::Enrolling { .. } => "enrolling",
            Self::SettingPassword { .. } => "setting-password",
            Self::Allowed { .. } => "allowed",
            Self::Enrolled { .. } => "enrolled",
            Self::Denied { .. } => "denied",
        }
    }

    /// The person, once known.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match self {
            Self::Deciding { person }
            | Self::Challenge { person, .. }
            | Self::AtLimit { person, .. }
            | Self::ChoosingDevice { person }
            | Self::AwaitingLink { person, .. }
            | Self::Enrolling { person, .. }
            | Self::SettingPassword { person }
            | Self::Enrolled { person }
            | Self::Allowed { person } => Some(person),
            Self::Identify | Self::Password { .. } | Self::Denied { .. } => None,
        }
    }
}
