//! Reading the decisions of a journal again: one by its reference, or all that fit.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::journal::{AuditError, find};
use super::record::{DecisionRecord, Record};
use super::segment;
use crate::clock::Timestamp;
use crate::domain::{AppId, DecisionKind, ReferenceId, Username};

/// Which decisions to read. What is left out does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Made at this instant or later.
    pub since: Option<Timestamp>,
    /// Made before this instant.
    pub until: Option<Timestamp>,
    /// About this person.
    pub user: Option<Username>,
    /// About this app.
    pub app: Option<AppId>,
    /// With this outcome.
    pub outcome: Option<DecisionKind>,
}

impl Search {
    fn takes(&self, record: &DecisionRecord) -> bool {
        self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
            && self.user.as_ref().is_none_or(|user| record.user.as_ref() == Some(user))
            && self.app.as_ref().is_none_or(|app| record.app == *app)
            && self.outcome.is_none_or(|outcome| record.decision.kind() == outcome)
    }
}

/// The decisions of a journal.
#[derive(Debug, Clone)]
pub struct Log {
    folder: PathBuf,
}

impl Log {
    /// Those of the journal at `folder`.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The decision with this reference id.
    ///
    /// # Errors
    /// The journal cannot be read, or the line with this id is damaged.
    pub fn find(&self, reference: &ReferenceId) -> Result<Option<DecisionRecord>, AuditError> {
        find(&self.folder, reference)
    }

    /// Hands every decision that fits to `each`, segment by segment, in the order they were written, until it says stop.
    ///
    /// # Errors
    /// The journal cannot be read, or a line is damaged.
    pub fn decisions(
        &self,
        search: &Search,
        mut each: impl FnMut(DecisionRecord) -> std::ops::ControlFlow<()>,
    ) -> Result<(), AuditError> {
        if !self.folder.exists() {
            return Ok(());
        }
        for path in segment::list(&self.folder)? {
            let mut reader = BufReader::new(File::open(&path).map_err(|error| AuditError::io(&path, error))?);
            let mut line = Vec::new();
            for number in 1.. {
                line.clear();
                let read = reader.read_until(b'\n', &mut line).map_err(|error| AuditError::io(&path, error))?;
                // A last line without its end was never acknowledged.
                if read == 0 || line.last() != Some(&b'\n') {
                    break;
                }
                let record = serde_json::from_slice(&line).map_err(|source| AuditError::Damaged {
                    path: path.display().to_string(),
                    line: number,
                    source,
                })?;
                if let Record::Decision(decision) = record
                    && search.takes(&decision)
                    && each(*decision).is_break()
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
