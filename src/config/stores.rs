//! `[state]`, `[policies]`, `[saml]` and `[audit]`: where things are kept.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::redis_url::{RedisUrl, RedisUrlError};

/// `[state]`: sign-ins, sessions, devices and counters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// `embedded:FILE`, a file for one machine that survives restarts; or `redis://[USER@]HOST[:PORT][/DATABASE]`, a server
    /// that several machines share, `rediss://` over TLS.
    #[schemars(extend("format" = "state-url"))]
    pub url: StateUrl,
    /// The file that holds the password of the Redis user, for those who do not write it into `url`. A line break at its end
    /// is no part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub password_file: Option<PathBuf>,
    /// The PEM file of the authorities that sign the certificate of a `rediss://` server. Without it those of the operating
    /// system count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub ca_file: Option<PathBuf>,
}

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum StateUrl {
    /// A file of this machine.
    Embedded(PathBuf),
    /// A Redis server.
    Redis(RedisUrl),
}

/// A text that names no store of state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateUrlError {
    /// It means Redis, and is not written well.
    #[error("this address of a Redis server can't be read: {0}")]
    Redis(#[from] RedisUrlError),
    /// It means nothing that this version has.
    #[error("{0}, or `redis://HOST:PORT`")]
    Unknown(#[from] StoreUrlError),
}

/// A text that names no store this version has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` names no store of this version; write `{scheme}:FILE`, as in `{example}`")]
pub struct StoreUrlError {
    input: String,
    scheme: &'static str,
    example: &'static str,
}

/// The file behind `scheme:`; such a URL has no host, hence no `//`.
pub(super) fn file_of(input: &str, scheme: &str) -> Option<PathBuf> {
    input
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix(':'))
        .filter(|file| {
            !file.is_empty() && !file.starts_with("//") && !file.starts_with(':') && !file.contains(['?', '\0'])
        })
        .map(PathBuf::from)
}

/// A URL of another store may hold a password, which must not reach a log or a terminal.
pub(super) fn without_password(input: &str) -> String {
    match (input.find("://"), input.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…{}", input.get(..scheme).unwrap_or_default(), input.get(at..).unwrap_or_default())
        }
        _ => input.to_owned(),
    }
}

impl StateUrl {
    /// Reads `embedded:FILE`, `redis://…` or `rediss://…`.
    ///
    /// # Errors
    /// It is anything else.
    pub fn parse(input: &str) -> Result<Self, StateUrlError> {
        if RedisUrl::is_meant(input) {
            return Ok(Self::Redis(RedisUrl::parse(input)?));
        }
        let unknown =
            || StoreUrlError { input: without_password(input), scheme: "embedded", example: "embedded:var/state.db" };
        Ok(Self::Embedded(file_of(input, "embedded").ok_or_else(unknown)?))
    }
}

impl Default for StateUrl {
    fn default() -> Self {
        Self::Embedded(PathBuf::from("var/state.db"))
    }
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(file) => write!(f, "embedded:{}", file.display()),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

impl TryFrom<String> for StateUrl {
    type Error = StateUrlError;

    fn try_from(input: String) -> Result<Self, StateUrlError> {
        Self::parse(&input)
    }
}

impl From<StateUrl> for String {
    fn from(url: StateUrl) -> String {
        url.to_string()
    }
}

/// `[policies]`: what decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// The folder of `schema.cedarschema`, `*.cedar` and `tests/*.toml`.
    #[schemars(with = "String", extend("format" = "path"))]
    pub path: PathBuf,
}

impl Default for Policies {
    fn default() -> Self {
        Self { path: PathBuf::from("policies") }
    }
}

/// `[saml]`: what responses are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Saml {
    /// The folder of the signing keys and their certificates: `current.key.pem` (mode 0600), `current.crt.pem` and more.
    #[schemars(with = "String", extend("format" = "path"))]
    pub keys: PathBuf,
    /// The folder of the last good copies of metadata that is fetched.
    #[schemars(with = "String", extend("format" = "path"))]
    pub metadata_cache: PathBuf,
    /// The RSA key that signs lives in a hardware module; only its certificate is in `keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11: Option<Pkcs11>,
}

/// `[saml] pkcs11`: a key in a hardware module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11 {
    /// The library of the module.
    #[schemars(with = "String", extend("format" = "path"))]
    pub module: PathBuf,
    /// The label of the token.
    #[schemars(extend("format" = "pkcs11-label"))]
    pub token: String,
    /// The label of the private key on it.
    #[schemars(extend("format" = "pkcs11-label"))]
    pub key: String,
    /// The file with the PIN of the token's user on one line, closed to strangers.
    #[schemars(with = "String", extend("format" = "path"))]
    pub pin_file: PathBuf,
}

impl Default for Saml {
    fn default() -> Self {
        Self { keys: PathBuf::from("var/keys"), metadata_cache: PathBuf::from("var/metadata"), pkcs11: None }
    }
}

/// `[audit]`: the record of every decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The folder the journal is written to.
    #[schemars(with = "String", extend("format" = "path"))]
    pub path: PathBuf,
    /// How many whole months before the running one can be read, 1 to 120. The key of an older one is deleted, which erases
    /// what was written in it for ever. Without a number nothing is erased by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 120))]
    pub keep_months: Option<u16>,
}

impl Default for Audit {
    fn default() -> Self {
        Self { path: PathBuf::from("var/audit"), keep_months: None }
    }
}
