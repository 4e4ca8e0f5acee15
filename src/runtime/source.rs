//! Where a set comes from: the one way from files to a [`Set`], at the start and at each reload.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::archive::{Archive, Archived};
use super::files::Files;
use super::inventory::{Inventory, Values};
use super::load::{Checked, LoadError, check, check_again};
use super::metadata::Imported;
use super::{Snapshot, tls};
use crate::clock::{Clock, Entropy};
use crate::config::{Config, ConfigErrors, Loaded};
use crate::saml::{IdentityProvider, KeyFolder, KeyStore, Published, Validity};

/// How often files are read anew because they changed while they were read.
const MOST_READS: usize = 5;

/// A set that passed every check.
pub struct Set {
    /// What decides and answers.
    pub snapshot: Snapshot,
    /// What is in force, written down.
    pub(super) inventory: Inventory,
    /// What the files say, the settings that wait for the next start too.
    pub(super) wanted: Inventory,
    pub(super) certificate: Option<Arc<CertifiedKey>>,
    /// The certificates that service providers are told of.
    pub(super) published: Vec<Published>,
    pub(super) fingerprint: String,
    /// The policies, to be kept when they come into force.
    pub(super) archived: Archived,
}

/// The files, and what of them was settled at the start.
pub struct Source {
    started: Loaded,
    bound: SocketAddr,
    clock: Arc<dyn Clock>,
}

/// What came of reading the files.
pub(super) struct Reading {
    /// What was read, to be watched from now on.
    pub(super) files: Files,
    /// Equal for equal files of one day.
    pub(super) fingerprint: String,
    /// The set; none when it is `known` already.
    pub(super) set: Option<Result<Box<Set>, LoadError>>,
}

impl Source {
    /// The files that `started` was read from, served at `bound`.
    #[must_use]
    pub fn new(started: Loaded, bound: SocketAddr, clock: Arc<dyn Clock>) -> Self {
        Self { started, bound, clock }
    }

    /// The settings of the start.
    pub(super) fn started(&self) -> &Config {
        &self.started.config
    }

    /// Keeps the policies of a set that is about to come into force.
    ///
    /// # Errors
    /// They cannot be kept, so nothing may be decided by them.
    pub fn archive(&self, set: &Set) -> Result<(), LoadError> {
        Ok(Archive::of(&self.started.config).keep(&set.archived)?)
    }

    /// The first set: of the settings as they were read. Makes a signing key where there is none yet.
    ///
    /// # Errors
    /// Something does not load.
    pub fn first(&self, entropy: &dyn Entropy) -> Result<Set, LoadError> {
        let before = Files::of(&self.started.config).stamp();
        let checked = check(&self.started, self.today())?;
        let had_key = KeyStore::configured(&self.started.config.saml).is_ok();
        KeyFolder::configured(&self.started.config.saml).ensure(self.clock.now(), entropy)?;
        let files = Files::of(&self.started.config);
        // What changed meanwhile is another set, which the first look of the watch finds.
        let stood_still = !had_key || files.stamp() == before;
        let fingerprint = if stood_still { self.of_today(&files.fingerprint()) } else { String::new() };
        self.assemble(self.started.config.clone(), checked, fingerprint)
    }

    /// Reads the files, unless they are those of `known`. What is read stood on the disk together at one instant: the files
    /// are the same before and after. Geo files and policies that are those of `in_force` are not read again.
    pub(super) fn read(&self, known: &str, in_force: &Snapshot) -> Reading {
        let mut last = None;
        for _ in 0..MOST_READS {
            let (files, before) = self.look();
            if before == known {
                return Reading { files, fingerprint: before, set: None };
            }
            let set = self.load(before.clone(), Some(in_force));
            let (files, after) = self.look();
            if after == before {
                return Reading { files, fingerprint: after, set: Some(set.map(Box::new)) };
            }
            last = Some((files, after));
        }
        let (files, fingerprint) = last.unwrap_or_else(|| self.look());
        let path = files.paths().next().map(PathBuf::from).unwrap_or_default();
        Reading { files, fingerprint, set: Some(Err(LoadError::Unstable { path })) }
    }

    fn look(&self) -> (Files, String) {
        let files = match self.started.again() {
            Ok(loaded) => Files::of(&loaded.config),
            Err(_) => Files::of_config(&self.started.config.file),
        };
        let fingerprint = self.of_today(&files.fingerprint());
        (files, fingerprint)
    }

    /// Whether a fingerprint was made on another day.
    pub(super) fn is_of_another_day(&self, fingerprint: &str) -> bool {
        !fingerprint.ends_with(&self.today().to_string())
    }

    /// Exceptions expire by the day, so the same files are another set tomorrow.
    fn of_today(&self, fingerprint: &str) -> String {
        format!("{fingerprint} {}", self.today())
    }

    fn today(&self) -> jiff::civil::Date {
        self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    fn load(&self, fingerprint: String, in_force: Option<&Snapshot>) -> Result<Set, LoadError> {
        let loaded = self.started.again().map_err(|error: ConfigErrors| LoadError::Config(error))?;
        let checked = match in_force {
            Some(in_force) => check_again(&loaded, self.today(), in_force)?,
            None => check(&loaded, self.today())?,
        };
        self.assemble(loaded.config, checked, fingerprint)
    }

    fn assemble(&self, wanted: Config, checked: Checked, fingerprint: String) -> Result<Set, LoadError> {
        let config = wanted.clone().keeping_start_of(&self.started.config);
        let certificate = tls::read(&config.server)?;
        let keys = KeyStore::configured(&config.saml)?;
        let public_url = config.server.public_url_at(self.bound);
        let certificates = keys.published().iter();
        let mut files: Vec<(String, Vec<u8>)> = certificates
            .map(|key| (format!("SAML certificate {}", key.place.name()), key.certificate.der().to_vec()))
            .collect();
        if let Some(end) = certificate.as_ref().and_then(|certified| certified.cert.first()) {
            files.push(("TLS certificate".to_owned(), end.to_vec()));
        }
        let since = self.clock.now();
        let written = |config: &Config| {
            let files = files.iter().map(|(name, content)| (name.as_str(), content.clone()));
            let mut inventory = Inventory::of(config, &checked.bundle, files, since)?;
            inventory.files.extend(documents(&checked.imported));
            Ok::<_, LoadError>(inventory)
        };
        let (inventory, wanted) = (written(&config)?, written(&wanted)?);
        let idp = IdentityProvider::new(public_url.as_str(), keys.signing_keys());
        // Nothing comes into force that service providers cannot be told of; and the key has signed something before people come.
        idp.metadata(None, Validity::Week, since)?;
        let archived = Archived::of(&checked.bundle, checked.sources.clone(), self.today());
        let snapshot = Snapshot::new(config, public_url, checked, idp, self.clock.clone())?;
        let published = keys.published().to_vec();
        Ok(Set { snapshot, inventory, wanted, certificate, published, fingerprint, archived })
    }
}

/// The metadata that was read, each document once, by where it comes from.
fn documents(imported: &[Imported]) -> impl Iterator<Item = (String, Values)> {
    let values = |sha256: &String| [("sha256".to_owned(), sha256.clone().into())].into();
    imported.iter().map(move |one| (format!("metadata {}", one.source), values(&one.sha256)))
}

/// What the files of `loaded` come to at the time of `clock`, to be looked at: nothing is made, watched or served.
///
/// # Errors
/// They do not load.
pub fn offline(loaded: Loaded, clock: Arc<dyn Clock>) -> Result<Snapshot, LoadError> {
    let bound = loaded.config.server.listen;
    Ok(Source::new(loaded, bound, clock).load(String::new(), None)?.snapshot)
}

/// What the files of `loaded` come to, for a comparison with what is in force.
///
/// # Errors
/// They do not load.
pub fn written_down(loaded: Loaded, clock: Arc<dyn Clock>) -> Result<Inventory, LoadError> {
    let bound = loaded.config.server.listen;
    let source = Source::new(loaded, bound, clock);
    Ok(source.load(String::new(), None)?.wanted)
}
