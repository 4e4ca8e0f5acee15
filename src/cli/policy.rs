//! `cedargate policy …`: look at the set of policies, and run its tests.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::{EXIT_PROBLEMS, load_config};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::PolicyId;
use crate::policy::{Bundle, BundleErrors, PolicySources, SourceFile, Vocabulary, testing};

/// No file of policies is larger.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// No folder of policies holds more files.
const MOST_FILES: usize = 10_000;

/// What to do with the policies.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the policies and run every case of policies/tests/*.toml.
    Test {
        /// Write one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// List the policies in force.
    List {
        /// Write a JSON array instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Print one policy as it was written.
    Show {
        /// Its `@id`.
        id: String,
    },
}

/// Runs one of them.
///
/// # Errors
/// The settings or the policies cannot be read, or the result cannot be written.
pub(super) fn run(command: &Command, config: &Path) -> anyhow::Result<ExitCode> {
    let config = load_config(config)?.config;
    let sources = read_sources(&config.policies.path)?;
    let today = SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let out = &mut io::stdout().lock();
    let bundle = match Bundle::parse(&sources, Vocabulary::of_config(&config), today) {
        Ok(bundle) => bundle,
        Err(errors) => return problems(command, &errors),
    };
    match command {
        Command::Test { json } => test(out, &bundle, &sources, *json),
        Command::List { json } => {
            let ids: Vec<&PolicyId> = bundle.policy_ids().collect();
            if *json {
                writeln!(out, "{:#}", json!(ids))?;
            } else {
                ids.iter().try_for_each(|id| writeln!(out, "{id}"))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { id } => {
            let parsed = PolicyId::parse(id)?;
            let text = bundle.policy_text(&parsed).with_context(|| format!("no policy is called `{id}`"))?;
            writeln!(out, "{text}")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn problems(command: &Command, errors: &BundleErrors) -> anyhow::Result<ExitCode> {
    if matches!(command, Command::Test { json: true } | Command::List { json: true }) {
        let list = errors.problems.iter().map(|problem| {
            let (file, line, column) = (&problem.file, problem.line, problem.column);
            json!({ "file": file, "line": line, "column": column, "message": problem.message, "help": problem.help })
        });
        let list: Vec<_> = list.collect();
        writeln!(io::stdout().lock(), "{:#}", json!({ "ok": false, "problems": list }))?;
    } else {
        writeln!(io::stderr().lock(), "{errors}")?;
    }
    Ok(ExitCode::from(EXIT_PROBLEMS))
}

fn test(out: &mut impl io::Write, bundle: &Bundle, sources: &PolicySources, json: bool) -> anyhow::Result<ExitCode> {
    let report = testing::run(bundle, &sources.tests);
    if json {
        writeln!(out, "{:#}", json!({ "ok": report.is_ok(), "report": report }))?;
    } else {
        for failure in &report.failures {
            writeln!(out, "{}:{}: {}: {}", failure.file, failure.line, failure.case, failure.message)?;
        }
        for id in &report.untested {
            writeln!(out, "no case sees `{id}` apply")?;
        }
        writeln!(out, "{} passed, {} failed", report.passed, report.failures.len())?;
    }
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

/// Reads a folder of policies: `schema.cedarschema`, `*.cedar` and `tests/*.toml`.
fn read_sources(folder: &Path) -> anyhow::Result<PolicySources> {
    Ok(PolicySources {
        schema: read(&folder.join("schema.cedarschema"))?,
        policies: read_all(folder, "cedar")?,
        tests: if folder.join("tests").is_dir() { read_all(&folder.join("tests"), "toml")? } else { Vec::new() },
    })
}

fn read_all(folder: &Path, extension: &str) -> anyhow::Result<Vec<SourceFile>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries.take(MOST_FILES + 1) {
        let path = entry.with_context(|| format!("cannot read `{}`", folder.display()))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    anyhow::ensure!(paths.len() <= MOST_FILES, "`{}` holds more than {MOST_FILES} files", folder.display());
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<SourceFile> {
    let shown = path.display();
    let size = fs::metadata(path).with_context(|| format!("cannot read `{shown}`"))?.len();
    anyhow::ensure!(size <= MOST_BYTES, "`{shown}` is larger than {MOST_BYTES} bytes");
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    Ok(SourceFile { path: shown.to_string(), text })
}
