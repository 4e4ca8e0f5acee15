//! How a form names its sign-in, and where the sign-in lives.
//!
//! Before a first factor it lives sealed in the form itself, so strangers store nothing. After it, it lives in the state
//! store, and the form carries its id and a nonce that rises with each step: a form that was sent before loses. Either way it
//! is bound to the browser that began it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::accounts::{Binding, Envelope};
use crate::clock::{Clock, Entropy, Timestamp};
use crate::domain::SignInId;
use crate::saml::logout::LogoutMessage;
use crate::state::{Key, Kind, StateError, StateStore, Ttl, token_type};

use super::flow::{LIFETIME_SECONDS, SignIn, Stage, Target};

/// The longest handle or sealed target that is read.
const MAX_BYTES: usize = 16 * 1024;

const SIGN_IN: &str = "form.sign-in";
const TARGET: &str = "address.target";
const LOGOUT: &str = "address.logout";

token_type!(
    /// The secret in the browser's cookie, which ties a sign-in to the browser that began it.
    BrowserToken
);

/// What stands in the form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Handle {
    Sealed(String),
    Stored { id: SignInId, nonce: u64 },
}

impl Handle {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        if let Some(sealed) = text.strip_prefix("s.") {
            return Some(Self::Sealed(sealed.to_owned()));
        }
        let (id, nonce) = text.strip_prefix("t.")?.split_once('.')?;
        Some(Self::Stored { id: SignInId::parse(id)?, nonce: nonce.parse().ok()? })
    }
}

/// A sign-in that does not go on.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// It is no handle of ours, of another browser, sent before, or finished.
    #[error("the form does not belong to a sign-in that is underway in this browser")]
    StartAgain,
    /// Its time is over.
    #[error("the sign-in has expired")]
    Expired,
    /// The store does not answer.
    #[error(transparent)]
    State(#[from] StateError),
    /// Sealing failed.
    #[error("the sign-in can't be sealed")]
    Seal,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    nonce: u64,
    browser: String,
    sign_in: SignIn,
}

/// A stored sign-in, as read: the next step replaces exactly this.
#[derive(Debug)]
pub struct Live {
    /// The sign-in.
    pub sign_in: SignIn,
    nonce: u64,
    bytes: Vec<u8>,
}

impl Live {
    /// For the hidden field of the next form.
    #[must_use]
    pub fn handle(&self) -> String {
        format!("t.{}.{}", self.sign_in.id, self.nonce)
    }
}

/// Sign-ins underway, wherever they live.
pub struct SignIns {
    store: Arc<dyn StateStore>,
    envelope: Arc<Envelope>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl SignIns {
    /// Over the given parts.
    #[must_use]
    pub fn new(
        store: Arc<dyn StateStore>,
        envelope: Arc<Envelope>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { store, envelope, clock, entropy }
    }

    /// Seals a sign-in before its first factor into a form.
    ///
    /// # Errors
    /// Sealing failed.
    pub fn seal(&self, sign_in: &SignIn, browser: &BrowserToken) -> Result<String, HandleError> {
        Ok(format!("s.{}", self.seal_as(SIGN_IN, &browser.hash(), sign_in)?))
    }

    /// Opens a sealed sign-in.
    ///
    /// # Errors
    /// It is not ours, of another browser, or expired.
    pub fn open(&self, handle: &str, browser: &BrowserToken) -> Result<SignIn, HandleError> {
        let Some(Handle::Sealed(sealed)) = Handle::parse(handle) else { return Err(HandleError::StartAgain) };
        self.unexpired(self.open_as(SIGN_IN, &browser.hash(), &sealed)?)
    }

    /// Seals where a browser is sent on to, for an address of ours. Anybody who has the address may use it: it says no more
    /// than the request it was made from.
    ///
    /// # Errors
    /// Sealing failed.
    pub fn seal_target(&self, target: &Target) -> Result<String, HandleError> {
        self.seal_as(TARGET, "", &(self.clock.now(), target))
    }

    /// Opens a sealed target.
    ///
    /// # Errors
    /// It is not ours or expired.
    pub fn open_target(&self, sealed: &str) -> Result<Target, HandleError> {
        let (at, target) = self.open_as::<(Timestamp, Target)>(TARGET, "", sealed)?;
        let age = self.clock.now().as_second() - at.as_second();
        if (0..=LIFETIME_SECONDS).contains(&age) { Ok(target) } else { Err(HandleError::Expired) }
    }

    /// Seals a logout message of an app, for an address of ours.
    ///
    /// # Errors
    /// Sealing failed.
    pub fn seal_logout(&self, message: &LogoutMessage) -> Result<String, HandleError> {
        self.seal_as(LOGOUT, "", &(self.clock.now(), message))
    }

    /// Opens a sealed logout message.
    ///
    /// # Errors
    /// It is not ours or expired.
    pub fn open_logout(&self, sealed: &str) -> Result<LogoutMessage, HandleError> {
        let (at, message) = self.open_as::<(Timestamp, LogoutMessage)>(LOGOUT, "", sealed)?;
        let age = self.clock.now().as_second() - at.as_second();
        if (0..=LIFETIME_SECONDS).contains(&age) { Ok(message) } else { Err(HandleError::Expired) }
    }

    /// Stores a sign-in whose person became known.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn create(&self, sign_in: SignIn, browser: &BrowserToken) -> Result<Live, HandleError> {
        let stored = Stored { nonce: 1, browser: browser.hash(), sign_in };
        let bytes = serde_json::to_vec(&stored).map_err(|_| HandleError::Seal)?;
        let left = self.time_left(&stored.sign_in)?;
        // The same sealed form sent twice begins one sign-in, not two.
        if !self.store.put_if_absent(&Self::key(stored.sign_in.id), &bytes, left).await? {
            return Err(HandleError::StartAgain);
        }
        Ok(Live { sign_in: stored.sign_in, nonce: stored.nonce, bytes })
    }

    /// Reads the stored sign-in that a form names.
    ///
    /// # Errors
    /// It is not there, of another browser, went on since, or expired.
    pub async fn load(&self, handle: &str, browser: &BrowserToken) -> Result<Live, HandleError> {
        let Some(Handle::Stored { id, nonce }) = Handle::parse(handle) else { return Err(HandleError::StartAgain) };
        let live = self.peek(id, browser).await?;
        if live.nonce == nonce { Ok(live) } else { Err(HandleError::StartAgain) }
    }

    /// Reads a stored sign-in to show its page.
    ///
    /// # Errors
    /// It is not there, of another browser, or expired.
    pub async fn peek(&self, id: SignInId, browser: &BrowserToken) -> Result<Live, HandleError> {
        let bytes = self.store.get(&Self::key(id)).await?.ok_or(HandleError::StartAgain)?;
        let Stored { nonce, browser: bound, sign_in } =
            serde_json::from_slice(&bytes).map_err(|_| HandleError::StartAgain)?;
        if bound != browser.hash() {
            return Err(HandleError::StartAgain);
        }
        Ok(Live { sign_in: self.unexpired(sign_in)?, nonce, bytes })
    }

    /// Claims a stored sign-in for a change that must happen once: of two forms sent at once, one claims it and goes on.
    ///
    /// # Errors
    /// Another form was faster, or the store does not answer.
    pub async fn claim(&self, live: Live, browser: &BrowserToken) -> Result<Live, HandleError> {
        let stage = live.sign_in.stage.clone();
        self.advance(live, stage, browser).await
    }

    /// Whether a form names a stored sign-in.
    #[must_use]
    pub fn is_stored(handle: &str) -> bool {
        matches!(Handle::parse(handle), Some(Handle::Stored { .. }))
    }

    /// Moves a stored sign-in on to `stage`, bound to `browser` from now on. Of two forms sent at once, one loses.
    ///
    /// # Errors
    /// Another form was faster, or the store does not answer.
    pub async fn advance(&self, live: Live, stage: Stage, browser: &BrowserToken) -> Result<Live, HandleError> {
        let sign_in = SignIn { stage, ..live.sign_in };
        let stored = Stored { nonce: live.nonce.saturating_add(1), browser: browser.hash(), sign_in };
        let bytes = serde_json::to_vec(&stored).map_err(|_| HandleError::Seal)?;
        let key = Self::key(stored.sign_in.id);
        let left = self.time_left(&stored.sign_in)?;
        if self.store.compare_and_swap(&key, &live.bytes, &bytes, left).await? {
            Ok(Live { sign_in: stored.sign_in, nonce: stored.nonce, bytes })
        } else {
            Err(HandleError::StartAgain)
        }
    }

    /// Ends a stored sign-in.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn close(&self, live: Live) -> Result<(), HandleError> {
        self.store.delete(&Self::key(live.sign_in.id)).await?;
        Ok(())
    }

    fn key(id: SignInId) -> Key {
        Key::new(Kind::SignIn, &id.to_string(), "")
    }

    fn unexpired(&self, sign_in: SignIn) -> Result<SignIn, HandleError> {
        if sign_in.is_expired(self.clock.now()) { Err(HandleError::Expired) } else { Ok(sign_in) }
    }

    fn time_left(&self, sign_in: &SignIn) -> Result<Ttl, HandleError> {
        let left = sign_in.started.as_second() + LIFETIME_SECONDS - self.clock.now().as_second();
        u32::try_from(left).ok().filter(|left| *left > 0).map(Ttl::seconds).ok_or(HandleError::Expired)
    }

    fn seal_as(&self, column: &'static str, owner: &str, content: &impl Serialize) -> Result<String, HandleError> {
        let plain = serde_json::to_vec(content).map_err(|_| HandleError::Seal)?;
        self.envelope.seal_text(Binding { column, owner }, &plain, &*self.entropy).map_err(|_| HandleError::Seal)
    }

    fn open_as<T: DeserializeOwned>(&self, column: &'static str, owner: &str, text: &str) -> Result<T, HandleError> {
        if text.len() > MAX_BYTES {
            return Err(HandleError::StartAgain);
        }
        let plain = self.envelope.open_text(Binding { column, owner }, text).map_err(|_| HandleError::StartAgain)?;
        serde_json::from_slice(&plain).map_err(|_| HandleError::StartAgain)
    }
}

#[cfg(test)]
mod tests;
