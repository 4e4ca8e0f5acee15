//! Signs the head of the audit journal each minute, and keeps it with the accounts, where who cuts the journal does not reach.
//! Looks after the keys that the journal is sealed with in the same minute.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::accounts::{Accounts, AccountsError, EnvelopeError, StoredHead};
use crate::audit::{HeadKey, HeadKeyError, Journal, SignedHead};
use crate::clock::{Clock, Timestamp};

/// How often a head is signed. As much of a journal can be cut off unnoticed.
const EVERY: Duration = Duration::from_secs(60);
/// What the key is derived from the server's secret for.
const KEY_LABEL: &str = "audit-heads";

/// The key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HeadsError {
    /// It cannot be derived.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// It cannot be made.
    #[error(transparent)]
    Key(#[from] HeadKeyError),
}

/// The key that the heads of this server are signed with.
///
/// # Errors
/// The cryptographic library refused.
pub fn head_key(envelope: &crate::accounts::Envelope) -> Result<HeadKey, HeadsError> {
    Ok(HeadKey::from_seed(&*envelope.derive_key(KEY_LABEL)?)?)
}

/// Heads as the audit module knows them; `None` where what is stored is none.
#[must_use]
pub fn signed_head(stored: StoredHead) -> Option<SignedHead> {
    SignedHead::from_parts(&stored.node, stored.seq, &stored.hash, stored.at, stored.signature)
}

/// Signs the heads of one journal. Clones do it together.
#[derive(Clone)]
pub struct Heads {
    journal: Arc<Journal>,
    accounts: Accounts,
    key: Arc<HeadKey>,
    clock: Arc<dyn Clock>,
    keep_months: Option<u16>,
    /// The last line that is signed and stored.
    signed: Arc<Mutex<Option<u64>>>,
}

impl Heads {
    /// Of this journal, into these accounts.
    #[must_use]
    pub fn new(journal: Arc<Journal>, accounts: Accounts, key: HeadKey, clock: Arc<dyn Clock>) -> Self {
        Self { journal, accounts, key: Arc::new(key), clock, keep_months: None, signed: Arc::default() }
    }

    /// Erases what was written more than so many whole months before the running one.
    #[must_use]
    pub fn keeping_months(self, keep_months: Option<u16>) -> Self {
        Self { keep_months, ..self }
    }

    /// Signs where the journal is now, and stores that. Nothing to do when nothing was written since.
    ///
    /// # Errors
    /// The accounts database failed.
    pub async fn sign(&self) -> Result<(), AccountsError> {
        let mut signed = self.signed.lock().await;
        let head = self.journal.head();
        let seq = head.position.seq;
        if *signed == Some(seq) {
            return Ok(());
        }
        // Stored in milliseconds, so no finer than that is signed.
        let now = self.clock.now();
        let at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let SignedHead { head, at, signature } = self.key.sign(head, at);
        let hash = head.position.hash.to_string();
        self.accounts.store_audit_head(&StoredHead { node: head.node.to_string(), seq, hash, at, signature }).await?;
        // In the log too: whoever keeps logs elsewhere has a witness elsewhere.
        tracing::info!(audit.node = %head.node, audit.seq = seq, audit.hash = %head.position.hash, "audit head signed");
        *signed = Some(seq);
        Ok(())
    }

    /// Signs each minute until the task is dropped, and looks after the keys. A database that fails delays it: the next head covers all before it.
    pub async fn keep(self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.sign().await {
                tracing::error!(error = %error, source = ?error, "the head of the audit journal can't be stored");
            }
            if let Err(error) = self.journal.look_after_keys(self.keep_months).await {
                tracing::error!(error = %error, source = ?error, "the keys of the audit journal can't be looked after");
            }
        }
    }
}
