//! Opening the database that config names, and bringing its tables up to date.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Executor as _};
use url::Url;

use super::database::{Database, Kind};
use super::{Accounts, AccountsError, Envelope};
use crate::clock::{Clock, Entropy};
use crate::config::secret::read_password_file;
use crate::config::{Accounts as Settings, AccountsTls, AccountsUrl, PostgresHost, PostgresUrl};

static SQLITE: Migrator = sqlx::migrate!("src/accounts/migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("src/accounts/migrations/postgres");

/// How many statements run at once; more wait.
const CONNECTIONS: u32 = 8;
/// The longest wait for a connection, a new one included. A server that is down is told after it.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The longest that PostgreSQL works on one statement, the wait for locks included.
const STATEMENT_MILLIS: &str = "5000";
/// PostgreSQL ends a transaction whose node has gone silent, so that nobody waits for its locks for long.
const IDLE_TRANSACTION_MILLIS: &str = "5000";
/// Migrations may take longer than any other statement.
const NO_LIMIT: &str = "SET statement_timeout = 0";
/// An epoch that rose must not fall back after a power cut. What was deleted leaves no bytes in the file.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; \
     PRAGMA secure_delete = ON";
/// Of a database that is only looked into. The file is left in the mode it is in; its side files belong to it.
const SQLITE_READ_ONLY: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON";
const POSTGRES_READ_ONLY: &str = "SET default_transaction_read_only = on";
/// What the address of a file takes as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');

impl Accounts {
    /// Opens the database; creates tables where missing, and migrates older ones. A SQLite file is made when it is missing,
    /// readable by its owner alone, and its folder. A database of a newer version is refused.
    ///
    /// # Errors
    /// The file cannot be made, the server does not answer or lets us not in, or it is no accounts database of this or an
    /// earlier version.
    pub async fn open(
        settings: &Settings,
        envelope: Arc<Envelope>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AccountsError> {
        let name = || settings.url.to_string();
        if let AccountsUrl::Sqlite(path) = &settings.url {
            create_private(path).map_err(|source| AccountsError::Create { path: path.clone(), source })?;
        }
        let (kind, options) = options(settings)?;
        let failed = |source| AccountsError::Open { database: name(), source };
        let mut connection = connect(&options).await.map_err(failed)?;
        let (migrations, before) = match kind {
            Kind::Sqlite => (&SQLITE, SQLITE_SETTINGS),
            Kind::Postgres => (&POSTGRES, NO_LIMIT),
        };
        connection.execute(before).await.map_err(failed)?;
        migrations
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|source| AccountsError::Migrate { database: name(), source })?;
        connection.close().await.map_err(failed)?;
        let settings = if kind == Kind::Sqlite { SQLITE_SETTINGS } else { "" };
        Ok(Self { pool: pool(kind, options, settings), envelope, clock, entropy })
    }

    /// Opens the database to look something up. Nothing is made there and no table is changed, so it has to be of this version;
    /// what writes fails.
    ///
    /// # Errors
    /// It is not there or cannot be reached, [`AccountsError::OtherVersion`], or it is no accounts database.
    pub async fn open_to_read(
        settings: &Settings,
        envelope: Arc<Envelope>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AccountsError> {
        let (kind, options) = options(settings)?;
        let failed = |source| AccountsError::Open { database: settings.url.to_string(), source };
        let (migrations, read_only) = match kind {
            Kind::Sqlite => (&SQLITE, SQLITE_READ_ONLY),
            Kind::Postgres => (&POSTGRES, POSTGRES_READ_ONLY),
        };
        let mut connection = connect(&options).await.map_err(failed)?;
        connection.execute(read_only).await.map_err(failed)?;
        let newest = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
        let found: Option<i64> = sqlx::query_scalar(newest).fetch_one(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        let (found, ours) = (found.unwrap_or(0), migrations.iter().map(|one| one.version).max().unwrap_or(0));
        if found != ours {
            return Err(AccountsError::OtherVersion { database: settings.url.to_string(), found, ours });
        }
        Ok(Self { pool: pool(kind, options, read_only), envelope, clock, entropy })
    }

    /// The name of the database, when it is there and somebody's account may be in it: then the secret it was sealed under
    /// must be there too.
    ///
    /// # Errors
    /// The server does not answer, or lets us not in.
    pub async fn existing(settings: &Settings) -> Result<Option<String>, AccountsError> {
        let found = match &settings.url {
            AccountsUrl::Sqlite(path) => path.exists(),
            AccountsUrl::Postgres(_) => {
                let (_, options) = options(settings)?;
                let failed = |source| AccountsError::Open { database: settings.url.to_string(), source };
                let mut connection = connect(&options).await.map_err(failed)?;
                let found = has_users(&mut connection).await;
                connection.close().await.map_err(failed)?;
                found?
            }
        };
        Ok(found.then(|| settings.url.to_string()))
    }
}

/// Connections on demand, each set up by `settings`.
fn pool(kind: Kind, options: AnyConnectOptions, settings: &'static str) -> Database {
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(match kind {
            // A file may be locked by another process for as long.
            Kind::Sqlite => Duration::from_secs(5),
            Kind::Postgres => CONNECT_LIMIT,
        })
        .after_connect(move |connection, _| {
            Box::pin(
                async move { if settings.is_empty() { Ok(()) } else { connection.execute(settings).await.map(drop) } },
            )
        })
        .connect_lazy_with(options);
    Database::new(pool, kind)
}

async fn has_users(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let table: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'users'",
    )
    .fetch_optional(&mut *connection)
    .await?;
    if table.is_none() {
        return Ok(false);
    }
    let user: Option<i64> = sqlx::query_scalar("SELECT 1 FROM users LIMIT 1").fetch_optional(connection).await?;
    Ok(user.is_some())
}

async fn connect(options: &AnyConnectOptions) -> Result<AnyConnection, sqlx::Error> {
    tokio::time::timeout(CONNECT_LIMIT, options.connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)?
}

/// What the driver is told. The address it wants holds the password, so it goes no further.
fn options(settings: &Settings) -> Result<(Kind, AnyConnectOptions), AccountsError> {
    install_default_drivers();
    let (kind, url) = match &settings.url {
        AccountsUrl::Sqlite(path) => (Kind::Sqlite, sqlite_url(path)?),
        AccountsUrl::Postgres(url) => (Kind::Postgres, postgres_url(settings, url)?),
    };
    let url = Url::parse(&url).map_err(|error| AccountsError::Open {
        database: settings.url.to_string(),
        source: sqlx::Error::Configuration(error.into()),
    })?;
    let options = AnyConnectOptions::from_url(&url)
        .map_err(|source| AccountsError::Open { database: settings.url.to_string(), source })?;
    Ok((kind, options.disable_statement_logging()))
}

fn sqlite_url(path: &Path) -> Result<String, AccountsError> {
    let failed = |source| AccountsError::Create { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let text = absolute.to_str().ok_or_else(|| failed(std::io::Error::other("the path is no UTF-8 text")))?;
    Ok(format!("sqlite://{}", utf8_percent_encode(text, PATH)))
}

fn postgres_url(settings: &Settings, url: &PostgresUrl) -> Result<String, AccountsError> {
    let from_file = settings.password_file.as_deref().map(read_password_file).transpose()?;
    let password =
        from_file.as_ref().or(url.password.as_ref()).map(|password| format!(":{}", encoded(password.expose())));
    let mut parameters = vec![
        ("application_name", Cow::Borrowed("cedargate")),
        ("options[statement_timeout]", STATEMENT_MILLIS.into()),
        ("options[idle_in_transaction_session_timeout]", IDLE_TRANSACTION_MILLIS.into()),
    ];
    match settings.tls() {
        AccountsTls::None => parameters.push(("sslmode", "disable".into())),
        AccountsTls::Required => parameters.push(("sslmode", "verify-full".into())),
    }
    if let Some(file) = &settings.ca_file {
        parameters.push(("sslrootcert", file.to_string_lossy()));
    }
    let host = match &url.host {
        PostgresHost::Name(name) => Cow::Borrowed(name.as_str()),
        PostgresHost::Socket(folder) => {
            Cow::Owned(utf8_percent_encode(&folder.to_string_lossy(), NON_ALPHANUMERIC).to_string())
        }
    };
    let parameters: Vec<String> =
        parameters.into_iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(&value))).collect();
    Ok(format!(
        "postgres://{}{}@{host}:{}/{}?{}",
        encoded(&url.user),
        password.unwrap_or_default(),
        url.port,
        encoded(&url.database),
        parameters.join("&"),
    ))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
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

#[cfg(test)]
mod tests;
