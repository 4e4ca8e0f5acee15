//! The settings that only count when the server starts: what is bound, opened or derived once. A reload keeps their values and
//! tells which of them wait for the next start.

use super::Config;

/// Their keys; a section stands for all of its keys.
const AT_START: [&str; 9] = [
    "server.listen",
    "server.public_url",
    "server.secret_file",
    "server.drain_seconds",
    "state",
    "accounts",
    "audit",
    "mail",
    "telemetry.otlp_url",
];

/// Whether a change of `key` (`server.listen`) waits for the next start.
#[must_use]
pub fn acts_at_start(key: &str) -> bool {
    AT_START
        .iter()
        .any(|at_start| key.strip_prefix(at_start).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
}

impl Config {
    /// These settings with the values of `started` where those only count at the start.
    #[must_use]
    pub fn keeping_start_of(mut self, started: &Self) -> Self {
        let (server, at_start) = (&mut self.server, &started.server);
        server.listen = at_start.listen;
        server.public_url = at_start.public_url.clone();
        server.secret_file = at_start.secret_file.clone();
        server.drain_seconds = at_start.drain_seconds;
        // Whether https is spoken is settled when the port is bound; which certificate is shown is not.
        if server.tls_certificate.is_some() != at_start.tls_certificate.is_some() {
            server.tls_certificate = at_start.tls_certificate.clone();
            server.tls_key = at_start.tls_key.clone();
        }
        self.state = started.state.clone();
        self.accounts = started.accounts.clone();
        self.audit = started.audit.clone();
        self.mail = started.mail.clone();
        self.telemetry.otlp_url = started.telemetry.otlp_url.clone();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    /// A value for each key that differs from the default.
    const CHANGED: &str = r#"
[server]
listen = "127.0.0.2:9090"
public_url = "https://login.example.com"
secret_file = "elsewhere/secret"
drain_seconds = 7
trusted_proxies = ["10.0.0.1"]
[state]
url = "embedded:elsewhere/state.db"
[accounts]
url = "sqlite:elsewhere/accounts.db"
[audit]
path = "elsewhere/audit"
keep_months = 7
[mail]
url = "smtp://localhost:2525"
from = "login@example.com"
[telemetry]
otlp_url = "http://localhost:4318"
metrics_networks = ["10.0.0.2"]
"#;

    /// The keys of two trees whose values differ.
    fn differing(path: &str, a: &serde_json::Value, b: &serde_json::Value, keys: &mut Vec<String>) {
        match (a, b) {
            (serde_json::Value::Object(one), serde_json::Value::Object(other)) => {
                let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for name in names {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    let null = serde_json::Value::Null;
                    differing(&path, one.get(name).unwrap_or(&null), other.get(name).unwrap_or(&null), keys);
                }
            }
            _ if a != b => keys.push(path.to_owned()),
            _ => {}
        }
    }

    #[test]
    fn what_acts_at_the_start_keeps_its_value_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let config = |text: &str| {
            std::fs::write(folder.path().join("config.toml"), text).unwrap();
            load(&folder.path().join("config.toml"), []).unwrap().config
        };
        let (started, changed) = (config(""), config(CHANGED));
        let kept = changed.clone().keeping_start_of(&started);
        let [started, changed, kept] = [&started, &changed, &kept].map(|config| serde_json::to_value(config).unwrap());
        let (mut to_changed, mut to_kept) = (Vec::new(), Vec::new());
        differing("", &started, &changed, &mut to_changed);
        differing("", &started, &kept, &mut to_kept);
        assert_eq!(to_kept, ["server.trusted_proxies", "telemetry.metrics_networks"]);
        let waiting: Vec<&String> = to_changed.iter().filter(|key| !to_kept.contains(key)).collect();
        assert!(waiting.iter().all(|key| acts_at_start(key)), "{waiting:?}");
        assert!(!to_kept.iter().any(|key| acts_at_start(key)), "{to_kept:?}");
        for section in AT_START {
            let found = waiting.iter().any(|key| key.as_str() == section || key.starts_with(&format!("{section}.")));
            assert!(found, "`{section}` is not changed by this test");
        }
    }

    #[test]
    fn a_key_that_only_begins_alike_is_another() {
        assert!(acts_at_start("state.url") && acts_at_start("server.listen"));
        assert!(!acts_at_start("server.listening") && !acts_at_start("server") && !acts_at_start("statement"));
    }
}
