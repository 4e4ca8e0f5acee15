//! `cedargate policy new`: a new policy.

use std::path::Path;
use std::process::ExitCode;

/// The flags of `policy new`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {}

pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`policy new` is being built")
}
