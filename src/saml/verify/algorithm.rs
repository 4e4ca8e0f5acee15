//! The algorithms accepted in signatures of others (XML-DSig 1.1 §6, RFC 9231): no SHA-1, no MAC, no RSA below 2048 bits (a
//! smaller key is no [`Certificate`]).

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};

use super::VerifyError;
use crate::saml::certificate::{Certificate, KeyKind};

/// How a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}

/// How `r` and `s` of ECDSA may be written. RSA knows one form only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Points {
    /// Side by side (XML-DSig 1.1 §6.4.3).
    Fixed,
    /// Side by side, or in DER: of queries SAML says nothing, and senders differ.
    FixedOrDer,
}

impl Method {
    /// By the URI of `ds:SignatureMethod` or `SigAlg`.
    pub(super) fn of(uri: &str) -> Result<Self, VerifyError> {
        match uri {
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => Ok(Self::RsaSha256),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Ok(Self::RsaSha384),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Ok(Self::RsaSha512),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => Ok(Self::EcdsaSha256),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => Ok(Self::EcdsaSha384),
            _ => Err(unknown(uri)),
        }
    }

    fn with(self, key: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        match (self, key) {
            (Self::RsaSha256, KeyKind::Rsa(_)) => Some(&RSA_PKCS1_2048_8192_SHA256),
            (Self::RsaSha384, KeyKind::Rsa(_)) => Some(&RSA_PKCS1_2048_8192_SHA384),
            (Self::RsaSha512, KeyKind::Rsa(_)) => Some(&RSA_PKCS1_2048_8192_SHA512),
            (Self::EcdsaSha256, KeyKind::P256) => Some(&ECDSA_P256_SHA256_ASN1),
            (Self::EcdsaSha384, KeyKind::P256) => Some(&ECDSA_P256_SHA384_ASN1),
            (Self::EcdsaSha256, KeyKind::P384) => Some(&ECDSA_P384_SHA256_ASN1),
            (Self::EcdsaSha384, KeyKind::P384) => Some(&ECDSA_P384_SHA384_ASN1),
            // A key of one kind never serves an algorithm of another.
            _ => None,
        }
    }

    /// Whether one of the certified keys made `signature` over `octets`.
    pub(super) fn check(
        self,
        octets: &[u8],
        signature: &[u8],
        points: Points,
        trusted: &[Certificate],
    ) -> Result<(), VerifyError> {
        let made_by = |certificate: &Certificate| {
            let kind = certificate.key_kind();
            let Some(algorithm) = self.with(kind) else { return false };
            let key = UnparsedPublicKey::new(algorithm, certificate.public_key());
            let right = |signature: &[u8]| key.verify(octets, signature).is_ok();
            match kind {
                KeyKind::Rsa(_) => right(signature),
                KeyKind::P256 => der(signature, 32).is_some_and(|der| right(&der)) || points.der() && right(signature),
                KeyKind::P384 => der(signature, 48).is_some_and(|der| right(&der)) || points.der() && right(signature),
            }
        };
        if trusted.iter().any(made_by) { Ok(()) } else { Err(VerifyError::Signature) }
    }
}

impl Points {
    fn der(self) -> bool {
        self == Self::FixedOrDer
    }
}

/// The digest that a `ds:DigestMethod` names.
pub(super) fn digest_method(uri: &str) -> Result<&'static digest::Algorithm, VerifyError> {
    match uri {
        "http://www.w3.org/2001/04/xmlenc#sha256" => Ok(&SHA256),
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Ok(&SHA384),
        "http://www.w3.org/2001/04/xmlenc#sha512" => Ok(&SHA512),
        _ => Err(unknown(uri)),
    }
}

/// An algorithm that is not accepted; what a stranger wrote is cut short for the log.
pub(super) fn unknown(uri: &str) -> VerifyError {
    VerifyError::Algorithm(uri.chars().filter(|c| !c.is_control()).take(100).collect())
}

/// `r` and `s` of `size` bytes each, as the Ecdsa-Sig-Value of RFC 3279 §2.2.3.
fn der(fixed: &[u8], size: usize) -> Option<Vec<u8>> {
    let (r, s) = fixed.split_at_checked(size).filter(|(_, s)| s.len() == size)?;
    let body = [integer(r)?, integer(s)?].concat();
    // INVARIANT: two integers of 48 bytes stay below the 128 that would need a longer length.
    Some([&[0x30, u8::try_from(body.len()).ok()?], body.as_slice()].concat())
}

/// A positive INTEGER: no zeros in front but the one that keeps it positive.
fn integer(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let zero: &[u8] = if digits.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    Some([&[0x02, u8::try_from(zero.len() + digits.len()).ok()?], zero, &digits].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_written_in_der() {
        let fixed = |r: u8, s: u8| [[0; 31].as_slice(), &[r], &[0; 31], &[s]].concat();
        assert_eq!(der(&fixed(1, 0x80), 32), Some(vec![0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]));
        assert_eq!(der(&fixed(0, 2), 32), Some(vec![0x30, 6, 2, 1, 0, 2, 1, 2]));
        assert_eq!(der(&[0xff; 96], 48).map(|der| (der.len(), der[1])), Some((104, 102)));
        for length in [0, 31, 63, 65, 96] {
            assert_eq!(der(&vec![1; length], 32), None, "{length}");
        }
    }

    #[test]
    fn weak_and_other_algorithms_are_refused() {
        for uri in [
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
            "none",
            "",
        ] {
            assert_eq!(Method::of(uri), Err(VerifyError::Algorithm(uri.to_owned())));
        }
        for uri in ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5"] {
            assert_eq!(digest_method(uri).err(), Some(VerifyError::Algorithm(uri.to_owned())));
        }
    }
}
