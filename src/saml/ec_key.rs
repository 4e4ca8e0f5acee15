//! The ECDSA key: on P-256, for the apps that take its short signatures.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::certificate::{Certificate, KeyKind};
use super::sign::{KeyFailed, SigningKey};
use crate::domain::SignatureAlgorithm;

/// The file of the key in the folder of keys, PKCS#8 in PEM.
pub const KEY_FILE: &str = "current-ec.key.pem";
/// The file of its certificate.
pub const CERTIFICATE_FILE: &str = "current-ec.crt.pem";

/// A key that does not sign with ECDSA on P-256, or not for this certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EcKeyError {
    /// Of another kind, or broken.
    #[error("holds no key of the elliptic curve P-256 in PKCS#8")]
    Key,
    /// The certificate is of another key.
    #[error("belongs to another key than its certificate certifies")]
    Certificate,
}

/// A P-256 key that was in a file, and its certificate.
pub struct EcFileKey {
    key: EcdsaKeyPair,
    certificate: Certificate,
}

/// Whether the folder has such a key; apps that are to get ECDSA signatures need it.
#[must_use]
pub fn is_in(folder: &Path) -> bool {
    folder.join(KEY_FILE).is_file()
}

/// Takes a key in PKCS#8 (DER) that belongs to `certificate`.
///
/// # Errors
/// It is of another kind, or does not belong to it.
pub fn load(key_der: &[u8], certificate: Certificate) -> Result<EcFileKey, EcKeyError> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key_der).map_err(|_| EcKeyError::Key)?;
    // INVARIANT: a SubjectPublicKeyInfo of an elliptic curve ends with the point (RFC 5480 §2).
    if certificate.key_kind() != KeyKind::P256 || !certificate.public_key().ends_with(key.public_key().as_ref()) {
        return Err(EcKeyError::Certificate);
    }
    Ok(EcFileKey { key, certificate })
}

impl SigningKey for EcFileKey {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, algorithm: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        match algorithm {
            // The nonce of each signature is aws-lc's own business: no parameter reaches it.
            SignatureAlgorithm::EcdsaSha256 => {
                let signature = self.key.sign(&SystemRandom::new(), octets).map_err(|_| KeyFailed)?;
                Ok(signature.as_ref().to_vec())
            }
            SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::RsaSha512 => {
                Err(KeyFailed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (Vec<u8>, Certificate) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        (key.serialize_der(), Certificate::from_der(certificate.der()).unwrap())
    }

    #[test]
    fn signatures_are_two_numbers_side_by_side_and_hold() {
        let (der, certificate) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let key = load(&der, certificate.clone()).unwrap();
        let signature = key.sign(SignatureAlgorithm::EcdsaSha256, b"octets").unwrap();
        assert_eq!(signature.len(), 64);
        let point = &certificate.public_key()[certificate.public_key().len() - 65..];
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        public.verify(b"octets", &signature).unwrap();
        assert!(public.verify(b"others", &signature).is_err());
        for other in [SignatureAlgorithm::RsaSha256, SignatureAlgorithm::RsaSha384, SignatureAlgorithm::RsaSha512] {
            assert_eq!(key.sign(other, b"octets"), Err(KeyFailed));
        }
    }

    #[test]
    fn other_keys_and_other_certificates_are_refused() {
        let (der, certificate) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let (_, another) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let (der384, certificate384) = made(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(load(&der, another).err(), Some(EcKeyError::Certificate));
        assert_eq!(load(&der, certificate384.clone()).err(), Some(EcKeyError::Certificate));
        assert_eq!(load(&der384, certificate384).err(), Some(EcKeyError::Key));
        assert_eq!(load(&der[..der.len() - 1], certificate.clone()).err(), Some(EcKeyError::Key));
        assert_eq!(load(b"", certificate).err(), Some(EcKeyError::Key));
    }
}
