//! `[accounts]`: the database of people.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::problem::Problem;
use super::secret::Secret;
use super::stores::{file_of, without_password};

/// How to write the address of a PostgreSQL database.
const EXAMPLE: &str = "postgres://cedargate@db.example.com/cedargate";

/// `[accounts]`: people, groups and their authenticators.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// `sqlite:FILE`, a file of this machine, or `postgres://USER@HOST:PORT/DATABASE`, which several nodes share.
    #[schemars(extend("format" = "accounts-url"))]
    pub url: AccountsUrl,
    /// The file whose first line is the password of the PostgreSQL user. Instead of a password in `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "path"))]
    pub password_file: Option<PathBuf>,
    /// Whether the connection to PostgreSQL is encrypted. Left out: `required`, or `none` over a socket or loopback address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<AccountsTls>,
    /// The certificates (PEM) of who may vouch for the PostgreSQL server. Left out: the authorities browsers trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "path"))]
    pub ca_file: Option<PathBuf>,
}

/// Whether the connection to PostgreSQL is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountsTls {
    /// Always, and the server's certificate is for its host name and of an authority we know.
    Required,
    /// Never: whoever sits between reads everything.
    None,
}

/// Where accounts are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum AccountsUrl {
    /// A SQLite file of this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

/// A PostgreSQL database and who signs in to it. Shown and serialised without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// Where it listens.
    pub host: PostgresHost,
    /// The port; of a socket, the number in its file name.
    pub port: u16,
    /// Who signs in to it.
    pub user: String,
    /// The password, when it stands in the address.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
}

/// Where a PostgreSQL server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostgresHost {
    /// A name or address.
    Name(String),
    /// The folder of its Unix sockets.
    Socket(PathBuf),
}

/// A text that names no accounts database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsUrlError {
    /// Neither of the two kinds.
    #[error(
        "`{0}` names no database of this version; write `sqlite:FILE`, as in `sqlite:var/accounts.db`, or `{EXAMPLE}`"
    )]
    Unknown(String),
    /// An address of PostgreSQL that cannot be used. Never holds the password.
    #[error("{0}; write it as `{EXAMPLE}`")]
    Postgres(&'static str),
    /// A setting behind the `?`.
    #[error(
        "`{0}` cannot be set in the address; only `host=FOLDER` and `port` of a Unix socket can, TLS is `tls` and `ca_file`"
    )]
    Parameter(String),
}

impl Accounts {
    /// Accounts in a SQLite file.
    #[must_use]
    pub fn sqlite(file: &Path) -> Self {
        Self { url: AccountsUrl::Sqlite(file.to_owned()), ..Self::default() }
    }

    /// Whether the connection is encrypted, as set or by default.
    #[must_use]
    pub fn tls(&self) -> AccountsTls {
        match (self.tls, &self.url) {
            (Some(tls), _) => tls,
            (None, AccountsUrl::Postgres(url)) if !url.host.is_on_this_machine() => AccountsTls::Required,
            (None, _) => AccountsTls::None,
        }
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let file = match &mut self.url {
            AccountsUrl::Sqlite(file) => Some(file),
            AccountsUrl::Postgres(_) => None,
        };
        file.into_iter().chain(&mut self.password_file).chain(&mut self.ca_file)
    }

    /// The rules between the keys of this section that are broken; keys are relative to it.
    pub(super) fn problems(&self) -> Vec<Problem> {
        match &self.url {
            AccountsUrl::Sqlite(_) => [
                ("password_file", self.password_file.is_some()),
                ("tls", self.tls.is_some()),
                ("ca_file", self.ca_file.is_some()),
            ]
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(key, _)| {
                Problem::new(key, format!("`{key}` has no effect on a SQLite file"))
                    .with_help("leave it out, or set `url` to a `postgres://` address")
            })
            .collect(),
            AccountsUrl::Postgres(url) => {
                let mut problems = Vec::new();
                if url.password.is_some() && self.password_file.is_some() {
                    let problem = Problem::new("password_file", "`url` holds a password already");
                    problems.push(problem.with_help("keep one of the two, best the file"));
                }
                if self.tls() == AccountsTls::None && self.ca_file.is_some() {
                    let problem = Problem::new("ca_file", "`ca_file` has no effect without TLS");
                    problems.push(problem.with_help("add `tls = \"required\"`, or leave it out"));
                }
                if self.tls() == AccountsTls::Required && matches!(url.host, PostgresHost::Socket(_)) {
                    let problem = Problem::new("tls", "there is no TLS over a Unix socket");
                    problems.push(problem.with_help("leave it out: the socket does not leave this machine"));
                }
                problems
            }
        }
    }
}

impl AccountsUrl {
    /// Reads `sqlite:FILE` or `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`; `postgres://USER@/DATABASE?host=FOLDER` is a
    /// Unix socket. What stands for itself in no URL is written with percent signs.
    ///
    /// # Errors
    /// It is anything else.
    pub fn parse(input: &str) -> Result<Self, AccountsUrlError> {
        if input.starts_with("postgres:") || input.starts_with("postgresql:") {
            return PostgresUrl::parse(input).map(Self::Postgres);
        }
        file_of(input, "sqlite").map(Self::Sqlite).ok_or_else(|| AccountsUrlError::Unknown(without_password(input)))
    }
}

impl PostgresUrl {
    /// The port of PostgreSQL.
    const PORT: u16 = 5432;

    fn parse(input: &str) -> Result<Self, AccountsUrlError> {
        let refuse = AccountsUrlError::Postgres;
        let (_, rest) = input.split_once("://").ok_or(refuse("there is no `//` after `postgres:`"))?;
        // Every password would have to be percent-encoded for a `?` or `/`: the last `@` says where it ends.
        let (who, place) = rest.rsplit_once('@').ok_or(refuse("no user is named before an `@`"))?;
        // Without a host no URL parser takes a user, so that part is read alone.
        let url = Url::parse(&format!(
            "postgres://{}",
            if place.starts_with('/') { format!("socket{place}") } else { place.to_owned() }
        ))
        .map_err(|_| refuse("host, port or database cannot be read"))?;
        if url.fragment().is_some() {
            return Err(refuse("a `#` stands in it"));
        }
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(Secret::new(decoded(password)?))),
            None => (who, None),
        };
        let database = decoded(url.path().strip_prefix('/').unwrap_or_default())?;
        let (mut socket, mut port) = (None, url.port());
        for (key, value) in url.query_pairs() {
            match (key.as_ref(), value.parse::<u16>()) {
                ("host", _) if place.starts_with('/') && value.starts_with('/') => {
                    socket = Some(PathBuf::from(value.as_ref()));
                }
                ("port", Ok(number)) if place.starts_with('/') => port = Some(number),
                _ => return Err(AccountsUrlError::Parameter(key.into_owned())),
            }
        }
        let host = match (socket, url.host_str()) {
            (Some(folder), _) => PostgresHost::Socket(folder),
            (None, Some(name)) if !place.starts_with('/') && !name.contains('%') => PostgresHost::Name(name.to_owned()),
            _ => return Err(refuse("no host is named")),
        };
        let user = decoded(user)?;
        if user.is_empty() || database.is_empty() || database.contains('/') {
            return Err(refuse("user or database is missing"));
        }
        Ok(Self { host, port: port.unwrap_or(Self::PORT), user, password, database })
    }
}

/// Undoes percent signs. What they hide must be a text of visible characters.
fn decoded(part: &str) -> Result<String, AccountsUrlError> {
    let text = percent_decode_str(part).decode_utf8().ok().filter(|text| !text.chars().any(char::is_control));
    text.map(|text| text.into_owned())
        .ok_or(AccountsUrlError::Postgres("what its percent signs stand for cannot be read"))
}

impl PostgresHost {
    /// Nobody else sees what is sent there.
    fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Name(name) => {
                let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
                address.map_or(name == "localhost", |address| address.is_loopback())
            }
        }
    }
}

impl Default for AccountsUrl {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("var/accounts.db"))
    }
}

impl fmt::Display for AccountsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, database, .. } = self;
        match host {
            PostgresHost::Name(name) => write!(f, "postgres://{user}@{name}:{port}/{database}"),
            PostgresHost::Socket(folder) => {
                write!(f, "postgres://{user}@/{database}?host={}&port={port}", folder.display())
            }
        }
    }
}

impl TryFrom<String> for AccountsUrl {
    type Error = AccountsUrlError;

    fn try_from(input: String) -> Result<Self, AccountsUrlError> {
        Self::parse(&input)
    }
}

impl From<AccountsUrl> for String {
    fn from(url: AccountsUrl) -> String {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(input: &str) -> PostgresUrl {
        match AccountsUrl::parse(input) {
            Ok(AccountsUrl::Postgres(url)) => url,
            other => panic!("{input}: {other:?}"),
        }
    }

    #[test]
    fn addresses_of_postgresql_are_read() {
        let url = postgres("postgres://cedar%20gate:p%40ss%2Fw:o?rd@db.example.com:6432/people");
        assert_eq!((url.user.as_str(), url.database.as_str(), url.port), ("cedar gate", "people", 6432));
        assert_eq!(url.password.as_ref().map(Secret::expose), Some("p@ss/w:o?rd"));
        assert_eq!(url.host, PostgresHost::Name("db.example.com".into()));
        let url = postgres("postgresql://cedargate@[::1]/people");
        assert_eq!((url.host, url.port, url.password), (PostgresHost::Name("[::1]".into()), 5432, None));
        let url = postgres("postgres://cedargate@/people?host=/run/postgresql");
        assert_eq!(url.host, PostgresHost::Socket("/run/postgresql".into()));
        assert_eq!(postgres("postgres://u@/people?host=/run&port=5433").port, 5433);
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = postgres("postgres://u:hunter2@db.example.com/people");
        for text in [format!("{url:?}"), url.to_string(), String::from(AccountsUrl::Postgres(url))] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        for input in [
            "postgres://u:hunter2@/people",
            "postgres://u:hunter2@db.example.com/people?sslmode=disable",
            "postgres://u:hunter2@db.example.com:99999/people",
            "postgres://u:hunter2@db.example.com",
            "postgres://u:hunter2%ff@db.example.com/people",
            "mysql://u:hunter2@db.example.com/people",
            "postgres:u:hunter2@db.example.com/people",
            "postgres://u:hunter2",
        ] {
            let error = AccountsUrl::parse(input).map(drop).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{input}: {error}");
        }
    }

    #[test]
    fn what_is_no_whole_address_is_refused_with_the_reason() {
        for (input, reason) in [
            ("postgres:people", "no `//`"),
            ("postgres://db.example.com/people", "no user"),
            ("postgres://@db.example.com/people", "user or database"),
            ("postgres://u@db.example.com/", "user or database"),
            ("postgres://u@db.example.com/a/b", "user or database"),
            ("postgres://u@/people", "no host"),
            ("postgres://u@db:port/people", "cannot be read"),
            ("postgres://u@db/people#x", "`#`"),
            ("postgres://u@db/people?sslmode=disable", "`sslmode`"),
            ("postgres://u@db/people?host=/run", "`host`"),
            ("postgres://u@/people?host=other", "`host`"),
            ("sqlite://people.db", "names no database"),
        ] {
            let error = AccountsUrl::parse(input).map(drop).unwrap_err().to_string();
            assert!(error.contains(reason), "{input}: {error}");
        }
    }

    #[test]
    fn tls_is_required_unless_nothing_leaves_the_machine() {
        let tls = |input: &str| Accounts { url: AccountsUrl::parse(input).unwrap(), ..Accounts::default() }.tls();
        for input in
            ["postgres://u@db.example.com/p", "postgres://u@10.0.0.7/p", "postgres://u@127.0.0.1.example.com/p"]
        {
            assert_eq!(tls(input), AccountsTls::Required, "{input}");
        }
        for input in [
            "postgres://u@127.0.0.1/p",
            "postgres://u@[::1]/p",
            "postgres://u@localhost/p",
            "postgres://u@/p?host=/run",
        ] {
            assert_eq!(tls(input), AccountsTls::None, "{input}");
        }
    }
}
