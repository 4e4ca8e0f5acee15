//! The files that `[[apps]]` blocks name, read for `saml`.

use std::fs;
use std::path::Path;

use crate::config::{AppConfig, Problem};
use crate::saml::{Certificate, Supplied};

/// A certificate has a few thousand bytes.
const MAX_CERTIFICATE_BYTES: u64 = 64 * 1024;

/// Reads what `app` names.
///
/// # Errors
/// All problems, their keys relative to the app.
pub(super) fn read(app: &AppConfig) -> Result<Supplied, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut supplied = Supplied::default();
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
    if problems.is_empty() { Ok(supplied) } else { Err(problems) }
}

fn certificate(path: &Path) -> Result<Certificate, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("`{}` {why}", path.display());
    let length = fs::metadata(path).map_err(|e| wrong(&format_args!("can't be read: {e}")))?.len();
    if length > MAX_CERTIFICATE_BYTES {
        return Err(wrong(&format_args!("is larger than {MAX_CERTIFICATE_BYTES} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|e| wrong(&format_args!("can't be read: {e}")))?;
    Certificate::from_pem(&text).map_err(|e| wrong(&e))
}
