//! `[[apps]]`: the service providers people sign in to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::attributes::{AttributeConfig, NameConfig, attributes_schema, name_schema};
use super::logout::{LogoutConfig, address_or_table, logout_schema};
use super::{MetadataSource, ZoneName};
use crate::domain::{
    AppId, EncryptionAlgorithm, GroupName, KeyTransport, NameIdFormat, RoleName, SignMode, SignatureAlgorithm,
};

/// The icons a tile may have.
pub const APP_ICONS: [&str; 18] = [
    "cloud", "book", "chat", "code", "chart", "people", "ticket", "mail", "video", "folder", "box", "branch", "board",
    "pulse", "bug", "note", "gear", "key",
];

/// One `[[apps]]` block as written: what a preset fills in is filled in by `saml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// The name in policies (`App::"aws"`) and addresses (`/launch/aws`).
    #[schemars(extend("format" = "app-id"))]
    pub id: AppId,
    /// What people read on the tile. Left out, the preset's name or the id.
    #[serde(default)]
    #[schemars(extend("format" = "display-name"))]
    pub name: Option<String>,
    /// Known values for a well-known app: entity id, addresses, attributes.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// The entity ID of the service provider. Needed without a preset.
    #[serde(default)]
    #[schemars(extend("format" = "entity-id"))]
    pub entity_id: Option<String>,
    /// The metadata of the service provider: a file, or the https address it is fetched from.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "metadata-source"))]
    pub metadata: Option<MetadataSource>,
    /// The file with the certificate that the metadata must be signed by, PEM.
    #[serde(default)]
    pub metadata_certificate: Option<PathBuf>,
    /// Where responses may be posted: one address or a list, the first the default. Needed without a preset.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(schema_with = "acs_schema")]
    pub acs: Vec<String>,
    /// What goes back with a response nobody asked for: the page of the app to open.
    #[serde(default)]
    #[schemars(extend("format" = "relay-state"))]
    pub relay_state: Option<String>,
    /// Send `relay_state` even when the request carried another one.
    #[serde(default)]
    pub relay_state_override: bool,
    /// Named pages of the app, opened by `/launch/ID?relay_state=NAME`.
    #[serde(default)]
    #[schemars(schema_with = "relay_states_schema")]
    pub relay_states: BTreeMap<String, String>,
    /// How many devices a person may use the app from, for policies to read; 0 is no limit.
    #[serde(default)]
    pub device_limit: u32,
    /// The IANA zone in which policies read hour and weekday for this app, whoever asks. Left out, it is the person's zone, and
    /// then the organisation's.
    #[serde(default)]
    #[schemars(extend("format" = "time-zone"))]
    pub time_zone: Option<ZoneName>,
    /// Which element carries the signature.
    #[serde(default)]
    pub sign: SignMode,
    /// How it is signed: `rsa-sha256`, `rsa-sha384`, `rsa-sha512` or `ecdsa-sha256`.
    #[serde(default)]
    pub signature_algorithm: SignatureAlgorithm,
    /// Whether requests of the app have to be signed: `accepted` or `required`.
    #[serde(default)]
    pub signed_requests: SignedRequests,
    /// Files with the certificates that the app signs its requests with, PEM.
    #[serde(default)]
    pub request_certificates: Vec<PathBuf>,
    /// The file with the certificate that what the app gets is encrypted for, PEM.
    #[serde(default)]
    pub encryption_certificate: Option<PathBuf>,
    /// What is encrypted for `encryption_certificate`: `nothing`, the `assertion`, or the `name-id` in it.
    #[serde(default)]
    pub encrypt: Encrypt,
    /// The cipher: `aes256-gcm` or `aes128-gcm`.
    #[serde(default)]
    pub encryption_algorithm: EncryptionAlgorithm,
    /// How the cipher's key gets there: `rsa-oaep-mgf1p`, which everybody reads, or `rsa-oaep-sha256`.
    #[serde(default)]
    pub key_transport: KeyTransport,
    /// Whether the app is told when the session here ends, and with it the app's own. Left out, it is, except with the preset
    /// `aws`.
    #[serde(default)]
    pub session_end: Option<bool>,
    /// Where the app takes logout messages: an address, or a table with `url`, `response_url` and `binding`. Left out, the app
    /// stays signed in when the person signs out here.
    #[serde(default, deserialize_with = "address_or_table", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "logout_schema")]
    pub logout: Option<LogoutConfig>,
    /// The format of the subject's name. Left out, the preset's or `persistent`.
    #[serde(default)]
    pub name_id: Option<NameIdFormat>,
    /// What the subject's name is taken from, where the format leaves a choice: a user field, or a table with a template.
    #[serde(default)]
    #[schemars(schema_with = "name_schema")]
    pub name_id_field: Option<NameConfig>,
    /// Attribute names and what each says: a user field, or a table with one, a constant or a template.
    #[serde(default)]
    #[schemars(schema_with = "attributes_schema")]
    pub attributes: BTreeMap<String, AttributeConfig>,
    /// What the app lets people become. Policies decide each (`Role::"aws/Dev"`). With the preset `aws`.
    #[serde(default)]
    pub roles: Vec<RoleConfig>,
    /// What AWS names the session by: a user field, or a table with a template. With the preset `aws`.
    #[serde(default)]
    #[schemars(schema_with = "name_schema")]
    pub role_session_name: Option<NameConfig>,
    /// Seconds a console session of AWS lasts, 900 to 43200. With the preset `aws`.
    #[serde(default)]
    pub session_duration: Option<u32>,
    /// Keys of `PrincipalTag` attributes that AWS hands on when a role becomes another. With the preset `aws`.
    #[serde(default)]
    #[schemars(schema_with = "tags_schema")]
    pub transitive_tags: Vec<String>,
    /// Whether the app may be opened from the portal, without a request of its own.
    #[serde(default = "yes")]
    pub idp_initiated: bool,
    /// The group that tries the app out: nobody else opens it or sees its tile. Policies read it as `resource.pilot`. Left out,
    /// everybody.
    #[serde(default)]
    #[schemars(extend("format" = "group-reference"))]
    pub pilot_group: Option<GroupName>,
    /// The icon of the tile: `cloud`, `book`, `chat`, `code`, `chart`, `people`, `ticket`, `mail`, `video`, `folder`, `box`,
    /// `branch`, `board`, `pulse`, `bug`, `note`, `gear` or `key`. Left out, the preset's or a letter.
    #[serde(default)]
    #[schemars(extend("format" = "icon-name"))]
    pub icon: Option<String>,
}

/// What of a response is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encrypt {
    /// Nothing beyond the TLS of the browser.
    #[default]
    Nothing,
    /// The assertion.
    Assertion,
    /// The subject's name alone.
    NameId,
}

/// A well-known app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Amazon Web Services: the console, and command lines by STS.
    Aws,
}

/// Whether requests of an app have to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignedRequests {
    /// They may be. A signature is checked where the app's certificates are known, and a wrong one is refused.
    #[default]
    Accepted,
    /// They have to be: who cannot sign as the app cannot send anybody here in its name.
    Required,
}

/// One role of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// The name in policies, behind the app: `Role::"aws/Dev"`.
    #[schemars(extend("format" = "role-name"))]
    pub name: RoleName,
    /// The role's ARN.
    #[schemars(extend("format" = "arn"))]
    pub role_arn: String,
    /// The ARN of the identity provider object in the same account.
    #[schemars(extend("format" = "arn"))]
    pub provider_arn: String,
}

impl AppConfig {
    /// An app of this id with every key at its default.
    #[must_use]
    pub fn new(id: AppId) -> Self {
        Self {
            id,
            name: None,
            preset: None,
            entity_id: None,
            metadata: None,
            metadata_certificate: None,
            acs: Vec::new(),
            relay_state: None,
            relay_state_override: false,
            relay_states: BTreeMap::new(),
            device_limit: 0,
            time_zone: None,
            sign: SignMode::default(),
            signature_algorithm: SignatureAlgorithm::default(),
            signed_requests: SignedRequests::default(),
            request_certificates: Vec::new(),
            encryption_certificate: None,
            encrypt: Encrypt::default(),
            encryption_algorithm: EncryptionAlgorithm::default(),
            key_transport: KeyTransport::default(),
            session_end: None,
            logout: None,
            name_id: None,
            name_id_field: None,
            attributes: BTreeMap::new(),
            roles: Vec::new(),
            role_session_name: None,
            session_duration: None,
            transitive_tags: Vec::new(),
            idp_initiated: yes(),
            pilot_group: None,
            icon: None,
        }
    }

    /// The files it names.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let metadata = self.metadata.as_ref().and_then(MetadataSource::file);
        let certificates = self.request_certificates.iter().chain(&self.encryption_certificate);
        certificates.chain(&self.metadata_certificate).chain(metadata)
    }

    /// The files it names, to be made absolute.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let metadata = match &mut self.metadata {
            Some(MetadataSource::File(file)) => Some(file),
            Some(MetadataSource::Url(_)) | None => None,
        };
        let certificates = self.request_certificates.iter_mut().chain(&mut self.encryption_certificate);
        certificates.chain(&mut self.metadata_certificate).chain(metadata)
    }
}

fn yes() -> bool {
    true
}

pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

fn acs_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": "acs-url" },
            { "type": "array", "items": { "type": "string", "format": "acs-url" } },
        ],
    })
}

fn relay_states_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "format": "target-name" },
        "additionalProperties": { "type": "string", "format": "relay-state" },
    })
}

fn tags_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "attribute-name" } })
}
