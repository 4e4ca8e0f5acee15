//! Where the metadata of an app comes from.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::server::is_https_or_loopback;

/// A file, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MetadataSource {
    /// A file of this machine.
    File(PathBuf),
    /// Where it is fetched from.
    Url(MetadataUrl),
}

/// An address that metadata may be fetched from: https, or http on this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataUrl(String);

/// A text that names no source of metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataSourceError {
    /// It is meant as an address and is none.
    #[error("this is no address to fetch metadata from; write it as `https://app.example.com/saml/metadata`")]
    NotAUrl,
    /// Whoever is on the way could say which addresses get responses.
    #[error("`{0}` is not https: who can change metadata decides where responses go (http only on this machine)")]
    NotHttps(String),
    /// It has a user name, a password or a fragment. Not repeated.
    #[error("the address of metadata holds no user name, no password and no `#`")]
    TooMuch,
}

impl MetadataSource {
    /// Reads a path, or a URL (whatever holds `://`).
    ///
    /// # Errors
    /// It is meant as a URL and is none that metadata may come from.
    pub fn parse(input: &str) -> Result<Self, MetadataSourceError> {
        if !input.contains("://") {
            return Ok(Self::File(PathBuf::from(input)));
        }
        let url = Url::parse(input).map_err(|_| MetadataSourceError::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(MetadataSourceError::TooMuch);
        }
        if url.host().is_none() || input.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(MetadataSourceError::NotAUrl);
        }
        if !is_https_or_loopback(&url) {
            return Err(MetadataSourceError::NotHttps(input.to_owned()));
        }
        Ok(Self::Url(MetadataUrl(url.into())))
    }

    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(file) => Some(file),
            Self::Url(_) => None,
        }
    }
}

impl MetadataUrl {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names this very machine, by address or as `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        })
    }
}

impl fmt::Display for MetadataUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for MetadataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl TryFrom<String> for MetadataSource {
    type Error = MetadataSourceError;

    fn try_from(input: String) -> Result<Self, MetadataSourceError> {
        Self::parse(&input)
    }
}

impl From<MetadataSource> for String {
    fn from(source: MetadataSource) -> String {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AppConfig, load};

    #[test]
    fn what_holds_a_scheme_is_an_address_and_all_else_a_file() {
        for file in ["wiki.xml", "/etc/cedargate/wiki.xml", "a b.xml", "http:wiki.xml"] {
            assert_eq!(MetadataSource::parse(file), Ok(MetadataSource::File(file.into())));
        }
        for url in
            ["https://wiki.example.com/metadata?x=1", "http://127.0.0.1:8/m", "http://[::1]:8/m", "http://localhost/m"]
        {
            assert!(
                matches!(MetadataSource::parse(url), Ok(MetadataSource::Url(found)) if found.as_str() == url),
                "{url}"
            );
        }
    }

    #[test]
    fn addresses_that_others_could_speak_for_are_refused() {
        for (url, part) in [
            ("http://wiki.example.com/metadata", "not https"),
            ("http://10.0.0.1/metadata", "not https"),
            ("file:///etc/passwd", "no address"),
            ("ftp://wiki.example.com/metadata", "not https"),
            ("https://", "no address"),
            ("https://a:b@wiki.example.com/metadata", "no user name"),
            ("https://wiki.example.com/metadata#x", "no `#`"),
        ] {
            let error = MetadataSource::parse(url).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn a_file_is_looked_for_beside_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            load(&file, [])
        };
        let wiki = "[[apps]]\nid = \"wiki\"\nmetadata = \"wiki.xml\"\nmetadata_certificate = \"wiki.pem\"\n";
        let chat = "[[apps]]\nid = \"chat\"\nmetadata = \"https://chat.example.com/m\"\n";
        let config = load(&format!("{wiki}{chat}")).unwrap().config;
        let paths: Vec<_> = config.apps.iter().flat_map(AppConfig::paths).cloned().collect();
        assert_eq!(paths, ["wiki.pem", "wiki.xml"].map(|name| folder.path().join(name)));
        assert!(matches!(&config.apps[1].metadata, Some(MetadataSource::Url(url)) if url.as_str().ends_with("/m")));
        assert_eq!(config.saml.metadata_cache, folder.path().join("var/metadata"));

        let by_hand = "acs = \"https://a.example.com/\"\nentity_id = \"a\"\nmetadata_certificate = \"a.pem\"";
        for (line, place, part) in [
            ("metadata = \"http://chat.example.com/m\"", ":3:12: ", "`http://chat.example.com/m` is not https"),
            ("metadata = \"\"", ":3:12: ", "cannot be empty"),
            (by_hand, ":5:24: ", "there is no metadata that it could have signed"),
        ] {
            let error = load(&format!("[[apps]]\nid = \"a\"\n{line}")).unwrap_err();
            assert_eq!(error.problems().len(), 1, "{error}");
            assert!(error.to_string().contains(place) && error.to_string().contains(part), "{error}");
        }
    }
}
