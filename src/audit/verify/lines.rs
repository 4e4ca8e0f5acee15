//! The lines of one node, one after the other over all its segments.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::audit::chain::{LineHash, Link};
use crate::audit::journal::AuditError;
use crate::audit::lines::Lines;
use crate::audit::record::{Record, SegmentRecord};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) line: usize,
}

/// What is read of a line.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) place: Place,
    pub(super) hash: LineHash,
    /// `None`: the line is no line of a chain.
    pub(super) link: Option<Link>,
}

/// One segment.
pub(super) struct Opened {
    lines: Lines,
    /// How many bytes stand behind the last line end.
    pub(super) torn: usize,
    /// Why it cannot be read to its end.
    pub(super) broken: Option<std::io::Error>,
}

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        Ok(Self { lines: Lines::open(path)?, torn: 0, broken: None })
    }

    /// The next whole line, and what it says if it is the first line of a segment.
    pub(super) fn next(&mut self) -> Result<Option<(Read, Option<SegmentRecord>)>, AuditError> {
        let mut bytes = Vec::new();
        match self.lines.next(&mut bytes) {
            Ok(true) => {}
            Ok(false) => {
                self.torn = self.lines.torn;
                return Ok(None);
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                self.broken = Some(error);
                return Ok(None);
            }
            Err(error) => return Err(AuditError::io(&self.lines.path, error)),
        }
        let line = self.lines.number;
        let header = match (line == 1).then(|| serde_json::from_slice(&bytes)) {
            Some(Ok(Record::Segment(header))) => Some(header),
            _ => None,
        };
        let place = Place { path: self.lines.path.clone(), line };
        let link = serde_json::from_slice(&bytes).ok();
        Ok(Some((Read { place, hash: LineHash::of(&bytes), link }, header)))
    }
}
