//! Somebody of the accounts, where those are at hand. Nothing is written there.

use std::sync::Arc;

use anyhow::Context as _;

use super::Asked;
use crate::accounts::{Accounts, Authenticator, Envelope};
use crate::clock::{Clock, ManualClock, SystemClock, SystemEntropy};
use crate::config::secret::read_key_file;
use crate::domain::{IssueRequest, RoleName, User, Username};
use crate::policy::Situation;
use crate::runtime::offline;
use crate::signin::{Stated, preview};

/// Who they are and what they have set up.
pub(super) struct Person {
    pub(super) user: User,
    pub(super) authenticators: Vec<Authenticator>,
    envelope: Arc<Envelope>,
}

/// What came of looking somebody up.
pub(super) enum Found {
    Person(Box<Person>),
    /// There is nobody, and why.
    Nobody(String),
}

/// Looks somebody up where there are accounts here. Those are read as they are: nothing is made, and older tables stay older.
///
/// # Errors
/// The accounts are here and cannot be read.
pub(super) fn find(name: &Username, asked: &Asked) -> anyhow::Result<Found> {
    let config = &asked.loaded.config;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let Some(database) = Accounts::existing(&config.accounts).await? else {
            return Ok(Found::Nobody(format!("there are no accounts in `{}`", config.accounts.url)));
        };
        let secret = read_key_file(&config.server.secret_file)
            .with_context(|| format!("`{database}` can't be read without the server's secret"))?;
        let envelope = Arc::new(Envelope::from_secret(secret.expose())?);
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let accounts = Accounts::open_to_read(&config.accounts, Arc::clone(&envelope), clock, entropy).await?;
        let found = match accounts.user_by_name(name).await? {
            Some(user) => {
                let authenticators = accounts.authenticators(user.id).await?;
                Found::Person(Box::new(Person { user, authenticators, envelope }))
            }
            None => Found::Nobody(format!("`{name}` is not among the accounts in `{database}`")),
        };
        accounts.close().await;
        Ok(found)
    })
}

/// What the app would be told of them, or why that cannot be said from here.
pub(super) fn told(
    person: &Person,
    asked: &Asked,
    situation: &Situation,
    role: Option<&RoleName>,
) -> Result<IssueRequest, String> {
    let clock: Arc<dyn Clock> = match situation.signals.now {
        now if now == crate::clock::Timestamp::UNIX_EPOCH => Arc::new(SystemClock),
        now => Arc::new(ManualClock::at(now)),
    };
    let loaded = asked.loaded.again().map_err(|error| error.to_string())?;
    let snapshot = offline(loaded, clock).map_err(|error| error.to_string())?;
    let stated = Stated {
        user: &situation.user,
        authenticators: &person.authenticators,
        app: &situation.app.id,
        proofs: Some(situation.proofs),
        role,
        acs: None,
        ip: situation.signals.ip,
        device: situation.signals.device,
    };
    let preview = preview(&snapshot, &person.envelope, &SystemEntropy, &stated).map_err(|error| error.to_string())?;
    preview.request().cloned().ok_or_else(|| {
        "under the facts that `cedargate app preview` takes from this machine the policies refuse".to_owned()
    })
}
