//! The last good copies of fetched metadata: each a file of XML, and beside it a note on when and how it came. A copy is written
//! whole or not at all, and only after everything was checked that will be checked again when it is read.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::Said;
use crate::clock::Timestamp;
use crate::domain::AppId;

/// A note has a few hundred bytes; more where one document describes a thousand apps.
const MAX_NOTE_BYTES: u64 = 8 * 1024 * 1024;

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
    /// That of the copy before: the note is written first, and until the new copy is there, the old one counts.
    pub(super) before: Option<String>,
    /// What the source calls it.
    pub(super) version: Version,
    /// What it said of the apps when they last could work with it.
    pub(super) apps: BTreeMap<AppId, Said>,
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
    /// The note on this copy. One that cannot be read is none: the source is asked then. Who removes a copy wants its note
    /// forgotten too.
    pub(super) fn of(copy: &Path) -> Option<Self> {
        if !copy.exists() {
            return None;
        }
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

    /// Whether it is about content with this SHA-256.
    pub(super) fn is_about(&self, sha256: &str) -> bool {
        self.sha256 == sha256 || self.before.as_deref() == Some(sha256)
    }

    /// Writes the note alone: the copy is the same.
    pub(super) fn write(&self, copy: &Path) -> io::Result<()> {
        check_folder(copy.parent().ok_or(io::ErrorKind::NotFound)?).map_err(io::Error::other)?;
        let text = serde_json::to_vec_pretty(self)?;
        replace(&copy.with_extension("json"), &text)
    }
}

/// Whoever can write to the folder says where responses go. One that is not there yet is made for its owner alone.
pub(in crate::runtime) fn check_folder(folder: &Path) -> Result<(), String> {
    match fs::metadata(folder).map(|metadata| metadata.permissions().mode() & 0o7777) {
        Ok(mode) if mode & 0o022 != 0 => {
            Err(format!("`{}` may be written to by others (mode {mode:o}): run `chmod go-w` on it", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes the note on a new copy, then the copy.
pub(super) fn store(copy: &Path, xml: &str, note: &Note) -> io::Result<()> {
    if let Some(folder) = copy.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    note.write(copy)?;
    replace(copy, xml.as_bytes())
}

pub(super) fn sha256(content: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, content).as_ref())
}

/// Beside it first, under a name nobody else takes: nodes may share the folder.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let mut unfinished = tempfile::Builder::new().prefix(".").suffix(".new").tempfile_in(folder)?;
    unfinished.write_all(content)?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_comes_with_a_note_that_fits_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("metadata/a.xml");
        assert_eq!(Note::of(&copy), None);
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        let note = |xml: &str| Note {
            url: "https://wiki.example.com/metadata".to_owned(),
            seen: at,
            again: at,
            sha256: sha256(xml.as_bytes()),
            before: Some(sha256(b"<zero/>")),
            apps: BTreeMap::new(),
            version: Version { etag: Some("\"1\"".to_owned()), last_modified: None },
        };
        store(&copy, "<one/>", &note("<one/>")).unwrap();
        store(&copy, "<two/>", &note("<two/>")).unwrap();
        let read = Note::of(&copy).unwrap();
        assert_eq!(read, note("<two/>"));
        assert!(read.fits(&copy));
        assert_eq!(fs::read_dir(folder.path().join("metadata")).unwrap().count(), 2, "nothing unfinished stays");
        for (path, mode) in [(copy.as_path(), 0o600), (&folder.path().join("metadata"), 0o700)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
        fs::write(&copy, "<other/>").unwrap();
        assert!(!read.fits(&copy), "somebody changed the copy: its version is not sent");
        assert!(read.is_about(&sha256(b"<two/>")) && read.is_about(&sha256(b"<zero/>")));
        assert!(!read.is_about(&sha256(b"<other/>")));
        fs::write(copy.with_extension("json"), "{").unwrap();
        assert_eq!(Note::of(&copy), None);
        store(&copy, "<two/>", &note("<two/>")).unwrap();
        fs::remove_file(&copy).unwrap();
        assert_eq!(Note::of(&copy), None, "who removes a copy has its note forgotten");
    }

    #[test]
    fn nothing_is_kept_in_a_folder_that_others_may_write_to() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("metadata");
        check_folder(&cache).unwrap();
        fs::create_dir(&cache).unwrap();
        for (mode, refused) in [(0o700, false), (0o755, false), (0o775, true), (0o757, true), (0o1777, true)] {
            fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).unwrap();
            let checked = check_folder(&cache);
            assert_eq!(checked.is_err(), refused, "{mode:o}");
            assert!(checked.err().is_none_or(|why| why.contains("chmod go-w")));
        }
        let note = Note {
            url: String::new(),
            seen: Timestamp::UNIX_EPOCH,
            again: Timestamp::UNIX_EPOCH,
            sha256: sha256(b"<a/>"),
            before: None,
            apps: BTreeMap::new(),
            version: Version::default(),
        };
        assert!(store(&cache.join("a.xml"), "<a/>", &note).unwrap_err().to_string().contains("chmod go-w"));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    }
}
