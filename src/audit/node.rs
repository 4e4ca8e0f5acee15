//! Whose chain a process writes: a node has an id that stays, in a file of the audit folder, held by one process at a time.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::journal::AuditError;
use crate::clock::Entropy;
use crate::config::owned;

/// How many processes may write to one folder at a time.
const MOST_NODES: usize = 64;
/// The ending of a file that holds a node's id.
const EXTENSION: &str = "node";

/// The id of a node, or of one of its boots: 16 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

impl NodeId {
    /// Reads 16 lowercase hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        (text.len() == 16 && text.chars().all(hex)).then(|| Self(text.to_owned()))
    }

    /// A new one.
    pub(super) fn new(entropy: &dyn Entropy) -> Result<Self, AuditError> {
        Ok(Self(HEXLOWER.encode(&entropy.bytes::<8>()?)))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NodeId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("an id is 16 hexadecimal digits")
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

/// A node's id, locked: no other process takes it while this lives. The lock ends with the process, however it ends.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    path: PathBuf,
    file: File,
}

impl Node {
    /// Takes the first id in `folder` that nobody holds, or makes a new one. Processes that share a folder, as during a
    /// restart that overlaps, are nodes of their own.
    pub(super) fn claim(folder: &Path, entropy: &dyn Entropy) -> Result<Self, AuditError> {
        for number in 0..MOST_NODES {
            let path = folder.join(format!("{number}.{EXTENSION}"));
            let failed = |error| AuditError::io(&path, error);
            let mut file = owned::open_or_create(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            let mut text = String::new();
            std::io::Read::by_ref(&mut file).take(64).read_to_string(&mut text).map_err(failed)?;
            if let Some(id) = NodeId::parse(text.trim_end()) {
                return Ok(Self { id, path, file });
            }
            // Empty, or cut short by a crash: nothing was written under an id that is not on disk in whole.
            let mut node = Self { id: NodeId::new(entropy)?, path, file };
            node.store()?;
            return Ok(node);
        }
        Err(AuditError::io(folder, std::io::Error::other("more processes write to it than there may be")))
    }

    /// Goes on under a new id. Returns the old one.
    pub(super) fn renew(&mut self, entropy: &dyn Entropy) -> Result<NodeId, AuditError> {
        let old = std::mem::replace(&mut self.id, NodeId::new(entropy)?);
        self.store()?;
        Ok(old)
    }

    fn store(&mut self) -> Result<(), AuditError> {
        let written = (|| {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(format!("{}\n", self.id).as_bytes())?;
            self.file.set_len(17)?;
            self.file.sync_all()?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        })();
        written.map_err(|error| AuditError::io(&self.path, error))
    }
}
