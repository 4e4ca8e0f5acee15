//! `cedargate policy diff`: two sets of policies compared.

use std::path::Path;
use std::process::ExitCode;

/// The flags of `policy diff`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {}

pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`policy diff` is being built")
}
