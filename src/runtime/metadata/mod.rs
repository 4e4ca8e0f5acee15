//! The metadata of service providers on its way into a set: read from files; fetched, off the path of requests, into copies
//! that are files of the set like any other.

mod client;
mod copies;
mod reader;
mod refresh;
mod schedule;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;

pub(super) use self::reader::{Reader, Unread};
pub use self::refresh::{NoFetching, Refresher, fetch_missing};
use crate::clock::Timestamp;
use crate::config::{AppConfig, Config, MetadataSource, MetadataUrl};
use crate::domain::AppId;

/// What is known of an app from metadata, for people and for the next look at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The app.
    pub app: AppId,
    /// Where the metadata comes from.
    pub source: MetadataSource,
    /// The file it was read from: for fetched metadata, the copy.
    pub file: PathBuf,
    /// Whether its signature was verified.
    pub signed: bool,
    /// When it was last seen at its source, if it is fetched.
    pub seen: Option<Timestamp>,
    /// When what it says ends.
    pub valid_until: Option<Timestamp>,
    /// How long it may be kept before it is looked at anew.
    pub cache_duration: Option<Duration>,
    /// What of it is left out, and why.
    pub left_out: Vec<String>,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// The address that the metadata of `app` is fetched from, if it is.
pub(super) fn url_of(app: &AppConfig) -> Option<&MetadataUrl> {
    match app.metadata.as_ref()? {
        MetadataSource::Url(url) => Some(url),
        MetadataSource::File(_) => None,
    }
}

/// All addresses that metadata is fetched from, each once.
pub(super) fn fetched_urls(config: &Config) -> impl Iterator<Item = &MetadataUrl> {
    config.apps.iter().filter_map(url_of).collect::<BTreeSet<_>>().into_iter()
}

/// Where the last good copy of what an address holds is kept.
pub(super) fn copy_of(config: &Config, url: &MetadataUrl) -> PathBuf {
    let name = HEXLOWER.encode(digest(&SHA256, url.as_str().as_bytes()).as_ref().get(..16).unwrap_or_default());
    config.saml.metadata_cache.join(format!("{name}.xml"))
}

#[cfg(test)]
mod tests;
