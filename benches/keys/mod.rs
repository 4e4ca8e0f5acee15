//! What the SAML benches share: keys of both kinds, made anew for each run.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use cedargate::clock::{SystemClock, SystemEntropy};
use cedargate::domain::SignatureAlgorithm;
use cedargate::saml::{Certificate, KeyFailed, KeyStore, SigningKey, SigningKeys};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

/// A key on P-256, as [`SigningKeys`] takes it.
struct P256 {
    key: EcdsaKeyPair,
    certificate: Certificate,
}

impl SigningKey for P256 {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, _: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        let signature = self.key.sign(&SystemRandom::new(), octets).map_err(|_| KeyFailed)?;
        Ok(signature.as_ref().to_vec())
    }
}

fn p256() -> P256 {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key on P-256");
    let certificate = CertificateParams::default().self_signed(&pair).expect("its certificate");
    P256 {
        key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der()).expect("a key"),
        certificate: Certificate::from_pem(&certificate.pem()).expect("a certificate"),
    }
}

/// RSA-2048 and P-256, with the certificates in this order.
pub(crate) fn both() -> (SigningKeys, [Certificate; 2]) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = KeyStore::ensure(dir.path(), &SystemClock, &SystemEntropy).expect("keys");
    let rsa = store.signing_keys();
    let p256 = p256();
    let certificates = [store.certificate().clone(), p256.certificate.clone()];
    (SigningKeys::new(Arc::new(Rsa(rsa, store.certificate().clone())), Some(Arc::new(p256)), Vec::new()), certificates)
}

/// The RSA key of a store.
struct Rsa(SigningKeys, Certificate);

impl SigningKey for Rsa {
    fn certificate(&self) -> &Certificate {
        &self.1
    }

    fn sign(&self, algorithm: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        self.0.key(algorithm).map_err(|_| KeyFailed)?.sign(algorithm, octets)
    }
}
