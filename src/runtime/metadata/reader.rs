//! Reads the metadata of a set's apps: each file once, however many apps it describes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copy_of;
use crate::clock::Timestamp;
use crate::config::{AppConfig, Config, MetadataSource, Problem};
use crate::runtime::supplied;
use crate::saml::sp_metadata::{Entities, MAX_XML_BYTES, SpMetadata};

/// Why there is no metadata to work with.
pub(in crate::runtime) enum Unread {
    /// The config is wrong; keys are relative to the app.
    Problems(Vec<Problem>),
    /// It is not there, or over. That concerns this app and no other.
    Unavailable(String),
}

/// The files of metadata of one set.
pub(in crate::runtime) struct Reader<'a> {
    config: &'a Config,
    /// What ended before is over.
    at: Timestamp,
    /// By file and the file of the certificate it must be signed by.
    read: BTreeMap<(PathBuf, Option<PathBuf>), Result<Arc<Entities>, String>>,
}

impl<'a> Reader<'a> {
    pub(in crate::runtime) fn new(config: &'a Config, at: Timestamp) -> Self {
        Self { config, at, read: BTreeMap::new() }
    }

    /// What the metadata of `app` says, if it has any.
    pub(in crate::runtime) fn of(&mut self, app: &AppConfig) -> Result<Option<SpMetadata>, Unread> {
        let (file, problem): (_, fn(String) -> Unread) = match &app.metadata {
            None => return Ok(None),
            Some(MetadataSource::File(file)) => (file.clone(), problem),
            // Nobody here can mend what was fetched; the others go on.
            Some(MetadataSource::Url(url)) => (copy_of(self.config, url), Unread::Unavailable),
        };
        if let (true, Some(MetadataSource::Url(url))) = (!file.exists(), &app.metadata) {
            return Err(Unread::Unavailable(format!("the metadata at `{url}` was never fetched")));
        }
        let entities = self.entities(&file, app.metadata_certificate.as_deref()).map_err(problem)?;
        let whole = |error: &dyn std::fmt::Display| problem(format!("`{}`: {error}", file.display()));
        let found = entities.choose(app.entity_id.as_deref()).map_err(|error| whole(&error))?;
        if found.has_ended(self.at) {
            let end = found.valid_until.map(|end| end.to_string()).unwrap_or_default();
            return Err(Unread::Unavailable(format!("its metadata `{}` ended at {end}", file.display())));
        }
        Ok(Some(found.clone()))
    }

    fn entities(&mut self, file: &Path, certificate: Option<&Path>) -> Result<Arc<Entities>, String> {
        let key = (file.to_owned(), certificate.map(Path::to_owned));
        if let Some(known) = self.read.get(&key) {
            return known.clone();
        }
        let read = read(file).and_then(|xml| entities(&xml, certificate)).map(Arc::new);
        let read = read.map_err(|why| format!("`{}`: {why}", file.display()));
        self.read.insert(key, read.clone());
        read
    }
}

fn problem(why: String) -> Unread {
    Unread::Problems(vec![Problem::new(".metadata", why)])
}

fn read(file: &Path) -> Result<String, String> {
    let unread = |error: io::Error| format!("it can't be read: {error}");
    let length = fs::metadata(file).map_err(unread)?.len();
    if length > u64::try_from(MAX_XML_BYTES).unwrap_or(u64::MAX) {
        return Err(format!("it is larger than {MAX_XML_BYTES} bytes"));
    }
    fs::read_to_string(file).map_err(unread)
}

/// Reads metadata; with the file of a certificate, only what is signed by it.
pub(in crate::runtime) fn entities(xml: &str, certificate: Option<&Path>) -> Result<Entities, String> {
    match certificate {
        None => Entities::parse(xml),
        Some(path) => {
            supplied::certificate(path)?;
            return Err("the signature can't be verified yet".to_owned());
        }
    }
    .map_err(|error| error.to_string())
}
