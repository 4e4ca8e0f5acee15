//! The database: opening, migrating, transactions, errors.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::{Envelope, EnvelopeError};
use crate::clock::{Clock, Entropy, EntropyError, Timestamp};

static MIGRATIONS: Migrator = sqlx::migrate!("src/accounts/migrations/sqlite");

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
    /// The file is no database, or cannot be opened.
    #[error("could not open the accounts database `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date, or are of a newer version.
    #[error("could not bring the accounts database `{}` up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: MigrateError,
    },
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
    pub(super) pool: SqlitePool,
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
    /// Opens the database; creates file (readable by its owner alone), folder and tables where missing, and migrates older
    /// tables. A database of a newer version is refused.
    ///
    /// # Errors
    /// The file cannot be made or opened, or is no accounts database of this or an earlier version.
    pub async fn open(
        path: &Path,
        envelope: Arc<Envelope>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AccountsError> {
        create_private(path).map_err(|source| AccountsError::Create { path: path.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // An epoch that rose must not fall back after a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await
            .map_err(|source| AccountsError::Open { path: path.to_owned(), source })?;
        MIGRATIONS.run(&pool).await.map_err(|source| AccountsError::Migrate { path: path.to_owned(), source })?;
        Ok(Self { pool, envelope, clock, entropy })
    }

    /// Waits for running statements and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that writes. It takes the write lock at once: one that first reads could no longer get it later.
    pub(super) async fn write(&self) -> Result<sqlx::Transaction<'static, Sqlite>, AccountsError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn now_millis(&self) -> i64 {
        self.clock.now().as_millisecond()
    }
}

/// Makes folder and empty file; SQLite gives its side files the mode of the database file.
fn create_private(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(())
}

/// Reads an instant of the database.
pub(super) fn instant(millis: i64, column: &'static str) -> Result<Timestamp, AccountsError> {
    Timestamp::from_millisecond(millis).map_err(|_| AccountsError::Corrupt { column })
}
