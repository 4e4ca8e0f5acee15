//! Authenticators: what a person enrolled as further proof. So far: TOTP.

use sqlx::Any;

use super::database::Transaction;
use super::store::instant;
use super::{Accounts, AccountsError, Binding, Sealed};
use crate::clock::Timestamp;
use crate::domain::{AuthenticatorId, Method, TotpSecret, UserId};

/// How many authenticators a person may have.
pub const MAX_AUTHENTICATORS: u32 = 20;
/// The most characters kept of the name a person gives an authenticator.
const MAX_NAME: usize = 64;
const SECRET: &str = "authenticators.secret";

/// One enrolled authenticator, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator {
    /// Its id; [`crate::domain::Proof`] names it.
    pub id: AuthenticatorId,
    /// The kind.
    pub method: Method,
    /// What its owner calls it.
    pub name: String,
    /// When it was enrolled.
    pub added: Timestamp,
    /// When it was last accepted.
    pub last_used: Option<Timestamp>,
}

/// The seed of one TOTP authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpRecord {
    /// The authenticator.
    pub id: AuthenticatorId,
    /// Its seed.
    pub secret: TotpSecret,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    method: String,
    name: String,
    added_at: i64,
    last_used_at: Option<i64>,
}

impl Accounts {
    /// The authenticators of a user, oldest first.
    ///
    /// # Errors
    /// The database failed, or a row cannot be read.
    pub async fn authenticators(&self, user: UserId) -> Result<Vec<Authenticator>, AccountsError> {
        let rows = sqlx::query_as::<Any, Row>(
            "SELECT id, method, name, added_at, last_used_at FROM authenticators WHERE user_id = $1 \
             ORDER BY added_at, id",
        )
        .bind(user.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(authenticator).collect()
    }

    /// Enrols an authenticator app whose code for `used_step` was just shown; that code counts no more. Ends all sessions.
    ///
    /// # Errors
    /// There is no such user, they have [`MAX_AUTHENTICATORS`] already, or the database failed.
    pub async fn add_totp(
        &self,
        user: UserId,
        secret: &TotpSecret,
        used_step: u64,
        name: &str,
    ) -> Result<AuthenticatorId, AccountsError> {
        let mut transaction = self.write().await?;
        self.raise_epoch(&mut transaction, user).await?;
        let id = self.insert_totp(&mut transaction, user, secret, Some(used_step), name).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// [`Accounts::add_totp`] for a sign-in that read the user at `epoch`: adds nothing if anything about them changed since.
    /// It completes a registration, so somebody pending is active afterwards. Gives the new `session_epoch` besides.
    ///
    /// # Errors
    /// They have [`MAX_AUTHENTICATORS`] already, or the database failed.
    pub async fn enrol_totp(
        &self,
        user: UserId,
        epoch: i64,
        secret: &TotpSecret,
        used_step: u64,
    ) -> Result<Option<(AuthenticatorId, i64)>, AccountsError> {
        let mut transaction = self.write().await?;
        let Some(new) = self.raise_epoch_from(&mut transaction, user, epoch).await? else { return Ok(None) };
        sqlx::query("UPDATE users SET status = 'active' WHERE id = $1 AND status = 'pending'")
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await?;
        let id = self.insert_totp(&mut transaction, user, secret, Some(used_step), "").await?;
        transaction.commit().await?;
        Ok(Some((id, new)))
    }

    /// Adds a seed within a transaction of the caller. `last_step` is `None` for an imported seed: no code was shown yet.
    pub(super) async fn insert_totp(
        &self,
        connection: &mut Transaction,
        user: UserId,
        secret: &TotpSecret,
        last_step: Option<u64>,
        name: &str,
    ) -> Result<AuthenticatorId, AccountsError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM authenticators WHERE user_id = $1")
            .bind(user.to_string())
            .fetch_one(&mut *connection)
            .await?;
        if count >= i64::from(MAX_AUTHENTICATORS) {
            return Err(AccountsError::TooManyAuthenticators);
        }
        let id = AuthenticatorId::new(self.now(), self.entropy.as_ref())?;
        let owner = user.to_string();
        let sealed =
            self.envelope.seal(Binding { column: SECRET, owner: &owner }, secret.bytes(), self.entropy.as_ref())?;
        sqlx::query(
            "INSERT INTO authenticators (id, user_id, method, name, key_id, secret, last_step, added_at, last_used_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id.to_string())
        .bind(&owner)
        .bind(Method::Totp.code())
        .bind(name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect::<String>())
        .bind(sealed.key_id)
        .bind(sealed.bytes)
        .bind(last_step.map(step_number))
        .bind(self.now_millis())
        .bind(last_step.map(|_| self.now_millis()))
        .execute(connection)
        .await?;
        Ok(id)
    }

    /// The seeds of a user's authenticator apps, oldest first.
    ///
    /// # Errors
    /// The database failed, or a seed does not open.
    pub async fn totp_secrets(&self, user: UserId) -> Result<Vec<TotpRecord>, AccountsError> {
        let rows: Vec<(String, String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, key_id, secret FROM authenticators WHERE user_id = $1 AND method = $2 ORDER BY added_at, id",
        )
        .bind(user.to_string())
        .bind(Method::Totp.code())
        .fetch_all(&self.pool)
        .await?;
        let owner = user.to_string();
        rows.into_iter()
            .map(|(id, key_id, bytes)| {
                let opened =
                    self.envelope.open(Binding { column: SECRET, owner: &owner }, &Sealed { key_id, bytes })?;
                Ok(TotpRecord {
                    id: AuthenticatorId::parse(&id).ok_or_else(|| corrupt("authenticators.id"))?,
                    secret: TotpSecret::from_bytes(opened.to_vec()).map_err(|_| corrupt(SECRET))?,
                })
            })
            .collect()
    }

    /// Accepts the code of a time step, once: only the first caller with a step later than the last gets `true`
    /// (RFC 6238 §5.2).
    ///
    /// # Errors
    /// The database failed.
    pub async fn use_totp_step(&self, id: AuthenticatorId, step: u64) -> Result<bool, AccountsError> {
        let done = sqlx::query(
            "UPDATE authenticators SET last_step = $2, last_used_at = $3 \
             WHERE id = $1 AND method = $4 AND (last_step IS NULL OR last_step < $2)",
        )
        .bind(id.to_string())
        .bind(step_number(step))
        .bind(self.now_millis())
        .bind(Method::Totp.code())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes an authenticator of this user. Ends all sessions. Says no when the user has no such authenticator.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_authenticator(&self, user: UserId, id: AuthenticatorId) -> Result<bool, AccountsError> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM authenticators WHERE id = $1 AND user_id = $2")
            .bind(id.to_string())
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.raise_epoch(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Steps are seconds since 1970 over 30: far below the limit of the column.
fn step_number(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

fn authenticator(row: Row) -> Result<Authenticator, AccountsError> {
    let last_used = match row.last_used_at {
        Some(millis) => Some(instant(millis, "authenticators.last_used_at")?),
        None => None,
    };
    Ok(Authenticator {
        id: AuthenticatorId::parse(&row.id).ok_or_else(|| corrupt("authenticators.id"))?,
        method: Method::parse(&row.method).ok_or_else(|| corrupt("authenticators.method"))?,
        name: row.name,
        added: instant(row.added_at, "authenticators.added_at")?,
        last_used,
    })
}

fn corrupt(column: &'static str) -> AccountsError {
    AccountsError::Corrupt { column }
}
