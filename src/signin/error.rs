//! Why a step of a sign-in has no next page.

use crate::accounts::{AccountsError, EnvelopeError};
use crate::audit::AuditError;
use crate::clock::EntropyError;
use crate::devices::DeviceError;
use crate::methods::MethodError;
use crate::methods::totp::TotpError;
use crate::notify::MailError;
use crate::policy::PlanError;
use crate::saml::{IssueError, MappingError};
use crate::sessions::{ParticipantError, SessionError};
use crate::state::StateError;
use crate::workers::{HashError, PoolError};

use super::handle::HandleError;
use super::transition::InvalidTransition;

/// Kinds that differ in what the person can do next; the cause inside is for the log.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The form was sent before, is another browser's, or another tab went on.
    #[error("the form does not belong to a sign-in that is underway in this browser")]
    StartAgain,
    /// Its time is over.
    #[error("the sign-in has expired")]
    Expired,
    /// The service provider's request was answered before.
    #[error("the request was answered before")]
    AlreadyAnswered,
    /// The link was used, has expired, or never existed.
    #[error("the link is not valid any more")]
    BadLink,
    /// No such app here.
    #[error("there is no such app")]
    UnknownApp,
    /// The app must be opened from its own pages.
    #[error("the app is opened from its own pages")]
    NotLaunchable,
    /// Nothing more can be asked from there for so many seconds.
    #[error("too many requests")]
    TooMany(u32),
    /// The session has opened as many apps as could be told of its end.
    #[error("the session has opened too many apps")]
    TooManyApps,
    /// A queue is full.
    #[error("too much to do at once")]
    Busy,
    /// What this app's assertion has to say cannot be said of this user.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// Something this server depends on does not work.
    #[error("{what}")]
    Unavailable {
        /// What failed.
        what: &'static str,
        /// How.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SignInError {
    /// What was away, in one word for monitoring.
    #[must_use]
    pub fn away(&self) -> &'static str {
        let Self::Unavailable { source, .. } = self else { return "other" };
        if source.is::<AccountsError>() {
            "accounts"
        } else if source.is::<StateError>() || source.is::<SessionError>() || source.is::<DeviceError>() {
            "state"
        } else if source.is::<AuditError>() {
            "audit"
        } else if source.is::<PlanError>() {
            "policies"
        } else if source.is::<IssueError>() {
            "signing"
        } else {
            "other"
        }
    }

    fn unavailable(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { what, source: Box::new(source) }
    }
}

impl From<HandleError> for SignInError {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::StartAgain => Self::StartAgain,
            HandleError::Expired => Self::Expired,
            HandleError::State(error) => error.into(),
            HandleError::Seal => Self::unavailable("a form can't be sealed", error),
        }
    }
}

impl From<InvalidTransition> for SignInError {
    fn from(error: InvalidTransition) -> Self {
        tracing::info!(signin.stage = error.stage, signin.event = error.event, "a form did not fit its sign-in");
        Self::StartAgain
    }
}

impl From<HashError> for SignInError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Pool(pool) => pool.into(),
            error => Self::unavailable("a password can't be checked", error),
        }
    }
}

impl From<PoolError> for SignInError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Full(_) => Self::Busy,
            error => Self::unavailable("a worker does not answer", error),
        }
    }
}

impl From<MethodError> for SignInError {
    fn from(error: MethodError) -> Self {
        match error {
            MethodError::State(error) => error.into(),
            MethodError::Devices(error) => error.into(),
            MethodError::Accounts(error) => error.into(),
            MethodError::Entropy(error) => error.into(),
            MethodError::Hashing(error) => error.into(),
        }
    }
}

impl From<IssueError> for SignInError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Mapping(error) => error.into(),
            error => Self::unavailable("the response can't be signed", error),
        }
    }
}

impl From<ParticipantError> for SignInError {
    fn from(error: ParticipantError) -> Self {
        match error {
            ParticipantError::Full => Self::TooManyApps,
            ParticipantError::State(error) => error.into(),
        }
    }
}

macro_rules! unavailable {
    ($($error:ty => $what:literal),+ $(,)?) => {
        $(impl From<$error> for SignInError {
            fn from(error: $error) -> Self {
                Self::unavailable($what, error)
            }
        })+
    };
}

unavailable! {
    AccountsError => "the accounts database does not answer",
    StateError => "the state store does not answer",
    SessionError => "the session can't be kept",
    DeviceError => "the device can't be looked up",
    MailError => "the mail can't be written",
    TotpError => "an authenticator app can't be set up",
    AuditError => "the decision can't be recorded",
    PlanError => "the policies can't be decided",
    EnvelopeError => "a key can't be derived",
    EntropyError => "there are no random bytes",
}
