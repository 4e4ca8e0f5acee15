//! The last good copies of fetched metadata: each a file of XML, and beside it a note on when and how it came. A copy is written
//! whole or not at all, and only after everything was checked that will be checked again when it is read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A note has a few hundred bytes.
const MAX_NOTE_BYTES: u64 = 16 * 1024;

/// What is remembered of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The address, for people who look into the folder.
    pub(super) url: String,
    /// When the source last had exactly this.
    pub(super) seen: Timestamp,
    /// When to look again.
    pub(super) again: Timestamp,
    /// SHA-256 of the copy, in hex.
    pub(super) sha256: String,
    /// What the source calls it.
    pub(super) version: Version,
}

/// What a source calls the version it gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// RFC 9110 §8.8.3.
    pub(super) etag: Option<String>,
    /// RFC 9110 §8.8.2.
    pub(super) last_modified: Option<String>,
}

impl Note {
    /// The note on this copy. One that cannot be read is none: the source is asked then.
    pub(super) fn of(copy: &Path) -> Option<Self> {
        let path = copy.with_extension("json");
        if fs::metadata(&path).ok()?.len() > MAX_NOTE_BYTES {
            return None;
        }
        serde_json::from_slice(&fs::read(&path).ok()?).ok()
    }

    /// Whether the copy is still what the note is about.
    pub(super) fn fits(&self, copy: &Path) -> bool {
        fs::read(copy).is_ok_and(|content| sha256(&content) == self.sha256)
    }

    /// Writes the note alone: the copy is the same.
    pub(super) fn write(&self, copy: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        replace(&copy.with_extension("json"), &text)
    }
}

/// Writes a new copy, then the note on it.
pub(super) fn store(copy: &Path, xml: &str, note: &Note) -> io::Result<()> {
    if let Some(folder) = copy.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    replace(copy, xml.as_bytes())?;
    note.write(copy)
}

pub(super) fn sha256(content: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, content).as_ref())
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
