//! Opening what the commands work on.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::accounts::import::Rules;
use crate::accounts::{Accounts, Envelope, PasswordRules};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::config::secret::ensure_key_file;
use crate::domain::{CONSOLE_GROUPS, GroupName, User};
use crate::workers::{HashPool, HashSettings};

/// Config and accounts, opened.
pub(in crate::cli) struct Opened {
    pub(in crate::cli) config: Config,
    pub(in crate::cli) accounts: Accounts,
    pub(in crate::cli) envelope: Arc<Envelope>,
}

impl Opened {
    pub(in crate::cli) async fn open(file: &Path) -> anyhow::Result<Self> {
        let config = crate::cli::load_config(file)?.config;
        let sealed = Accounts::existing(&config.accounts).await?;
        let secret = ensure_key_file(&config.server.secret_file, sealed.as_deref(), &SystemEntropy)?;
        let envelope = Arc::new(Envelope::from_secret(secret.expose())?);
        let accounts =
            Accounts::open(&config.accounts, envelope.clone(), Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
        Ok(Self { config, accounts, envelope })
    }

    /// The person whose name or address was given.
    pub(in crate::cli) async fn find(&self, typed: &str) -> anyhow::Result<User> {
        let login = self.accounts.find_by_login(typed).await?;
        Ok(login.with_context(|| format!("there is no user `{typed}`"))?.user)
    }

    /// The pool is started only by commands that hash.
    pub(super) fn hashing(&self) -> anyhow::Result<HashPool> {
        Ok(HashPool::start(HashSettings::default(), Arc::new(SystemEntropy))?)
    }

    /// What rows of an import are checked against.
    pub(super) fn import_rules(&self) -> anyhow::Result<Rules> {
        let mut groups: BTreeSet<_> = self.config.groups.keys().cloned().collect();
        for name in CONSOLE_GROUPS {
            groups.insert(GroupName::parse(name)?);
        }
        let organisation = self.config.organisation.name.clone();
        Ok(Rules { groups, passwords: PasswordRules::default(), organisation })
    }
}

/// Reads a file, but never much more than `limit` bytes; the caller refuses what is longer.
pub(super) fn read_limited(file: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit)?.saturating_add(1);
    File::open(file)
        .and_then(|open| open.take(most).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(bytes)
}
