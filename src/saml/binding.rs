//! How messages come in: the parameters of a query (HTTP-Redirect, SAML bindings §3.4) or the fields of a form (HTTP-POST, §3.5),
//! each at most once and within limits. What the message in them says is another matter (`request`, `logout`).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::encode::{self, EncodingError};
use crate::domain::{RelayState, RelayStateError};

/// What a message may measure; real ones have some thousand bytes.
const MAX_XML_BYTES: usize = 64 * 1024;
/// The longest query that is looked at.
const MAX_QUERY_BYTES: usize = 128 * 1024;
/// The most parameters or form fields that are looked at.
const MAX_FIELDS: usize = 32;
/// The only encoding of a query that is read, and the one meant when none is named.
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";

/// Parameters or fields that no message can be taken from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// A parameter stands there twice.
    #[error("the parameter `{0}` stands there more than once")]
    Duplicate(&'static str),
    /// Too much to look at.
    #[error("the message is larger than allowed")]
    TooLarge,
    /// The RelayState cannot be sent back.
    #[error(transparent)]
    RelayState(#[from] RelayStateError),
    /// It does not decode, or is too large.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding {
    Redirect,
    Post,
}

/// The parameters that matter.
pub(super) struct Fields<'a> {
    binding: Binding,
    request: Option<Cow<'a, str>>,
    response: Option<Cow<'a, str>>,
    relay_state: Option<Cow<'a, str>>,
    encoding: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    algorithm: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Of a query, as it stood in the address.
    pub(super) fn of_query(raw_query: &'a str) -> Result<Self, BindingError> {
        if raw_query.len() > MAX_QUERY_BYTES {
            return Err(BindingError::TooLarge);
        }
        let mut fields = Self::new(Binding::Redirect);
        for (position, pair) in raw_query.split('&').enumerate() {
            if position >= MAX_FIELDS {
                return Err(BindingError::TooLarge);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decode_str(name).decode_utf8_lossy();
            // A `+` is a space in a query, but base64 has no spaces: senders that forgot to encode it meant a plus.
            let value = if name == "RelayState" { Cow::Owned(value.replace('+', " ")) } else { Cow::Borrowed(value) };
            let value = percent_decode_str(&value).decode_utf8().map_err(|_| EncodingError::NotUtf8)?.into_owned();
            fields.add(&name, Cow::Owned(value))?;
        }
        if fields.encoding.as_deref().is_some_and(|encoding| encoding != DEFLATE) {
            return Err(EncodingError::NotDeflate.into());
        }
        Ok(fields)
    }

    /// Of a form.
    pub(super) fn of_form(form: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BindingError> {
        let mut fields = Self::new(Binding::Post);
        for (position, (name, value)) in form.into_iter().enumerate() {
            if position >= MAX_FIELDS {
                return Err(BindingError::TooLarge);
            }
            fields.add(name, Cow::Borrowed(value))?;
        }
        Ok(fields)
    }

    fn new(binding: Binding) -> Self {
        let (request, response, relay_state) = (None, None, None);
        Self { binding, request, response, relay_state, encoding: None, signature: None, algorithm: None }
    }

    fn add(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), BindingError> {
        let (slot, name) = match name {
            "SAMLRequest" => (&mut self.request, "SAMLRequest"),
            "SAMLResponse" => (&mut self.response, "SAMLResponse"),
            "RelayState" => (&mut self.relay_state, "RelayState"),
            "SAMLEncoding" => (&mut self.encoding, "SAMLEncoding"),
            "Signature" => (&mut self.signature, "Signature"),
            "SigAlg" => (&mut self.algorithm, "SigAlg"),
            _ => return Ok(()),
        };
        if slot.replace(value).is_some() { Err(BindingError::Duplicate(name)) } else { Ok(()) }
    }

    /// The value of `SAMLRequest`, still encoded.
    pub(super) fn request(&self) -> Option<&str> {
        self.request.as_deref()
    }

    /// The value of `SAMLResponse`, still encoded.
    pub(super) fn response(&self) -> Option<&str> {
        self.response.as_deref()
    }

    /// The XML of one of these values.
    pub(super) fn decoded(&self, value: &str) -> Result<String, BindingError> {
        Ok(match self.binding {
            Binding::Redirect => encode::read_redirect(value, MAX_XML_BYTES)?,
            Binding::Post => encode::read_post(value, MAX_XML_BYTES)?,
        })
    }

    /// What goes back beside the answer.
    pub(super) fn relay_state(&self) -> Result<Option<RelayState>, BindingError> {
        Ok(self.relay_state.as_deref().map(RelayState::parse).transpose()?)
    }

    /// Whether a signature stands beside the message, or a part of one.
    pub(super) fn has_signature(&self) -> bool {
        self.signature.is_some() || self.algorithm.is_some()
    }
}
