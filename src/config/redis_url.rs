//! `redis://` and `rediss://`: where a Redis server is, and who cedargate is there.

use std::fmt;
use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

use super::secret::Secret;

/// The port of Redis.
const PORT: u16 = 6379;

/// The address of a Redis server. Written out, it shows no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// Whether the connection is encrypted (`rediss://`).
    pub tls: bool,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port, 6379 where none is written.
    pub port: u16,
    /// The user of Redis' access lists; without one it is `default`.
    pub user: Option<String>,
    /// The password; `state.password_file` is the other way to give one.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: u32,
}

/// What is wrong with the address of a Redis server. No message holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// Neither `redis://` nor `rediss://`.
    #[error("it starts with neither `redis://` nor `rediss://`")]
    Scheme,
    /// Sentinel and Cluster.
    #[error("Redis Sentinel and Redis Cluster are not supported; name one server, as in `redis://localhost:6379`")]
    Topology,
    /// No host, or none that can be one.
    #[error("it names no host; write it as `redis://user@host:6379/0`, a password of its own in `state.password_file`")]
    Host,
    /// The port is none.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// Behind the host stands something else than a database.
    #[error("behind the host stands at most the number of a database, as in `redis://localhost:6379/0`")]
    Database,
    /// Something has to be percent-encoded.
    #[error("its user or password holds a `%` that escapes nothing, or no UTF-8; write `%` as `%25`")]
    Escape,
}

impl RedisUrl {
    /// Whether `input` means a Redis server, well written or not.
    pub(super) fn is_meant(input: &str) -> bool {
        input.split(':').next().is_some_and(|scheme| scheme.starts_with("redis") || scheme.starts_with("valkey"))
    }

    /// Reads `redis://[user[:password]@]host[:port][/database]`; `rediss://` encrypts. User and password are percent-encoded
    /// where they hold `%`; a password may hold `@` and `/` as they are.
    ///
    /// # Errors
    /// It is anything else.
    pub fn parse(input: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = input.split_once("://").ok_or(RedisUrlError::Scheme)?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {
                return Err(RedisUrlError::Topology);
            }
            _ => return Err(RedisUrlError::Scheme),
        };
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, rest),
        };
        let (user, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, ""))) {
            Some((user, password)) => (decoded(user)?, decoded(password)?),
            None => (None, None),
        };
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let database = match database {
            "" => 0,
            number => plain_number(number).ok_or(RedisUrlError::Database)?,
        };
        let (host, port) = host_and_port(authority)?;
        Ok(Self { tls, host, port, user, password: password.map(Secret::new), database })
    }

    /// Whether the connection stays on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

fn decoded(text: &str) -> Result<Option<String>, RedisUrlError> {
    let mut escapes = text.split('%').skip(1).map(|rest| rest.as_bytes().get(..2));
    if !escapes.all(|escape| escape.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))) {
        return Err(RedisUrlError::Escape);
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| RedisUrlError::Escape)?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

/// Digits only: no sign, no blank.
fn plain_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn host_and_port(authority: &str) -> Result<(String, u16), RedisUrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(RedisUrlError::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| RedisUrlError::Host)?;
            match after {
                "" => (host, None),
                after => (host, Some(after.strip_prefix(':').ok_or(RedisUrlError::Host)?)),
            }
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
            if host.is_empty() || host.len() > 253 || !named {
                return Err(RedisUrlError::Host);
            }
            (host, port)
        }
    };
    let port = match port {
        Some(port) => plain_number(port).filter(|port| *port > 0).ok_or(RedisUrlError::Port)?,
        None => PORT,
    };
    Ok((host.to_owned(), port))
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis{}://", if self.tls { "s" } else { "" })?;
        match (&self.user, &self.password) {
            (None, None) => {}
            (user, None) => write!(f, "{}@", user.as_deref().unwrap_or_default())?,
            (user, Some(_)) => write!(f, "{}:…@", user.as_deref().unwrap_or_default())?,
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{host}:{}/{}", self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> RedisUrl {
        RedisUrl::parse(input).unwrap_or_else(|error| panic!("{input}: {error}"))
    }

    #[test]
    fn addresses_are_read_and_shown_without_their_password() {
        let check = |input: &str, shown: &str, user: Option<&str>, password: Option<&str>| {
            let url = read(input);
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.user.as_deref(), user, "{input}");
            assert_eq!(url.password.as_ref().map(Secret::expose), password, "{input}");
        };
        check("redis://localhost", "redis://localhost:6379/0", None, None);
        check("redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3", None, None);
        check("rediss://cg@db.example.com", "rediss://cg@db.example.com:6379/0", Some("cg"), None);
        check("redis://:pw@localhost/", "redis://:…@localhost:6379/0", None, Some("pw"));
        check("redis://cg:p%40s%25%2F@[::1]:1/15", "redis://cg:…@[::1]:1/15", Some("cg"), Some("p@s%/"));
        check("redis://cg:a@b/c?d#e:f@localhost", "redis://cg:…@localhost:6379/0", Some("cg"), Some("a@b/c?d#e:f"));
        assert!(read("rediss://a").tls);
        assert!(!read("redis://a").tls);
        assert!(read("redis://[::1]").is_loopback() && read("redis://localhost").is_loopback());
        assert!(!read("redis://10.0.0.1").is_loopback());
    }

    #[test]
    fn anything_else_is_refused() {
        let check = |input: &str, error| assert_eq!(RedisUrl::parse(input), Err(error), "{input}");
        check("redis:localhost", RedisUrlError::Scheme);
        check("http://localhost", RedisUrlError::Scheme);
        check("REDIS://localhost", RedisUrlError::Scheme);
        check("redis+sentinel://localhost", RedisUrlError::Topology);
        for input in ["redis://", "redis://:6379", "redis://a b", "redis://[::1", "redis://[nine]", "redis://[::1]6379"]
        {
            check(input, RedisUrlError::Host);
        }
        check("redis://a,b", RedisUrlError::Host);
        for input in ["redis://a:", "redis://a:0", "redis://a:65536", "redis://a:-1", "redis://a:b:c", "redis://a:+7"] {
            check(input, RedisUrlError::Port);
        }
        for input in ["redis://a/x", "redis://a/1/2", "redis://a/0?tls=yes", "redis://a/-1"] {
            check(input, RedisUrlError::Database);
        }
        check("redis://a?tls=yes", RedisUrlError::Host);
        for input in ["redis://a:%@localhost", "redis://%zz@localhost", "redis://a:%ff@localhost"] {
            check(input, RedisUrlError::Escape);
        }
    }

    #[test]
    fn no_message_and_no_debug_output_shows_a_password() {
        let url = read("redis://cg:hunter2@localhost");
        assert!(!format!("{url:?} {url}").contains("hunter2"));
    }
}
