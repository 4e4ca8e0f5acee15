//! From a query or a form to a message that may be acted on.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::parse::{self, Content, Message};
use super::{AppAnswer, LogoutError, LogoutMessage, VerifiedLogoutRequest, Word};
use crate::clock::Timestamp;
use crate::domain::RelayState;
use crate::saml::encode::{self, EncodingError};
use crate::saml::issuer::IdentityProvider;
use crate::saml::request::{MAX_AGE_SECONDS, MAX_AHEAD_SECONDS, Registry};
use crate::saml::service_provider::ServiceProvider;
use crate::saml::verify as signature;
use crate::saml::xml::{self, wrong};

/// The longest query that is looked at.
const MAX_QUERY_BYTES: usize = 128 * 1024;
/// The most parameters or form fields that are looked at.
const MAX_FIELDS: usize = 32;

/// What was sent, read but not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    message: Message,
    relay_state: Option<RelayState>,
    signature: Signature,
}

/// Where the signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Signature {
    /// Nowhere.
    None,
    /// In the query, over its raw octets.
    Query(String),
    /// In the document.
    Enveloped(String),
}

/// The parameters that matter, each at most once.
#[derive(Default)]
struct Fields<'a> {
    request: Option<Cow<'a, str>>,
    response: Option<Cow<'a, str>>,
    relay_state: Option<Cow<'a, str>>,
    encoding: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    algorithm: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    fn add(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), LogoutError> {
        let (slot, name) = match name {
            "SAMLRequest" => (&mut self.request, "SAMLRequest"),
            "SAMLResponse" => (&mut self.response, "SAMLResponse"),
            "RelayState" => (&mut self.relay_state, "RelayState"),
            "SAMLEncoding" => (&mut self.encoding, "SAMLEncoding"),
            "Signature" => (&mut self.signature, "Signature"),
            "SigAlg" => (&mut self.algorithm, "SigAlg"),
            _ => return Ok(()),
        };
        if slot.replace(value).is_some() { Err(LogoutError::Duplicate(name)) } else { Ok(()) }
    }

    /// The one message, and whether it calls itself a request.
    fn message(&self) -> Result<(&str, bool), LogoutError> {
        match (self.request.as_deref(), self.response.as_deref()) {
            (Some(_), Some(_)) => Err(LogoutError::Both),
            (Some(request), None) => Ok((request, true)),
            (None, Some(response)) => Ok((response, false)),
            (None, None) => Err(LogoutError::Missing),
        }
    }

    fn relay_state(&self) -> Result<Option<RelayState>, LogoutError> {
        Ok(self.relay_state.as_deref().map(RelayState::parse).transpose()?)
    }
}

/// Reads the query of the HTTP-Redirect binding, as it stood in the address.
///
/// # Errors
/// It is missing, doubled, too large, or no logout message.
pub fn receive_redirect(raw_query: &str) -> Result<Received, LogoutError> {
    if raw_query.len() > MAX_QUERY_BYTES {
        return Err(LogoutError::TooLarge);
    }
    let mut fields = Fields::default();
    for (position, pair) in raw_query.split('&').enumerate() {
        if position >= MAX_FIELDS {
            return Err(LogoutError::TooLarge);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decode_str(name).decode_utf8_lossy();
        // A `+` is a space in a query, but base64 has no spaces: senders that forgot to encode it meant a plus.
        let value = if name == "RelayState" { Cow::Owned(value.replace('+', " ")) } else { Cow::Borrowed(value) };
        let value = percent_decode_str(&value).decode_utf8().map_err(|_| EncodingError::NotUtf8)?.into_owned();
        fields.add(&name, Cow::Owned(value))?;
    }
    if fields.encoding.as_deref().is_some_and(|e| e != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE") {
        return Err(EncodingError::NotDeflate.into());
    }
    let (value, is_request) = fields.message()?;
    let xml = encode::read_redirect(value, parse::MAX_XML_BYTES)?;
    let signature = match (&fields.signature, &fields.algorithm) {
        (None, None) => Signature::None,
        _ => Signature::Query(raw_query.to_owned()),
    };
    read(&xml, is_request, fields.relay_state()?, signature)
}

/// Reads the fields of the HTTP-POST binding.
///
/// # Errors
/// It is missing, doubled, too large, or no logout message.
pub fn receive_post<'a>(form: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Received, LogoutError> {
    let mut fields = Fields::default();
    for (position, (name, value)) in form.into_iter().enumerate() {
        if position >= MAX_FIELDS {
            return Err(LogoutError::TooLarge);
        }
        fields.add(name, Cow::Borrowed(value))?;
    }
    let (value, is_request) = fields.message()?;
    let xml = encode::read_post(value, parse::MAX_XML_BYTES)?;
    let signed = signature::is_signed(&xml::parse(&xml, xml::MESSAGE)?)?;
    let signature = if signed { Signature::Enveloped(xml.clone()) } else { Signature::None };
    read(&xml, is_request, fields.relay_state()?, signature)
}

fn read(
    xml: &str,
    is_request: bool,
    relay_state: Option<RelayState>,
    signature: Signature,
) -> Result<Received, LogoutError> {
    let document = xml::parse(xml, xml::MESSAGE)?;
    // With the Redirect binding the signature is in the query; one in the document is nothing that was agreed on.
    if !matches!(signature, Signature::Enveloped(_)) && signature::is_signed(&document)? {
        return Err(wrong("it holds a signature, which belongs into the query").into());
    }
    let message = parse::read(&document, xml)?;
    if is_request != matches!(message.content, Content::Request { .. }) {
        return Err(wrong("it came as the other kind of message").into());
    }
    Ok(Received { message, relay_state, signature })
}

/// Checks a message against what is registered, and its signature first of all.
///
/// # Errors
/// It is refused.
pub fn verify(
    received: &Received,
    registry: &(impl Registry + ?Sized),
    idp: &IdentityProvider,
    now: Timestamp,
) -> Result<LogoutMessage, LogoutError> {
    let issuer = &received.message.head.issuer;
    let sp = registry.by_entity_id(issuer).ok_or_else(|| LogoutError::UnknownIssuer(issuer.clone()))?;
    if sp.logout().is_none() {
        return Err(LogoutError::NoAddress(sp.app().id.clone()));
    }
    if !sp.is_valid_at(now) {
        return Err(LogoutError::MetadataEnded(sp.app().id.clone()));
    }
    let (message, is_signed) = signed(received, &sp)?;
    check_head(&message, &sp, idp, is_signed, now)?;
    match message.content {
        Content::Request { not_on_or_after, name, session_indexes } => {
            if !is_signed {
                return Err(LogoutError::Unsigned(sp.app().id.clone()));
            }
            if let Some(end) = not_on_or_after.filter(|end| now.as_second() - MAX_AHEAD_SECONDS >= end.as_second()) {
                return Err(LogoutError::Expired(end));
            }
            let foreign = name.qualifier.as_deref().is_some_and(|qualifier| qualifier != idp.entity_id())
                || name.sp_qualifier.as_deref().is_some_and(|qualifier| qualifier != sp.entity_id());
            if foreign {
                return Err(wrong("its `NameID` is qualified by somebody else's name").into());
            }
            Ok(LogoutMessage::Request(VerifiedLogoutRequest {
                id: message.head.id,
                app: sp.app().id.clone(),
                name: name.name,
                session_indexes,
                relay_state: received.relay_state.clone(),
                issue_instant: message.head.issue_instant,
                digest: message.head.digest,
            }))
        }
        Content::Response { in_response_to, success } => {
            let word = match (is_signed, success) {
                (true, true) => Word::SignedOut,
                (true, false) => Word::Failed,
                (false, _) => Word::Unsigned,
            };
            Ok(LogoutMessage::Answer(AppAnswer { app: sp.app().id.clone(), in_response_to, word }))
        }
    }
}

/// The message as far as the signature covers it, and whether there is one. With an enveloped signature, what was verified is
/// read anew, and nothing else.
fn signed(received: &Received, sp: &ServiceProvider) -> Result<(Message, bool), LogoutError> {
    let trusted = sp.request_certificates();
    if received.signature != Signature::None && trusted.is_empty() {
        return Err(LogoutError::NoCertificate(sp.app().id.clone()));
    }
    match &received.signature {
        Signature::None => Ok((received.message.clone(), false)),
        Signature::Query(raw) => {
            let parameter = match received.message.content {
                Content::Request { .. } => "SAMLRequest",
                Content::Response { .. } => "SAMLResponse",
            };
            signature::query(raw, parameter, trusted)?;
            Ok((received.message.clone(), true))
        }
        Signature::Enveloped(xml) => {
            let verified = parse::message(&signature::enveloped(xml, trusted, xml::MESSAGE)?)?;
            let same_kind = matches!(verified.content, Content::Request { .. })
                == matches!(received.message.content, Content::Request { .. });
            if !same_kind || verified.head.issuer != sp.entity_id() {
                return Err(wrong("what is signed is another message").into());
            }
            Ok((verified, true))
        }
    }
}

fn check_head(
    message: &Message,
    sp: &ServiceProvider,
    idp: &IdentityProvider,
    is_signed: bool,
    now: Timestamp,
) -> Result<(), LogoutError> {
    let head = &message.head;
    debug_assert_eq!(head.issuer, sp.entity_id());
    // Signed messages say whom they are for (SAML bindings §3.4.5.2, §3.5.5.2).
    match &head.destination {
        None if is_signed => return Err(LogoutError::Destination(String::new())),
        Some(destination) if destination != idp.slo_url() => return Err(LogoutError::Destination(destination.clone())),
        _ => {}
    }
    let age = now.as_second() - head.issue_instant.as_second();
    if (-MAX_AHEAD_SECONDS..=MAX_AGE_SECONDS).contains(&age) {
        Ok(())
    } else {
        Err(LogoutError::IssueInstant(head.issue_instant))
    }
}
