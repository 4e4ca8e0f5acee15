//! `cedargate audit search`: the records that fit, newest last.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::filter::Filter;
use super::{log, table};
use crate::audit::Found;
use crate::cli::progress::Progress;
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
    let (mut found, mut count) = (VecDeque::new(), 0_u64);
    let progress = Progress::new("reading the journal", 0);
    log.records(&search, |record| {
        progress.step();
        count += 1;
        if found.len() == args.limit {
            found.pop_front();
        }
        if args.limit > 0 {
            found.push_back(record);
        }
        ControlFlow::Continue(())
    })?;
    drop(progress);
    // Nodes that write at the same time have segments of their own.
    let mut found: Vec<Found> = found.into();
    found.sort_by_key(|found| found.clear.at);
    let skipped = log.skipped();
    let out = &mut io::stdout().lock();
    if args.json {
        let records: Vec<_> = found
            .iter()
            .map(|found| found.record.as_ref().map_or_else(|_| json!(found.clear), |record| json!(record)))
            .collect();
        let erased: u64 = skipped.erased.values().sum();
        let no_key: u64 = skipped.no_key.values().map(|(count, _)| count).sum();
        writeln!(
            out,
            "{:#}",
            json!({ "ok": true, "found": count, "records": records, "erased": erased, "no_key": no_key })
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() && count == 0 {
        writeln!(out, "nothing in the journal fits")?;
        return Ok(ExitCode::SUCCESS);
    }
    table::write(out, &found)?;
    let shown = u64::try_from(found.len()).unwrap_or(u64::MAX);
    if count > shown {
        writeln!(out, "… the newest {shown} of {count}; --limit shows more")?;
    }
    for line in skipped.lines() {
        writeln!(out, "note: {line}")?;
    }
    Ok(ExitCode::SUCCESS)
}
