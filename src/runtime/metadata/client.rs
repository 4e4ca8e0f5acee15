//! Fetching over HTTP from addresses that config names, and nowhere else: not from inside our own network because a name or a
//! redirect leads there, not without end, and not more than metadata has.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};
use url::{Host, Url};

use super::copies::Version;
use crate::config::MetadataUrl;
use crate::saml::sp_metadata::MAX_XML_BYTES;

/// How long one fetch may take, from the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often an address may send us on.
const MAX_REDIRECTS: usize = 3;
/// The longest name of a version that is remembered.
const MAX_VERSION_BYTES: usize = 256;

/// Metadata was not to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// No connection, no answer in time, or a redirect that is not followed.
    #[error("{}", whole(.0))]
    Http(#[from] reqwest::Error),
    /// An answer without metadata.
    #[error("the answer is `{0}`")]
    Status(StatusCode),
    /// An address of a private network, by itself.
    #[error("`{0}` is an address of a private network: give the metadata as a file")]
    Private(IpAddr),
    /// More than metadata has.
    #[error("it is larger than {MAX_XML_BYTES} bytes")]
    TooLarge,
    /// Text in another encoding.
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// An error with everything it was caused by: what TLS or the name service said is at the end.
fn whole(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What a source answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// It has nothing new.
    Same,
    /// This.
    Document(String, Version),
}

/// Fetches metadata.
pub(super) struct Fetcher {
    /// For addresses of the world.
    world: Client,
    /// For addresses that are this very machine.
    here: Client,
}

impl Fetcher {
    /// Trusts the authorities that the operating system does.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let bare = || {
            Client::builder()
                .user_agent(concat!("cedargate/", env!("CARGO_PKG_VERSION")))
                .timeout(TIMEOUT)
                .referer(false)
                // A proxy would resolve names in our place.
                .no_proxy()
        };
        Ok(Self {
            world: bare()
                .https_only(true)
                .redirect(Policy::custom(followed))
                .dns_resolver(Arc::new(OnlyTheWorld))
                .build()?,
            here: bare().redirect(Policy::none()).build()?,
        })
    }

    /// What `url` has, unless it is the `known` version.
    ///
    /// # Errors
    /// It is not to be had.
    pub(super) async fn fetch(&self, url: &MetadataUrl, known: Version) -> Result<Fetched, FetchError> {
        let client = if url.is_loopback() { &self.here } else { &self.world };
        if let Some(ip) = literal(url.as_str()).filter(|ip| !url.is_loopback() && !is_of_the_world(*ip)) {
            return Err(FetchError::Private(ip));
        }
        let mut request = client.get(url.as_str());
        if let Some(etag) = known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(at) = known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, at);
        }
        let response = request.send().await?;
        match response.status() {
            StatusCode::OK => read(response).await,
            StatusCode::NOT_MODIFIED => Ok(Fetched::Same),
            other => Err(FetchError::Status(other)),
        }
    }
}

async fn read(mut response: Response) -> Result<Fetched, FetchError> {
    let version =
        Version { etag: header(response.headers(), &ETAG), last_modified: header(response.headers(), &LAST_MODIFIED) };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_XML_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body).map_err(|_| FetchError::NotUtf8)?;
    Ok(Fetched::Document(text, version))
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().filter(|value| value.len() <= MAX_VERSION_BYTES).map(str::to_owned)
}

fn literal(url: &str) -> Option<IpAddr> {
    match Url::parse(url).ok()?.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

fn followed(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    match check_redirect(attempt.previous().len(), attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(why),
    }
}

/// Redirects lead to https and to the world; what names lead to is [`OnlyTheWorld`]'s business.
fn check_redirect(asked: usize, url: &Url) -> Result<(), &'static str> {
    if asked > MAX_REDIRECTS {
        Err("it sends us on too often")
    } else if url.scheme() != "https" {
        Err("it sends us to an address without https")
    } else if literal(url.as_str()).is_some_and(|ip| !is_of_the_world(ip)) {
        Err("it sends us to an address of a private network")
    } else {
        Ok(())
    }
}

/// Resolves names to addresses of the world alone.
struct OnlyTheWorld;

impl Resolve for OnlyTheWorld {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find(|address| !is_of_the_world(address.ip())) {
                // One private address among others is the way of rebinding.
                Some(private) => {
                    let why = format!(
                        "`{}` is at `{}`, in a private network: give the metadata as a file",
                        name.as_str(),
                        private.ip()
                    );
                    Err(why.into())
                }
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address can be one of the public internet (the registries of RFC 6890, and what embeds an IPv4 address).
fn is_of_the_world(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_of_the_world_v4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, _, _, g, h] = ip.segments();
            let embedded = |high: u16, low: u16| {
                let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
                is_of_the_world_v4(Ipv4Addr::new(a, b, c, d))
            };
            match (a, b) {
                // Mapped and compatible IPv4, the unspecified address, and this machine.
                (0, _) => ip.to_ipv4_mapped().is_some_and(is_of_the_world_v4),
                // NAT64 (RFC 6052), and its private form (RFC 8215).
                (0x64, 0xff9b) if (c, d) == (0, 0) => embedded(g, h),
                // 6to4.
                (0x2002, _) => embedded(b, c),
                // Teredo, ORCHID, documentation.
                (0x2001, 0..=0x1ff | 0xdb8) => false,
                _ => (0x2000..=0x3fff).contains(&a),
            }
        }
    }
}

fn is_of_the_world_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        // Multicast, reserved and broadcast.
        || a >= 224
        // Shared by carriers (RFC 6598).
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        // Benchmarks (RFC 2544).
        || (a == 198 && (18..20).contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MetadataSource;

    #[test]
    fn private_addresses_are_not_of_the_world() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_of_the_world(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "193.0.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_of_the_world(public.parse().unwrap()), "{public}");
        }
    }

    fn url(text: &str) -> MetadataUrl {
        match MetadataSource::parse(text).unwrap() {
            MetadataSource::Url(url) => url,
            MetadataSource::File(file) => panic!("{} is no address", file.display()),
        }
    }

    #[tokio::test]
    async fn addresses_inside_are_not_asked_however_they_are_written() {
        let fetcher = Fetcher::new().unwrap();
        for inside in [
            "https://10.0.0.1/metadata",
            "https://[fd00::1]/metadata",
            "https://169.254.169.254/latest/meta-data",
            "https://0x0a000001/",
            "https://[::ffff:192.168.0.1]/",
        ] {
            let error = fetcher.fetch(&url(inside), Version::default()).await.unwrap_err();
            assert!(matches!(error, FetchError::Private(_)), "{inside}: {error}");
        }
    }

    #[test]
    fn redirects_lead_by_https_to_the_world_and_to_an_end() {
        for (asked, to, expected) in [
            (1, "https://cdn.example.com/metadata", Ok(())),
            (3, "https://1.1.1.1/metadata", Ok(())),
            (4, "https://cdn.example.com/metadata", Err("it sends us on too often")),
            (1, "http://cdn.example.com/metadata", Err("it sends us to an address without https")),
            (1, "file:///etc/passwd", Err("it sends us to an address without https")),
            (1, "https://127.0.0.1:8443/", Err("it sends us to an address of a private network")),
            (1, "https://[::1]/", Err("it sends us to an address of a private network")),
            (1, "https://169.254.169.254/", Err("it sends us to an address of a private network")),
        ] {
            assert_eq!(check_redirect(asked, &Url::parse(to).unwrap()), expected, "{asked} {to}");
        }
    }

    #[tokio::test]
    async fn names_that_lead_inside_are_not_resolved() {
        // Every machine knows this name.
        let name = "localhost".parse().unwrap();
        let error = OnlyTheWorld.resolve(name).await.err().expect("refused").to_string();
        assert!(error.contains("in a private network"), "{error}");
    }
}
