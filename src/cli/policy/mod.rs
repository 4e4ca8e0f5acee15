//! `cedargate policy …`: the workbench of whoever writes policies. One file per command; all of them use the engine of the server.

mod check;
mod diff;
mod explain;
mod fmt;
mod list;
mod new;
mod prove;
mod replay;
mod shadow;
mod test;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{EXIT_PROBLEMS, load_config, today};
use crate::config::Loaded;
use crate::policy::{BundleError, BundleErrors};
use crate::runtime::{self, LoadError, Parsed};

/// What to do with the policies.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the policies and tell every problem, each with file, line and column.
    Check(check::Args),
    /// Lay the policies out in the usual way.
    Fmt(fmt::Args),
    /// Write a policy of a usual kind, and show it at work.
    #[command(arg_required_else_help = true)]
    New(Box<new::Args>),
    /// Check the policies and run every case of policies/tests/*.toml.
    Test(test::Args),
    /// List all policies, and whether they are in force, on trial or expired.
    List(list::Args),
    /// Print one policy as it was written.
    Show {
        /// Its `@id`.
        id: String,
    },
    /// Say of every policy what comes of it: for a decision that was made, or one that could be.
    Explain(Box<explain::Args>),
    /// Sum up what the policies on trial would have done.
    Shadow(shadow::Args),
    /// Make the decisions of the past again, by other policies.
    Replay(replay::Args),
    /// Compare two sets of policies: in words, and in whom they let in.
    Diff(diff::Args),
    /// Prove what holds for every possible sign-in.
    Prove(prove::Args),
}

/// Runs one of them.
///
/// # Errors
/// The settings or the policies cannot be read, or the result cannot be written.
pub(super) fn run(command: &Command, config: &Path) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(args, config),
        Command::Fmt(args) => fmt::run(args, config),
        Command::New(args) => new::run(args, config),
        Command::Test(args) => test::run(args, config),
        Command::List(args) => list::run(args, config),
        Command::Show { id } => list::show(id, config),
        Command::Explain(args) => explain::run(args, config),
        Command::Shadow(args) => shadow::run(args, config),
        Command::Replay(args) => replay::run(args, config),
        Command::Diff(args) => diff::run(args, config),
        Command::Prove(args) => prove::run(args, config),
    }
}

/// The settings, and the policies they name.
///
/// # Errors
/// They cannot be read. Problems of the policies come back as [`LoadError::Policies`].
fn parsed(config: &Path) -> anyhow::Result<(Loaded, Result<Parsed, BundleErrors>)> {
    let loaded = load_config(config)?;
    match runtime::parse(&loaded, today()) {
        Ok(parsed) => Ok((loaded, Ok(parsed))),
        Err(LoadError::Policies(errors)) => Ok((loaded, Err(errors))),
        Err(error) => Err(error.into()),
    }
}

/// Writes what is wrong with the policies, for people or machines.
fn problems(errors: &BundleErrors, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let list: Vec<_> = errors.problems.iter().map(problem).collect();
        writeln!(io::stdout().lock(), "{:#}", json!({ "ok": false, "problems": list }))?;
    } else {
        writeln!(io::stderr().lock(), "{errors}")?;
    }
    Ok(ExitCode::from(EXIT_PROBLEMS))
}

/// One problem for machines: the same everywhere.
pub(in crate::cli) fn problem(problem: &BundleError) -> Value {
    let BundleError { file, line, column, message, help, .. } = problem;
    json!({ "rule": problem.rule.code(), "file": file, "line": line, "column": column, "message": message, "help": help })
}
