//! Sends what waits in the outbox, one mail after another, again and again until it is sent or of no use. Several couriers may
//! work on one outbox: each mail is leased to one of them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::accounts::{Accounts, AccountsError, LeasedMail, StoredMail};
use crate::clock::{Clock, Entropy, Timestamp};

/// How many mails are leased at once.
const BATCH: u32 = 4;
/// How long one mail may take.
const SEND_LIMIT: Duration = Duration::from_secs(20);
/// How long a batch is leased: longer than all of it may take.
const LEASE_SECONDS: u32 = 100;
/// How long an empty outbox is left alone: nobody who waits for a code should notice.
const IDLE: Duration = Duration::from_millis(500);
/// How long to wait when the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause while the mail server cannot be reached. When it is back, mails go out within that.
const MOST_OUTAGE_SECONDS: u32 = 30;

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The server was not reached, or not safely: what goes for one mail goes for all.
    #[error("the mail server can't be used: {0}")]
    Unreachable(String),
    /// The server could not take this mail now.
    #[error("the mail server did not take the mail: {0}")]
    Deferred(String),
    /// The server does not want this mail. That may still be a setting of the server.
    #[error("the mail server refused the mail: {0}")]
    Refused(String),
}

/// The way to a mail server.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Hands one mail in.
    async fn carry(&self, mail: &StoredMail) -> Result<(), SendError>;
}

/// What came of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Nothing was due.
    Idle,
    /// Something was tried.
    Busy,
    /// The mail server cannot be used; what was not tried went back.
    Outage,
}

/// Empties the outbox.
pub struct Courier {
    accounts: Accounts,
    carrier: Arc<dyn Carrier>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Courier {
    /// Empties the outbox of `accounts` by `carrier`.
    #[must_use]
    pub fn new(
        accounts: Accounts,
        carrier: Arc<dyn Carrier>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { accounts, carrier, clock, entropy }
    }

    /// Works until `stop` holds `true` or its other end is gone. The mail under way is finished first.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut outage = 0_u32;
        while !*stop.borrow() {
            let pause = match self.round(outage, &stop).await {
                Ok(Round::Busy) => {
                    outage = 0;
                    continue;
                }
                Ok(Round::Idle) => IDLE,
                Ok(Round::Outage) => {
                    outage = outage.saturating_add(1);
                    Duration::from_secs(u64::from(outage_seconds(outage)))
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the outbox can't be read");
                    DATABASE_PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Sends one batch. `outage` counts the rounds before in which the server could not be used.
    ///
    /// # Errors
    /// The database failed; leased mails go back when their lease is over.
    pub async fn round(&self, outage: u32, stop: &watch::Receiver<bool>) -> Result<Round, AccountsError> {
        let mut leased = self.accounts.lease_mails(BATCH, LEASE_SECONDS).await?.into_iter();
        let mut round = Round::Idle;
        while let Some(mail) = leased.next() {
            if *stop.borrow() {
                self.accounts.release_mail(&mail).await?;
                continue;
            }
            round = Round::Busy;
            let sent = match tokio::time::timeout(SEND_LIMIT, self.carrier.carry(&mail.stored)).await {
                Ok(sent) => sent,
                Err(_) => Err(SendError::Unreachable(format!("no answer within {} s", SEND_LIMIT.as_secs()))),
            };
            match sent {
                Ok(()) => self.sent(&mail).await?,
                Err(error) => {
                    self.failed(&mail, &error, outage).await?;
                    if matches!(error, SendError::Unreachable(_)) {
                        for untried in leased {
                            self.accounts.release_mail(&untried).await?;
                        }
                        return Ok(Round::Outage);
                    }
                }
            }
        }
        Ok(round)
    }

    async fn sent(&self, mail: &LeasedMail) -> Result<(), AccountsError> {
        let stored = &mail.stored;
        if self.accounts.mail_sent(mail).await? {
            tracing::info!(mail.id = %stored.id, mail.attempts = stored.dispatch.attempts, "a mail was sent");
        } else {
            tracing::warn!(mail.id = %stored.id, "a mail was sent after its lease was over; it may arrive twice");
        }
        Ok(())
    }

    async fn failed(&self, mail: &LeasedMail, error: &SendError, outage: u32) -> Result<(), AccountsError> {
        let stored = &mail.stored;
        let attempts = stored.dispatch.attempts;
        let seconds = match error {
            SendError::Unreachable(_) => outage_seconds(outage.saturating_add(1)),
            SendError::Deferred(_) => grown(5, 3, attempts, 60 * 60),
            SendError::Refused(_) => grown(15 * 60, 2, attempts, 6 * 60 * 60),
        };
        let next_try = self.later(seconds);
        let is_last = stored.mail.expires.is_some_and(|expires| next_try >= expires);
        self.accounts.mail_failed(mail, next_try, &error.to_string()).await?;
        if is_last {
            tracing::error!(mail.id = %stored.id, mail.attempts = attempts, %error, "a mail is given up");
        } else {
            tracing::warn!(mail.id = %stored.id, mail.attempts = attempts, %error, "a mail could not be sent");
        }
        Ok(())
    }

    /// In so many seconds, a fifth more or less: mails that failed together do not come back together.
    fn later(&self, seconds: u32) -> Timestamp {
        let random = self.entropy.bytes::<1>().map_or(128, |[byte]| i64::from(byte));
        let millis = i64::from(seconds) * (800 + 400 * random / 255);
        let now = self.clock.now();
        now.saturating_add(SignedDuration::from_millis(millis)).unwrap_or(now)
    }
}

/// The pause after the `outage`th round without a mail server: 1 s, doubled each time.
fn outage_seconds(outage: u32) -> u32 {
    grown(1, 2, outage, MOST_OUTAGE_SECONDS)
}

/// `first` seconds, times `factor` for each attempt after the first.
fn grown(first: u32, factor: u32, attempts: u32, most: u32) -> u32 {
    first.saturating_mul(factor.saturating_pow(attempts.saturating_sub(1))).min(most)
}

#[cfg(test)]
mod tests;
