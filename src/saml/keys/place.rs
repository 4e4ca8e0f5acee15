//! Where a key stands: what it does, and what its files are called.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::SignatureAlgorithm;

/// The two kinds of keys that sign. Each has its own three slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// RSA. There always is one: metadata and whatever does not say otherwise is signed by it.
    Rsa,
    /// ECDSA on the curve P-256. Only there when it was asked for.
    Ecdsa,
}

impl KeyType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rsa, Self::Ecdsa];

    /// The kind of key that an algorithm takes.
    #[must_use]
    pub fn of(algorithm: SignatureAlgorithm) -> Self {
        match algorithm {
            SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::RsaSha512 => Self::Rsa,
            SignatureAlgorithm::EcdsaSha256 => Self::Ecdsa,
        }
    }

    /// What it is called on the command line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Rsa => "",
            Self::Ecdsa => "-ec",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
        })
    }
}

/// What a key does at the moment. The certificates of all three are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// It signs.
    Current,
    /// It will sign: service providers learn its certificate before.
    Next,
    /// It signed until lately: what it signed may still be on its way.
    Previous,
}

impl Slot {
    /// All, the one in use first.
    pub const ALL: [Self; 3] = [Self::Current, Self::Next, Self::Previous];

    /// The word in file names, on the command line and in metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Previous => "previous",
        }
    }
}

/// A slot of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Which slot.
    pub slot: Slot,
    /// Of which kind.
    pub key_type: KeyType,
}

impl Place {
    /// A slot of a kind.
    #[must_use]
    pub fn new(slot: Slot, key_type: KeyType) -> Self {
        Self { slot, key_type }
    }

    /// All six; those in use first, then those to come.
    pub fn all() -> impl Iterator<Item = Self> {
        Slot::ALL.into_iter().flat_map(|slot| KeyType::ALL.map(|key_type| Self { slot, key_type }))
    }

    /// What files and metrics call it: `current`, `next-ec`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}{}", self.slot.code(), self.key_type.suffix())
    }

    /// The name of the file with the private key.
    #[must_use]
    pub fn key_file(self) -> String {
        format!("{}.key.pem", self.name())
    }

    /// The name of the file with the certificate.
    #[must_use]
    pub fn certificate_file(self) -> String {
        format!("{}.crt.pem", self.name())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} key", self.slot.code(), self.key_type)
    }
}
