//! Secrets: texts and keys that never show themselves, and the file of the server's own key.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::clock::{Entropy, EntropyError};

/// A secret text: shown as `[secret]`, not serialisable, wiped on drop.
#[derive(Clone, PartialEq, Eq, Deserialize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The key everything sealed and hashed on this server rests on: 32 bytes, wiped on drop.
#[derive(ZeroizeOnDrop)]
pub struct SecretKey([u8; SecretKey::BYTES]);

impl SecretKey {
    /// Its length.
    pub const BYTES: usize = 32;

    /// Takes bytes over.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret key]")
    }
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The key is gone, but what it seals is not.
    #[error(
        "the secret `{}` is missing, but the accounts `{database}` it belongs to are there; restore it from the backup, or copy \
         it from another node",
        file.display()
    )]
    Lost {
        /// The key file.
        file: PathBuf,
        /// What it seals.
        database: String,
    },
    /// There is no such file.
    #[error("there is no file `{}`", .0.display())]
    Missing(PathBuf),
    /// A new key would overwrite a file.
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    /// Others than its owner may read or write it.
    #[error("`{}` has mode {mode:04o}, so others than its owner can reach it; make it 0600", file.display())]
    TooOpen {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold a key.
    #[error("`{}` does not hold exactly 32 random bytes", .0.display())]
    NotAKey(PathBuf),
    /// A password file that holds no password.
    #[error("`{}` holds no password: it has to be one line of at most 1024 bytes of UTF-8", .0.display())]
    NotAPassword(PathBuf),
    /// A password file that cannot be read.
    #[error("cannot read the password file `{}`", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system refused.
    #[error("cannot use the file `{}`", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl SecretError {
    fn io(file: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::Missing(file.to_owned()),
            std::io::ErrorKind::AlreadyExists => Self::Exists(file.to_owned()),
            _ => Self::Io { file: file.to_owned(), source },
        }
    }
}

/// Reads a key file that only its owner can reach.
///
/// # Errors
/// It is missing, others can read or write it, or it does not hold 32 bytes that look random.
pub fn read_key_file(file: &Path) -> Result<SecretKey, SecretError> {
    let fail = |source| SecretError::io(file, source);
    let mut open = File::open(file).map_err(fail)?;
    // Asked of the open file, not of the path: nobody can swap the file in between.
    let metadata = open.metadata().map_err(fail)?;
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_file() || metadata.len() != SecretKey::BYTES as u64 {
        return Err(SecretError::NotAKey(file.to_owned()));
    }
    if mode & 0o077 != 0 {
        return Err(SecretError::TooOpen { file: file.to_owned(), mode });
    }
    let mut key = SecretKey([0; SecretKey::BYTES]);
    open.read_exact(&mut key.0).map_err(fail)?;
    // One byte 32 times is an empty or a made-up file, not a key.
    let first = key.0.first().copied();
    if key.0.iter().all(|byte| Some(*byte) == first) {
        key.0.zeroize();
        return Err(SecretError::NotAKey(file.to_owned()));
    }
    Ok(key)
}

/// Reads a password from a file; a line break at its end is no part of it.
///
/// # Errors
/// It cannot be read, strangers can read it too, or it holds no single line.
pub fn read_password_file(file: &Path) -> Result<Secret, SecretError> {
    const MAX_BYTES: u64 = 1024;
    let fail = |source| SecretError::Password { file: file.to_owned(), source };
    let open = File::open(file).map_err(fail)?;
    let mode = open.metadata().map_err(fail)?.mode() & 0o7777;
    // Its group may read it: that is how a service account is given one.
    if mode & 0o037 != 0 {
        return Err(SecretError::TooOpen { file: file.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    // Two more bytes are a line break, one more than that is too much.
    match open.take(MAX_BYTES + 3).read_to_string(&mut text) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(SecretError::NotAPassword(file.to_owned()));
        }
        result => result.map_err(fail)?,
    };
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.len() as u64 > MAX_BYTES || line.chars().any(char::is_control) {
        return Err(SecretError::NotAPassword(file.to_owned()));
    }
    Ok(Secret::new(line.to_owned()))
}

/// Writes a new key file of mode 0600, and the folders above it of mode 0700 where they are missing.
///
/// # Errors
/// The file is there already, or it cannot be written.
pub fn create_key_file(file: &Path, entropy: &dyn Entropy) -> Result<SecretKey, SecretError> {
    let fail = |source| SecretError::io(file, source);
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
    }
    let bytes = Zeroizing::new(entropy.bytes::<{ SecretKey::BYTES }>()?);
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(fail)?;
    open.write_all(bytes.as_slice()).and_then(|()| open.sync_all()).map_err(fail)?;
    Ok(SecretKey(*bytes))
}

/// Reads the server's key file, or writes a new one on first use. `sealed` names the database that is there already, if it
/// is: a new key would make what that holds unreadable.
///
/// # Errors
/// See [`read_key_file`] and [`create_key_file`]; the file is missing, but the database is there.
pub fn ensure_key_file(file: &Path, sealed: Option<&str>, entropy: &dyn Entropy) -> Result<SecretKey, SecretError> {
    match (read_key_file(file), sealed) {
        (Err(SecretError::Missing(_)), Some(database)) => {
            Err(SecretError::Lost { file: file.to_owned(), database: database.to_owned() })
        }
        (Err(SecretError::Missing(_)), None) => create_key_file(file, entropy),
        (result, _) => result,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::FixedEntropy;

    fn written(bytes: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        (folder, file)
    }

    fn random() -> [u8; 32] {
        let entropy: &dyn Entropy = &FixedEntropy::seeded(7);
        entropy.bytes().unwrap()
    }

    #[test]
    fn a_new_key_file_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("var/keys/secret");
        let made = create_key_file(&file, &FixedEntropy::seeded(1)).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(folder.path().join("var")).unwrap().mode() & 0o077, 0);
        assert_eq!(read_key_file(&file).unwrap().expose(), made.expose());
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let (_folder, file) = written(&random(), 0o600);
        let error = create_key_file(&file, &FixedEntropy::seeded(1)).unwrap_err();
        assert!(matches!(error, SecretError::Exists(_)), "{error}");
        assert_eq!(fs::read(&file).unwrap(), random());
    }

    #[test]
    fn a_key_file_that_others_can_reach_is_refused() {
        for mode in [0o640, 0o604, 0o660, 0o610, 0o601] {
            let (_folder, file) = written(&random(), mode);
            let error = read_key_file(&file).unwrap_err();
            assert!(matches!(error, SecretError::TooOpen { .. }), "{mode:o}: {error}");
            assert!(error.to_string().contains(&format!("mode {mode:04o}")), "{error}");
        }
        for mode in [0o600, 0o400] {
            let (_folder, file) = written(&random(), mode);
            assert!(read_key_file(&file).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused() {
        for bytes in [&b""[..], &[1, 2, 3], &[0; 32], &[b'x'; 32], &[7; 33]] {
            let (_folder, file) = written(bytes, 0o600);
            let error = read_key_file(&file).unwrap_err();
            assert!(matches!(error, SecretError::NotAKey(_)), "{bytes:?}: {error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_key_file(folder.path()), Err(SecretError::NotAKey(_))));
        assert!(matches!(read_key_file(&folder.path().join("none")), Err(SecretError::Missing(_))));
    }

    #[test]
    fn a_password_file_holds_one_line() {
        for (bytes, password) in [("s3cret", "s3cret"), ("s3 cret\n", "s3 cret"), ("s3cret\r\n", "s3cret")] {
            let (_folder, file) = written(bytes.as_bytes(), 0o600);
            assert_eq!(read_password_file(&file).unwrap().expose(), password);
        }
        for bytes in [&b""[..], b"\n", b"one\ntwo\n", b"\xff\xfe", &[b'x'; 1025], b"a\0b"] {
            let (_folder, file) = written(bytes, 0o600);
            let error = read_password_file(&file).unwrap_err();
            assert!(matches!(error, SecretError::NotAPassword(_)), "{bytes:?}: {error}");
        }
        let (_folder, file) = written(&[b'x'; 1024], 0o600);
        assert_eq!(read_password_file(&file).unwrap().expose().len(), 1024);
        let error = read_password_file(&file.with_extension("gone")).unwrap_err();
        assert!(matches!(&error, SecretError::Password { file, .. } if file.ends_with("secret.gone")), "{error}");
        for mode in [0o644, 0o620, 0o601] {
            let (_folder, file) = written(b"x", mode);
            assert!(matches!(read_password_file(&file), Err(SecretError::TooOpen { .. })), "{mode:o}");
        }
        let (_folder, file) = written(b"x", 0o440);
        assert_eq!(read_password_file(&file).unwrap().expose(), "x");
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?} {:?}", SecretKey::new(random())), "[secret] [secret key]");
    }
}
