//! Reads the metadata of a set's apps: each file once, however many apps it describes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copies::{Note, sha256};
use super::{Imported, Said, copy_of, url_of};
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

impl Unread {
    pub(in crate::runtime) fn in_words(self) -> String {
        match self {
            Self::Problems(problems) => {
                problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ")
            }
            Self::Unavailable(why) => why,
        }
    }
}

/// The files of metadata of one set.
pub(in crate::runtime) struct Reader<'a> {
    config: &'a Config,
    /// What ended before is over.
    at: Timestamp,
    /// What to read in place of this file.
    given: Option<(&'a Path, &'a str)>,
    /// By file and the file of the certificate it must be signed by.
    read: BTreeMap<(PathBuf, Option<PathBuf>), Result<Arc<Document>, String>>,
    /// By copy.
    notes: BTreeMap<PathBuf, Option<Arc<Note>>>,
}

/// A file of metadata.
struct Document {
    entities: Entities,
    sha256: String,
}

impl<'a> Reader<'a> {
    pub(in crate::runtime) fn new(config: &'a Config, at: Timestamp) -> Self {
        Self { config, at, given: None, read: BTreeMap::new(), notes: BTreeMap::new() }
    }

    /// The same, as if the copy held this.
    pub(super) fn with_copy(self, copy: &'a Path, xml: &'a str) -> Self {
        Self { given: Some((copy, xml)), ..self }
    }

    /// What the metadata of `app` says, if it has any.
    pub(in crate::runtime) fn of(&mut self, app: &AppConfig) -> Result<Option<(SpMetadata, Imported)>, Unread> {
        let Some(source) = &app.metadata else { return Ok(None) };
        let (file, problem): (_, fn(String) -> Unread) = match source {
            MetadataSource::File(file) => (file.clone(), problem),
            // Nobody here can mend what was fetched; the others go on.
            MetadataSource::Url(url) => (copy_of(self.config, url), Unread::Unavailable),
        };
        let given = self.given.is_some_and(|(copy, _)| copy == file);
        let there = given || file.exists();
        if let (false, MetadataSource::Url(url)) = (there, source) {
            return Err(Unread::Unavailable(format!("its metadata at `{url}` was never fetched")));
        }
        let document = self.document(&file, app.metadata_certificate.as_deref()).map_err(problem)?;
        let note = match source {
            MetadataSource::File(_) => None,
            MetadataSource::Url(url) => {
                let note = self.note(&file);
                // What is tried now has no note yet; what is kept is what its note says, or nothing.
                if !given && !note.as_ref().is_some_and(|note| note.is_about(&document.sha256)) {
                    let file = file.display();
                    return Err(Unread::Unavailable(format!(
                        "its copy `{file}` is not what was fetched from `{url}`, and does not count"
                    )));
                }
                note
            }
        };
        let whole = |error: &dyn std::fmt::Display| problem(format!("`{}`: {error}", file.display()));
        let found = document.entities.choose(app.entity_id.as_deref()).map_err(|error| whole(&error))?;
        if found.has_ended(self.at) {
            let end = found.valid_until.map(|end| end.to_string()).unwrap_or_default();
            return Err(Unread::Unavailable(format!("its metadata `{}` ended at {end}", file.display())));
        }
        let said = Said::of(found);
        if let Some(before) = note.as_ref().and_then(|note| note.apps.get(&app.id)) {
            let removed = |why| Unread::Unavailable(format!("{why}, or remove the copy `{}`", file.display()));
            said.keeps_to(before, app).map_err(removed)?;
        }
        let imported = Imported {
            app: app.id.clone(),
            source: source.clone(),
            signed: app.metadata_certificate.is_some(),
            seen: note.map(|note| note.seen),
            valid_until: found.valid_until,
            cache_duration: found.cache_duration,
            left_out: found.left_out.clone(),
            sha256: document.sha256.clone(),
            said,
            file,
        };
        Ok(Some((found.clone(), imported)))
    }

    /// The entity id of an app that nobody can sign in to for now: it stays the app's.
    pub(in crate::runtime) fn name_of(&mut self, app: &AppConfig) -> Option<String> {
        let said = |reader: &mut Self| {
            let note = reader.note(&copy_of(reader.config, url_of(app)?))?;
            note.apps.get(&app.id).map(|said| said.entity_id.clone())
        };
        app.entity_id.clone().or_else(|| said(self))
    }

    fn note(&mut self, copy: &Path) -> Option<Arc<Note>> {
        self.notes.entry(copy.to_owned()).or_insert_with(|| Note::of(copy).map(Arc::new)).clone()
    }

    fn document(&mut self, file: &Path, certificate: Option<&Path>) -> Result<Arc<Document>, String> {
        let key = (file.to_owned(), certificate.map(Path::to_owned));
        if let Some(known) = self.read.get(&key) {
            return known.clone();
        }
        let given = self.given.filter(|(copy, _)| *copy == file).map(|(_, xml)| Ok(xml.to_owned()));
        let read = given.unwrap_or_else(|| read(file)).and_then(|xml| {
            Ok(Arc::new(Document { entities: entities(&xml, certificate)?, sha256: sha256(xml.as_bytes()) }))
        });
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
        Some(path) => Entities::verified(xml, &[supplied::certificate(path)?]),
    }
    .map_err(|error| error.to_string())
}
