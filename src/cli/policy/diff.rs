//! `cedargate policy diff`: two sets of policies compared, in their words and in what they mean.

#[cfg(feature = "analyze")]
mod meaning;
mod names;
mod output;
mod text;
mod yardsticks;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use super::problems;
use super::prove::Effort;
use crate::cli::{EXIT_PROBLEMS, load_config, today};
use crate::runtime::Candidate;

/// The flags of `policy diff`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A folder of policies, or a revision of git.
    #[arg(value_name = "BEFORE")]
    before: String,

    /// Another one; the policies in force, unless told.
    #[arg(value_name = "AFTER")]
    after: Option<String>,

    #[command(flatten)]
    effort: Effort,

    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let loaded = load_config(config)?;
    let before = Candidate::read(&loaded, &args.before)?;
    let after = match &args.after {
        Some(name) => Candidate::read(&loaded, name)?,
        None => Candidate::current(&loaded)?,
    };
    let (old, new) = match (before.bundle(today()), after.bundle(today())) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(errors), _) | (_, Err(errors)) => return problems(&errors, args.json),
    };
    let words = Words {
        schema: text::schema(&before.sources.schema.text, &after.sources.schema.text),
        policies: text::changes(&old, &new),
        names: names::changes(&before, &after),
        networks: names::moved((&before, &old), (&after, &new)),
        yardsticks: yardsticks::changes(&before, &after),
    };
    let meaning = meaning(&before, &after, old.digest() == new.digest(), &args.effort)?;
    let out = &mut io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", output::json((&before.name, &after.name), &words, &meaning))?;
    } else {
        output::write(out, &words, &meaning)?;
    }
    Ok(if meaning.is_told() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

/// What differs in the words of the two.
struct Words {
    /// The lines of the schema that differ.
    schema: Vec<String>,
    policies: Vec<text::Change>,
    names: Vec<names::Name>,
    networks: Vec<names::Moved>,
    yardsticks: Vec<yardsticks::Measure>,
}

impl Words {
    fn is_any(&self) -> bool {
        let Self { schema, policies, names, networks: _, yardsticks } = self;
        !(schema.is_empty() && policies.is_empty() && names.is_empty() && yardsticks.is_empty())
    }
}

/// What the difference means for people.
enum Meaning {
    /// It was not looked at, and why.
    NotCompared(String),
    /// Files and names are the same.
    Same,
    /// This was found.
    #[cfg(feature = "analyze")]
    Compared(Vec<crate::policy::analysis::Difference>),
}

impl Meaning {
    /// Whether all that was looked for could be told.
    fn is_told(&self) -> bool {
        match self {
            Self::NotCompared(_) | Self::Same => true,
            #[cfg(feature = "analyze")]
            Self::Compared(differences) => differences.iter().all(|difference| difference.found.is_ok()),
        }
    }
}

#[cfg(feature = "analyze")]
fn meaning(before: &Candidate, after: &Candidate, same: bool, effort: &Effort) -> anyhow::Result<Meaning> {
    if same {
        return Ok(Meaning::Same);
    }
    // Both sides are read by one schema: what another put into other groups of actions would pass for no change.
    if before.sources.schema.text != after.sources.schema.text {
        let why = "the schemas differ, and what policies mean depends on that: see the schema above";
        return Ok(Meaning::NotCompared(why.to_owned()));
    }
    meaning::compare(before, after, effort)
}

#[cfg(not(feature = "analyze"))]
fn meaning(_before: &Candidate, _after: &Candidate, same: bool, _effort: &Effort) -> anyhow::Result<Meaning> {
    let why = "this build compares words alone: what they mean takes one with `--features analyze` (docs/proofs.md)";
    Ok(if same { Meaning::Same } else { Meaning::NotCompared(why.to_owned()) })
}
