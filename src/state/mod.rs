//! Short-lived state: sign-ins under way, sessions, devices, counters, consumed ids. What lives here is the trait
//! [`StateStore`], its embedded backend, keys, lifetimes and the tokens that open entries. What must not: accounts and
//! anything else that has to outlive its lifetime, and any rule about what an entry means.
//!
//! Every operation is atomic by itself, on every backend; `contract.rs` is the one suite that each backend passes. A caller
//! that needs two operations to happen together builds on [`StateStore::compare_and_swap`] or [`StateStore::take`].

#[cfg(test)]
mod contract;
mod embedded;
mod key;
mod redis;
#[cfg(test)]
pub(crate) mod testing;
mod token;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{Clock, Entropy, Timestamp};
use crate::config::{State, StateUrl};

pub use embedded::EmbeddedStore;
pub use key::{Key, Kind};
pub use redis::RedisStore;
pub(crate) use token::token_type;

/// The most bytes one value may have.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The most entries or members one list gives.
pub const MAX_LISTED: u32 = 1000;

/// How long an entry lives from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(u32);

impl Ttl {
    /// This many seconds; after 0 seconds an entry is gone at once.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// The seconds.
    #[must_use]
    pub const fn as_seconds(self) -> u32 {
        self.0
    }
}

/// The store gave no answer, or one that makes no sense. Nobody is let in on it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The backend cannot be reached, is full, or failed.
    #[error("the state store does not work")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store's file or server cannot be opened.
    #[error("cannot open the state store `{path}`")]
    Open {
        /// The file, or the address without its password.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value is longer than [`MAX_VALUE_BYTES`].
    #[error("a value of {bytes} bytes is too long for the state store (`{key}`)")]
    TooLong {
        /// Under which key.
        key: String,
        /// How long it is.
        bytes: usize,
    },
    /// What is stored does not read as what it should be.
    #[error("the state store holds something unreadable under `{key}`")]
    Unreadable {
        /// Under which key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// What became of a member that wanted into a bounded set. Each number is the size of the set after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounded {
    /// It was added.
    Inserted(u32),
    /// It was there already; it now lives on for the new lifetime.
    Present(u32),
    /// It was not there, and the set has its limit or more.
    Full(u32),
}

/// One listed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The id part of its key, as the key wrote it.
    pub id: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// How a store that works is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// What it is, as in `redis 7.0.15 at redis://localhost:6379/0`; without passwords.
    pub backend: String,
    /// What somebody who runs it should change, each in a sentence.
    pub warnings: Vec<String>,
}

/// Opens the store that the settings name. Time and randomness are the caller's.
///
/// # Errors
/// It cannot be opened or reached, or is not fit to keep state.
pub async fn open(
    settings: &State,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<dyn StateStore>, StateError> {
    Ok(match &settings.url {
        StateUrl::Embedded(path) => Arc::new(EmbeddedStore::open(path, clock).await?),
        StateUrl::Redis(url) => {
            let (password, ca) = (settings.password_file.as_deref(), settings.ca_file.as_deref());
            Arc::new(RedisStore::open(url, password, ca, clock, entropy).await?)
        }
    })
}

/// Short-lived entries under keys. Values, counters and sets are apart: a key names one of them, by its [`Kind`]. Nothing is
/// visible from the instant its lifetime is over.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The value, if there is one.
    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StateError>;

    /// Sets the value, whatever was there.
    async fn put(&self, key: &Key, value: &[u8], ttl: Ttl) -> Result<(), StateError>;

    /// Sets the value if there is none. `true` for the one caller that did.
    async fn put_if_absent(&self, key: &Key, value: &[u8], ttl: Ttl) -> Result<bool, StateError>;

    /// Removes the value and gives it to one caller.
    async fn take(&self, key: &Key) -> Result<Option<Vec<u8>>, StateError>;

    /// Removes value, counter and set under the key. `true` if there was any.
    async fn delete(&self, key: &Key) -> Result<bool, StateError>;

    /// Replaces `expected` by `new`, with a new lifetime. `true` if `expected` was there.
    async fn compare_and_swap(&self, key: &Key, expected: &[u8], new: &[u8], ttl: Ttl) -> Result<bool, StateError>;

    /// Counts one up and gives the new count. The lifetime starts with the first count and is not renewed.
    async fn increment(&self, key: &Key, ttl: Ttl) -> Result<u64, StateError>;

    /// Counts one down, never below nothing, and gives the new count. Starts no counter.
    async fn decrement(&self, key: &Key) -> Result<u64, StateError>;

    /// The count; 0 when nothing was counted.
    async fn count(&self, key: &Key) -> Result<u64, StateError>;

    /// Adds `member` to the set unless `limit` others are in it. Each member has its own lifetime, renewed when it comes again.
    async fn insert_bounded(&self, key: &Key, member: &str, limit: u32, ttl: Ttl) -> Result<Bounded, StateError>;

    /// Takes `member` out of the set. `true` if it was there.
    async fn remove_member(&self, key: &Key, member: &str) -> Result<bool, StateError>;

    /// The members of the set in alphabetical order, [`MAX_LISTED`] at most.
    async fn members(&self, key: &Key) -> Result<Vec<String>, StateError>;

    /// The values of one kind and owner in the order of their ids, `limit` at most (never more than [`MAX_LISTED`]).
    async fn list(&self, kind: Kind, owner: &str, limit: u32) -> Result<Vec<Entry>, StateError>;

    /// When the store came to be, by its own clock: it holds nothing from before. It stays the same as long as nothing was
    /// lost as a whole, and names the store too: another one was born at another instant, earlier or later. What was read
    /// before this call was read from the store of this instant or an older one, so ask last.
    ///
    /// # Errors
    /// It does not work.
    async fn born(&self) -> Result<Timestamp, StateError>;

    /// Whether sign-ins can rest on the store now, and what about it should be changed. Cheap enough to be asked each second.
    ///
    /// # Errors
    /// It does not work, or its clock and ours disagree too much.
    async fn ready(&self) -> Result<StoreHealth, StateError>;
}

/// The same bound on values for every backend.
fn check_size(key: &Key, value: &[u8]) -> Result<(), StateError> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(StateError::TooLong { key: key.to_string(), bytes: value.len() });
    }
    Ok(())
}

/// Writes a record as the bytes of a value.
///
/// # Errors
/// It cannot be written as JSON.
pub fn encode<T: Serialize>(key: &Key, record: &T) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(record).map_err(|source| StateError::Unreadable { key: key.to_string(), source })
}

/// Reads a record back from the bytes of a value.
///
/// # Errors
/// It is no such record.
pub fn decode<T: DeserializeOwned>(key: &Key, value: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(value).map_err(|source| StateError::Unreadable { key: key.to_string(), source })
}
