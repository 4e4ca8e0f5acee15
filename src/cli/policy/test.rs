//! `cedargate policy test`: every case of `policies/tests`.

mod junit;
mod show;
mod watch;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::problems;
use crate::cli::{EXIT_PROBLEMS, load_config, today};
use crate::policy::BundleErrors;
use crate::policy::testing::{self, Coverage, Export, Report, Setting, Tables};
use crate::runtime::{self, Candidate};

/// The flags of `policy test`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Other policies than those in force with config.toml: a folder, or a revision of git. Their own tests are run.
    #[arg(value_name = "DIR or REV")]
    policies: Option<String>,
    /// Only the cases whose name, app or file holds this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// List every policy with the cases that see it apply, and stay out; with `--only`, those that these cases see.
    #[arg(long)]
    coverage: bool,
    /// Run again whenever a file changes, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["json", "junit", "export"])]
    watch: bool,
    /// Write the result for build servers, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write every question into a folder, as Cedar's own command line reads it: `cedar run-tests`.
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What came of one run.
struct Run {
    tables: Tables,
    report: Report,
    coverage: Coverage,
    /// What was exported: questions, and cases left out.
    exported: Option<(usize, usize)>,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    if args.watch {
        return watch::run(args, config);
    }
    let run = match once(args, config)? {
        Ok(run) => run,
        Err(errors) => return problems(&errors, args.json),
    };
    if let Some(file) = &args.junit {
        junit::write(file, &run.tables, &run.report)?;
    }
    let out = &mut io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", as_json(args, &run))?;
    } else {
        show::failures(out, &run.report)?;
        if args.coverage {
            show::coverage(out, args, &run)?;
        }
        if let (Some((questions, left_out)), Some(folder)) = (run.exported, &args.export) {
            show::exported(out, folder, questions, left_out)?;
        }
        show::summary(out, args, &run)?;
    }
    Ok(if run.report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

/// Reads everything and runs the cases.
fn once(args: &Args, config: &Path) -> anyhow::Result<Result<Run, BundleErrors>> {
    let loaded = load_config(config)?;
    let candidate = match &args.policies {
        Some(name) => Candidate::read(&loaded, name)?,
        None => Candidate::current(&loaded)?,
    };
    let bundle = match candidate.bundle(today()) {
        Ok(bundle) => bundle,
        Err(errors) => return Ok(Err(errors)),
    };
    let mut tables = Tables::read(&candidate.sources.tests);
    if let Some(only) = &args.only {
        tables.keep(only);
        anyhow::ensure!(!tables.is_empty(), "no case has `{only}` in its name, its app or its file");
    }
    let geo = runtime::geo_for(&loaded, &tables)?;
    let setting = runtime::setting(&candidate.config, &bundle, &candidate.sources, &tables, &geo);
    let (report, coverage) = testing::run_and_cover(&setting, &tables);
    let exported = match &args.export {
        Some(folder) => Some(export(folder, &setting, &tables, &candidate)?),
        None => None,
    };
    Ok(Ok(Run { report, coverage, exported, tables }))
}

fn export(
    folder: &Path,
    setting: &Setting<'_>,
    tables: &Tables,
    candidate: &Candidate,
) -> anyhow::Result<(usize, usize)> {
    let same = |(a, b): (PathBuf, PathBuf)| a == b;
    let both = fs::canonicalize(folder).ok().zip(fs::canonicalize(&candidate.config.policies.path).ok());
    // It would take the place of the schema, and its policies would stand there twice.
    anyhow::ensure!(!both.is_some_and(same), "`{}` is the folder of the policies: name another", folder.display());
    let export = Export::of(setting, tables, &candidate.sources)?;
    fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
    for (name, content) in &export.files {
        let file = folder.join(name);
        fs::write(&file, content).with_context(|| format!("can't write `{}`", file.display()))?;
    }
    Ok((export.questions, export.left_out))
}

fn as_json(args: &Args, run: &Run) -> serde_json::Value {
    let covered = run.coverage.policies.iter().map(|covered| {
        let mut object = json!(covered);
        if let Some(object) = object.as_object_mut() {
            // What was left out may show it.
            let missing = args.only.is_none().then(|| covered.missing());
            object.insert("missing".to_owned(), json!(missing));
        }
        object
    });
    let covered: Vec<_> = covered.collect();
    let (report, exported) = (
        &run.report,
        run.exported.map(|(questions, left_out)| json!({ "questions": questions, "left_out": left_out })),
    );
    json!({
        "ok": report.is_ok(),
        "only": args.only,
        "passed": report.passed,
        "failed": report.failures.len(),
        "failures": report.failures,
        "coverage": covered,
        "exported": exported,
    })
}
