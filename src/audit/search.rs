//! Reading a journal again: one decision by its reference, or all records that fit. What is damaged is left out and told, and does
//! not keep anybody from the rest; only the proof is strict.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::codec::Codec;
use super::formats::Formats;
use super::index::{Index, Word};
use super::journal::AuditError;
use super::keys::{LogKeys, Whos};
use super::line::{Clear, Line, RecordKind};
use super::lines::Lines;
use super::month::Month;
use super::record::{DecisionRecord, Record};
use super::segment;
use super::skipped::Skipped;
use crate::clock::Timestamp;
use crate::domain::{AppId, DecisionKind, ReferenceId, Username};

/// Why a line is damaged whose record does not open.
const CHANGED: &str = "it does not open with the key of its month: it was changed";
/// Why a line is damaged that holds its record in clear.
const IN_CLEAR: &str = "it is not sealed, and the lines before it are: it was added";

/// Which records to read. What is left out does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Made at this instant or later.
    pub since: Option<Timestamp>,
    /// Made before this instant.
    pub until: Option<Timestamp>,
    /// About this person.
    pub user: Option<Username>,
    /// About this app.
    pub app: Option<AppId>,
    /// Decisions with this outcome.
    pub outcome: Option<DecisionKind>,
    /// This decision, and what rests on it.
    pub reference: Option<ReferenceId>,
}

impl Search {
    /// Whether a record fits as far as its line tells in clear.
    fn takes(&self, clear: &Clear) -> bool {
        self.since.is_none_or(|since| clear.at >= since)
            && self.until.is_none_or(|until| clear.at < until)
            && self.app.as_ref().is_none_or(|app| clear.app.as_ref() == Some(app))
            && self.outcome.is_none_or(|outcome| clear.outcome == Some(outcome))
            && self.reference.as_ref().is_none_or(|reference| clear.reference.as_ref() == Some(reference))
    }
}

/// A record and what its line says in clear.
#[derive(Debug, Clone)]
pub struct Found {
    /// What the line says.
    pub clear: Clear,
    /// The record; `Err`: it cannot be read, because the key of its month is gone or not at hand.
    pub record: Result<Record, Month>,
}

/// A journal, to be read.
#[derive(Clone)]
pub struct Log {
    folders: Vec<PathBuf>,
    keys: Arc<LogKeys>,
    codec: Arc<Codec>,
    skipped: Arc<Mutex<Skipped>>,
    formats: Arc<Mutex<Formats>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("folders", &self.folders).field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Log {
    /// The journal in these folders, as far as `keys` open it.
    ///
    /// # Errors
    /// There is no memory for what expands it.
    pub fn open(folders: Vec<PathBuf>, keys: LogKeys) -> Result<Self, AuditError> {
        let (skipped, formats) = (Arc::default(), Arc::default());
        Ok(Self { folders, keys: Arc::new(keys), codec: Arc::new(Codec::new()?), skipped, formats })
    }

    /// The decision with this reference id. A line that passes for it and is damaged is told by [`Log::skipped`].
    ///
    /// # Errors
    /// The journal cannot be read; or the month it was made in was erased.
    pub fn find(&self, reference: &ReferenceId) -> Result<Option<DecisionRecord>, AuditError> {
        let search = Search { reference: Some(reference.clone()), ..Search::default() };
        let (mut found, mut gone) = (None, None);
        for path in self.segments()?.into_iter().rev().filter(|path| self.may_hold(path, &search, None)) {
            let flow = self.segment(&path, &search, &mut |line, _, place| {
                if line.clear.record != RecordKind::Decision {
                    return Ok(ControlFlow::Continue(()));
                }
                match line.open(&self.keys, &self.codec) {
                    Ok(Some(Record::Decision(decision))) => {
                        found = Some(*decision);
                        return Ok(ControlFlow::Break(()));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => self.damaged(&place.path, place.number, CHANGED.to_owned()),
                    Err(error) => gone = Some(error),
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if flow.is_break() {
                return Ok(found);
            }
        }
        gone.map_or(Ok(None), Err)
    }

    /// Hands every decision that fits to `each`, segment by segment, in the order they were written, until it says stop. What
    /// cannot be read is left out; [`Log::skipped`] counts it.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn decisions(
        &self,
        search: &Search,
        mut each: impl FnMut(DecisionRecord) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        self.read(search, Some(RecordKind::Decision), &mut |found| match found.record {
            Ok(Record::Decision(decision)) => each(*decision),
            _ => ControlFlow::Continue(()),
        })
    }

    /// Hands every record that fits to `each`, in the order they were written, until it says stop; also those that cannot be
    /// read for want of a key, with what their lines say in clear.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn records(&self, search: &Search, mut each: impl FnMut(Found) -> ControlFlow<()>) -> Result<(), AuditError> {
        self.read(search, None, &mut each)
    }

    /// What fitted and could not be read, in all that was read so far.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skip().clone()
    }

    fn skip(&self) -> MutexGuard<'_, Skipped> {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self, path: &Path, line: usize, why: String) {
        self.skip().add_damage(path, line, why);
    }

    /// The newest records that fit, oldest first, and how many fit in all. Only these are opened.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn newest(&self, search: &Search, limit: usize) -> Result<(Vec<Found>, u64), AuditError> {
        let before = self.skipped();
        let (newest, count) = self.newest_of(search, limit, |_| true)?;
        let is_all = usize::try_from(count).is_ok_and(|count| count <= limit);
        if is_all || newest.len() == limit && newest.iter().all(|found| found.record.is_ok()) {
            return Ok((newest, count));
        }
        // When a line was written it says itself, and nobody vouches for one that does not open: such a line takes no place that
        // another could have.
        *self.skip() = before;
        self.newest_of(search, limit, |line| matches!(line.open(&self.keys, &self.codec), Ok(Some(_))))
    }

    fn newest_of(
        &self,
        search: &Search,
        limit: usize,
        vouched: impl Fn(Line<'_>) -> bool,
    ) -> Result<(Vec<Found>, u64), AuditError> {
        let (mut newest, mut count) = (BTreeMap::new(), 0_u64);
        self.walk(search, None, &mut |line, bytes, place| {
            count += 1;
            let at = line.clear.at;
            newest.insert((vouched(line), at, count), (bytes.to_vec(), place.path.clone(), place.number));
            if newest.len() > limit {
                newest.pop_first();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut found = Vec::with_capacity(newest.len());
        for (bytes, path, number) in newest.into_values() {
            // It was read once already.
            let Ok(line) = Line::read(&bytes) else { continue };
            match self.found(line, &path, number)? {
                Some(one) => found.push(one),
                None => count -= 1,
            }
        }
        found.sort_by_key(|found| found.clear.at);
        Ok((found, count))
    }

    fn read(
        &self,
        search: &Search,
        kind: Option<RecordKind>,
        each: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        self.walk(search, kind, &mut |line, _, place| {
            let found = self.found(line, &place.path, place.number)?;
            Ok(found.map_or(ControlFlow::Continue(()), &mut *each))
        })
    }

    /// Hands every line that fits to `each`, with its bytes and place. What may fit and cannot be told is counted.
    pub(super) fn walk(
        &self,
        search: &Search,
        kind: Option<RecordKind>,
        each: &mut EachLine<'_>,
    ) -> Result<(), AuditError> {
        let who = search.user.as_ref().map(|user| (user, self.keys.who(user)));
        for path in self.segments()? {
            if !self.may_hold(&path, search, who.as_ref().map(|(_, who)| who)) {
                continue;
            }
            let flow = self.segment(&path, search, &mut |line, bytes, place| {
                if kind.is_some_and(|kind| line.clear.record != kind) {
                    return Ok(ControlFlow::Continue(()));
                }
                let fit = who.as_ref().map_or(Fit::Yes, |(user, who)| Fit::of(&line, user, who));
                match fit {
                    Fit::Yes => each(line, bytes, place),
                    Fit::No => Ok(ControlFlow::Continue(())),
                    Fit::Unknown => {
                        let _counted = self.found(line, &place.path, place.number)?;
                        Ok(ControlFlow::Continue(()))
                    }
                }
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Opens a line. What cannot be opened for want of a key is counted; what does not open with it was changed, and is told as
    /// that.
    pub(super) fn found(&self, line: Line<'_>, path: &Path, number: usize) -> Result<Option<Found>, AuditError> {
        let clear = line.clear.clone();
        let record = match line.open(&self.keys, &self.codec) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => {
                self.damaged(path, number, CHANGED.to_owned());
                return Ok(None);
            }
            Err(error) => Err(self.skip().add(error)?),
        };
        Ok(Some(Found { clear, record }))
    }

    /// The lines of one segment that fit as far as they tell in clear.
    fn segment(&self, path: &Path, search: &Search, each: &mut EachLine<'_>) -> Result<ControlFlow<()>, AuditError> {
        let (mut lines, mut bytes, mut in_clear) = (Lines::open(path)?, Vec::new(), None);
        loop {
            match lines.next(&mut bytes) {
                Ok(true) => {}
                Ok(false) => return Ok(ControlFlow::Continue(())),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let why = format!("the file can't be read from here on: {error}");
                    self.damaged(path, lines.number.saturating_add(1), why);
                    return Ok(ControlFlow::Continue(()));
                }
                Err(error) => return Err(AuditError::io(path, error)),
            }
            // Most lines are of other decisions, and need not even be parsed.
            if search.reference.as_ref().is_some_and(|reference| !holds(&bytes, reference.as_str().as_bytes())) {
                continue;
            }
            let line = match Line::read(&bytes) {
                Ok(line) => line,
                Err(error) => {
                    self.damaged(path, lines.number, format!("it is no record: {error}"));
                    continue;
                }
            };
            if line.clear.record == RecordKind::Segment {
                continue;
            }
            if line.record().is_some() && !*in_clear.get_or_insert_with(|| self.may_be_in_clear(path)) {
                self.damaged(path, lines.number, IN_CLEAR.to_owned());
                continue;
            }
            if search.takes(&line.clear) && each(line, &bytes, &lines)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn may_be_in_clear(&self, path: &Path) -> bool {
        let all = self.segments().unwrap_or_default();
        self.formats.lock().unwrap_or_else(PoisonError::into_inner).may_be_in_clear(path, &all)
    }

    /// Whether a segment has to be read, by its index.
    fn may_hold(&self, path: &Path, search: &Search, who: Option<&Whos>) -> bool {
        let Some(key) = self.keys.index().filter(|_| segment::is_packed(path)) else { return true };
        let Some(index) = Index::read(path, key) else { return true };
        let Some((first, last)) = index.first.zip(index.last) else { return false };
        let has = |word: Option<Word<'_>>| word.is_none_or(|word| index.may_hold(&word, key));
        let person = |user: &Username| {
            let of_key = |(month, id): &(Month, String)| match who.and_then(|who| who.get(*month, id)) {
                Some(who) => index.may_hold(&Word::Who(who), key),
                // Nobody can tell, so they are counted.
                None => true,
            };
            index.keys.iter().any(of_key) || index.may_hold(&Word::User(user.as_str()), key)
        };
        search.since.is_none_or(|since| last >= since)
            && search.until.is_none_or(|until| first < until)
            && has(search.reference.as_ref().map(|reference| Word::Reference(reference.as_str())))
            && has(search.app.as_ref().map(|app| Word::App(app.as_str())))
            && has(search.outcome.map(|outcome| Word::Outcome(outcome.code())))
            && search.user.as_ref().is_none_or(person)
    }

    /// The segments of all folders, oldest first. Before the first `serve` there is no folder.
    fn segments(&self) -> Result<Vec<PathBuf>, AuditError> {
        let mut all = Vec::new();
        for folder in &self.folders {
            // One that may not be looked into is no empty one.
            if !folder.try_exists().map_err(|error| AuditError::io(folder, error))? {
                continue;
            }
            all.extend(segment::list(folder)?);
        }
        all.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        Ok(all)
    }
}

/// What is done with a line, its bytes, and the place it is at.
pub(super) type EachLine<'a> = dyn FnMut(Line<'_>, &[u8], &Lines) -> Result<ControlFlow<()>, AuditError> + 'a;

/// Whether a line is about somebody.
enum Fit {
    Yes,
    No,
    /// The key of its month is gone.
    Unknown,
}

impl Fit {
    fn of(line: &Line<'_>, user: &Username, who: &Whos) -> Self {
        let is = |same| if same { Self::Yes } else { Self::No };
        match (line.clear.month.zip(line.clear.key.as_ref()), &line.clear.who) {
            (None, _) => is(line.record().and_then(Record::user) == Some(user)),
            (Some(_), None) => Self::No,
            (Some((month, key)), Some(hash)) => who.get(month, key).map_or(Self::Unknown, |who| is(who == hash)),
        }
    }
}

fn holds(line: &[u8], reference: &[u8]) -> bool {
    line.windows(reference.len()).any(|window| window == reference)
}
