//! Browsers that people were allowed from. What lives here: the device token's record, which devices of a user an app has
//! seen, and which of them count as known. What must not: the decision what that means (policies), and cookies (`web`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Entropy, EntropyError, Timestamp};
use crate::domain::{AppId, DeviceFacts, DeviceId, UserId};
use crate::state::{Bounded, Key, Kind, StateError, StateStore, Ttl, decode, encode, token_type};

#[cfg(test)]
mod tests;

/// A device that was not allowed anywhere for so long is forgotten: 180 days.
pub const FORGET_SECONDS: u32 = 180 * 24 * 60 * 60;
const LIFETIME: Ttl = Ttl::seconds(FORGET_SECONDS);
/// The most devices counted per user and app. From here on the count stands still, which no limit that policies set can mind.
pub const MAX_COUNTED: u32 = 1000;

token_type!(
    /// The secret that says which browser this is. It lives in the cookie; the store has its hash.
    DeviceToken
);

/// One browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name in logs and lists.
    pub id: DeviceId,
    /// When somebody was first allowed from it.
    pub first_allowed: Timestamp,
    /// When somebody was last allowed from it.
    pub last_allowed: Timestamp,
}

/// With what somebody was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factors {
    /// Without a second factor: the device is counted, but does not become known.
    One,
    /// With a second factor: the device is known from now on.
    Two,
}

/// What became of the record of an Allow.
#[derive(Debug)]
pub enum Recorded {
    /// It is written down. `token` is what belongs into the browser's cookie: the one it has, or the first one it gets.
    Done {
        /// The browser's token.
        token: DeviceToken,
        /// The browser.
        device: Device,
    },
    /// Another device was recorded since the facts were read: the decision rests on a count that is no longer true and has to
    /// be made again.
    FactsChanged,
}

/// A device could not be looked up or recorded.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The store failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// No random bytes for a token.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// All devices.
#[derive(Clone)]
pub struct Devices {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Devices {
    /// Keeps them in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// The browser that holds `token`, if it is not forgotten.
    ///
    /// # Errors
    /// The store failed.
    pub async fn find(&self, token: &DeviceToken) -> Result<Option<Device>, DeviceError> {
        let key = device_key(token);
        let Some(stored) = self.store.get(&key).await? else { return Ok(None) };
        Ok(Some(decode(&key, &stored)?))
    }

    /// What is known of the browser for this user and app. No token, or one nobody gave out, is an unknown device.
    ///
    /// # Errors
    /// The store failed; the facts are then unknown (`Signal::"device_history"`).
    pub async fn facts(
        &self,
        user: UserId,
        app: &AppId,
        token: Option<&DeviceToken>,
    ) -> Result<DeviceFacts, DeviceError> {
        let members = self.store.members(&app_devices_key(user, app)).await?;
        let registered = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let known = match self.find_held(token).await? {
            Some(device) => self.store.get(&known_key(user, &device, Some(app))).await?.is_some(),
            None => false,
        };
        // Nobody can mark a device as trusted yet, so none is.
        Ok(DeviceFacts { known, trusted: false, registered })
    }

    /// The browser, if `user` was allowed from it with a second factor, into whatever app. Wrong passwords of strangers do not
    /// slow it down.
    ///
    /// # Errors
    /// The store failed.
    pub async fn known_to(&self, user: UserId, token: Option<&DeviceToken>) -> Result<Option<DeviceId>, DeviceError> {
        let Some(device) = self.find_held(token).await? else { return Ok(None) };
        let known = self.store.get(&known_key(user, &device, None)).await?.is_some();
        Ok(known.then_some(device.id))
    }

    /// Writes down that `user` is being allowed into `app` from this browser, on a decision that rested on `decided_on`.
    /// Counting is atomic: of two new devices that were decided on at the same count, one is recorded, and the other is told
    /// that the facts have changed.
    ///
    /// # Errors
    /// The store or the random source failed.
    pub async fn record_allow(
        &self,
        user: UserId,
        app: &AppId,
        token: Option<&DeviceToken>,
        decided_on: &DeviceFacts,
        factors: Factors,
    ) -> Result<Recorded, DeviceError> {
        let now = self.clock.now();
        let held = self.find_held(token).await?;
        let (token, mut device) = match (token, held) {
            (Some(token), Some(device)) => (token.clone(), device),
            // An unknown token is not taken over: only what we gave out names a browser.
            _ => {
                let id = DeviceId::new(now, self.entropy.as_ref())?;
                let token = DeviceToken::new(self.entropy.as_ref())?;
                (token, Device { id, first_allowed: now, last_allowed: now })
            }
        };
        let limit = decided_on.registered.saturating_add(1).min(MAX_COUNTED);
        let counted =
            self.store.insert_bounded(&app_devices_key(user, app), &device.id.to_string(), limit, LIFETIME).await?;
        match counted {
            Bounded::Full(size) if size < MAX_COUNTED => return Ok(Recorded::FactsChanged),
            Bounded::Inserted(_) | Bounded::Present(_) | Bounded::Full(_) => {}
        }
        device.last_allowed = now;
        let key = device_key(&token);
        self.store.put(&key, &encode(&key, &device)?, LIFETIME).await?;
        if factors == Factors::Two {
            let since = now.to_string();
            for app in [None, Some(app)] {
                self.store.put(&known_key(user, &device, app), since.as_bytes(), LIFETIME).await?;
            }
        }
        Ok(Recorded::Done { token, device })
    }

    async fn find_held(&self, token: Option<&DeviceToken>) -> Result<Option<Device>, DeviceError> {
        match token {
            Some(token) => self.find(token).await,
            None => Ok(None),
        }
    }
}

fn device_key(token: &DeviceToken) -> Key {
    Key::new(Kind::Device, &token.hash(), "")
}

fn app_devices_key(user: UserId, app: &AppId) -> Key {
    Key::new(Kind::AppDevices, &user.to_string(), app.as_str())
}

/// Known for one app, or (`None`) for any.
fn known_key(user: UserId, device: &Device, app: Option<&AppId>) -> Key {
    let id = match app {
        // App ids hold no `.`, nor do UUIDs, so the two forms do not meet.
        Some(app) => format!("{}.{app}", device.id),
        None => device.id.to_string(),
    };
    Key::new(Kind::KnownDevice, &user.to_string(), &id)
}
