//! The metadata of service providers (SAML metadata §2), as a file or fetched: who an app is, where it takes responses, and
//! by which keys it is known. Read strictly, and of the root that was verified when a certificate is configured.
//!
//! Not here: where the text comes from (`runtime`), and what config says besides (`service_provider`).

mod duration;
mod parse;

use std::collections::BTreeMap;
use std::time::Duration;

use super::certificate::Certificate;
use super::verify::{self, VerifyError};
use super::xml::{self, ReadError};
use crate::clock::Timestamp;

/// The most that is read, in bytes. Federations whose file is larger have a service that gives one entity at a time (MDQ).
pub const MAX_XML_BYTES: usize = 2 * 1024 * 1024;

/// Metadata that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpMetadataError {
    /// More than anybody needs.
    #[error("it is larger than {MAX_XML_BYTES} bytes")]
    TooLarge,
    /// It is not the XML of metadata.
    #[error("it is no metadata to work with: {0}")]
    Malformed(#[from] ReadError),
    /// It is not signed as it must be.
    #[error("its signature does not hold: {0}")]
    Signature(#[from] VerifyError),
    /// None of its entities takes responses.
    #[error("it holds no service provider of SAML 2.0")]
    NoServiceProvider,
    /// It holds more than one, and nobody said which.
    #[error("it holds {0} service providers: say which by `entity_id`")]
    Several(usize),
    /// The one that config names is not there.
    #[error("it holds no service provider `{0}`")]
    Unknown(String),
    /// Nobody can tell which of them is meant.
    #[error("it holds the entity `{0}` more than once")]
    Twice(String),
}

/// Where something is sent to (SAML metadata §2.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The URI of the binding.
    pub binding: String,
    /// Where requests go.
    pub location: String,
    /// Where responses go, if elsewhere.
    pub response_location: Option<String>,
}

/// An address that takes responses by POST (SAML metadata §2.4.4, §2.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedAddress {
    /// The number by which requests may name it.
    pub index: u16,
    /// The address.
    pub url: String,
}

/// What the metadata of one service provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpMetadata {
    /// Its name: the `Audience`, and the `Issuer` of its requests.
    pub entity_id: String,
    /// Where it takes responses by POST, its default first. Never empty, each by https (or on this machine).
    pub acs: Vec<IndexedAddress>,
    /// What it signs with. Expired certificates count: what is named here is trusted, not who vouched for it.
    pub signing: Vec<Certificate>,
    /// What may be encrypted for.
    pub encryption: Vec<Certificate>,
    /// The URIs of the NameID formats it takes, best first; empty: it does not say.
    pub name_id_formats: Vec<String>,
    /// It signs each of its requests.
    pub signs_requests: bool,
    /// It wants the assertion signed, whatever else is.
    pub wants_assertions_signed: bool,
    /// Where it takes logout messages, each by https (or on this machine).
    pub logout: Vec<Endpoint>,
    /// When what it says ends.
    pub valid_until: Option<Timestamp>,
    /// How long it may be kept before it is looked at anew.
    pub cache_duration: Option<Duration>,
    /// What of it is left out, and why; for people.
    pub left_out: Vec<String>,
}

impl SpMetadata {
    /// Reads metadata that holds one service provider.
    ///
    /// # Errors
    /// It is none, or holds none or several.
    pub fn parse(xml: &str) -> Result<Self, SpMetadataError> {
        Entities::parse(xml)?.choose(None).cloned()
    }

    /// Whether what it says has ended.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.valid_until.is_some_and(|end| end <= now)
    }
}

fn limited(xml: &str) -> Result<&str, SpMetadataError> {
    // Windows tools put a byte order mark before the XML; it says nothing.
    let xml = xml.strip_prefix('\u{feff}').unwrap_or(xml);
    if xml.len() > MAX_XML_BYTES { Err(SpMetadataError::TooLarge) } else { Ok(xml) }
}

/// A document of metadata: one entity, or a group of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entities {
    /// The service providers by entity id. What is wrong with one does not concern the others.
    providers: BTreeMap<String, Result<SpMetadata, SpMetadataError>>,
}

impl Entities {
    /// Reads a document as it stands.
    ///
    /// # Errors
    /// It is no metadata at all.
    pub fn parse(xml: &str) -> Result<Self, SpMetadataError> {
        Ok(Self { providers: parse::entities(limited(xml)?)? })
    }

    /// Reads a document whose root is signed by one of `trusted`: of it, exactly what was signed.
    ///
    /// # Errors
    /// It is not signed so, or no metadata at all.
    pub fn verified(xml: &str, trusted: &[Certificate]) -> Result<Self, SpMetadataError> {
        let signed = verify::enveloped(limited(xml)?, trusted, xml::METADATA)?;
        Ok(Self { providers: parse::entities(&signed)? })
    }

    /// The service provider of this entity id; without one, the only one there is.
    ///
    /// # Errors
    /// It is not there, cannot be used, or is not the only one.
    pub fn choose(&self, entity_id: Option<&str>) -> Result<&SpMetadata, SpMetadataError> {
        let found = match entity_id {
            Some(id) => self.providers.get(id).ok_or_else(|| SpMetadataError::Unknown(id.to_owned()))?,
            None if self.providers.len() > 1 => return Err(SpMetadataError::Several(self.providers.len())),
            None => self.providers.values().next().ok_or(SpMetadataError::NoServiceProvider)?,
        };
        found.as_ref().map_err(Clone::clone)
    }
}

#[cfg(test)]
mod tests;
