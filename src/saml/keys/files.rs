//! The files of the folder: how they are read and written, and who else may.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::error::KeysError;
use crate::config::owned;
use crate::saml::certificate::Certificate;

/// Keys and certificates are a few thousand bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Makes the folder for its owner alone, if it is not there.
pub(super) fn make_folder(dir: &Path) -> Result<(), KeysError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| KeysError::io(dir, e))
}

/// Whoever can write to the folder can put a key of theirs there.
pub(super) fn check_folder(dir: &Path) -> Result<(), KeysError> {
    match mode(dir)? {
        mode if mode & 0o022 != 0 => Err(KeysError::Folder { path: dir.into(), mode }),
        _ => Ok(()),
    }
}

fn mode(path: &Path) -> Result<u32, KeysError> {
    Ok(fs::metadata(path).map_err(|e| KeysError::io(path, e))?.permissions().mode() & 0o777)
}

pub(super) fn exists(path: &Path) -> Result<bool, KeysError> {
    path.try_exists().map_err(|e| KeysError::io(path, e))
}

/// A file appears whole or not at all, and for its owner alone.
pub(super) fn write(dir: &Path, name: &str, content: &[u8]) -> Result<(), KeysError> {
    let (unfinished, path) = (dir.join(format!("{name}.new")), dir.join(name));
    // What an interrupted write left is not written into: somebody may have been let to read it.
    remove(&unfinished)?;
    let mut file = owned::create(&unfinished).map_err(|e| KeysError::io(&unfinished, e))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|e| KeysError::io(&unfinished, e))?;
    rename(&unfinished, &path)?;
    sync(dir)
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), KeysError> {
    fs::rename(from, to).map_err(|e| KeysError::io(from, e))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), KeysError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(KeysError::io(path, error)),
        _ => Ok(()),
    }
}

/// What was renamed stays renamed when the power fails.
pub(super) fn sync(dir: &Path) -> Result<(), KeysError> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(|e| KeysError::io(dir, e))
}

/// The text of a file that is not too large.
pub(super) fn text(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let length = fs::metadata(path).map_err(|e| KeysError::io(path, e))?.len();
    if length > MAX_FILE_BYTES {
        return Err(KeysError::content(path, format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(Zeroizing::new(fs::read_to_string(path).map_err(|e| KeysError::io(path, e))?))
}

/// Reads a certificate, if the file is there. AWS refuses metadata whose certificate repeats an extension (IAM User Guide,
/// "Troubleshoot SAML federation"), as RFC 5280 §4.2 does.
pub(super) fn certificate(path: &Path) -> Result<Option<Certificate>, KeysError> {
    if !exists(path)? {
        return Ok(None);
    }
    let certificate = Certificate::from_pem(&text(path)?).map_err(|e| KeysError::content(path, e.to_string()))?;
    let repeats = X509Certificate::from_der(certificate.der()).map_or(true, |(_, x509)| x509.extensions_map().is_err());
    if repeats {
        return Err(KeysError::content(path, "has an extension twice, which AWS and others refuse"));
    }
    Ok(Some(certificate))
}

/// Reads a private key, PEM, if the file is there.
pub(super) fn private_key(path: &Path) -> Result<Option<Zeroizing<String>>, KeysError> {
    if !exists(path)? {
        return Ok(None);
    }
    match mode(path)? {
        mode if mode & 0o077 != 0 => Err(KeysError::Permissions { path: path.into(), mode }),
        _ => text(path).map(Some),
    }
}

/// The bytes of the only PEM block (RFC 7468), which must be a private key.
pub(super) fn pem(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    let block = text
        .split_once(begin)
        .and_then(|(_, rest)| rest.split_once(end))
        .filter(|(_, rest)| !rest.contains("-----BEGIN"))
        .map(|(block, _)| block)
        .ok_or("holds not exactly one `-----BEGIN PRIVATE KEY-----` block")?;
    let letters: Zeroizing<Vec<u8>> = Zeroizing::new(block.bytes().filter(|b| !b.is_ascii_whitespace()).collect());
    Ok(Zeroizing::new(STANDARD.decode(letters.as_slice()).map_err(|_| "is no PEM: not base64")?))
}
