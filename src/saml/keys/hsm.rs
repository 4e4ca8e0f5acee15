//! An RSA key that lives in a hardware module and never leaves it, reached by PKCS#11. Nothing else speaks to such a module.
//!
//! A module is loaded once for the life of the process, as the standard wants (PKCS#11 2.40 §5.4). Sessions are kept between
//! signatures; when a token was away, or its login was lost, the next signature opens new ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11 as Module};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType as ObjectKeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use crate::config::Pkcs11;
use crate::config::secret::{SecretError, read_password_file};
use crate::domain::SignatureAlgorithm;
use crate::saml::certificate::Certificate;
use crate::saml::sign::{KeyFailed, SigningKey};

/// How many sessions are kept open; more signatures at once open more, and close them.
const MOST_KEPT: usize = 8;
/// What is signed to see that the key is the certified one.
const PROOF: &[u8] = b"cedargate: is this the key of the certificate?";

/// A key in a module that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HardwareError {
    /// The module is no such library, or does not start.
    #[error("can't load the PKCS#11 module `{path}`")]
    Module {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Error,
    },
    /// The PIN cannot be read.
    #[error("`saml.pkcs11.pin_file`: {0}")]
    Pin(#[from] SecretError),
    /// No token is called so, or more than one.
    #[error("the PKCS#11 module has {found} tokens called `{label}`; it has {others}")]
    Token {
        /// What config calls it.
        label: String,
        /// How many there are.
        found: usize,
        /// What others are called.
        others: String,
    },
    /// No private RSA key is called so, or more than one.
    #[error("the token `{token}` has {found} private RSA keys called `{label}`: it has to be one")]
    Key {
        /// The token.
        token: String,
        /// What config calls the key.
        label: String,
        /// How many there are.
        found: usize,
    },
    /// The PIN is wrong. It is not tried again: tokens lock themselves.
    #[error("the token `{0}` refuses the PIN of `saml.pkcs11.pin_file`; it is not tried again before the files change")]
    WrongPin(String),
    /// Too many wrong PINs.
    #[error("the token `{0}` has locked its PIN: unlock it with the module's own tools")]
    LockedPin(String),
    /// The key belongs to another certificate.
    #[error("the key `{0}` of the PKCS#11 module is not the one that `current.crt.pem` certifies")]
    OtherKey(String),
    /// The module failed.
    #[error("the PKCS#11 module failed")]
    Failed(#[from] Error),
}

/// The key.
struct HardwareKey {
    module: Module,
    settings: Pkcs11,
    certificate: Certificate,
    idle: Mutex<Vec<Connection>>,
    /// The PIN was refused.
    refused: AtomicBool,
}

/// A session that is logged in, and the key as it knows it.
struct Connection {
    session: Session,
    key: ObjectHandle,
}

/// Opens the key that `settings` name, and has it sign something that `certificate` verifies.
///
/// # Errors
/// The module, its token, the PIN or the key is not as config says, or the key is another.
pub(super) fn open(settings: &Pkcs11, certificate: &Certificate) -> Result<Arc<dyn SigningKey>, HardwareError> {
    let key = HardwareKey {
        module: module(&settings.module)?,
        settings: settings.clone(),
        certificate: certificate.clone(),
        idle: Mutex::default(),
        refused: AtomicBool::new(false),
    };
    let signature = key.try_sign(&Mechanism::Sha256RsaPkcs, PROOF)?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, certificate.public_key())
        .verify(PROOF, &signature)
        .map_err(|_| HardwareError::OtherKey(settings.key.clone()))?;
    Ok(Arc::new(key))
}

/// The module of this path, started. It is never stopped: others in this process may use it.
fn module(path: &Path) -> Result<Module, HardwareError> {
    static STARTED: Mutex<BTreeMap<PathBuf, Module>> = Mutex::new(BTreeMap::new());
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = started.get(path) {
        return Ok(module.clone());
    }
    let failed = |source| HardwareError::Module { path: path.to_owned(), source };
    let module = Module::new(path).map_err(failed)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Two paths may lead to one library.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(failed(error)),
    }
    started.insert(path.to_owned(), module.clone());
    Ok(module)
}

impl HardwareKey {
    fn slot(&self) -> Result<Slot, HardwareError> {
        let mut labels = Vec::new();
        for slot in self.module.get_slots_with_initialized_token()? {
            labels.push((self.module.get_token_info(slot)?.label().trim_end().to_owned(), slot));
        }
        let label = &self.settings.token;
        let found: Vec<Slot> = labels.iter().filter(|(other, _)| other == label).map(|(_, slot)| *slot).collect();
        match found.as_slice() {
            [slot] => Ok(*slot),
            _ => {
                let others: Vec<String> = labels.iter().map(|(label, _)| format!("`{label}`")).collect();
                let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
                Err(HardwareError::Token { label: label.clone(), found: found.len(), others })
            }
        }
    }

    fn connect(&self) -> Result<Connection, HardwareError> {
        let token = || self.settings.token.clone();
        if self.refused.load(Ordering::Relaxed) {
            return Err(HardwareError::WrongPin(token()));
        }
        let session = self.module.open_ro_session(self.slot()?)?;
        let pin = AuthPin::new(read_password_file(&self.settings.pin_file)?.expose().to_owned().into());
        match session.login(UserType::User, Some(&pin)) {
            // The login is one for all sessions of this process.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                self.refused.store(true, Ordering::Relaxed);
                return Err(HardwareError::WrongPin(token()));
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => {
                self.refused.store(true, Ordering::Relaxed);
                return Err(HardwareError::LockedPin(token()));
            }
            Err(error) => return Err(error.into()),
        }
        let found = session.find_objects(&[
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(ObjectKeyType::RSA),
            Attribute::Label(self.settings.key.clone().into_bytes()),
        ])?;
        match found.as_slice() {
            [key] => Ok(Connection { session, key: *key }),
            _ => Err(HardwareError::Key { token: token(), label: self.settings.key.clone(), found: found.len() }),
        }
    }

    /// Signs with a session that is open, or else with a new one.
    fn try_sign(&self, mechanism: &Mechanism<'_>, octets: &[u8]) -> Result<Vec<u8>, HardwareError> {
        let idle = self.idle().pop();
        if let Some(connection) = idle {
            match connection.session.sign(mechanism, connection.key, octets) {
                Ok(signature) => {
                    self.keep(connection);
                    return Ok(signature);
                }
                Err(error) => {
                    tracing::warn!(%error, "the session with the PKCS#11 module is lost; another one is opened");
                    // What made this one fail did not spare the others. With the last of them the login ends.
                    drop(connection);
                    self.idle().clear();
                }
            }
        }
        let connection = self.connect()?;
        let signature = connection.session.sign(mechanism, connection.key, octets)?;
        self.keep(connection);
        Ok(signature)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < MOST_KEPT {
            idle.push(connection);
        }
    }
}

impl SigningKey for HardwareKey {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, algorithm: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        let mechanism = match algorithm {
            SignatureAlgorithm::RsaSha256 => Mechanism::Sha256RsaPkcs,
            SignatureAlgorithm::RsaSha384 => Mechanism::Sha384RsaPkcs,
            SignatureAlgorithm::RsaSha512 => Mechanism::Sha512RsaPkcs,
            SignatureAlgorithm::EcdsaSha256 => return Err(KeyFailed),
        };
        self.try_sign(&mechanism, octets).map_err(|error| {
            tracing::error!(%error, "the PKCS#11 module made no signature");
            KeyFailed
        })
    }
}

#[cfg(test)]
mod tests;
