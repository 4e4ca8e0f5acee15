//! Who alone may read what leaves here. No cryptography: `saml` does it.

use serde::{Deserialize, Serialize};

/// What of a response is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncryptedPart {
    /// The Assertion, after it was signed (SAML core §2.3.4).
    Assertion,
    /// The subject's NameID, before anything is signed (SAML core §2.2.4).
    NameId,
}

/// How what is encrypted is encrypted. Ciphers without authentication (CBC) are not written: others can change their plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub enum EncryptionAlgorithm {
    /// AES-256-GCM.
    #[default]
    #[serde(rename = "aes256-gcm")]
    Aes256Gcm,
    /// AES-128-GCM.
    #[serde(rename = "aes128-gcm")]
    Aes128Gcm,
}

impl EncryptionAlgorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Aes256Gcm, Self::Aes128Gcm];

    /// The URI of `xenc:EncryptionMethod` (XML Encryption 1.1 §5.2.4).
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "http://www.w3.org/2009/xmlenc11#aes256-gcm",
            Self::Aes128Gcm => "http://www.w3.org/2009/xmlenc11#aes128-gcm",
        }
    }
}

/// How the key of an encryption gets to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyTransport {
    /// RSA-OAEP with SHA-1 inside, where its weakness does no harm: what everybody reads.
    #[default]
    RsaOaepMgf1p,
    /// RSA-OAEP with SHA-256, of XML Encryption 1.1.
    RsaOaepSha256,
}

impl KeyTransport {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::RsaOaepMgf1p, Self::RsaOaepSha256];

    /// The URI of `xenc:EncryptionMethod` (XML Encryption 1.1 §5.5.2).
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaOaepMgf1p => "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            Self::RsaOaepSha256 => "http://www.w3.org/2009/xmlenc11#rsa-oaep",
        }
    }
}

/// What is encrypted, how, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// What.
    pub part: EncryptedPart,
    /// How.
    pub algorithm: EncryptionAlgorithm,
    /// How its key gets there.
    pub key_transport: KeyTransport,
    /// The public RSA key of the reader, as SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7).
    pub public_key: Vec<u8>,
}
