//! A block at the end of config.toml, which is never one that does not load.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::cli::load_config;
use crate::cli::replace::replace;

/// Appends `block` to the settings in `file`.
///
/// # Errors
/// The file cannot be read or written, somebody else changed it meanwhile, or it would not load with the block.
pub(super) fn append(file: &Path, block: &str) -> anyhow::Result<()> {
    let before = fs::read_to_string(file).with_context(|| format!("can't read `{}`", file.display()))?;
    let joint = if before.is_empty() || before.ends_with('\n') { "\n" } else { "\n\n" };
    replace(file, &before, &format!("{before}{joint}{block}"), |beside| Ok(load_config(beside).map(drop)?))
}
