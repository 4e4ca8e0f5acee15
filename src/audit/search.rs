//! Reading a journal again: one decision by its reference, or all records that fit.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::codec::Codec;
use super::index::{Index, Word};
use super::journal::AuditError;
use super::keys::{LogKeys, Whos};
use super::line::{Clear, Line, RecordKind};
use super::lines::Lines;
use super::month::Month;
use super::record::{DecisionRecord, Record};
use super::segment;
use crate::clock::Timestamp;
use crate::domain::{AppId, DecisionKind, ReferenceId, Username};

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

/// What fitted, as far as one can tell, and could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    /// How many records of months whose key was deleted.
    pub erased: BTreeMap<Month, u64>,
    /// How many records of months whose key is not at hand, and why.
    pub no_key: BTreeMap<Month, (u64, String)>,
}

impl Skipped {
    /// Whether nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.erased.is_empty() && self.no_key.is_empty()
    }

    /// What to tell people, a line for each month.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let records = |count: &u64| if *count == 1 { "1 record".to_owned() } else { format!("{count} records") };
        let erased = self.erased.iter();
        let erased = erased.map(move |(month, count)| format!("{} of {month}, which was erased", records(count)));
        let no_key = self.no_key.iter();
        let no_key =
            no_key.map(move |(month, (count, why))| format!("{} of {month} can't be read here: {why}", records(count)));
        erased.chain(no_key)
    }

    /// How many of months that were erased, and of months whose key is not at hand.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.erased.values().sum(), self.no_key.values().map(|(count, _)| count).sum())
    }

    fn count(&mut self, error: AuditError) -> Result<Month, AuditError> {
        match error {
            AuditError::Erased { month, .. } => {
                *self.erased.entry(month).or_default() += 1;
                Ok(month)
            }
            AuditError::NoKey { month, why } => {
                self.no_key.entry(month).or_insert((0, why)).0 += 1;
                Ok(month)
            }
            error => Err(error),
        }
    }
}

/// A journal, to be read.
#[derive(Clone)]
pub struct Log {
    folders: Vec<PathBuf>,
    keys: Arc<LogKeys>,
    codec: Arc<Codec>,
    skipped: Arc<Mutex<Skipped>>,
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
        Ok(Self { folders, keys: Arc::new(keys), codec: Arc::new(Codec::new()?), skipped: Arc::default() })
    }

    /// The decision with this reference id.
    ///
    /// # Errors
    /// The journal cannot be read; the line with this id is damaged; or the month it was made in was erased.
    pub fn find(&self, reference: &ReferenceId) -> Result<Option<DecisionRecord>, AuditError> {
        let search = Search { reference: Some(reference.clone()), ..Search::default() };
        for path in self.segments()?.into_iter().rev().filter(|path| self.may_hold(path, &search, None)) {
            let (mut found, mut gone) = (None, None);
            let _ = self.segment(&path, &search, &mut |line, _, place| {
                if line.clear.record == RecordKind::Decision {
                    match self.opened(line, &place.path, place.number) {
                        Ok(Record::Decision(decision)) => found = Some(*decision),
                        Ok(_) => return Ok(ControlFlow::Continue(())),
                        Err(error) => gone = Some(error),
                    }
                    return Ok(ControlFlow::Break(()));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            match (found, gone) {
                (_, Some(error)) => return Err(error),
                (Some(decision), None) => return Ok(Some(decision)),
                (None, None) => {}
            }
        }
        Ok(None)
    }

    /// Hands every decision that fits to `each`, segment by segment, in the order they were written, until it says stop. What
    /// cannot be read because its month was erased is left out; [`Log::skipped`] counts it.
    ///
    /// # Errors
    /// The journal cannot be read, or a line is damaged.
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
    /// read, with what their lines say in clear.
    ///
    /// # Errors
    /// The journal cannot be read, or a line is damaged.
    pub fn records(&self, search: &Search, mut each: impl FnMut(Found) -> ControlFlow<()>) -> Result<(), AuditError> {
        self.read(search, None, &mut each)
    }

    /// What fitted and could not be read, in all that was read so far.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest records that fit, oldest first, and how many fit in all. Only these are opened.
    ///
    /// # Errors
    /// The journal cannot be read, or a line is damaged.
    pub fn newest(&self, search: &Search, limit: usize) -> Result<(Vec<Found>, u64), AuditError> {
        let (mut newest, mut count) = (BTreeMap::new(), 0_u64);
        self.walk(search, None, &mut |line, bytes, place| {
            count += 1;
            newest.insert((line.clear.at, count), (bytes.to_vec(), place.path.clone(), place.number));
            if newest.len() > limit {
                newest.pop_first();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut found = Vec::with_capacity(newest.len());
        for (bytes, path, number) in newest.into_values() {
            let line = Line::read(&bytes).map_err(|source| damaged(&path, number, source))?;
            found.push(self.found(line, &path, number)?);
        }
        Ok((found, count))
    }

    fn read(
        &self,
        search: &Search,
        kind: Option<RecordKind>,
        each: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        self.walk(search, kind, &mut |line, _, place| Ok(each(self.found(line, &place.path, place.number)?)))
    }

    /// Hands every line that fits to `each`, with its bytes and place. What may fit and cannot be told is counted.
    fn walk(&self, search: &Search, kind: Option<RecordKind>, each: &mut EachLine<'_>) -> Result<(), AuditError> {
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
                        self.found(line, &place.path, place.number)?;
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

    /// Opens a line; one that cannot be opened for want of a key is counted.
    fn found(&self, line: Line<'_>, path: &Path, number: usize) -> Result<Found, AuditError> {
        let clear = line.clear.clone();
        let record = match self.opened(line, path, number) {
            Ok(record) => Ok(record),
            Err(error) => Err(self.skipped.lock().unwrap_or_else(PoisonError::into_inner).count(error)?),
        };
        Ok(Found { clear, record })
    }

    /// The lines of one segment that fit as far as they tell in clear.
    fn segment(&self, path: &Path, search: &Search, each: &mut EachLine<'_>) -> Result<ControlFlow<()>, AuditError> {
        let (mut lines, mut bytes) = (Lines::open(path)?, Vec::new());
        while lines.next(&mut bytes).map_err(|error| AuditError::io(path, error))? {
            // Most lines are of other decisions, and need not even be parsed.
            if search.reference.as_ref().is_some_and(|reference| !holds(&bytes, reference.as_str().as_bytes())) {
                continue;
            }
            let line = Line::read(&bytes).map_err(|source| damaged(path, lines.number, source))?;
            let fits = line.clear.record != RecordKind::Segment && search.takes(&line.clear);
            if fits && each(line, &bytes, &lines)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn opened(&self, line: Line<'_>, path: &Path, number: usize) -> Result<Record, AuditError> {
        line.open(&self.keys, &self.codec)?
            .ok_or_else(|| AuditError::Broken { path: path.display().to_string(), line: number })
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
        for folder in self.folders.iter().filter(|folder| folder.exists()) {
            all.extend(segment::list(folder)?);
        }
        all.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        Ok(all)
    }
}

/// What is done with a line, its bytes, and the place it is at.
type EachLine<'a> = dyn FnMut(Line<'_>, &[u8], &Lines) -> Result<ControlFlow<()>, AuditError> + 'a;

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

fn damaged(path: &Path, line: usize, source: serde_json::Error) -> AuditError {
    AuditError::Damaged { path: path.display().to_string(), line, source }
}

fn holds(line: &[u8], reference: &[u8]) -> bool {
    line.windows(reference.len()).any(|window| window == reference)
}
