//! From a query or a form to a message that may be acted on.

use super::parse::{self, Content, Message};
use super::{AppAnswer, LogoutError, LogoutMessage, VerifiedLogoutRequest, Word};
use crate::clock::Timestamp;
use crate::domain::RelayState;
use crate::saml::binding::Fields;
use crate::saml::issuer::IdentityProvider;
use crate::saml::request::{MAX_AGE_SECONDS, MAX_AHEAD_SECONDS, Registry};
use crate::saml::service_provider::ServiceProvider;
use crate::saml::verify as signature;
use crate::saml::xml::{self, wrong};

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

/// Reads the query of the HTTP-Redirect binding, as it stood in the address.
///
/// # Errors
/// It is missing, doubled, too large, or no logout message.
pub fn receive_redirect(raw_query: &str) -> Result<Received, LogoutError> {
    let fields = Fields::of_query(raw_query)?;
    let (xml, is_request) = message(&fields)?;
    let signature = if fields.has_signature() { Signature::Query(raw_query.to_owned()) } else { Signature::None };
    read(&xml, is_request, fields.relay_state()?, signature)
}

/// Reads the fields of the HTTP-POST binding.
///
/// # Errors
/// It is missing, doubled, too large, or no logout message.
pub fn receive_post<'a>(form: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Received, LogoutError> {
    let fields = Fields::of_form(form)?;
    let (xml, is_request) = message(&fields)?;
    let signed = signature::is_signed(&xml::parse(&xml, xml::MESSAGE)?)?;
    let signature = if signed { Signature::Enveloped(xml.clone()) } else { Signature::None };
    read(&xml, is_request, fields.relay_state()?, signature)
}

/// The one message, and whether it calls itself a request.
fn message(fields: &Fields<'_>) -> Result<(String, bool), LogoutError> {
    match (fields.request(), fields.response()) {
        (Some(_), Some(_)) => Err(LogoutError::Both),
        (Some(request), None) => Ok((fields.decoded(request)?, true)),
        (None, Some(response)) => Ok((fields.decoded(response)?, false)),
        (None, None) => Err(LogoutError::Missing),
    }
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
