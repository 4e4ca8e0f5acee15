//! Every signal of one address, with its source and the age of that.

use std::net::IpAddr;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::stores::Stores;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::domain::{AppId, Country, PORTAL, SignalSet, UnknownSignal, User};
use crate::signals::geo::Reading;
use crate::signals::{NetworkPrefix, Observation, Observer, Past, ZoneSource};

/// One signal as policies would read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// Its name in policies, behind `context`: `net.country`.
    pub(super) signal: String,
    value: Value,
    /// Whether it could be had; if not, the value is the risky one.
    pub(super) known: bool,
    /// Who says so.
    source: String,
    /// The file that says so, when it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// How many days ago that was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<i64>,
}

impl Row {
    fn known(signal: &str, value: Value, source: impl Into<String>) -> Self {
        Self { signal: signal.to_owned(), value, known: true, source: source.into(), file: None, age_days: None }
    }

    /// The value as people read it.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => "none".to_owned(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        }
    }

    /// Where it comes from, and how old that is.
    pub(super) fn because(&self) -> String {
        let file = self.file.as_ref().map(|file| format!(" (`{file}`)")).unwrap_or_default();
        let age = self.age_days.map(|days| format!(", {days} days old")).unwrap_or_default();
        format!("{}{file}{age}", self.source)
    }
}

/// What is looked at.
pub(super) struct About<'a> {
    pub(super) config: &'a Config,
    pub(super) observer: &'a Observer,
    pub(super) ip: IpAddr,
    pub(super) now: Timestamp,
}

impl About<'_> {
    /// All signals, of nobody or of `user`.
    ///
    /// # Errors
    /// There is no such user, or a store failed.
    pub(super) async fn rows(&self, stores: &Stores, user: Option<&str>) -> anyhow::Result<Vec<Row>> {
        let user = match user {
            Some(typed) => {
                let accounts = stores.accounts.as_ref().context("the accounts can't be opened")?;
                let found = accounts.find_by_login(typed).await?;
                Some(found.with_context(|| format!("there is no user `{typed}`"))?.user)
            }
            None => None,
        };
        let past = match (&user, &stores.baselines) {
            (Some(user), Some(baselines)) => baselines.look(user.id).await?,
            _ => Past::Unknown,
        };
        let failed_attempts = match (&user, &stores.failures) {
            (Some(user), Some(failures)) => {
                let subject = failures.subject(user.username.as_str());
                Some(failures.recent_passwords(&subject, NetworkPrefix::of(self.ip)).await?)
            }
            _ => None,
        };
        let portal = AppId::parse(PORTAL)?;
        let observation = Observation {
            time_zone: user.as_ref().and_then(|user| user.time_zone.as_deref()),
            failed_attempts: failed_attempts.unwrap_or(0),
            past: &past,
            ..Observation::of_visitor(self.ip, &portal)
        };
        let signals = self.observer.observe(&observation);
        let mut rows = self.of_network(&signals);
        rows.extend(self.of_time(&signals, &observation));
        rows.extend(self.of_person(&signals, user.as_ref(), &past, failed_attempts));
        Ok(rows)
    }

    fn of_network(&self, signals: &SignalSet) -> Vec<Row> {
        let networks: Vec<&str> = signals.networks.iter().map(|name| name.as_str()).collect();
        let mut rows = vec![
            Row::known("net.ip", json!(signals.ip), "--address"),
            Row::known("net.networks", json!(networks), "[networks]"),
        ];
        let Some(readings) = self.observer.readings(self.ip) else {
            let private = "a private address";
            rows.extend([
                Row::known("net.country", json!(signals.country.as_str()), private),
                Row::known("net.asn", json!(signals.asn), private),
                Row::known("net.anonymous", json!(signals.anonymous), private),
            ]);
            return rows;
        };
        rows.push(self.read("net.country", json!(signals.country.as_str()), &readings.country));
        // Not for policies: what pages and mails say, and what distances are reckoned from.
        let place = readings.place.value().map_or("not known", String::as_str);
        rows.push(self.read("place", json!(place), &readings.place));
        let spot = readings.coordinates.value().map(|spot| spot.degrees());
        let spot = spot.map_or("not known".to_owned(), |(north, east)| format!("{north:.2}, {east:.2}"));
        rows.push(self.read("coordinates", json!(spot), &readings.coordinates));
        rows.push(self.read("net.asn", json!(signals.asn), &readings.asn));
        if let Some((_, Some(name))) = readings.asn.value() {
            rows.push(self.read("network owner", json!(name), &readings.asn));
        }
        rows.push(self.read("net.anonymous", json!(signals.anonymous), &readings.anonymous));
        rows
    }

    fn read<T>(&self, signal: &str, value: Value, reading: &Reading<T>) -> Row {
        let source = reading.source();
        let told = match (source, reading.absence()) {
            (Some(source), None) => source.kind.clone(),
            (Some(source), Some(why)) => format!("{} ({})", why.reason(), source.kind),
            (None, _) => format!("{} in [geoip]", reading.absence().map_or("no file", |why| why.reason())),
        };
        Row {
            signal: signal.to_owned(),
            value,
            known: reading.value().is_some(),
            source: told,
            file: source.map(|source| source.path.display().to_string()),
            age_days: source.map(|source| source.age_days(self.now)),
        }
    }

    /// Hour and weekday as most apps read them, and as those with a zone of their own do.
    fn of_time(&self, signals: &SignalSet, observation: &Observation<'_>) -> Vec<Row> {
        let rows_of = |signals: &SignalSet, app: &AppId| {
            let (zone, source) = self.observer.zone_of(app, observation.time_zone);
            let whose = match source {
                ZoneSource::App => "the app's",
                ZoneSource::Person => "the person's",
                ZoneSource::Organisation => "the organisation's",
            };
            let source = format!("{whose} zone, {}", zone.iana_name().unwrap_or("UTC"));
            let name =
                |field: &str| if *app == *observation.app { field.to_owned() } else { format!("{field}, {app}") };
            [
                Row::known(&name("time.hour"), json!(signals.hour), source.clone()),
                Row::known(&name("time.weekday"), json!(signals.weekday), source),
            ]
        };
        let mut rows = Vec::from(rows_of(signals, observation.app));
        for app in self.config.apps.iter().filter(|app| app.time_zone.is_some()) {
            let there = self.observer.observe(&Observation { app: &app.id, ..*observation });
            rows.extend(rows_of(&there, &app.id));
        }
        rows
    }

    fn of_person(&self, signals: &SignalSet, user: Option<&User>, past: &Past, failed: Option<u32>) -> Vec<Row> {
        let risk = &signals.risk;
        let earlier = match (past, user) {
            _ if signals.country == Country::private() => "a private address".to_owned(),
            (_, None) => "depends on the person: add --user".to_owned(),
            (Past::Unknown, _) => "no earlier sign-in on record".to_owned(),
            (Past::First, _) => "never signed in".to_owned(),
            (Past::Seen(baseline), _) => {
                let countries: Vec<&str> = baseline.countries.keys().map(|country| country.as_str()).collect();
                let last = baseline.last.map(|stop| stop.at.strftime("; last placed %Y-%m-%d %H:%M UTC").to_string());
                format!("allowed from {}{}", countries.join(", "), last.unwrap_or_default())
            }
        };
        let known = |signal| !signals.unknown.contains(&signal);
        let row =
            |signal: &str, value: Value, known: bool, source: &str| Row { known, ..Row::known(signal, value, source) };
        let mut rows = vec![
            row("risk.new_country", json!(risk.new_country), known(UnknownSignal::NewCountry), &earlier),
            row(
                "risk.impossible_travel",
                json!(risk.impossible_travel),
                known(UnknownSignal::ImpossibleTravel),
                &earlier,
            ),
        ];
        match failed {
            Some(failed) => {
                let network = NetworkPrefix::of(self.ip);
                let source = format!("wrong passwords from {network} within 15 minutes, on an unknown device");
                rows.push(row("risk.failed_attempts", json!(failed), true, &source));
            }
            None => {
                let why = if user.is_some() { "no state store yet" } else { "depends on the person: add --user" };
                rows.push(row("risk.failed_attempts", json!(0), false, why));
            }
        }
        rows.push(row("device", json!("any"), false, "depends on the browser"));
        if let Some(user) = user {
            let home = json!(user.home_country.as_str());
            rows.push(row("home_country", home, true, "set by an administrator"));
        }
        rows
    }
}
