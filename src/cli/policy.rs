//! `cedargate policy …`: look at the set of policies, and run its tests.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::{EXIT_PROBLEMS, explain, load_config, today};
use crate::domain::PolicyId;
use crate::policy::{Bundle, BundleErrors, PolicySources, testing};
use crate::runtime::{self, LoadError};

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
    /// Find the decision behind a reference, and say of every policy what came of it.
    Explain {
        /// The ten characters that a page or a log shows.
        reference: String,
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
    let loaded = load_config(config)?;
    let (bundle, sources) = match runtime::parse(&loaded, today()) {
        Ok(parsed) => (parsed.bundle, parsed.sources),
        Err(LoadError::Policies(errors)) => return problems(command, &errors),
        Err(error) => return Err(error.into()),
    };
    let out = &mut io::stdout().lock();
    match command {
        Command::Explain { reference } => explain::run(out, &loaded.config, &bundle, reference),
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
