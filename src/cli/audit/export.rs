//! `cedargate audit export`: records for other systems, one JSON object a line.

use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::filter::Filter;
use super::log;
use crate::audit::Found;
use crate::audit::export::{Mask, ocsf};
use crate::cli::{EXIT_PROBLEMS, damage};
use crate::clock::{Clock as _, Entropy, SystemClock, SystemEntropy};

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// The records as they are
    Jsonl,
    /// Events of the Open Cybersecurity Schema Framework
    Ocsf,
}

/// Arguments of `audit export`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// How records are written
    #[arg(long = "as", value_name = "FORM", value_enum, default_value = "jsonl")]
    form: Form,
    /// Put pseudonyms in place of people and devices, and networks in place of addresses
    #[arg(long)]
    mask: bool,
    /// Make the pseudonyms from this file, so that they are the same in every export; implies --mask
    #[arg(long, value_name = "FILE")]
    mask_key: Option<PathBuf>,
}

/// Writes records out.
///
/// # Errors
/// The journal cannot be read, or a flag cannot.
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let search = args.filter.search(SystemClock.now())?;
    let config = crate::cli::load_config(config)?.config;
    let mask = mask(args)?;
    let log = log::open_log(&config, &args.filter.folder)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut written, mut left_out) = (Ok(()), 0_u64);
    log.records(&search, |found| {
        match line(found, args.form, mask.as_ref()) {
            Ok(Some(line)) => written = writeln!(out, "{line}").map_err(Into::into),
            Ok(None) => left_out += 1,
            Err(error) => written = Err(error),
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    out.flush()?;
    let skipped = log.skipped();
    for line in skipped.lines() {
        tracing::warn!("{line}");
    }
    if args.form == Form::Ocsf && left_out > 0 {
        tracing::info!("{left_out} records have no place in OCSF and were left out");
    }
    damage::tell(&skipped)?;
    Ok(if skipped.is_damaged() { ExitCode::from(EXIT_PROBLEMS) } else { ExitCode::SUCCESS })
}

/// `None`: it cannot be read, which is told at the end, or is not for this form.
fn line(found: Found, form: Form, mask: Option<&Mask>) -> anyhow::Result<Option<String>> {
    let Ok(record) = found.record else { return Ok(None) };
    let record = match mask {
        Some(mask) => mask.record(record),
        None => record,
    };
    Ok(match form {
        Form::Jsonl => Some(crate::audit::export::json(&record)?),
        Form::Ocsf => ocsf::event(&record).map(|event| event.to_string()),
    })
}

fn mask(args: &Args) -> anyhow::Result<Option<Mask>> {
    if let Some(file) = &args.mask_key {
        let key = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        anyhow::ensure!(
            key.len() >= 16,
            "`{}` is too short for a key: put 16 or more random bytes into it",
            file.display()
        );
        return Ok(Some(Mask::new(&key)));
    }
    if !args.mask {
        return Ok(None);
    }
    let entropy: &dyn Entropy = &SystemEntropy;
    Ok(Some(Mask::new(&entropy.bytes::<32>()?)))
}
