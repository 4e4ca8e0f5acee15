//! Compresses segments that are closed. The compressed file is read back and compared before the other one goes, and its name
//! shows only when it is whole: wherever the process is stopped, one of the two is there.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use aws_lc_rs::hmac;

use super::index::Index;
use super::lines::reader;
use super::node::NodeId;
use super::segment::{self, SegmentName, packed, remove_if_there};
use crate::config::owned;

/// As good as it gets without taking long.
const LEVEL: i32 = 6;
/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

/// The thread that does it.
pub(super) struct Packer {
    orders: Option<Sender<u64>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Packer {
    /// For the segments of one node in `folder`.
    pub(super) fn start(folder: &Path, node: &NodeId, index: hmac::Key) -> io::Result<Self> {
        let (orders, received) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work { folder: folder.to_owned(), node: node.clone(), index, stop: Arc::clone(&stop) };
        let thread = std::thread::Builder::new().name("audit-pack".to_owned()).spawn(move || work.run(&received))?;
        Ok(Self { orders: Some(orders), stop, thread: Some(thread) })
    }

    /// All segments before this one are closed.
    pub(super) fn closed_before(&self, number: u64) {
        if let Some(orders) = &self.orders {
            // A thread that has ended has told why.
            let _ = orders.send(number);
        }
    }
}

impl Drop for Packer {
    /// Waits: when the next process takes the node's id, nobody else may be at its segments.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic was told by the panic hook, and costs no more than some room on the disk.
            let _ = thread.join();
        }
    }
}

struct Work {
    folder: PathBuf,
    node: NodeId,
    index: hmac::Key,
    stop: Arc<AtomicBool>,
}

impl Work {
    fn run(&self, orders: &Receiver<u64>) {
        while let Ok(number) = orders.recv() {
            // A folder that is away is told by the records that cannot be written.
            for path in self.closed(number).unwrap_or_default() {
                if self.stop.load(Ordering::SeqCst) {
                    return;
                }
                if let Err(error) = self.look_after(&path) {
                    tracing::warn!(path = %path.display(), error = %error, "a segment of the audit journal can't be compressed");
                }
            }
        }
    }

    fn closed(&self, number: u64) -> Result<Vec<PathBuf>, super::AuditError> {
        let own = |path: &PathBuf| {
            SegmentName::parse(path).is_some_and(|name| name.node == self.node && name.number < number)
        };
        Ok(segment::list(&self.folder)?.into_iter().filter(own).collect())
    }

    fn look_after(&self, path: &Path) -> Result<(), super::AuditError> {
        let path = if segment::is_packed(path) {
            path.to_owned()
        } else {
            let done = pack(path, &self.stop).map_err(|error| super::AuditError::io(path, error))?;
            if done == Packed::Stopped {
                return Ok(());
            }
            packed(path)
        };
        if Index::read(&path, &self.index).is_none() { Index::make(&path, &self.index) } else { Ok(()) }
    }
}

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    /// It is compressed.
    Done,
    /// It is as it was.
    Stopped,
}

/// Compresses one segment. What was begun and can't be ended is removed: the room is for records, the more so on a full disk.
pub(super) fn pack(path: &Path, stop: &AtomicBool) -> io::Result<Packed> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    // Read back as it will be read, under a name that says how.
    let (part, proof) = (beside(".part"), beside(".part.zst"));
    let done = pack_by(path, &part, &proof, stop);
    if done.is_err() {
        // The error that counts is the first one.
        let _ = remove_if_there(&part);
        let _ = remove_if_there(&proof);
    }
    done
}

fn pack_by(path: &Path, part: &Path, proof: &Path, stop: &AtomicBool) -> io::Result<Packed> {
    let whole = packed(path);
    remove_if_there(part)?;
    remove_if_there(proof)?;
    let mut encoder = zstd::stream::write::Encoder::new(owned::create(part)?, LEVEL)?;
    encoder.include_checksum(true)?;
    let (mut from, mut bytes) = (File::open(path)?, vec![0; CHUNK]);
    loop {
        if stop.load(Ordering::SeqCst) {
            remove_if_there(part)?;
            return Ok(Packed::Stopped);
        }
        match from.read(&mut bytes)? {
            0 => break,
            read => encoder.write_all(bytes.get(..read).unwrap_or_default())?,
        }
    }
    encoder.finish()?.sync_all()?;
    fs::rename(part, proof)?;
    if !same(&mut *reader(proof)?, &mut *reader(path)?)? {
        return Err(io::Error::other("what was compressed does not read back the same"));
    }
    fs::rename(proof, &whole)?;
    let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
    folder.sync_all()?;
    fs::remove_file(path)?;
    folder.sync_all()?;
    Ok(Packed::Done)
}

/// Whether two files hold the same bytes.
fn same(a: &mut dyn BufRead, b: &mut dyn BufRead) -> io::Result<bool> {
    loop {
        let (one, other) = (a.fill_buf()?, b.fill_buf()?);
        let length = one.len().min(other.len());
        if length == 0 {
            return Ok(one.len() == other.len());
        }
        if one.get(..length) != other.get(..length) {
            return Ok(false);
        }
        a.consume(length);
        b.consume(length);
    }
}
