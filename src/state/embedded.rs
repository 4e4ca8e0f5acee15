//! The store of one machine: an SQLite file that survives restart and power loss. Only `sqlx` here, and no rule but the
//! contract of [`StateStore`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::{Bounded, Entry, Key, Kind, MAX_LISTED, StateError, StateStore, StoreHealth, Ttl, check_size};
use crate::clock::{Clock, Timestamp};

/// After so many writes the expired rows are removed.
const WRITES_BETWEEN_SWEEPS: u32 = 500;

/// The tables. A file of an earlier version gets those that it lacks. Instants are milliseconds since 1970.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entries (
    key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_expires_at ON entries (expires_at);
CREATE TABLE IF NOT EXISTS counters (
    key TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counters_expires_at ON counters (expires_at);
CREATE TABLE IF NOT EXISTS members (
    key TEXT NOT NULL,
    member TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (key, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_expires_at ON members (expires_at);
CREATE TABLE IF NOT EXISTS births (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    born INTEGER NOT NULL
) STRICT;
";

/// State in one SQLite file.
pub struct EmbeddedStore {
    /// Several connections: in WAL mode readers wait for nobody.
    readers: SqlitePool,
    /// One connection: writers queue here, in order, instead of meeting `SQLITE_BUSY`.
    writer: SqlitePool,
    /// What it is, for people.
    name: String,
    clock: Arc<dyn Clock>,
    /// Since when there is this file.
    born: Timestamp,
    writes: AtomicU32,
}

impl EmbeddedStore {
    /// Opens the file, and creates it and its folder when missing; only the owner may read it.
    ///
    /// # Errors
    /// The file cannot be created, opened or read as a store.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StateError::Open {
            path: path.display().to_string(),
            source,
        };
        prepare_file(path).map_err(|error| failed(error.into()))?;
        // FULL: a consumed request id or an ended session must not come back after a power cut.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(5));
        let writer = pool(1).connect_with(options.clone()).await.map_err(|error| failed(error.into()))?;
        sqlx::raw_sql(SCHEMA).execute(&writer).await.map_err(|error| failed(error.into()))?;
        let born = born(&writer, clock.now()).await.map_err(|error| failed(error.into()))?;
        let readers = pool(4).connect_with(options.read_only(true)).await.map_err(|error| failed(error.into()))?;
        let name = format!("embedded at {}", path.display());
        let store = Self { readers, writer, name, clock, born, writes: AtomicU32::new(0) };
        store.sweep().await?;
        Ok(store)
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// Removes what has expired.
    async fn sweep(&self) -> Result<(), StateError> {
        let now = self.now();
        for delete in [
            "DELETE FROM entries WHERE expires_at <= $1",
            "DELETE FROM counters WHERE expires_at <= $1",
            "DELETE FROM members WHERE expires_at <= $1",
        ] {
            sqlx::query(delete).bind(now).execute(&self.writer).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// Called before each operation that can add a row.
    async fn before_write(&self) -> Result<(), StateError> {
        if self.writes.fetch_add(1, Ordering::Relaxed) % WRITES_BETWEEN_SWEEPS == WRITES_BETWEEN_SWEEPS - 1 {
            self.sweep().await?;
        }
        Ok(())
    }
}

/// Creates the file with rights for its owner alone; SQLite gives its side files the same rights.
fn prepare_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// When the file was made: now, if it was made now.
async fn born(writer: &SqlitePool, now: Timestamp) -> Result<Timestamp, sqlx::Error> {
    sqlx::query("INSERT INTO births (only_one, born) VALUES (1, $1) ON CONFLICT DO NOTHING")
        .bind(now.as_millisecond())
        .execute(writer)
        .await?;
    let born: i64 = sqlx::query_scalar("SELECT born FROM births").fetch_one(writer).await?;
    Timestamp::from_millisecond(born).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn unavailable(error: sqlx::Error) -> StateError {
    StateError::Unavailable(error.into())
}

fn expiry(now: i64, ttl: Ttl) -> i64 {
    now.saturating_add(i64::from(ttl.as_seconds()) * 1000)
}

/// A count as SQLite gives it; counts are never negative.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[async_trait]
impl StateStore for EmbeddedStore {
    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StateError> {
        sqlx::query_scalar("SELECT value FROM entries WHERE key = $1 AND expires_at > $2")
            .bind(key.as_str())
            .bind(self.now())
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)
    }

    async fn put(&self, key: &Key, value: &[u8], ttl: Ttl) -> Result<(), StateError> {
        check_size(key, value)?;
        self.before_write().await?;
        sqlx::query(
            "INSERT INTO entries (key, value, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
        )
        .bind(key.as_str())
        .bind(value)
        .bind(expiry(self.now(), ttl))
        .execute(&self.writer)
        .await
        .map_err(unavailable)?;
        Ok(())
    }

    async fn put_if_absent(&self, key: &Key, value: &[u8], ttl: Ttl) -> Result<bool, StateError> {
        check_size(key, value)?;
        self.before_write().await?;
        let now = self.now();
        let done = sqlx::query(
            "INSERT INTO entries (key, value, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at \
             WHERE entries.expires_at <= $4",
        )
        .bind(key.as_str())
        .bind(value)
        .bind(expiry(now, ttl))
        .bind(now)
        .execute(&self.writer)
        .await
        .map_err(unavailable)?;
        Ok(done.rows_affected() == 1)
    }

    async fn take(&self, key: &Key) -> Result<Option<Vec<u8>>, StateError> {
        let row = sqlx::query("DELETE FROM entries WHERE key = $1 RETURNING value, expires_at")
            .bind(key.as_str())
            .fetch_optional(&self.writer)
            .await
            .map_err(unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let expires_at: i64 = row.try_get("expires_at").map_err(unavailable)?;
        if expires_at <= self.now() {
            return Ok(None);
        }
        row.try_get("value").map(Some).map_err(unavailable)
    }

    async fn delete(&self, key: &Key) -> Result<bool, StateError> {
        let now = self.now();
        let mut work = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        let mut there = false;
        for delete in [
            "DELETE FROM entries WHERE key = $1 RETURNING expires_at",
            "DELETE FROM counters WHERE key = $1 RETURNING expires_at",
            "DELETE FROM members WHERE key = $1 RETURNING expires_at",
        ] {
            let gone: Vec<i64> =
                sqlx::query_scalar(delete).bind(key.as_str()).fetch_all(&mut *work).await.map_err(unavailable)?;
            there |= gone.into_iter().any(|expires_at| expires_at > now);
        }
        work.commit().await.map_err(unavailable)?;
        Ok(there)
    }

    async fn compare_and_swap(&self, key: &Key, expected: &[u8], new: &[u8], ttl: Ttl) -> Result<bool, StateError> {
        check_size(key, new)?;
        let now = self.now();
        let done = sqlx::query(
            "UPDATE entries SET value = $1, expires_at = $2 WHERE key = $3 AND value = $4 AND expires_at > $5",
        )
        .bind(new)
        .bind(expiry(now, ttl))
        .bind(key.as_str())
        .bind(expected)
        .bind(now)
        .execute(&self.writer)
        .await
        .map_err(unavailable)?;
        Ok(done.rows_affected() == 1)
    }

    async fn increment(&self, key: &Key, ttl: Ttl) -> Result<u64, StateError> {
        self.before_write().await?;
        let now = self.now();
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO counters (key, number, expires_at) VALUES ($1, 1, $2) \
             ON CONFLICT (key) DO UPDATE SET \
             number = CASE WHEN counters.expires_at <= $3 THEN 1 ELSE counters.number + 1 END, \
             expires_at = CASE WHEN counters.expires_at <= $3 THEN excluded.expires_at ELSE counters.expires_at END \
             RETURNING number",
        )
        .bind(key.as_str())
        .bind(expiry(now, ttl))
        .bind(now)
        .fetch_one(&self.writer)
        .await
        .map_err(unavailable)?;
        Ok(unsigned(number))
    }

    async fn decrement(&self, key: &Key) -> Result<u64, StateError> {
        let number: Option<i64> = sqlx::query_scalar(
            "UPDATE counters SET number = max(number - 1, 0) WHERE key = $1 AND expires_at > $2 RETURNING number",
        )
        .bind(key.as_str())
        .bind(self.now())
        .fetch_optional(&self.writer)
        .await
        .map_err(unavailable)?;
        Ok(number.map_or(0, unsigned))
    }

    async fn count(&self, key: &Key) -> Result<u64, StateError> {
        let number: Option<i64> = sqlx::query_scalar("SELECT number FROM counters WHERE key = $1 AND expires_at > $2")
            .bind(key.as_str())
            .bind(self.now())
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)?;
        Ok(number.map_or(0, unsigned))
    }

    async fn insert_bounded(&self, key: &Key, member: &str, limit: u32, ttl: Ttl) -> Result<Bounded, StateError> {
        self.before_write().await?;
        let now = self.now();
        let mut work = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        let row = sqlx::query(
            "SELECT count(*) AS size, coalesce(max(member = $1), 0) AS present \
             FROM members WHERE key = $2 AND expires_at > $3",
        )
        .bind(member)
        .bind(key.as_str())
        .bind(now)
        .fetch_one(&mut *work)
        .await
        .map_err(unavailable)?;
        let size: i64 = row.try_get("size").map_err(unavailable)?;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let present: bool = row.try_get("present").map_err(unavailable)?;
        if !present && size >= limit {
            return Ok(Bounded::Full(size));
        }
        sqlx::query(
            "INSERT INTO members (key, member, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (key, member) DO UPDATE SET expires_at = excluded.expires_at",
        )
        .bind(key.as_str())
        .bind(member)
        .bind(expiry(now, ttl))
        .execute(&mut *work)
        .await
        .map_err(unavailable)?;
        work.commit().await.map_err(unavailable)?;
        Ok(if present { Bounded::Present(size) } else { Bounded::Inserted(size + 1) })
    }

    async fn remove_member(&self, key: &Key, member: &str) -> Result<bool, StateError> {
        let gone: Option<i64> =
            sqlx::query_scalar("DELETE FROM members WHERE key = $1 AND member = $2 RETURNING expires_at")
                .bind(key.as_str())
                .bind(member)
                .fetch_optional(&self.writer)
                .await
                .map_err(unavailable)?;
        Ok(gone.is_some_and(|expires_at| expires_at > self.now()))
    }

    async fn members(&self, key: &Key) -> Result<Vec<String>, StateError> {
        sqlx::query_scalar("SELECT member FROM members WHERE key = $1 AND expires_at > $2 ORDER BY member LIMIT $3")
            .bind(key.as_str())
            .bind(self.now())
            .bind(i64::from(MAX_LISTED))
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)
    }

    async fn list(&self, kind: Kind, owner: &str, limit: u32) -> Result<Vec<Entry>, StateError> {
        let prefix = Key::prefix(kind, owner);
        // `;` follows `:`: the range holds what starts with the prefix, and the primary key finds it.
        let end = format!("{};", prefix.trim_end_matches(':'));
        let rows = sqlx::query(
            "SELECT substr(key, $1) AS id, value FROM entries \
             WHERE key >= $2 AND key < $3 AND expires_at > $4 ORDER BY key LIMIT $5",
        )
        .bind(i64::try_from(prefix.len()).unwrap_or(i64::MAX).saturating_add(1))
        .bind(&prefix)
        .bind(end)
        .bind(self.now())
        .bind(i64::from(limit.min(MAX_LISTED)))
        .fetch_all(&self.readers)
        .await
        .map_err(unavailable)?;
        rows.iter()
            .map(|row| Ok(Entry { id: row.try_get("id")?, value: row.try_get("value")? }))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(unavailable)
    }

    async fn born(&self) -> Result<Timestamp, StateError> {
        Ok(self.born)
    }

    async fn ready(&self) -> Result<StoreHealth, StateError> {
        let _: i64 = sqlx::query_scalar("SELECT count(*) FROM (SELECT 1 FROM entries LIMIT 1)")
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)?;
        Ok(StoreHealth { backend: self.name.clone(), warnings: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::state::contract::{Backend, contract};

    const MINUTE: Ttl = Ttl::seconds(60);

    struct Embedded {
        store: Arc<EmbeddedStore>,
        clock: Arc<ManualClock>,
    }

    #[async_trait]
    impl Backend for Embedded {
        fn store(&self) -> Arc<dyn StateStore> {
            Arc::clone(&self.store) as Arc<dyn StateStore>
        }

        async fn pass(&self, seconds: u32) {
            self.clock.advance(i64::from(seconds));
        }
    }

    async fn open(folder: &Path, clock: &Arc<ManualClock>) -> EmbeddedStore {
        EmbeddedStore::open(&folder.join("deep/state.db"), Arc::clone(clock) as Arc<dyn Clock>).await.unwrap()
    }

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_embedded_store_keeps_the_contract() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let store = Arc::new(open(folder.path(), &clock).await);
        contract(&Embedded { store, clock }).await;
    }

    #[tokio::test]
    async fn what_is_stored_survives_a_restart_and_nothing_that_expired_meanwhile() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let (short, long) = (Key::new(Kind::SignIn, "a", "short"), Key::new(Kind::SignIn, "a", "long"));
        let store = open(folder.path(), &clock).await;
        store.put(&short, b"1", Ttl::seconds(30)).await.unwrap();
        store.put(&long, b"2", MINUTE).await.unwrap();
        store.increment(&Key::new(Kind::Failures, "a", ""), MINUTE).await.unwrap();
        store.insert_bounded(&Key::new(Kind::AppDevices, "a", ""), "m", 1, MINUTE).await.unwrap();
        store.close().await;

        clock.advance(30);
        let store = open(folder.path(), &clock).await;
        assert_eq!(store.get(&short).await.unwrap(), None);
        assert_eq!(store.get(&long).await.unwrap().as_deref(), Some(b"2".as_slice()));
        assert_eq!(store.count(&Key::new(Kind::Failures, "a", "")).await.unwrap(), 1);
        assert_eq!(store.members(&Key::new(Kind::AppDevices, "a", "")).await.unwrap(), ["m"]);
    }

    #[tokio::test]
    async fn a_file_knows_when_it_was_made_and_another_one_was_made_later() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let store = open(folder.path(), &clock).await;
        let born = store.born().await.unwrap();
        assert_eq!(born, clock.now());
        store.close().await;
        clock.advance(60);
        let store = open(folder.path(), &clock).await;
        assert_eq!(store.born().await.unwrap(), born, "a restart keeps it");
        store.close().await;
        std::fs::remove_file(folder.path().join("deep/state.db")).unwrap();
        let store = open(folder.path(), &clock).await;
        assert_eq!(store.born().await.unwrap(), clock.now(), "a new file");
    }

    #[tokio::test]
    async fn a_file_of_before_births_were_kept_counts_from_now() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let store = open(folder.path(), &clock).await;
        sqlx::query("DROP TABLE births").execute(&store.writer).await.unwrap();
        store.close().await;
        clock.advance(60);
        assert_eq!(open(folder.path(), &clock).await.born().await.unwrap(), clock.now());
    }

    #[tokio::test]
    async fn expired_rows_are_swept_away() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let store = open(folder.path(), &clock).await;
        for number in 0..WRITES_BETWEEN_SWEEPS - 1 {
            store.put(&Key::new(Kind::SignIn, "a", &number.to_string()), b"", MINUTE).await.unwrap();
        }
        clock.advance(60);
        store.put(&Key::new(Kind::SignIn, "a", "last"), b"", MINUTE).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(&store.readers).await.unwrap();
        assert_eq!(rows, 1);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_may_read_the_files() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let store = open(folder.path(), &clock).await;
        store.put(&Key::new(Kind::SignIn, "a", "b"), b"1", MINUTE).await.unwrap();
        for file in std::fs::read_dir(folder.path().join("deep")).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", file.path().display());
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_store_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::fs::write(&path, "this is a letter, and a letter is no database at all".repeat(100)).unwrap();
        let error = EmbeddedStore::open(&path, clock()).await.err().unwrap();
        assert!(matches!(&error, StateError::Open { path, .. } if path.ends_with("state.db")), "{error:?}");
        assert!(EmbeddedStore::open(folder.path(), clock()).await.is_err(), "a folder is no file");
    }
}
