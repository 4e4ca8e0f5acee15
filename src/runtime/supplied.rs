//! The files that `[[apps]]` blocks name, read for `saml`.

use std::fs;
use std::path::Path;

use super::metadata::{Imported, Reader, Unread};
use crate::config::{AppConfig, Problem};
use crate::saml::certificate::KeyKind;
use crate::saml::{Certificate, Supplied};

/// A certificate has a few thousand bytes.
const MAX_CERTIFICATE_BYTES: u64 = 64 * 1024;

/// Reads what `app` names; its metadata through `metadata`.
///
/// # Errors
/// All problems, their keys relative to the app; or its metadata is not there.
pub(super) fn read(app: &AppConfig, metadata: &mut Reader<'_>) -> Result<(Supplied, Option<Imported>), Unread> {
    let mut problems = Vec::new();
    let (mut supplied, mut imported) = (Supplied::default(), None);
    for (index, path) in app.request_certificates.iter().enumerate() {
        match certificate(path) {
            Ok(certificate) => supplied.request_certificates.push(certificate),
            Err(why) => problems.push(Problem::new(format!(".request_certificates[{index}]"), why)),
        }
    }
    if let Some(path) = &app.encryption_certificate {
        match certificate(path) {
            Ok(certificate) => supplied.encryption_certificate = Some(certificate),
            Err(why) => problems.push(Problem::new(".encryption_certificate", why)),
        }
    }
    match metadata.of(app) {
        Ok(Some((found, how))) => {
            supplied.metadata = Some(found);
            imported = Some(how);
        }
        Ok(None) => {}
        Err(Unread::Problems(found)) => problems.extend(found),
        Err(unavailable) if problems.is_empty() => return Err(unavailable),
        Err(Unread::Unavailable(_)) => {}
    }
    if !problems.is_empty() {
        return Err(Unread::Problems(problems));
    }
    keys_of_metadata(&mut supplied);
    Ok((supplied, imported))
}

/// The keys that metadata names, where config names none.
pub(super) fn keys_of_metadata(supplied: &mut Supplied) {
    let Some(metadata) = &supplied.metadata else { return };
    if supplied.request_certificates.is_empty() {
        supplied.request_certificates.clone_from(&metadata.signing);
    }
    if supplied.encryption_certificate.is_none() {
        // Keys are transported by RSA; a key on a curve would be for another way.
        let rsa = |certificate: &&Certificate| matches!(certificate.key_kind(), KeyKind::Rsa(_));
        supplied.encryption_certificate = metadata.encryption.iter().find(rsa).cloned();
    }
}

/// Reads the certificate in a file.
pub(super) fn certificate(path: &Path) -> Result<Certificate, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("`{}` {why}", path.display());
    let length = fs::metadata(path).map_err(|e| wrong(&format_args!("can't be read: {e}")))?.len();
    if length > MAX_CERTIFICATE_BYTES {
        return Err(wrong(&format_args!("is larger than {MAX_CERTIFICATE_BYTES} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|e| wrong(&format_args!("can't be read: {e}")))?;
    Certificate::from_pem(&text).map_err(|e| wrong(&e))
}
