//! `policy test --watch`: again whenever a file changes.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context as _;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{Args, once, show};
use crate::cli::load_config;
use crate::clock::{Clock as _, SystemClock};

/// Files that stood still for so long are written.
const QUIET: Duration = Duration::from_millis(150);
/// Clears the screen and what was scrolled away.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let folder = match &args.policies {
        Some(name) if !Path::new(name).is_dir() => {
            anyhow::bail!("`{name}` is no folder: a revision does not change, so there is nothing to watch")
        }
        Some(name) => PathBuf::from(name),
        None => load_config(config)?.config.policies.path,
    };
    loop {
        // Watching starts before the files are read: what changes meanwhile is seen.
        let changes = Changes::of(&folder, config)?;
        again(args, config)?;
        changes.wait()?;
    }
}

/// One run on a clean screen. What is wrong with the files is part of the result.
fn again(args: &Args, config: &Path) -> anyhow::Result<()> {
    let result = once(args, config);
    let out = &mut io::stdout().lock();
    if out.is_terminal() {
        write!(out, "{CLEAR}")?;
    }
    let line = match result {
        Ok(Ok(run)) => {
            show::failures(out, &run.report)?;
            if args.coverage {
                show::coverage(out, args, &run)?;
            }
            show::line(args, &run)
        }
        Ok(Err(errors)) => {
            writeln!(out, "{errors}\n")?;
            "the policies do not load".to_owned()
        }
        Err(error) => {
            crate::cli::report(out, &error);
            writeln!(out)?;
            "nothing was tested".to_owned()
        }
    };
    let now = SystemClock.now().to_zoned(jiff::tz::TimeZone::system());
    writeln!(out, "{} {line}", now.strftime("%H:%M:%S"))?;
    out.flush().context("the result can't be written")
}

/// Tells of files that are written.
struct Changes {
    /// Tells as long as it is there.
    _watcher: RecommendedWatcher,
    written: Receiver<()>,
}

impl Changes {
    fn of(folder: &Path, config: &Path) -> anyhow::Result<Self> {
        let (sender, written) = channel();
        let policies = folder.canonicalize().with_context(|| format!("can't watch `{}`", folder.display()))?;
        let (name, ours) = (config.file_name().map(ToOwned::to_owned), policies.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error means that events were lost: then it is better to look.
            let matters = event.map_or(true, |event| {
                let is_one = |path: &PathBuf| path.starts_with(&ours) || path.file_name() == name.as_deref();
                is_write(event.kind) && event.paths.iter().any(is_one)
            });
            if matters && sender.send(()).is_err() {
                // Nobody waits any more: the next watcher is on already.
            }
        })?;
        watcher.watch(&policies, RecursiveMode::Recursive).context("the policies can't be watched")?;
        let beside = config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        watcher.watch(beside, RecursiveMode::NonRecursive).context("the settings can't be watched")?;
        Ok(Self { _watcher: watcher, written })
    }

    /// Waits until something was written and then nothing more for a moment.
    fn wait(&self) -> anyhow::Result<()> {
        self.written.recv().context("the files can't be watched any more")?;
        loop {
            match self.written.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }
}

/// Reading the files is no change.
fn is_write(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
