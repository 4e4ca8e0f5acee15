//! Turns a permit into a signed Response, and a refusal into a signed error status.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::encode;
use super::encrypt::{EncryptError, seal};
use super::metadata::Cache;
use super::service_provider::{MappingError, aws_lint};
use super::sign::{SignError, SigningKeys};
use super::wire::{
    self, AssertionParts, AttributeParts, ResponseParts, StatusParts, Text, TextError, WireError, response,
};
use crate::clock::{Entropy, EntropyError, Timestamp};
use crate::domain::{
    EncryptedPart, Encryption, IssueRequest, NameFormat, RelayState, RoleName, SignMode, SignatureAlgorithm, Username,
};
use crate::policy::{IssuePermit, PermitExpired};

/// How long a response may be redeemed.
pub const VALID_SECONDS: i64 = 5 * 60;
/// How far the receiver's clock may be behind.
pub const SKEW_SECONDS: i64 = 30;
/// What AWS takes at most, in base64; nobody needs more.
pub const MAX_BASE64_BYTES: usize = 100_000;

/// Who issues: this identity provider.
#[derive(Clone)]
pub struct IdentityProvider {
    entity_id: String,
    sso_url: String,
    slo_url: String,
    keys: Arc<SigningKeys>,
    documents: Arc<Cache>,
}

impl IdentityProvider {
    /// The identity provider at `public_url`: its entity id is `{public_url}/saml/metadata`.
    #[must_use]
    pub fn new(public_url: &str, keys: SigningKeys) -> Self {
        let base = public_url.trim_end_matches('/');
        Self {
            entity_id: entity_id(base),
            sso_url: format!("{base}/saml/sso"),
            slo_url: format!("{base}/saml/slo"),
            keys: Arc::new(keys),
            documents: Arc::default(),
        }
    }

    /// The entity id: `Issuer` of everything signed here.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Where AuthnRequests are sent, in both bindings.
    #[must_use]
    pub fn sso_url(&self) -> &str {
        &self.sso_url
    }

    /// Where logout messages are sent, in both bindings.
    #[must_use]
    pub fn slo_url(&self) -> &str {
        &self.slo_url
    }

    /// What signs.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// The metadata that was made already.
    pub(super) fn documents(&self) -> &Cache {
        &self.documents
    }
}

/// A response that could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// It was permitted too long ago.
    #[error(transparent)]
    Permit(#[from] PermitExpired),
    /// The service provider would refuse what it says about this person.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// It could not be written.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The signature could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// What is for the service provider alone could not be encrypted.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Service providers would refuse it for its size.
    #[error("the response of {bytes} bytes is larger than the {MAX_BASE64_BYTES} that service providers take")]
    TooLarge {
        /// Its size in base64.
        bytes: usize,
    },
}

impl From<TextError> for IssueError {
    fn from(error: TextError) -> Self {
        Self::Wire(error.into())
    }
}

/// A Response ready for the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedResponse {
    /// The `ID` of the Response.
    pub id: String,
    /// The `ID` of the Assertion; `None` for an error status.
    pub assertion_id: Option<String>,
    /// The roles in it.
    pub roles: Vec<RoleName>,
    /// Where the browser posts it.
    pub acs: String,
    /// What goes back beside it.
    pub relay_state: Option<RelayState>,
    /// The document.
    pub xml: String,
    /// SHA-256 of the document, in hex: what the audit journal keeps of it.
    pub sha256: String,
}

impl SignedResponse {
    /// The value of the form field `SAMLResponse`.
    #[must_use]
    pub fn form_value(&self) -> String {
        encode::post(&self.xml)
    }
}

/// Issues what was permitted, once: the permit is used up. This is the only way to an assertion.
///
/// # Errors
/// The permit is more than ten seconds old, AWS would refuse what it says, a value cannot stand in XML, the response is too large, nothing can be encrypted for
/// the service provider, or the random source or the key failed.
pub fn issue(
    permit: IssuePermit,
    idp: &IdentityProvider,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<SignedResponse, IssueError> {
    let permitted = permit.redeem(now)?;
    issue_checked(permitted.request(), permitted.username(), idp, now, entropy)
}

/// What [`issue`] would sign, without a signature: for people to look at. It takes the permit just the same.
///
/// # Errors
/// The permit is more than ten seconds old, a value cannot stand in XML, or the random source failed.
pub fn draft(
    permit: IssuePermit,
    idp: &IdentityProvider,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<String, IssueError> {
    let permitted = permit.redeem(now)?;
    check_for_aws(permitted.request(), permitted.username())?;
    Ok(unsigned(permitted.request(), &idp.entity_id, now, entropy)?.xml)
}

/// A response before it is signed.
struct Unsigned {
    id: String,
    assertion_id: String,
    parts: ResponseParts,
    xml: String,
}

fn unsigned(
    request: &IssueRequest,
    issuer: &str,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Unsigned, IssueError> {
    let (id, assertion_id) = (new_id(entropy)?, new_id(entropy)?);
    let parts = ResponseParts {
        id: id.clone(),
        issue_instant: now,
        destination: Text::new("the address", &request.acs)?,
        in_response_to: request.in_response_to.as_deref().map(|id| Text::new("the request's id", id)).transpose()?,
        issuer: Text::new("the entity id", issuer)?,
        content: Ok(assertion(request, assertion_id.clone(), now)?),
    };
    let mut xml = response(&parts)?;
    if let (Some(how), Ok(assertion)) = (encrypted(request, EncryptedPart::NameId), &parts.content) {
        xml = wire::hide_name_id(
            &xml,
            &parts,
            &seal(&wire::name_id(assertion.name_id_format, &assertion.name_id)?, how, entropy)?,
        )?;
    }
    Ok(Unsigned { id, assertion_id, parts, xml })
}

/// The size in base64 of what would be signed, when that can be written and is not too large already.
///
/// # Errors
/// A value cannot stand in XML, the response is too large without its signature, or the random source failed.
pub(super) fn unsigned_size(
    request: &IssueRequest,
    public_url: &str,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<usize, IssueError> {
    let xml = unsigned(request, &entity_id(public_url), now, entropy)?.xml;
    check_size(&xml)
}

fn check_size(xml: &str) -> Result<usize, IssueError> {
    let bytes = xml.len().div_ceil(3).saturating_mul(4);
    if bytes > MAX_BASE64_BYTES { Err(IssueError::TooLarge { bytes }) } else { Ok(bytes) }
}

fn entity_id(public_url: &str) -> String {
    format!("{}/saml/metadata", public_url.trim_end_matches('/'))
}

/// Whether AWS would take it: the error names the person, the app and the rule, as AWS's own does not.
fn check_for_aws(request: &IssueRequest, user: &Username) -> Result<(), MappingError> {
    aws_lint::check(request).map_err(|rule| MappingError { user: user.clone(), app: request.app.clone(), rule })
}

/// Issues what was permitted, unless AWS would refuse it.
fn issue_checked(
    request: &IssueRequest,
    user: &Username,
    idp: &IdentityProvider,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<SignedResponse, IssueError> {
    check_for_aws(request, user)?;
    issue_permitted(request, idp, now, entropy)
}

/// Writes and signs what was permitted. INVARIANT: outside tests only [`issue`] comes here.
///
/// # Errors
/// A value cannot stand in XML, the response is too large, or the random source or the key failed.
pub(super) fn issue_permitted(
    request: &IssueRequest,
    idp: &IdentityProvider,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<SignedResponse, IssueError> {
    let Unsigned { id, assertion_id, parts, mut xml } = unsigned(request, &idp.entity_id, now, entropy)?;
    if matches!(request.sign, SignMode::Assertion | SignMode::Both) {
        xml = idp.keys.sign_element(&xml, &assertion_id, request.signature_algorithm)?;
    }
    if let Some(how) = encrypted(request, EncryptedPart::Assertion) {
        xml = wire::hide_assertion(&xml, &parts, &seal(&wire::assertion(&xml)?, how, entropy)?)?;
    }
    if matches!(request.sign, SignMode::Response | SignMode::Both) {
        xml = idp.keys.sign_element(&xml, &id, request.signature_algorithm)?;
    }
    check_size(&xml)?;
    Ok(SignedResponse {
        id,
        assertion_id: Some(assertion_id),
        roles: request.roles.iter().map(|role| role.name.clone()).collect(),
        acs: request.acs.clone(),
        relay_state: request.relay_state.clone(),
        sha256: sha256_hex(xml.as_bytes()),
        xml,
    })
}

/// How `part` is encrypted, when it is.
fn encrypted(request: &IssueRequest, part: EncryptedPart) -> Option<&Encryption> {
    request.encryption.as_ref().filter(|encryption| encryption.part == part)
}

fn assertion(request: &IssueRequest, id: String, now: Timestamp) -> Result<AssertionParts, IssueError> {
    let mut attributes = Vec::with_capacity(request.attributes.len() + 1);
    if let Some(name) = request.role_attribute.as_deref().filter(|_| !request.roles.is_empty()) {
        let values = request.roles.iter().map(|role| Text::new(format_args!("role `{}`", role.name), &role.value));
        attributes.push(AttributeParts {
            name: Text::new("the role attribute", name)?,
            name_format: NameFormat::of_name(name).uri(),
            friendly_name: None,
            values: values.collect::<Result<_, _>>()?,
        });
    }
    for attribute in request.attributes.iter().filter(|attribute| !attribute.values.is_empty()) {
        let what = format!("attribute `{}`", attribute.name);
        let values = attribute.values.iter().map(|value| Text::new(&what, value));
        attributes.push(AttributeParts {
            name: Text::new(&what, &attribute.name)?,
            name_format: attribute.format.uri(),
            friendly_name: attribute.friendly_name.as_deref().map(|name| Text::new(&what, name)).transpose()?,
            values: values.collect::<Result<_, _>>()?,
        });
    }
    Ok(AssertionParts {
        id,
        name_id_format: request.name_id.format.uri(),
        name_id: Text::new("the NameID", &request.name_id.value)?,
        not_before: later(now, -SKEW_SECONDS)?,
        not_on_or_after: later(now, VALID_SECONDS)?,
        audience: Text::new("the audience", &request.audience)?,
        authn_instant: request.authn_instant,
        session_index: Text::new("the session index", &request.session_index)?,
        session_not_on_or_after: request.session_not_on_or_after,
        authn_context: request.authn_context.uri(),
        attributes,
    })
}

fn later(now: Timestamp, seconds: i64) -> Result<Timestamp, WireError> {
    now.as_second()
        .checked_add(seconds)
        .and_then(|second| Timestamp::from_second(second).ok())
        .ok_or(WireError::Instant(now))
}

/// 160 random bits; an XML name begins with a letter or `_`.
pub(super) fn new_id(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    Ok(format!("_{}", hex(&entropy.bytes::<20>()?)))
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The top-level status of an error response (SAML core §3.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusCode {
    /// The request is at fault.
    Requester,
    /// We are, or the person.
    Responder,
}

impl StatusCode {
    /// The URI on the wire.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Requester => "urn:oasis:names:tc:SAML:2.0:status:Requester",
            Self::Responder => "urn:oasis:names:tc:SAML:2.0:status:Responder",
        }
    }
}

/// What happened, more closely (SAML core §3.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondLevel {
    /// The person could not be authenticated.
    AuthnFailed,
    /// The NameIDPolicy cannot be met.
    InvalidNameIdPolicy,
    /// The RequestedAuthnContext cannot be met.
    NoAuthnContext,
    /// IsPassive, but a page would have to be shown.
    NoPassive,
    /// Only other identity providers may answer.
    NoSupportedIdp,
    /// A policy refused.
    RequestDenied,
    /// The response was asked for over a binding we do not send.
    UnsupportedBinding,
    /// The Subject asked for is not who signs in.
    UnknownPrincipal,
}

impl SecondLevel {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AuthnFailed,
        Self::InvalidNameIdPolicy,
        Self::NoAuthnContext,
        Self::NoPassive,
        Self::NoSupportedIdp,
        Self::RequestDenied,
        Self::UnsupportedBinding,
        Self::UnknownPrincipal,
    ];

    /// The URI on the wire.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::AuthnFailed => "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed",
            Self::InvalidNameIdPolicy => "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy",
            Self::NoAuthnContext => "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext",
            Self::NoPassive => "urn:oasis:names:tc:SAML:2.0:status:NoPassive",
            Self::NoSupportedIdp => "urn:oasis:names:tc:SAML:2.0:status:NoSupportedIDP",
            Self::RequestDenied => "urn:oasis:names:tc:SAML:2.0:status:RequestDenied",
            Self::UnsupportedBinding => "urn:oasis:names:tc:SAML:2.0:status:UnsupportedBinding",
            Self::UnknownPrincipal => "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn top_level(self) -> StatusCode {
        match self {
            Self::InvalidNameIdPolicy | Self::NoSupportedIdp | Self::UnsupportedBinding => StatusCode::Requester,
            Self::AuthnFailed
            | Self::NoAuthnContext
            | Self::NoPassive
            | Self::RequestDenied
            | Self::UnknownPrincipal => StatusCode::Responder,
        }
    }
}

/// An error status and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReply {
    /// The registered address the response is posted to.
    pub acs: String,
    /// The request it answers; `None` when nobody asked.
    pub in_response_to: Option<String>,
    /// What goes back beside it.
    pub relay_state: Option<RelayState>,
    /// What happened.
    pub status: SecondLevel,
    /// How it is signed.
    pub signature_algorithm: SignatureAlgorithm,
}

/// A signed Response without an assertion that says why.
///
/// # Errors
/// The random source or the key failed.
pub fn status_response(
    reply: &StatusReply,
    idp: &IdentityProvider,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<SignedResponse, IssueError> {
    let id = new_id(entropy)?;
    let parts = ResponseParts {
        id: id.clone(),
        issue_instant: now,
        destination: Text::new("the address", &reply.acs)?,
        in_response_to: reply.in_response_to.as_deref().map(|id| Text::new("the request's id", id)).transpose()?,
        issuer: Text::new("the entity id", &idp.entity_id)?,
        content: Err(StatusParts { top: reply.status.top_level().uri(), second: reply.status.uri() }),
    };
    let xml = idp.keys.sign_element(&response(&parts)?, &id, reply.signature_algorithm)?;
    Ok(SignedResponse {
        id,
        assertion_id: None,
        roles: Vec::new(),
        acs: reply.acs.clone(),
        relay_state: reply.relay_state.clone(),
        sha256: sha256_hex(xml.as_bytes()),
        xml,
    })
}

#[cfg(test)]
mod tests;
