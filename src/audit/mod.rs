//! The journal: every decision, assertion and notable event, on disk before anybody acts on it. What lives here: the records,
//! the writer and the look-up by reference id. What must not: secrets, codes or XML (records have no field for them), and
//! deciding anything.
//!
//! One JSON object a line, one file per start of the process and 64 MiB, in `[audit] path`.

mod journal;
mod record;
#[cfg(test)]
mod tests;

pub use journal::{AuditError, Journal, find};
pub use record::{AssertionRecord, AssertionStage, DecisionRecord, EventKind, EventRecord, Record};
