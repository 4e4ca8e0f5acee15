//! A block at the end of config.toml: written beside it, loaded from there, and put in its place in one step, so that the file
//! is whole at any moment and never one that does not load.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::cli::load_config;

/// Appends `block` to the settings in `file`.
///
/// # Errors
/// The file cannot be read or written, somebody else changed it meanwhile, or it would not load with the block.
pub(super) fn append(file: &Path, block: &str) -> anyhow::Result<()> {
    // A link stays a link: what it leads to is replaced.
    let file = fs::canonicalize(file).with_context(|| format!("can't find `{}`", file.display()))?;
    let named = |what: &str| format!("can't {what} `{}`", file.display());
    let before = fs::read_to_string(&file).with_context(|| named("read"))?;
    let folder = file.parent().with_context(|| named("find the folder of"))?;
    let mut beside = tempfile::Builder::new()
        .prefix(".config.")
        .suffix(".toml")
        .tempfile_in(folder)
        .with_context(|| format!("can't write into `{}`, beside the settings", folder.display()))?;
    let joint = if before.is_empty() || before.ends_with('\n') { "\n" } else { "\n\n" };
    write!(beside, "{before}{joint}{block}").with_context(|| named("write beside"))?;
    let there = fs::metadata(&file).with_context(|| named("read"))?;
    beside.as_file().set_permissions(there.permissions()).with_context(|| named("keep the mode of"))?;
    let made = beside.as_file().metadata()?;
    if (made.uid(), made.gid()) != (there.uid(), there.gid()) {
        chown(beside.path(), Some(there.uid()), Some(there.gid())).with_context(|| named("keep the owner of"))?;
    }
    load_config(beside.path())?;
    beside.as_file().sync_all()?;
    if fs::read_to_string(&file).with_context(|| named("read"))? != before {
        bail!("`{}` was changed by somebody else just now: try again", file.display());
    }
    beside.persist(&file).with_context(|| named("replace"))?;
    // The name lives in the folder.
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| named("keep"))?;
    Ok(())
}
