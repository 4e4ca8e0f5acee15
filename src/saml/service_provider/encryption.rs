//! What of an app's responses is encrypted, and for whom.

use super::{Supplied, imported};
use crate::config::{AppConfig, Encrypt, Problem};
use crate::domain::{EncryptedPart, Encryption, EncryptionAlgorithm, KeyTransport};
use crate::saml::certificate::KeyKind;

/// Reads the keys of config about encryption. A certificate that has ended still encrypts: it is a container of a key, and the
/// service provider decides how long it reads with it.
pub(super) fn encryption(config: &AppConfig, supplied: &Supplied, problems: &mut Vec<Problem>) -> Option<Encryption> {
    let part = match config.encrypt {
        Encrypt::Nothing => {
            without_effect(config, problems);
            return None;
        }
        Encrypt::Assertion => EncryptedPart::Assertion,
        Encrypt::NameId => EncryptedPart::NameId,
    };
    let Some(certificate) = &supplied.encryption_certificate else {
        problems.push(
            imported::lacking(".encrypt", supplied, "there is no certificate to encrypt for")
                .with_help("name the app's certificate as `encryption_certificate`"),
        );
        return None;
    };
    if !matches!(certificate.key_kind(), KeyKind::Rsa(_)) {
        problems.push(
            Problem::new(".encryption_certificate", "nothing can be encrypted for a key on an elliptic curve")
                .with_help("ask the app for a certificate with an RSA key"),
        );
        return None;
    }
    Some(Encryption {
        part,
        algorithm: config.encryption_algorithm,
        key_transport: config.key_transport,
        public_key: certificate.public_key().to_vec(),
    })
}

/// Keys that do nothing mislead: whoever wrote them believes that something is encrypted.
fn without_effect(config: &AppConfig, problems: &mut Vec<Problem>) {
    for (key, present) in [
        (".encryption_certificate", config.encryption_certificate.is_some()),
        (".encryption_algorithm", config.encryption_algorithm != EncryptionAlgorithm::default()),
        (".key_transport", config.key_transport != KeyTransport::default()),
    ] {
        if present {
            problems.push(
                Problem::new(key, "has no effect: nothing is encrypted")
                    .with_help("add `encrypt = \"assertion\"` or `encrypt = \"name-id\"`, or leave it out"),
            );
        }
    }
}
