//! Opening the databases as they are: one that is not there yet is not made.

use std::path::Path;
use std::sync::Arc;

use super::Check;
use crate::accounts::{Accounts, Envelope};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::secret::read_key_file;
use crate::config::{AccountsUrl, Config, StateUrl};
use crate::signals::{Baselines, Failures};
use crate::state::{EmbeddedStore, Key, Kind, StateStore};

const AT_FIRST_START: &str = "not there yet; `serve` makes it";

/// What could be opened.
pub(super) struct Stores {
    pub(super) accounts: Option<Accounts>,
    pub(super) baselines: Option<Baselines>,
    pub(super) failures: Option<Failures>,
    state: Option<Arc<EmbeddedStore>>,
}

impl Stores {
    /// Opens both, and says how that went.
    pub(super) async fn open(config: &Config) -> (Self, Vec<Check>) {
        let mut stores = Self { accounts: None, baselines: None, failures: None, state: None };
        let envelope = read_key_file(&config.server.secret_file)
            .ok()
            .and_then(|secret| Envelope::from_secret(secret.expose()).ok())
            .map(Arc::new);
        let checks =
            vec![stores.open_state(config, envelope.as_deref()).await, stores.open_accounts(config, envelope).await];
        (stores, checks)
    }

    async fn open_state(&mut self, config: &Config, envelope: Option<&Envelope>) -> Check {
        let StateUrl::Embedded(path) = &config.state.url;
        if is_missing(path) {
            return Check::ok("state store", format!("`{}` is {AT_FIRST_START}", path.display()));
        }
        let failed = |error: &dyn std::error::Error| {
            let message = format!("`{}`: {}", config.state.url, chain(error));
            Check::problem("state store", message, "without it nobody can sign in; see docs/state.md")
        };
        let store = match EmbeddedStore::open(path, Arc::new(SystemClock)).await {
            Ok(store) => Arc::new(store),
            Err(error) => return failed(&error),
        };
        if let Err(error) = store.count(&Key::new(Kind::Failures, "doctor", "")).await {
            return failed(&error);
        }
        let shared: Arc<dyn StateStore> = store.clone();
        self.baselines = Some(Baselines::new(shared.clone(), Arc::new(SystemClock)));
        let key = envelope.and_then(|envelope| envelope.derive_key("failures").ok());
        self.failures = key.map(|key| Failures::new(shared, &key));
        self.state = Some(store);
        Check::ok("state store", format!("`{}` answers", config.state.url))
    }

    async fn open_accounts(&mut self, config: &Config, envelope: Option<Arc<Envelope>>) -> Check {
        let AccountsUrl::Sqlite(path) = &config.accounts.url;
        if is_missing(path) {
            return Check::ok("accounts", format!("`{}` is {AT_FIRST_START}", path.display()));
        }
        let help = "without it nobody can sign in; see docs/users.md";
        let Some(envelope) = envelope else {
            return Check::problem("accounts", "there is a database, but not the secret it was written with", help);
        };
        match Accounts::open(path, envelope, Arc::new(SystemClock), Arc::new(SystemEntropy)).await {
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
        if let Some(state) = self.state {
            state.close().await;
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
