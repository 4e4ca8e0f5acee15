//! `[server]`: where it listens, and what the world calls it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::networks;

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port to listen on. Port 0 takes a free one; `serve` prints `listening on URL` either way.
    #[schemars(with = "String", extend("format" = "socket-address"))]
    pub listen: SocketAddr,
    /// The address people and apps know. Https, or http on a loopback address for trying things out. Left out, it is
    /// `http://` and `listen`, as long as that is a loopback address.
    #[schemars(extend("format" = "public-url"))]
    pub public_url: PublicUrl,
    /// Proxies whose `X-Forwarded-For` is believed: addresses or blocks. Nobody else's is.
    #[serde(deserialize_with = "networks::deserialize_blocks")]
    #[schemars(schema_with = "networks::blocks_schema")]
    pub trusted_proxies: Vec<IpNet>,
    /// The file of 32 random bytes that everything sealed and hashed on this server rests on, of mode 0600. All nodes share
    /// it; keep a copy apart from the backups of the databases.
    #[schemars(with = "String", extend("format" = "path"))]
    pub secret_file: PathBuf,
    /// The certificate chain (PEM) to serve https with, the server's own first. Left out, with `tls_key`, a proxy in front
    /// ends TLS. A renewed certificate is taken without a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub tls_certificate: Option<PathBuf>,
    /// The private key of `tls_certificate` (PEM), not readable by everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub tls_key: Option<PathBuf>,
    /// How long, in seconds after SIGTERM, the server goes on taking requests while `/readyz` says that it is about to stop:
    /// as long as the load balancer in front needs to notice. At most 600.
    pub drain_seconds: u32,
}

impl Default for Server {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen,
            public_url: PublicUrl::on_loopback(listen),
            trusted_proxies: Vec::new(),
            secret_file: PathBuf::from("var/secret"),
            tls_certificate: None,
            tls_key: None,
            drain_seconds: 5,
        }
    }
}

impl Server {
    /// The address people and apps know, once it is known which port was taken: a port 0 in `public_url` stands for the
    /// port that is listened on.
    #[must_use]
    pub fn public_url_at(&self, bound: SocketAddr) -> PublicUrl {
        self.public_url.with_port_if_zero(bound.port())
    }
}

/// Scheme, host and port under which this identity provider is known; no path. Https, or http on a loopback address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PublicUrl {
    /// Scheme, host and port as browsers write an origin: no `/` at the end.
    origin: String,
    host: String,
    https: bool,
}

/// A text that cannot be a [`PublicUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// It is no URL.
    #[error("`{0}` is no URL; write it as `https://login.example.com`")]
    NotAUrl(String),
    /// It has more than scheme, host and port.
    #[error("`{0}` has more than scheme, host and port")]
    TooMuch(String),
    /// It is neither https nor http on a loopback address.
    #[error("`{0}` is not https; http is for loopback addresses only")]
    NotHttps(String),
}

impl PublicUrl {
    /// Reads a URL of scheme, host and perhaps port.
    ///
    /// # Errors
    /// It is something else, or people's passwords would travel unencrypted to it.
    pub fn parse(input: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(input).map_err(|_| PublicUrlError::NotAUrl(input.to_owned()))?;
        if !is_https_or_loopback(&url) {
            return Err(PublicUrlError::NotHttps(input.to_owned()));
        }
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let Some(host) = url.host_str().filter(|_| bare) else {
            return Err(PublicUrlError::TooMuch(input.to_owned()));
        };
        Ok(Self {
            origin: url.as_str().trim_end_matches('/').to_owned(),
            host: host.to_owned(),
            https: url.scheme() == "https",
        })
    }

    /// Where a server on a loopback address is reached.
    fn on_loopback(listen: SocketAddr) -> Self {
        let host = match listen.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { origin: format!("http://{host}:{}", listen.port()), host, https: false }
    }

    /// The same with `port` where the port is 0.
    #[must_use]
    pub fn with_port_if_zero(&self, port: u16) -> Self {
        let origin =
            self.origin.strip_suffix(":0").map_or_else(|| self.origin.clone(), |base| format!("{base}:{port}"));
        Self { origin, ..self.clone() }
    }

    /// Scheme, host and port, without a `/` at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The address of a path on this server; the path starts with `/`.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Whether it is https: cookies then carry `Secure` and the `__Host-` prefix.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(input: String) -> Result<Self, PublicUrlError> {
        Self::parse(&input)
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> String {
        url.origin
    }
}

/// Https anywhere, or http to this very machine.
pub(super) fn is_https_or_loopback(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        },
        _ => false,
    }
}
