//! `cedargate policy test`: every case of `policies/tests`.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{parsed, problems};
use crate::cli::EXIT_PROBLEMS;
use crate::policy::testing;

/// The flags of `policy test`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let (bundle, sources) = match parsed(config)?.1 {
        Ok(parsed) => (parsed.bundle, parsed.sources),
        Err(errors) => return problems(&errors, args.json),
    };
    let out = &mut io::stdout().lock();
    let report = testing::run(&bundle, &sources.tests);
    if args.json {
        writeln!(out, "{:#}", json!({ "ok": report.is_ok(), "report": report }))?;
    } else {
        for failure in &report.failures {
            writeln!(out, "{}:{}: {}: {}", failure.file, failure.line, failure.case, failure.message)?;
        }
        for id in &report.untested {
            writeln!(out, "no case sees `{id}` apply")?;
        }
        writeln!(out, "{} passed, {} failed", report.passed, report.failures.len())?;
    }
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}
