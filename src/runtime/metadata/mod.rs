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
use serde::{Deserialize, Serialize};

pub(super) use self::copies::check_folder;
pub(super) use self::reader::{Reader, Unread};
pub use self::refresh::{NoFetching, Refresher, fetch_missing};
use crate::clock::Timestamp;
use crate::config::{AppConfig, Config, MetadataSource, MetadataUrl, SignedRequests};
use crate::domain::{AppId, SignMode};
use crate::saml::SpMetadata;

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
    /// What it says that fetched metadata does not take back.
    pub said: Said,
}

/// What the metadata of an app said that later metadata must not take back by itself: who can change it would become another
/// app, or be asked for less (X9).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The app's entity id.
    pub entity_id: String,
    /// Its requests are signed.
    pub signs_requests: bool,
    /// It wants assertions signed.
    pub wants_assertions_signed: bool,
}

impl Said {
    pub(super) fn of(metadata: &SpMetadata) -> Self {
        Self {
            entity_id: metadata.entity_id.clone(),
            signs_requests: metadata.signs_requests,
            wants_assertions_signed: metadata.wants_assertions_signed,
        }
    }

    /// Whether the metadata of `app` may say this now, when it said `before` that. What config says counts, and needs no memory.
    fn keeps_to(&self, before: &Self, app: &AppConfig) -> Result<(), String> {
        let (id, name, was) = (&app.id, &self.entity_id, &before.entity_id);
        if app.entity_id.is_none() && name != was {
            return Err(format!(
                "app `{id}` calls itself `{name}` now, and was `{was}`: if that is right, set `entity_id`"
            ));
        }
        if before.signs_requests && !self.signs_requests && app.signed_requests != SignedRequests::Required {
            return Err(format!(
                "the metadata of app `{id}` no longer says that its requests are signed: set `signed_requests = \"required\"`"
            ));
        }
        if before.wants_assertions_signed && !self.wants_assertions_signed && app.sign == SignMode::Response {
            return Err(format!(
                "the metadata of app `{id}` no longer wants its assertions signed: set `sign = \"both\"`"
            ));
        }
        Ok(())
    }
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
