//! Writing the journal, and finding a decision in it again.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::chain::{Chainer, Position, to_json};
use super::head::{Head, SignedHead};
use super::node::{Node, NodeId};
use super::record::{DecisionRecord, FORMAT, Record, SegmentRecord};
use super::segment::{self, Segment, SegmentName, Tail};
use crate::clock::{Clock, Entropy, EntropyError};
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
    /// No random bytes for the id of a node or boot.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
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
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source: Arc::new(source) }
    }
}

struct Job {
    json: String,
    done: oneshot::Sender<Result<(), AuditError>>,
}

/// The journal of this process. Clones write to the same one.
#[derive(Clone)]
pub struct Journal {
    folder: Arc<Path>,
    jobs: mpsc::Sender<Job>,
    head: Arc<Mutex<Head>>,
}

impl Journal {
    /// Opens the folder, creating it when missing, takes a node's id there, and starts a new segment that goes on with the
    /// node's chain. `signed` are the newest signed heads of all nodes: a chain that does not reach its own was cut, and is
    /// left as it is; a new one begins.
    ///
    /// # Errors
    /// The folder or the segment cannot be created, or its end cannot be read.
    pub fn open(
        folder: &Path,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        signed: &[SignedHead],
    ) -> Result<Self, AuditError> {
        segment::make_folder(folder)?;
        let mut node = Node::claim(folder, entropy)?;
        let mut tail = segment::tail(folder, &node.id)?;
        let mut left = None;
        if is_cut(&node.id, &tail, signed) {
            let old = node.renew(entropy)?;
            tracing::error!(
                audit.node = %old,
                "the audit journal does not reach its last signed head; a new chain begins. Run `cedargate audit verify`"
            );
            tail = Tail { number: 0, last: None, damaged: None };
            left = Some(old);
        }
        let folder: Arc<Path> = folder.into();
        let header = SegmentRecord {
            at: clock.now(),
            format: FORMAT,
            node: node.id.clone(),
            boot: NodeId::new(entropy)?,
            number: tail.number.saturating_add(1),
            left,
        };
        let (segment, last) = start_segment(&folder, &header, tail.last)?;
        let head = Arc::new(Mutex::new(Head { node: node.id.clone(), position: last }));
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer =
            Writer { folder: Arc::clone(&folder), clock, segment, header, last, head: Arc::clone(&head), node };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| AuditError::io(&folder, error))?;
        Ok(Self { folder, jobs, head })
    }

    /// How far this process has come: the last line that is on disk.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes a record. When this returns without error, it has survived a power cut.
    ///
    /// # Errors
    /// It is not on disk: the disk failed or is full, or too many records wait. Nothing may then happen that it speaks of.
    pub async fn append(&self, record: impl Into<Record>) -> Result<(), AuditError> {
        let json = to_json(&record.into())?;
        let (done, answer) = oneshot::channel();
        self.jobs.try_send(Job { json, done }).map_err(|error| match error {
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

/// Whether a node's chain ends before what was signed of it, or in a line that is none.
fn is_cut(node: &NodeId, tail: &Tail, signed: &[SignedHead]) -> bool {
    let signed = signed.iter().map(|signed| &signed.head).filter(|head| head.node == *node);
    let newest = signed.map(|head| head.position).max_by_key(|position| position.seq);
    match (tail.last, newest) {
        (_, None) => tail.damaged.is_some(),
        (None, Some(_)) => true,
        (Some(last), Some(signed)) => last.seq < signed.seq || (last.seq == signed.seq && last.hash != signed.hash),
    }
}

/// A new segment with its first line, which goes on after `last`; and where the chain is then.
fn start_segment(
    folder: &Path,
    header: &SegmentRecord,
    last: Option<Position>,
) -> Result<(Segment, Position), AuditError> {
    let mut chainer = Chainer::after(last);
    let position = chainer.push(&to_json(&Record::Segment(header.clone()))?);
    let name = SegmentName { node: header.node.clone(), number: header.number };
    let mut segment = Segment::create(folder, &name, header.at)?;
    segment.append(&chainer.bytes)?;
    Ok((segment, position))
}

/// The thread that owns the file. Records that arrive during a flush share the next one.
struct Writer {
    folder: Arc<Path>,
    clock: Arc<dyn Clock>,
    segment: Segment,
    /// The first line of the segment.
    header: SegmentRecord,
    /// The last line on disk.
    last: Position,
    /// The same, for others to read.
    head: Arc<Mutex<Head>>,
    /// Held as long as this writes.
    #[expect(dead_code, reason = "its lock keeps other processes away")]
    node: Node,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
            let result = self.write(&jobs);
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

    fn write(&mut self, jobs: &[Job]) -> Result<(), AuditError> {
        if self.segment.bytes >= SEGMENT_BYTES || !self.segment.is_in_place() {
            self.next_segment()?;
        }
        let mut chainer = Chainer::after(Some(self.last));
        let mut last = self.last;
        for job in jobs {
            last = chainer.push(&job.json);
        }
        self.segment.append(&chainer.bytes)?;
        self.reached(last);
        Ok(())
    }

    fn next_segment(&mut self) -> Result<(), AuditError> {
        let mut header = SegmentRecord { at: self.clock.now(), left: None, ..self.header.clone() };
        header.number = header.number.saturating_add(1);
        if !self.segment.is_in_place() {
            tracing::error!(
                path = %self.segment.path.display(),
                "the segment of the audit journal that was being written is gone; going on in a new one"
            );
        }
        let (segment, last) = start_segment(&self.folder, &header, Some(self.last))?;
        self.segment = segment;
        self.header = header;
        self.reached(last);
        Ok(())
    }

    fn reached(&mut self, last: Position) {
        self.last = last;
        self.head.lock().unwrap_or_else(PoisonError::into_inner).position = last;
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
    for path in segment::list(folder)?.into_iter().rev() {
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
