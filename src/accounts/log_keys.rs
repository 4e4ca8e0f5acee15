//! The keys of the audit journal: one a month, sealed like everything that must be readable again. What they open, and which
//! month one belongs to, is for `audit`. A key that was deleted is gone for ever, and with it what was sealed under it.

use zeroize::Zeroizing;

use super::store::instant;
use super::{Accounts, AccountsError, Binding, EnvelopeError, Sealed};
use crate::clock::Timestamp;

/// How long a key is.
pub const LOG_KEY_LEN: usize = 32;
/// What the key of the indexes is derived for.
const INDEX_LABEL: &str = "audit-index";

/// What is kept of a month.
#[derive(Clone)]
pub enum LogKey {
    /// Its key.
    Key(Zeroizing<[u8; LOG_KEY_LEN]>),
    /// The key was deleted then.
    Erased(Timestamp),
}

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key(…)"),
            Self::Erased(at) => f.debug_tuple("Erased").field(at).finish(),
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    month: String,
    key_id: Option<String>,
    sealed: Option<Vec<u8>>,
    erased_at: Option<i64>,
}

impl Accounts {
    /// The key of a month, made now if there was none. All nodes get the same, and an erased month gets no other.
    ///
    /// # Errors
    /// The database failed, or the key was sealed under another secret.
    pub async fn log_key(&self, month: &str) -> Result<LogKey, AccountsError> {
        if let Some(key) = self.stored_log_key(month).await? {
            return Ok(key);
        }
        let key = Zeroizing::new(self.entropy.bytes::<LOG_KEY_LEN>()?);
        let sealed = self.envelope.seal(binding(month), key.as_slice(), &*self.entropy)?;
        sqlx::query(
            "INSERT INTO log_keys (month, made_at, key_id, sealed) VALUES ($1, $2, $3, $4) ON CONFLICT (month) DO NOTHING",
        )
        .bind(month)
        .bind(self.now_millis())
        .bind(&sealed.key_id)
        .bind(&sealed.bytes)
        .execute(&self.pool)
        .await?;
        // Another node may have been first.
        self.stored_log_key(month).await?.ok_or(AccountsError::Corrupt { column: "log_keys.month" })
    }

    async fn stored_log_key(&self, month: &str) -> Result<Option<LogKey>, AccountsError> {
        let row: Option<Row> = sqlx::query_as("SELECT month, key_id, sealed, erased_at FROM log_keys WHERE month = $1")
            .bind(month)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| self.log_key_of(row)).transpose().map(|found| found.map(|(_, key)| key))
    }

    /// All months that ever had a key, oldest first.
    ///
    /// # Errors
    /// The database failed, or a key was sealed under another secret.
    pub async fn log_keys(&self) -> Result<Vec<(String, LogKey)>, AccountsError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT month, key_id, sealed, erased_at FROM log_keys ORDER BY month")
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(|row| self.log_key_of(row)).collect()
    }

    /// Deletes the key of a month for ever. Says whether there was one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_log_key(&self, month: &str) -> Result<bool, AccountsError> {
        let done = sqlx::query(
            "UPDATE log_keys SET key_id = NULL, sealed = NULL, erased_at = $1 WHERE month = $2 AND erased_at IS NULL",
        )
        .bind(self.now_millis())
        .bind(month)
        .execute(&self.pool)
        .await?;
        // The file must not hold it any longer either, as far as that is in our hands.
        self.pool.scrub().await?;
        Ok(done.rows_affected() > 0)
    }

    /// The key by which indexes of the journal are told from what somebody put in their place.
    ///
    /// # Errors
    /// The cryptographic library refused.
    pub fn log_index_key(&self) -> Result<Zeroizing<[u8; LOG_KEY_LEN]>, EnvelopeError> {
        self.envelope.derive_key(INDEX_LABEL)
    }

    fn log_key_of(&self, row: Row) -> Result<(String, LogKey), AccountsError> {
        let key = match (row.key_id, row.sealed, row.erased_at) {
            (_, _, Some(at)) => LogKey::Erased(instant(at, "log_keys.erased_at")?),
            (Some(key_id), Some(bytes), None) => {
                let opened = self.envelope.open(binding(&row.month), &Sealed { key_id, bytes })?;
                let corrupt = |_| AccountsError::Corrupt { column: "log_keys.sealed" };
                LogKey::Key(Zeroizing::new(opened.as_slice().try_into().map_err(corrupt)?))
            }
            _ => return Err(AccountsError::Corrupt { column: "log_keys.sealed" }),
        };
        Ok((row.month, key))
    }
}

fn binding(month: &str) -> Binding<'_> {
    Binding { column: "log_keys.sealed", owner: month }
}
