//! Ways to authenticate: what each shows, and how an answer is checked. What lives here: one file per method, and the
//! throttle that every guessable method stands behind. What must not: storage of authenticators (`accounts`), hashing
//! (`workers`), and the decision which methods are enough (`policy`).

pub mod email_otp;
pub mod password;
#[cfg(test)]
pub(crate) mod testing;
pub mod throttle;
pub mod totp;

use std::net::IpAddr;

use crate::accounts::AccountsError;
use crate::clock::EntropyError;
use crate::devices::{DeviceError, DeviceToken, Devices};
use crate::domain::UserId;
use crate::signals::{FailureSource, NetworkPrefix};
use crate::state::StateError;
use crate::workers::HashError;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The client's address.
    pub ip: IpAddr,
    /// The token in the browser's device cookie.
    pub device: Option<&'a DeviceToken>,
}

impl Origin<'_> {
    /// What failures are counted by: the device if it is known to this user, else the network. Nobody has a known device.
    pub(crate) async fn source(&self, devices: &Devices, user: Option<UserId>) -> Result<FailureSource, DeviceError> {
        if let Some(user) = user
            && let Some(device) = devices.known_to(user, self.device).await?
        {
            return Ok(FailureSource::KnownDevice(device));
        }
        Ok(FailureSource::Network(NetworkPrefix::of(self.ip)))
    }
}

/// What became of an answer.
#[derive(Debug)]
pub enum Answer<T> {
    /// It is right.
    Right(T),
    /// It is wrong.
    Wrong {
        /// So many more wrong ones are free.
        free_left: u32,
        /// The next one has to wait so many seconds.
        retry_after: Option<u32>,
    },
    /// Right, but taken before: a code works once.
    Used {
        /// How many more wrong answers are free.
        free_left: u32,
    },
    /// There is no code that it could answer: none was sent, or it has expired. Nothing was guessed, so it does not count.
    Expired,
    /// It came too early and was not looked at (429).
    Wait {
        /// Try again in so many seconds.
        retry_after: u32,
    },
}

/// An answer could not be checked. Nobody is let in on it; it does not count as wrong where that could be helped.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// The state store failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The devices could not be asked.
    #[error(transparent)]
    Devices(#[from] DeviceError),
    /// The accounts database failed.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// There are no random bytes for a code.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The password was not compared, mostly because too many wait (503).
    #[error(transparent)]
    Hashing(#[from] HashError),
}
