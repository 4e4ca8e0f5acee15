//! Opening the databases as they are: one that is not there yet is not made.

use std::path::Path;
use std::sync::Arc;

use super::Check;
use crate::accounts::{Accounts, Envelope};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::secret::read_key_file;
use crate::config::{AccountsUrl, Config, StateUrl};
use crate::signals::{Baselines, Failures};
use crate::state;

const AT_FIRST_START: &str = "not there yet; `serve` makes it";

/// What could be opened.
pub(super) struct Stores {
    pub(super) accounts: Option<Accounts>,
    pub(super) baselines: Option<Baselines>,
    pub(super) failures: Option<Failures>,
}

impl Stores {
    /// Opens both, and says how that went.
    pub(super) async fn open(config: &Config) -> (Self, Vec<Check>) {
        let mut stores = Self { accounts: None, baselines: None, failures: None };
        let envelope = read_key_file(&config.server.secret_file)
            .ok()
            .and_then(|secret| Envelope::from_secret(secret.expose()).ok())
            .map(Arc::new);
        let mut checks = stores.open_state(config, envelope.as_deref()).await;
        checks.push(stores.open_accounts(config, envelope).await);
        (stores, checks)
    }

    async fn open_state(&mut self, config: &Config, envelope: Option<&Envelope>) -> Vec<Check> {
        const NAME: &str = "state store";
        if let StateUrl::Embedded(path) = &config.state.url
            && is_missing(path)
        {
            return vec![Check::ok(NAME, format!("`{}` is {AT_FIRST_START}", path.display()))];
        }
        let opened = match state::open(&config.state, Arc::new(SystemClock), Arc::new(SystemEntropy)).await {
            Ok(store) => store.ready().await.map(|health| (store, health)),
            Err(error) => Err(error),
        };
        let (store, health) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let message = format!("`{}`: {}", config.state.url, chain(&error));
                return vec![Check::problem(NAME, message, "without it nobody can sign in; see docs/state.md")];
            }
        };
        self.baselines = Some(Baselines::new(store.clone(), Arc::new(SystemClock)));
        let key = envelope.and_then(|envelope| envelope.derive_key("failures").ok());
        self.failures = key.map(|key| Failures::new(store, &key));
        let mut checks = vec![Check::ok(NAME, format!("`{}` answers", config.state.url))];
        checks.extend(health.warnings.into_iter().map(|told| Check::warning(NAME, told, "see docs/state.md")));
        checks
    }

    async fn open_accounts(&mut self, config: &Config, envelope: Option<Arc<Envelope>>) -> Check {
        if let AccountsUrl::Sqlite(path) = &config.accounts.url
            && is_missing(path)
        {
            return Check::ok("accounts", format!("`{}` is {AT_FIRST_START}", path.display()));
        }
        let help = "without it nobody can sign in; see docs/users.md";
        let Some(envelope) = envelope else {
            return Check::problem("accounts", "there is a database, but not the secret it was written with", help);
        };
        match Accounts::open(&config.accounts, envelope, Arc::new(SystemClock), Arc::new(SystemEntropy)).await {
            Ok(accounts) => {
                self.accounts = Some(accounts);
                Check::ok("accounts", format!("`{}` answers", config.accounts.url))
            }
            Err(error) => Check::problem("accounts", format!("`{}`: {}", config.accounts.url, chain(&error)), help),
        }
    }

    /// Closes what was opened.
    pub(super) async fn close(self) {
        if let Some(accounts) = self.accounts {
            accounts.close().await;
        }
    }
}

/// Certainly not there. What cannot be told is opened, which says why.
fn is_missing(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

/// An error and what lies beneath it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
