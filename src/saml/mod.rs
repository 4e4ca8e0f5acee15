//! SAML 2.0 as an identity provider: requests in, responses out, and the metadata that tells service providers whom to
//! trust. With the demo's service provider this is the only place that knows samael.
//!
//! In the order of a sign-in: [`request`] reads and checks an AuthnRequest, [`service_provider`] knows what an app wants to
//! be told, [`issuer`] turns a permit into a signed Response, [`encode`] packs it for the browser. `wire` is the only writer
//! of SAML XML, `encrypt` hides from others what only the service provider may read, [`sign`] is the only user of the private
//! keys, which [`keys`] keeps, `verify` checks the signatures of others.
//!
//! Not here: whether somebody may sign in (`policy`), sessions and pages (`signin`, `web`).

mod binding;
pub mod catalogue;
pub mod certificate;
pub mod encode;
mod encrypt;
pub mod issuer;
pub mod keys;
pub mod logout;
pub mod metadata;
mod rehearsal;
pub mod request;
pub mod service_provider;
pub mod sign;
pub mod sp_metadata;
mod verify;
mod wire;
mod xml;

pub use binding::BindingError;
pub use certificate::{Certificate, CertificateError};
pub use encrypt::EncryptError;
pub use issuer::{IdentityProvider, IssueError, SecondLevel, SignedResponse, StatusCode, StatusReply};
pub use keys::{KeyFolder, KeyStore, KeysError, Published};
pub use metadata::{Metadata, MetadataError, Validity};
pub use rehearsal::rehearse;
pub use request::{Parsed, Refusal, Registry, RequestError, VerifiedAuthnRequest};
pub use service_provider::{IssueContext, MappingError, ServiceProvider, Supplied};
pub use sign::{KeyFailed, SignError, SigningKey, SigningKeys};
pub use sp_metadata::{Entities, SpMetadata, SpMetadataError};
pub use verify::VerifyError;
pub use wire::{TextError, WireError};
pub use xml::ReadError;

#[cfg(test)]
pub(crate) mod fixtures;

/// The namespaces of SAML 2.0, of XML signatures and of XML encryption.
pub(crate) mod ns {
    pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
    pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
    pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
    pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
    pub(crate) const ENCRYPTION: &str = "http://www.w3.org/2001/04/xmlenc#";
    pub(crate) const ENCRYPTION11: &str = "http://www.w3.org/2009/xmlenc11#";
}

/// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST`
pub(crate) const BINDING_POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
/// `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect`
pub(crate) const BINDING_REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
