//! Slows down guessing. Every answer is counted before it is checked, so answers given in parallel cannot beat the counter;
//! only a right one is taken back. Names that nobody has are treated the same.
//!
//! Per name as typed and network (or per name and known device): five answers are free, after that each has to wait twice as
//! long as the one before, an hour at most, until a right one or for a day. Per name, over all networks: twenty are free,
//! after that each waits twice as long as the one before, a quarter of an hour at most; and there are a hundred a day. Per
//! network, over all names: five hundred in 15 minutes. So strangers slow down their own networks, and many of them together
//! every device that the account does not know; never one that it knows.
//!
//! A username and the mail address of the same person are counted apart in all of these, and all that is shown comes from
//! them: otherwise wrong answers would tell that both belong to one account. What counts over both names, as much as a name has
//! over all networks, is never shown: beyond it an answer is not checked and passes for a wrong one.

use std::sync::Arc;

use crate::clock::Clock;
use crate::signals::{FailureSource, Failures, Guarded, Pause, RECENT_SECONDS, Span, Subject};
use crate::state::{StateError, Ttl};

#[cfg(test)]
mod tests;

/// Wrong answers without a pause.
pub const FREE: u32 = 5;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE_SECONDS: u32 = 10;
/// The longest pause.
const LONGEST_PAUSE_SECONDS: u32 = 60 * 60;
/// Wrong answers per name, and per person over their names, from all unknown devices together, before those have to wait.
pub const FREE_EVERYWHERE: u32 = 20;
/// The first such pause; each further one is twice as long.
const FIRST_PAUSE_EVERYWHERE_SECONDS: u32 = 5;
/// The longest such pause.
const LONGEST_PAUSE_EVERYWHERE_SECONDS: u32 = 15 * 60;
/// Wrong answers per name, and per person over their names, and day from all unknown devices together (NIST SP 800-63B-4 §3.2.2 allows 100 in a row).
pub const MOST_PER_NAME: u32 = 100;
/// Wrong answers per network within 15 minutes, over all names.
pub const MOST_PER_NETWORK: u32 = 500;

/// One answer that somebody wants to have checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it answers.
    pub guarded: Guarded,
    /// Whose: the name as typed, or the id of somebody who is known already.
    pub subject: Subject,
    /// From where.
    pub source: FailureSource,
}

impl Attempt {
    fn here(&self) -> Pause<'_> {
        Pause::Here(&self.subject, self.source)
    }

    fn everywhere(&self) -> Pause<'_> {
        Pause::Everywhere(&self.subject)
    }
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
    /// The pause that begins with this answer should it be wrong.
    pause: Option<u32>,
    pause_everywhere: Option<u32>,
    /// The person it counts towards as well, and whether a pause over all their names began with it.
    person: Option<(Person, bool)>,
}

/// Whom an answer counts towards over both of their names. Nobody is a person too, with a name besides that nobody types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who it is.
    pub id: Subject,
    /// Their name that was typed.
    pub by: Subject,
    /// Their other name.
    pub other: Subject,
}

impl Person {
    fn count(&self) -> Span<'_> {
        Span::Person(&self.id, &self.by)
    }

    fn other_count(&self) -> Span<'_> {
        Span::Person(&self.id, &self.other)
    }

    fn pause(&self) -> Pause<'_> {
        Pause::Person(&self.id)
    }
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
        self.pause.max(self.pause_everywhere)
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
        if let Some(retry_after) = self.waits(&attempt).await? {
            return Ok(Admission::Wait { retry_after });
        }
        let total = match self.count_towards_caps(&attempt).await? {
            Capped::Under { total } => total,
            Capped::Over { retry_after } => return Ok(Admission::Wait { retry_after }),
        };
        let Attempt { guarded, subject, source, .. } = &attempt;
        let recent = self.failures.count_one(*guarded, Span::Recent(subject, *source)).await?;
        let streak = self.failures.count_one(*guarded, Span::Streak(subject, *source)).await?;
        let mut ticket = Ticket {
            recent_before: recent.saturating_sub(1),
            free_left: FREE.saturating_sub(streak).min(FREE_EVERYWHERE.saturating_sub(total)),
            attempt,
            pause: None,
            pause_everywhere: None,
            person: None,
        };
        if streak > FREE {
            let length = pause_after(streak - FREE, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS);
            if !self.begin_pause(&ticket.attempt, ticket.attempt.here(), length).await? {
                return self.too_late(ticket).await;
            }
            ticket.pause = Some(length);
        }
        if total > FREE_EVERYWHERE {
            let beyond = total - FREE_EVERYWHERE;
            let length = pause_after(beyond, FIRST_PAUSE_EVERYWHERE_SECONDS, LONGEST_PAUSE_EVERYWHERE_SECONDS);
            if !self.begin_pause(&ticket.attempt, ticket.attempt.everywhere(), length).await? {
                return self.too_late(ticket).await;
            }
            ticket.pause_everywhere = Some(length);
        }
        Ok(Admission::Go(ticket))
    }

    /// Counts an answer towards `person`, over both their names, and says whether it may be checked. If not, it is wrong
    /// whatever it says, and nothing but that may be shown: what the ticket tells is of the name as typed alone.
    ///
    /// Where the other name has no wrong answers, both names together have no more than this one, and what was admitted
    /// under it is not asked again: many right answers at once would else be told to be wrong, since those that are still
    /// being checked count here, and the two counts are not set back in one instant.
    ///
    /// # Errors
    /// The store failed: nothing may be checked.
    #[must_use = "what may not be checked is wrong"]
    pub async fn admit_person(&self, ticket: &mut Ticket, person: Person) -> Result<bool, StateError> {
        let guarded = ticket.attempt.guarded;
        if !matches!(ticket.attempt.source, FailureSource::Network(_)) {
            ticket.person = Some((person, false));
            return Ok(true);
        }
        let waits = self.failures.pause(guarded, person.pause()).await?;
        let waits = waits.is_some_and(|until| until > self.clock.now().as_second());
        // INVARIANT: counted under this name before the other's is read, so of two answers at once one sees both.
        let by = self.failures.count_one(guarded, person.count()).await?;
        let other = self.failures.counted(guarded, person.other_count()).await?;
        let other = if person.other == person.by { 0 } else { other };
        let is_alone = other == 0 && person.by == ticket.attempt.subject;
        let total = by.saturating_add(other);
        let mut begun = false;
        if total > FREE_EVERYWHERE && !waits {
            let beyond = total - FREE_EVERYWHERE;
            let length = pause_after(beyond, FIRST_PAUSE_EVERYWHERE_SECONDS, LONGEST_PAUSE_EVERYWHERE_SECONDS);
            // Begun after the pause of the name, it has to end before it: who waited as long as was said is checked.
            let length = length.saturating_sub(1);
            begun = total <= MOST_PER_NAME && self.begin_pause(&ticket.attempt, person.pause(), length).await?;
        }
        if !is_alone && (waits || total > FREE_EVERYWHERE && !begun) {
            self.failures.take_back(guarded, person.count()).await?;
            return Ok(false);
        }
        ticket.person = Some((person, begun));
        Ok(true)
    }

    /// Somebody else was quicker: this answer comes within their pause.
    async fn too_late(&self, ticket: Ticket) -> Result<Admission, StateError> {
        let attempt = ticket.attempt.clone();
        self.unchecked(ticket).await?;
        Ok(Admission::Wait { retry_after: self.waits(&attempt).await?.unwrap_or(1) })
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
        if let Some((person, _)) = &ticket.person {
            self.failures.forget(*guarded, person.count()).await?;
            self.failures.forget(*guarded, person.other_count()).await?;
            self.failures.end_pause(*guarded, person.pause()).await?;
        }
        self.failures.end_pause(*guarded, ticket.attempt.here()).await?;
        self.failures.end_pause(*guarded, ticket.attempt.everywhere()).await?;
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
        let attempt = &ticket.attempt;
        if ticket.pause.is_some() {
            self.failures.end_pause(attempt.guarded, attempt.here()).await?;
        }
        if ticket.pause_everywhere.is_some() {
            self.failures.end_pause(attempt.guarded, attempt.everywhere()).await?;
        }
        if let (Some((person, begun)), FailureSource::Network(_)) = (&ticket.person, attempt.source) {
            if *begun {
                self.failures.end_pause(attempt.guarded, person.pause()).await?;
            }
            self.failures.take_back(attempt.guarded, person.count()).await?;
        }
        self.take_back(attempt).await
    }

    /// How many seconds an answer has to wait now: the longer of the pauses in force. A known device knows only its own.
    async fn waits(&self, attempt: &Attempt) -> Result<Option<u32>, StateError> {
        let now = self.clock.now().as_second();
        let mut until = self.failures.pause(attempt.guarded, attempt.here()).await?;
        if matches!(attempt.source, FailureSource::Network(_)) {
            until = until.max(self.failures.pause(attempt.guarded, attempt.everywhere()).await?);
        }
        Ok(until.map(|until| seconds_until(until, now)))
    }

    async fn begin_pause(&self, attempt: &Attempt, pause: Pause<'_>, seconds: u32) -> Result<bool, StateError> {
        let until = self.clock.now().as_second().saturating_add(i64::from(seconds));
        self.failures.begin_pause(attempt.guarded, pause, until, Ttl::seconds(seconds)).await
    }

    /// Counts the answer towards the two caps; over one of them, takes it back.
    async fn count_towards_caps(&self, attempt: &Attempt) -> Result<Capped, StateError> {
        let FailureSource::Network(network) = attempt.source else { return Ok(Capped::Under { total: 0 }) };
        let guarded = attempt.guarded;
        // The network first: over its cap, names that were never seen write nothing.
        if self.failures.count_one(guarded, Span::Network(network)).await? > MOST_PER_NETWORK {
            self.failures.take_back(guarded, Span::Network(network)).await?;
            return Ok(Capped::Over { retry_after: RECENT_SECONDS });
        }
        let total = self.failures.count_one(guarded, Span::Total(&attempt.subject)).await?;
        if total > MOST_PER_NAME {
            self.failures.take_back(guarded, Span::Total(&attempt.subject)).await?;
            self.failures.take_back(guarded, Span::Network(network)).await?;
            return Ok(Capped::Over { retry_after: LONGEST_PAUSE_SECONDS });
        }
        Ok(Capped::Under { total })
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

/// Whether an answer is over one of the caps.
enum Capped {
    /// It is not; the name's wrong answers from all unknown devices, with this one.
    Under { total: u32 },
    /// It is, and was taken back.
    Over { retry_after: u32 },
}

/// The pause after so many wrong answers beyond the free ones.
fn pause_after(beyond: u32, first: u32, longest: u32) -> u32 {
    let doublings = beyond.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(longest)
}

fn seconds_until(until: i64, now: i64) -> u32 {
    u32::try_from(until.saturating_sub(now)).unwrap_or(0).max(1)
}
