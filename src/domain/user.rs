//! People with an account.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{IdError, fold};
use super::{Country, GroupName, Language, UserId, Username};
use crate::clock::Timestamp;

/// What a user may do at all; policies read it as `principal.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserStatus {
    /// Registered.
    Active,
    /// Known, but registration is not complete.
    Pending,
    /// Shut out.
    Suspended,
}

impl UserStatus {
    /// The code in files and policies.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Suspended => "suspended",
        }
    }

    /// Reads a code; `None` for any other word.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Active, Self::Pending, Self::Suspended].into_iter().find(|status| status.code() == code)
    }
}

/// A mail address: kept as written, compared folded ([`EmailAddress::folded`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads an address of at most 254 bytes (RFC 5321 §4.5.3.1): one `@`, something before it, a name after it, no white
    /// space, no control or quoting characters. Whether it works is shown by mail alone.
    ///
    /// # Errors
    /// It breaks one of these rules.
    pub fn parse(input: &str) -> Result<Self, IdError> {
        let input = input.trim();
        let good = input.len() <= 254
            && input.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !domain.starts_with('.')
                    && !domain.ends_with('.')
            })
            && input
                .chars()
                .all(|c| !c.is_control() && !c.is_whitespace() && !matches!(c, '"' | '<' | '>' | ',' | ';' | '\\'));
        if good {
            Ok(Self(input.to_owned()))
        } else {
            Err(IdError::new(input, "email address", "write it as name@example.com, 254 characters at most"))
        }
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form to compare and to look up by.
    #[must_use]
    pub fn folded(&self) -> String {
        fold(&self.0)
    }

    /// What may stand on a page before the person is fully signed in: `a•••@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        format!("{}•••@{domain}", local.chars().take(1).collect::<String>())
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = IdError;

    fn try_from(input: String) -> Result<Self, IdError> {
        Self::parse(&input)
    }
}

impl From<EmailAddress> for String {
    fn from(email: EmailAddress) -> String {
        email.0
    }
}

/// A person with an account, as read from the accounts database at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Inside id.
    pub id: UserId,
    /// The name people sign in by and policies name.
    pub username: Username,
    /// The verified address.
    pub email: EmailAddress,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// International number (`+491701234567`).
    pub phone: Option<String>,
    /// The groups given to this person, without `everyone` and without the groups that hold those.
    pub groups: BTreeSet<GroupName>,
    /// The country an administrator gave; [`Country::UNKNOWN`] when none.
    pub home_country: Country,
    /// IANA time zone name.
    pub time_zone: Option<String>,
    /// The language of pages and mails.
    pub language: Option<Language>,
    /// Whether they may do anything.
    pub status: UserStatus,
    /// Rises when all their sessions must end; every assertion compares it.
    pub session_epoch: i64,
    /// When the state store was born that holds their devices; `None` when no device of theirs was ever recorded, or an
    /// administrator has it forgotten. In another store their devices are lost.
    pub devices_since: Option<Timestamp>,
}

impl User {
    /// The name to greet somebody by: first and last name, or the username when there is none.
    #[must_use]
    pub fn display_name(&self) -> String {
        let name = format!("{} {}", self.first_name.trim(), self.last_name.trim());
        let name = name.trim();
        if name.is_empty() { self.username.to_string() } else { name.to_owned() }
    }
}
