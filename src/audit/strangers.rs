//! What strangers may put into the journal: little. Before a first factor anybody can cause records, as many as they like; none of
//! them may take the room, or the place in the queue, of what has to be on record about people.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// How much is kept of what strangers cause, by each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many of their records may wait for the disk: a share of the queue.
    pub waiting: usize,
    /// How many bytes of them are written a day (UTC).
    pub bytes_per_day: u64,
    /// With less room than this on the disk, none of them is written.
    pub free_bytes: u64,
}

impl Quota {
    /// An eighth of the queue, 16 MiB a day, and nothing when the disk has less than a segment's room left.
    pub const USUAL: Self = Self { waiting: 128, bytes_per_day: 16 << 20, free_bytes: 64 << 20 };
}

/// What became of a record that a stranger caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is on disk.
    Written,
    /// It was left out: the log alone has it.
    LeftOut(LeftOut),
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Too many of them wait for the disk.
    Queue,
    /// There were enough today.
    Day,
    /// The disk is nearly full.
    Disk,
}

impl LeftOut {
    /// The word in the log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Day => "day",
            Self::Disk => "disk",
        }
    }
}

/// Counts them.
#[derive(Debug)]
pub(super) struct Strangers {
    quota: Quota,
    waiting: Arc<AtomicUsize>,
    today: Mutex<(Option<Date>, u64)>,
}

/// A place in the queue; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Strangers {
    pub(super) fn new(quota: Quota) -> Self {
        Self { quota, waiting: Arc::default(), today: Mutex::default() }
    }

    /// A place for one more record of so many bytes.
    pub(super) fn place(&self, bytes: usize, now: Timestamp, folder: &Path) -> Result<Place, LeftOut> {
        let place = Place(Arc::clone(&self.waiting));
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= self.quota.waiting {
            return Err(LeftOut::Queue);
        }
        // A folder that cannot be looked at is told by the record itself.
        if free_bytes(folder).is_some_and(|free| free < self.quota.free_bytes) {
            return Err(LeftOut::Disk);
        }
        let date = now.to_zoned(TimeZone::UTC).date();
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.0 != Some(date) {
            *today = (Some(date), 0);
        }
        let after = today.1.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if after > self.quota.bytes_per_day {
            return Err(LeftOut::Day);
        }
        today.1 = after;
        Ok(place)
    }
}

/// How much room we have where the journal is.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
