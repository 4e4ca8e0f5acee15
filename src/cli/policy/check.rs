//! `cedargate policy check`: everything there is to say about the policies before they are merged.

mod report;
mod sarif;
mod strays;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use self::report::{Finding, Report};
use crate::cli::{EXIT_PROBLEMS, load_config, today};
use crate::config::ConfigErrors;
use crate::runtime::Candidate;

/// The flags of `policy check`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A folder of policies, or a revision of git; left out, the folder that the settings name.
    #[arg(value_name = "DIR or REVISION")]
    from: Option<String>,
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Write the findings to this file too, in SARIF 2.1.0, for code hosts that show them beside the lines.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// End with 1 when there are warnings alone.
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let report = look(args, config)?;
    if let Some(file) = &args.sarif {
        let sarif = sarif::write(&report);
        fs::write(file, format!("{sarif:#}\n")).with_context(|| format!("can't write `{}`", file.display()))?;
    }
    let ok = report.count(false) == 0 && !(args.deny_warnings && report.count(true) > 0);
    let out = &mut io::stdout().lock();
    if args.json {
        let list = |warnings| report.of(warnings).map(Finding::json).collect::<Vec<_>>();
        let said = json!({
            "ok": ok, "from": report.from, "problems": list(false), "warnings": list(true),
            "policies": report.policies, "invariants": report.invariants, "tests_passed": report.passed,
        });
        writeln!(out, "{said:#}")?;
    } else {
        report.write(out)?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

/// Settings that do not load leave nothing to hold policies against, so they are the whole report.
fn look(args: &Args, config: &Path) -> anyhow::Result<Report> {
    let loaded = match load_config(config) {
        Ok(loaded) => loaded,
        Err(ConfigErrors::Problems(problems)) => return Ok(Report::of_settings(config, problems)),
        Err(unreadable) => return Err(unreadable.into()),
    };
    let candidate = match &args.from {
        Some(from) => Candidate::read(&loaded, from)?,
        None => Candidate::current(&loaded)?,
    };
    Ok(Report::of_policies(&loaded, &candidate, today()))
}
