//! What a reader leaves out and goes on: what was erased, what no key is at hand for, and what is damaged. Each is counted, so
//! that nobody takes what was read for all there was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::journal::AuditError;
use super::month::Month;

/// How many damaged lines are told one by one. A file may hold more of them than anybody reads.
const MOST_DAMAGE: usize = 100;

/// How many characters of what is wrong are kept.
const MOST_WHY: usize = 200;

/// A line that is no record, or no record of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// In which segment.
    pub file: PathBuf,
    /// In which line of it, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.why)
    }
}

/// What fitted, as far as one can tell, and could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    /// How many records of months whose key was deleted.
    pub erased: BTreeMap<Month, u64>,
    /// How many records of months whose key is not at hand, and why.
    pub no_key: BTreeMap<Month, (u64, String)>,
    /// Lines that are damaged; the first hundred.
    pub damaged: Vec<Damage>,
    /// How many more of those there are.
    pub more_damaged: u64,
}

impl Skipped {
    /// Whether nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.erased.is_empty() && self.no_key.is_empty() && !self.is_damaged()
    }

    /// Whether a line is not as it was written.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.damaged.is_empty()
    }

    /// What to tell people of months that cannot be read, a line for each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let records = |count: &u64| if *count == 1 { "1 record".to_owned() } else { format!("{count} records") };
        let erased = self.erased.iter();
        let erased = erased.map(move |(month, count)| format!("{} of {month}, which was erased", records(count)));
        let no_key = self.no_key.iter();
        let no_key =
            no_key.map(move |(month, (count, why))| format!("{} of {month} can't be read here: {why}", records(count)));
        erased.chain(no_key)
    }

    /// How many of months that were erased, and of months whose key is not at hand.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.erased.values().sum(), self.no_key.values().map(|(count, _)| count).sum())
    }

    /// How many lines are damaged.
    #[must_use]
    pub fn damaged_count(&self) -> u64 {
        u64::try_from(self.damaged.len()).unwrap_or(u64::MAX).saturating_add(self.more_damaged)
    }

    /// How many records were not read, for any of the reasons.
    #[must_use]
    pub fn count(&self) -> u64 {
        let (erased, no_key) = self.counts();
        erased.saturating_add(no_key).saturating_add(self.damaged_count())
    }

    pub(super) fn add(&mut self, error: AuditError) -> Result<Month, AuditError> {
        match error {
            AuditError::Erased { month, .. } => {
                *self.erased.entry(month).or_default() += 1;
                Ok(month)
            }
            AuditError::NoKey { month, why } => {
                self.no_key.entry(month).or_insert((0, why)).0 += 1;
                Ok(month)
            }
            error => Err(error),
        }
    }

    pub(super) fn add_damage(&mut self, file: &Path, line: usize, why: String) {
        let is_known = |damage: &Damage| damage.line == line && damage.file == file;
        if self.damaged.iter().any(is_known) {
            return;
        }
        if self.damaged.len() < MOST_DAMAGE {
            // Words of the line may be in it, and nobody vouches for them.
            let why = why.chars().take(MOST_WHY).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            self.damaged.push(Damage { file: file.to_owned(), line, why });
        } else {
            self.more_damaged += 1;
        }
    }
}
