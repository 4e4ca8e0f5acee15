//! Somebody of the accounts, where those are at hand. Nothing is written there.

use std::path::Path;
use std::sync::Arc;

use super::Asked;
use crate::accounts::{Accounts, Authenticator, Envelope};
use crate::cli::users::Opened;
use crate::clock::{Clock, ManualClock, SystemClock, SystemEntropy};
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

/// Looks somebody up; `None` when there are no accounts here, or nobody of that name in them.
///
/// # Errors
/// The accounts are here and cannot be read.
pub(super) fn find(name: &Username, asked: &Asked, config: &Path) -> anyhow::Result<Option<Person>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if Accounts::existing(&asked.loaded.config.accounts).await?.is_none() {
            return Ok(None);
        }
        let opened = Opened::open(config).await?;
        let found = match opened.accounts.user_by_name(name).await? {
            Some(user) => {
                let authenticators = opened.accounts.authenticators(user.id).await?;
                Some(Person { user, authenticators, envelope: opened.envelope.clone() })
            }
            None => None,
        };
        opened.accounts.close().await;
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
