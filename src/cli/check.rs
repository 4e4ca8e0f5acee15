//! `cedargate check`: is what the files say fit to run?

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{EXIT_PROBLEMS, load_config, write_problems};
use crate::config::{Config, ConfigErrors};

/// The flags of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let result = match load_config(config) {
        Ok(loaded) => Ok(loaded.config),
        Err(unreadable @ ConfigErrors::Unreadable { .. }) => return Err(unreadable.into()),
        Err(problems) => Err(problems),
    };
    write_result(&mut io::stdout().lock(), args, config, &result)?;
    Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

fn write_result(
    out: &mut dyn io::Write,
    args: &Args,
    file: &Path,
    result: &Result<Config, ConfigErrors>,
) -> io::Result<()> {
    let problems = result.as_ref().err().map_or(&[][..], ConfigErrors::problems);
    if args.json {
        let report = json!({ "ok": result.is_ok(), "file": file, "problems": problems });
        return writeln!(out, "{report:#}");
    }
    write_problems(out, problems)?;
    match result {
        Ok(config) => writeln!(out, "{}: fine ({})", file.display(), summary(config)),
        Err(_) => writeln!(out, "{}: {}", file.display(), counted(problems.len(), "problem")),
    }
}

fn summary(config: &Config) -> String {
    [
        counted(config.apps.len(), "app"),
        counted(config.groups.len(), "group"),
        counted(config.networks.len(), "network"),
        counted(config.country_lists.len(), "country list"),
    ]
    .join(", ")
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
