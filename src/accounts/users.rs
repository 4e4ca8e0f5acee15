//! Users: look-up, creation, password, status.

use std::collections::BTreeSet;

use sqlx::Any;

use super::database::Transaction;
use super::store::instant;
use super::{Accounts, AccountsError, PasswordHash};
use crate::clock::Timestamp;
use crate::domain::{Country, EmailAddress, GroupName, Language, User, UserId, UserStatus, Username};

/// The most users one call lists.
const MAX_LIST: u32 = 1000;

/// A user found by what was typed, with the hash to compare the password with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: User,
    /// Their password's hash; `None` when they have none here.
    pub password: Option<PasswordHash>,
}

/// A user to be created. Id and epoch are given by the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The name to sign in by.
    pub username: Username,
    /// The verified address.
    pub email: EmailAddress,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// International number.
    pub phone: Option<String>,
    /// Declared groups.
    pub groups: BTreeSet<GroupName>,
    /// The country an administrator gave.
    pub home_country: Country,
    /// IANA time zone name.
    pub time_zone: Option<String>,
    /// The language of pages and mails.
    pub language: Option<Language>,
    /// Whether they may do anything.
    pub status: UserStatus,
    /// The password's hash, if they have one.
    pub password: Option<PasswordHash>,
}

impl NewUser {
    /// Somebody of whom no more is known than name and address; pending, in no group.
    #[must_use]
    pub fn pending(username: Username, email: EmailAddress) -> Self {
        Self {
            username,
            email,
            first_name: String::new(),
            last_name: String::new(),
            phone: None,
            groups: BTreeSet::new(),
            home_country: Country::unknown(),
            time_zone: None,
            language: None,
            status: UserStatus::Pending,
            password: None,
        }
    }
}

/// One row of the join of users with their groups: a user without groups has one row with none.
#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    phone: Option<String>,
    home_country: String,
    time_zone: Option<String>,
    language: Option<String>,
    status: String,
    session_epoch: i64,
    password_hash: Option<String>,
    devices_since: Option<i64>,
    group_name: Option<String>,
}

macro_rules! select_users {
    ($rest:literal) => {
        concat!(
            "SELECT u.id, u.username, u.email, u.first_name, u.last_name, u.phone, u.home_country, u.time_zone, \
             u.language, u.status, u.session_epoch, u.password_hash, u.devices_since, g.group_name ",
            $rest
        )
    };
}

const BY_LOGIN: &str = select_users!(
    "FROM login_names n JOIN users u ON u.id = n.user_id LEFT JOIN user_groups g ON g.user_id = u.id WHERE n.name = $1"
);
const BY_ID: &str = select_users!("FROM users u LEFT JOIN user_groups g ON g.user_id = u.id WHERE u.id = $1");
const BY_NAME: &str = select_users!("FROM users u LEFT JOIN user_groups g ON g.user_id = u.id WHERE u.username = $1");
const PAGE: &str = select_users!(
    "FROM (SELECT * FROM users WHERE username > $1 ORDER BY username LIMIT $2) u \
     LEFT JOIN user_groups g ON g.user_id = u.id ORDER BY u.username"
);

impl Accounts {
    /// The user whose username or mail address was typed, in any spelling that folds to it.
    ///
    /// # Errors
    /// The database failed, or the row cannot be read.
    pub async fn find_by_login(&self, typed: &str) -> Result<Option<Login>, AccountsError> {
        let Some(name) = login_name(typed) else { return Ok(None) };
        self.one(BY_LOGIN, name).await
    }

    /// The user of an id.
    ///
    /// # Errors
    /// The database failed, or the row cannot be read.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, AccountsError> {
        Ok(self.one(BY_ID, id.to_string()).await?.map(|login| login.user))
    }

    /// The user of a username.
    ///
    /// # Errors
    /// The database failed, or the row cannot be read.
    pub async fn user_by_name(&self, username: &Username) -> Result<Option<User>, AccountsError> {
        Ok(self.one(BY_NAME, username.to_string()).await?.map(|login| login.user))
    }

    /// Up to `limit` users (at most 1000) in the order of their names, from the one after `after` on.
    ///
    /// # Errors
    /// The database failed, or a row cannot be read.
    pub async fn list(&self, after: Option<&Username>, limit: u32) -> Result<Vec<User>, AccountsError> {
        let rows = sqlx::query_as::<Any, Row>(PAGE)
            .bind(after.map_or(String::new(), Username::to_string))
            .bind(i64::from(limit.min(MAX_LIST)))
            .fetch_all(&self.pool)
            .await?;
        Ok(logins(rows)?.into_iter().map(|login| login.user).collect())
    }

    /// Creates a user.
    ///
    /// # Errors
    /// Username or address is taken, or the database failed.
    pub async fn create(&self, new: &NewUser) -> Result<UserId, AccountsError> {
        let mut transaction = self.add().await?;
        let id = self.insert(&mut transaction, new).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Creates a user within a transaction of the caller.
    pub(super) async fn insert(&self, connection: &mut Transaction, new: &NewUser) -> Result<UserId, AccountsError> {
        let id = UserId::new(self.now(), self.entropy.as_ref())?;
        sqlx::query(
            "INSERT INTO users (id, username, email, first_name, last_name, phone, home_country, time_zone, language, \
             status, session_epoch, password_hash, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $12)",
        )
        .bind(id.to_string())
        .bind(new.username.as_str())
        .bind(new.email.as_str())
        .bind(&new.first_name)
        .bind(&new.last_name)
        .bind(&new.phone)
        .bind(new.home_country.as_str())
        .bind(&new.time_zone)
        .bind(new.language.map(Language::tag))
        .bind(new.status.code())
        .bind(new.password.as_ref().map(PasswordHash::expose))
        .bind(self.now_millis())
        .execute(&mut *connection)
        .await
        .map_err(|error| taken(error, new.username.as_str()))?;
        for name in BTreeSet::from([new.username.to_string(), new.email.folded()]) {
            sqlx::query("INSERT INTO login_names (name, user_id) VALUES ($1, $2)")
                .bind(&name)
                .bind(id.to_string())
                .execute(&mut *connection)
                .await
                .map_err(|error| taken(error, &name))?;
        }
        for group in &new.groups {
            sqlx::query("INSERT INTO user_groups (user_id, group_name) VALUES ($1, $2)")
                .bind(id.to_string())
                .bind(group.as_str())
                .execute(&mut *connection)
                .await?;
        }
        Ok(id)
    }

    /// Whether a folded name is somebody's username or address, or was once.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_taken(&self, name: &str) -> Result<bool, AccountsError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM login_names WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// Sets a password. Ends all sessions, and voids links that were sent before.
    ///
    /// # Errors
    /// There is no such user, or the database failed.
    pub async fn set_password(&self, id: UserId, password: &PasswordHash) -> Result<(), AccountsError> {
        let mut transaction = self.write().await?;
        self.raise_epoch(&mut transaction, id).await?;
        sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(password.expose())
            .execute(&mut *transaction)
            .await?;
        self.void_links(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }

    /// Replaces the hash of an unchanged password by a stronger one. Says no when the password was changed meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn upgrade_password_hash(
        &self,
        id: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, AccountsError> {
        let done = sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
            .bind(id.to_string())
            .bind(old.expose())
            .bind(new.expose())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes down that the store born at `born` holds the user's devices from now on, in place of the one they were in when the
    /// user was read (`before`). Where an administrator or another sign-in has changed that meanwhile, their word stands.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_devices_since(
        &self,
        id: UserId,
        before: Option<Timestamp>,
        born: Timestamp,
    ) -> Result<(), AccountsError> {
        sqlx::query(
            "UPDATE users SET devices_since = $3 WHERE id = $1 AND (devices_since IS NULL OR devices_since = $2)",
        )
        .bind(id.to_string())
        .bind(before.map(Timestamp::as_millisecond))
        .bind(born.as_millisecond())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets that the user ever had devices: those that a lost store held no longer count against new ones.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_device_history(&self, id: UserId) -> Result<(), AccountsError> {
        sqlx::query("UPDATE users SET devices_since = NULL WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Sets the status. Ends all sessions; shutting somebody out also voids their links.
    ///
    /// # Errors
    /// There is no such user, or the database failed.
    pub async fn set_status(&self, id: UserId, status: UserStatus) -> Result<(), AccountsError> {
        let mut transaction = self.write().await?;
        self.raise_epoch(&mut transaction, id).await?;
        sqlx::query("UPDATE users SET status = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(status.code())
            .execute(&mut *transaction)
            .await?;
        if status == UserStatus::Suspended {
            self.void_links(&mut transaction, id).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Sets the password of somebody who registers, unless anything about them changed since `epoch` was read. Voids links
    /// that were sent before. Gives the new `session_epoch`; `None` when something changed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn choose_password(
        &self,
        id: UserId,
        epoch: i64,
        password: &PasswordHash,
    ) -> Result<Option<i64>, AccountsError> {
        let mut transaction = self.write().await?;
        let Some(new) = self.raise_epoch_from(&mut transaction, id, epoch).await? else { return Ok(None) };
        sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(password.expose())
            .execute(&mut *transaction)
            .await?;
        self.void_links(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(Some(new))
    }

    /// Raises the epoch within a transaction, if it still is `epoch` and the user is not suspended. Whoever is pending becomes
    /// active in [`Accounts::enrol_totp`] alone.
    pub(super) async fn raise_epoch_from(
        &self,
        connection: &mut Transaction,
        id: UserId,
        epoch: i64,
    ) -> Result<Option<i64>, AccountsError> {
        let done = sqlx::query(
            "UPDATE users SET session_epoch = session_epoch + 1, updated_at = $3 \
             WHERE id = $1 AND session_epoch = $2 AND status <> 'suspended'",
        )
        .bind(id.to_string())
        .bind(epoch)
        .bind(self.now_millis())
        .execute(connection)
        .await?;
        Ok((done.rows_affected() == 1).then(|| epoch.saturating_add(1)))
    }

    /// Ends all sessions of a user ("this wasn't me").
    ///
    /// # Errors
    /// There is no such user, or the database failed.
    pub async fn end_sessions(&self, id: UserId) -> Result<(), AccountsError> {
        let mut transaction = self.write().await?;
        self.raise_epoch(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }

    /// Raises the epoch within the transaction of the change that asks for it.
    pub(super) async fn raise_epoch(&self, connection: &mut Transaction, id: UserId) -> Result<(), AccountsError> {
        let done = sqlx::query("UPDATE users SET session_epoch = session_epoch + 1, updated_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(self.now_millis())
            .execute(connection)
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(AccountsError::NoSuchUser) }
    }

    async fn one(&self, sql: &'static str, key: String) -> Result<Option<Login>, AccountsError> {
        let rows = sqlx::query_as::<Any, Row>(sql).bind(key).fetch_all(&self.pool).await?;
        Ok(logins(rows)?.into_iter().next())
    }
}

/// The key of `login_names` for what was typed; `None` for what is neither a username nor an address.
fn login_name(typed: &str) -> Option<String> {
    match Username::parse(typed) {
        Ok(name) => Some(name.into()),
        Err(_) => EmailAddress::parse(typed).ok().map(|email| email.folded()),
    }
}

/// A unique key that is there already means the name is taken.
fn taken(error: sqlx::Error, name: &str) -> AccountsError {
    let unique = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if unique { AccountsError::Taken { name: name.to_owned() } } else { AccountsError::Database(error) }
}

/// Folds rows of one user, which follow each other, into one.
fn logins(rows: Vec<Row>) -> Result<Vec<Login>, AccountsError> {
    let mut logins: Vec<Login> = Vec::new();
    for row in rows {
        let group = match &row.group_name {
            Some(name) => Some(GroupName::parse(name).map_err(|_| corrupt("user_groups.group_name"))?),
            None => None,
        };
        let login = login(row)?;
        match logins.last_mut().filter(|last| last.user.id == login.user.id) {
            Some(last) => last.user.groups.extend(group),
            None => {
                logins.push(login);
                if let Some(last) = logins.last_mut() {
                    last.user.groups.extend(group);
                }
            }
        }
    }
    Ok(logins)
}

fn login(row: Row) -> Result<Login, AccountsError> {
    let language = match row.language {
        Some(tag) => Some(Language::parse(&tag).ok_or_else(|| corrupt("users.language"))?),
        None => None,
    };
    let password = match row.password_hash {
        Some(hash) => Some(PasswordHash::parse(&hash).map_err(|_| corrupt("users.password_hash"))?),
        None => None,
    };
    let user = User {
        id: UserId::parse(&row.id).ok_or_else(|| corrupt("users.id"))?,
        username: Username::parse(&row.username).map_err(|_| corrupt("users.username"))?,
        email: EmailAddress::parse(&row.email).map_err(|_| corrupt("users.email"))?,
        first_name: row.first_name,
        last_name: row.last_name,
        phone: row.phone,
        groups: BTreeSet::new(),
        home_country: Country::parse(&row.home_country).map_err(|_| corrupt("users.home_country"))?,
        time_zone: row.time_zone,
        language,
        status: UserStatus::parse(&row.status).ok_or_else(|| corrupt("users.status"))?,
        session_epoch: row.session_epoch,
        devices_since: row.devices_since.map(|born| instant(born, "users.devices_since")).transpose()?,
    };
    Ok(Login { user, password })
}

fn corrupt(column: &'static str) -> AccountsError {
    AccountsError::Corrupt { column }
}
