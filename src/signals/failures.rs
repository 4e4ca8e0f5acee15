//! Counters of wrong answers. A name somebody typed can be anything, even a password in the wrong field, so the store sees only
//! its MAC. What to do about many failures is `methods::throttle`'s business.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

use super::NetworkPrefix;
use crate::domain::{DeviceId, fold};
use crate::state::{Key, Kind, StateError, StateStore, Ttl};

/// How long a failure counts as recent: policies read these as `context.risk.failed_attempts`.
pub const RECENT_SECONDS: u32 = 15 * 60;
/// How long a failure counts for growing pauses and for the total of a name.
const DAY_SECONDS: u32 = 24 * 60 * 60;

/// What is being guessed. Each has its own counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guarded {
    /// A password.
    Password,
    /// The code of an authenticator app.
    Totp,
    /// A mailed code.
    EmailOtp,
}

impl Guarded {
    fn code(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::EmailOtp => "email-otp",
        }
    }
}

/// Where the answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureSource {
    /// A browser that is known to nobody or to somebody else: all of its network counts as one.
    Network(NetworkPrefix),
    /// A browser known to this very user. Strangers cannot slow it down.
    KnownDevice(DeviceId),
}

impl fmt::Display for FailureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "net-{network}"),
            Self::KnownDevice(device) => write!(f, "device-{device}"),
        }
    }
}

/// Whose secret is being guessed: the MAC of a name as typed, whether anybody has that name or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

/// A count over one name and source, or over one name, or over one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span<'a> {
    /// This name from this source, 15 minutes.
    Recent(&'a Subject, FailureSource),
    /// This name from this source, until a right answer or a day after the first wrong one.
    Streak(&'a Subject, FailureSource),
    /// This name from all unknown devices, until a right answer or a day after the first wrong one.
    Total(&'a Subject),
    /// This person by one of their names, from all unknown devices, until a right answer by any of them or a day after the
    /// first wrong one.
    Person(&'a Subject, &'a Subject),
    /// All names from this network, 15 minutes.
    Network(NetworkPrefix),
}

/// What waits: the answers of one name from one source, or of one name or person from all unknown devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause<'a> {
    /// This name from this source.
    Here(&'a Subject, FailureSource),
    /// This name from all unknown devices.
    Everywhere(&'a Subject),
    /// This person, by whichever name, from all unknown devices.
    Person(&'a Subject),
}

/// All counters of wrong answers.
#[derive(Clone)]
pub struct Failures {
    store: Arc<dyn StateStore>,
    key: Arc<hmac::Key>,
}

impl Failures {
    /// Counts in `store`; `key` hides the names.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, key: &[u8; 32]) -> Self {
        Self { store, key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)) }
    }

    /// The subject that a typed name stands for. Spellings that sign in as the same name are the same subject.
    #[must_use]
    pub fn subject(&self, typed: &str) -> Subject {
        // The forms take less; this bounds the folding, whoever calls.
        let typed: String = typed.chars().take(512).collect();
        let tag = hmac::sign(&self.key, fold(typed.trim()).as_bytes());
        Subject(data_encoding::HEXLOWER.encode(tag.as_ref()))
    }

    /// How many wrong passwords for this name came from this network within 15 minutes.
    ///
    /// # Errors
    /// The store failed.
    pub async fn recent_passwords(&self, subject: &Subject, network: NetworkPrefix) -> Result<u32, StateError> {
        let key = key(Guarded::Password, Span::Recent(subject, FailureSource::Network(network)));
        Ok(saturated(self.store.count(&key).await?))
    }

    pub(crate) async fn count_one(&self, guarded: Guarded, span: Span<'_>) -> Result<u32, StateError> {
        let seconds = match span {
            Span::Recent(..) | Span::Network(_) => RECENT_SECONDS,
            Span::Streak(..) | Span::Total(_) | Span::Person(..) => DAY_SECONDS,
        };
        Ok(saturated(self.store.increment(&key(guarded, span), Ttl::seconds(seconds)).await?))
    }

    pub(crate) async fn counted(&self, guarded: Guarded, span: Span<'_>) -> Result<u32, StateError> {
        Ok(saturated(self.store.count(&key(guarded, span)).await?))
    }

    pub(crate) async fn take_back(&self, guarded: Guarded, span: Span<'_>) -> Result<(), StateError> {
        self.store.decrement(&key(guarded, span)).await.map(drop)
    }

    pub(crate) async fn forget(&self, guarded: Guarded, span: Span<'_>) -> Result<(), StateError> {
        self.store.delete(&key(guarded, span)).await.map(drop)
    }

    /// The end of the pause in force (seconds since 1970), if there is one.
    pub(crate) async fn pause(&self, guarded: Guarded, pause: Pause<'_>) -> Result<Option<i64>, StateError> {
        let key = pause_key(guarded, pause);
        let stored = self.store.get(&key).await?;
        stored.map(|value| crate::state::decode(&key, &value)).transpose()
    }

    /// Begins a pause. `false` if there is one.
    pub(crate) async fn begin_pause(
        &self,
        guarded: Guarded,
        pause: Pause<'_>,
        until: i64,
        length: Ttl,
    ) -> Result<bool, StateError> {
        let key = pause_key(guarded, pause);
        self.store.put_if_absent(&key, &crate::state::encode(&key, &until)?, length).await
    }

    pub(crate) async fn end_pause(&self, guarded: Guarded, pause: Pause<'_>) -> Result<(), StateError> {
        self.store.delete(&pause_key(guarded, pause)).await.map(drop)
    }
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn key(guarded: Guarded, span: Span<'_>) -> Key {
    let guarded = guarded.code();
    match span {
        Span::Recent(Subject(owner), source) => Key::new(Kind::Failures, owner, &format!("{guarded}.recent.{source}")),
        Span::Streak(Subject(owner), source) => Key::new(Kind::Failures, owner, &format!("{guarded}.streak.{source}")),
        Span::Total(Subject(owner)) => Key::new(Kind::Failures, owner, &format!("{guarded}.total")),
        Span::Person(Subject(owner), Subject(name)) => {
            Key::new(Kind::Failures, owner, &format!("{guarded}.person.{name}"))
        }
        Span::Network(network) => Key::new(Kind::Failures, &format!("net-{network}"), guarded),
    }
}

fn pause_key(guarded: Guarded, pause: Pause<'_>) -> Key {
    let guarded = guarded.code();
    match pause {
        Pause::Here(Subject(owner), source) => Key::new(Kind::Pause, owner, &format!("{guarded}.{source}")),
        Pause::Everywhere(Subject(owner)) => Key::new(Kind::Pause, owner, &format!("{guarded}.everywhere")),
        Pause::Person(Subject(owner)) => Key::new(Kind::Pause, owner, &format!("{guarded}.person")),
    }
}
