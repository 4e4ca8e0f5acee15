//! The certificate of the server's own https, read and checked with the rest of a set, so that a broken one never gets in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Runtime;
use crate::config::Server;

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("can't read `{}`: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody may read the private key.
    #[error("`{}` may be read by everybody (mode {mode:o}): run `chmod o= ` on it", path.display())]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is not what it should be.
    #[error("`{}` {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// rustls does not take the versions of TLS it was given.
    #[error("TLS can't be set up")]
    Settings(#[from] rustls::Error),
}

/// Reads certificate and key, if config has them.
///
/// # Errors
/// A file cannot be read, is no PEM of its kind, or they do not belong together.
pub(super) fn read(server: &Server) -> Result<Option<Arc<CertifiedKey>>, TlsError> {
    let (Some(certificate), Some(key)) = (&server.tls_certificate, &server.tls_key) else { return Ok(None) };
    let content = |path: &Path, problem: String| TlsError::Content { path: path.to_owned(), problem };
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&file(certificate)?).collect();
    let chain = chain.map_err(|error| content(certificate, format!("is no PEM: {error}")))?;
    if chain.is_empty() {
        return Err(content(certificate, "holds no certificate".to_owned()));
    }
    let mode = fs::metadata(key).map_err(|source| io(key, source))?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(TlsError::Permissions { path: key.clone(), mode });
    }
    let private = PrivateKeyDer::from_pem_slice(&zeroize::Zeroizing::new(file(key)?))
        .map_err(|error| content(key, format!("holds no private key: {error}")))?;
    let private = aws_lc_rs::sign::any_supported_type(&private)
        .map_err(|error| content(key, format!("holds a key that can't be used: {error}")))?;
    let certified = CertifiedKey::new(chain, private);
    certified
        .keys_match()
        .map_err(|_| content(certificate, format!("certifies another key than `{}`", key.display())))?;
    Ok(Some(Arc::new(certified)))
}

fn io(path: &Path, source: std::io::Error) -> TlsError {
    TlsError::Io { path: path.to_owned(), source }
}

fn file(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| io(path, source))
}

/// Shows the certificate in force: each handshake the one of now.
struct OfTheSetInForce(Arc<Runtime>);

impl std::fmt::Debug for OfTheSetInForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfTheSetInForce")
    }
}

impl ResolvesServerCert for OfTheSetInForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.in_force().certificate()
    }
}

/// How https is spoken, if the server has a certificate of its own: TLS 1.2 and 1.3.
///
/// # Errors
/// TLS cannot be set up.
pub fn server_settings(runtime: &Arc<Runtime>) -> Result<Option<rustls::ServerConfig>, TlsError> {
    if runtime.in_force().certificate().is_none() {
        return Ok(None);
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OfTheSetInForce(Arc::clone(runtime))));
    Ok(Some(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_certificate_is_taken_with_its_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let made = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (one, other) = (made(), made());
        let certificate = written(folder.path(), "crt.pem", &one.cert.pem(), 0o644);
        let key = written(folder.path(), "key.pem", &one.signing_key.serialize_pem(), 0o640);
        let mut server =
            Server { tls_certificate: Some(certificate.clone()), tls_key: Some(key.clone()), ..Server::default() };
        assert!(read(&server).unwrap().is_some());
        assert!(read(&Server::default()).unwrap().is_none());

        let refused = |server: &Server| read(server).unwrap_err().to_string();
        written(folder.path(), "key.pem", &other.signing_key.serialize_pem(), 0o600);
        assert!(refused(&server).contains("certifies another key"), "{}", refused(&server));
        written(folder.path(), "key.pem", &one.signing_key.serialize_pem(), 0o644);
        assert!(refused(&server).contains("read by everybody"), "{}", refused(&server));
        written(folder.path(), "key.pem", "no key", 0o600);
        assert!(refused(&server).contains("holds no private key"), "{}", refused(&server));
        written(folder.path(), "crt.pem", "no certificate", 0o600);
        assert!(refused(&server).contains("holds no certificate"), "{}", refused(&server));
        server.tls_certificate = Some(folder.path().join("missing"));
        assert!(refused(&server).contains("can't read"), "{}", refused(&server));
    }
}
