//! `[[apps]]`: the service providers people sign in to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::ZoneName;
use super::logout::{LogoutConfig, address_or_table, logout_schema};
use crate::domain::{AppId, NameIdFormat, RoleName, SignMode, SignatureAlgorithm};

/// The icons a tile may have.
pub const APP_ICONS: [&str; 7] = ["cloud", "book", "chat", "code", "chart", "people", "ticket"];

/// The fields of a user that attributes, NameID and session names may be taken from.
pub const USER_FIELDS: [&str; 7] = ["email", "username", "first_name", "last_name", "display_name", "phone", "groups"];

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
    /// Files with the certificates that the app signs its requests with, PEM.
    #[serde(default)]
    pub request_certificates: Vec<PathBuf>,
    /// The file with the certificate that what the app gets is encrypted for, PEM.
    #[serde(default)]
    pub encryption_certificate: Option<PathBuf>,
    /// Where the app takes logout messages: an address, or a table with `url`, `response_url` and `binding`. Left out, the app
    /// stays signed in when the person signs out here.
    #[serde(default, deserialize_with = "address_or_table", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "logout_schema")]
    pub logout: Option<LogoutConfig>,
    /// The format of the subject's name. Left out, the preset's or `persistent`.
    #[serde(default)]
    pub name_id: Option<NameIdFormat>,
    /// The user field the subject's name is taken from, where the format leaves a choice.
    #[serde(default)]
    #[schemars(extend("format" = "user-field"))]
    pub name_id_field: Option<String>,
    /// Attribute names and the user field each is taken from.
    #[serde(default)]
    #[schemars(schema_with = "attributes_schema")]
    pub attributes: BTreeMap<String, String>,
    /// What the app lets people become. Policies decide each (`Role::"aws/Dev"`). With the preset `aws`.
    #[serde(default)]
    pub roles: Vec<RoleConfig>,
    /// The user field AWS names the session by. With the preset `aws`.
    #[serde(default)]
    #[schemars(extend("format" = "user-field"))]
    pub role_session_name: Option<String>,
    /// Seconds a console session of AWS lasts, 900 to 43200. With the preset `aws`.
    #[serde(default)]
    pub session_duration: Option<u32>,
    /// Whether the app may be opened from the portal, without a request of its own.
    #[serde(default = "yes")]
    pub idp_initiated: bool,
    /// The icon of the tile: `cloud`, `book`, `chat`, `code`, `chart`, `people` or `ticket`. Left out, the preset's or a letter.
    #[serde(default)]
    #[schemars(extend("format" = "icon-name"))]
    pub icon: Option<String>,
}

/// A well-known app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Amazon Web Services: the console, and command lines by STS.
    Aws,
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
            acs: Vec::new(),
            relay_state: None,
            relay_state_override: false,
            relay_states: BTreeMap::new(),
            device_limit: 0,
            time_zone: None,
            sign: SignMode::default(),
            signature_algorithm: SignatureAlgorithm::default(),
            request_certificates: Vec::new(),
            encryption_certificate: None,
            logout: None,
            name_id: None,
            name_id_field: None,
            attributes: BTreeMap::new(),
            roles: Vec::new(),
            role_session_name: None,
            session_duration: None,
            idp_initiated: yes(),
            icon: None,
        }
    }

    /// The files it names.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.request_certificates.iter().chain(&self.encryption_certificate)
    }

    /// The files it names, to be made absolute.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.request_certificates.iter_mut().chain(&mut self.encryption_certificate)
    }
}

fn yes() -> bool {
    true
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
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

fn attributes_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "format": "attribute-name" },
        "additionalProperties": { "type": "string", "format": "user-field" },
    })
}
