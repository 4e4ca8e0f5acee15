//! `[[apps]] logout`: where an app takes logout messages.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::LogoutBinding;

/// Where an app takes logout messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutConfig {
    /// Where requests go.
    #[schemars(extend("format" = "logout-url"))]
    pub url: String,
    /// Where answers go. Left out, the same address.
    #[serde(default)]
    #[schemars(extend("format" = "logout-url"))]
    pub response_url: Option<String>,
    /// How messages are carried: `redirect` or `post`.
    #[serde(default)]
    pub binding: LogoutBinding,
}

/// An address stands for a table that says no more than that.
pub(super) fn address_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LogoutConfig>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a table with `url`")]
    enum AddressOrTable {
        Address(String),
        Table(LogoutConfig),
    }
    Ok(Some(match AddressOrTable::deserialize(deserializer)? {
        AddressOrTable::Address(url) => LogoutConfig { url, response_url: None, binding: LogoutBinding::default() },
        AddressOrTable::Table(table) => table,
    }))
}

pub(super) fn logout_schema(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<LogoutConfig>();
    json_schema!({ "anyOf": [{ "type": "string", "format": "logout-url" }, table] })
}
