//! `cedargate policy replay`: the decisions of the past, made again.

use std::path::Path;
use std::process::ExitCode;

/// The flags of `policy replay`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {}

pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`policy replay` is being built")
}
