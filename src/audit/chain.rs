//! How lines hang together: each says its number and the hash of the line before it, so that none can be changed, taken out,
//! moved or added without breaking the next.
//!
//! A line as written is `{"seq":12,"prev":"<sha-256 of line 11>", …the record…}`; the hash is taken over its bytes without the
//! line's end.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::journal::AuditError;
use super::record::Record;

/// SHA-256 of a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// What the first line of a chain names as the one before it.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of a line, given without its end.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, line).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// Reads 64 lowercase hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for LineHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl std::fmt::Debug for LineHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for LineHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a hash is 64 hexadecimal digits")
    }
}

impl From<LineHash> for String {
    fn from(hash: LineHash) -> Self {
        hash.to_string()
    }
}

/// A place in a chain: a line's number and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The number of the line; the first of a node is 0.
    pub seq: u64,
    /// Its hash.
    pub hash: LineHash,
}

/// What every line says of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) prev: LineHash,
}

impl Link {
    /// The link that follows `last`, or the first one.
    pub(super) fn after(last: Option<Position>) -> Self {
        last.map_or(Self { seq: 0, prev: LineHash::NONE }, |last| Self {
            seq: last.seq.saturating_add(1),
            prev: last.hash,
        })
    }
}

/// Appends records to a chain, in memory.
#[derive(Debug)]
pub(super) struct Chainer {
    last: Option<Position>,
    /// The lines so far, each with its end.
    pub(super) bytes: Vec<u8>,
}

impl Chainer {
    pub(super) fn after(last: Option<Position>) -> Self {
        Self { last, bytes: Vec::new() }
    }

    /// Adds one record, given as [`to_json`] writes it, and says where the chain is then.
    pub(super) fn push(&mut self, json: &str) -> Position {
        let Link { seq, prev } = Link::after(self.last);
        // INVARIANT: a record is a JSON object with at least its tag, so there is something after the comma.
        let rest = json.strip_prefix('{').unwrap_or(json);
        let line = format!("{{\"seq\":{seq},\"prev\":\"{prev}\",{rest}");
        let position = Position { seq, hash: LineHash::of(line.as_bytes()) };
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.push(b'\n');
        self.last = Some(position);
        position
    }
}

/// A record as JSON on one line.
pub(super) fn to_json(record: &Record) -> Result<String, AuditError> {
    Ok(escaped(&serde_json::to_string(record).map_err(AuditError::Encode)?))
}

/// JSON on one line. JSON escapes control characters below U+0020; here the others and those that reorder or break lines are
/// escaped too. They can only stand inside strings, where the escape means the same.
pub(super) fn escaped(json: &str) -> String {
    use std::fmt::Write as _;
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            // INVARIANT: writing into a String does not fail, and each of these is one UTF-16 unit.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line
}
