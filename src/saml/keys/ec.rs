//! An ECDSA key on the curve P-256 that was in a file.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::files;
use crate::domain::SignatureAlgorithm;
use crate::saml::certificate::Certificate;
use crate::saml::sign::{KeyFailed, SigningKey};

struct FileKey {
    key: EcdsaKeyPair,
    certificate: Certificate,
}

/// Reads the key of a certificate from PEM; what is wrong with it otherwise.
pub(super) fn load(key_pem: &str, certificate: &Certificate) -> Result<Arc<dyn SigningKey>, &'static str> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &files::pem(key_pem)?)
        .map_err(|_| "holds no ECDSA key on the curve P-256 in PKCS#8")?;
    // INVARIANT: a SubjectPublicKeyInfo of ECDSA ends with the point, uncompressed (RFC 5480 §2).
    if !certificate.public_key().ends_with(key.public_key().as_ref()) {
        return Err("is not the key that the certificate beside it certifies");
    }
    Ok(Arc::new(FileKey { key, certificate: certificate.clone() }))
}

impl SigningKey for FileKey {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, algorithm: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        match algorithm {
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
