//! Makes a key and a certificate that says no more than what the key is for: service providers pin it.

use rcgen::{
    CertificateParams, DnType, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
    SerialNumber,
};
use zeroize::Zeroizing;

use super::error::KeysError;
use super::place::KeyType;
use crate::clock::{Entropy, Timestamp};

/// Service providers pin the certificate, so it lives as long as the key should; replacing it takes an upload at each.
const YEARS: i16 = 5;

/// A kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKey {
    /// RSA of so many bits.
    Rsa(RsaBits),
    /// ECDSA on the curve P-256.
    Ecdsa,
}

/// How large an RSA key is. More is several times slower to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RsaBits {
    /// 2048, what everybody takes.
    #[default]
    B2048,
    /// 3072.
    B3072,
    /// 4096.
    B4096,
}

impl NewKey {
    /// What kind it is.
    #[must_use]
    pub fn key_type(self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ecdsa => KeyType::Ecdsa,
        }
    }
}

/// A new key and its certificate, PEM.
pub(super) struct Made {
    pub(super) key: Zeroizing<String>,
    pub(super) certificate: String,
}

/// Makes a key, and a self-signed certificate for five years from the day of `now` on.
pub(super) fn make(new: NewKey, now: Timestamp, entropy: &dyn Entropy) -> Result<Made, KeysError> {
    let key = match new {
        NewKey::Rsa(RsaBits::B2048) => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        NewKey::Rsa(RsaBits::B3072) => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072)?,
        NewKey::Rsa(RsaBits::B4096) => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096)?,
        NewKey::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
    };
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "cedargate SAML signing");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut serial = entropy.bytes::<16>()?;
    // A serial number is a positive integer (RFC 5280 §4.1.2.2).
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |years: i16| {
        // The 28th is in every month and every year.
        rcgen::date_time_ymd(
            i32::from(today.year().saturating_add(years)),
            today.month().unsigned_abs(),
            today.day().unsigned_abs().min(28),
        )
    };
    params.not_before = day(0);
    params.not_after = day(YEARS);
    let certificate = params.self_signed(&key)?;
    Ok(Made { key: Zeroizing::new(key.serialize_pem()), certificate: certificate.pem() })
}
