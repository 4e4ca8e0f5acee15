//! Messages of ours: written, signed, and packed for the browser.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Outcome;
use crate::clock::{Entropy, Timestamp};
use crate::domain::{Encryption, LogoutBinding, LogoutEndpoint, NameId, RelayState, SignatureAlgorithm};
use crate::saml::encode;
use crate::saml::encrypt::seal;
use crate::saml::issuer::{IdentityProvider, IssueError, VALID_SECONDS, new_id, sha256_hex};
use crate::saml::sign::SignError;
use crate::saml::wire::{
    self, LogoutRequestParts, LogoutResponseParts, Text, WireError, logout_request, logout_response,
};

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";
const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
const PARTIAL: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";
const UNKNOWN_PRINCIPAL: &str = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal";

/// Everything but the unreserved characters of RFC 3986 §2.3.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whom to sign out where.
#[derive(Debug, Clone)]
pub struct RequestOrder {
    /// Where the app takes it.
    pub endpoint: LogoutEndpoint,
    /// What the app was told the person is called.
    pub name_id: NameId,
    /// What the app was told the session is called.
    pub session_index: String,
    /// How the name is encrypted, for an app whose assertions or names are.
    pub encryption: Option<Encryption>,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
}

/// What to answer to an app that signed somebody out.
#[derive(Debug, Clone)]
pub struct AnswerOrder {
    /// Where the app takes it.
    pub endpoint: LogoutEndpoint,
    /// The request it answers.
    pub in_response_to: String,
    /// What goes back beside it.
    pub relay_state: Option<RelayState>,
    /// What it says.
    pub outcome: Outcome,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
}

/// How a message gets to the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// The browser is sent to this address.
    Redirect(String),
    /// The browser posts a form.
    Post {
        /// Where.
        url: String,
        /// `SAMLRequest` or `SAMLResponse`.
        field: &'static str,
        /// The message in base64.
        value: String,
        /// What goes along.
        relay_state: Option<RelayState>,
    },
}

/// A signed message, ready for the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedMessage {
    /// Its `ID`.
    pub id: String,
    /// Where it goes, without the message.
    pub destination: String,
    /// Its status codes, of an answer.
    pub status: Option<&'static str>,
    /// SHA-256 of the XML, in hex: what the journal keeps of it.
    pub sha256: String,
    /// How it gets there.
    pub carrier: Carrier,
}

/// A signed LogoutRequest.
///
/// # Errors
/// A value cannot stand in XML, nothing can be encrypted for the app, or the random source or the key failed.
pub fn request(
    order: &RequestOrder,
    idp: &IdentityProvider,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<SignedMessage, IssueError> {
    let id = new_id(entropy)?;
    let end = Timestamp::from_second(now.as_second().saturating_add(VALID_SECONDS));
    let parts = LogoutRequestParts {
        id: id.clone(),
        issue_instant: now,
        not_on_or_after: end.map_err(|_| WireError::Instant(now))?,
        destination: Text::new("the address", &order.endpoint.url)?,
        issuer: Text::new("the entity id", idp.entity_id())?,
        name_id_format: order.name_id.format.uri(),
        name_id: Text::new("the NameID", &order.name_id.value)?,
        session_index: Text::new("the session index", &order.session_index)?,
    };
    let mut xml = logout_request(&parts)?;
    if let Some(how) = &order.encryption {
        let name_id = wire::name_id(parts.name_id_format, &parts.name_id)?;
        xml = wire::hide_logout_name_id(&xml, &parts, &seal(&name_id, how, entropy)?)?;
    }
    let packing = Packing {
        field: "SAMLRequest",
        url: &order.endpoint.url,
        binding: order.endpoint.binding,
        relay_state: None,
        algorithm: order.algorithm,
    };
    packing.pack(id, xml, None, idp)
}

/// A signed LogoutResponse.
///
/// # Errors
/// As [`request`].
pub fn answer(
    order: &AnswerOrder,
    idp: &IdentityProvider,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<SignedMessage, IssueError> {
    let id = new_id(entropy)?;
    let (status, second) = match order.outcome {
        Outcome::Everywhere => (SUCCESS, None),
        Outcome::Partly => (RESPONDER, Some(PARTIAL)),
        Outcome::NobodyHere => (REQUESTER, Some(UNKNOWN_PRINCIPAL)),
    };
    let parts = LogoutResponseParts {
        id: id.clone(),
        issue_instant: now,
        destination: Text::new("the address", &order.endpoint.response_url)?,
        in_response_to: Text::new("the request's id", &order.in_response_to)?,
        issuer: Text::new("the entity id", idp.entity_id())?,
        status,
        second,
    };
    let xml = logout_response(&parts)?;
    let packing = Packing {
        field: "SAMLResponse",
        url: &order.endpoint.response_url,
        binding: order.endpoint.binding,
        relay_state: order.relay_state.as_ref(),
        algorithm: order.algorithm,
    };
    packing.pack(id, xml, Some(second.unwrap_or(status)), idp)
}

struct Packing<'a> {
    field: &'static str,
    url: &'a str,
    binding: LogoutBinding,
    relay_state: Option<&'a RelayState>,
    algorithm: SignatureAlgorithm,
}

impl Packing<'_> {
    fn pack(
        &self,
        id: String,
        xml: String,
        status: Option<&'static str>,
        idp: &IdentityProvider,
    ) -> Result<SignedMessage, IssueError> {
        let (xml, carrier) = match self.binding {
            LogoutBinding::Redirect => {
                let address = self.address(&xml, idp)?;
                (xml, Carrier::Redirect(address))
            }
            LogoutBinding::Post => {
                let signed = idp.keys().sign_element(&xml, &id, self.algorithm)?;
                let value = encode::post(&signed);
                let (url, relay_state) = (self.url.to_owned(), self.relay_state.cloned());
                (signed, Carrier::Post { url, field: self.field, value, relay_state })
            }
        };
        let sha256 = sha256_hex(xml.as_bytes());
        Ok(SignedMessage { id, destination: self.url.to_owned(), status, sha256, carrier })
    }

    /// The address with the message and its signature: over the octets as they stand there, in this order (SAML bindings
    /// §3.4.4.1).
    fn address(&self, xml: &str, idp: &IdentityProvider) -> Result<String, IssueError> {
        // A space as `+`, as forms do: receivers that write the query anew before they check it write it so.
        let encoded = |value: &str| utf8_percent_encode(value, VALUE).to_string().replace("%20", "+");
        let message = encode::redirect(xml).map_err(|e| WireError::Write(e.to_string()))?;
        let mut query = format!("{}={}", self.field, encoded(&message));
        if let Some(relay_state) = self.relay_state {
            query.push_str(&format!("&RelayState={}", encoded(relay_state.as_str())));
        }
        query.push_str(&format!("&SigAlg={}", encoded(self.algorithm.uri())));
        let key = idp.keys().key(self.algorithm)?;
        let signature = key.sign(self.algorithm, query.as_bytes()).map_err(|_| SignError::Key)?;
        let joint = if self.url.contains('?') { '&' } else { '?' };
        Ok(format!("{}{joint}{query}&Signature={}", self.url, encoded(&STANDARD.encode(signature))))
    }
}
