//! Argon2id on a pool of its own.

use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};

use super::{Password, PasswordHash, Pool, PoolError, PoolSettings, Priority};
use crate::clock::{Entropy, EntropyError};

/// What a new hash costs (RFC 9106 names the numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashCost {
    /// 19 MiB, two passes, one lane: OWASP's first choice.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// How much hashing may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashSettings {
    /// What a new hash costs.
    pub cost: HashCost,
    /// How many hashes at once.
    pub threads: usize,
    /// How many more may wait.
    pub queue: usize,
}

impl Default for HashSettings {
    /// Half of the processors, so that hashing never takes them all from the rest, and 64 waiting.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cost: HashCost::default(), threads: processors.div_ceil(2), queue: 64 }
    }
}

/// Why nothing was hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The pool could not take or finish the work.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// No salt.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The cost is outside what [`PasswordHash::parse`] takes. With checked hashes and settings this does not happen.
    #[error("the cost of password hashing is out of range")]
    Argon2,
    /// The password has more than 256 characters.
    #[error("a password has at most 256 characters")]
    TooLong,
}

/// The answer to a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It is the right one.
    Match {
        /// The stored hash is weaker than what is made today: hash again and store.
        needs_rehash: bool,
    },
    /// It is not, or there is nothing to compare with.
    NoMatch,
}

/// Hashes and verifies passwords off the request threads.
#[derive(Clone)]
pub struct HashPool {
    pool: Pool,
    cost: HashCost,
    entropy: Arc<dyn Entropy>,
    /// What is compared when there is no hash, so that an unknown user costs what a known one does.
    dummy: PasswordHash,
}

impl HashPool {
    /// Starts the threads and makes the hash that stands in for missing ones.
    ///
    /// # Errors
    /// The cost is outside what [`PasswordHash::parse`] takes, or there was no thread or no random salt.
    pub fn start(settings: HashSettings, entropy: Arc<dyn Entropy>) -> Result<Self, HashError> {
        let HashSettings { threads, queue, .. } = settings;
        let pool = PoolSettings { name: "password-hash", threads, queue, priority: Priority::Low };
        let unknown: [u8; 32] = entropy.bytes()?;
        let dummy = hash_now(settings.cost, &unknown, &entropy.bytes()?)?;
        // What is written today must be readable tomorrow.
        PasswordHash::parse(dummy.expose()).map_err(|_| HashError::Argon2)?;
        Ok(Self { pool: Pool::start(pool)?, cost: settings.cost, entropy, dummy })
    }

    /// How many hashes are made at once.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Hashes a new password. Whether it is a good one is for the password rules.
    ///
    /// # Errors
    /// It is too long, the queue is full, or there is no salt.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        if password.is_too_long() {
            return Err(HashError::TooLong);
        }
        let cost = self.cost;
        let salt: [u8; 16] = self.entropy.bytes()?;
        self.pool.run(move || hash_now(cost, password.expose().as_bytes(), &salt)).await?
    }

    /// Compares a password with the stored hash. Without a hash (unknown user, no password set), or with a password that is
    /// too long, the same work is done and the answer is [`Checked::NoMatch`].
    ///
    /// # Errors
    /// The queue is full.
    pub async fn verify(&self, stored: Option<&PasswordHash>, password: Password) -> Result<Checked, HashError> {
        let real = stored.is_some() && !password.is_too_long();
        let hash = stored.unwrap_or(&self.dummy).clone();
        let password = if password.is_too_long() { Password::new(String::new()) } else { password };
        let cost = self.cost;
        self.pool
            .run(move || {
                let parsed = phc::PasswordHash::new(hash.expose()).map_err(|_| HashError::Argon2)?;
                let equal = Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok();
                if !(real && equal) {
                    return Ok(Checked::NoMatch);
                }
                let params = Params::try_from(&parsed).map_err(|_| HashError::Argon2)?;
                let needs_rehash = params.m_cost() < cost.memory_kib || params.t_cost() < cost.passes;
                Ok(Checked::Match { needs_rehash })
            })
            .await?
    }
}

impl std::fmt::Debug for HashPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashPool").field("pool", &self.pool).field("cost", &self.cost).finish_non_exhaustive()
    }
}

fn hash_now(cost: HashCost, password: &[u8], salt: &[u8; 16]) -> Result<PasswordHash, HashError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(|_| HashError::Argon2)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: phc::PasswordHash = argon2.hash_password_with_salt(password, salt).map_err(|_| HashError::Argon2)?;
    Ok(PasswordHash::of(&hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;

    fn pool(memory_kib: u32) -> HashPool {
        let cost = HashCost { memory_kib, passes: 1, lanes: 1 };
        HashPool::start(HashSettings { cost, threads: 1, queue: 4 }, Arc::new(FixedEntropy::seeded(1))).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_matches_and_the_hash_is_one_we_would_import() {
        let pool = pool(7_168);
        let hash = pool.hash(password("correct horse")).await.unwrap();
        assert_eq!(PasswordHash::parse(hash.expose()), Ok(hash.clone()));
        for (typed, answer) in [
            ("correct horse", Checked::Match { needs_rehash: false }),
            ("correct horsE", Checked::NoMatch),
            ("", Checked::NoMatch),
            (&"x".repeat(100_000), Checked::NoMatch),
        ] {
            assert_eq!(pool.verify(Some(&hash), password(typed)).await.unwrap(), answer, "{} bytes", typed.len());
        }
    }

    #[tokio::test]
    async fn nobody_without_a_hash_matches() {
        let pool = pool(7_168);
        for typed in ["", "password", "correct horse"] {
            assert_eq!(pool.verify(None, password(typed)).await.unwrap(), Checked::NoMatch);
        }
    }

    #[tokio::test]
    async fn a_weaker_hash_asks_for_a_new_one_and_a_stronger_does_not() {
        let (weak, strong) = (pool(7_168), pool(9_216));
        let old = weak.hash(password("correct horse")).await.unwrap();
        let new = strong.hash(password("correct horse")).await.unwrap();
        let check = async |pool: &HashPool, hash| pool.verify(Some(hash), password("correct horse")).await.unwrap();
        assert_eq!(check(&strong, &old).await, Checked::Match { needs_rehash: true });
        assert_eq!(check(&weak, &new).await, Checked::Match { needs_rehash: false });
    }

    #[test]
    fn a_cost_whose_hashes_could_not_be_read_back_is_refused() {
        let cost = HashCost { memory_kib: 64, passes: 1, lanes: 1 };
        let settings = HashSettings { cost, threads: 1, queue: 1 };
        assert!(matches!(HashPool::start(settings, Arc::new(FixedEntropy::seeded(1))), Err(HashError::Argon2)));
    }

    #[tokio::test]
    async fn an_overlong_new_password_is_refused() {
        assert!(matches!(pool(7_168).hash(password(&"x".repeat(257))).await, Err(HashError::TooLong)));
    }
}
