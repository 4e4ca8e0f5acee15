//! The set in force, and how another takes its place: read → validate → run the policy tests → would anybody be locked out? →
//! swap. Whatever fails, the one before stays.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use tokio::sync::Mutex;

use super::files::Files;
use super::inventory::{Inventory, in_force_file};
use super::load::LoadError;
use super::lockout;
use super::plan::Plan;
use super::snapshot::Snapshot;
use super::source::{Reading, Set, Source};
use crate::accounts::Accounts;
use crate::clock::{Clock, Timestamp};
use crate::saml::Published;
use crate::telemetry::{Metrics, ReloadResult};
use crate::workers::{Pool, PoolError, PoolSettings, Priority};

/// How long a reload gives way to requests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The file system told of a change.
    Watch,
    /// SIGHUP.
    Signal,
    /// It was time to look.
    Timer,
    /// Somebody asked for it.
    Request,
}

impl Trigger {
    /// The word in logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Signal => "signal",
            Self::Timer => "timer",
            Self::Request => "request",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum ReloadOutcome {
    /// The files hold what is in force.
    Unchanged,
    /// Another set is in force; this is what is different.
    Changed(Plan),
    /// The files hold a set that cannot come into force.
    Refused(Refusal),
}

/// A set that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Since when the files hold no set that loads.
    pub since: Timestamp,
    /// Why, each problem with file and line.
    pub why: String,
}

/// A set in force.
pub struct InForce {
    /// What decides and answers.
    pub snapshot: Arc<Snapshot>,
    /// When it came into force.
    pub since: Timestamp,
    /// SHA-256 over its settings.
    pub config_digest: String,
    /// The settings in the files that wait for the next start.
    pub waiting: Vec<String>,
    inventory: Inventory,
    certificate: Option<Arc<CertifiedKey>>,
    published: Vec<Published>,
    fingerprint: String,
}

impl InForce {
    fn new(set: Set) -> Self {
        let Set { snapshot, inventory, wanted, certificate, published, fingerprint, .. } = set;
        let waits = Plan::between(&inventory, &wanted).at_start;
        Self {
            snapshot: Arc::new(snapshot),
            since: inventory.since,
            config_digest: inventory.config_digest.clone(),
            waiting: waits.into_iter().map(|change| change.name).collect(),
            inventory,
            certificate,
            published,
            fingerprint,
        }
    }

    /// The certificate of the server's own https.
    #[must_use]
    pub fn certificate(&self) -> Option<Arc<CertifiedKey>> {
        self.certificate.clone()
    }
}

/// What is remembered from one attempt to the next.
struct Attempt {
    files: Files,
    /// The fingerprint of what was refused.
    refused: Option<String>,
}

/// Holds the set in force.
pub struct Runtime {
    current: ArcSwap<InForce>,
    refusal: ArcSwap<Option<Refusal>>,
    source: Arc<Source>,
    accounts: Accounts,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// One reload at a time.
    last: Mutex<Attempt>,
}

impl Runtime {
    /// Puts the first set in force.
    #[must_use]
    pub fn new(source: Source, set: Set, accounts: Accounts, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        let files = Files::of(&set.snapshot.config);
        let in_force = InForce::new(set);
        let runtime = Self {
            current: ArcSwap::from_pointee(in_force),
            refusal: ArcSwap::from_pointee(None),
            source: Arc::new(source),
            accounts,
            metrics,
            clock,
            last: Mutex::new(Attempt { files, refused: None }),
        };
        runtime.tell();
        runtime
    }

    /// The snapshot in force now. Take it once per step, so that a step is decided by one set.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.load().snapshot)
    }

    /// The set in force now.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        self.current.load_full()
    }

    /// Why the files hold no set that could come into force, if so.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        Option::clone(&self.refusal.load())
    }

    /// The numbers of this server.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The files that make up a set now.
    pub(super) async fn files(&self) -> Files {
        self.last.lock().await.files.clone()
    }

    /// Whether the set in force was made yesterday or before, so that what expires by the day may have expired.
    pub(super) fn is_of_another_day(&self) -> bool {
        self.source.is_of_another_day(&self.in_force().fingerprint)
    }

    /// Reads the files, and puts what they hold in force if it is another set, and a good one. The work is done off the
    /// threads of requests; those go on under the set before until the swap.
    pub async fn reload(&self, trigger: Trigger) -> ReloadOutcome {
        let mut last = self.last.lock().await;
        let reading = match self.read_in_time().await {
            Ok(reading) => reading,
            Err(error) => return self.refuse(trigger, format!("the files could not be read: {error}")),
        };
        let Reading { files, fingerprint, set } = reading;
        last.files = files;
        let Some(set) = set else {
            last.refused = None;
            self.recovered();
            return ReloadOutcome::Unchanged;
        };
        if trigger == Trigger::Timer
            && last.refused.as_ref() == Some(&fingerprint)
            && let Some(refusal) = self.refusal()
        {
            return ReloadOutcome::Refused(refusal);
        }
        match self.examine(set).await {
            Ok(set) => {
                last.refused = None;
                self.put_in_force(trigger, *set)
            }
            Err(why) => {
                last.refused = Some(fingerprint);
                self.refuse(trigger, why)
            }
        }
    }

    /// Reads the files, on threads that leave the processor to requests whenever those want it: but no flood of requests keeps a
    /// set of policies out.
    async fn read_in_time(&self) -> Result<Reading, PoolError> {
        if let Ok(reading) = tokio::time::timeout(PATIENCE, self.read(Priority::Lowest)).await {
            return reading;
        }
        tracing::warn!("a reload finds no time beside requests, and takes it now");
        self.read(Priority::Normal).await
    }

    async fn read(&self, priority: Priority) -> Result<Reading, PoolError> {
        let (source, in_force) = (Arc::clone(&self.source), self.in_force());
        let reading = PoolSettings { name: "reload", threads: 1, queue: 1, priority };
        Pool::start(reading)?.run(move || source.read(&in_force.fingerprint, &in_force.snapshot)).await
    }

    async fn examine(&self, set: Result<Box<Set>, LoadError>) -> Result<Box<Set>, String> {
        let set = set.map_err(|error| whole(&error))?;
        let (old, now) = (self.snapshot(), self.clock.now());
        match lockout::keeps_somebody(&old, &set.snapshot, &self.accounts, now).await {
            Ok(true) => self.archive(set).await,
            Ok(false) => {
                Err("nobody could open the console any more: every owner and administrator who can now would \
                              be refused, with everything they can show and from every named network"
                    .to_owned())
            }
            Err(error) => Err(format!(
                "whether somebody could still open the console can't be told, for the accounts can't be read: {}",
                whole(&error)
            )),
        }
    }

    /// Keeps the policies for later. Off the threads of requests, as it writes to the disk.
    async fn archive(&self, set: Box<Set>) -> Result<Box<Set>, String> {
        let source = Arc::clone(&self.source);
        let kept = tokio::task::spawn_blocking(move || source.archive(&set).map(|()| set)).await;
        kept.map_err(|error| format!("the policies could not be kept: {error}"))?.map_err(|error| whole(&error))
    }

    fn put_in_force(&self, trigger: Trigger, set: Set) -> ReloadOutcome {
        let new = InForce::new(set);
        let plan = Plan::between(&self.in_force().inventory, &new.inventory);
        tracing::info!(
            reload.trigger = trigger.code(),
            policy.digest = new.inventory.policy_digest,
            config.digest = new.config_digest,
            reload.changes = plan.changes.len(),
            reload.waiting = ?new.waiting,
            "a changed set is in force"
        );
        for change in plan.changes.iter().filter(|change| change.loss.is_some()) {
            tracing::warn!(policy.id = change.name, reload.loss = change.loss, "a protection is gone");
        }
        for change in plan.changes.iter().filter(|change| change.gain.is_some()) {
            tracing::info!(policy.id = change.name, reload.gain = change.gain, "more is permitted");
        }
        let before = self.current.swap(Arc::new(new));
        // To drop many policies takes longer than a request should wait.
        drop(tokio::task::spawn_blocking(move || drop(before)));
        self.refusal.store(Arc::new(None));
        self.metrics.reloaded(ReloadResult::Changed);
        self.tell();
        ReloadOutcome::Changed(plan)
    }

    fn refuse(&self, trigger: Trigger, why: String) -> ReloadOutcome {
        tracing::error!(reload.trigger = trigger.code(), error = why, "the files are refused; the set before stays");
        let since = self.refusal().map_or_else(|| self.clock.now(), |earlier| earlier.since);
        let refusal = Refusal { since, why };
        self.refusal.store(Arc::new(Some(refusal.clone())));
        self.metrics.reloaded(ReloadResult::Refused);
        ReloadOutcome::Refused(refusal)
    }

    fn recovered(&self) {
        if self.refusal().is_some() {
            tracing::info!("the files hold the set in force again");
            self.refusal.store(Arc::new(None));
            self.metrics.reload_recovered();
        }
    }

    /// Tells monitoring and `cedargate plan` what is in force. Neither may stop a good set.
    fn tell(&self) {
        let in_force = self.in_force();
        self.metrics.in_force(&in_force.config_digest, in_force.snapshot.bundle.digest(), in_force.since);
        self.metrics.certificates(in_force.published.iter().map(|key| (key.place.name(), key.certificate.not_after())));
        // Each day begins with a new set, so this is told daily.
        for warning in in_force.published.iter().filter_map(|key| key.warning(in_force.since)) {
            tracing::warn!(warning, "a signing key has to be replaced: `cedargate keys new` begins");
        }
        self.tell_endings(&in_force);
        self.metrics.unavailable(in_force.snapshot.unavailable().len());
        for left_out in in_force.snapshot.unavailable() {
            let (app, why) = (&left_out.app.id, &left_out.why);
            tracing::error!(app.id = %app, error = why, "nobody can sign in to this app: its metadata can't be used");
        }
        if let Err(error) = in_force.inventory.write(&in_force_file(self.source.started())) {
            tracing::warn!(error = whole(&error), "`cedargate plan` can't tell what is in force");
        }
    }

    /// Policies and exceptions that end soon: each day begins with a new set, so this is told daily.
    fn tell_endings(&self, in_force: &InForce) {
        let endings = in_force.snapshot.bundle.endings(in_force.since.to_zoned(jiff::tz::TimeZone::UTC).date());
        for ending in endings.iter().filter(|ending| ending.is_soon()) {
            let (id, on) = (&ending.id, ending.on.to_string());
            tracing::warn!(policy.id = %id, policy.ends = on, help = ending.help(), "a policy, or an exception in one, ends soon or has ended");
        }
        self.metrics.policy_expiry(endings.iter().map(|ending| ending.days).find(|days| *days > 0));
    }
}

/// An error with everything it was caused by.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
