//! Writing the journal, and finding a decision in it again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{DecisionRecord, Record};
use crate::clock::{Clock, Timestamp};
use crate::domain::ReferenceId;

/// Records waiting for the disk; more are refused.
const QUEUE: usize = 1024;
/// Records that share one flush.
const BATCH: usize = 128;
/// A segment longer than this is followed by a new one.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// A record is not on disk, or one cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The folder or a segment cannot be created, read or written.
    #[error("the audit journal `{path}` does not work")]
    Io {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// More records wait than the disk takes.
    #[error("the audit journal has more than {QUEUE} records waiting")]
    Busy,
    /// The writer is gone, because the process ends.
    #[error("the audit journal is closed")]
    Closed,
    /// A record cannot be written as JSON.
    #[error("a record cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// A line that should hold the record is damaged.
    #[error("line {line} of the audit journal `{path}` is damaged")]
    Damaged {
        /// Which segment.
        path: String,
        /// Which line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl AuditError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source: Arc::new(source) }
    }
}

struct Job {
    line: Vec<u8>,
    done: oneshot::Sender<Result<(), AuditError>>,
}

/// The journal of this process. Clones write to the same one.
#[derive(Clone)]
pub struct Journal {
    folder: Arc<Path>,
    jobs: mpsc::Sender<Job>,
}

impl Journal {
    /// Opens the folder, creating it when missing, and starts a new segment there.
    ///
    /// # Errors
    /// The folder or the segment cannot be created.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, AuditError> {
        std::fs::create_dir_all(folder).map_err(|error| AuditError::io(folder, error))?;
        let segment = Segment::create(folder, clock.now())?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let folder: Arc<Path> = folder.into();
        let writer = Writer { folder: Arc::clone(&folder), clock, segment };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| AuditError::io(&folder, error))?;
        Ok(Self { folder, jobs })
    }

    /// Writes a record. When this returns without error, it has survived a power cut.
    ///
    /// # Errors
    /// It is not on disk: the disk failed or is full, or too many records wait. Nothing may then happen that it speaks of.
    pub async fn append(&self, record: impl Into<Record>) -> Result<(), AuditError> {
        let line = to_line(&record.into())?;
        let (done, answer) = oneshot::channel();
        self.jobs.try_send(Job { line, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AuditError::Busy,
            mpsc::error::TrySendError::Closed(_) => AuditError::Closed,
        })?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }

    /// The decision with this reference id.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn find(&self, reference: &ReferenceId) -> Result<Option<DecisionRecord>, AuditError> {
        let (folder, reference) = (Arc::clone(&self.folder), reference.clone());
        tokio::task::spawn_blocking(move || find(&folder, &reference)).await.unwrap_or(Err(AuditError::Closed))
    }
}

/// JSON on one line. JSON escapes control characters below U+0020; here the others and those that reorder or break lines are
/// escaped too. They can only stand inside strings, where the escape means the same.
pub(super) fn to_line(record: &Record) -> Result<Vec<u8>, AuditError> {
    use std::fmt::Write as _;
    let json = serde_json::to_string(record).map_err(AuditError::Encode)?;
    let mut line = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            // INVARIANT: writing into a String does not fail, and each of these is one UTF-16 unit.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    Ok(line.into_bytes())
}

/// One file of the journal.
struct Segment {
    path: PathBuf,
    file: File,
    /// How much of it is whole lines on disk.
    bytes: u64,
}

impl Segment {
    fn create(folder: &Path, now: Timestamp) -> Result<Self, AuditError> {
        let started = now.strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        for attempt in 0..1000 {
            let path = folder.join(format!("{started}-{attempt:03}.jsonl"));
            match options.open(&path) {
                Ok(file) => {
                    // The name of a new file is only as durable as its folder.
                    File::open(folder).and_then(|dir| dir.sync_all()).map_err(|error| AuditError::io(folder, error))?;
                    return Ok(Self { path, file, bytes: 0 });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(AuditError::io(&path, error)),
            }
        }
        Err(AuditError::io(folder, std::io::ErrorKind::AlreadyExists.into()))
    }

    /// All of `lines` on disk, or none of them.
    fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.bytes = self.bytes.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
                Ok(())
            }
            Err(error) => {
                // A half line must not spoil the next one.
                let back = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
                if let Err(error) = back {
                    tracing::error!(error = %error, path = %self.path.display(), "audit journal cannot be rewound");
                }
                Err(AuditError::io(&self.path, error))
            }
        }
    }
}

/// The thread that owns the file. Records that arrive during a flush share the next one.
struct Writer {
    folder: Arc<Path>,
    clock: Arc<dyn Clock>,
    segment: Segment,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
            let lines: Vec<u8> = jobs.iter().flat_map(|job| job.line.iter().copied()).collect();
            let result = self.write(&lines);
            for job in jobs.drain(..) {
                let answer = match &result {
                    Ok(()) => Ok(()),
                    Err(AuditError::Io { path, source }) => {
                        Err(AuditError::Io { path: path.clone(), source: Arc::clone(source) })
                    }
                    Err(_) => Err(AuditError::Closed),
                };
                // Whoever asked may have given up waiting; the record stands all the same.
                let _ = job.done.send(answer);
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        if self.segment.bytes >= SEGMENT_BYTES {
            self.segment = Segment::create(&self.folder, self.clock.now())?;
        }
        self.segment.append(lines)
    }
}

/// The decision with this reference id in the journal at `folder`, newest segment first.
///
/// # Errors
/// The journal cannot be read, or the line with this id is damaged.
pub fn find(folder: &Path, reference: &ReferenceId) -> Result<Option<DecisionRecord>, AuditError> {
    // Before the first `serve` nothing was decided.
    if !folder.exists() {
        return Ok(None);
    }
    for path in segments_newest_first(folder)? {
        let mut reader = BufReader::new(File::open(&path).map_err(|error| AuditError::io(&path, error))?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(|error| AuditError::io(&path, error))?;
            // A last line without its end was never acknowledged.
            if read == 0 || line.last() != Some(&b'\n') {
                break;
            }
            if !holds(&line, reference.as_str().as_bytes()) {
                continue;
            }
            let record = serde_json::from_slice(&line).map_err(|source| AuditError::Damaged {
                path: path.display().to_string(),
                line: number,
                source,
            })?;
            if let Record::Decision(decision) = record
                && decision.reference == *reference
            {
                return Ok(Some(*decision));
            }
        }
    }
    Ok(None)
}

fn holds(line: &[u8], reference: &[u8]) -> bool {
    line.windows(reference.len()).any(|window| window == reference)
}

fn segments_newest_first(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let listing = std::fs::read_dir(folder).map_err(|error| AuditError::io(folder, error))?;
    let mut paths = Vec::new();
    for entry in listing {
        let path = entry.map_err(|error| AuditError::io(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort_unstable_by(|a, b| b.cmp(a));
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_is_an_error_of_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(folder.path(), "2026-11-21T12:00:00Z".parse().unwrap()).unwrap();
        segment.append(b"{}\n").unwrap();
        // Opened for reading, so that every write fails.
        segment.file = File::open(&segment.path).unwrap();
        assert!(matches!(segment.append(b"{}\n"), Err(AuditError::Io { .. })));
        assert_eq!(std::fs::read(&segment.path).unwrap(), b"{}\n");
    }
}
