//! `cedargate audit forget`: erases what was written in a month, by deleting the key it is sealed with.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};

use crate::accounts::LogKey;
use crate::audit::{KeyStore as _, Month};
use crate::cli::EXIT_PROBLEMS;
use crate::cli::users::Opened;
use crate::clock::{Clock as _, SystemClock};

/// Arguments of `audit forget`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Which month: 2026-08
    #[arg(long, value_name = "MONTH")]
    month: String,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

/// Erases a month.
///
/// # Errors
/// It is the running month, a later one, or one without a key; or the accounts cannot be changed.
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let month = Month::parse(&args.month).with_context(|| format!("`{}` is no month: write 2026-08", args.month))?;
    let running = Month::of(SystemClock.now());
    ensure!(month < running, "{month} is not over yet: only months before {running} can be erased");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = super::verify::open(config).await?;
        let code = forget(args, month, &opened).await;
        opened.accounts.close().await;
        code
    })
}

async fn forget(args: &Args, month: Month, opened: &Opened) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    let keys = opened.accounts.keys().await?;
    match keys.into_iter().find(|(other, _)| *other == month) {
        None => bail!("there is no key of {month}: nothing was sealed in it"),
        Some((_, LogKey::Erased(at))) => {
            writeln!(out, "{month} was erased on {}", at.strftime("%Y-%m-%d"))?;
            return Ok(ExitCode::SUCCESS);
        }
        Some((_, LogKey::Key(_))) => {}
    }
    if !args.yes && !agreed(out, month)? {
        writeln!(out, "nothing was erased")?;
        return Ok(ExitCode::from(EXIT_PROBLEMS));
    }
    opened.accounts.forget(month).await?;
    writeln!(out, "{month} is erased. Backups of the accounts hold its key as long as they are kept.")?;
    Ok(ExitCode::SUCCESS)
}

fn agreed(out: &mut impl io::Write, month: Month) -> anyhow::Result<bool> {
    ensure!(io::stdin().is_terminal(), "this can't be taken back: say so with --yes");
    writeln!(
        out,
        "This deletes the key of {month}. What the journal says of that month can then never be read again:"
    )?;
    writeln!(
        out,
        "nobody finds, explains or replays its decisions. `audit verify` still proves that no record is missing."
    )?;
    write!(out, "Type {month} to go on: ")?;
    out.flush()?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    Ok(typed.trim() == month.to_string())
}
