//! `cedargate app …`: look after the apps people sign in to.

mod preview;

use std::path::Path;
use std::process::ExitCode;

/// What can be done with apps.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show what an app would be told of somebody, and why.
    Preview(preview::Args),
}

/// Runs one of them.
///
/// # Errors
/// The settings or the accounts cannot be read, or the result cannot be written.
pub(super) fn run(command: &Command, config: &Path) -> anyhow::Result<ExitCode> {
    match command {
        Command::Preview(args) => preview::run(args, config),
    }
}
