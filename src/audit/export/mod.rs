//! Records as other systems take them. Masking is done here, on the way out: in the journal everything is as it was, or it could
//! not be explained and replayed.

mod mask;
pub mod ocsf;
#[cfg(test)]
mod tests;

pub use mask::Mask;

use super::chain::to_json;
use super::journal::AuditError;
use super::record::Record;

/// A record on one line of JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn json(record: &Record) -> Result<String, AuditError> {
    to_json(record)
}
