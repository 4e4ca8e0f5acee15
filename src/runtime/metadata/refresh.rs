//! Keeps the copies of fetched metadata fresh, off the path of requests. What is fetched is tried on the apps it is for before it
//! is kept; a copy that changed is a changed file of the set, and the ordinary reload does the rest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::{FetchError, Fetched, Fetcher};
use super::copies::{Note, sha256, store};
use super::reader::{Reader, Unread};
use super::{Said, copy_of, fetched_urls, schedule, url_of};
use crate::clock::{Clock, Entropy, Timestamp};
use crate::config::{Config, MetadataUrl};
use crate::domain::AppId;
use crate::runtime::apps::built_app;
use crate::runtime::{Runtime, Snapshot};
use crate::saml::{Registry as _, ServiceProvider};
use crate::telemetry::{FetchResult, Metrics};

/// How often it is seen to what is due.
const LOOK: Duration = Duration::from_secs(2);
/// How many sources are asked at once.
const AT_ONCE: usize = 16;
/// How long a start waits for metadata that it has no copy of.
const START: Duration = Duration::from_secs(20);

/// Fetching cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("metadata can't be fetched: TLS can't be set up")]
pub struct NoFetching(#[from] reqwest::Error);

/// What every fetch needs.
struct Tools {
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Looks after the sources of the set in force.
pub struct Refresher {
    tools: Arc<Tools>,
    runtime: Arc<Runtime>,
    due: HashMap<MetadataUrl, Due>,
    /// The set whose missing metadata was asked for.
    seen: Option<Timestamp>,
    /// Apps whose end was told.
    told: HashSet<AppId>,
}

/// When a source is asked next.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Timestamp,
    failures: u32,
}

/// Whom a fetch is for.
#[derive(Clone)]
enum For {
    /// A server that starts: nothing is in force yet.
    Start(Arc<Config>),
    /// The set in force.
    Set(Arc<Snapshot>),
}

impl For {
    fn config(&self) -> &Config {
        match self {
            Self::Start(config) => config,
            Self::Set(snapshot) => &snapshot.config,
        }
    }

    fn in_force(&self) -> Option<&Snapshot> {
        match self {
            Self::Start(_) => None,
            Self::Set(snapshot) => Some(snapshot),
        }
    }
}

/// What one look at a source came to.
enum Looked {
    Changed(Timestamp),
    Same(Timestamp),
}

impl Refresher {
    /// For the sets of `runtime`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(runtime: Arc<Runtime>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, NoFetching> {
        let tools = Arc::new(Tools { fetcher: Fetcher::new()?, clock, entropy });
        Ok(Self { tools, runtime, due: HashMap::new(), seen: None, told: HashSet::new() })
    }

    /// Works until the task is dropped. SIGHUP makes it ask all sources at once.
    pub async fn run(mut self) {
        let mut hangup = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::error!(%error, "SIGHUP makes nobody look at metadata"))
            .ok();
        loop {
            self.look().await;
            let told = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            if tokio::time::timeout(LOOK, told).await.is_ok() {
                let now = self.tools.clock.now();
                self.due.values_mut().for_each(|due| due.at = now);
            }
        }
    }

    /// Asks what is due.
    async fn look(&mut self) {
        let in_force = self.runtime.in_force();
        let snapshot = Arc::clone(&in_force.snapshot);
        let now = self.tools.clock.now();
        self.tell_ends(&snapshot, now);
        if self.seen.replace(in_force.since) != Some(in_force.since) {
            self.follow(&snapshot, now);
        }
        let due: Vec<MetadataUrl> =
            self.due.iter().filter(|(_, due)| due.at <= now).map(|(url, _)| url.clone()).collect();
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut asked = JoinSet::new();
        for url in due {
            let (tools, whom, slots) = (Arc::clone(&self.tools), For::Set(Arc::clone(&snapshot)), Arc::clone(&slots));
            asked.spawn(async move {
                let _slot = slots.acquire().await;
                let looked = tools.look_at(whom, &url).await;
                (url, looked)
            });
        }
        while let Some(looked) = asked.join_next().await {
            match looked {
                Ok((url, looked)) => self.note(&snapshot, url, looked),
                Err(error) => tracing::error!(%error, "metadata could not be looked at"),
            }
        }
    }

    /// Another set is in force: it may have other sources.
    fn follow(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let config = &snapshot.config;
        let missing: HashSet<&AppId> = snapshot.unavailable().iter().map(|one| &one.app.id).collect();
        let wanting: HashSet<&MetadataUrl> =
            config.apps.iter().filter(|app| missing.contains(&app.id)).filter_map(url_of).collect();
        let sources: HashSet<MetadataUrl> = fetched_urls(config).cloned().collect();
        self.due.retain(|url, _| sources.contains(url));
        for url in sources {
            let note = Note::of(&copy_of(config, &url));
            let wanted = wanting.contains(&url);
            let at = note.as_ref().filter(|_| !wanted).map_or(now, |note| note.again);
            if let Some(note) = &note {
                tell_seen(self.runtime.metrics(), config, &url, note.seen);
            }
            let due = self.due.entry(url).or_insert(Due { at, failures: 0 });
            if wanted {
                due.at = due.at.min(now);
            }
        }
    }

    fn note(&mut self, snapshot: &Snapshot, url: MetadataUrl, looked: Result<Looked, String>) {
        let (now, metrics) = (self.tools.clock.now(), self.runtime.metrics());
        let failures = self.due.get(&url).map_or(0, |due| due.failures);
        let due = match looked {
            Ok(Looked::Changed(again)) => {
                metrics.metadata_fetched(FetchResult::Changed);
                tell_seen(metrics, &snapshot.config, &url, now);
                Due { at: again, failures: 0 }
            }
            Ok(Looked::Same(again)) => {
                metrics.metadata_fetched(FetchResult::Unchanged);
                tell_seen(metrics, &snapshot.config, &url, now);
                Due { at: again, failures: 0 }
            }
            Err(why) => {
                metrics.metadata_fetched(FetchResult::Failed);
                let failures = failures.saturating_add(1);
                let at = later(now, schedule::spread(schedule::after_failure(failures), &*self.tools.entropy));
                tracing::warn!(
                    metadata.url = url.as_str(), error = why, metadata.failures = failures, metadata.again = %at,
                    "metadata can't be renewed; the copy stays"
                );
                Due { at, failures }
            }
        };
        self.due.insert(url, due);
    }

    /// Says once that an app is over, in the hour it is.
    fn tell_ends(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let mut ended = HashSet::new();
        for one in snapshot.imported().iter().filter(|one| one.valid_until.is_some_and(|end| end <= now)) {
            if !self.told.contains(&one.app) {
                tracing::error!(
                    app.id = %one.app, metadata.source = %one.source,
                    "nobody can sign in to this app any more: its metadata has ended"
                );
            }
            ended.insert(one.app.clone());
        }
        self.told = ended;
    }
}

fn tell_seen(metrics: &Metrics, config: &Config, url: &MetadataUrl, at: Timestamp) {
    for app in config.apps.iter().filter(|app| url_of(app) == Some(url)) {
        metrics.metadata_seen(&app.id, at);
    }
}

fn later(now: Timestamp, time: Duration) -> Timestamp {
    now.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// Fetches what config names and nobody has a good copy of, before the first set is put together. What is not to be had is told,
/// and its app is left out until it is.
///
/// # Errors
/// TLS cannot be set up.
pub async fn fetch_missing(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<(), NoFetching> {
    let mut reader = Reader::new(config, clock.now());
    let missing = config.apps.iter().filter(|app| matches!(reader.of(app), Err(Unread::Unavailable(_))));
    let missing: HashSet<MetadataUrl> = missing.filter_map(url_of).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let tools = Arc::new(Tools { fetcher: Fetcher::new()?, clock: Arc::clone(clock), entropy: Arc::clone(entropy) });
    let whom = For::Start(Arc::new(config.clone()));
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for url in missing {
        let (tools, whom, slots) = (Arc::clone(&tools), whom.clone(), Arc::clone(&slots));
        asked.spawn(async move {
            let _slot = slots.acquire().await;
            if let Err(why) = tools.look_at(whom, &url).await {
                tracing::warn!(metadata.url = url.as_str(), error = why, "metadata can't be had");
            }
        });
    }
    // Whatever is slower is fetched later.
    let all = async { while asked.join_next().await.is_some() {} };
    if tokio::time::timeout(START, all).await.is_err() {
        tracing::warn!("not all metadata could be fetched in time; the server starts, and goes on trying");
    }
    Ok(())
}

impl Tools {
    /// Asks one source, and keeps what it has if the apps can work with it.
    async fn look_at(&self, whom: For, url: &MetadataUrl) -> Result<Looked, String> {
        let copy = copy_of(whom.config(), url);
        let noted = Note::of(&copy);
        let mut apps = noted.as_ref().map(|note| note.apps.clone()).unwrap_or_default();
        apps.retain(|id, _| whom.config().apps.iter().any(|app| app.id == *id));
        let known = noted.filter(|note| note.fits(&copy));
        let version = known.as_ref().map(|note| note.version.clone()).unwrap_or_default();
        let fetched = self.fetcher.fetch(url, version).await.map_err(|error: FetchError| error.to_string())?;
        let (xml, version) = match (&known, fetched) {
            (_, Fetched::Document(xml, version)) => (xml, version),
            (Some(note), Fetched::Same) => {
                (std::fs::read_to_string(&copy).map_err(|error| error.to_string())?, note.version.clone())
            }
            (None, Fetched::Same) => return Err("it has nothing new, but we have nothing old".to_owned()),
        };
        let now = self.clock.now();
        let (tried, tried_copy) = (url.clone(), copy.clone());
        let (xml, trial) = tokio::task::spawn_blocking(move || {
            let trial = try_on(whom.config(), whom.in_force(), &tried, &tried_copy, &xml, now)?;
            Ok::<_, String>((xml, trial))
        })
        .await
        .map_err(|error| error.to_string())??;
        let again = schedule::spread(schedule::after_success(trial.cache, trial.ends, now), &*self.entropy);
        let sha256 = sha256(xml.as_bytes());
        apps.extend(trial.said);
        let before = known.map(|note| note.sha256);
        let same = before.as_ref() == Some(&sha256);
        let note = Note { url: url.to_string(), seen: now, again: later(now, again), sha256, before, version, apps };
        let unwritten = |error: std::io::Error| format!("`{}` can't be written: {error}", copy.display());
        if same {
            note.write(&copy).map_err(unwritten)?;
            return Ok(Looked::Same(note.again));
        }
        store(&copy, &xml, &note).map_err(unwritten)?;
        tracing::info!(metadata.url = url.as_str(), metadata.sha256 = note.sha256, "new metadata is kept");
        Ok(Looked::Changed(note.again))
    }
}

/// What the apps of a source say on when to ask again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) cache: Option<Duration>,
    pub(super) ends: Option<Timestamp>,
    /// What it says of those that can work with it.
    pub(super) said: BTreeMap<AppId, Said>,
}

/// Builds the apps of this source from what was fetched. An app that works now must work with it, under the name it has; of
/// apps that do not work yet, one must.
pub(super) fn try_on(
    config: &Config,
    in_force: Option<&Snapshot>,
    url: &MetadataUrl,
    copy: &Path,
    xml: &str,
    now: Timestamp,
) -> Result<Trial, String> {
    let mut reader = Reader::new(config, now).with_copy(copy, xml);
    let (mut trial, mut works, mut refused) = (Trial::default(), false, None);
    for app in config.apps.iter().filter(|app| url_of(app) == Some(url)) {
        let before = in_force.and_then(|set| set.service_provider(&app.id));
        let tried = built_app(app, &mut reader).map_err(Unread::in_words);
        let tried = tried.and_then(|(sp, imported)| keeps_its_name(&sp, before, in_force).map(|()| imported));
        match tried {
            Ok(imported) => {
                works = true;
                trial.cache = trial.cache.into_iter().chain(imported.as_ref().and_then(|one| one.cache_duration)).min();
                trial.ends = trial.ends.into_iter().chain(imported.as_ref().and_then(|one| one.valid_until)).min();
                trial.said.extend(imported.map(|one| (one.app, one.said)));
            }
            Err(why) if before.is_some_and(|sp| sp.is_valid_at(now)) => return Err(why),
            Err(why) => refused = Some(why),
        }
    }
    match refused {
        Some(why) if !works => Err(why),
        Some(why) => {
            tracing::warn!(
                metadata.url = url.as_str(),
                error = why,
                "fetched metadata does not do for each of its apps"
            );
            Ok(trial)
        }
        None => Ok(trial),
    }
}

/// Who can change metadata must not become another app by it.
fn keeps_its_name(
    sp: &ServiceProvider,
    before: Option<&Arc<ServiceProvider>>,
    in_force: Option<&Snapshot>,
) -> Result<(), String> {
    let (app, name) = (&sp.app().id, sp.entity_id());
    if let Some(before) = before.filter(|before| before.entity_id() != name) {
        let was = before.entity_id();
        return Err(format!(
            "app `{app}` calls itself `{name}` now, and was `{was}`: if that is right, set `entity_id`"
        ));
    }
    match in_force.and_then(|set| set.by_entity_id(name)).filter(|other| other.app().id != *app) {
        Some(other) => Err(format!("app `{app}` has the entity id of app `{}`: `{name}`", other.app().id)),
        None => Ok(()),
    }
}
