//! `cedargate doctor`: is this server set up well, and what does it know of an address? Looks, and makes nothing that is
//! not there yet.

mod address;
mod checks;
mod metadata;
mod stores;

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use self::address::{About, Row};
use self::stores::Stores;
use super::check::counted;
use super::{EXIT_PROBLEMS, load_config};
use crate::clock::{Clock as _, SystemClock};
use crate::signals::{Geo, Observer};

/// The flags of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show what policies would be told of this address, from which file, and how old that is.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// With --address: what they would be told when this person comes from there. Username or email address.
    #[arg(long, value_name = "NAME", requires = "address")]
    user: Option<String>,
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could.
    Warning,
    /// It does not work.
    Problem,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// What.
    check: &'static str,
    verdict: Verdict,
    /// What was found.
    message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Check {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, message: message.into(), help: None }
    }

    fn warning(check: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, message: message.into(), help: Some(help.into()) }
    }

    fn problem(check: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Problem, message: message.into(), help: Some(help.into()) }
    }
}

/// Ends with 1 when something does not work; warnings alone are no reason to.
///
/// # Errors
/// The settings cannot be read, there is no such user, or the result cannot be written.
pub(super) fn run(args: &Args, file: &Path) -> anyhow::Result<ExitCode> {
    let loaded = load_config(file)?;
    let now = SystemClock.now();
    let mut checks = checks::of_settings(&loaded.config);
    checks.extend(checks::apps(&loaded, now));
    checks.push(checks::policies(&loaded, now));
    checks.extend(metadata::checks(&loaded, now));
    checks.push(checks::clock(&loaded.config, now));
    checks.push(checks::secret(&loaded.config));
    checks.push(checks::signing_key(&loaded.config, now));
    let geo = match Geo::open(&loaded.config.geoip, None) {
        Ok(geo) => {
            checks.extend(checks::geo_files(&loaded.config, &geo, now));
            geo
        }
        Err(problems) => {
            checks.extend(problems.into_iter().map(|problem| {
                Check::problem(
                    "geo files",
                    format!("{}: {}", problem.key, problem.message),
                    problem.help.unwrap_or_default(),
                )
            }));
            Geo::default()
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let (stores, found) = Stores::open(&loaded.config).await;
        checks.extend(found);
        let rows = match args.address {
            Some(ip) => {
                let observer = Observer::new(&loaded.config, Arc::new(geo), Arc::new(SystemClock));
                let about = About { config: &loaded.config, observer: &observer, ip, now };
                Some(about.rows(&stores, args.user.as_deref()).await)
            }
            None => None,
        };
        stores.close().await;
        rows.transpose()
    })?;
    let worst = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
    let out = &mut io::stdout().lock();
    if args.json {
        let ok = worst != Verdict::Problem;
        let mut result = json!({ "ok": ok, "checks": checks });
        if let (Some(rows), Some(object)) = (&rows, result.as_object_mut()) {
            object.insert("address".to_owned(), json!(args.address));
            object.insert("signals".to_owned(), json!(rows));
        }
        io::Write::write_fmt(out, format_args!("{result:#}\n"))?;
    } else {
        write_checks(out, &checks)?;
        if let Some(rows) = &rows {
            write_rows(out, rows)?;
        }
    }
    Ok(if worst == Verdict::Problem { ExitCode::from(EXIT_PROBLEMS) } else { ExitCode::SUCCESS })
}

fn write_checks(out: &mut impl io::Write, checks: &[Check]) -> io::Result<()> {
    for check in checks {
        writeln!(out, "{:<8} {:<14} {}", check.verdict.word(), check.check, check.message)?;
        if let Some(help) = &check.help {
            writeln!(out, "{:<23} {help}", "")?;
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    writeln!(out, "{}, {}", counted(count(Verdict::Problem), "problem"), counted(count(Verdict::Warning), "warning"))
}

fn write_rows(out: &mut impl io::Write, rows: &[Row]) -> io::Result<()> {
    writeln!(out)?;
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(|row| row.signal.chars().count()), width(|row| row.shown().chars().count()));
    for row in rows {
        let known = if row.known { "known" } else { "UNKNOWN" };
        writeln!(out, "{:<names$}  {:<values$}  {known:<7}  {}", row.signal, row.shown(), row.because())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
