//! What no schema can say: rules between keys.

use std::collections::BTreeMap;

use super::places::Found;
use super::{AppConfig, Config, Problem, Server};

/// The longest time a stopping server waits for its load balancer.
const MOST_DRAIN_SECONDS: u32 = 600;

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
    problems.extend(check_server(&config.server));
    repeated(&config.apps, "id", |app| Some(app.id.as_str()), &mut problems);
    repeated(&config.apps, "entity_id", |app| app.entity_id.as_deref(), &mut problems);
    for (index, app) in config.apps.iter().enumerate() {
        problems.extend(check_app(app).into_iter().map(|problem| problem.under(&format!("apps[{index}]"))));
    }
    problems.into_iter().map(Found::at_value).collect()
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

fn check_app(app: &AppConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    if app.preset.is_none() {
        let needs = |key: &str| {
            Problem::new(key, format!("`{key}` is missing: the app `{}` has no preset that knows it", app.id))
                .with_help("the app shows it on its SAML page, or in its metadata")
        };
        problems.extend(app.entity_id.is_none().then(|| needs("entity_id")));
        problems.extend(app.acs.is_empty().then(|| needs("acs")));
        let only_preset = [
            ("roles", !app.roles.is_empty()),
            ("role_session_name", app.role_session_name.is_some()),
            ("session_duration", app.session_duration.is_some()),
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
