//! Single logout (SAML core §3.7, profiles §4.4) over the browser: messages written and signed (`send`), and messages read and
//! believed (`receive`, `parse`). Which apps are told, and in which order, is decided elsewhere (`signin`).
//!
//! Whatever signs somebody out is signed: an unsigned LogoutRequest is refused, or any page with an image on it could end
//! sessions. An unsigned LogoutResponse is taken for what it is, the word of nobody in particular.

mod parse;
mod receive;
mod send;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::binding::BindingError;
use super::verify::VerifyError;
use super::xml::ReadError;
use crate::clock::Timestamp;
use crate::domain::{AppId, NameId, NameIdFormat, RelayState};

pub use receive::{Received, receive_post, receive_redirect, verify};
pub use send::{AnswerOrder, Carrier, RequestOrder, SignedMessage, answer, request};

/// A logout message that nothing is done about: a page with status 400, and nobody is sent anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogoutError {
    /// There is neither `SAMLRequest` nor `SAMLResponse`.
    #[error("there is no `SAMLRequest` and no `SAMLResponse`")]
    Missing,
    /// There are both.
    #[error("there is a `SAMLRequest` and a `SAMLResponse`")]
    Both,
    /// Nothing can be taken from the query or the form.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// It is not the XML of a logout message.
    #[error("the message is no logout message: {0}")]
    Malformed(#[from] ReadError),
    /// No app has this entity id.
    #[error("no app is registered under the issuer `{0}`")]
    UnknownIssuer(String),
    /// The app has no address for logout messages, so nothing could be answered.
    #[error("app `{0}` has no `logout` address")]
    NoAddress(AppId),
    /// A request without a signature.
    #[error("the logout request of app `{0}` is not signed")]
    Unsigned(AppId),
    /// The app has no certificate that a signature could be checked with.
    #[error("app `{0}` has no `request_certificates` that its signature could be checked with")]
    NoCertificate(AppId),
    /// A signature that is not the app's.
    #[error("the signature does not verify: {0}")]
    Signature(#[from] VerifyError),
    /// What the app's metadata says has ended.
    #[error("the metadata of app `{0}` has ended: nothing is taken from it or sent to it until there is a new one")]
    MetadataEnded(AppId),
    /// It was meant for somebody else, or says for nobody.
    #[error("the message is addressed to `{0}`, not to us")]
    Destination(String),
    /// It is older than five minutes or from the future.
    #[error("the message was issued at `{0}`: too old, or from the future")]
    IssueInstant(Timestamp),
    /// Its own time is over.
    #[error("the message was good until `{0}`")]
    Expired(Timestamp),
}

/// Whom a request names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Name {
    format: Option<String>,
    value: String,
}

/// A LogoutRequest that its app signed. Serialisable, so that it can be sealed into an address; open only what was sealed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedLogoutRequest {
    id: String,
    app: AppId,
    name: Name,
    session_indexes: Vec<String>,
    relay_state: Option<RelayState>,
    issue_instant: Timestamp,
    digest: String,
}

impl VerifiedLogoutRequest {
    /// Its `ID`, for InResponseTo and to be consumed once.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The app that asks.
    #[must_use]
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// What goes back beside the answer.
    #[must_use]
    pub fn relay_state(&self) -> Option<&RelayState> {
        self.relay_state.as_ref()
    }

    /// When it was sent.
    #[must_use]
    pub fn issue_instant(&self) -> Timestamp {
        self.issue_instant
    }

    /// SHA-256 of its XML in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it names no session: it means all of the person's (SAML core §3.7.1). Only the one in the browser that carries
    /// it can be ended here, so `Success` is no answer to it.
    #[must_use]
    pub fn names_no_session(&self) -> bool {
        self.session_indexes.is_empty()
    }

    /// Whether it means the session that was told under this name and index: both are compared as they were sent. A request
    /// that [names none](Self::names_no_session) means this one among others.
    #[must_use]
    pub fn means(&self, name_id: &NameId, session_index: &str) -> bool {
        let unspecified = NameIdFormat::Unspecified.uri();
        let format =
            self.name.format.as_deref().is_none_or(|asked| asked == name_id.format.uri() || asked == unspecified);
        let index = self.session_indexes.is_empty() || self.session_indexes.iter().any(|asked| asked == session_index);
        format && index && self.name.value == name_id.value
    }
}

/// What is answered to an app that signed somebody out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Here and in every app of the session.
    Everywhere,
    /// Here, but not in every app; or which apps there are is not known here; or other sessions of the person may live on.
    Partly,
    /// Whoever is signed in here is not the one it named.
    NobodyHere,
}

/// What an app answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// It signed the person out, and says so under its signature.
    SignedOut,
    /// It did not, or not everywhere.
    Failed,
    /// It says something, but nobody knows whether it is the app that says it.
    Unsigned,
}

/// A LogoutResponse of an app. Serialisable like [`VerifiedLogoutRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppAnswer {
    app: AppId,
    in_response_to: String,
    word: Word,
}

impl AppAnswer {
    /// Who answers.
    #[must_use]
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// The request of ours that it answers.
    #[must_use]
    pub fn in_response_to(&self) -> &str {
        &self.in_response_to
    }

    /// What it says.
    #[must_use]
    pub fn word(&self) -> Word {
        self.word
    }
}

/// A message that may be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogoutMessage {
    /// An app signs somebody out.
    Request(VerifiedLogoutRequest),
    /// An app answers.
    Answer(AppAnswer),
}

/// Reads any logout message with the strict parser, for who throws hostile input at it.
pub fn fuzz_parse(xml: &str) {
    let _ = parse::message(xml);
}
