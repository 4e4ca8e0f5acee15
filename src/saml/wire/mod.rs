//! The only writer of SAML XML. It writes through samael's model types, which do not escape element text: every value enters
//! as [`Text`], and what was written is read back and compared before anybody signs it (`readback`).

mod encrypted;
mod logout;
pub(super) mod readback;
mod response;
mod text;

pub(super) use encrypted::{Sealed, assertion, hide_assertion, hide_logout_name_id, hide_name_id, name_id};
pub(super) use logout::{LogoutRequestParts, LogoutResponseParts, logout_request, logout_response};
pub(super) use response::{AssertionParts, AttributeParts, ResponseParts, StatusParts, response};
pub use text::TextError;
pub(super) use text::{Text, escape};

/// A message that could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A value cannot stand in XML.
    #[error(transparent)]
    Text(#[from] TextError),
    /// samael's writer failed.
    #[error("the message could not be written: {0}")]
    Write(String),
    /// What was written does not say what was meant.
    #[error("the message does not say what was meant: {0}")]
    ReadBack(String),
    /// An instant outside the years SAML can say.
    #[error("`{0}` is no instant a message can hold")]
    Instant(crate::clock::Timestamp),
}
