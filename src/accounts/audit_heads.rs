//! The signed heads of the audit journal. Stored as they come; what they mean and whether a signature is right is for `audit`.

use super::store::instant;
use super::{Accounts, AccountsError};
use crate::clock::Timestamp;

/// How many heads are kept of a node: a week of minutes. The newest covers all before it; the others tell when.
const KEEP: i64 = 10_000;

/// How far a node's journal had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    /// The node.
    pub node: String,
    /// The number of the line.
    pub seq: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The signature.
    pub signature: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    node: String,
    seq: i64,
    hash: String,
    signed_at: i64,
    signature: Vec<u8>,
}

impl Accounts {
    /// Stores a head. One that is there already stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn store_audit_head(&self, head: &StoredHead) -> Result<(), AccountsError> {
        let seq = i64::try_from(head.seq).map_err(|_| AccountsError::Corrupt { column: "audit_heads.seq" })?;
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO audit_heads (node, seq, hash, signed_at, signature) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (node, seq) DO NOTHING",
        )
        .bind(&head.node)
        .bind(seq)
        .bind(&head.hash)
        .bind(head.at.as_millisecond())
        .bind(&head.signature)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM audit_heads WHERE node = $1 AND seq <= \
             (SELECT seq FROM audit_heads WHERE node = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)",
        )
        .bind(&head.node)
        .bind(KEEP)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// All heads of all nodes that are kept, each node's in the order of its lines.
    ///
    /// # Errors
    /// The database failed, or holds what is no head.
    pub async fn audit_heads(&self) -> Result<Vec<StoredHead>, AccountsError> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT node, seq, hash, signed_at, signature FROM audit_heads ORDER BY node, seq")
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(stored).collect()
    }

    /// The newest head of each node.
    ///
    /// # Errors
    /// The database failed, or holds what is no head.
    pub async fn newest_audit_heads(&self) -> Result<Vec<StoredHead>, AccountsError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT h.node, h.seq, h.hash, h.signed_at, h.signature FROM audit_heads h \
             JOIN (SELECT node, max(seq) AS seq FROM audit_heads GROUP BY node) newest \
             ON newest.node = h.node AND newest.seq = h.seq ORDER BY h.node",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(stored).collect()
    }
}

fn stored(row: Row) -> Result<StoredHead, AccountsError> {
    Ok(StoredHead {
        node: row.node,
        seq: u64::try_from(row.seq).map_err(|_| AccountsError::Corrupt { column: "audit_heads.seq" })?,
        hash: row.hash,
        at: instant(row.signed_at, "audit_heads.signed_at")?,
        signature: row.signature,
    })
}
