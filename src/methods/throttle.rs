//! Slows down guessing. Every answer is counted before it is checked, so answers given in parallel cannot beat the counter;
//! only a right one is taken back. Names that nobody has are treated the same.
//!
//! Per name and network (or per name and known device): five answers are free, after that each has to wait twice as long as
//! the one before, an hour at most, until a right one or for a day. Per name, over all unknown devices: a hundred a day. Per
//! network, over all names: five hundred in 15 minutes. So a stranger slows down their own network, and nobody on a device
//! that the account knows.

use std::sync::Arc;

use crate::clock::Clock;
use crate::signals::{FailureSource, Failures, Guarded, RECENT_SECONDS, Span, Subject};
use crate::state::{StateError, Ttl};

#[cfg(test)]
mod tests;

/// Wrong answers without a pause.
pub const FREE: u32 = 5;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE_SECONDS: u32 = 10;
/// The longest pause.
const LONGEST_PAUSE_SECONDS: u32 = 60 * 60;
/// Wrong answers per name and day from all unknown devices together (NIST SP 800-63B-4 §3.2.2 allows 100 in a row).
pub const MOST_PER_NAME: u32 = 100;
/// Wrong answers per network within 15 minutes, over all names.
pub const MOST_PER_NETWORK: u32 = 500;

/// One answer that somebody wants to have checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it answers.
    pub guarded: Guarded,
    /// Whose.
    pub subject: Subject,
    /// From where.
    pub source: FailureSource,
}

/// Whether an answer is checked.
#[derive(Debug)]
#[must_use]
pub enum Admission {
    /// It may be checked, and counts as wrong until [`Throttle::right`] says otherwise.
    Go(Ticket),
    /// It is not even looked at (429).
    Wait {
        /// Try again in so many seconds.
        retry_after: u32,
    },
}

/// An answer that was counted. Given back by value: to [`Throttle::right`] if it was right, to [`Throttle::unchecked`] if it
/// could not be checked; dropped if it was wrong.
#[derive(Debug)]
pub struct Ticket {
    attempt: Attempt,
    recent_before: u32,
    free_left: u32,
    retry_after: Option<u32>,
}

impl Ticket {
    /// The wrong answers within 15 minutes before this one.
    #[must_use]
    pub fn recent_before(&self) -> u32 {
        self.recent_before
    }

    /// How many more wrong answers are free should this one be wrong.
    #[must_use]
    pub fn free_left(&self) -> u32 {
        self.free_left
    }

    /// How many seconds the next answer has to wait should this one be wrong.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }
}

/// Admits answers.
#[derive(Clone)]
pub struct Throttle {
    failures: Failures,
    clock: Arc<dyn Clock>,
}

impl Throttle {
    /// Counts with `failures`.
    #[must_use]
    pub fn new(failures: Failures, clock: Arc<dyn Clock>) -> Self {
        Self { failures, clock }
    }

    /// Counts an answer and says whether it may be checked.
    ///
    /// # Errors
    /// The store failed: nothing may be checked.
    pub async fn admit(&self, attempt: Attempt) -> Result<Admission, StateError> {
        let now = self.clock.now().as_second();
        let Attempt { guarded, subject, source } = &attempt;
        if let Some(until) = self.failures.pause(*guarded, subject, *source).await? {
            return Ok(Admission::Wait { retry_after: seconds_until(until, now) });
        }
        if let Some(retry_after) = self.over_the_caps(&attempt).await? {
            return Ok(Admission::Wait { retry_after });
        }
        let recent = self.failures.count_one(*guarded, Span::Recent(subject, *source)).await?;
        let streak = self.failures.count_one(*guarded, Span::Streak(subject, *source)).await?;
        let mut retry_after = None;
        if streak > FREE {
            let pause = pause_after(streak - FREE);
            let until = now.saturating_add(i64::from(pause));
            if !self.failures.begin_pause(*guarded, subject, *source, until, Ttl::seconds(pause)).await? {
                // Somebody else was quicker: this answer comes within their pause.
                self.take_back(&attempt).await?;
                let until = self.failures.pause(*guarded, subject, *source).await?.unwrap_or(until);
                return Ok(Admission::Wait { retry_after: seconds_until(until, now) });
            }
            retry_after = Some(pause);
        }
        let free_left = FREE.saturating_sub(streak);
        Ok(Admission::Go(Ticket { attempt, recent_before: recent.saturating_sub(1), free_left, retry_after }))
    }

    /// The answer was right: it does not count, and the row of wrong ones before it is over. What policies read as recent
    /// failures stays for its 15 minutes.
    ///
    /// # Errors
    /// The store failed.
    pub async fn right(&self, ticket: Ticket) -> Result<(), StateError> {
        let Attempt { guarded, subject, source } = &ticket.attempt;
        self.failures.take_back(*guarded, Span::Recent(subject, *source)).await?;
        self.failures.forget(*guarded, Span::Streak(subject, *source)).await?;
        self.failures.forget(*guarded, Span::Total(subject)).await?;
        self.failures.end_pause(*guarded, subject, *source).await?;
        if let FailureSource::Network(network) = source {
            self.failures.take_back(*guarded, Span::Network(*network)).await?;
        }
        Ok(())
    }

    /// The answer could not be checked, for example because too much waits to be hashed: it does not count.
    ///
    /// # Errors
    /// The store failed.
    pub async fn unchecked(&self, ticket: Ticket) -> Result<(), StateError> {
        let Attempt { guarded, subject, source } = &ticket.attempt;
        if ticket.retry_after.is_some() {
            self.failures.end_pause(*guarded, subject, *source).await?;
        }
        self.take_back(&ticket.attempt).await
    }

    /// Counts the answer towards the two caps; over one of them, takes it back and gives the seconds to wait.
    async fn over_the_caps(&self, attempt: &Attempt) -> Result<Option<u32>, StateError> {
        let FailureSource::Network(network) = attempt.source else { return Ok(None) };
        let guarded = attempt.guarded;
        // The network first: over its cap, names that were never seen write nothing.
        if self.failures.count_one(guarded, Span::Network(network)).await? > MOST_PER_NETWORK {
            self.failures.take_back(guarded, Span::Network(network)).await?;
            return Ok(Some(RECENT_SECONDS));
        }
        if self.failures.count_one(guarded, Span::Total(&attempt.subject)).await? > MOST_PER_NAME {
            self.failures.take_back(guarded, Span::Total(&attempt.subject)).await?;
            self.failures.take_back(guarded, Span::Network(network)).await?;
            return Ok(Some(LONGEST_PAUSE_SECONDS));
        }
        Ok(None)
    }

    async fn take_back(&self, attempt: &Attempt) -> Result<(), StateError> {
        let Attempt { guarded, subject, source } = attempt;
        self.failures.take_back(*guarded, Span::Recent(subject, *source)).await?;
        self.failures.take_back(*guarded, Span::Streak(subject, *source)).await?;
        if let FailureSource::Network(network) = source {
            self.failures.take_back(*guarded, Span::Total(subject)).await?;
            self.failures.take_back(*guarded, Span::Network(*network)).await?;
        }
        Ok(())
    }
}

/// The pause after so many wrong answers beyond the free ones.
fn pause_after(beyond: u32) -> u32 {
    let doublings = beyond.saturating_sub(1).min(16);
    FIRST_PAUSE_SECONDS.saturating_mul(1 << doublings).min(LONGEST_PAUSE_SECONDS)
}

fn seconds_until(until: i64, now: i64) -> u32 {
    u32::try_from(until.saturating_sub(now)).unwrap_or(0).max(1)
}
