//! `cedargate app …`: connect apps. One file per command below; the catalogue itself is `saml::catalogue`.

mod add;
mod append;
mod explain_error;
mod list;
mod preview;
mod show;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

pub(in crate::cli) use self::preview::method;
use crate::saml::catalogue::{Catalogue, Entry};

/// What can be done with apps.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the block of an app of the catalogue and what to click on the other side, or add the block to config.toml
    Add(add::Args),
    /// List the apps of the catalogue and those of config.toml
    List(list::Args),
    /// Print the page of an app of the catalogue, in Markdown
    Show(show::Args),
    /// Show what an app would be told of somebody, and why
    Preview(preview::Args),
    /// Say what an error text that an app shows means, and what to do
    ExplainError(explain_error::Args),
}

/// Runs one of them.
///
/// # Errors
/// The settings cannot be read, what was given is not enough, or the result cannot be written.
pub(super) fn run(command: Command, config: &Path) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::read()?;
    let out = || io::stdout().lock();
    match command {
        Command::Add(args) => add::run(&mut out(), &catalogue, &args, config),
        Command::List(args) => list::run(&mut out(), &catalogue, &args, config),
        Command::Show(args) => show::run(&mut out(), &catalogue, &args),
        Command::Preview(args) => preview::run(&args, config),
        Command::ExplainError(args) => explain_error::run(&mut out(), &catalogue, &args),
    }
}

/// The app of this name.
fn entry<'a>(catalogue: &'a Catalogue, name: &str) -> anyhow::Result<&'a Entry> {
    catalogue.entry(name).ok_or_else(|| {
        let nearest = catalogue.nearest(name);
        let hint = if nearest.is_empty() {
            "`cedargate app list` shows all".to_owned()
        } else {
            format!("did you mean `{}`?", nearest.join("` or `"))
        };
        anyhow::anyhow!("the catalogue has no app `{name}`: {hint}")
    })
}
