//! The signing keys on disk, and how they are replaced without anybody noticing.
//!
//! A folder holds three slots for each kind of key: `current` signs, `next` will, `previous` did until lately. Each has a
//! private key (`current.key.pem`, PKCS#8, readable by its owner alone) and a certificate (`current.crt.pem`); ECDSA keys have
//! `-ec` in their names. The certificates of all three are published, so that service providers know a key before it signs,
//! and still know it for what is on its way. [`KeyFolder`] makes the steps between the slots, [`KeyStore`] is what a server
//! has loaded.

mod ec;
mod error;
mod files;
mod hsm;
mod ledger;
mod make;
mod place;
mod rotation;
mod rsa;

use std::path::Path;
use std::sync::Arc;

use super::certificate::{Certificate, KeyKind};
use super::sign::{SigningKey, SigningKeys};
use crate::clock::{Clock, Entropy, Timestamp};
use crate::config::{Pkcs11, Saml};

pub use error::KeysError;
pub use hsm::HardwareError;
pub use ledger::{Entry, LEDGER, Step};
pub use make::{NewKey, RsaBits};
pub use place::{KeyType, Place, Slot};
pub use rotation::{Done, KeyFolder, Listed};

use ledger::Ledger;

/// Replacing a certificate takes an upload at each service provider, and people to do it.
pub const WARN_DAYS: i64 = 30;

/// A certificate that is published, and where its key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where.
    pub place: Place,
    /// The certificate.
    pub certificate: Certificate,
}

impl Published {
    /// Whole days until the certificate ends; negative when it has.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.certificate.not_after().as_second().saturating_sub(now.as_second()).div_euclid(24 * 60 * 60)
    }

    /// Why somebody should act, when the key signs and its certificate ends soon.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let days = self.days_left(now);
        if self.place.slot != Slot::Current || days >= WARN_DAYS {
            return None;
        }
        let date = self.certificate.not_after().strftime("%Y-%m-%d");
        let when = if days < 0 { format!("ended on {date}") } else { format!("ends on {date}, in {days} days") };
        Some(format!("the certificate of the {} {when}", self.place))
    }
}

/// The keys of a folder, loaded.
pub struct KeyStore {
    rsa: Arc<dyn SigningKey>,
    ecdsa: Option<Arc<dyn SigningKey>>,
    published: Vec<Published>,
}

impl KeyStore {
    /// Reads a folder.
    ///
    /// # Errors
    /// A file is missing, unreadable, readable by others, no key or certificate of its kind, or two files do not belong
    /// together; others may write to the folder; or a step was interrupted.
    pub fn open(dir: &Path) -> Result<Self, KeysError> {
        Self::load(dir, None)
    }

    /// [`KeyStore::open`] as `[saml]` says: with the RSA key in a hardware module, if it is there.
    ///
    /// # Errors
    /// As [`KeyStore::open`]; or the module, its token or the key cannot be used.
    pub fn configured(saml: &Saml) -> Result<Self, KeysError> {
        Self::load(&saml.keys, saml.pkcs11.as_ref())
    }

    fn load(dir: &Path, hardware: Option<&Pkcs11>) -> Result<Self, KeysError> {
        files::check_folder(dir)?;
        if let Some(unfinished) = Ledger::read(dir)?.unfinished {
            let (step, key_type) = (unfinished.step, unfinished.kind);
            return Err(KeysError::Unfinished { path: dir.into(), step, key_type });
        }
        let mut published: Vec<Published> = Vec::new();
        let (mut rsa, mut ecdsa) = (None, None);
        for place in Place::all() {
            let Some((certificate, key)) = read(dir, place, hardware)? else { continue };
            if let Some(twin) = published.iter().find(|other| other.certificate == certificate) {
                let path = dir.join(place.certificate_file());
                return Err(KeysError::content(&path, format!("is the certificate of the {} too", twin.place)));
            }
            match (place.slot, place.key_type) {
                (Slot::Current, KeyType::Rsa) => rsa = key,
                (Slot::Current, KeyType::Ecdsa) => ecdsa = key,
                (Slot::Next | Slot::Previous, _) => {}
            }
            published.push(Published { place, certificate });
        }
        let current = Place::new(Slot::Current, KeyType::Rsa);
        let file = if hardware.is_some() { current.certificate_file() } else { current.key_file() };
        let missing = || KeysError::io(&dir.join(file), std::io::ErrorKind::NotFound.into());
        Ok(Self { rsa: rsa.ok_or_else(missing)?, ecdsa, published })
    }

    /// Reads a folder; when nothing is in it yet, makes an RSA key of 2048 bits and a self-signed certificate first. A step
    /// that was interrupted is carried to its end.
    ///
    /// # Errors
    /// As [`KeyStore::open`], or the files cannot be written.
    pub fn ensure(dir: &Path, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        KeyFolder::new(dir).ensure(clock.now(), entropy)?;
        Self::open(dir)
    }

    /// The certificate of the RSA key that signs.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        self.rsa.certificate()
    }

    /// Everything published, those in use first.
    #[must_use]
    pub fn published(&self) -> &[Published] {
        &self.published
    }

    /// Those whose keys sign.
    pub fn in_use(&self) -> impl Iterator<Item = &Published> {
        self.published.iter().filter(|published| published.place.slot == Slot::Current)
    }

    /// What signs from now on, and what is published.
    #[must_use]
    pub fn signing_keys(&self) -> SigningKeys {
        let others = self.published.iter().filter(|published| published.place.slot != Slot::Current);
        let others = others.map(|published| published.certificate.clone()).collect();
        SigningKeys::new(self.rsa.clone(), self.ecdsa.clone(), others)
    }
}

/// A certificate, and the key beside it.
type Pair = (Certificate, Option<Arc<dyn SigningKey>>);

/// What stands at a place. The previous key signs nothing any more, so its private half need not be there; nor need that of an
/// RSA key which lives in a module.
fn read(dir: &Path, place: Place, hardware: Option<&Pkcs11>) -> Result<Option<Pair>, KeysError> {
    let (key_path, certificate_path) = (dir.join(place.key_file()), dir.join(place.certificate_file()));
    let (key, certificate) = (files::private_key(&key_path)?, files::certificate(&certificate_path)?);
    let lonely = |there: &Path, missing: &Path| {
        KeysError::content(there, format!("is there, but `{}` is not: restore it, or remove both", missing.display()))
    };
    let Some(certificate) = certificate else {
        return if key.is_some() { Err(lonely(&key_path, &certificate_path)) } else { Ok(None) };
    };
    check_kind(place.key_type, &certificate).map_err(|problem| KeysError::content(&certificate_path, problem))?;
    let hardware = hardware.filter(|_| place.key_type == KeyType::Rsa);
    let key = match (key, place.slot) {
        (Some(_), Slot::Current | Slot::Next) if hardware.is_some() => {
            let problem = "is there, but the RSA key lives in the module of `saml.pkcs11`: remove one of them";
            return Err(KeysError::content(&key_path, problem));
        }
        (None, Slot::Current) if let Some(hardware) = hardware => Some(hsm::open(hardware, &certificate)?),
        (None, Slot::Next) if hardware.is_some() => None,
        (None, Slot::Previous) => None,
        (None, Slot::Current | Slot::Next) => return Err(lonely(&certificate_path, &key_path)),
        (Some(pem), _) => {
            let loaded = match place.key_type {
                KeyType::Rsa => rsa::load(&pem, &certificate),
                KeyType::Ecdsa => ec::load(&pem, &certificate),
            };
            Some(loaded.map_err(|problem| KeysError::content(&key_path, problem))?)
        }
    };
    Ok(Some((certificate, key)))
}

fn check_kind(key_type: KeyType, certificate: &Certificate) -> Result<(), &'static str> {
    match (key_type, certificate.key_kind()) {
        (KeyType::Rsa, KeyKind::Rsa(_)) | (KeyType::Ecdsa, KeyKind::P256) => Ok(()),
        (KeyType::Rsa, _) => Err("certifies no RSA key: ECDSA keys have `-ec` in the names of their files"),
        (KeyType::Ecdsa, _) => Err("certifies no key on the curve P-256"),
    }
}

#[cfg(test)]
mod tests;
