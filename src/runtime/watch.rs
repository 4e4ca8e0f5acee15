//! Notices that the files changed: by what the file system tells, by SIGHUP, and by looking every few seconds, as not every
//! file system tells. Works for editors that write beside and rename, and for folders behind a symbolic link that is swapped.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::files::Files;
use super::{Runtime, Trigger};

/// Files that stood still for so long are written.
const QUIET: Duration = Duration::from_millis(150);
/// Files that never stand still are read after so many waits all the same.
const MOST_WAITS: usize = 40;
/// How often the files are looked at without being told.
const LOOK: Duration = Duration::from_secs(5);

/// Watching cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// SIGHUP cannot be received.
    #[error("SIGHUP can't be received")]
    Signal(#[from] std::io::Error),
    /// The system tells of no changes.
    #[error("the file system can't be watched")]
    Watcher(#[from] notify::Error),
}

/// Watches from now on.
pub struct Watch {
    runtime: Arc<Runtime>,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    interest: Arc<Mutex<Interest>>,
    changed: Arc<Notify>,
    hangup: Signal,
}

/// Which changes matter.
#[derive(Debug, Default)]
struct Interest {
    /// Folders all of whose files matter.
    folders: BTreeSet<PathBuf>,
    /// Names that matter in the other watched folders.
    names: BTreeSet<OsString>,
}

impl Interest {
    fn covers(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return true };
        path.parent().is_some_and(|folder| self.folders.contains(folder))
            || self.names.contains(name)
            // What Kubernetes swaps is called `..data`; other deployments swap links of any name.
            || name.as_encoded_bytes().starts_with(b"..")
            || path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
    }
}

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// The system does not let us.
    pub async fn start(runtime: Arc<Runtime>) -> Result<Self, WatchError> {
        let (changed, interest) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Interest::default())));
        let (wake, matters) = (Arc::clone(&changed), Arc::clone(&interest));
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let matters = matters.lock().unwrap_or_else(PoisonError::into_inner);
            // An error means that events were lost: then it is better to look.
            let relevant = event.map_or(true, |event| {
                is_write(event.kind) && (event.paths.is_empty() || event.paths.iter().any(|path| matters.covers(path)))
            });
            if relevant {
                wake.notify_one();
            }
        })?;
        let hangup = signal(SignalKind::hangup())?;
        let mut watch = Self { runtime, watcher, watched: BTreeSet::new(), interest, changed, hangup };
        watch.follow(&watch.runtime.files().await);
        Ok(watch)
    }

    /// Reloads whenever there is a reason to, until the process ends.
    pub async fn run(mut self) {
        // What changed while the server started.
        let mut trigger = Trigger::Timer;
        loop {
            let before = self.stamp().await;
            self.runtime.reload(trigger).await;
            self.follow(&self.runtime.files().await);
            // What changed while the files were read is looked at again.
            let after = self.stamp().await;
            let seen = (before == after).then_some(after);
            trigger = self.next_trigger(seen).await;
        }
    }

    /// Waits for a reason to look at files that were `seen` with this stamp.
    async fn next_trigger(&mut self, seen: Option<String>) -> Trigger {
        loop {
            let trigger = tokio::select! {
                () = self.changed.notified() => Trigger::Watch,
                _ = self.hangup.recv() => Trigger::Signal,
                () = tokio::time::sleep(LOOK) => Trigger::Timer,
            };
            match trigger {
                Trigger::Watch => {
                    self.settled().await;
                    return trigger;
                }
                // Exceptions in policies expire by the day.
                Trigger::Timer if self.runtime.is_of_another_day() => return trigger,
                // Not every file system tells of its changes.
                Trigger::Timer if seen.as_ref() != Some(&self.settled().await) => return Trigger::Watch,
                Trigger::Timer => {}
                Trigger::Signal | Trigger::Request => return trigger,
            }
        }
    }

    async fn stamp(&self) -> String {
        let runtime = Arc::clone(&self.runtime);
        let files = runtime.files().await;
        // Only names and times are read; still, a slow disk must not stop the loop that also answers SIGHUP.
        tokio::task::spawn_blocking(move || files.listed_anew().stamp()).await.unwrap_or_default()
    }

    /// The stamp of files that nobody is writing any more.
    async fn settled(&self) -> String {
        let mut before = self.stamp().await;
        for _ in 0..MOST_WAITS {
            tokio::time::sleep(QUIET).await;
            let now = self.stamp().await;
            if now == before {
                break;
            }
            before = now;
        }
        before
    }

    /// Watches the folders of these files, and of what their links lead to. A swapped link leads elsewhere, so this is done
    /// after each reload.
    fn follow(&mut self, files: &Files) {
        let (wanted, interest) = places(files);
        *self.interest.lock().unwrap_or_else(PoisonError::into_inner) = interest;
        for gone in self.watched.difference(&wanted) {
            // It may not exist any more; then nothing is watched there.
            let _ = self.watcher.unwatch(gone);
        }
        // A folder that was replaced under its name has to be watched anew; watching one twice does nothing.
        for folder in &wanted {
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %folder.display(), %error, "a folder can't be watched; it is looked at instead");
            }
        }
        self.watched = wanted;
    }
}

/// The folders to watch, and what matters in them.
fn places(files: &Files) -> (BTreeSet<PathBuf>, Interest) {
    let mut interest = Interest::default();
    let mut wanted = BTreeSet::new();
    let with_real = |path: &Path| [Some(path.to_owned()), path.canonicalize().ok()].into_iter().flatten();
    for folder in files.folders().flat_map(with_real) {
        interest.names.extend(folder.file_name().map(ToOwned::to_owned));
        wanted.extend(folder.parent().map(Path::to_owned));
        interest.folders.insert(folder);
    }
    for file in files.paths().flat_map(with_real) {
        interest.names.extend(file.file_name().map(ToOwned::to_owned));
        wanted.extend(file.parent().map(Path::to_owned));
    }
    wanted.extend(interest.folders.iter().cloned());
    let wanted = wanted
        .into_iter()
        .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder })
        .filter(|folder| folder.is_dir())
        .collect();
    (wanted, interest)
}

/// Whether an event can mean other content. Reading is an event too, and ours would never end.
fn is_write(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
