//! The files of the journal: their names, writing to one, and reading how one ends.

use std::fs::File;
use std::io::{ErrorKind, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::chain::{LineHash, Link, Position};
use super::journal::AuditError;
use super::lines::Lines;
use super::node::NodeId;
use crate::clock::Timestamp;
use crate::config::owned;

/// The ending of every segment.
const EXTENSION: &str = "jsonl";
/// What is added to it when the segment is compressed.
const PACKED: &str = "zst";

/// Whether a segment is compressed.
pub(super) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == PACKED)
}

/// The name of a segment once it is compressed.
pub(super) fn packed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(PACKED);
    name.into()
}

/// Removes what an earlier process may have left half written.
pub(super) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// What the name of a segment says: `20261121T120000.000Z-0123456789abcdef-000001.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentName {
    pub(super) node: NodeId,
    pub(super) number: u64,
}

impl SegmentName {
    /// Reads the name of a file; `None` for segments of before the chain.
    pub(super) fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".jsonl")?;
        let mut parts = name.splitn(3, '-').skip(1);
        let node = NodeId::parse(parts.next()?)?;
        let number = parts.next()?;
        let number = (number.len() >= 6).then(|| number.parse().ok())??;
        Some(Self { node, number })
    }

    fn file_name(&self, started: Timestamp) -> String {
        format!("{}-{}-{:06}.{EXTENSION}", started.strftime("%Y%m%dT%H%M%S%.3fZ"), self.node, self.number)
    }
}

/// Makes the folder of the journal, if it is not there. It may be a link to where there is room.
pub(super) fn make_folder(folder: &Path) -> Result<(), AuditError> {
    if folder.exists() {
        return Ok(());
    }
    let parents = folder.parent().map_or(Ok(()), std::fs::create_dir_all);
    parents.and_then(|()| owned::folder(folder)).map_err(|error| AuditError::io(folder, error))
}

/// The segments in `folder`, newest name last. Of one that is there both compressed and not, the latter: the process was stopped
/// between the two, or is just there.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let listing = std::fs::read_dir(folder).map_err(|error| AuditError::io(folder, error))?;
    let mut paths = Vec::new();
    for entry in listing {
        let path = entry.map_err(|error| AuditError::io(folder, error))?.path();
        let plain = if is_packed(&path) { path.with_extension("") } else { path.clone() };
        if plain.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    // The name without the addition sorts before the one with it.
    paths.dedup_by(|later, earlier| *later == packed(earlier));
    Ok(paths)
}

/// Where a node's chain ends on disk.
#[derive(Debug)]
pub(super) struct Tail {
    /// The highest number a segment has; the next one is one more.
    pub(super) number: u64,
    /// The last whole line; `None` when there is none.
    pub(super) last: Option<Position>,
    /// The last whole line is none of a chain, in this file.
    pub(super) damaged: Option<PathBuf>,
}

/// Reads where the chain of `node` ends.
pub(super) fn tail(folder: &Path, node: &NodeId) -> Result<Tail, AuditError> {
    let mut own: Vec<(u64, PathBuf)> = list(folder)?
        .into_iter()
        .filter_map(|path| SegmentName::parse(&path).filter(|name| name.node == *node).map(|name| (name.number, path)))
        .collect();
    own.sort_unstable_by(|a, b| b.cmp(a));
    let number = own.first().map_or(0, |(number, _)| *number);
    for (_, path) in own {
        let (mut lines, mut line, mut last) = (Lines::open(&path)?, Vec::new(), Vec::new());
        loop {
            match lines.next(&mut line) {
                Ok(true) => std::mem::swap(&mut line, &mut last),
                Ok(false) => break,
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Ok(Tail { number, last: None, damaged: Some(path) });
                }
                Err(error) => return Err(AuditError::io(&path, error)),
            }
        }
        if lines.number == 0 {
            continue;
        }
        return Ok(match serde_json::from_slice::<Link>(&last) {
            Ok(link) => {
                Tail { number, last: Some(Position { seq: link.seq, hash: LineHash::of(&last) }), damaged: None }
            }
            Err(_) => Tail { number, last: None, damaged: Some(path) },
        });
    }
    Ok(Tail { number, last: None, damaged: None })
}

/// One file of the journal, being written.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// How much of it is whole lines on disk.
    pub(super) bytes: u64,
    /// Something stands behind these that does not belong there.
    spoiled: bool,
}

impl Segment {
    /// An empty file, whose name survives a power cut.
    pub(super) fn create(folder: &Path, name: &SegmentName, now: Timestamp) -> Result<Self, AuditError> {
        make_folder(folder)?;
        let path = folder.join(name.file_name(now));
        let file = owned::create(&path).map_err(|error| AuditError::io(&path, error))?;
        // The name of a new file is only as durable as its folder.
        File::open(folder).and_then(|dir| dir.sync_all()).map_err(|error| AuditError::io(folder, error))?;
        Ok(Self { path, file, bytes: 0, spoiled: false })
    }

    /// Whether the name still leads to the file that is written to. A folder that was moved away, or a volume that was
    /// mounted over it, takes the file with it, and what is written there is lost to whoever reads the journal.
    pub(super) fn is_in_place(&self) -> bool {
        let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        matches!((std::fs::metadata(&self.path), self.file.metadata()), (Ok(a), Ok(b)) if same(&a, &b))
    }

    /// All of `lines` on disk, or none of them.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        if self.spoiled {
            self.rewind()?;
        }
        match self.file.write_all(lines).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.bytes = self.bytes.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
                Ok(())
            }
            Err(error) => {
                // A half line must not spoil the next one. If it cannot be taken back now, it is before the next.
                self.spoiled = true;
                let _ = self.rewind();
                Err(AuditError::io(&self.path, error))
            }
        }
    }

    fn rewind(&mut self) -> Result<(), AuditError> {
        let back = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
        back.map_err(|error| AuditError::io(&self.path, error))?;
        self.spoiled = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    fn segment(folder: &Path) -> Segment {
        let name = SegmentName { node: NodeId::parse("0123456789abcdef").unwrap(), number: 1 };
        Segment::create(folder, &name, "2026-11-21T12:00:00Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_disk_that_fails_is_an_error_of_the_record_and_once_it_works_again_nothing_is_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = segment(folder.path());
        segment.append(b"{}\n").unwrap();
        // Opened for reading, so that every write fails, and so does every attempt to take it back.
        let works = std::mem::replace(&mut segment.file, File::open(&segment.path).unwrap());
        assert!(matches!(segment.append(b"[]\n"), Err(AuditError::Io { .. })));
        OpenOptions::new().append(true).open(&segment.path).unwrap().write_all(b"[").unwrap();
        assert!(matches!(segment.append(b"[]\n"), Err(AuditError::Io { .. })));
        segment.file = works;
        segment.append(b"[1]\n").unwrap();
        assert_eq!(std::fs::read(&segment.path).unwrap(), b"{}\n[1]\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let segment = segment(folder.path());
        assert!(segment.is_in_place());
        std::fs::rename(&segment.path, folder.path().join("elsewhere")).unwrap();
        assert!(!segment.is_in_place());
        std::fs::write(&segment.path, "").unwrap();
        assert!(!segment.is_in_place(), "another file under its name is not it");
    }

    #[test]
    fn names_are_read_back_and_those_of_before_the_chain_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = segment(folder.path()).path;
        let name = SegmentName::parse(&path).unwrap();
        assert_eq!((name.node.as_str(), name.number), ("0123456789abcdef", 1));
        for other in ["20261121T110000.000Z-000.jsonl", "x.jsonl", "20261121T110000.000Z-0123456789abcdeg-000001.jsonl"]
        {
            assert_eq!(SegmentName::parse(Path::new(other)), None, "{other}");
        }
    }
}
