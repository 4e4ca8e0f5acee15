//! `cedargate plan`: what would the running server take from the files?

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::{EXIT_PROBLEMS, load_config, write_problems};
use crate::clock::SystemClock;
use crate::config::ConfigErrors;
use crate::runtime::{Inventory, InventoryError, LoadError, Plan, in_force_file, written_down};

/// The files hold something else than what is in force.
const EXIT_CHANGES: u8 = 2;

/// The flags of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// 0: nothing differs; 2: something does; 1: the files have problems, or there is nothing to compare with.
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    match compare(config) {
        Ok(plan) => {
            if args.json {
                writeln!(out, "{:#}", json!({ "ok": true, "changes": plan.changes, "at_start": plan.at_start }))?;
            } else {
                write!(out, "{plan}")?;
            }
            Ok(if plan.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHANGES) })
        }
        Err(problem) => {
            if args.json {
                writeln!(out, "{:#}", json!({ "ok": false, "problem": format!("{problem:#}") }))?;
            } else if let Some(errors) = config_errors(&problem) {
                write_problems(out, errors.problems())?;
            } else {
                writeln!(io::stderr().lock(), "cedargate: {problem:#}")?;
            }
            Ok(ExitCode::from(EXIT_PROBLEMS))
        }
    }
}

fn config_errors(problem: &anyhow::Error) -> Option<&ConfigErrors> {
    let errors = problem.downcast_ref::<ConfigErrors>().or_else(|| match problem.downcast_ref::<LoadError>() {
        Some(LoadError::Config(errors)) => Some(errors),
        _ => None,
    });
    errors.filter(|errors| !errors.problems().is_empty())
}

fn compare(config: &Path) -> anyhow::Result<Plan> {
    let loaded = load_config(config)?;
    // The settings may be what changed: a server that was started with another secret is not found, and that is said.
    let in_force = Inventory::read(&in_force_file(&loaded.config)).map_err(|error: InventoryError| error)?;
    let wanted = written_down(loaded, Arc::new(SystemClock))?;
    Ok(Plan::between(&in_force, &wanted))
}
