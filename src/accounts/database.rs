//! One handle for both databases. Statements are the same text for SQLite and PostgreSQL; what differs (opening, settings,
//! locks) is here. Each statement has a time limit, whatever has become of the server or the way to it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{Any, AnyPool, Describe, Either, Error, Execute, Executor, SqlStr};
use tokio::time::Sleep;

/// The longest a statement may take, the wait for a connection included. Above the limits that the servers keep themselves,
/// so that theirs is what one reads about, unless a server is silent.
const STATEMENT_LIMIT: Duration = Duration::from_secs(7);
/// The lock of PostgreSQL that transactions of [`Database::write`] hold. The number has no meaning but to be ours.
const WRITER: i64 = 0x0063_6564_6172_6761;

/// The kinds of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub(super) struct Database {
    pool: AnyPool,
    kind: Kind,
}

/// A transaction: rolled back unless committed.
pub(super) struct Transaction(sqlx::Transaction<'static, Any>);

impl Database {
    pub(super) fn new(pool: AnyPool, kind: Kind) -> Self {
        Self { pool, kind }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that nobody else writes beside. SQLite takes its write lock at once: a transaction that first reads
    /// could no longer get it later. PostgreSQL takes a lock of ours, on all nodes, so that what is read in the transaction
    /// (how many mails wait, which links there are) still holds when it commits.
    pub(super) async fn write(&self) -> Result<Box<Transaction>, Error> {
        let mut transaction = self.begin().await?;
        if self.kind == Kind::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(WRITER).execute(&mut *transaction).await?;
        }
        Ok(transaction)
    }

    /// Leaves nothing of what was deleted in the side file of SQLite, if nobody reads it just now. PostgreSQL looks after its
    /// files itself.
    pub(super) async fn scrub(&self) -> Result<(), Error> {
        if self.kind == Kind::Sqlite {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(self).await?;
        }
        Ok(())
    }

    /// A transaction beside which others write. On PostgreSQL it sees what they commit meanwhile: for rows that are new and
    /// unique, which the database itself keeps apart.
    pub(super) async fn begin(&self) -> Result<Box<Transaction>, Error> {
        let begun = match self.kind {
            Kind::Sqlite => within(self.pool.begin_with("BEGIN IMMEDIATE")).await?,
            Kind::Postgres => within(self.pool.begin()).await?,
        };
        Ok(Box::new(Transaction(begun)))
    }
}

impl Transaction {
    /// Makes it last. After an error nobody knows whether it did.
    pub(super) async fn commit(self: Box<Self>) -> Result<(), Error> {
        within(self.0.commit()).await
    }
}

async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(STATEMENT_LIMIT, work).await.unwrap_or_else(|_| Err(late()))
}

fn late() -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer in time"))
}

/// Rows as they come, until the limit.
struct Limited<'e, T> {
    rows: BoxStream<'e, Result<T, Error>>,
    limit: Pin<Box<Sleep>>,
    is_over: bool,
}

fn limited<'e, T: Send + 'e>(rows: BoxStream<'e, Result<T, Error>>) -> BoxStream<'e, Result<T, Error>> {
    Box::pin(Limited { rows, limit: Box::pin(tokio::time::sleep(STATEMENT_LIMIT)), is_over: false })
}

impl<T> Stream for Limited<'_, T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(row) = self.rows.as_mut().poll_next(context) {
            return Poll::Ready(row);
        }
        self.limit.as_mut().poll(context).map(|()| {
            self.is_over = true;
            Some(Err(late()))
        })
    }
}

macro_rules! limited_executor {
    ($executor:ty, |$self:ident| $inner:expr) => {
        impl<'c> Executor<'c> for $executor {
            type Database = Any;

            fn fetch_many<'e, 'q: 'e, E>($self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, Any>,
            {
                limited($inner.fetch_many(query))
            }

            fn fetch_optional<'e, 'q: 'e, E>($self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, Any>,
            {
                Box::pin(within($inner.fetch_optional(query)))
            }

            fn prepare_with<'e>(
                $self,
                sql: SqlStr,
                parameters: &'e [AnyTypeInfo],
            ) -> BoxFuture<'e, Result<AnyStatement, Error>>
            where
                'c: 'e,
            {
                Box::pin(within($inner.prepare_with(sql, parameters)))
            }

            fn describe<'e>($self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, Error>>
            where
                'c: 'e,
            {
                Box::pin(within($inner.describe(sql)))
            }
        }
    };
}

limited_executor!(&'c Database, |self| (&self.pool));
limited_executor!(&'c mut Transaction, |self| (&mut *self.0));

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}
