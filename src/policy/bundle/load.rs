//! From files to a set that is ready to decide: on all cores, and only as much as has changed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use cedar_policy::Validator;
use jiff::civil::Date;

use super::index::Index;
use super::limits::{self, STACK_BYTES};
use super::pieces::pieces;
use super::read::{self, Piece, Read, Reader};
use super::{Bundle, PolicySources, SourceFile, Standing, Stored, fingerprint, probe};
use crate::policy::errors::{BundleError, BundleErrors, Rule};
use crate::policy::pilot;
use crate::policy::planner::worst_case;
use crate::policy::request::Names;
use crate::policy::vocabulary::Vocabulary;

/// Fewer policies than this are read faster than a thread starts.
const LEAST_PER_THREAD: usize = 64;

impl Bundle {
    /// Reads and checks a set. `today` tells which permits have expired already; those that expire later are left out of the
    /// questions of that day and after.
    ///
    /// # Errors
    /// Anything is wrong with it; all problems are told at once.
    pub fn parse(sources: &PolicySources, vocabulary: Vocabulary, today: Date) -> Result<Self, BundleErrors> {
        Load { sources, vocabulary, today, previous: None, threads: cores() }.on_a_deep_stack()
    }

    /// [`Bundle::parse`] while `previous` decides: where the schema and the names are the same, a policy that stands in it word
    /// for word was checked already. Half of the cores go on answering.
    ///
    /// # Errors
    /// As [`Bundle::parse`].
    pub fn parse_again(
        sources: &PolicySources,
        vocabulary: Vocabulary,
        today: Date,
        previous: &Self,
    ) -> Result<Self, BundleErrors> {
        Load { sources, vocabulary, today, previous: Some(previous), threads: cores() / 2 }.on_a_deep_stack()
    }

    /// Makes checked policies ready to decide.
    pub(super) fn of(common: Common, digest: String, policies: Vec<Stored>) -> Self {
        let in_trial = trial_policies(&policies);
        let trial = in_trial.map(|policies| Box::new(Self::assemble(common.clone(), digest.clone(), policies)));
        Self { trial, ..Self::assemble(common, digest, policies) }
    }

    /// Sorts checked policies by what they are asked about.
    fn assemble(common: Common, digest: String, policies: Vec<Stored>) -> Self {
        let Common { vocabulary, schema, validator, names } = common;
        let index = Index::new(&policies, &names);
        Self { vocabulary, digest, schema, validator, names, policies, index, trial: None }
    }
}

/// The policies as they would stand with those on trial in force, each at the same place; `None` when none is on trial.
fn trial_policies(policies: &[Stored]) -> Option<Vec<Stored>> {
    let on_trial = policies.iter().any(|stored| stored.standing == Standing::Shadow);
    on_trial.then(|| {
        let enforced = |stored: &Stored| {
            let is_inert = stored.standing == Standing::Expired;
            Stored { standing: if is_inert { Standing::Expired } else { Standing::InForce }, ..stored.clone() }
        };
        policies.iter().map(enforced).collect()
    })
}

/// What a set takes from its schema and the names of config.toml, whatever its policies say.
#[derive(Clone)]
pub(super) struct Common {
    vocabulary: Vocabulary,
    schema: Arc<str>,
    validator: Arc<Validator>,
    names: Arc<Names>,
}

impl Common {
    fn read(file: &SourceFile, vocabulary: Vocabulary) -> Result<Self, BundleErrors> {
        let at_schema =
            |message: String| BundleErrors::new(vec![BundleError::new(Rule::Schema, file, (0, 0), message)]);
        let schema = read::schema(file)?;
        let names = Names::new(&schema, &vocabulary).map_err(|error| at_schema(error.to_string()))?;
        probe::probe(&names, &vocabulary, &schema).map_err(|error| {
            at_schema(format!("the schema does not fit what cedargate tells policies: {}", read::whole(&error)))
        })?;
        let (text, validator) = (Arc::from(file.text.as_str()), Arc::new(Validator::new(schema)));
        Ok(Self { vocabulary, schema: text, validator, names: Arc::new(names) })
    }

    /// That of a set which has the same.
    fn of(bundle: &Bundle) -> Self {
        Self {
            vocabulary: bundle.vocabulary.clone(),
            schema: Arc::clone(&bundle.schema),
            validator: Arc::clone(&bundle.validator),
            names: Arc::clone(&bundle.names),
        }
    }
}

/// A set that is to be loaded.
struct Load<'a> {
    sources: &'a PolicySources,
    vocabulary: Vocabulary,
    today: Date,
    /// The set that decides meanwhile.
    previous: Option<&'a Bundle>,
    threads: usize,
}

impl Load<'_> {
    fn on_a_deep_stack(self) -> Result<Bundle, BundleErrors> {
        let schema = &self.sources.schema;
        limits::on_a_deep_stack(|| self.run()).unwrap_or_else(|error| {
            let message = format!("there is no thread to read policies on: {error}");
            Err(BundleErrors::new(vec![BundleError::new(Rule::Schema, schema, (0, 0), message)]))
        })
    }

    fn run(self) -> Result<Bundle, BundleErrors> {
        let Self { sources, vocabulary, today, previous, threads } = self;
        let alike = |previous: &&Bundle| *previous.schema == *sources.schema.text && previous.vocabulary == vocabulary;
        let previous = previous.filter(alike);
        let common = match previous {
            Some(previous) => Common::of(previous),
            None => Common::read(&sources.schema, vocabulary)?,
        };
        let mut files: Vec<&SourceFile> = sources.policies.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let pieces = all_pieces(&files, &sources.schema)?;
        let reader = Reader { files: &files, validator: &common.validator, vocabulary: &common.vocabulary, today };
        let (policies, mut problems) = policies(&reader, &pieces, previous, threads);
        problems.extend(repeated(&files, &policies));
        // Where a policy is wrong, nobody can say what it would have read.
        let all_read = problems.iter().all(|problem| problem.rule == Rule::Duplicate);
        if let Some((message, help)) =
            pilot::refuse(&common.vocabulary, &common.names, &policies).err().filter(|_| all_read)
        {
            problems.push(BundleError::new(Rule::Pilot, &sources.schema, (0, 0), message).with_help(help));
        }
        if !problems.is_empty() {
            return Err(BundleErrors::new(problems));
        }
        worst_case::refuse(&common.vocabulary, &common.names, &policies).map_err(|(place, message)| {
            let worst = policies.get(place);
            let file = worst.and_then(|stored| files.get(stored.file)).map_or(&sources.schema, |file| *file);
            let span = worst.map_or((0, 0), |stored| stored.span);
            BundleErrors::new(vec![BundleError::new(Rule::Search, file, span, message).with_help(worst_case::HELP)])
        })?;
        let digest = fingerprint(&sources.schema, &files, &common.vocabulary, &policies);
        Ok(Bundle::of(common, digest, policies))
    }
}

/// Where the policies stand, in the order of files, if there are no more than may be read.
fn all_pieces(files: &[&SourceFile], schema: &SourceFile) -> Result<Vec<Piece>, BundleErrors> {
    let too_much: Vec<BundleError> = files.iter().filter_map(|file| limits::refuse(file)).collect();
    if !too_much.is_empty() {
        return Err(BundleErrors::new(too_much));
    }
    let spans = files.iter().enumerate().flat_map(|(file, source)| {
        pieces(&source.text).into_iter().map(move |(start, end)| (file, (start, end - start)))
    });
    let pieces: Vec<Piece> = spans.enumerate().map(|(place, (file, span))| Piece { file, span, place }).collect();
    if pieces.len() > limits::MOST_POLICIES {
        let message = format!("{} policies are more than {} in one set", pieces.len(), limits::MOST_POLICIES);
        return Err(BundleErrors::new(vec![BundleError::new(Rule::Syntax, schema, (0, 0), message)]));
    }
    Ok(pieces)
}

/// All policies that are right, in the order of files, and all that is wrong with the others.
fn policies(
    reader: &Reader<'_>,
    pieces: &[Piece],
    previous: Option<&Bundle>,
    threads: usize,
) -> (Vec<Stored>, Vec<BundleError>) {
    let known: HashMap<&str, &Stored> =
        previous.into_iter().flat_map(|bundle| &bundle.policies).map(|stored| (stored.text(), stored)).collect();
    let (mut policies, mut unknown) = (Vec::with_capacity(pieces.len()), Vec::new());
    for piece in pieces {
        let stored = reader.text(piece).and_then(|text| known.get(text));
        policies.push(stored.map(|stored| Stored {
            standing: Standing::of(&stored.notes, reader.today),
            file: piece.file,
            span: piece.span,
            ..Stored::clone(stored)
        }));
        if stored.is_none() {
            unknown.push(*piece);
        }
    }
    let (mut problems, mut no_cedar) = (Vec::new(), Vec::new());
    for (piece, read) in unknown.iter().zip(on_cores(reader, &unknown, threads)) {
        match read {
            Read::Good(stored) => {
                if let Some(empty) = policies.get_mut(piece.place) {
                    *empty = Some(*stored);
                }
            }
            Read::Wrong(wrong) => problems.extend(wrong),
            Read::NoCedar(wrong) => no_cedar.push((piece.file, wrong)),
        }
    }
    // Of a file that is no Cedar, what the parser says of it as a whole.
    while let Some((index, wrong)) = no_cedar.pop() {
        let whole = reader.files.get(index).map(|file| read::syntax(file)).unwrap_or_default();
        problems.extend(if whole.is_empty() { wrong } else { whole });
        no_cedar.retain(|(other, _)| *other != index);
    }
    (policies.into_iter().flatten().collect(), problems)
}

/// Reads policies in as many threads as pay off; the results stand in their order.
fn on_cores(reader: &Reader<'_>, unknown: &[Piece], threads: usize) -> Vec<Read> {
    let threads = threads.clamp(1, unknown.len() / LEAST_PER_THREAD + 1);
    let mut parts = unknown.chunks(unknown.len().div_ceil(threads).max(1));
    let Some(first) = parts.next() else { return Vec::new() };
    thread::scope(|scope| {
        let start = |part| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || reader.all(part));
        let others: Vec<_> = parts.map(|part| (part, start(part))).collect();
        let mut all = reader.all(first);
        for (part, started) in others {
            match started.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(read)) => all.extend(read),
                // No thread could be had, or it broke: then here, where what breaks is seen.
                Ok(Err(_)) | Err(_) => all.extend(reader.all(part)),
            }
        }
        all
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Those whose `@id` stood before.
fn repeated(files: &[&SourceFile], policies: &[Stored]) -> Vec<BundleError> {
    let place = |stored: &Stored| Some((*files.get(stored.file)?, stored.span));
    let mut first = HashMap::new();
    let mut told = Vec::new();
    for stored in policies {
        let id = &stored.notes.enforced.id;
        match first.entry(id) {
            Entry::Vacant(free) => drop(free.insert(stored)),
            Entry::Occupied(taken) => {
                let places = place(stored).zip(place(taken.get()));
                told.extend(places.map(|(again, first)| BundleError::repeated("policy", id.as_str(), again, first)));
            }
        }
    }
    told
}
