//! Mails that wait to be sent. Bodies hold links, so they are sealed.

use serde::{Deserialize, Serialize};

use super::store::instant;
use super::{Accounts, AccountsError, Binding, Sealed};
use crate::clock::Timestamp;
use crate::domain::{EmailAddress, MailId, UserId};

/// How many unsent mails may wait; more is a broken mail server or an attack.
pub const MAX_WAITING_MAILS: u32 = 20_000;
/// How long a mail stays in the outbox, sent or not; its links have expired long before.
const KEEP_MILLIS: i64 = 30 * 24 * 60 * 60 * 1000;
const BODY: &str = "outbox.body";

/// A mail to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMail {
    /// Whom it concerns.
    pub user: UserId,
    /// Where it goes.
    pub to: EmailAddress,
    /// The subject, one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
}

/// A mail as it stands in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMail {
    /// Its id.
    pub id: MailId,
    /// When it was written.
    pub at: Timestamp,
    /// When it was handed to a mail server.
    pub sent: Option<Timestamp>,
    /// The mail.
    pub mail: OutboxMail,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Body {
    to: EmailAddress,
    subject: String,
    text: String,
    html: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    user_id: String,
    key_id: String,
    body: Vec<u8>,
    created_at: i64,
    sent_at: Option<i64>,
}

impl Accounts {
    /// Puts a mail into the outbox.
    ///
    /// # Errors
    /// [`MAX_WAITING_MAILS`] wait already, there is no such user, or the database failed.
    pub async fn enqueue(&self, mail: OutboxMail) -> Result<MailId, AccountsError> {
        let id = MailId::new(self.now(), self.entropy.as_ref())?;
        let owner = mail.user.to_string();
        let body = Body { to: mail.to, subject: mail.subject, text: mail.text, html: mail.html };
        let body = serde_json::to_vec(&body).map_err(|_| AccountsError::Corrupt { column: BODY })?;
        let sealed = self.envelope.seal(Binding { column: BODY, owner: &owner }, &body, self.entropy.as_ref())?;
        let now = self.now_millis();
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM outbox WHERE created_at < $1")
            .bind(now.saturating_sub(KEEP_MILLIS))
            .execute(&mut *transaction)
            .await?;
        let done = sqlx::query(
            "INSERT INTO outbox (id, user_id, key_id, body, created_at) SELECT $1, u.id, $3, $4, $5 FROM users u \
             WHERE u.id = $2 AND (SELECT count(*) FROM outbox WHERE sent_at IS NULL) < $6",
        )
        .bind(id.to_string())
        .bind(&owner)
        .bind(sealed.key_id)
        .bind(sealed.bytes)
        .bind(now)
        .bind(i64::from(MAX_WAITING_MAILS))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        if done.rows_affected() == 1 {
            return Ok(id);
        }
        match self.user(mail.user).await? {
            Some(_) => Err(AccountsError::OutboxFull),
            None => Err(AccountsError::NoSuchUser),
        }
    }

    /// The newest `limit` mails (at most 1000), newest first, sent or not.
    ///
    /// # Errors
    /// The database failed, or a mail does not open.
    pub async fn mails(&self, limit: u32) -> Result<Vec<StoredMail>, AccountsError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, user_id, key_id, body, created_at, sent_at FROM outbox ORDER BY created_at DESC, id DESC LIMIT $1",
        )
        .bind(i64::from(limit.min(1000)))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| self.stored_mail(row)).collect()
    }

    fn stored_mail(&self, row: Row) -> Result<StoredMail, AccountsError> {
        let corrupt = |column| AccountsError::Corrupt { column };
        let sealed = Sealed { key_id: row.key_id, bytes: row.body };
        let body = self.envelope.open(Binding { column: BODY, owner: &row.user_id }, &sealed)?;
        let body: Body = serde_json::from_slice(&body).map_err(|_| corrupt(BODY))?;
        let sent = match row.sent_at {
            Some(millis) => Some(instant(millis, "outbox.sent_at")?),
            None => None,
        };
        Ok(StoredMail {
            id: MailId::parse(&row.id).ok_or_else(|| corrupt("outbox.id"))?,
            at: instant(row.created_at, "outbox.created_at")?,
            sent,
            mail: OutboxMail {
                user: UserId::parse(&row.user_id).ok_or_else(|| corrupt("outbox.user_id"))?,
                to: body.to,
                subject: body.subject,
                text: body.text,
                html: body.html,
            },
        })
    }
}
