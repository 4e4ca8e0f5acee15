//! `cedargate policy check`: every problem of the policies.

use std::path::Path;
use std::process::ExitCode;

/// The flags of `policy check`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {}

pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`policy check` is being built")
}
