//! What no schema can say: rules between keys.

use std::collections::BTreeMap;

use super::places::Found;
use super::{AppConfig, Config, MOST_TRUST_DAYS, Mail, Problem, Server, State, StateUrl};
use crate::domain::{CONSOLE_GROUPS, CONSOLE_USERS, GroupName};

/// The longest time a stopping server waits for its load balancer.
const MOST_DRAIN_SECONDS: u32 = 600;

/// The most months of the journal that are kept by number.
const MOST_KEPT_MONTHS: u16 = 120;

/// Every rule between keys that `config` breaks.
pub(super) fn check(config: &Config) -> Vec<Found> {
    let mut problems = Vec::new();
    for (index, block) in config.server.trusted_proxies.iter().enumerate() {
        if block.prefix_len() == 0 {
            problems.push(
                Problem::new(format!("server.trusted_proxies[{index}]"), "this lets everybody claim any address")
                    .with_help("list the addresses of your own proxies"),
            );
        }
    }
    problems.extend(config.accounts.problems().into_iter().map(|problem| problem.under("accounts")));
    if config.devices.trust_days > MOST_TRUST_DAYS {
        let days = config.devices.trust_days;
        problems.push(
            Problem::new("devices.trust_days", format!("`{days}` is more than {MOST_TRUST_DAYS} days"))
                .with_help("30 is usual; 0 offers no trust at all"),
        );
    }
    if let Some(months) = config.audit.keep_months.filter(|months| !(1..=MOST_KEPT_MONTHS).contains(months)) {
        problems.push(
            Problem::new("audit.keep_months", format!("`{months}` is not from 1 to {MOST_KEPT_MONTHS}"))
                .with_help("leave it out to keep everything"),
        );
    }
    let mail = config.mail.iter().flat_map(Mail::problems).map(|problem| problem.under("mail"));
    problems.extend(mail);
    problems.extend(check_state(&config.state).into_iter().map(|problem| problem.under("state")));
    problems.extend(check_server(&config.server));
    repeated(&config.apps, "id", |app| Some(app.id.as_str()), &mut problems);
    repeated(&config.apps, "entity_id", |app| app.entity_id.as_deref(), &mut problems);
    for (index, app) in config.apps.iter().enumerate() {
        let found = check_app(app).into_iter().chain(check_pilot(app, &config.groups));
        problems.extend(found.map(|problem| problem.under(&format!("apps[{index}]"))));
    }
    problems.extend(super::attributes::check_groups(config));
    problems.into_iter().map(Found::at_value).collect()
}

/// Keys that do nothing for the store that `url` names, and two passwords for one.
fn check_state(state: &State) -> Vec<Problem> {
    let mut problems = Vec::new();
    let redis = match &state.url {
        StateUrl::Redis(redis) => Some(redis),
        StateUrl::Embedded(_) => None,
    };
    if state.password_file.is_some() && redis.is_none() {
        let problem = Problem::new("password_file", "`password_file` has no effect on an embedded store");
        problems.push(problem.with_help("leave it out, or let `url` name a Redis server"));
    }
    if state.password_file.is_some() && redis.is_some_and(|redis| redis.password.is_some()) {
        let problem = Problem::new("password_file", "there are two passwords: `url` holds one too");
        problems.push(problem.with_help("leave one of them out; a file is the better place"));
    }
    if state.ca_file.is_some() && !redis.is_some_and(|redis| redis.tls) {
        let problem = Problem::new("ca_file", "`ca_file` has no effect without TLS");
        problems.push(problem.with_help("leave it out, or write `url` with `rediss://`"));
    }
    problems
}

fn check_server(server: &Server) -> Vec<Problem> {
    let mut problems = Vec::new();
    match (&server.tls_certificate, &server.tls_key) {
        (Some(_), None) => {
            problems.push(Problem::new("server.tls_key", "`tls_key` is missing beside `tls_certificate`"))
        }
        (None, Some(_)) => {
            problems.push(Problem::new("server.tls_certificate", "`tls_certificate` is missing beside `tls_key`"));
        }
        (Some(_), Some(_)) if !server.public_url.is_https() => problems.push(
            Problem::new("server.public_url", "`public_url` is not https, but the server has a certificate of its own")
                .with_help("write the https address that people and apps know"),
        ),
        _ => {}
    }
    if server.drain_seconds > MOST_DRAIN_SECONDS {
        let message = format!("`{}` is more than {MOST_DRAIN_SECONDS} seconds", server.drain_seconds);
        problems.push(Problem::new("server.drain_seconds", message));
    }
    problems
}

/// Two apps of one id or entity id: nobody could tell which is meant.
fn repeated<'a>(
    apps: &'a [AppConfig],
    key: &str,
    value: impl Fn(&'a AppConfig) -> Option<&'a str>,
    problems: &mut Vec<Problem>,
) {
    let mut seen = BTreeMap::new();
    for (index, text) in apps.iter().enumerate().filter_map(|(index, app)| Some((index, value(app)?))) {
        if let Some(first) = seen.insert(text, index) {
            let message = format!("`{text}` is taken: `apps[{first}]` has this {key} too");
            problems.push(Problem::new(format!("apps[{index}].{key}"), message));
        }
    }
}

/// A group that nobody is in would close the app to all.
fn check_pilot(app: &AppConfig, groups: &BTreeMap<GroupName, String>) -> Option<Problem> {
    let pilot = app.pilot_group.as_ref()?;
    let built_in = CONSOLE_GROUPS.iter().chain([&CONSOLE_USERS]);
    if groups.contains_key(pilot) || built_in.into_iter().any(|name| *name == pilot.as_str()) {
        return None;
    }
    let names = groups.keys().map(|group| (strsim::damerau_levenshtein(group.as_str(), pilot.as_str()), group));
    let help = match names.filter(|(distance, _)| *distance <= 3).min() {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => "declare it under `[groups]`".to_owned(),
    };
    Some(Problem::new("pilot_group", format!("there is no group `{pilot}`")).with_help(help))
}

fn check_app(app: &AppConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    if app.metadata.is_none() && app.metadata_certificate.is_some() {
        let problem = Problem::new("metadata_certificate", "there is no metadata that it could have signed");
        problems.push(problem.with_help("add `metadata`, or leave it out"));
    }
    if app.preset.is_none() {
        let needs = |key: &str| {
            Problem::new(key, format!("`{key}` is missing: the app `{}` has no preset that knows it", app.id))
                .with_help("the app shows it on its SAML page, or in its metadata: `metadata` reads it from there")
        };
        let known = app.metadata.is_some();
        problems.extend((!known && app.entity_id.is_none()).then(|| needs("entity_id")));
        problems.extend((!known && app.acs.is_empty()).then(|| needs("acs")));
        let only_preset = [
            ("roles", !app.roles.is_empty()),
            ("role_session_name", app.role_session_name.is_some()),
            ("session_duration", app.session_duration.is_some()),
            ("transitive_tags", !app.transitive_tags.is_empty()),
        ];
        for (key, _) in only_preset.into_iter().filter(|(_, used)| *used) {
            let problem = Problem::new(key, format!("`{key}` has no effect without a preset that knows roles"));
            problems.push(problem.with_help("add `preset = \"aws\"`, or leave it out"));
        }
    }
    for (index, acs) in app.acs.iter().enumerate() {
        if app.acs.iter().take(index).any(|earlier| earlier == acs) {
            problems.push(Problem::new(format!("acs[{index}]"), format!("`{acs}` is in the list already")));
        }
    }
    for (index, role) in app.roles.iter().enumerate() {
        if app.roles.iter().take(index).any(|earlier| earlier.name == role.name) {
            problems.push(Problem::new(
                format!("roles[{index}].name"),
                format!("the role `{}` is there already", role.name),
            ));
        }
    }
    if app.relay_state_override && app.relay_state.is_none() {
        let problem = Problem::new("relay_state_override", "there is no `relay_state` to send instead");
        problems.push(problem.with_help("add `relay_state`, or leave this out"));
    }
    problems
}
