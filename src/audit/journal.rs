//! Writing the journal.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::chain::{Chainer, Position, to_json};
use super::codec::Codec;
use super::head::{Head, SignedHead};
use super::keys::{KeyStore, WriterKeys, index_key};
use super::line;
use super::month::Month;
use super::node::{Node, NodeId};
use super::pack::Packer;
use super::record::{FORMAT, ForgottenBy, ForgottenRecord, Record, SegmentRecord};
use super::segment::{self, Segment, SegmentName, Tail};
use super::strangers::{Kept, Place, Quota, Strangers};
use crate::accounts::AccountsError;
use crate::clock::{Clock, Entropy, EntropyError, Timestamp};

/// Records waiting for the disk; more are refused.
const QUEUE: usize = 1024;
/// Records that share one flush.
const BATCH: usize = 128;
/// How long before a month begins its key is fetched, so that nobody waits for it.
const EARLY_SECONDS: i64 = 24 * 60 * 60;
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
    /// A record is longer than any can be.
    #[error("a record is too long for the audit journal")]
    TooLong,
    /// The cryptographic library or the compressor refused.
    #[error("a record can't be sealed")]
    Seal,
    /// The keys of the journal cannot be had from the accounts.
    #[error("the keys of the audit journal can't be had")]
    Keys(#[source] Arc<AccountsError>),
    /// The key of the month was deleted.
    #[error("what was written in {month} was erased on {}", at.strftime("%Y-%m-%d"))]
    Erased {
        /// Which month.
        month: Month,
        /// When.
        at: Timestamp,
    },
    /// The key of the month is not at hand.
    #[error("what was written in {month} can't be read here: {why}")]
    NoKey {
        /// Which month.
        month: Month,
        /// Why.
        why: String,
    },
}

impl AuditError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source: Arc::new(source) }
    }
}

struct Job {
    json: String,
    /// Of a stranger's record: given back when it was written, not when whoever caused it gave up waiting.
    #[expect(dead_code, reason = "held until the record is written")]
    place: Option<Place>,
    done: oneshot::Sender<Result<(), AuditError>>,
}

/// What a journal is written by.
#[derive(Clone)]
pub struct Means {
    /// Says when, and so in which month.
    pub clock: Arc<dyn Clock>,
    /// For ids, and for what no two sealed records may share.
    pub entropy: Arc<dyn Entropy>,
    /// Keeps the keys of the months.
    pub keys: Arc<dyn KeyStore>,
    /// How much strangers may cause.
    pub quota: Quota,
}

/// The journal of this process. Clones write to the same one.
#[derive(Clone)]
pub struct Journal {
    folder: Arc<Path>,
    jobs: mpsc::Sender<Job>,
    head: Arc<Mutex<Head>>,
    sealer: Arc<Sealer>,
    strangers: Arc<Strangers>,
}

/// Seals records, each with the key of the month it is written in.
struct Sealer {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: WriterKeys,
    codec: Codec,
}

impl Sealer {
    async fn line(&self, record: &Record) -> Result<String, AuditError> {
        // By the clock, not by what the record says: a month that is over gets no more records.
        let month = Month::of(self.clock.now());
        let key = self.keys.of(month).await?;
        line::seal(record, month, &key, &self.codec, &*self.entropy)
    }
}

impl Journal {
    /// Opens the folder, creating it when missing, takes a node's id there, and starts a new segment that goes on with the
    /// node's chain. `signed` are the newest signed heads of all nodes: a chain that does not reach its own was cut, and is
    /// left as it is; a new one begins.
    ///
    /// # Errors
    /// The folder or the segment cannot be created, or its end cannot be read.
    pub fn open(folder: &Path, means: Means, signed: &[SignedHead]) -> Result<Self, AuditError> {
        let Means { clock, entropy, keys, quota } = means;
        let index = index_key(&*keys)?;
        let sealer = Sealer {
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            keys: WriterKeys::new(keys),
            codec: Codec::new()?,
        };
        let entropy = &*entropy;
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
        let packer = Packer::start(&folder, &node.id, index).map_err(|error| AuditError::io(&folder, error))?;
        packer.closed_before(header.number);
        let (path, shared) = (Arc::clone(&folder), Arc::clone(&head));
        let writer = Writer { folder: path, clock, segment, header, last, head: shared, packer, node };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| AuditError::io(&folder, error))?;
        Ok(Self { folder, jobs, head, sealer: Arc::new(sealer), strangers: Arc::new(Strangers::new(quota)) })
    }

    /// How far this process has come: the last line that is on disk.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The writer stops after its next flush, as long as this is held.
    #[cfg(test)]
    pub(super) fn halted(&self) -> std::sync::MutexGuard<'_, Head> {
        self.head.lock().unwrap()
    }

    /// Writes a record. When this returns without error, it has survived a power cut.
    ///
    /// # Errors
    /// It is not on disk: the disk failed or is full, or too many records wait. Nothing may then happen that it speaks of.
    pub async fn append(&self, record: impl Into<Record>) -> Result<(), AuditError> {
        let json = self.sealer.line(&record.into()).await?;
        self.write(json, None).await
    }

    /// Writes a record that strangers cause, as many as they like: only as long as that takes nothing from the others.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub async fn append_of_stranger(&self, record: impl Into<Record>) -> Result<Kept, AuditError> {
        let json = self.sealer.line(&record.into()).await?;
        match self.strangers.place(json.len(), self.sealer.clock.now(), &self.folder) {
            Ok(place) => self.write(json, Some(place)).await.map(|()| Kept::Written),
            Err(left_out) => Ok(Kept::LeftOut(left_out)),
        }
    }

    async fn write(&self, json: String, place: Option<Place>) -> Result<(), AuditError> {
        let (done, answer) = oneshot::channel();
        self.jobs.try_send(Job { json, place, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AuditError::Busy,
            mpsc::error::TrySendError::Closed(_) => AuditError::Closed,
        })?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }

    /// Fetches the key of the next month in time, and erases what is older than so many whole months before this one, as soon as
    /// it is sure that this one has begun. To be called now and then.
    ///
    /// # Errors
    /// The store of the keys failed, or that a month is erased could not be written down.
    pub async fn look_after_keys(&self, keep_months: Option<u16>) -> Result<(), AuditError> {
        let now = self.sealer.clock.now();
        let month = Month::of(now);
        self.sealer.keys.of(month).await?;
        let soon = Month::of(Timestamp::from_second(now.as_second().saturating_add(EARLY_SECONDS)).unwrap_or(now));
        if soon == month.next() {
            self.sealer.keys.ahead(soon).await?;
        }
        let Some(keep) = keep_months else { return Ok(()) };
        for old in self.sealer.keys.to_erase(month.before(keep), month).await? {
            if self.forget(old, ForgottenBy::KeepMonths).await? {
                tracing::warn!(
                    audit.month = %old,
                    "what the audit journal says of this month was erased: `[audit] keep_months`"
                );
            }
        }
        Ok(())
    }

    /// Erases a month for ever: writes down that it does, and deletes the key. Says whether there was one.
    ///
    /// # Errors
    /// It could not be written down, and nothing was erased; or the store of the keys failed.
    pub async fn forget(&self, month: Month, by: ForgottenBy) -> Result<bool, AuditError> {
        self.append(ForgottenRecord { at: self.sealer.clock.now(), forgot: month, by }).await?;
        self.sealer.keys.forget(month).await
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
    /// Compresses the segments before. It ends before the node is given back.
    packer: Packer,
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
        self.packer.closed_before(header.number);
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
