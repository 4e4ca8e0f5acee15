//! What monitoring sees: counters, gauges and histograms in the text format of Prometheus. Every label comes from a closed
//! set or from config, never from what a stranger sends, so that nobody can make the numbers grow without end.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::clock::Timestamp;
use crate::domain::{AppId, Method, Step};

/// From 1 ms to 10 s: what people notice, and what times out.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Whether an answer was the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofOutcome {
    /// It was.
    Right,
    /// It was not, or came too often.
    Wrong,
}

/// What became of an attempt to load a changed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    /// It is in force.
    Changed,
    /// It has problems; the one before stays.
    Refused,
}

/// What became of an attempt to fetch the metadata of apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchResult {
    /// It is another than before.
    Changed,
    /// It is the same.
    Unchanged,
    /// It was not to be had, or cannot be used; the copy stays.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    step: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProofLabels {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabels {
    app: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SetLabels {
    config: String,
    policies: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    name: String,
}

type Number = Gauge<f64, AtomicU64>;

/// All numbers of this process. Cheap to touch from anywhere; nothing here blocks or fails.
pub struct Metrics {
    registry: Registry,
    decisions: Family<DecisionLabels, Counter>,
    evaluations: Counter,
    decision_seconds: Histogram,
    proofs: Family<ProofLabels, Counter>,
    assertions: Family<AppLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    failures: Family<KindLabels, Counter>,
    reloads: Family<ResultLabels, Counter>,
    reload_failing: Gauge,
    apps_unavailable: Gauge,
    metadata_fetches: Family<ResultLabels, Counter>,
    metadata_fetched: Family<AppLabels, Number>,
    set: Family<SetLabels, Gauge>,
    set_since: Number,
    set_age: Number,
    certificates: Family<CertificateLabels, Gauge>,
    /// No line as long as nothing ends by itself.
    policy_expiry: Family<[(&'static str, &'static str); 0], Gauge>,
    since: AtomicI64,
    /// No line as long as nobody sends mails.
    outbox: Family<[(&'static str, &'static str); 0], Gauge>,
    hashing: Gauge,
    /// The digests that are in force now: their label set is taken away when others come.
    named: Mutex<Option<SetLabels>>,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("cedargate"),
            decisions: Family::default(),
            evaluations: Counter::default(),
            decision_seconds: seconds(),
            proofs: Family::default(),
            assertions: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            failures: Family::default(),
            reloads: Family::default(),
            reload_failing: Gauge::default(),
            apps_unavailable: Gauge::default(),
            metadata_fetches: Family::default(),
            metadata_fetched: Family::default(),
            set: Family::default(),
            set_since: Number::default(),
            set_age: Number::default(),
            certificates: Family::default(),
            policy_expiry: Family::default(),
            since: AtomicI64::new(0),
            outbox: Family::default(),
            hashing: Gauge::default(),
            named: Mutex::new(None),
        };
        metrics.register();
        // What has not happened yet is 0, not missing: alerts on it work from the start.
        for result in [ReloadResult::Changed, ReloadResult::Refused] {
            drop(metrics.reloads.get_or_create(&ResultLabels { result: reload_code(result) }));
        }
        for result in [FetchResult::Changed, FetchResult::Unchanged, FetchResult::Failed] {
            drop(metrics.metadata_fetches.get_or_create(&ResultLabels { result: fetch_code(result) }));
        }
        for kind in ["accounts", "state", "audit", "policies", "signing", "other"] {
            drop(metrics.failures.get_or_create(&KindLabels { kind }));
        }
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("decisions", "Decisions, by step and outcome", self.decisions.clone());
        registry.register("policy_evaluations", "Questions put to Cedar", self.evaluations.clone());
        registry.register("decision_seconds", "How long a decision took", self.decision_seconds.clone());
        registry.register("proofs", "Answers to challenges, by method and outcome", self.proofs.clone());
        registry.register("assertions", "Assertions issued, by app", self.assertions.clone());
        registry.register("http_requests", "Requests, by route and class of status", self.requests.clone());
        registry.register("http_request_seconds", "How long requests took, by route", self.request_seconds.clone());
        registry.register("failures", "Requests that failed because something was away", self.failures.clone());
        registry.register("reloads", "Attempts to load a changed set, by result", self.reloads.clone());
        registry.register(
            "reload_failing",
            "1 while the files hold a set that was refused",
            self.reload_failing.clone(),
        );
        registry.register(
            "apps_unavailable",
            "Apps nobody can sign in to, as their metadata is missing or over",
            self.apps_unavailable.clone(),
        );
        registry.register(
            "metadata_fetches",
            "Attempts to fetch the metadata of apps, by result",
            self.metadata_fetches.clone(),
        );
        registry.register(
            "metadata_fetched_timestamp_seconds",
            "When the metadata of an app was last seen at its source",
            self.metadata_fetched.clone(),
        );
        registry.register("set", "The set in force, by digests of config and policies", self.set.clone());
        registry.register("set_loaded_timestamp_seconds", "When the set came into force", self.set_since.clone());
        registry.register("set_age_seconds", "How long the set has been in force", self.set_age.clone());
        registry.register(
            "certificate_not_after_seconds",
            "When the certificates of the signing keys end, by name of their files, in seconds since 1970",
            self.certificates.clone(),
        );
        registry.register(
            "policy_expiry_days",
            "Days to the next end of a policy or of an exception in one, as of the day the set came into force",
            self.policy_expiry.clone(),
        );
        registry.register("outbox_waiting", "Mails that wait to be sent", self.outbox.clone());
        registry.register("hashing_waiting", "Passwords that are hashed or wait for it", self.hashing.clone());
    }

    /// A decision was taken, with so many questions to Cedar, in so many microseconds.
    pub fn decided(&self, step: Step, outcome: &'static str, evaluations: u32, micros: u64) {
        self.decisions.get_or_create(&DecisionLabels { step: step.action(), outcome }).inc();
        self.evaluations.inc_by(u64::from(evaluations));
        self.decision_seconds.observe(to_seconds(micros));
    }

    /// Somebody answered a challenge.
    pub fn proof(&self, method: Method, outcome: ProofOutcome) {
        let outcome = match outcome {
            ProofOutcome::Right => "right",
            ProofOutcome::Wrong => "wrong",
        };
        self.proofs.get_or_create(&ProofLabels { method: method.code(), outcome }).inc();
    }

    /// An assertion for an app was issued.
    pub fn asserted(&self, app: &AppId) {
        self.assertions.get_or_create(&AppLabels { app: app.to_string() }).inc();
    }

    /// A request was answered. `route` is the pattern of the route table, not what was asked for.
    pub fn requested(&self, route: &str, status: u16, micros: u64) {
        let status = match status {
            0..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
        self.request_seconds.get_or_create(&RouteLabels { route: route.to_owned() }).observe(to_seconds(micros));
    }

    /// Something this server depends on was away: `state`, `accounts`, `audit` or another fixed word.
    pub fn failed(&self, kind: &'static str) {
        self.failures.get_or_create(&KindLabels { kind }).inc();
    }

    /// A changed set was tried.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.get_or_create(&ResultLabels { result: reload_code(result) }).inc();
        self.reload_failing.set(i64::from(result == ReloadResult::Refused));
    }

    /// So many apps are left out for want of metadata.
    pub fn unavailable(&self, apps: usize) {
        self.apps_unavailable.set(i64::try_from(apps).unwrap_or(i64::MAX));
    }

    /// Metadata was fetched, or it was tried.
    pub fn metadata_fetched(&self, result: FetchResult) {
        self.metadata_fetches.get_or_create(&ResultLabels { result: fetch_code(result) }).inc();
    }

    /// When the metadata of an app was last seen at its source.
    pub fn metadata_seen(&self, app: &AppId, at: Timestamp) {
        self.metadata_fetched.get_or_create(&AppLabels { app: app.to_string() }).set(at.as_duration().as_secs_f64());
    }

    /// The files hold the set in force again.
    pub fn reload_recovered(&self) {
        self.reload_failing.set(0);
    }

    /// A set came into force.
    pub fn in_force(&self, config: &str, policies: &str, since: Timestamp) {
        let labels = SetLabels { config: config.to_owned(), policies: policies.to_owned() };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = named.take() {
            self.set.remove(&before);
        }
        self.set.get_or_create(&labels).set(1);
        *named = Some(labels);
        self.since.store(since.as_millisecond(), std::sync::atomic::Ordering::Relaxed);
        self.set_since.set(millis_to_seconds(since.as_millisecond()));
    }

    /// These certificates are published, and no others: the name of each, and when it ends.
    pub fn certificates(&self, published: impl Iterator<Item = (String, Timestamp)>) {
        self.certificates.clear();
        for (name, not_after) in published {
            self.certificates.get_or_create(&CertificateLabels { name }).set(not_after.as_second());
        }
    }

    /// The next policy or exception to end does so in this many days; none: nothing ends by itself.
    pub fn policy_expiry(&self, days: Option<i32>) {
        self.policy_expiry.clear();
        if let Some(days) = days {
            self.policy_expiry.get_or_create(&[]).set(i64::from(days));
        }
    }

    /// So many mails wait to be sent.
    pub fn outbox_waiting(&self, mails: u64) {
        self.outbox.get_or_create(&[]).set(i64::try_from(mails).unwrap_or(i64::MAX));
    }

    /// Counts a password while it is hashed or waits for it.
    #[must_use]
    pub fn hashing(self: &Arc<Self>) -> Hashing {
        self.hashing.inc();
        Hashing(Arc::clone(self))
    }

    /// Everything, as `/metrics` answers it.
    ///
    /// # Errors
    /// A number cannot be written, which no number of ours is.
    pub fn text(&self, now: Timestamp) -> Result<String, fmt::Error> {
        let since = self.since.load(std::sync::atomic::Ordering::Relaxed);
        self.set_age.set(millis_to_seconds(now.as_millisecond().saturating_sub(since)));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A password that is being hashed; counted until dropped.
#[derive(Debug)]
pub struct Hashing(Arc<Metrics>);

impl Drop for Hashing {
    fn drop(&mut self) {
        self.0.hashing.dec();
    }
}

fn fetch_code(result: FetchResult) -> &'static str {
    match result {
        FetchResult::Changed => "changed",
        FetchResult::Unchanged => "unchanged",
        FetchResult::Failed => "failed",
    }
}

fn reload_code(result: ReloadResult) -> &'static str {
    match result {
        ReloadResult::Changed => "changed",
        ReloadResult::Refused => "refused",
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations of requests are far below 2^52 µs")]
fn to_seconds(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
fn millis_to_seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn lines(metrics: &Metrics, now: &str) -> Vec<String> {
        metrics.text(at(now)).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_happened_is_counted_under_its_labels() {
        let metrics = Metrics::new();
        metrics.decided(Step::SignIn, "challenge", 5, 1_500);
        metrics.decided(Step::SignIn, "challenge", 2, 900);
        metrics.proof(Method::Totp, ProofOutcome::Wrong);
        metrics.asserted(&AppId::parse("aws").unwrap());
        metrics.requested("/signin", 303, 12_000);
        metrics.failed("state");
        let lines = lines(&metrics, "2026-11-22T10:00:00Z");
        for line in [
            "cedargate_decisions_total{step=\"signIn\",outcome=\"challenge\"} 2",
            "cedargate_policy_evaluations_total 7",
            "cedargate_proofs_total{method=\"totp\",outcome=\"wrong\"} 1",
            "cedargate_assertions_total{app=\"aws\"} 1",
            "cedargate_http_requests_total{route=\"/signin\",status=\"3xx\"} 1",
            "cedargate_http_request_seconds_bucket{le=\"0.025\",route=\"/signin\"} 1",
            "cedargate_http_request_seconds_bucket{le=\"0.01\",route=\"/signin\"} 0",
            "cedargate_failures_total{kind=\"state\"} 1",
            "cedargate_reloads_total{result=\"refused\"} 0",
        ] {
            assert!(lines.iter().any(|found| found == line), "`{line}` is missing in {lines:#?}");
        }
        assert_eq!(lines.last().map(String::as_str), Some("# EOF"));
    }

    #[test]
    fn mails_are_told_once_there_are_any_to_count() {
        let metrics = Metrics::new();
        let waiting =
            || lines(&metrics, "2026-11-22T11:00:00Z").into_iter().find(|line| line.starts_with("cedargate_outbox"));
        assert_eq!(waiting(), None);
        metrics.outbox_waiting(3);
        assert_eq!(waiting().as_deref(), Some("cedargate_outbox_waiting{} 3"));
    }

    #[test]
    fn one_set_is_in_force_and_grows_older() {
        let metrics = Metrics::new();
        metrics.in_force("aa", "bb", at("2026-11-22T10:00:00Z"));
        metrics.in_force("cc", "dd", at("2026-11-22T11:00:00Z"));
        let lines = lines(&metrics, "2026-11-22T11:01:30Z");
        let sets: Vec<&String> = lines.iter().filter(|line| line.starts_with("cedargate_set{")).collect();
        assert_eq!(sets, ["cedargate_set{config=\"cc\",policies=\"dd\"} 1"]);
        assert!(lines.contains(&"cedargate_set_age_seconds 90.0".to_owned()), "{lines:#?}");
    }

    #[test]
    fn certificates_that_are_published_show_when_they_end_and_others_do_not() {
        let metrics = Metrics::new();
        let of = |names: &[&str]| {
            let end = at("2031-11-22T00:00:00Z");
            metrics.certificates(names.iter().map(|name| ((*name).to_owned(), end)));
            let lines = lines(&metrics, "2026-11-22T11:00:00Z").into_iter();
            lines.filter(|line| line.starts_with("cedargate_certificate")).collect::<Vec<_>>()
        };
        assert_eq!(of(&["current", "next"]).len(), 2);
        assert_eq!(of(&["current"]), ["cedargate_certificate_not_after_seconds{name=\"current\"} 1953072000"]);
    }

    #[test]
    fn the_next_end_of_a_policy_shows_as_long_as_there_is_one() {
        let metrics = Metrics::new();
        for (days, shown) in [(Some(9), vec!["cedargate_policy_expiry_days{} 9"]), (None, vec![])] {
            metrics.policy_expiry(days);
            let lines = lines(&metrics, "2026-11-22T11:00:00Z").into_iter();
            assert_eq!(lines.filter(|line| line.starts_with("cedargate_policy_expiry")).collect::<Vec<_>>(), shown);
        }
    }

    #[test]
    fn a_refused_set_shows_until_another_loads_or_the_old_one_is_back() {
        let metrics = Metrics::new();
        let failing = || lines(&metrics, "2026-11-22T11:00:00Z").contains(&"cedargate_reload_failing 1".to_owned());
        assert!(!failing());
        metrics.reloaded(ReloadResult::Refused);
        assert!(failing());
        metrics.reloaded(ReloadResult::Changed);
        assert!(!failing());
        metrics.reloaded(ReloadResult::Refused);
        metrics.reload_recovered();
        assert!(!failing());
    }

    #[test]
    fn a_password_counts_while_it_is_hashed() {
        let metrics = Arc::new(Metrics::new());
        let waiting =
            |count: u8| lines(&metrics, "2026-11-22T11:00:00Z").contains(&format!("cedargate_hashing_waiting {count}"));
        let hashing = metrics.hashing();
        assert!(waiting(1));
        drop(hashing);
        assert!(waiting(0));
    }
}
