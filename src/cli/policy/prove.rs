//! `cedargate policy prove`: what holds for every possible sign-in.

use std::path::Path;
use std::process::ExitCode;

/// The flags of `policy prove`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {}

pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`policy prove` is being built")
}
