//! What an assertion will say, before policies permit it. The issuer gets it back out of the permit.

use serde::{Deserialize, Serialize};

use super::{AppId, AuthnContextClass, Encryption, RelayState, RoleName};
use crate::clock::Timestamp;

/// How the subject is named (SAML core §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum NameIdFormat {
    /// `urn:oasis:names:tc:SAML:2.0:nameid-format:persistent`
    #[serde(rename = "persistent")]
    Persistent,
    /// `urn:oasis:names:tc:SAML:2.0:nameid-format:transient`
    #[serde(rename = "transient")]
    Transient,
    /// `urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress`
    #[serde(rename = "emailAddress")]
    EmailAddress,
    /// `urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified`
    #[serde(rename = "unspecified")]
    Unspecified,
}

impl NameIdFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Persistent, Self::Transient, Self::EmailAddress, Self::Unspecified];

    /// The URI on the wire.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Persistent => "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            Self::Transient => "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
            Self::EmailAddress => "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            Self::Unspecified => "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
        }
    }
}

/// The subject's name for one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// How to read it.
    pub format: NameIdFormat,
    /// The name.
    pub value: String,
}

/// How an attribute's name is to be read (SAML core §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NameFormat {
    /// `urn:oasis:names:tc:SAML:2.0:attrname-format:uri`
    Uri,
    /// `urn:oasis:names:tc:SAML:2.0:attrname-format:basic`
    Basic,
    /// `urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified`
    Unspecified,
}

impl NameFormat {
    /// The one that fits `name`: `uri` for names with a colon, else `basic`.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        if name.contains(':') { Self::Uri } else { Self::Basic }
    }

    /// The URI on the wire.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Uri => "urn:oasis:names:tc:SAML:2.0:attrname-format:uri",
            Self::Basic => "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
            Self::Unspecified => "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified",
        }
    }
}

/// One attribute and its values, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The `Name`.
    pub name: String,
    /// The `NameFormat`.
    pub format: NameFormat,
    /// The `FriendlyName`: for people who read the assertion.
    pub friendly_name: Option<String>,
    /// At least one value.
    pub values: Vec<String>,
}

impl Attribute {
    /// An attribute whose format follows from its name, without a friendly one.
    #[must_use]
    pub fn new(name: impl Into<String>, values: Vec<String>) -> Self {
        let name = name.into();
        Self { format: NameFormat::of_name(&name), friendly_name: None, name, values }
    }
}

/// A role the app offers, and the value that stands for it in the assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleCandidate {
    /// The role that `assumeRole` is asked for.
    pub name: RoleName,
    /// What the role attribute says for it (AWS: `role-arn,provider-arn`).
    pub value: String,
}

/// Which element carries the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignMode {
    /// The Assertion.
    #[default]
    Assertion,
    /// The Response.
    Response,
    /// Both, the Assertion first.
    Both,
}

/// How what leaves here is signed (RFC 9231 names the algorithms).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureAlgorithm {
    /// RSA (PKCS#1 v1.5) with SHA-256: what everybody takes.
    #[default]
    RsaSha256,
    /// RSA (PKCS#1 v1.5) with SHA-384.
    RsaSha384,
    /// RSA (PKCS#1 v1.5) with SHA-512.
    RsaSha512,
    /// ECDSA on P-256 with SHA-256. Needs a key of its own.
    EcdsaSha256,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RsaSha256, Self::RsaSha384, Self::RsaSha512, Self::EcdsaSha256];

    /// The URI of `ds:SignatureMethod` and `SigAlg`.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        }
    }
}

/// Everything an assertion would say. `policy` turns it into an `IssuePermit` or refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueRequest {
    /// The app it is for.
    pub app: AppId,
    /// The `Audience`: the service provider's entity id.
    pub audience: String,
    /// Where the response is posted: `Destination` and `Recipient`.
    pub acs: String,
    /// The AuthnRequest it answers; `None` when nobody asked (IdP-initiated).
    pub in_response_to: Option<String>,
    /// What goes back beside the response.
    pub relay_state: Option<RelayState>,
    /// The subject.
    pub name_id: NameId,
    /// All attributes but the role attribute.
    pub attributes: Vec<Attribute>,
    /// The name of the role attribute, for apps with roles.
    pub role_attribute: Option<String>,
    /// The roles asked about; only permitted ones enter the assertion.
    pub roles: Vec<RoleCandidate>,
    /// `SessionIndex`.
    pub session_index: String,
    /// `AuthnInstant`.
    pub authn_instant: Timestamp,
    /// `SessionNotOnOrAfter`.
    pub session_not_on_or_after: Option<Timestamp>,
    /// `AuthnContextClassRef`.
    pub authn_context: AuthnContextClass,
    /// Which element is signed.
    pub sign: SignMode,
    /// How.
    pub signature_algorithm: SignatureAlgorithm,
    /// What only the service provider reads; `None` = nothing is encrypted.
    pub encryption: Option<Encryption>,
}
