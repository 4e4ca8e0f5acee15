//! `cedargate schema`: the JSON schema of `config.toml` on standard output.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::config;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    io::stdout().lock().write_all(config::schema().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
