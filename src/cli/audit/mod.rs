//! `cedargate audit …`: is the journal as it was written, what does it say, and forgetting a month of it.

mod export;
mod filter;
mod forget;
mod log;
mod search;
mod table;
mod verify;

use std::path::Path;
use std::process::ExitCode;

pub(in crate::cli) use self::log::open_log;

/// What to do with the journal.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Prove that no record was changed, moved, added or taken out, up to the last signed head
    Verify(verify::Args),
    /// Find records: by reference, person, app, outcome or time
    Search(search::Args),
    /// Write records out, one JSON object a line, for other systems; with names and addresses masked where asked
    Export(export::Args),
    /// Erase a month for ever: delete the key its records are sealed with
    Forget(forget::Args),
}

/// Runs one of them.
///
/// # Errors
/// Settings, accounts or segments cannot be read.
pub(super) fn run(command: Command, config: &Path) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(args) => verify::run(args, config),
        Command::Search(args) => search::run(&args, config),
        Command::Export(args) => export::run(&args, config),
        Command::Forget(args) => forget::run(&args, config),
    }
}
