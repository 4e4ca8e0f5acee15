//! Trust: a user asked to be spared the next challenge of one app on one device, and the policies permitted it. What was shown
//! then is written down with it, so that whoever asks later can tell whether it would still be enough.

use serde::{Deserialize, Serialize};

use super::{DeviceError, Devices, Registration, registration_key, trust_key};
use crate::clock::Timestamp;
use crate::domain::{AppId, DeviceId, MethodSet, User, UserId};
use crate::state::{Ttl, decode, encode};

/// How often a swap that another one overtook is tried again.
const MOST_SWAPS: usize = 16;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What a user showed when they asked a device to be trusted for an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// What was shown.
    pub proofs: MethodSet,
    /// When.
    pub at: Timestamp,
    /// The user's `session_epoch` then: a changed password or method ends the trust.
    pub epoch: i64,
}

impl Trust {
    /// Whether it still stands for `user`: `days` at most have passed, and nothing about how they sign in changed since.
    /// Whether it is enough for an app is the policies' business.
    #[must_use]
    pub fn stands(&self, user: &User, days: u16, now: Timestamp) -> bool {
        let age = now.as_second() - self.at.as_second();
        self.epoch == user.session_epoch && (0..i64::from(days) * DAY_SECONDS).contains(&age)
    }

    /// When it ends at the latest.
    #[must_use]
    pub fn ends(&self, days: u16) -> Timestamp {
        let length = jiff::SignedDuration::from_secs(i64::from(days) * DAY_SECONDS);
        self.at.saturating_add(length).unwrap_or(self.at)
    }
}

/// As stored: it belongs to one registration of the device, and to its trust as last drawn.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    registration: String,
    pub(super) trust: Trust,
}

impl Stored {
    pub(super) fn belongs_to(&self, registration: &Registration) -> bool {
        self.registration == registration.trust
    }
}

impl Devices {
    /// Trusts a device for an app, for `days`. `false` when the device is not on the user's list (any more).
    ///
    /// # Errors
    /// The store failed.
    pub async fn trust(
        &self,
        user: UserId,
        device: DeviceId,
        app: &AppId,
        trust: Trust,
        days: u16,
    ) -> Result<bool, DeviceError> {
        let Some(registration) = self.registration(user, device).await? else { return Ok(false) };
        let key = trust_key(user, device, app);
        let stored = Stored { registration: registration.trust, trust };
        let seconds = u32::from(days).saturating_mul(u32::try_from(DAY_SECONDS).unwrap_or(u32::MAX));
        self.store.put(&key, &encode(&key, &stored)?, Ttl::seconds(seconds)).await?;
        Ok(true)
    }

    /// Ends the trust in a device, for every app. `false` when the device is not on the user's list.
    ///
    /// # Errors
    /// The store or the random source failed.
    pub async fn end_trust(&self, user: UserId, device: DeviceId) -> Result<bool, DeviceError> {
        let key = registration_key(user, device);
        // Whoever is faster has seen the device again at the same moment.
        for _ in 0..MOST_SWAPS {
            let Some(stored) = self.store.get(&key).await? else { return Ok(false) };
            let registration: Registration = decode(&key, &stored)?;
            let ended = encode(&key, &Registration { trust: self.draw()?, ..registration })?;
            if self.store.compare_and_swap(&key, &stored, &ended, super::LIFETIME).await? {
                return Ok(true);
            }
        }
        Err(DeviceError::Contended)
    }

    /// The trust on record for this registration.
    pub(super) async fn trust_of(
        &self,
        user: UserId,
        device: DeviceId,
        app: &AppId,
        registration: &Registration,
    ) -> Result<Option<Trust>, DeviceError> {
        let stored: Option<Stored> = self.read(&trust_key(user, device, app)).await?;
        Ok(stored.filter(|stored| stored.belongs_to(registration)).map(|stored| stored.trust))
    }
}
