//! Browsers that people were allowed from. What lives here: the device token's record, which devices of a user an app has
//! seen, which of them count as known or trusted, and the list a person sees of them. What must not: the decision what that
//! means (policies), and cookies (`web`).
//!
//! Of one user, each device has a *registration*. What makes a device known, and what makes it trusted, names the
//! registration it belongs to: when that is removed, all of it is void at once, whatever is left to clean up.

mod list;
mod name;
mod trust;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Entropy, EntropyError, Timestamp};
use crate::domain::{AppId, DeviceFacts, DeviceId, UserId};
use crate::state::{Bounded, Key, Kind, StateError, StateStore, Ttl, decode, encode, token_type};

pub use list::ListedDevice;
pub use name::DeviceName;
pub use trust::Trust;

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

/// A device on one user's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Registration {
    /// What makes the device known names this.
    id: String,
    /// What makes it trusted names this. Drawn anew when the trust ends.
    trust: String,
    name: DeviceName,
    place: Option<String>,
    ip: IpAddr,
    first_allowed: Timestamp,
    last_allowed: Timestamp,
}

/// With what somebody was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factors {
    /// Without a second factor: the device is counted, but does not become known.
    One,
    /// With a second factor: the device is known from now on.
    Two,
}

/// What a list says of a device later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What it is called.
    pub name: DeviceName,
    /// Where it was, in words; `None` when that is not known.
    pub place: Option<String>,
    /// The address it came from.
    pub ip: IpAddr,
}

/// Somebody is being allowed into an app.
#[derive(Debug)]
pub struct Allowed<'a> {
    /// Who.
    pub user: UserId,
    /// Into what.
    pub app: &'a AppId,
    /// What the browser's cookie holds.
    pub token: Option<&'a DeviceToken>,
    /// The facts that the decision rested on.
    pub decided_on: &'a DeviceFacts,
    /// The browser was one of those recorded then ([`Recognised::is_listed`]).
    pub was_listed: bool,
    /// With what.
    pub factors: Factors,
    /// What the list says of it.
    pub sighting: Sighting,
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

/// What is known of a browser for one user and app.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recognised {
    /// The facts. `trusted` is never set here: whether a trust counts is not decided by the record alone ([`Trust`]).
    pub facts: DeviceFacts,
    /// The browser, if its token is one of ours.
    pub device: Option<DeviceId>,
    /// The trust on record.
    pub trust: Option<Trust>,
    /// The browser is one of those recorded for this user and app.
    pub is_listed: bool,
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
    /// Others change the same record all the time.
    #[error("the device's record changes too often")]
    Contended,
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
        self.read(&device_key(token)).await
    }

    /// What is known of the browser for this user and app. No token, or one nobody gave out, is an unknown device.
    ///
    /// # Errors
    /// The store failed; the facts are then unknown (`Signal::"device_history"`).
    pub async fn recognise(
        &self,
        user: UserId,
        app: &AppId,
        token: Option<&DeviceToken>,
    ) -> Result<Recognised, DeviceError> {
        let members = self.store.members(&app_devices_key(user, app)).await?;
        let registered = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let unknown = DeviceFacts { known: false, trusted: false, registered };
        let Some(Device { id, .. }) = self.find_held(token).await? else {
            return Ok(Recognised { facts: unknown, ..Recognised::default() });
        };
        let is_listed = members.contains(&id.to_string());
        let unknown = Recognised { facts: unknown, device: Some(id), trust: None, is_listed };
        // Removing takes the device out of the set too: a registration alone does not count, while the set still takes members.
        if registered < MAX_COUNTED && !is_listed {
            return Ok(unknown);
        }
        let Some(registration) = self.registration(user, id).await? else { return Ok(unknown) };
        if !self.is_known(&known_key(user, id, Some(app)), &registration).await? {
            return Ok(unknown);
        }
        let trust = self.trust_of(user, id, app, &registration).await?;
        let facts = DeviceFacts { known: true, trusted: false, registered };
        Ok(Recognised { facts, device: Some(id), trust, is_listed })
    }

    /// The browser, if `user` was allowed from it with a second factor, into whatever app. Wrong passwords of strangers do not
    /// slow it down.
    ///
    /// # Errors
    /// The store failed.
    pub async fn known_to(&self, user: UserId, token: Option<&DeviceToken>) -> Result<Option<DeviceId>, DeviceError> {
        let Some(Device { id, .. }) = self.find_held(token).await? else { return Ok(None) };
        let Some(registration) = self.registration(user, id).await? else { return Ok(None) };
        let known = self.is_known(&known_key(user, id, None), &registration).await?;
        Ok(known.then_some(id))
    }

    /// Whether the device is on the user's list. A session that began on it ends when it no longer is.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_registered(&self, user: UserId, device: DeviceId) -> Result<bool, DeviceError> {
        Ok(self.registration(user, device).await?.is_some())
    }

    /// Writes down that a user is being allowed into an app from this browser. Counting is atomic: of two new devices that were
    /// decided on at the same count, one is recorded, and the other is told that the facts have changed.
    ///
    /// # Errors
    /// The store or the random source failed.
    pub async fn record_allow(&self, allowed: Allowed<'_>) -> Result<Recorded, DeviceError> {
        let Allowed { user, app, token, decided_on, was_listed, factors, sighting } = allowed;
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
            // Somebody removed it in between: a decision from before does not bring it back.
            Bounded::Inserted(_) if was_listed => {
                self.store.remove_member(&app_devices_key(user, app), &device.id.to_string()).await?;
                return Ok(Recorded::FactsChanged);
            }
            Bounded::Inserted(_) | Bounded::Present(_) | Bounded::Full(_) => {}
        }
        device.last_allowed = now;
        let key = device_key(&token);
        self.store.put(&key, &encode(&key, &device)?, LIFETIME).await?;
        let registration = self.register(user, device.id, sighting, now).await?;
        if factors == Factors::Two {
            for app in [None, Some(app)] {
                self.store.put(&known_key(user, device.id, app), registration.id.as_bytes(), LIFETIME).await?;
            }
        }
        Ok(Recorded::Done { token, device })
    }

    /// Puts the device on the user's list, or writes down that it was seen again. The registration in force afterwards.
    async fn register(
        &self,
        user: UserId,
        device: DeviceId,
        sighting: Sighting,
        now: Timestamp,
    ) -> Result<Registration, DeviceError> {
        let key = registration_key(user, device);
        let Sighting { name, place, ip } = sighting;
        if let Some(stored) = self.store.get(&key).await? {
            let old: Registration = decode(&key, &stored)?;
            let seen = Registration { name, place, ip, last_allowed: now, ..old };
            // Whoever swaps first has written the same moment. What was removed meanwhile stays removed: then the device is
            // counted, but no longer known.
            self.store.compare_and_swap(&key, &stored, &encode(&key, &seen)?, LIFETIME).await?;
            return Ok(seen);
        }
        let new = Registration {
            id: self.draw()?,
            trust: self.draw()?,
            name,
            place,
            ip,
            first_allowed: now,
            last_allowed: now,
        };
        if self.store.put_if_absent(&key, &encode(&key, &new)?, LIFETIME).await? {
            return Ok(new);
        }
        // Another tab of the same browser was faster.
        Ok(self.registration(user, device).await?.unwrap_or(new))
    }

    async fn registration(&self, user: UserId, device: DeviceId) -> Result<Option<Registration>, DeviceError> {
        self.read(&registration_key(user, device)).await
    }

    async fn is_known(&self, key: &Key, registration: &Registration) -> Result<bool, DeviceError> {
        Ok(self.store.get(key).await?.is_some_and(|named| named == registration.id.as_bytes()))
    }

    async fn find_held(&self, token: Option<&DeviceToken>) -> Result<Option<Device>, DeviceError> {
        match token {
            Some(token) => self.find(token).await,
            None => Ok(None),
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, DeviceError> {
        match self.store.get(key).await? {
            Some(stored) => Ok(Some(decode(key, &stored)?)),
            None => Ok(None),
        }
    }

    /// 128 random bits by which one record names another.
    fn draw(&self) -> Result<String, DeviceError> {
        Ok(data_encoding::HEXLOWER.encode(&self.entropy.bytes::<16>()?))
    }
}

fn device_key(token: &DeviceToken) -> Key {
    Key::new(Kind::Device, &token.hash(), "")
}

fn app_devices_key(user: UserId, app: &AppId) -> Key {
    Key::new(Kind::AppDevices, &user.to_string(), app.as_str())
}

fn registration_key(user: UserId, device: DeviceId) -> Key {
    Key::new(Kind::UserDevice, &user.to_string(), &device.to_string())
}

/// Known for one app, or (`None`) for any.
fn known_key(user: UserId, device: DeviceId, app: Option<&AppId>) -> Key {
    let id = match app {
        // App ids hold no `.`, nor do UUIDs, so the two forms do not meet.
        Some(app) => format!("{device}.{app}"),
        None => device.to_string(),
    };
    Key::new(Kind::KnownDevice, &user.to_string(), &id)
}

fn trust_key(user: UserId, device: DeviceId, app: &AppId) -> Key {
    Key::new(Kind::Trust, &user.to_string(), &format!("{device}.{app}"))
}
