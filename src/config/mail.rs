//! `[mail]`: the server that takes our mails, who they come from, and who the security team is.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::Secret;
use super::problem::Problem;
use crate::domain::EmailAddress;

/// How many addresses the security team may have.
const MAX_TEAM: usize = 20;

/// `[mail]`. Without the section no mail is written, and no page promises one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `smtp://HOST:PORT` or `smtps://HOST:PORT`. Without a port it is 25 or 465.
    #[schemars(extend("format" = "mail-url"))]
    pub url: MailUrl,
    /// Who mails come from: `login@example.com` or `Example Ltd. <login@example.com>`.
    #[schemars(extend("format" = "mail-sender"))]
    pub from: MailSender,
    /// The name to sign in to the mail server with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "mail-name"))]
    pub username: Option<String>,
    /// The password to it; better kept in `password_file`.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub password: Option<Secret>,
    /// The file that holds the password, on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub password_file: Option<PathBuf>,
    /// Whether an `smtp://` connection must become encrypted. Left out, it must, but not to a server on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MailTls>,
    /// The certificates (PEM) that the mail server's one is checked against, in place of those the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub ca_file: Option<PathBuf>,
    /// Who is told when a policy says `@alert("security")`.
    #[serde(default)]
    #[schemars(schema_with = "team_schema")]
    pub security_team: Vec<EmailAddress>,
}

fn team_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "mail-address" } })
}

/// `mail.tls`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// In the clear.
    None,
    /// Encrypted by STARTTLS (RFC 3207) before anything is said; a server that does not offer it gets no mail.
    Starttls,
}

/// How a connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// Not at all.
    Clear,
    /// Encrypted by STARTTLS, or not used.
    Starttls,
    /// Encrypted from the first byte (RFC 8314 §3.3).
    Implicit,
}

impl Mail {
    /// How the connection is protected.
    #[must_use]
    pub fn security(&self) -> MailSecurity {
        match (self.url.implicit_tls, self.tls) {
            (true, _) => MailSecurity::Implicit,
            (false, Some(MailTls::None)) => MailSecurity::Clear,
            (false, Some(MailTls::Starttls)) => MailSecurity::Starttls,
            (false, None) if self.url.is_loopback() => MailSecurity::Clear,
            (false, None) => MailSecurity::Starttls,
        }
    }

    /// The rules between its keys that it breaks.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let has_password = self.password.is_some() || self.password_file.is_some();
        if self.password.is_some() && self.password_file.is_some() {
            let problem = Problem::new("password_file", "there is a `password` already");
            problems.push(problem.with_help("keep the file, and take the password out of the config"));
        }
        match (&self.username, has_password) {
            (Some(_), false) => problems.push(
                Problem::new("username", "there is no password to this name")
                    .with_help("add `password_file`, or leave the name out"),
            ),
            (None, true) => {
                let key = if self.password.is_some() { "password" } else { "password_file" };
                problems.push(Problem::new(key, "there is no `username` to this password").with_help("add `username`"));
            }
            _ => {}
        }
        if self.url.implicit_tls && self.tls.is_some() {
            let problem = Problem::new("tls", "`smtps://` is encrypted from the start, so this has no effect");
            problems.push(problem.with_help("leave it out, or write `smtp://`"));
        }
        if self.security() == MailSecurity::Clear {
            if has_password && !self.url.is_loopback() {
                let problem = Problem::new("tls", "the password would cross the network in the clear");
                problems.push(problem.with_help("use `smtps://`, or `tls = \"starttls\"`"));
            }
            if self.ca_file.is_some() {
                let problem = Problem::new("ca_file", "the connection is not encrypted, so this has no effect");
                problems.push(problem.with_help("add `tls = \"starttls\"`, or leave it out"));
            }
        }
        if self.security_team.len() > MAX_TEAM {
            let problem = Problem::new("security_team", format!("there are more than {MAX_TEAM} addresses"));
            problems.push(problem.with_help("use a mailing list"));
        }
        for (index, address) in self.security_team.iter().enumerate() {
            if self.security_team.iter().take(index).any(|earlier| earlier.folded() == address.folded()) {
                let key = format!("security_team[{index}]");
                problems.push(Problem::new(key, format!("`{address}` is in the list already")));
            }
        }
        problems
    }
}

/// Where the mail server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct MailUrl {
    implicit_tls: bool,
    host: String,
    port: u16,
}

/// A text that is no address of a mail server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailUrlError {
    /// It is no `smtp://` or `smtps://` URL. Not repeated: it may hold a password.
    #[error("this is no address of a mail server; write it as `smtps://mail.example.com`")]
    NotAUrl,
    /// It has more than scheme, host and port.
    #[error(
        "the address of the mail server has more than scheme, host and port; name and password stand in `username` \
         and `password_file`"
    )]
    TooMuch,
}

impl MailUrl {
    /// Reads `smtp://HOST:PORT` or `smtps://HOST:PORT`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(input: &str) -> Result<Self, MailUrlError> {
        let url = Url::parse(input).map_err(|_| MailUrlError::NotAUrl)?;
        let (implicit_tls, usual) = match url.scheme() {
            "smtp" => (false, 25),
            "smtps" => (true, 465),
            _ => return Err(MailUrlError::NotAUrl),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MailUrlError::NotAUrl)?;
        let bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !bare {
            return Err(MailUrlError::TooMuch);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if Host::parse(&host).is_err() && host.parse::<IpAddr>().is_err() {
            return Err(MailUrlError::NotAUrl);
        }
        Ok(Self { implicit_tls, host, port: url.port().unwrap_or(usual) })
    }

    /// The host, as certificates name it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is this very machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.implicit_tls { "smtps" } else { "smtp" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl TryFrom<String> for MailUrl {
    type Error = MailUrlError;

    fn try_from(input: String) -> Result<Self, MailUrlError> {
        Self::parse(&input)
    }
}

impl From<MailUrl> for String {
    fn from(url: MailUrl) -> String {
        url.to_string()
    }
}

/// Who a mail comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct MailSender {
    name: Option<String>,
    address: EmailAddress,
}

/// A text that names no sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no sender; write `login@example.com` or `Example Ltd. <login@example.com>`")]
pub struct MailSenderError(String);

impl MailSender {
    /// Reads an address, or a name and an address in angle brackets.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(input: &str) -> Result<Self, MailSenderError> {
        let wrong = || MailSenderError(input.to_owned());
        let (name, address) = match input.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, address)) => (Some(name.trim()), address),
            None => (None, input.trim()),
        };
        let good = name.is_none_or(|name| name.len() <= 120 && !name.chars().any(|c| c.is_control() || c == '"'));
        if !good {
            return Err(wrong());
        }
        let address = EmailAddress::parse(address).map_err(|_| wrong())?;
        Ok(Self { name: name.filter(|name| !name.is_empty()).map(str::to_owned), address })
    }

    /// The name people see.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &EmailAddress {
        &self.address
    }
}

impl fmt::Display for MailSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

impl TryFrom<String> for MailSender {
    type Error = MailSenderError;

    fn try_from(input: String) -> Result<Self, MailSenderError> {
        Self::parse(&input)
    }
}

impl From<MailSender> for String {
    fn from(sender: MailSender) -> String {
        sender.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_named_by_scheme_host_and_port() {
        for (input, shown, security) in [
            ("smtp://localhost", "smtp://localhost:25", MailSecurity::Clear),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525", MailSecurity::Clear),
            ("smtp://[::1]:2525/", "smtp://[::1]:2525", MailSecurity::Clear),
            ("smtp://mail.example.com:587", "smtp://mail.example.com:587", MailSecurity::Starttls),
            ("smtps://mail.example.com", "smtps://mail.example.com:465", MailSecurity::Implicit),
        ] {
            let mail = mail(input);
            assert_eq!((mail.url.to_string().as_str(), mail.security()), (shown, security), "{input}");
        }
    }

    #[test]
    fn a_refused_address_is_not_repeated() {
        for input in [
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://ann:hunter2@mail.example.com",
            "smtps://mail.example.com/inbox?x=hunter2",
            "redis://:hunter2@mail",
        ] {
            let error = MailUrl::parse(input).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_sender_has_an_address_and_perhaps_a_name() {
        for (input, name, address) in [
            ("login@example.com", None, "login@example.com"),
            ("Example Ltd. <login@example.com>", Some("Example Ltd."), "login@example.com"),
            (" <login@example.com> ", None, "login@example.com"),
        ] {
            let sender = MailSender::parse(input).unwrap();
            assert_eq!((sender.name(), sender.address().as_str()), (name, address), "{input}");
        }
        for input in ["", "Example", "Example <>", "Ex\r\nBcc: x <login@example.com>", "a@b.example, c@d.example"] {
            assert!(MailSender::parse(input).is_err(), "{input}");
        }
    }

    #[test]
    fn each_rule_between_its_keys_is_told() {
        let remote = || mail("smtp://mail.example.com");
        let secret = || Some(Secret::new("hunter2".to_owned()));
        for (what, mail, keys) in [
            ("nothing wrong", remote(), &[][..]),
            ("a name alone", Mail { username: Some("ann".into()), ..remote() }, &["username"][..]),
            ("a password alone", Mail { password: secret(), ..remote() }, &["password"][..]),
            (
                "two passwords",
                Mail { username: Some("ann".into()), password: secret(), password_file: Some("x".into()), ..remote() },
                &["password_file"][..],
            ),
            (
                "a password in the clear",
                Mail { username: Some("ann".into()), password: secret(), tls: Some(MailTls::None), ..remote() },
                &["tls"][..],
            ),
            ("a CA for nothing", Mail { ca_file: Some("x".into()), ..mail("smtp://localhost") }, &["ca_file"][..]),
            ("STARTTLS within TLS", Mail { tls: Some(MailTls::Starttls), ..mail("smtps://m.example") }, &["tls"][..]),
            (
                "somebody twice",
                Mail { security_team: ["a@b.example", "A@b.example"].map(address).to_vec(), ..remote() },
                &["security_team[1]"][..],
            ),
        ] {
            let found: Vec<String> = mail.problems().into_iter().map(|problem| problem.key).collect();
            assert_eq!(found, keys, "{what}");
        }
    }

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    fn mail(url: &str) -> Mail {
        Mail {
            url: MailUrl::parse(url).unwrap(),
            from: MailSender::parse("login@example.com").unwrap(),
            username: None,
            password: None,
            password_file: None,
            tls: None,
            ca_file: None,
            security_team: Vec::new(),
        }
    }
}
