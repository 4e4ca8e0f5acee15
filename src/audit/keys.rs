//! The keys that records are sealed with: one a month, kept with the accounts. Whoever deletes a month's key erases what was
//! written in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use data_encoding::HEXLOWER;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use super::journal::AuditError;
use super::month::Month;
use crate::accounts::{Accounts, AccountsError, LOG_KEY_LEN, LogKey};
use crate::clock::Timestamp;
use crate::domain::Username;

/// How much of the keyed hash of a name stands in a line.
const WHO_BYTES: usize = 16;
/// How long the id of a key is.
const ID_BYTES: usize = 4;
/// On so many days of the running month something must have been written before anything older is erased: more than a clock is
/// ahead that somebody sets right within a day, whichever midnight falls into it.
const SURE_DAYS: usize = 3;

/// Keeps the keys of months.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key of a month, made now if there was none.
    ///
    /// # Errors
    /// The store failed.
    async fn key(&self, month: Month) -> Result<LogKey, AccountsError>;

    /// All months that ever had a key.
    ///
    /// # Errors
    /// The store failed.
    async fn keys(&self) -> Result<Vec<(Month, LogKey)>, AccountsError>;

    /// On how many days of a month something was written, as far as signed heads tell; of all nodes together.
    ///
    /// # Errors
    /// The store failed.
    async fn days(&self, month: Month) -> Result<usize, AccountsError>;

    /// Deletes the key of a month for ever. Says whether there was one.
    ///
    /// # Errors
    /// The store failed.
    async fn forget(&self, month: Month) -> Result<bool, AccountsError>;

    /// The key by which the indexes of segments are told from forged ones.
    ///
    /// # Errors
    /// It cannot be derived.
    fn index_key(&self) -> Result<Zeroizing<[u8; LOG_KEY_LEN]>, AccountsError>;
}

#[async_trait]
impl KeyStore for Accounts {
    async fn key(&self, month: Month) -> Result<LogKey, AccountsError> {
        self.log_key(&month.to_string()).await
    }

    async fn keys(&self) -> Result<Vec<(Month, LogKey)>, AccountsError> {
        let month = |text: &str| Month::parse(text).ok_or(AccountsError::Corrupt { column: "log_keys.month" });
        self.log_keys().await?.into_iter().map(|(text, key)| Ok((month(&text)?, key))).collect()
    }

    async fn days(&self, month: Month) -> Result<usize, AccountsError> {
        let heads = self.audit_heads().await?;
        // Of each node only those that nothing of another month came after: a clock that was ahead and is right again left some.
        let mut runs: BTreeMap<&str, BTreeSet<Date>> = BTreeMap::new();
        for head in &heads {
            let run = runs.entry(head.node.as_str()).or_default();
            if Month::of(head.at) == month {
                run.insert(day(head.at));
            } else {
                run.clear();
            }
        }
        Ok(runs.into_values().flatten().collect::<BTreeSet<Date>>().len())
    }

    async fn forget(&self, month: Month) -> Result<bool, AccountsError> {
        self.forget_log_key(&month.to_string()).await
    }

    fn index_key(&self) -> Result<Zeroizing<[u8; LOG_KEY_LEN]>, AccountsError> {
        Ok(self.log_index_key()?)
    }
}

/// The day of an instant, in UTC as the months are.
fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// What is derived from a month's key.
pub(super) struct MonthKey {
    /// Tells it from another key of the same month; says nothing about it.
    pub(super) id: String,
    pub(super) seal: LessSafeKey,
    who: hmac::Key,
}

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        LOG_KEY_LEN
    }
}

impl MonthKey {
    pub(super) fn derive(key: &[u8; LOG_KEY_LEN]) -> Result<Self, AuditError> {
        let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key);
        let expand = |label: &'static [u8]| {
            let mut out = Zeroizing::new([0; LOG_KEY_LEN]);
            prk.expand(&[label], Length).and_then(|okm| okm.fill(out.as_mut_slice())).map(|()| out)
        };
        let id = expand(b"cedargate audit id v1").map_err(|_| AuditError::Seal)?;
        let id = HEXLOWER.encode(id.get(..ID_BYTES).unwrap_or_default());
        let keys = expand(b"cedargate audit record v1").and_then(|seal| Ok((seal, expand(b"cedargate audit who v1")?)));
        let (seal, who) = keys.map_err(|_| AuditError::Seal)?;
        let seal = UnboundKey::new(&AES_256_GCM, seal.as_slice()).map_err(|_| AuditError::Seal)?;
        Ok(Self { id, seal: LessSafeKey::new(seal), who: hmac::Key::new(hmac::HMAC_SHA256, who.as_slice()) })
    }

    /// What stands in a line in place of a name: the same for the same person all month, and for nobody without the key.
    pub(super) fn who(&self, user: &Username) -> String {
        let tag = hmac::sign(&self.who, user.as_str().as_bytes());
        HEXLOWER.encode(tag.as_ref().get(..WHO_BYTES).unwrap_or_default())
    }
}

/// Why the running month, by the clock, may be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// Nothing was written in the month before: no server ran then, or the clock has jumped.
    NoneBefore,
    /// Something was written on few days of it: it has begun just now, or the clock is ahead.
    FewDays,
}

/// The keys that a writer holds: those of the running month and the next.
pub(super) struct WriterKeys {
    store: Arc<dyn KeyStore>,
    held: Mutex<BTreeMap<Month, Arc<MonthKey>>>,
    /// The month in which nothing is erased, for it may not be the one that runs, and why. It was told.
    doubted: Mutex<Option<(Month, Doubt)>>,
}

impl WriterKeys {
    pub(super) fn new(store: Arc<dyn KeyStore>) -> Self {
        Self { store, held: Mutex::default(), doubted: Mutex::default() }
    }

    /// The key of this month. Only the first record of a month has to wait for the store, if nobody fetched it before.
    pub(super) async fn of(&self, month: Month) -> Result<Arc<MonthKey>, AuditError> {
        let key = self.ahead(month).await?;
        // A key that may be erased must not live on here; the new month's was fetched before it began.
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|old, _| *old >= month);
        Ok(key)
    }

    /// Fetches a key, and keeps it beside those that are there.
    pub(super) async fn ahead(&self, month: Month) -> Result<Arc<MonthKey>, AuditError> {
        if let Some(key) = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&month) {
            return Ok(Arc::clone(key));
        }
        let key = match self.store.key(month).await.map_err(failed)? {
            LogKey::Key(key) => Arc::new(MonthKey::derive(&key)?),
            LogKey::Erased(at) => return Err(AuditError::Erased { month, at }),
        };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(month, Arc::clone(&key));
        Ok(key)
    }

    /// The months before this one that have a key: those to erase. None of them as long as there is a doubt that `running` is the
    /// month that runs: what was erased by a wrong clock never comes back.
    pub(super) async fn to_erase(&self, month: Month, running: Month) -> Result<Vec<Month>, AuditError> {
        let keys = self.store.keys().await.map_err(failed)?;
        let is_old = |(old, key): &(Month, LogKey)| (*old < month && matches!(key, LogKey::Key(_))).then_some(*old);
        let old: Vec<Month> = keys.iter().filter_map(is_old).collect();
        if old.is_empty() {
            return Ok(old);
        }
        let doubt = if !keys.iter().any(|(known, _)| *known == running.before(1)) {
            Doubt::NoneBefore
        } else if self.store.days(running).await.map_err(failed)? < SURE_DAYS {
            Doubt::FewDays
        } else {
            return Ok(old);
        };
        let told = self.doubted.lock().unwrap_or_else(PoisonError::into_inner).replace((running, doubt));
        if told != Some((running, doubt)) {
            tell(running, doubt);
        }
        Ok(Vec::new())
    }

    /// Deletes a key. Says whether there was one.
    pub(super) async fn forget(&self, month: Month) -> Result<bool, AuditError> {
        self.store.forget(month).await.map_err(failed)
    }

    /// The months whose keys are in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> Vec<Month> {
        self.held.lock().unwrap().keys().copied().collect()
    }
}

fn tell(running: Month, doubt: Doubt) {
    match doubt {
        Doubt::NoneBefore => tracing::warn!(
            audit.month = %running,
            "nothing of the audit journal is erased before next month: no record is of the month before this one. \
             Is the clock right?"
        ),
        Doubt::FewDays => tracing::info!(
            audit.month = %running,
            "nothing of the audit journal is erased before something was written on {SURE_DAYS} days of this month"
        ),
    }
}

/// What is known of a month when one reads.
enum Held {
    Key(Box<MonthKey>),
    Erased(Timestamp),
}

/// What stands for a person in lines that are sealed with a key.
struct Who {
    /// The id of the key.
    key: String,
    hash: String,
}

/// What stands for a person in the lines of each month.
pub(super) struct Whos(BTreeMap<Month, Who>);

impl Whos {
    /// In lines of this month and key; `None`: nobody knows.
    pub(super) fn get(&self, month: Month, key: &str) -> Option<&str> {
        self.0.get(&month).filter(|who| who.key == key).map(|who| who.hash.as_str())
    }
}

/// The keys that a reader has.
#[derive(Default)]
pub struct LogKeys {
    months: BTreeMap<Month, Held>,
    index: Option<hmac::Key>,
    /// Why there are none at all.
    missing: Option<String>,
}

impl LogKeys {
    /// All that `store` has.
    ///
    /// # Errors
    /// It failed.
    pub async fn read(store: &dyn KeyStore) -> Result<Self, AuditError> {
        let mut months = BTreeMap::new();
        for (month, key) in store.keys().await.map_err(failed)? {
            let held = match key {
                LogKey::Key(key) => Held::Key(Box::new(MonthKey::derive(&key)?)),
                LogKey::Erased(at) => Held::Erased(at),
            };
            months.insert(month, held);
        }
        let index = index_key(store)?;
        Ok(Self { months, index: Some(index), missing: None })
    }

    /// None, because of this. What was written before records were sealed is read all the same.
    #[must_use]
    pub fn none(why: impl Into<String>) -> Self {
        Self { missing: Some(why.into()), ..Self::default() }
    }

    /// The key of this id that lines of the month are sealed with.
    pub(super) fn key(&self, month: Month, id: &str) -> Result<&MonthKey, AuditError> {
        match (self.months.get(&month), &self.missing) {
            (Some(Held::Key(key)), _) if key.id == id => Ok(key),
            (Some(Held::Key(_)), _) => {
                let why = "it was sealed with another key than the accounts have. Are they from a backup?";
                Err(AuditError::NoKey { month, why: why.to_owned() })
            }
            (Some(Held::Erased(at)), _) => Err(AuditError::Erased { month, at: *at }),
            (None, Some(why)) => Err(AuditError::NoKey { month, why: why.clone() }),
            (None, None) => Err(AuditError::NoKey { month, why: "the accounts have none".to_owned() }),
        }
    }

    /// The id of a month's key.
    #[cfg(test)]
    pub(super) fn key_id(&self, month: Month) -> String {
        match self.months.get(&month) {
            Some(Held::Key(key)) => key.id.clone(),
            _ => panic!("there is none"),
        }
    }

    /// What stands for a person in the lines of each month.
    pub(super) fn who(&self, user: &Username) -> Whos {
        let held = self.months.iter().filter_map(|(month, held)| match held {
            Held::Key(key) => Some((*month, Who { key: key.id.clone(), hash: key.who(user) })),
            Held::Erased(_) => None,
        });
        Whos(held.collect())
    }

    pub(super) fn index(&self) -> Option<&hmac::Key> {
        self.index.as_ref()
    }
}

impl std::fmt::Debug for LogKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogKeys").field("months", &self.months.keys()).field("missing", &self.missing).finish()
    }
}

/// The key of the indexes of segments.
pub(super) fn index_key(store: &dyn KeyStore) -> Result<hmac::Key, AuditError> {
    let key = store.index_key().map_err(failed)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
}

fn failed(source: AccountsError) -> AuditError {
    AuditError::Keys(Arc::new(source))
}

#[cfg(test)]
pub(super) mod memory {
    use super::*;

    /// Keys in memory: those of two stores are the same, month for month.
    pub(in crate::audit) struct MemoryKeys {
        keys: Mutex<BTreeMap<Month, LogKey>>,
        /// The days on which something was written; `None`: all.
        days: Mutex<Option<BTreeSet<Date>>>,
    }

    impl MemoryKeys {
        pub(in crate::audit) fn fixed() -> Arc<Self> {
            Arc::new(Self { keys: Mutex::default(), days: Mutex::default() })
        }

        /// Something was written then, and on no other day but those said before.
        pub(in crate::audit) fn written_on(&self, at: Timestamp) {
            self.days.lock().unwrap().get_or_insert_default().insert(day(at));
        }

        /// The months that somebody asked for.
        pub(in crate::audit) fn asked(&self) -> Vec<String> {
            self.keys.lock().unwrap().keys().map(ToString::to_string).collect()
        }
    }

    #[async_trait]
    impl KeyStore for MemoryKeys {
        async fn key(&self, month: Month) -> Result<LogKey, AccountsError> {
            let mut keys = self.keys.lock().unwrap();
            Ok(keys.entry(month).or_insert_with(|| LogKey::Key(key_of(month))).clone())
        }

        /// Two years of them, so that nobody has to have asked for one before.
        async fn keys(&self) -> Result<Vec<(Month, LogKey)>, AccountsError> {
            let keys = self.keys.lock().unwrap();
            let newest = Month::parse("2027-12").unwrap();
            let all = (0..24).map(|months| newest.before(months));
            Ok(all.map(|month| (month, keys.get(&month).cloned().unwrap_or(LogKey::Key(key_of(month))))).collect())
        }

        async fn days(&self, month: Month) -> Result<usize, AccountsError> {
            let days = self.days.lock().unwrap();
            let of = |day: &&Date| Month::of(day.to_zoned(TimeZone::UTC).unwrap().timestamp()) == month;
            Ok(days.as_ref().map_or(SURE_DAYS, |days| days.iter().filter(of).count()))
        }

        async fn forget(&self, month: Month) -> Result<bool, AccountsError> {
            let erased = LogKey::Erased(Timestamp::UNIX_EPOCH);
            Ok(matches!(self.keys.lock().unwrap().insert(month, erased), None | Some(LogKey::Key(_))))
        }

        fn index_key(&self) -> Result<Zeroizing<[u8; LOG_KEY_LEN]>, AccountsError> {
            Ok(Zeroizing::new([7; LOG_KEY_LEN]))
        }
    }

    fn key_of(month: Month) -> Zeroizing<[u8; LOG_KEY_LEN]> {
        let mut key = Zeroizing::new([9; LOG_KEY_LEN]);
        for (to, from) in key.iter_mut().zip(month.to_string().bytes()) {
            *to = from;
        }
        key
    }
}
