//! What a closed segment holds, in short: a file beside it (`….index`) that tells a search which segments it need not read. It is
//! made again when it is missing, and believed only with the right MAC: whoever forges one hides nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use super::journal::AuditError;
use super::line::{Clear, Line, RecordKind};
use super::lines::Lines;
use super::month::Month;
use super::record::Record;
use super::segment;
use crate::clock::Timestamp;
use crate::config::owned;

/// How much of the keyed hash of a word is kept. Two words that look alike only make a segment be read for nothing.
const WORD_BYTES: usize = 4;
/// No index is longer.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// As many words fit in. No segment of ours comes near; one that was made to fill the memory gets no index.
const MOST_WORDS: usize = 2_000_000;
/// A segment seldom has more than two.
const MOST_KEYS: usize = 1_000;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    /// How long the compressed segment is.
    segment_bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// The keys that records are sealed with.
    keys: BTreeSet<(Month, String)>,
    /// The hashes of all words, sorted.
    words: String,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// When its first and last records were written; `None` where it has none.
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// The keys that its records are sealed with: month and id.
    pub(super) keys: BTreeSet<(Month, String)>,
    words: Vec<[u8; WORD_BYTES]>,
}

/// Something a record can be found by.
pub(super) enum Word<'a> {
    Reference(&'a str),
    App(&'a str),
    Outcome(&'a str),
    /// A person, as lines of a month name them.
    Who(&'a str),
    /// A person, in a record of before records were sealed.
    User(&'a str),
}

impl Word<'_> {
    fn hash(&self, key: &hmac::Key) -> [u8; WORD_BYTES] {
        let (kind, text) = match self {
            Self::Reference(text) => ("reference", text),
            Self::App(text) => ("app", text),
            Self::Outcome(text) => ("outcome", text),
            Self::Who(text) => ("who", text),
            Self::User(text) => ("user", text),
        };
        let tag = hmac::sign(key, format!("word\0{kind}\0{text}").as_bytes());
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl Index {
    /// Whether the segment may hold a record with this word.
    pub(super) fn may_hold(&self, word: &Word<'_>, key: &hmac::Key) -> bool {
        self.words.binary_search(&word.hash(key)).is_ok()
    }

    /// The index of a compressed segment; `None` when there is none to be believed.
    pub(super) fn read(segment: &Path, key: &hmac::Key) -> Option<Self> {
        let path = path(segment);
        if fs::metadata(&path).ok()?.len() > MOST_BYTES {
            return None;
        }
        let text = fs::read_to_string(path).ok()?;
        let (mac, json) = text.split_once('\n')?;
        hmac::verify(key, signed(segment, json)?.as_bytes(), &HEXLOWER.decode(mac.as_bytes()).ok()?).ok()?;
        let stored: Stored = serde_json::from_str(json).ok()?;
        if stored.segment_bytes != fs::metadata(segment).ok()?.len() {
            return None;
        }
        let words = BASE64.decode(stored.words.as_bytes()).ok()?;
        let (words, _) = words.as_chunks::<WORD_BYTES>();
        Some(Self { first: stored.first, last: stored.last, keys: stored.keys, words: words.to_vec() })
    }

    /// Reads a compressed segment and writes its index.
    pub(super) fn make(segment: &Path, key: &hmac::Key) -> Result<(), AuditError> {
        let failed = |error| AuditError::io(segment, error);
        let mut words = BTreeSet::new();
        let mut stored = Stored {
            segment_bytes: fs::metadata(segment).map_err(failed)?.len(),
            first: None,
            last: None,
            keys: BTreeSet::new(),
            words: String::new(),
        };
        let (mut lines, mut bytes) = (Lines::open(segment)?, Vec::new());
        while lines.next(&mut bytes).map_err(failed)? {
            // What is damaged has no place in an index; a search that reads the segment tells of it.
            let Ok(line) = Line::read(&bytes) else { return Ok(()) };
            if line.clear.record == RecordKind::Segment {
                continue;
            }
            stored.first = Some(stored.first.map_or(line.clear.at, |first| first.min(line.clear.at)));
            stored.last = Some(stored.last.map_or(line.clear.at, |last| last.max(line.clear.at)));
            stored.keys.extend(line.clear.month.zip(line.clear.key.clone()));
            words.extend(words_of(&line, key));
            if words.len() > MOST_WORDS || stored.keys.len() > MOST_KEYS {
                return Ok(());
            }
        }
        let words: Vec<u8> = words.into_iter().flatten().collect();
        stored.words = BASE64.encode(&words);
        let json = serde_json::to_string(&stored).map_err(AuditError::Encode)?;
        let mac = signed(segment, &json).map(|text| HEXLOWER.encode(hmac::sign(key, text.as_bytes()).as_ref()));
        let text = format!("{}\n{json}", mac.unwrap_or_default());
        write(&path(segment), text.as_bytes()).map_err(failed)
    }
}

fn words_of(line: &Line<'_>, key: &hmac::Key) -> Vec<[u8; WORD_BYTES]> {
    let Clear { reference, app, outcome, who, .. } = &line.clear;
    let old = line.record().and_then(Record::user);
    let words = [
        reference.as_ref().map(|reference| Word::Reference(reference.as_str())),
        app.as_ref().map(|app| Word::App(app.as_str())),
        outcome.map(|outcome| Word::Outcome(outcome.code())),
        who.as_ref().map(|who| Word::Who(who)),
        old.map(|user| Word::User(user.as_str())),
    ];
    words.into_iter().flatten().map(|word| word.hash(key)).collect()
}

/// What the MAC is of: an index beside another segment is none.
fn signed(segment: &Path, json: &str) -> Option<String> {
    Some(format!("index\0{}\0{json}", segment.file_name()?.to_str()?))
}

/// Where the index of a compressed segment is.
pub(super) fn path(segment: &Path) -> PathBuf {
    segment.with_extension("").with_extension("index")
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("index.part");
    segment::remove_if_there(&part)?;
    let mut file = owned::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}
