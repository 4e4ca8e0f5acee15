//! The metadata of this identity provider (SAML metadata §2.4.3), signed. Our own writer: samael's leaves out what AWS needs.
//!
//! Two kinds of readers. Software that fetches it again and again gets a document that is valid for a week, so that nobody can
//! keep a key alive by serving an old copy. A person uploads it once and forgets it: AWS and others refuse what they were given
//! when its end has come, so such a document has none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::certificate::{Certificate, KeyKind};
use super::keys::KeyType;
use super::service_provider::ServiceProvider;
use super::sign::SignError;
use super::wire::readback::{Element, Expected, compare};
use super::wire::{Text, WireError};
use super::{BINDING_POST, BINDING_REDIRECT, IdentityProvider, ns};
use crate::clock::Timestamp;
use crate::config::SignedRequests;
use crate::domain::{AppId, NameIdFormat, SignatureAlgorithm};

/// What AWS asks for at least (IAM API reference, CreateSAMLProvider).
const MIN_CHARACTERS: usize = 1_000;
/// How long a document that is fetched again is good for, in days, from the end of the day it was made.
const VALID_DAYS: i64 = 7;

/// Metadata that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// A value cannot stand in it, or what was written says something else.
    #[error("the metadata can't be written: {0}")]
    Wire(#[from] WireError),
    /// It could not be signed.
    #[error("the metadata can't be signed: {0}")]
    Sign(#[from] SignError),
    /// A year that SAML cannot say.
    #[error("the metadata can't say until when it is valid: {0}")]
    Date(#[from] jiff::Error),
    /// AWS would not take it.
    #[error("the metadata has {0} characters, and AWS takes none below {MIN_CHARACTERS}")]
    Short(usize),
}

impl From<super::TextError> for MetadataError {
    fn from(error: super::TextError) -> Self {
        Self::Wire(error.into())
    }
}

/// How long a document says it is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Validity {
    /// A week: for software that fetches it again.
    Week,
    /// It does not say: for uploading by hand.
    Unlimited,
}

/// A signed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The document.
    pub xml: String,
    /// Equal for equal documents, on every node.
    pub etag: String,
}

/// The documents of a set that were asked for already. INVARIANT: at most two for each app.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<BTreeMap<Asked, (Date, Arc<Metadata>)>>);

/// Which document.
type Asked = (Option<AppId>, Validity);

impl IdentityProvider {
    /// The metadata for everybody, or for one app: with the keys that sign for it and the NameID formats it may get. Made once
    /// a day and set.
    ///
    /// # Errors
    /// It cannot be written or signed.
    pub fn metadata(
        &self,
        app: Option<&ServiceProvider>,
        validity: Validity,
        now: Timestamp,
    ) -> Result<Arc<Metadata>, MetadataError> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let asked = (app.map(|app| app.app().id.clone()), validity);
        // Who asks while a document is signed waits for that one.
        let mut made = self.documents().0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((day, document)) = made.get(&asked)
            && *day == today
        {
            return Ok(Arc::clone(document));
        }
        let document = Arc::new(self.sign_metadata(app, validity, today)?);
        made.insert(asked, (today, Arc::clone(&document)));
        Ok(document)
    }

    fn sign_metadata(
        &self,
        app: Option<&ServiceProvider>,
        validity: Validity,
        today: Date,
    ) -> Result<Metadata, MetadataError> {
        let valid_until = match validity {
            Validity::Unlimited => None,
            Validity::Week => {
                let end = today.checked_add((VALID_DAYS + 1).days())?;
                Some(end.to_zoned(TimeZone::UTC)?.timestamp())
            }
        };
        let kind = app.map(|app| KeyType::of(app.signature_algorithm()));
        let parts = Parts {
            entity_id: Text::new("the entity id", self.entity_id())?,
            sso_url: Text::new("the single sign-on address", self.sso_url())?,
            slo_url: Text::new("the logout address", self.slo_url())?,
            certificates: self.keys().certificates().filter(|certificate| signs(certificate, kind)).collect(),
            formats: NameIdFormat::ALL.into_iter().filter(|format| app.is_none_or(|app| app.offers(*format))).collect(),
            wants_signed_requests: app.is_some_and(|app| app.signed_requests() == SignedRequests::Required),
            valid_until,
        };
        let id = parts.id();
        let unsigned = parts.write(&id);
        parts.read_back(&unsigned, &id)?;
        let xml = self.keys().sign_root(&unsigned, &id, SignatureAlgorithm::RsaSha256)?;
        match xml.chars().count() {
            characters if characters < MIN_CHARACTERS => Err(MetadataError::Short(characters)),
            _ => {
                let etag = HEXLOWER.encode(digest(&SHA256, xml.as_bytes()).as_ref());
                Ok(Metadata { xml, etag })
            }
        }
    }
}

/// Whether keys of this kind sign with this certificate.
fn signs(certificate: &Certificate, kind: Option<KeyType>) -> bool {
    match kind {
        None => true,
        Some(KeyType::Rsa) => matches!(certificate.key_kind(), KeyKind::Rsa(_)),
        Some(KeyType::Ecdsa) => matches!(certificate.key_kind(), KeyKind::P256 | KeyKind::P384),
    }
}

/// What the document says.
struct Parts<'a> {
    entity_id: Text,
    sso_url: Text,
    slo_url: Text,
    certificates: Vec<&'a Certificate>,
    formats: Vec<NameIdFormat>,
    /// Whether a request without a signature is refused.
    wants_signed_requests: bool,
    valid_until: Option<Timestamp>,
}

/// How long software may keep it without asking again (SAML metadata §2.3.2).
const CACHE_DURATION: &str = "P1D";
const BINDINGS: [&str; 2] = [BINDING_REDIRECT, BINDING_POST];

impl Parts<'_> {
    /// The same for the same content: the hash of the document with an empty id.
    fn id(&self) -> String {
        format!("_{}", HEXLOWER.encode(digest(&SHA256, self.write("").as_bytes()).as_ref()))
    }

    /// Without white space between elements: what is signed is what is meant, and nothing else.
    fn write(&self, id: &str) -> String {
        let validity = self
            .valid_until
            .map(|until| format!(" validUntil=\"{until}\" cacheDuration=\"{CACHE_DURATION}\""))
            .unwrap_or_default();
        let certificates: String = self.certificates.iter().map(|certificate| key_descriptor(certificate)).collect();
        let formats: String = self
            .formats
            .iter()
            .map(|format| format!("<md:NameIDFormat>{}</md:NameIDFormat>", super::wire::escape(format.uri())))
            .collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <md:EntityDescriptor xmlns:md=\"{md}\" xmlns:ds=\"{ds}\" ID=\"{id}\" entityID=\"{entity_id}\"{validity}>\
             <md:IDPSSODescriptor WantAuthnRequestsSigned=\"{signed}\" protocolSupportEnumeration=\"{protocol}\">\
             {certificates}{logout}{formats}{sign_on}</md:IDPSSODescriptor></md:EntityDescriptor>\n",
            md = ns::METADATA,
            ds = ns::DSIG,
            entity_id = self.entity_id.element(),
            protocol = ns::PROTOCOL,
            signed = self.wants_signed_requests,
            logout = services("SingleLogoutService", &self.slo_url),
            sign_on = services("SingleSignOnService", &self.sso_url),
        )
    }

    /// Reads with another parser what was written, and compares all of it.
    fn read_back(&self, xml: &str, id: &str) -> Result<(), WireError> {
        let keys: Vec<String> = self.certificates.iter().map(|certificate| certificate.base64()).collect();
        let plain = |depth, namespace, name| Element { depth, namespace, name, attributes: Vec::new(), text: "" };
        let mut root = vec![("ID", Expected::Text(id)), ("entityID", Expected::Text(self.entity_id.raw()))];
        if let Some(until) = self.valid_until {
            root.extend([("validUntil", Expected::Instant(until)), ("cacheDuration", Expected::Text(CACHE_DURATION))]);
        }
        let descriptor = vec![
            ("WantAuthnRequestsSigned", Expected::Text(if self.wants_signed_requests { "true" } else { "false" })),
            ("protocolSupportEnumeration", Expected::Text(ns::PROTOCOL)),
        ];
        let mut expected = vec![
            Element { attributes: root, ..plain(0, ns::METADATA, "EntityDescriptor") },
            Element { attributes: descriptor, ..plain(1, ns::METADATA, "IDPSSODescriptor") },
        ];
        for key in &keys {
            let signing = vec![("use", Expected::Text("signing"))];
            expected.push(Element { attributes: signing, ..plain(2, ns::METADATA, "KeyDescriptor") });
            expected.push(plain(3, ns::DSIG, "KeyInfo"));
            expected.push(plain(4, ns::DSIG, "X509Data"));
            expected.push(Element { text: key, ..plain(5, ns::DSIG, "X509Certificate") });
        }
        expected.extend(service_elements("SingleLogoutService", &self.slo_url));
        expected.extend(
            self.formats.iter().map(|format| Element { text: format.uri(), ..plain(2, ns::METADATA, "NameIDFormat") }),
        );
        expected.extend(service_elements("SingleSignOnService", &self.sso_url));
        compare(xml, &expected)
    }
}

fn key_descriptor(certificate: &Certificate) -> String {
    format!(
        "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>\
         </ds:KeyInfo></md:KeyDescriptor>",
        certificate.base64()
    )
}

fn services(name: &str, url: &Text) -> String {
    let url = url.element();
    BINDINGS.iter().map(|binding| format!("<md:{name} Binding=\"{binding}\" Location=\"{url}\"/>")).collect()
}

fn service_elements<'a>(name: &'static str, url: &'a Text) -> impl Iterator<Item = Element<'a>> {
    BINDINGS.into_iter().map(move |binding| Element {
        depth: 2,
        namespace: ns::METADATA,
        name,
        attributes: vec![("Binding", Expected::Text(binding)), ("Location", Expected::Text(url.raw()))],
        text: "",
    })
}

#[cfg(test)]
mod tests;
