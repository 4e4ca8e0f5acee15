//! An RSA key that was in a file.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};

use super::files;
use crate::domain::SignatureAlgorithm;
use crate::saml::certificate::Certificate;
use crate::saml::sign::{KeyFailed, SigningKey};

/// AWS and most others refuse less.
const MIN_KEY_BYTES: usize = 2048 / 8;

struct FileKey {
    key: RsaKeyPair,
    certificate: Certificate,
}

/// Reads the key of a certificate from PEM; what is wrong with it otherwise.
pub(super) fn load(key_pem: &str, certificate: &Certificate) -> Result<Arc<dyn SigningKey>, &'static str> {
    let key =
        RsaKeyPair::from_pkcs8(&files::pem(key_pem)?).map_err(|_| "holds no RSA key of 2048 bits or more in PKCS#8")?;
    if key.public_modulus_len() < MIN_KEY_BYTES {
        return Err("holds an RSA key of less than 2048 bits");
    }
    // INVARIANT: a SubjectPublicKeyInfo of RSA ends with the RSAPublicKey (RFC 3279 §2.3.1).
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
