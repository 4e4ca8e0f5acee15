//! `cedargate policy fmt`: policy files in the layout of the `cedar` tool and of editors.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::check::counted;
use crate::cli::replace::replace;
use crate::cli::{EXIT_PROBLEMS, load_config, write_finding};
use crate::policy::{BundleError, SourceFile, laid_out};
use crate::runtime;

/// The flags of `policy fmt`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Files, or folders of policies; left out, the folder that the settings name.
    paths: Vec<PathBuf>,
    /// Change nothing; say which files are not laid out, and end with 1 when there are any.
    #[arg(long)]
    check: bool,
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What came of all files.
#[derive(Default)]
struct Report {
    /// The files that were laid out, or would be.
    changed: Vec<String>,
    unchanged: usize,
    problems: Vec<BundleError>,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    for file in files(&args.paths, config)? {
        match laid_out(&file) {
            Err(errors) => report.problems.extend(errors.problems),
            Ok(text) if text == file.text => report.unchanged += 1,
            Ok(text) => {
                if !args.check {
                    replace(Path::new(&file.path), &file.text, &text, |_| Ok(()))?;
                }
                report.changed.push(file.path);
            }
        }
    }
    let ok = report.problems.is_empty() && (!args.check || report.changed.is_empty());
    let out = &mut io::stdout().lock();
    if args.json {
        let problems: Vec<_> = report.problems.iter().map(super::problem).collect();
        let Report { changed, unchanged, .. } = &report;
        writeln!(out, "{:#}", json!({ "ok": ok, "changed": changed, "unchanged": unchanged, "problems": problems }))?;
    } else {
        write_report(out, &report, args.check)?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

/// The files that are meant.
fn files(paths: &[PathBuf], config: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let of_folder = |folder: &Path| -> anyhow::Result<Vec<SourceFile>> {
        let sources = runtime::read_sources(folder)?;
        Ok(sources.policies.into_iter().chain(sources.invariants).collect())
    };
    if paths.is_empty() {
        return of_folder(&load_config(config)?.config.policies.path);
    }
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(of_folder(path)?);
        } else {
            let text = std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
            files.push(SourceFile { path: path.display().to_string(), text });
        }
    }
    Ok(files)
}

fn write_report(out: &mut dyn io::Write, report: &Report, check: bool) -> io::Result<()> {
    for problem in &report.problems {
        let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
        write_finding(out, &place, &problem.message, problem)?;
    }
    let (what, done) = if check { ("not laid out", "to lay out") } else { ("laid out", "laid out") };
    report.changed.iter().try_for_each(|file| writeln!(out, "{what}: {file}"))?;
    let (changed, unchanged, problems) = (report.changed.len(), report.unchanged, report.problems.len());
    let mut parts = Vec::new();
    if changed > 0 {
        parts.push(format!("{} {done}", counted(changed, "file")));
    }
    if unchanged > 0 || changed + problems == 0 {
        let they = if unchanged == 1 { "it" } else { "they" };
        parts.push(format!("{} as {they} should be", counted(unchanged, "file")));
    }
    if problems > 0 {
        parts.push(counted(problems, "problem"));
    }
    writeln!(out, "{}", parts.join(", "))
}
