//! `cedargate policy replay`: the decisions of the past, made again.

mod output;

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::Context as _;

use crate::audit::{Issued, Log, Search};
use crate::cli::progress::Progress;
use crate::cli::since::since;
use crate::cli::{EXIT_FAILED, EXIT_PROBLEMS, damage, load_config, open_log, today};
use crate::clock::{Clock as _, SystemClock};
use crate::policy::{Budget, Bundle, Replay, Tally};
use crate::runtime::Candidate;

/// How many decisions a worker is handed at a time.
const CHUNK: usize = 256;
/// How many such lots wait for each worker.
const WAITING: usize = 4;

/// The flags of `policy replay`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The decisions made since then: `30d`, `12h`, `2026-11-01` or `2026-11-01T08:00Z`.
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    since: String,

    /// The policies to make them by: a folder or a revision of git. Left out, those on the disk.
    #[arg(long, value_name = "DIR or GIT-REV")]
    against: Option<String>,

    /// As if the policies on trial were in force.
    #[arg(long)]
    with_trials: bool,

    /// How many people may be concerned: `challenged=5,denied=0,freed=0,roles=0`, or some of them.
    #[arg(long, value_name = "BUDGET")]
    budget: Option<Budget>,

    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// 0: within the budget, or there is none; 2: over it, or not all that it is about could be made again; 1: the settings, the
/// policies or the journal have problems.
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let loaded = load_config(config)?;
    let since = since(&args.since, SystemClock.now())?;
    let candidate = match &args.against {
        Some(name) => Candidate::read(&loaded, name)?,
        None => Candidate::current(&loaded)?,
    };
    let bundle = match candidate.bundle(today()) {
        Ok(bundle) => bundle,
        Err(errors) => return super::problems(&errors, args.json),
    };
    let by = if args.with_trials { bundle.trial().unwrap_or(&bundle) } else { &bundle };
    let search = Search { since: Some(since), ..Search::default() };
    if args.budget.is_some() {
        let folder = &loaded.config.audit.path;
        std::fs::read_dir(folder).with_context(|| {
            format!("the budget is not shown to hold: the journal `{}` can't be read", folder.display())
        })?;
    }
    let log = open_log(&loaded.config)?;
    let tally = replay(&log, &search, by)?;

    let told = output::Told {
        since,
        by: &candidate.name,
        with_trials: args.with_trials,
        digest: bundle.digest(),
        tally: &tally,
        skipped: log.skipped(),
        budget: args.budget.as_ref(),
    };
    let out = &mut io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", told.value())?;
    } else {
        told.write(out)?;
    }
    damage::tell(&told.skipped)?;
    Ok(match (told.is_held(), told.skipped.is_damaged()) {
        (false, _) => ExitCode::from(EXIT_FAILED),
        (true, true) => ExitCode::from(EXIT_PROBLEMS),
        (true, false) => ExitCode::SUCCESS,
    })
}

/// Hands the decisions of `log` out to as many workers as there are cores.
fn replay(log: &Log, search: &Search, bundle: &Bundle) -> anyhow::Result<Tally> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let progress = Progress::new("decisions made again", 0);
    thread::scope(|scope| {
        let (senders, workers): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (sender, chunks) = sync_channel::<Vec<Issued>>(WAITING);
                let worker = scope.spawn(move || {
                    let mut replay = Replay::new(bundle);
                    chunks.iter().flatten().for_each(|one| replay.add_issued(&one.decision, one.roles.as_deref()));
                    replay.finish()
                });
                (sender, worker)
            })
            .unzip();
        let read = hand_out(log, search, &senders, &progress);
        // Without senders the workers come to their end.
        drop(senders);
        let mut tally = Tally::default();
        for worker in workers {
            tally.merge(worker.join().map_err(|_| anyhow::anyhow!("a worker ended before its work was done"))?);
        }
        read.map(|()| tally)
    })
}

fn hand_out(
    log: &Log,
    search: &Search,
    workers: &[SyncSender<Vec<Issued>>],
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut turn = workers.iter().cycle();
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut hand = |chunk: Vec<Issued>| match turn.next().map(|worker| worker.send(chunk)) {
        Some(Ok(())) => ControlFlow::Continue(()),
        // A worker that is gone is found when its result is fetched.
        Some(Err(_)) | None => ControlFlow::Break(()),
    };
    log.decisions_issued(search, |issued| {
        progress.step();
        chunk.push(issued);
        if chunk.len() < CHUNK {
            return ControlFlow::Continue(());
        }
        hand(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))
    })?;
    if !chunk.is_empty() {
        let _ = hand(chunk);
    }
    Ok(())
}
