//! The journal: every decision, assertion and notable event, on disk before anybody acts on it. What lives here: the records,
//! the writer and the look-up by reference id. What must not: secrets, codes or XML (records have no field for them), and
//! deciding anything.
//!
//! One JSON object a line, one file per start of the process and 64 MiB, in `[audit] path`. The lines of a node are a chain
//! (`chain`), whose heads are signed (`head`); `verify` proves that nothing was changed or taken out.

mod chain;
mod head;
mod journal;
mod node;
mod record;
mod search;
mod segment;
#[cfg(test)]
mod tests;
pub mod verify;

pub use chain::{LineHash, Position};
pub use head::{Head, HeadKey, HeadKeyError, SignedHead};
pub use journal::{AuditError, Journal, find};
pub use node::NodeId;
pub use record::{
    AssertionRecord, AssertionStage, DecisionRecord, EventKind, EventRecord, LogoutKind, LogoutRecord, Record,
    SegmentRecord, StatusRecord,
};
pub use search::{Log, Search};
