//! A line as it is written: what can be searched for stands in it in clear, everything else is sealed with the key of the month.
//!
//! `{"seq":…,"prev":…,"record":…,"at":…,…,"month":"2026-11","key":…,"sealed":"<base64>"}`. What is sealed is the whole record, bound to
//! the clear part of its line (all from `"record"` to before `,"sealed"`), so that neither can be changed or exchanged. Lines of
//! format 1 have no `sealed`; they are the record.

use std::ops::Range;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::chain::escaped;
use super::codec::Codec;
use super::journal::AuditError;
use super::keys::{LogKeys, MonthKey};
use super::month::Month;
use super::record::Record;
use crate::clock::{Entropy, Timestamp};
use crate::domain::{AppId, DecisionKind, PolicyId, ReferenceId, Step};

/// What stands between the clear part and the sealed one. No string in JSON holds a quote as it is.
const SEALED: &[u8] = b",\"sealed\":\"";
const RECORD: &[u8] = b"\"record\":";

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// The beginning of a segment.
    Segment,
    /// A decision.
    Decision,
    /// A signed assertion.
    Assertion,
    /// A signed refusal.
    Status,
    /// A logout message.
    Logout,
    /// An event.
    Event,
    /// A month that is forgotten.
    Forgotten,
}

impl RecordKind {
    /// The word in lines of the journal.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Decision => "decision",
            Self::Assertion => "assertion",
            Self::Status => "status",
            Self::Logout => "logout",
            Self::Event => "event",
            Self::Forgotten => "forgotten",
        }
    }
}

/// What a line says in clear: nothing that tells who it is about or where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clear {
    /// What it is.
    pub record: RecordKind,
    /// When.
    pub at: Timestamp,
    /// Of the decision it is, or rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceId>,
    /// The app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppId>,
    /// What was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<DecisionKind>,
    /// The policies it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<PolicyId>,
    /// The policy set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
    /// The month that is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgot: Option<Month>,
    /// Stands for the person, by a hash under the key of the month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Whose key it is sealed with; `None` in format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<Month>,
    /// Which key of that month: accounts that came from a backup may have made another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Clear {
    /// What is said in clear of a record, but for the person and the month.
    pub(super) fn of(record: &Record) -> Self {
        let bare = |kind, at| Self {
            record: kind,
            at,
            reference: None,
            app: None,
            step: None,
            outcome: None,
            by: Vec::new(),
            policy_digest: None,
            forgot: None,
            who: None,
            month: None,
            key: None,
        };
        match record {
            Record::Segment(segment) => bare(RecordKind::Segment, segment.at),
            Record::Decision(decision) => Self {
                reference: Some(decision.reference.clone()),
                app: Some(decision.app.clone()),
                step: Some(decision.step),
                outcome: Some(decision.decision.kind()),
                by: decision.determining.iter().map(|policy| policy.id.clone()).collect(),
                policy_digest: Some(decision.policy_digest.clone()),
                ..bare(RecordKind::Decision, decision.at)
            },
            Record::Assertion(assertion) => Self {
                reference: Some(assertion.decision.clone()),
                app: Some(assertion.app.clone()),
                policy_digest: Some(assertion.policy_digest.clone()),
                ..bare(RecordKind::Assertion, assertion.at)
            },
            Record::Status(status) => Self {
                reference: status.decision.clone(),
                app: Some(status.app.clone()),
                ..bare(RecordKind::Status, status.at)
            },
            Record::Logout(logout) => Self { app: Some(logout.app.clone()), ..bare(RecordKind::Logout, logout.at) },
            Record::Event(event) => bare(RecordKind::Event, event.at),
            Record::Forgotten(forgotten) => {
                Self { forgot: Some(forgotten.forgot), ..bare(RecordKind::Forgotten, forgotten.at) }
            }
        }
    }
}

/// A record as the chain takes it: its clear part and the whole of it sealed.
pub(super) fn seal(
    record: &Record,
    month: Month,
    key: &MonthKey,
    codec: &Codec,
    entropy: &dyn Entropy,
) -> Result<String, AuditError> {
    let who = record.user().map(|user| key.who(user));
    let clear = Clear { who, month: Some(month), key: Some(key.id.clone()), ..Clear::of(record) };
    let mut line = escaped(&serde_json::to_string(&clear).map_err(AuditError::Encode)?);
    line.pop();
    // INVARIANT: what the reader takes for the clear part is what is bound here: all behind the brace.
    let bound = line.strip_prefix('{').unwrap_or_default();
    let nonce: [u8; NONCE_LEN] = entropy.bytes()?;
    let mut sealed = codec.pack(record)?;
    key.seal
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound.as_bytes()), &mut sealed)
        .map_err(|_| AuditError::Seal)?;
    let mut bytes = Vec::with_capacity(NONCE_LEN + sealed.len());
    bytes.extend_from_slice(&nonce);
    bytes.append(&mut sealed);
    line.push_str(",\"sealed\":\"");
    BASE64.encode_append(&bytes, &mut line);
    line.push_str("\"}");
    Ok(line)
}

/// A line that was read, and not opened yet.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) clear: Clear,
    /// What is bound to the sealed part, and that.
    sealed: Option<(&'a [u8], &'a [u8])>,
    /// Of format 1: the record itself.
    record: Option<Record>,
}

impl<'a> Line<'a> {
    /// Reads a line, given without its end.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        match sealed_part(line) {
            Some((bound, sealed)) => {
                let parts = (line.get(bound.clone()).unwrap_or_default(), line.get(sealed).unwrap_or_default());
                Ok(Self { clear: serde_json::from_slice(line)?, sealed: Some(parts), record: None })
            }
            None => {
                let record: Record = serde_json::from_slice(line)?;
                Ok(Self { clear: Clear::of(&record), sealed: None, record: Some(record) })
            }
        }
    }

    /// The record, where the line holds it in clear.
    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// The whole record. `None`: the line does not open, so it was changed.
    ///
    /// # Errors
    /// The key of its month is gone, or not at hand.
    pub(super) fn open(self, keys: &LogKeys, codec: &Codec) -> Result<Option<Record>, AuditError> {
        let Some((bound, sealed)) = self.sealed else { return Ok(self.record) };
        let (Some(month), Some(id)) = (self.clear.month, &self.clear.key) else { return Ok(None) };
        let key = keys.key(month, id)?;
        // What was put before the bound part would pass for it.
        if clear_of(bound).as_ref() != Some(&self.clear) {
            return Ok(None);
        }
        Ok(opened(bound, sealed, key).and_then(|packed| codec.unpack(&packed)))
    }
}

/// What the bound part of a line says.
fn clear_of(bound: &[u8]) -> Option<Clear> {
    serde_json::from_slice(&[b"{", bound, b"}"].concat()).ok()
}

fn opened(bound: &[u8], sealed: &[u8], key: &MonthKey) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(sealed).ok()?;
    let (nonce, body) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.seal.open_in_place(nonce, Aad::from(bound), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

/// Where the clear part and the sealed part of a line are.
fn sealed_part(line: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let sealed = find(line, SEALED)?;
    // Number and hash of the chain stand before the record.
    let record = find(line, RECORD)?;
    let end = line.strip_suffix(b"\"}")?.len();
    let begin = sealed.checked_add(SEALED.len()).filter(|begin| *begin <= end)?;
    (record < sealed).then_some((record..sealed, begin..end))
}

fn find(line: &[u8], what: &[u8]) -> Option<usize> {
    line.windows(what.len()).position(|window| window == what)
}
