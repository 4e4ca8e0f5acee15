//! The lines of one node, one after the other over all its segments.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use crate::audit::chain::{LineHash, Link};
use crate::audit::journal::AuditError;
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
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    /// How many bytes stand behind the last line end.
    pub(super) torn: usize,
}

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(|error| AuditError::io(path, error))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), line: 0, torn: 0 })
    }

    /// The next whole line, and what it says if it is the first line of a segment.
    pub(super) fn next(&mut self) -> Result<Option<(Read, Option<SegmentRecord>)>, AuditError> {
        let mut bytes = Vec::new();
        self.reader.read_until(b'\n', &mut bytes).map_err(|error| AuditError::io(&self.path, error))?;
        if bytes.last() != Some(&b'\n') {
            self.torn = bytes.len();
            return Ok(None);
        }
        bytes.pop();
        self.line += 1;
        let header = match (self.line == 1).then(|| serde_json::from_slice(&bytes)) {
            Some(Ok(Record::Segment(header))) => Some(header),
            _ => None,
        };
        let place = Place { path: self.path.clone(), line: self.line };
        let link = serde_json::from_slice(&bytes).ok();
        Ok(Some((Read { place, hash: LineHash::of(&bytes), link }, header)))
    }
}
