//! `cedargate app explain-error TEXT`: what an app means by what it shows.

use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::EXIT_PROBLEMS;
use crate::saml::catalogue::{Catalogue, Entry, Found, KnownError};

/// Arguments of `app explain-error`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// What the app says, or a part of it
    pub(super) text: String,
    /// Write one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints cause and cure; for a text that nobody knows the nearest ones, or else all.
///
/// # Errors
/// The text is empty, or the result cannot be written.
pub(super) fn run(out: &mut impl io::Write, catalogue: &Catalogue, args: &Args) -> anyhow::Result<ExitCode> {
    if args.text.trim().is_empty() {
        anyhow::bail!("give the text that the app shows, or a part of it");
    }
    let found = catalogue.explain(&args.text);
    if args.json {
        let (sure, near) = match &found {
            Found::Sure(entry, error) => (told(entry, error), Vec::new()),
            Found::Near(near) => (Value::Null, near.iter().map(|(entry, error)| told(entry, error)).collect()),
        };
        writeln!(out, "{:#}", json!({ "error": sure, "near": near }))?;
    } else {
        match &found {
            Found::Sure(entry, error) => write_error(out, entry, error)?,
            Found::Near(near) if near.is_empty() => write_all(out, catalogue)?,
            Found::Near(near) => {
                writeln!(out, "This text is not known. The nearest:\n")?;
                for (entry, error) in near {
                    write_error(out, entry, error)?;
                }
            }
        }
    }
    Ok(if matches!(found, Found::Sure(..)) { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

fn told(entry: &Entry, error: &KnownError) -> Value {
    json!({
        "app": entry.name(), "text": error.text, "cause": error.cause, "cure": error.cure, "source": error.source,
    })
}

fn write_error(out: &mut impl io::Write, entry: &Entry, error: &KnownError) -> io::Result<()> {
    writeln!(out, "{}: {}", entry.title(), error.text)?;
    writeln!(out, "  because  {}", error.cause)?;
    writeln!(out, "  do       {}", error.cure)?;
    writeln!(out, "  read in  {}\n", error.source.as_deref().unwrap_or("(from memory)"))
}

fn write_all(out: &mut impl io::Write, catalogue: &Catalogue) -> io::Result<()> {
    writeln!(out, "This text is not known, and none comes near. Known are:\n")?;
    for (entry, error) in catalogue.errors() {
        writeln!(out, "  {}: {}", entry.title(), error.text)?;
    }
    Ok(())
}
