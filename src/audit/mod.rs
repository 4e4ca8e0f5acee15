//! The journal: every decision, assertion and notable event, on disk before anybody acts on it. What lives here: the records,
//! the writer and the look-up by reference id. What must not: secrets, codes or XML (records have no field for them), and
//! deciding anything.
//!
//! One JSON object a line, one file per start of the process and 64 MiB, in `[audit] path`. What says who or where is sealed
//! with a key of the month (`line`, `keys`): deleting the key erases the month. The lines of a node are a chain (`chain`), whose
//! heads are signed (`head`); `verify` proves that nothing was changed or taken out, and needs no key of a month for it. Closed
//! files are compressed (`pack`) and indexed (`index`).

mod chain;
mod codec;
pub mod export;
mod formats;
mod head;
mod index;
mod issued;
mod journal;
mod keys;
mod line;
mod lines;
mod month;
mod node;
mod pack;
mod record;
mod search;
mod segment;
mod skipped;
mod strangers;
#[cfg(test)]
mod tests;
pub mod verify;

pub use chain::{LineHash, Position};
pub use head::{Head, HeadKey, HeadKeyError, SignedHead};
pub use issued::Issued;
pub use journal::{AuditError, Journal, Means};
pub use keys::{KeyStore, LogKeys};
pub use line::{Clear, RecordKind};
pub use month::Month;
pub use node::NodeId;
pub use record::{
    AssertionRecord, AssertionStage, DecisionRecord, EventKind, EventRecord, ForgottenBy, ForgottenRecord, LogoutKind,
    LogoutRecord, Record, SegmentRecord, StatusRecord, WouldTell,
};
pub use search::{Found, Log, Search};
pub use skipped::{Damage, Skipped};
pub use strangers::{Kept, LeftOut, Quota};
