//! Opening the journal to read it: with the keys of its months, where there are accounts.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use crate::accounts::{Accounts, Envelope};
use crate::audit::{Log, LogKeys};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::secret::ensure_key_file;
use crate::config::{AccountsUrl, Config};

/// The journal of these settings, and the segments in further folders. Nothing is made: without secret or accounts there are no
/// keys, and what is sealed is told as that.
///
/// # Errors
/// The secret or the accounts are there and cannot be used.
pub(in crate::cli) fn open_log(config: &Config, more: &[PathBuf]) -> anyhow::Result<Log> {
    // A thread of its own: whoever asks may be in a runtime already, and one cannot wait in another.
    let keys = std::thread::scope(|scope| scope.spawn(|| keys(config)).join());
    let keys = keys.map_err(|_| anyhow::anyhow!("the keys of the journal can't be read"))??;
    let mut folders = more.to_vec();
    folders.insert(0, config.audit.path.clone());
    Ok(Log::open(folders, keys)?)
}

fn keys(config: &Config) -> anyhow::Result<LogKeys> {
    let secret = &config.server.secret_file;
    if !secret.exists() {
        return Ok(LogKeys::none(format!("there is no key file `{}`", secret.display())));
    }
    if let AccountsUrl::Sqlite(path) = &config.accounts.url
        && !path.exists()
    {
        return Ok(LogKeys::none(format!("there is no accounts database `{}`", path.display())));
    }
    let secret = ensure_key_file(secret, None, &SystemEntropy)?;
    let envelope = Arc::new(Envelope::from_secret(secret.expose())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let accounts =
            Accounts::open_to_read(&config.accounts, envelope, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
        let keys = LogKeys::read(&accounts).await.context("the journal can't be opened");
        accounts.close().await;
        keys
    })
}
