//! Import of people from CSV: all rows or none, with a report per row. Reading checks each row by itself ([`read`]);
//! [`super::Accounts::import`] checks rows against each other and against the database, hashes passwords, and writes.

mod apply;
mod read;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

pub use read::{COLUMNS, SAMPLE, read};

use super::{AccountsError, NewUser, Password, PasswordRules};
use crate::domain::{GroupName, TotpSecret, Username};
use crate::workers::HashError;

/// How much one file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Rows below the header.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 * 1024 * 1024, rows: 50_000 }
    }
}

/// What rows are checked against.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The groups of config.toml and the built-in ones of the console.
    pub groups: BTreeSet<GroupName>,
    /// The rules for passwords in clear.
    pub passwords: PasswordRules,
    /// The organisation's name, which no password is to be built from.
    pub organisation: String,
}

/// A file that was read, good rows and bad.
#[derive(Debug)]
pub struct Sheet {
    pub(super) rows: Vec<Row>,
}

/// One row of the file.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) username: String,
    pub(super) outcome: Result<Person, Vec<String>>,
}

/// A person to be created.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) user: NewUser,
    pub(super) password: Option<Password>,
    pub(super) totp: Option<TotpSecret>,
}

/// Whether to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Only say what would happen.
    DryRun,
    /// Create the people, if no row has a problem.
    Apply,
}

/// What happened, or would happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether people were created.
    pub applied: bool,
    /// One for each row of the file.
    pub rows: Vec<ReportRow>,
}

impl Report {
    /// Whether every row is good.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.problems.is_empty())
    }
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportRow {
    /// The line in the file, the header being line 1.
    pub line: u64,
    /// The username: folded when the row is good, else as written, cut to 80 characters.
    pub username: String,
    /// What became of it.
    pub outcome: RowOutcome,
    /// Why it cannot be imported.
    pub problems: Vec<String>,
}

/// What becomes of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowOutcome {
    /// The person was created.
    Created,
    /// The person would be created.
    WouldCreate,
    /// Nothing is wrong with the row, but another row stopped the import.
    Held,
    /// The row has problems.
    Refused,
}

/// Why a file was not imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Too large.
    #[error("the file has more than {0} bytes; split it")]
    TooLarge(usize),
    /// Too many rows.
    #[error("the file has more than {0} rows; split it")]
    TooManyRows(usize),
    /// Not UTF-8.
    #[error("the file is not UTF-8; save it as `CSV UTF-8`")]
    NotUtf8,
    /// No header, or no rows.
    #[error(
        "the file holds no rows; its first line names the columns (`cedargate users sample-csv` prints an example)"
    )]
    Empty,
    /// Columns are not separated by commas.
    #[error("the columns are separated by `;`; save the file with commas (groups are what `;` separates)")]
    Semicolons,
    /// An unknown column.
    #[error("there is no column `{column}`{}", hint.as_ref().map_or(String::new(), |near| format!("; did you mean `{near}`?")))]
    UnknownColumn {
        /// The name in the header.
        column: String,
        /// The nearest known name.
        hint: Option<&'static str>,
    },
    /// A column twice.
    #[error("the column `{0}` stands in the header twice")]
    DuplicateColumn(&'static str),
    /// A column that must be there is not.
    #[error("the column `{0}` is missing")]
    MissingColumn(&'static str),
    /// Quotes or fields that do not add up.
    #[error("line {line}: {message}")]
    Malformed {
        /// The line.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// A password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
}

/// The username of a row for the report.
pub(super) fn shown(username: &str) -> String {
    match Username::parse(username) {
        Ok(name) => name.into(),
        Err(_) => username.chars().filter(|c| !c.is_control()).take(80).collect(),
    }
}
