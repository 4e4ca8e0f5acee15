//! `cedargate policy shadow`: what the policies on trial would have done.

use std::path::Path;
use std::process::ExitCode;

/// The flags of `policy shadow`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {}

pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`policy shadow` is being built")
}
