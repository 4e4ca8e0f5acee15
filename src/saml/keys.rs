//! The signing key and its certificate on disk: `current.key.pem` (PKCS#8, readable by its owner alone) and `current.crt.pem`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, SerialNumber};
use zeroize::Zeroizing;

use super::certificate::{Certificate, CertificateError};
use super::ec_key::{self, EcFileKey};
use super::sign::{KeyFailed, SigningKey, SigningKeys};
use crate::clock::{Clock, Entropy, EntropyError};
use crate::domain::SignatureAlgorithm;

const KEY_FILE: &str = "current.key.pem";
const CERTIFICATE_FILE: &str = "current.crt.pem";
/// AWS and most others refuse less.
const MIN_KEY_BYTES: usize = 2048 / 8;
/// Service providers pin the certificate, so it lives as long as the key should; replacing it takes an upload at each.
const YEARS: i16 = 5;
/// Keys and certificates are a few thousand bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

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
    #[error("`{path}` may be read by others (mode {mode:o}): run `chmod 600` on it")]
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
    Generate(#[from] rcgen::Error),
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// The keys of a folder.
pub struct KeyStore {
    current: Arc<FileKey>,
    ecdsa: Option<Arc<EcFileKey>>,
}

/// An RSA key that was in a file.
struct FileKey {
    key: RsaKeyPair,
    certificate: Certificate,
}

impl KeyStore {
    /// Reads both files.
    ///
    /// # Errors
    /// One is missing, unreadable, readable by others, no RSA key of 2048 bits or more, or they do not belong together.
    pub fn open(dir: &Path) -> Result<Self, KeysError> {
        let (key_path, certificate_path) = (dir.join(KEY_FILE), dir.join(CERTIFICATE_FILE));
        let content = |path: &Path, problem: &str| KeysError::Content { path: path.into(), problem: problem.into() };

        let pkcs8 = read_key(&key_path)?;
        let key = RsaKeyPair::from_pkcs8(&pkcs8)
            .map_err(|_| content(&key_path, "holds no RSA key of 2048 bits or more in PKCS#8"))?;
        if key.public_modulus_len() < MIN_KEY_BYTES {
            return Err(content(&key_path, "holds an RSA key of less than 2048 bits"));
        }

        let certificate = read_certificate(&certificate_path)?;
        // INVARIANT: a SubjectPublicKeyInfo of RSA ends with the RSAPublicKey (RFC 3279 §2.3.1).
        if !certificate.public_key().ends_with(key.public_key().as_ref()) {
            return Err(content(&certificate_path, "certifies another key than `current.key.pem`"));
        }
        Ok(Self { current: Arc::new(FileKey { key, certificate }), ecdsa: ecdsa(dir)? })
    }

    /// Reads both files; when there is no key file, makes an RSA key of 2048 bits and a self-signed certificate first.
    ///
    /// # Errors
    /// As [`KeyStore::open`], or the files cannot be written.
    pub fn ensure(dir: &Path, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        if !dir.join(KEY_FILE).try_exists().map_err(|e| io(dir, e))? {
            generate(dir, clock, entropy)?;
        }
        Self::open(dir)
    }

    /// The certificate of the current key.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.current.certificate
    }

    /// What signs from now on, and what is published.
    #[must_use]
    pub fn signing_keys(&self) -> SigningKeys {
        let ecdsa = self.ecdsa.clone().map(|key| -> Arc<dyn SigningKey> { key });
        SigningKeys::new(self.current.clone(), ecdsa, Vec::new())
    }
}

impl SigningKey for FileKey {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, algorithm: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        let padding: &dyn RsaEncoding = match algorithm {
            SignatureAlgorithm::RsaSha256 => &RSA_PKCS1_SHA256,
            SignatureAlgorithm::RsaSha384 => &RSA_PKCS1_SHA384,
            SignatureAlgorithm::RsaSha512 => &RSA_PKCS1_SHA512,
            SignatureAlgorithm::EcdsaSha256 => return Err(KeyFailed),
        };
        let mut signature = vec![0; self.key.public_modulus_len()];
        // PKCS#1 v1.5 uses no randomness; the parameter belongs to the padding of PSS.
        self.key.sign(padding, &SystemRandom::new(), octets, &mut signature).map_err(|_| KeyFailed)?;
        Ok(signature)
    }
}

/// The ECDSA key, if the folder has one.
fn ecdsa(dir: &Path) -> Result<Option<Arc<EcFileKey>>, KeysError> {
    if !ec_key::is_in(dir) {
        return Ok(None);
    }
    let path = dir.join(ec_key::KEY_FILE);
    let certificate = read_certificate(&dir.join(ec_key::CERTIFICATE_FILE))?;
    match ec_key::load(&read_key(&path)?, certificate) {
        Ok(key) => Ok(Some(Arc::new(key))),
        Err(problem) => Err(KeysError::Content { path, problem: problem.to_string() }),
    }
}

/// A private key in PKCS#8 that nobody but its owner can read.
fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let mode = fs::metadata(path).map_err(|e| io(path, e))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Permissions { path: path.into(), mode });
    }
    read_pem(path, "PRIVATE KEY")
}

fn read_certificate(path: &Path) -> Result<Certificate, KeysError> {
    let content = |e: CertificateError| KeysError::Content { path: path.into(), problem: e.to_string() };
    let length = fs::metadata(path).map_err(|e| io(path, e))?.len();
    if length > MAX_FILE_BYTES {
        return Err(KeysError::Content {
            path: path.into(),
            problem: format!("is larger than {MAX_FILE_BYTES} bytes"),
        });
    }
    Certificate::from_pem(&fs::read_to_string(path).map_err(|e| io(path, e))?).map_err(content)
}

fn io(path: &Path, source: std::io::Error) -> KeysError {
    KeysError::Io { path: path.into(), source }
}

/// Writes the certificate first and the key last: a crash in between leaves a folder without a key, which `ensure` fills.
fn generate(dir: &Path, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<(), KeysError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| io(dir, e))?;
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "cedargate SAML signing");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut serial = entropy.bytes::<16>()?;
    // A serial number is a positive integer (RFC 5280 §4.1.2.2).
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |years: i16| {
        // The 28th is in every month and every year.
        rcgen::date_time_ymd(
            i32::from(today.year().saturating_add(years)),
            today.month().unsigned_abs(),
            today.day().unsigned_abs().min(28),
        )
    };
    params.not_before = day(0);
    params.not_after = day(YEARS);
    let certificate = params.self_signed(&key)?;
    write_file(dir, CERTIFICATE_FILE, certificate.pem().as_bytes())?;
    write_file(dir, KEY_FILE, Zeroizing::new(key.serialize_pem()).as_bytes())
}

/// A file appears whole or not at all, and for its owner alone.
fn write_file(dir: &Path, name: &str, content: &[u8]) -> Result<(), KeysError> {
    let (unfinished, path) = (dir.join(format!("{name}.new")), dir.join(name));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(|e| io(&unfinished, e))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|e| io(&unfinished, e))?;
    fs::rename(&unfinished, &path).map_err(|e| io(&path, e))
}

/// The bytes of the file's only PEM block (RFC 7468), which must be labelled `label`.
fn read_pem(path: &Path, label: &str) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let content = |problem: String| KeysError::Content { path: path.into(), problem };
    let length = fs::metadata(path).map_err(|e| io(path, e))?.len();
    if length > MAX_FILE_BYTES {
        return Err(content(format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|e| io(path, e))?);
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let block = text
        .split_once(begin.as_str())
        .and_then(|(_, rest)| rest.split_once(end.as_str()))
        .filter(|(_, rest)| !rest.contains("-----BEGIN"))
        .map(|(block, _)| block)
        .ok_or_else(|| content(format!("holds not exactly one `{begin}` block")))?;
    let letters: Zeroizing<Vec<u8>> = Zeroizing::new(block.bytes().filter(|b| !b.is_ascii_whitespace()).collect());
    let bytes = STANDARD.decode(letters.as_slice()).map_err(|_| content("is no PEM: not base64".into()))?;
    Ok(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedEntropy, SystemClock};

    fn made() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        KeyStore::ensure(dir.path(), &SystemClock, &FixedEntropy::seeded(1)).unwrap();
        dir
    }

    #[test]
    fn a_first_start_makes_a_key_and_the_next_keeps_it() {
        let dir = made();
        let first = KeyStore::open(dir.path()).unwrap().certificate().clone();
        let again = KeyStore::ensure(dir.path(), &SystemClock, &FixedEntropy::seeded(2)).unwrap();
        assert_eq!(again.certificate(), &first);
        for file in [KEY_FILE, CERTIFICATE_FILE] {
            assert_eq!(fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_certificate_of_ours_says_that_it_ends_in_five_years() {
        let dir = made();
        let not_after = KeyStore::open(dir.path()).unwrap().certificate().not_after();
        let years = (not_after.as_second() - SystemClock.now().as_second()) / (365 * 24 * 60 * 60);
        assert!((4..=5).contains(&years), "{not_after}");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = made();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(dir.path().join(KEY_FILE), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(KeyStore::open(dir.path()), Err(KeysError::Permissions { mode: m, .. }) if m == mode));
        }
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let (dir, other) = (made(), made());
        fs::copy(other.path().join(CERTIFICATE_FILE), dir.path().join(CERTIFICATE_FILE)).unwrap();
        let error = KeyStore::open(dir.path()).err().unwrap().to_string();
        assert!(error.ends_with("certifies another key than `current.key.pem`"), "{error}");
        for (text, problem) in [
            ("", "holds not exactly one `-----BEGIN CERTIFICATE-----` block"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "is no PEM: not base64"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no X.509 certificate"),
        ] {
            fs::write(dir.path().join(CERTIFICATE_FILE), text).unwrap();
            let error = KeyStore::open(dir.path()).err().unwrap().to_string();
            assert!(error.ends_with(problem), "{error}");
        }
        fs::remove_file(dir.path().join(CERTIFICATE_FILE)).unwrap();
        assert!(matches!(KeyStore::open(dir.path()), Err(KeysError::Io { .. })));
    }
}
