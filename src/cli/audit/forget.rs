//! `cedargate audit forget`: erases what was written in a month, by deleting the key it is sealed with.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};

use crate::accounts::LogKey;
use crate::audit::{ForgottenBy, Journal, KeyStore as _, Means, Month, Quota};
use crate::cli::EXIT_PROBLEMS;
use crate::cli::users::Opened;
use crate::clock::{Clock as _, SystemClock, SystemEntropy};
use crate::runtime::{Heads, head_key, signed_head};

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
    written_down(month, opened).await?;
    writeln!(out, "{month} is erased. Backups of the accounts hold its key as long as they are kept.")?;
    Ok(ExitCode::SUCCESS)
}

/// Erases it by way of the journal, where it is written first; and signs the end of that, as this process writes no more.
async fn written_down(month: Month, opened: &Opened) -> anyhow::Result<()> {
    let (accounts, clock) = (&opened.accounts, Arc::new(SystemClock));
    let keys = Arc::new(accounts.clone());
    let means = Means { clock: clock.clone(), entropy: Arc::new(SystemEntropy), keys, quota: Quota::USUAL };
    let signed: Vec<_> = accounts.newest_audit_heads().await?.into_iter().filter_map(signed_head).collect();
    let journal = Arc::new(Journal::open(&opened.config.audit.path, means, &signed)?);
    journal.forget(month, ForgottenBy::Command).await?;
    let heads = Heads::new(journal, accounts.clone(), head_key(&opened.envelope)?, clock);
    heads.sign().await.context("the month is erased, but the head of the journal could not be signed")
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
