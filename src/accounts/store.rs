//! The handle that everything here hangs on, and its errors.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::migrate::MigrateError;

use super::database::{Database, Transaction};
use super::{Envelope, EnvelopeError};
use crate::clock::{Clock, Entropy, EntropyError, Timestamp};
use crate::config::secret::SecretError;

/// Why accounts could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file or its folder could not be made.
    #[error("could not create the accounts database `{}`", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no database, or cannot be reached.
    #[error("could not open the accounts database `{database}`")]
    Open {
        /// Which, without a password.
        database: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date, or are of a newer version.
    #[error("could not bring the accounts database `{database}` up to date")]
    Migrate {
        /// Which, without a password.
        database: String,
        /// What went wrong.
        source: MigrateError,
    },
    /// It was to be read as it is, and its tables are not those of this version.
    #[error(
        "the accounts database `{database}` is of version {found}, and this is cedargate for version {ours}: {}",
        if found < ours { "it is brought up to date when the server of this version starts" } else { "take a newer one" }
    )]
    OtherVersion {
        /// Which, without a password.
        database: String,
        /// Its newest migration.
        found: i64,
        /// The newest one that is known here.
        ours: i64,
    },
    /// The file with the password cannot be used.
    #[error("could not read the password of the accounts database")]
    Password(#[from] SecretError),
    /// A statement failed.
    #[error("the accounts database failed")]
    Database(#[from] sqlx::Error),
    /// A row holds a value that this version does not understand. The person is not let in.
    #[error("the accounts database holds a value in `{column}` that cannot be read")]
    Corrupt {
        /// Table and column.
        column: &'static str,
    },
    /// A value could not be sealed or opened.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The name is somebody's username or mail address, or was once.
    #[error("`{name}` is taken as a username or email address")]
    Taken {
        /// The name, folded.
        name: String,
    },
    /// There is no such user.
    #[error("there is no such user")]
    NoSuchUser,
    /// The person has as many authenticators as one may have.
    #[error("a user has at most {} authenticators", super::MAX_AUTHENTICATORS)]
    TooManyAuthenticators,
    /// As many mails wait as may.
    #[error("the outbox holds {} mails that were not sent", super::MAX_WAITING_MAILS)]
    OutboxFull,
}

/// The accounts database. A cheap handle: clones share one pool.
#[derive(Clone)]
pub struct Accounts {
    pub(super) pool: Database,
    pub(super) envelope: Arc<Envelope>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

impl Accounts {
    /// Waits for running statements and closes the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that nobody else writes beside.
    pub(super) async fn write(&self) -> Result<Box<Transaction>, AccountsError> {
        Ok(self.pool.write().await?)
    }

    /// A transaction that only adds rows: others may write beside it, however long it takes.
    pub(super) async fn add(&self) -> Result<Box<Transaction>, AccountsError> {
        Ok(self.pool.begin().await?)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn now_millis(&self) -> i64 {
        self.clock.now().as_millisecond()
    }
}

/// Reads an instant of the database.
pub(super) fn instant(millis: i64, column: &'static str) -> Result<Timestamp, AccountsError> {
    Timestamp::from_millisecond(millis).map_err(|_| AccountsError::Corrupt { column })
}
