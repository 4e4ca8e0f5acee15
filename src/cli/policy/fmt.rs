//! `cedargate policy fmt`: the usual layout.

use std::path::Path;
use std::process::ExitCode;

/// The flags of `policy fmt`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {}

pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`policy fmt` is being built")
}
