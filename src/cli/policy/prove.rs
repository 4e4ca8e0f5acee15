//! `cedargate policy prove`: what holds for every possible sign-in.

#[cfg(feature = "analyze")]
mod output;
#[cfg(feature = "analyze")]
mod work;

use std::path::Path;
use std::process::ExitCode;

#[cfg(not(feature = "analyze"))]
use std::io::{self, Write as _};

/// There is no solver, so nothing is proved, and nothing is refuted.
pub(super) const EXIT_NO_SOLVER: u8 = 3;

/// The flags of `policy prove`.
#[derive(Debug, clap::Args)]
#[cfg_attr(not(feature = "analyze"), allow(dead_code, reason = "read by the build that can prove"))]
pub(in crate::cli) struct Args {
    /// A folder of policies, or a revision of git, instead of the policies in force.
    #[arg(value_name = "DIR or REVISION")]
    policies: Option<String>,

    /// This invariant alone.
    #[arg(long, value_name = "ID")]
    only: Option<String>,

    /// Count as proved what holds only by assumptions of your own.
    #[arg(long)]
    trust_assumptions: bool,

    #[command(flatten)]
    effort: Effort,

    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// How hard to try.
#[derive(Debug, clap::Args)]
#[cfg_attr(not(feature = "analyze"), allow(dead_code, reason = "read by the build that can prove"))]
pub(super) struct Effort {
    /// How long a single question may take.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_limit)]
    pub(super) time_limit: std::time::Duration,

    /// How many solvers work at the same time; as many as there are processors, unless told.
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<std::num::NonZeroUsize>,
}

fn time_limit(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("`{text}` is no time: write it as in `30s` or `500ms`");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let limit = std::time::Duration::try_from(span).map_err(|_| wrong())?;
    if limit < std::time::Duration::from_millis(1) { Err(wrong()) } else { Ok(limit) }
}

#[cfg(feature = "analyze")]
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    output::run(args, config)
}

#[cfg(feature = "analyze")]
pub(super) use work::{Work, over};

#[cfg(not(feature = "analyze"))]
pub(super) fn run(_args: &Args, _config: &Path) -> anyhow::Result<ExitCode> {
    let said = "cedargate: this build cannot prove anything: build it with `--features analyze` (docs/proofs.md)";
    writeln!(io::stderr().lock(), "{said}")?;
    Ok(ExitCode::from(EXIT_NO_SOLVER))
}
