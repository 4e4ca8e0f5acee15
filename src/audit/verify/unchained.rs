//! Files that are no segments of a chain: those of before there was one, and those that do not belong there.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use super::{Finding, FindingKind, Report};
use crate::audit::chain::Link;
use crate::audit::journal::AuditError;
use crate::audit::lines::reader;
use crate::clock::Timestamp;

#[derive(Deserialize)]
struct When {
    at: Timestamp,
}

/// Looks through one such file. `begun` is when the oldest chain began.
pub(super) fn look(path: &Path, begun: Option<Timestamp>, report: &mut Report) -> Result<(), AuditError> {
    let mut bytes = Vec::new();
    let read = reader(path).and_then(|mut reader| reader.read_to_end(&mut bytes));
    read.map_err(|error| AuditError::io(path, error))?;
    let mut records = 0_u64;
    let mut add = |line: usize, kind, message: &str| {
        let message = message.to_owned();
        report.add(Finding { kind, file: Some(path.to_owned()), line: Some(line), node: None, message });
    };
    for (line, bytes) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
        records += 1;
        if serde_json::from_slice::<Link>(bytes).is_ok() {
            add(line + 1, FindingKind::Misnamed, "a line of a chain in a file whose name is none of a segment's");
            return Ok(());
        }
        let later = serde_json::from_slice::<When>(bytes).is_ok_and(|when| begun.is_some_and(|begun| when.at > begun));
        if later {
            add(line + 1, FindingKind::Unchained, "a record outside the chain, of a time when the chain had begun");
            return Ok(());
        }
    }
    report.notes.push(format!("{}: {records} records of before the chain; nothing proves them", path.display()));
    Ok(())
}
