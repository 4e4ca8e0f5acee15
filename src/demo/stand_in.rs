//! The service provider that stands in for AWS: asks for sign-ins, takes the responses, and says in words what it found.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::clock::{Clock, Entropy, Timestamp};
use crate::saml::encode;
use crate::web::demo::pages::{Outcome, Received as ReceivedPage, ReceivedAttribute};
use crate::web::page::Frame;

use super::service_provider::{Kind, MetadataError, Received, Refusal, VerifyingServiceProvider};

/// The entity id of AWS.
const ENTITY_ID: &str = "urn:amazon:webservices";
/// How long an answer to a request is waited for, in seconds.
const WAIT_SECONDS: i64 = 15 * 60;
/// The most requests waited for at once.
const MAX_WAITING: usize = 1000;
/// The largest `SAMLResponse` that is looked into.
const MAX_RESPONSE_BYTES: usize = 100_000;
/// What is checked before anything is shown, as keys of texts.
const CHECKS: [&str; 6] = [
    "demo-check-signature",
    "demo-check-issuer",
    "demo-check-audience",
    "demo-check-recipient",
    "demo-check-time",
    "demo-check-once",
];

/// Asks and takes.
pub struct StandIn {
    verifier: VerifyingServiceProvider,
    acs: String,
    sso_url: String,
    waiting: Mutex<BTreeMap<String, Timestamp>>,
}

/// A request that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] crate::clock::EntropyError),
    /// The request could not be compressed.
    #[error(transparent)]
    Encode(#[from] std::io::Error),
}

impl StandIn {
    /// Stands at `acs`, knows the identity provider by its metadata, and sends requests to `sso_url`.
    ///
    /// # Errors
    /// The metadata is of no use.
    pub fn new(acs: String, idp_metadata: &str, sso_url: &str) -> Result<Self, MetadataError> {
        let verifier = VerifyingServiceProvider::new(Kind::Aws, idp_metadata, ENTITY_ID, acs.clone())?;
        Ok(Self { verifier, acs, sso_url: sso_url.to_owned(), waiting: Mutex::default() })
    }

    /// The address that asks for a sign-in, over the Redirect binding.
    ///
    /// # Errors
    /// The random source failed.
    pub fn request_url(&self, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<String, AskError> {
        let now = clock.now();
        let id = format!("_{}", data_encoding::HEXLOWER.encode(&entropy.bytes::<16>()?));
        let xml = format!(
            r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{}" Destination="{}" AssertionConsumerServiceURL="{}"><saml:Issuer>{ENTITY_ID}</saml:Issuer></samlp:AuthnRequest>"#,
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.sso_url,
            self.acs,
        );
        let request = encode::redirect(&xml)?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, asked| now.as_second() - asked.as_second() <= WAIT_SECONDS);
        if waiting.len() < MAX_WAITING {
            waiting.insert(id, now);
        }
        Ok(format!("{}?SAMLRequest={}", self.sso_url, utf8_percent_encode(&request, NON_ALPHANUMERIC)))
    }

    /// Takes a response; says what it found, and gives the XML to look at.
    pub fn receive(
        &self,
        frame: &Frame,
        saml_response: &str,
        relay_state: Option<&str>,
        now: Timestamp,
    ) -> (Outcome, Option<String>) {
        let xml = encode::read_post(saml_response, MAX_RESPONSE_BYTES).ok();
        let asked = xml.as_deref().and_then(|xml| self.take_asked(xml));
        let outcome = match self.verifier.verify(saml_response, asked.as_deref(), now) {
            Ok(received) => Outcome::Verified(Box::new(page_of(frame, received, relay_state))),
            Err(Refusal::Status(status)) => Outcome::Denied(status),
            Err(refusal) => Outcome::Refused(refusal.to_string()),
        };
        (outcome, xml)
    }

    /// The waiting request that a response says it answers. It is only looked up here; whether the response really answers
    /// it is checked on what was signed.
    fn take_asked(&self, xml: &str) -> Option<String> {
        let document = roxmltree::Document::parse(xml).ok()?;
        let id = document.root_element().attribute("InResponseTo")?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(id).map(|_| id.to_owned())
    }
}

fn page_of(frame: &Frame, received: Received, relay_state: Option<&str>) -> ReceivedPage {
    ReceivedPage {
        issuer: received.issuer,
        subject: received.subject,
        subject_format: received.subject_format.unwrap_or_default(),
        audience: received.audience,
        valid_until: received.not_on_or_after.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        authn_context: received.authn_context.unwrap_or_default(),
        in_response_to: received.in_response_to,
        relay_state: relay_state.map(str::to_owned),
        attributes: received
            .attributes
            .into_iter()
            .map(|attribute| ReceivedAttribute { name: attribute.name, values: attribute.values })
            .collect(),
        roles: received.roles.into_iter().map(|role| role.role_arn).collect(),
        session_duration: received.session_duration.map(|seconds| seconds.to_string()),
        checks: CHECKS.iter().map(|key| frame.t(key)).collect(),
    }
}
