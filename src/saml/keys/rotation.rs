//! The steps of a key's life: made as the next one, promoted, retired. Each is safe against a stop at any instant: it is noted
//! in the ledger, carried out, and struck out; what is found noted is carried out first.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::Published;
use super::error::KeysError;
use super::files;
use super::ledger::{Entry, Ledger, Step, Unfinished};
use super::make::{NewKey, RsaBits, make};
use super::place::{KeyType, Place, Slot};
use crate::clock::{Entropy, Timestamp};
use crate::config::{Saml, owned};
use crate::saml::certificate::Certificate;

const LOCK: &str = "keys.lock";
/// A new pair before it has a place.
const MADE: [&str; 2] = ["made.key.pem", "made.crt.pem"];
/// The folder of the certificates of retired keys: who asks later which key signed something finds it here.
const RETIRED: &str = "retired";

/// A folder of keys, to be changed.
pub struct KeyFolder {
    dir: PathBuf,
    rsa: Home,
}

/// Where the private RSA keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    Files,
    Hardware,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Which step.
    pub step: Step,
    /// Where the key stands now; a retired one: where it stood.
    pub place: Place,
    /// SHA-256 of its certificate, in hex.
    pub fingerprint: String,
    /// It had been begun earlier, and was only carried to its end.
    pub resumed: bool,
}

/// A key as `keys list` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it stands; none when it is retired.
    pub place: Option<Place>,
    /// What the ledger says of it.
    pub entry: Entry,
    /// Its certificate; of a retired one, if it is still there.
    pub certificate: Option<Certificate>,
}

impl Listed {
    /// The same as what is published; none when it is retired.
    #[must_use]
    pub fn published(&self) -> Option<Published> {
        Some(Published { place: self.place?, certificate: self.certificate.clone()? })
    }
}

impl KeyFolder {
    /// This folder, which need not be there yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), rsa: Home::Files }
    }

    /// The folder that `[saml]` names.
    #[must_use]
    pub fn configured(saml: &Saml) -> Self {
        let rsa = if saml.pkcs11.is_some() { Home::Hardware } else { Home::Files };
        Self { dir: saml.keys.clone(), rsa }
    }

    /// The step that was interrupted, if one was.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn unfinished(&self) -> Result<Option<(Step, KeyType)>, KeysError> {
        Ok(Ledger::read(&self.dir)?.unfinished.map(|unfinished| (unfinished.step, unfinished.kind)))
    }

    /// Makes a first RSA key when there is none here and never was, and carries an interrupted step to its end.
    ///
    /// # Errors
    /// The files cannot be read or written.
    pub fn ensure(&self, now: Timestamp, entropy: &dyn Entropy) -> Result<(), KeysError> {
        files::make_folder(&self.dir)?;
        let nothing_to_do = |ledger: &Ledger| {
            let never_was = ledger.keys.iter().all(|entry| entry.kind != KeyType::Rsa);
            let first = never_was && self.rsa == Home::Files && self.has_no_rsa_key()?;
            Ok::<_, KeysError>(ledger.unfinished.is_none() && !first)
        };
        // A folder that only has to be read may be one that only can be read.
        if nothing_to_do(&Ledger::read(&self.dir)?)? {
            return Ok(());
        }
        files::check_folder(&self.dir)?;
        // Another node on the same folder is making the key that is missing: wait for it.
        let file = self.lock_file()?;
        file.lock().map_err(|e| KeysError::io(&self.dir.join(LOCK), e))?;
        let mut ledger = Ledger::read(&self.dir)?;
        self.resume(&mut ledger, now)?;
        if !nothing_to_do(&ledger)? {
            let first = self.plan_new(NewKey::Rsa(RsaBits::default()), Slot::Current, now, entropy)?;
            self.begin(first, &mut ledger, now)?;
        }
        Ok(())
    }

    /// Makes a key, which signs nothing yet: its certificate is published. The first of its kind signs at once, as nobody can
    /// know another.
    ///
    /// # Errors
    /// There is a next one already; or the files cannot be read or written.
    pub fn make_next(&self, new: NewKey, now: Timestamp, entropy: &dyn Entropy) -> Result<Done, KeysError> {
        files::make_folder(&self.dir)?;
        let key_type = new.key_type();
        let (_lock, mut ledger, resumed) = self.start(Step::New, key_type, now)?;
        if let Some(done) = resumed {
            return Ok(done);
        }
        if key_type == KeyType::Rsa && self.rsa == Home::Hardware {
            return Err(KeysError::step(
                "the RSA key lives in a hardware module, where this command makes none",
                "make one with the module's own tools and put its certificate here as `next.crt.pem`",
            ));
        }
        let slot = if self.is_there(Place::new(Slot::Current, key_type))? { Slot::Next } else { Slot::Current };
        let place = Place::new(slot, key_type);
        if self.is_there(place)? {
            return Err(KeysError::step(
                format!("there is a {place} already"),
                format!(
                    "`cedargate keys promote --kind {0}` takes it into use, `cedargate keys retire next --kind {0}` gives it up",
                    key_type.code()
                ),
            ));
        }
        self.begin(self.plan_new(new, slot, now, entropy)?, &mut ledger, now)
    }

    /// The next key becomes the current one, and the current one the previous.
    ///
    /// # Errors
    /// There is no next one, or its certificate has ended, or there still is a previous one; or the files cannot be read or
    /// written.
    pub fn promote(&self, key_type: KeyType, now: Timestamp) -> Result<Done, KeysError> {
        let (_lock, mut ledger, resumed) = self.start(Step::Promote, key_type, now)?;
        match resumed {
            Some(done) => Ok(done),
            None => self.begin(self.plan_promotion(key_type, now)?, &mut ledger, now),
        }
    }

    fn plan_promotion(&self, key_type: KeyType, now: Timestamp) -> Result<Unfinished, KeysError> {
        let [current, next, previous] =
            [Slot::Current, Slot::Next, Slot::Previous].map(|slot| Place::new(slot, key_type));
        let Some(certificate) = self.pair(next)? else {
            return Err(KeysError::step(
                format!("there is no {next} to promote"),
                format!("`cedargate keys new --kind {}` makes one", key_type.code()),
            ));
        };
        if certificate.not_after() < now {
            return Err(KeysError::step(
                format!("the certificate of the {next} ended on {}", certificate.not_after().strftime("%Y-%m-%d")),
                format!("`cedargate keys retire next --kind {}` gives it up; then make a new one", key_type.code()),
            ));
        }
        if self.is_there(previous)? {
            return Err(KeysError::step(
                format!("the {previous} is still published"),
                format!("`cedargate keys retire --kind {}` takes it out; then promote", key_type.code()),
            ));
        }
        let mut moves = Vec::new();
        for (from, to) in [(current, previous), (next, current)] {
            for (from, to) in [(from.key_file(), to.key_file()), (from.certificate_file(), to.certificate_file())] {
                // The private key of a hardware module has no file.
                if files::exists(&self.dir.join(&from))? {
                    moves.push((from, to));
                }
            }
        }
        let fingerprint = certificate.fingerprint();
        let (step, slot, removes) = (Step::Promote, Slot::Current, Vec::new());
        Ok(Unfinished { step, kind: key_type, slot, fingerprint, moves, removes })
    }

    /// Takes the previous key, or a next one that is not wanted after all, out of the metadata. Its private key is removed,
    /// its certificate kept.
    ///
    /// # Errors
    /// There is no such key, or it is the one that signs; or the files cannot be read or written.
    pub fn retire(&self, place: Place, now: Timestamp) -> Result<Done, KeysError> {
        let (_lock, mut ledger, resumed) = self.start(Step::Retire, place.key_type, now)?;
        match resumed {
            Some(done) => Ok(done),
            None => self.begin(self.plan_retirement(place)?, &mut ledger, now),
        }
    }

    fn plan_retirement(&self, place: Place) -> Result<Unfinished, KeysError> {
        let Place { slot, key_type } = place;
        if slot == Slot::Current {
            return Err(KeysError::step(
                format!("the {place} signs, so it can't be retired"),
                "`cedargate keys new` makes another, `cedargate keys promote` takes that into use; then retire this one",
            ));
        }
        let Some(certificate) = self.certificate(place)? else {
            return Err(KeysError::step(
                format!("there is no {place} to retire"),
                "`cedargate keys list` shows what there is",
            ));
        };
        let fingerprint = certificate.fingerprint();
        let kept = format!("{RETIRED}/{fingerprint}.crt.pem");
        let retired = self.dir.join(RETIRED);
        owned::folder(&retired).map_err(|e| KeysError::io(&retired, e))?;
        // One that was retired before and put back by hand.
        files::remove(&self.dir.join(&kept))?;
        let (moves, removes) = (vec![(place.certificate_file(), kept)], vec![place.key_file()]);
        Ok(Unfinished { step: Step::Retire, kind: key_type, slot, fingerprint, moves, removes })
    }

    /// Every key that stands here or did, those in use first.
    ///
    /// # Errors
    /// The folder or a certificate cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, KeysError> {
        let mut ledger = Ledger::read(&self.dir)?;
        let mut listed = Vec::new();
        for place in Place::all() {
            let Some(certificate) = self.certificate(place)? else { continue };
            let fingerprint = certificate.fingerprint();
            let Some(entry) = ledger.entry(place.key_type, &fingerprint, certificate.not_before()) else { continue };
            listed.push(Listed { place: Some(place), entry: entry.clone(), certificate: Some(certificate) });
        }
        for entry in ledger.keys {
            if listed.iter().all(|known| known.entry.fingerprint != entry.fingerprint) {
                let path = self.dir.join(RETIRED).join(format!("{}.crt.pem", entry.fingerprint));
                listed.push(Listed { place: None, entry, certificate: files::certificate(&path)? });
            }
        }
        Ok(listed)
    }

    /// Nobody else changes the folder as long as the file lives; a process that is gone holds nothing.
    fn lock_file(&self) -> Result<File, KeysError> {
        let path = self.dir.join(LOCK);
        owned::open_or_create(&path).map_err(|e| KeysError::io(&path, e))
    }

    /// Locks the folder and carries an interrupted step to its end. When that was the very step that is asked for, it is done.
    fn start(&self, step: Step, key_type: KeyType, now: Timestamp) -> Result<(File, Ledger, Option<Done>), KeysError> {
        files::check_folder(&self.dir)?;
        let path = self.dir.join(LOCK);
        let lock = self.lock_file()?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => KeysError::Locked { path: path.clone() },
            TryLockError::Error(source) => KeysError::io(&path, source),
        })?;
        let mut ledger = Ledger::read(&self.dir)?;
        let resumed = self.resume(&mut ledger, now)?;
        let asked_for = resumed.filter(|done| done.step == step && done.place.key_type == key_type);
        Ok((lock, ledger, asked_for))
    }

    /// Writes a new pair under names of its own, to be moved to its place.
    fn plan_new(
        &self,
        new: NewKey,
        slot: Slot,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Unfinished, KeysError> {
        let (made, place) = (make(new, now, entropy)?, Place::new(slot, new.key_type()));
        let [key, certificate] = MADE;
        files::write(&self.dir, key, made.key.as_bytes())?;
        files::write(&self.dir, certificate, made.certificate.as_bytes())?;
        let read = files::certificate(&self.dir.join(certificate))?;
        let fingerprint = read.map(|certificate| certificate.fingerprint()).unwrap_or_default();
        let moves = vec![(key.to_owned(), place.key_file()), (certificate.to_owned(), place.certificate_file())];
        let (step, kind, removes) = (Step::New, new.key_type(), Vec::new());
        Ok(Unfinished { step, kind, slot, fingerprint, moves, removes })
    }

    /// Notes a step and carries it out.
    fn begin(&self, step: Unfinished, ledger: &mut Ledger, now: Timestamp) -> Result<Done, KeysError> {
        self.note(step, ledger)?;
        let done = self.resume(ledger, now)?;
        done.map(|done| Done { resumed: false, ..done })
            .ok_or_else(|| KeysError::content(&self.dir, "lost the step that was just noted"))
    }

    fn note(&self, step: Unfinished, ledger: &mut Ledger) -> Result<(), KeysError> {
        for place in Place::all() {
            if let Some(certificate) = self.certificate(place)? {
                ledger.found(place.key_type, &certificate);
            }
        }
        ledger.unfinished = Some(step);
        ledger.write(&self.dir)
    }

    /// Carries out the step that is noted, from wherever it stopped.
    fn resume(&self, ledger: &mut Ledger, now: Timestamp) -> Result<Option<Done>, KeysError> {
        let Some(unfinished) = ledger.unfinished.take() else { return Ok(None) };
        // What was noted stays within the folder only as long as nothing in it leads out.
        let retired = self.dir.join(RETIRED);
        if retired.is_symlink() || files::exists(&retired)? {
            owned::real_folder(&retired).map_err(|e| KeysError::io(&retired, e))?;
        }
        for (from, to) in &unfinished.moves {
            let (from, to) = (self.dir.join(from), self.dir.join(to));
            if !files::exists(&to)? {
                files::rename(&from, &to)?;
            }
        }
        for name in &unfinished.removes {
            files::remove(&self.dir.join(name))?;
        }
        files::sync(&self.dir)?;
        let Unfinished { step, kind, slot, fingerprint, .. } = unfinished;
        if let Some(entry) = ledger.entry(kind, &fingerprint, now) {
            match step {
                Step::Retire => entry.retired = Some(now),
                // One that comes back is not retired any more.
                Step::New | Step::Promote => entry.retired = None,
            }
            if step != Step::Retire && slot == Slot::Current {
                entry.promoted = Some(now);
            }
        }
        ledger.write(&self.dir)?;
        Ok(Some(Done { step, place: Place::new(slot, kind), fingerprint, resumed: true }))
    }

    fn certificate(&self, place: Place) -> Result<Option<Certificate>, KeysError> {
        files::certificate(&self.dir.join(place.certificate_file()))
    }

    /// The certificate at a place whose key is there too and fits.
    fn pair(&self, place: Place) -> Result<Option<Certificate>, KeysError> {
        if place.key_type == KeyType::Rsa && self.rsa == Home::Hardware {
            return self.certificate(place);
        }
        Ok(super::read(&self.dir, place, None)?.map(|(certificate, _)| certificate))
    }

    fn is_there(&self, place: Place) -> Result<bool, KeysError> {
        Ok(files::exists(&self.dir.join(place.key_file()))? || files::exists(&self.dir.join(place.certificate_file()))?)
    }

    fn has_no_rsa_key(&self) -> Result<bool, KeysError> {
        for slot in Slot::ALL {
            if self.is_there(Place::new(slot, KeyType::Rsa))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
