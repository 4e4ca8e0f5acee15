//! `cedargate audit search`: the records that fit, newest last.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::filter::Filter;
use super::{log, table};
use crate::audit::{Found, Skipped};
use crate::cli::progress::Progress;
use crate::cli::{EXIT_PROBLEMS, damage};
use crate::clock::{Clock as _, SystemClock};

/// Arguments of `audit search`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// How many to show: the newest of them
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Write one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Finds records.
///
/// # Errors
/// The journal cannot be read, or a flag cannot.
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let search = args.filter.search(SystemClock.now())?;
    let config = crate::cli::load_config(config)?.config;
    let log = log::open_log(&config, &args.filter.folder)?;
    let progress = Progress::new("reading the journal", 0);
    let (found, count) = log.newest(&search, args.limit)?;
    drop(progress);
    let skipped = log.skipped();
    let out = &mut io::stdout().lock();
    if args.json {
        let records: Vec<_> = found
            .iter()
            .map(|found| found.record.as_ref().map_or_else(|_| json!(found.clear), |record| json!(record)))
            .collect();
        let (erased, no_key) = skipped.counts();
        writeln!(
            out,
            "{:#}",
            json!({
                "ok": !skipped.is_damaged(),
                "found": count,
                "records": records,
                "erased": erased,
                "no_key": no_key,
                "damaged": skipped.damaged,
                "more_damaged": skipped.more_damaged,
            })
        )?;
    } else {
        write(out, (&found, count), &skipped)?;
    }
    damage::tell(&skipped)?;
    Ok(if skipped.is_damaged() { ExitCode::from(EXIT_PROBLEMS) } else { ExitCode::SUCCESS })
}

fn write(out: &mut impl io::Write, (found, count): (&[Found], u64), skipped: &Skipped) -> io::Result<()> {
    if count == 0 {
        writeln!(out, "nothing in the journal fits")?;
    } else {
        table::write(out, found)?;
    }
    let shown = u64::try_from(found.len()).unwrap_or(u64::MAX);
    if count > shown {
        writeln!(out, "… the newest {shown} of {count}; --limit shows more")?;
    }
    skipped.lines().try_for_each(|line| writeln!(out, "note: {line}"))
}
