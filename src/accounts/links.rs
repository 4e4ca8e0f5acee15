//! One-time links sent to people. The database keeps a MAC of the token; the token itself is shown once.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::database::Transaction;
use super::store::instant;
use super::{Accounts, AccountsError};
use crate::clock::Timestamp;
use crate::domain::{Method, UserId};

const LABEL: &str = "links.mac";

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// To complete registration, or to enrol a second factor.
    Activation,
    /// To set a new password.
    Recovery,
}

impl LinkPurpose {
    /// How long an activation link works: five days.
    pub const ACTIVATION_SECONDS: u32 = 5 * 24 * 60 * 60;

    /// The code in the database and on pages.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Recovery => "recovery",
        }
    }

    /// Reads a code; `None` for any other word.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Activation, Self::Recovery].into_iter().find(|purpose| purpose.code() == code)
    }

    /// The proof that taking the link amounts to.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Activation => Method::ActivationLink,
            Self::Recovery => Method::RecoveryLink,
        }
    }
}

/// The secret part of a link: 256 random bits. Wiped on drop, never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken(Zeroizing<String>);

impl LinkToken {
    /// Reads the token out of an address; `None` when it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() == 43 && BASE64URL_NOPAD.decode(text.as_bytes()).is_ok();
        good.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text that stands in the address.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(…)")
    }
}

/// What a valid token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whom it was sent to.
    pub user: UserId,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Until when it works.
    pub expires: Timestamp,
}

impl Accounts {
    /// Makes a link that works once within `valid_seconds`. Earlier links of this user and purpose work no more.
    ///
    /// # Errors
    /// There is no such user, no randomness, or the database failed.
    pub async fn new_link(
        &self,
        user: UserId,
        purpose: LinkPurpose,
        valid_seconds: u32,
    ) -> Result<LinkToken, AccountsError> {
        let token = BASE64URL_NOPAD.encode(&self.entropy.bytes::<32>()?);
        let now = self.now_millis();
        let mut transaction = self.write().await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM users WHERE id = $1")
            .bind(user.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
        if known.is_none() {
            return Err(AccountsError::NoSuchUser);
        }
        sqlx::query("DELETE FROM links WHERE (user_id = $1 AND purpose = $2) OR expires_at <= $3")
            .bind(user.to_string())
            .bind(purpose.code())
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO links (mac, user_id, purpose, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(self.link_mac(&token))
            .bind(user.to_string())
            .bind(purpose.code())
            .bind(now)
            .bind(now.saturating_add(i64::from(valid_seconds) * 1000))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(LinkToken(Zeroizing::new(token)))
    }

    /// What a token stands for, without using it up: for the page that asks to confirm. `None` when it is unknown, used
    /// or expired; the page says the same for all three.
    ///
    /// # Errors
    /// The database failed.
    pub async fn peek_link(&self, token: &LinkToken) -> Result<Option<Link>, AccountsError> {
        let row: Option<(String, String, i64)> =
            sqlx::query_as("SELECT user_id, purpose, expires_at FROM links WHERE mac = $1 AND expires_at > $2")
                .bind(self.link_mac(token.expose()))
                .bind(self.now_millis())
                .fetch_optional(&self.pool)
                .await?;
        row.map(link).transpose()
    }

    /// Uses a token up. Of several callers one gets the link.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_link(&self, token: &LinkToken) -> Result<Option<Link>, AccountsError> {
        let row: Option<(String, String, i64)> = sqlx::query_as(
            "DELETE FROM links WHERE mac = $1 AND expires_at > $2 RETURNING user_id, purpose, expires_at",
        )
        .bind(self.link_mac(token.expose()))
        .bind(self.now_millis())
        .fetch_optional(&self.pool)
        .await?;
        row.map(link).transpose()
    }

    /// Voids all links of a user within a transaction of the caller.
    pub(super) async fn void_links(&self, connection: &mut Transaction, user: UserId) -> Result<(), AccountsError> {
        sqlx::query("DELETE FROM links WHERE user_id = $1").bind(user.to_string()).execute(connection).await?;
        Ok(())
    }

    fn link_mac(&self, token: &str) -> Vec<u8> {
        self.envelope.mac(LABEL, token.as_bytes()).to_vec()
    }
}

fn link((user, purpose, expires): (String, String, i64)) -> Result<Link, AccountsError> {
    Ok(Link {
        user: UserId::parse(&user).ok_or(AccountsError::Corrupt { column: "links.user_id" })?,
        purpose: LinkPurpose::parse(&purpose).ok_or(AccountsError::Corrupt { column: "links.purpose" })?,
        expires: instant(expires, "links.expires_at")?,
    })
}
