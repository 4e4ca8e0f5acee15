//! The metadata of service providers on its way into a set: read from files; fetched, off the path of requests, into copies
//! that are files of the set like any other.

mod reader;

use std::collections::BTreeSet;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;

pub(super) use self::reader::{Reader, Unread};
use crate::config::{AppConfig, Config, MetadataSource, MetadataUrl};

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
