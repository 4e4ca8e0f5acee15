//! Mails that wait to be sent, and how far that got. Bodies hold links, so they are sealed.
//!
//! A mail is sent by whoever leases it: [`Accounts::lease_mails`] hands each due mail to one caller, who alone may say how it
//! went until the lease is over. Several nodes on one database so never send one mail twice at once.

use serde::{Deserialize, Serialize};

use super::store::instant;
use super::{Accounts, AccountsError, Binding, Sealed};
use crate::clock::Timestamp;
use crate::domain::{EmailAddress, MailId, UserId};

/// How many unsent mails may wait; more is a broken mail server or an attack.
pub const MAX_WAITING_MAILS: u32 = 20_000;
/// How long a mail is tried to be sent, unless it is of no use before: three days.
pub const GIVE_UP_SECONDS: i64 = 3 * 24 * 60 * 60;
/// How long a mail stays in the outbox, sent or not; its links have expired long before.
const KEEP_MILLIS: i64 = 30 * 24 * 60 * 60 * 1000;
/// The most bytes kept of what a mail server said.
const MAX_ERROR_CHARS: usize = 500;
const BODY: &str = "outbox.body";

/// Whether somebody waits for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody sits before a page that asks for what is in it.
    Awaited,
    /// It tells something.
    Ordinary,
}

impl Urgency {
    fn code(self) -> i64 {
        match self {
            Self::Awaited => 0,
            Self::Ordinary => 1,
        }
    }
}

/// A mail to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMail {
    /// Whom it concerns; it is gone with them. `None`: it goes to the security team.
    pub user: Option<UserId>,
    /// Where it goes.
    pub to: EmailAddress,
    /// The subject, one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// Whether somebody waits for it.
    pub urgency: Urgency,
    /// From when on it is of no use; `None`: it is tried for [`GIVE_UP_SECONDS`].
    pub expires: Option<Timestamp>,
}

/// What became of a mail so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// How often it was handed to somebody to send.
    pub attempts: u32,
    /// When a mail server took it.
    pub sent: Option<Timestamp>,
    /// When it was given up.
    pub given_up: Option<Timestamp>,
    /// When it is tried next, as long as it is neither sent nor given up.
    pub next_try: Timestamp,
    /// What went wrong the last time.
    pub last_error: Option<String>,
}

/// A mail as it stands in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMail {
    /// Its id.
    pub id: MailId,
    /// When it was written.
    pub at: Timestamp,
    /// The mail.
    pub mail: OutboxMail,
    /// What became of it.
    pub dispatch: Dispatch,
}

/// The right to send one mail, until the lease is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedMail {
    /// The mail. Its `attempts` count this lease, and tell it from a later one.
    pub stored: StoredMail,
}

/// How full the outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxDepth {
    /// Mails that are still to be sent.
    pub waiting: u64,
    /// Mails that were given up and not yet forgotten.
    pub given_up: u64,
    /// When the oldest of the waiting ones was written.
    pub oldest: Option<Timestamp>,
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
    user_id: Option<String>,
    key_id: String,
    body: Vec<u8>,
    created_at: i64,
    urgency: i64,
    expires_at: i64,
    attempts: i64,
    next_try_at: i64,
    last_error: Option<String>,
    sent_at: Option<i64>,
    given_up_at: Option<i64>,
}

/// The columns of [`Row`]; a macro, since statements are constants.
macro_rules! columns {
    () => {
        "id, user_id, key_id, body, created_at, urgency, expires_at, attempts, next_try_at, last_error, sent_at, given_up_at"
    };
}

/// Whose key binding a body has: a mail to the security team has no user.
fn owner_of(user: Option<&str>) -> &str {
    user.unwrap_or("security-team")
}

impl Accounts {
    /// Puts a mail into the outbox.
    ///
    /// # Errors
    /// [`MAX_WAITING_MAILS`] wait already, there is no such user, or the database failed.
    pub async fn enqueue(&self, mail: OutboxMail) -> Result<MailId, AccountsError> {
        let id = MailId::new(self.now(), self.entropy.as_ref())?;
        let user = mail.user.map(|user| user.to_string());
        let body = Body { to: mail.to, subject: mail.subject, text: mail.text, html: mail.html };
        let body = serde_json::to_vec(&body).map_err(|_| AccountsError::Corrupt { column: BODY })?;
        let binding = Binding { column: BODY, owner: owner_of(user.as_deref()) };
        let sealed = self.envelope.seal(binding, &body, self.entropy.as_ref())?;
        let now = self.now_millis();
        let latest = now.saturating_add(GIVE_UP_SECONDS * 1000);
        let expires = mail.expires.map_or(latest, |expires| expires.as_millisecond().min(latest));
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM outbox WHERE created_at < $1")
            .bind(now.saturating_sub(KEEP_MILLIS))
            .execute(&mut *transaction)
            .await?;
        let done = sqlx::query(
            "INSERT INTO outbox (id, user_id, key_id, body, created_at, urgency, expires_at, attempts, next_try_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7, 0, $5 \
             WHERE ($2 IS NULL OR EXISTS (SELECT 1 FROM users WHERE id = $2)) \
             AND (SELECT count(*) FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL) < $8",
        )
        .bind(id.to_string())
        .bind(&user)
        .bind(sealed.key_id)
        .bind(sealed.bytes)
        .bind(now)
        .bind(mail.urgency.code())
        .bind(expires)
        .bind(i64::from(MAX_WAITING_MAILS))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        if done.rows_affected() == 1 {
            return Ok(id);
        }
        match mail.user {
            Some(user) if self.user(user).await?.is_none() => Err(AccountsError::NoSuchUser),
            _ => Err(AccountsError::OutboxFull),
        }
    }

    /// Hands out up to `limit` (at most 100) due mails, the awaited ones first, for `seconds`: nobody else gets them before.
    /// What is of no use any more is given up, and so is a mail that does not open, so that it holds up no other.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lease_mails(&self, limit: u32, seconds: u32) -> Result<Vec<LeasedMail>, AccountsError> {
        let now = self.now_millis();
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL AND next_try_at <= $1 \
             AND (leased_until IS NULL OR leased_until <= $1) LIMIT 1",
        )
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        if due.is_none() {
            return Ok(Vec::new());
        }
        sqlx::query(
            "UPDATE outbox SET given_up_at = $1 WHERE sent_at IS NULL AND given_up_at IS NULL AND expires_at <= $1 \
             AND (leased_until IS NULL OR leased_until <= $1)",
        )
        .bind(now)
        .execute(&self.pool)
        .await?;
        // The conditions stand twice: of two callers that chose the same mail, the second finds it leased.
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "UPDATE outbox SET leased_until = $2, attempts = attempts + 1 WHERE id IN (\
             SELECT id FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL AND next_try_at <= $1 \
             AND (leased_until IS NULL OR leased_until <= $1) ORDER BY urgency, next_try_at, id LIMIT $3) \
             AND sent_at IS NULL AND given_up_at IS NULL AND (leased_until IS NULL OR leased_until <= $1) \
             RETURNING ",
            columns!()
        ))
        .bind(now)
        .bind(now.saturating_add(i64::from(seconds) * 1000))
        .bind(i64::from(limit.min(100)))
        .fetch_all(&self.pool)
        .await?;
        let mut leased = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, attempts) = (row.id.clone(), row.attempts);
            match self.stored_mail(row) {
                Ok(stored) => leased.push(LeasedMail { stored }),
                Err(error) => {
                    tracing::error!(mail.id = %id, %error, "a mail can't be opened and is given up");
                    self.settle_mail(&id, attempts, Outcome::GivenUp("it can't be opened")).await?;
                }
            }
        }
        leased.sort_by_key(|mail| (mail.stored.mail.urgency, mail.stored.dispatch.next_try, mail.stored.id));
        Ok(leased)
    }

    /// A mail server took the mail. `false`: the lease was over and somebody else has it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mail_sent(&self, leased: &LeasedMail) -> Result<bool, AccountsError> {
        self.settle_leased(leased, Outcome::Sent).await
    }

    /// The mail was not sent; it is tried again at `next_try`, or given up when it is of no use then. `false`: the lease was
    /// over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mail_failed(
        &self,
        leased: &LeasedMail,
        next_try: Timestamp,
        error: &str,
    ) -> Result<bool, AccountsError> {
        let is_over = leased.stored.mail.expires.is_some_and(|expires| next_try >= expires);
        let outcome = if is_over { Outcome::GivenUp(error) } else { Outcome::Again(next_try, error) };
        self.settle_leased(leased, outcome).await
    }

    /// The mail goes back untried: the node that leased it stops. `false`: the lease was over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_mail(&self, leased: &LeasedMail) -> Result<bool, AccountsError> {
        self.settle_leased(leased, Outcome::Released).await
    }

    /// How full the outbox is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_depth(&self) -> Result<OutboxDepth, AccountsError> {
        let (waiting, oldest): (i64, Option<i64>) = sqlx::query_as(
            "SELECT count(*), min(created_at) FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL",
        )
        .fetch_one(&self.pool)
        .await?;
        let given_up: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE given_up_at IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        let oldest = oldest.map(|oldest| instant(oldest, "outbox.created_at")).transpose()?;
        Ok(OutboxDepth { waiting: waiting.unsigned_abs(), given_up: given_up.unsigned_abs(), oldest })
    }

    async fn settle_leased(&self, leased: &LeasedMail, outcome: Outcome<'_>) -> Result<bool, AccountsError> {
        self.settle_mail(&leased.stored.id.to_string(), i64::from(leased.stored.dispatch.attempts), outcome).await
    }

    /// Writes down how a lease ended. `attempts` tells it from a later one of the same mail.
    async fn settle_mail(&self, id: &str, attempts: i64, outcome: Outcome<'_>) -> Result<bool, AccountsError> {
        let now = self.now_millis();
        let query = match outcome {
            Outcome::Sent => sqlx::query(
                "UPDATE outbox SET sent_at = $3, leased_until = NULL, last_error = NULL \
                 WHERE id = $1 AND attempts = $2 AND sent_at IS NULL",
            )
            .bind(id)
            .bind(attempts)
            .bind(now),
            Outcome::Again(next_try, error) => sqlx::query(
                "UPDATE outbox SET next_try_at = $3, last_error = $4, leased_until = NULL \
                 WHERE id = $1 AND attempts = $2 AND sent_at IS NULL",
            )
            .bind(id)
            .bind(attempts)
            .bind(next_try.as_millisecond())
            .bind(shortened(error)),
            Outcome::GivenUp(error) => sqlx::query(
                "UPDATE outbox SET given_up_at = $3, last_error = $4, leased_until = NULL \
                 WHERE id = $1 AND attempts = $2 AND sent_at IS NULL",
            )
            .bind(id)
            .bind(attempts)
            .bind(now)
            .bind(shortened(error)),
            Outcome::Released => sqlx::query(
                "UPDATE outbox SET leased_until = NULL, attempts = attempts - 1 \
                 WHERE id = $1 AND attempts = $2 AND sent_at IS NULL",
            )
            .bind(id)
            .bind(attempts),
        };
        Ok(query.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// The newest `limit` mails (at most 1000), newest first, sent or not.
    ///
    /// # Errors
    /// The database failed, or a mail does not open.
    pub async fn mails(&self, limit: u32) -> Result<Vec<StoredMail>, AccountsError> {
        let rows: Vec<Row> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM outbox ORDER BY created_at DESC, id DESC LIMIT $1"))
                .bind(i64::from(limit.min(1000)))
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(|row| self.stored_mail(row)).collect()
    }

    fn stored_mail(&self, row: Row) -> Result<StoredMail, AccountsError> {
        let corrupt = |column| AccountsError::Corrupt { column };
        let sealed = Sealed { key_id: row.key_id, bytes: row.body };
        let binding = Binding { column: BODY, owner: owner_of(row.user_id.as_deref()) };
        let body = self.envelope.open(binding, &sealed)?;
        let body: Body = serde_json::from_slice(&body).map_err(|_| corrupt(BODY))?;
        let user = match &row.user_id {
            Some(user) => Some(UserId::parse(user).ok_or_else(|| corrupt("outbox.user_id"))?),
            None => None,
        };
        let sent = row.sent_at.map(|millis| instant(millis, "outbox.sent_at")).transpose()?;
        let given_up = row.given_up_at.map(|millis| instant(millis, "outbox.given_up_at")).transpose()?;
        Ok(StoredMail {
            id: MailId::parse(&row.id).ok_or_else(|| corrupt("outbox.id"))?,
            at: instant(row.created_at, "outbox.created_at")?,
            mail: OutboxMail {
                user,
                to: body.to,
                subject: body.subject,
                text: body.text,
                html: body.html,
                urgency: if row.urgency == Urgency::Awaited.code() { Urgency::Awaited } else { Urgency::Ordinary },
                expires: Some(instant(row.expires_at, "outbox.expires_at")?),
            },
            dispatch: Dispatch {
                attempts: u32::try_from(row.attempts).map_err(|_| corrupt("outbox.attempts"))?,
                sent,
                given_up,
                next_try: instant(row.next_try_at, "outbox.next_try_at")?,
                last_error: row.last_error,
            },
        })
    }
}

/// How a lease ended.
enum Outcome<'a> {
    Sent,
    Again(Timestamp, &'a str),
    GivenUp(&'a str),
    Released,
}

/// What a mail server says can be of any length and hold anything.
fn shortened(error: &str) -> String {
    error.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_ERROR_CHARS).collect()
}
