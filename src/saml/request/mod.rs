//! AuthnRequests: read from either binding, then checked against what is registered. What comes out as
//! [`VerifiedAuthnRequest`] may be acted on; nothing else may.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::encode::EncodingError;
use super::issuer::StatusReply;
use super::service_provider::ServiceProvider;
use crate::clock::Timestamp;
use crate::domain::{AppId, AuthnContextClass, NameIdFormat, RelayState};

/// A request that is answered here, with a page and status 400: whom it came from is not established.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no `SAMLRequest`.
    #[error("there is no `SAMLRequest`")]
    Missing,
    /// A parameter stands there twice.
    #[error("the parameter `{0}` stands there more than once")]
    Duplicate(&'static str),
    /// It does not decode, or is too large.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// It is not the XML of an AuthnRequest.
    #[error("the message is no AuthnRequest: {0}")]
    Malformed(String),
    /// No app has this entity id.
    #[error("no app is registered under the issuer `{0}`")]
    UnknownIssuer(String),
    /// The address for the answer is not registered.
    #[error("the address `{0}` is not registered for this app")]
    UnknownAcs(String),
    /// It was meant for somebody else.
    #[error("the message is addressed to `{0}`, not to us")]
    Destination(String),
    /// It is older than five minutes or from the future.
    #[error("the message was issued at `{0}`: too old, or from the future")]
    IssueInstant(Timestamp),
}

/// An AuthnRequest as it was sent, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    issuer: String,
}

/// Reads the query of the HTTP-Redirect binding, as it stood in the address.
///
/// # Errors
/// It is missing, doubled, too large, or no AuthnRequest.
pub fn parse_redirect(raw_query: &str) -> Result<Parsed, RequestError> {
    let _ = raw_query;
    Err(RequestError::Missing)
}

/// Reads the fields of the HTTP-POST binding.
///
/// # Errors
/// It is missing, doubled, too large, or no AuthnRequest.
pub fn parse_post<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Parsed, RequestError> {
    let _ = fields.into_iter().next();
    Err(RequestError::Missing)
}

/// Why a request is not acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Answer here: never send anybody to an address that is not registered.
    Local(RequestError),
    /// The sender is known: send this status back.
    Status {
        /// The app.
        app: AppId,
        /// What to send, and where.
        reply: StatusReply,
    },
}

/// Finds the app registered under an entity id.
pub trait Registry {
    /// The app, if there is one.
    fn by_entity_id(&self, entity_id: &str) -> Option<Arc<ServiceProvider>>;
}

/// A request that may be acted on. Serialisable, so that it can be sealed into a form; only open what we sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedAuthnRequest {
    id: String,
    app: AppId,
    acs: String,
    relay_state: Option<RelayState>,
    force_authn: bool,
    is_passive: bool,
    name_id_format: Option<NameIdFormat>,
    accepted_contexts: Option<Vec<AuthnContextClass>>,
    issue_instant: Timestamp,
    digest: String,
    subject: Option<String>,
}

/// Checks a request against what is registered.
///
/// # Errors
/// It is refused, here or by a status sent back.
pub fn verify(
    parsed: &Parsed,
    registry: &dyn Registry,
    sso_url: &str,
    now: Timestamp,
) -> Result<VerifiedAuthnRequest, Refusal> {
    let _ = (registry, sso_url, now);
    Err(Refusal::Local(RequestError::UnknownIssuer(parsed.issuer.clone())))
}
