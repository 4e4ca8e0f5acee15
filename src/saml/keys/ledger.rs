//! `keys.toml`: when each key was made, promoted and retired, and the step that is under way. Which key does what is told by
//! the names of the files alone; a folder without a ledger is as good as one with it.
//!
//! A step changes several files, and a machine may stop between any two changes. So it is written here first, all of it, and
//! taken away last: whoever finds it here carries it to its end.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::KeysError;
use super::files;
use super::place::{KeyType, Slot};
use crate::clock::Timestamp;
use crate::saml::certificate::Certificate;

/// The name of the ledger.
pub const LEDGER: &str = "keys.toml";

/// What is done with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A key is made.
    New,
    /// The next one becomes the current one.
    Promote,
    /// One is taken out of the metadata.
    Retire,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Promote => "promote",
            Self::Retire => "retire",
        })
    }
}

/// A step in the words of the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unfinished {
    pub(super) step: Step,
    pub(super) kind: KeyType,
    /// Where the key stands afterwards; where it stood, when it is retired.
    pub(super) slot: Slot,
    /// The certificate the step is about, by SHA-256.
    pub(super) fingerprint: String,
    /// From and to, in order. INVARIANT: when its turn comes a `to` is free, so one that is there means that the move is done.
    pub(super) moves: Vec<(String, String)>,
    /// What is removed after that.
    pub(super) removes: Vec<String>,
}

impl Unfinished {
    /// The first of its names that leads out of the folder.
    fn outside(&self) -> Option<String> {
        let mut names = self.moves.iter().flat_map(|(from, to)| [from, to]).chain(&self.removes);
        names.find(|name| !is_inside(name)).cloned()
    }
}

/// What is remembered of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// SHA-256 of its certificate, in hex.
    pub fingerprint: String,
    /// What it is.
    pub kind: KeyType,
    /// When it was made, or found in the folder.
    pub created: Timestamp,
    /// When it began to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promoted: Option<Timestamp>,
    /// When its certificate left the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Timestamp>,
}

/// The ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Ledger {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unfinished: Option<Unfinished>,
    pub(super) keys: Vec<Entry>,
}

impl Ledger {
    /// Reads it; an empty one where there is none.
    pub(super) fn read(dir: &Path) -> Result<Self, KeysError> {
        let path = dir.join(LEDGER);
        if !files::exists(&path)? {
            return Ok(Self::default());
        }
        let wrong = |problem: String| KeysError::content(&path, format!("is no ledger of keys: {problem}"));
        let ledger: Self = toml::from_str(&files::text(&path)?).map_err(|e| wrong(e.message().to_owned()))?;
        // The folder is ours alone; still, what is moved and removed stays within it.
        let outside = ledger.unfinished.as_ref().and_then(Unfinished::outside);
        match outside {
            Some(name) => Err(wrong(format!("`{name}` is no file of this folder"))),
            None => Ok(ledger),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), KeysError> {
        let text = format!(
            "# When each key was made, promoted and retired. Written by `cedargate keys`; which key does what is told by the\n\
             # names of the files.\n\n{}",
            toml::to_string_pretty(self)?
        );
        files::write(dir, LEDGER, text.as_bytes())
    }

    /// The entry of a certificate; one that was not known is known from now on.
    pub(super) fn entry(&mut self, kind: KeyType, fingerprint: &str, now: Timestamp) -> Option<&mut Entry> {
        if self.find(fingerprint).is_none() {
            let (fingerprint, created) = (fingerprint.to_owned(), now);
            self.keys.push(Entry { fingerprint, kind, created, promoted: None, retired: None });
        }
        self.keys.iter_mut().find(|entry| entry.fingerprint == fingerprint)
    }

    /// Takes note of a key that was there before the ledger: it is as old as its certificate.
    pub(super) fn found(&mut self, kind: KeyType, certificate: &Certificate) {
        self.entry(kind, &certificate.fingerprint(), certificate.not_before());
    }

    pub(super) fn find(&self, fingerprint: &str) -> Option<&Entry> {
        self.keys.iter().find(|entry| entry.fingerprint == fingerprint)
    }
}

/// A name in the folder, or in the folder of retired certificates.
fn is_inside(name: &str) -> bool {
    let file = name.strip_prefix("retired/").unwrap_or(name);
    !file.is_empty() && !file.starts_with('.') && !file.contains('/')
}
