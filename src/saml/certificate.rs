//! X.509 certificates: those of our keys, and those of service providers. A certificate is a container of a public key here:
//! trust comes from config, never from a chain.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey as Parsed;

use crate::clock::Timestamp;

/// The least that AWS and most others take of RSA, in bits.
pub const MIN_RSA_BITS: usize = 2048;

/// Bytes or text that are no certificate to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not exactly one PEM block of a certificate.
    #[error("holds not exactly one `-----BEGIN CERTIFICATE-----` block")]
    NotOneBlock,
    /// The block is not base64.
    #[error("is no PEM: not base64")]
    NotBase64,
    /// The bytes are no certificate.
    #[error("holds no X.509 certificate")]
    NotX509,
    /// A key of a kind, curve or size that nothing here works with.
    #[error("certifies {0}: use RSA of 2048 bits or more, or an elliptic curve P-256 or P-384")]
    Key(String),
}

/// What a public key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of so many bits.
    Rsa(usize),
    /// The curve P-256.
    P256,
    /// The curve P-384.
    P384,
}

/// An X.509 certificate whose key can be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    spki: Vec<u8>,
    kind: KeyKind,
    not_before: Timestamp,
    not_after: Timestamp,
    subject: String,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// It is no certificate, or of a key that nothing here works with.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::NotX509)?;
        if !rest.is_empty() {
            return Err(CertificateError::NotX509);
        }
        let at = |seconds: i64| Timestamp::from_second(seconds).map_err(|_| CertificateError::NotX509);
        let key = parsed.public_key();
        Ok(Self {
            der: der.to_vec(),
            spki: key.raw.to_vec(),
            kind: kind(&key.parsed().map_err(|_| CertificateError::NotX509)?)?,
            not_before: at(parsed.validity().not_before.timestamp())?,
            not_after: at(parsed.validity().not_after.timestamp())?,
            subject: parsed.subject().to_string(),
        })
    }

    /// Reads the one certificate of a PEM file (RFC 7468).
    ///
    /// # Errors
    /// As [`Certificate::from_der`]; or there is none, or more than one.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let block = text
            .split_once("-----BEGIN CERTIFICATE-----")
            .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
            .filter(|(_, rest)| !rest.contains("-----BEGIN"))
            .ok_or(CertificateError::NotOneBlock)?
            .0;
        Self::from_base64(block)
    }

    /// Reads base64 of DER, as `ds:X509Certificate` holds it; white space is left out.
    ///
    /// # Errors
    /// As [`Certificate::from_der`]; or it is not base64.
    pub fn from_base64(text: &str) -> Result<Self, CertificateError> {
        let letters: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        Self::from_der(&STANDARD.decode(letters).map_err(|_| CertificateError::NotBase64)?)
    }

    /// DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER in base64 on one line, as metadata and KeyInfo hold it.
    #[must_use]
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// The certified key, as SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7).
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.spki
    }

    /// What kind of key that is.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        self.kind
    }

    /// The first instant it is valid.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last instant it is valid.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whom it names.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// SHA-256 of the DER in hex: how people compare certificates.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        HEXLOWER.encode(digest(&SHA256, &self.der).as_ref())
    }
}

fn kind(key: &Parsed<'_>) -> Result<KeyKind, CertificateError> {
    match key {
        // The parser counts the bytes of the modulus with the zero that keeps it positive.
        Parsed::RSA(rsa) => match rsa.modulus.iter().skip_while(|byte| **byte == 0).count().saturating_mul(8) {
            bits if bits >= MIN_RSA_BITS => Ok(KeyKind::Rsa(bits)),
            bits => Err(CertificateError::Key(format!("an RSA key of {bits} bits"))),
        },
        Parsed::EC(point) => match point.key_size() {
            256 => Ok(KeyKind::P256),
            384 => Ok(KeyKind::P384),
            bits => Err(CertificateError::Key(format!("a key on an elliptic curve of {bits} bits"))),
        },
        _ => Err(CertificateError::Key("a key that is neither RSA nor on an elliptic curve".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certified(key: &rcgen::KeyPair) -> rcgen::Certificate {
        rcgen::CertificateParams::new(vec!["login.example.com".to_owned()]).unwrap().self_signed(key).unwrap()
    }

    #[test]
    fn what_a_certificate_says_is_read() {
        for (algorithm, kind) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, KeyKind::P256), (&rcgen::PKCS_ECDSA_P384_SHA384, KeyKind::P384)]
        {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = Certificate::from_pem(&certified(&key).pem()).unwrap();
            assert_eq!(certificate.key_kind(), kind);
            assert!(certificate.public_key().ends_with(key.public_key_raw()));
            assert!(certificate.not_before() < certificate.not_after());
            assert_eq!(Certificate::from_base64(&certificate.base64()), Ok(certificate.clone()));
            assert_eq!(certificate.fingerprint().len(), 64);
        }
    }

    #[test]
    fn keys_that_nothing_works_with_are_refused() {
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        assert!(matches!(Certificate::from_der(certified(&ed25519).der()), Err(CertificateError::Key(_))));
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_no_certificate() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let der = certified(&key).der().to_vec();
        for length in 0..der.len() {
            assert!(Certificate::from_der(&der[..length]).is_err(), "{length}");
        }
        assert!(Certificate::from_der(&[der.as_slice(), b"x"].concat()).is_err());
        let pem = certified(&key).pem();
        assert_eq!(Certificate::from_pem(&format!("{pem}{pem}")), Err(CertificateError::NotOneBlock));
        assert_eq!(Certificate::from_pem(""), Err(CertificateError::NotOneBlock));
    }
}
