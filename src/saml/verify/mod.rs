//! Signatures of others: of requests, of logout messages, of metadata. A key is one that config or checked metadata names;
//! what stands in `ds:KeyInfo` is never looked at.
//!
//! What was verified is what is read: [`enveloped`] gives back the canonical text of exactly what was digested, and callers read
//! that and forget what came. Likewise what SignedInfo says is read from the octets whose signature was checked.

mod agree;
mod algorithm;
mod enveloped;
mod form;
mod query;
#[cfg(test)]
mod tests;

use super::xml::ReadError;

pub(super) use enveloped::enveloped;
pub(super) use form::is_signed;
pub(super) use query::query;

/// A signature that is missing, of a form that is not accepted, or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no signature.
    #[error("it is not signed")]
    Unsigned,
    /// Something else than the one signature over the whole message that is accepted.
    #[error("its signature is not acceptable: {0}")]
    Form(&'static str),
    /// An algorithm that is too weak, or not one of those accepted here.
    #[error(
        "its signature uses `{0}`: accepted are rsa-sha256, rsa-sha384, rsa-sha512, ecdsa-sha256 and ecdsa-sha384 over \
         SHA-256, SHA-384 or SHA-512, with canonical XML 1.0 or exclusive canonical XML without comments"
    )]
    Algorithm(String),
    /// What was signed is something else.
    #[error("it was changed after it was signed")]
    Digest,
    /// No registered key made the signature.
    #[error("its signature was made by none of the registered certificates")]
    Signature,
    /// The XML is not read.
    #[error(transparent)]
    Xml(#[from] ReadError),
}
