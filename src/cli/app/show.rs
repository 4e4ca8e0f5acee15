//! `cedargate app show`: the pages of docs/apps.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::saml::catalogue::{Catalogue, index};

/// Arguments of `app show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The app, as `cedargate app list` names it; left out, the page that lists all
    pub(super) name: Option<String>,
    /// Write all pages into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "name")]
    pub(super) into: Option<PathBuf>,
}

/// Prints a page, or writes all.
///
/// # Errors
/// There is no such app, or a page cannot be written.
pub(super) fn run(out: &mut impl io::Write, catalogue: &Catalogue, args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &args.into {
        fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        let write = |name: &str, page: &str| {
            let file = folder.join(name);
            fs::write(&file, page).with_context(|| format!("can't write `{}`", file.display()))
        };
        for entry in catalogue.entries() {
            write(&format!("{}.md", entry.name()), &entry.page(catalogue)?)?;
        }
        write("README.md", &index(catalogue))?;
        return Ok(ExitCode::SUCCESS);
    }
    let page = match &args.name {
        Some(name) => super::entry(catalogue, name)?.page(catalogue)?,
        None => index(catalogue),
    };
    write!(out, "{page}")?;
    Ok(ExitCode::SUCCESS)
}
