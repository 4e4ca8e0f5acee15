//! What attributes and names of an app are made of: the values of `[[apps]] attributes`, `name_id_field` and `role_session_name`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::apps::one_or_many;
use super::places::child;
use super::shape::nearest;
use super::{AppConfig, Config, Problem};
use crate::domain::{CONSOLE_GROUPS, GroupName, NameFormat};

/// What an attribute says: a field of the person, or a table with more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the name of a field or a table")]
pub enum AttributeConfig {
    /// The field, as it is.
    Field(String),
    /// More than that.
    Table(Box<AttributeTable>),
}

/// One of `field`, `value` and `template`, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeTable {
    /// The user field that the values are taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "user-field"))]
    pub field: Option<String>,
    /// The same for everybody: one text or a list.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "values_schema")]
    pub value: Vec<String>,
    /// Text with fields in braces: `{username}@corp.example`. Without a value while one of its fields is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "template"))]
    pub template: Option<String>,
    /// Of the field's values, those that one of these fits; `*` stands for any characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "patterns_schema")]
    pub only: Vec<String>,
    /// What the app calls a value of the field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "rename_schema")]
    pub rename: BTreeMap<String, String>,
    /// How the attribute's name is to be read: `uri`, `basic` or `unspecified`. Left out, `uri` where the name has a colon, else `basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_format: Option<NameFormat>,
    /// A name of the attribute for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "attribute-value"))]
    pub friendly_name: Option<String>,
}

/// What a name of a person is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the name of a field or a table with a template")]
pub enum NameConfig {
    /// The field, as it is.
    Field(String),
    /// A template.
    Template(NameTemplate),
}

/// `{ template = "{username}@corp.example" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameTemplate {
    /// Text around one of the fields that name a person.
    #[schemars(extend("format" = "template"))]
    pub template: String,
}

impl From<&str> for AttributeConfig {
    fn from(field: &str) -> Self {
        Self::Field(field.to_owned())
    }
}

impl From<AttributeTable> for AttributeConfig {
    fn from(table: AttributeTable) -> Self {
        Self::Table(Box::new(table))
    }
}

impl From<&str> for NameConfig {
    fn from(field: &str) -> Self {
        Self::Field(field.to_owned())
    }
}

impl AppConfig {
    /// The key of the attribute `name`, relative to the app.
    #[must_use]
    pub fn attribute_key(name: &str) -> String {
        child(".attributes", name)
    }
}

/// Groups that attributes speak of and nobody can have: such a rule would never do anything.
pub(super) fn check_groups(config: &Config) -> Vec<Problem> {
    let declared = config.groups.keys().map(GroupName::as_str);
    let known: BTreeSet<&str> = declared.chain(CONSOLE_GROUPS).collect();
    let mut problems = Vec::new();
    for (index, app) in config.apps.iter().enumerate() {
        for (name, attribute) in &app.attributes {
            let AttributeConfig::Table(table) = attribute else { continue };
            if table.field.as_deref() != Some("groups") {
                continue;
            }
            let key = format!("apps[{index}]{}", AppConfig::attribute_key(name));
            let literal = |(_, group): &(String, &String)| !group.contains('*');
            let only = table.only.iter().enumerate().map(|(place, group)| (format!("{key}.only[{place}]"), group));
            let renamed = table.rename.keys().map(|group| (child(&format!("{key}.rename"), group), group));
            for (key, group) in only.filter(literal).chain(renamed) {
                if !known.contains(group.as_str()) {
                    problems.push(unknown_group(key, group, &known));
                }
            }
        }
    }
    problems
}

fn unknown_group(key: String, group: &str, known: &BTreeSet<&str>) -> Problem {
    let problem = Problem::new(key, format!("there is no group `{group}`"));
    match nearest(group, known.iter().copied()) {
        Some(near) => problem.with_help(format!("did you mean `{near}`?")),
        None => problem.with_help("declare it under `[groups]`"),
    }
}

pub(super) fn attributes_schema(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<AttributeTable>();
    json_schema!({
        "type": "object",
        "propertyNames": { "format": "attribute-name" },
        "additionalProperties": { "anyOf": [{ "type": "string", "format": "user-field" }, table] },
    })
}

pub(super) fn name_schema(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<NameTemplate>();
    json_schema!({ "anyOf": [{ "type": "string", "format": "user-field" }, table] })
}

fn values_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "format": "attribute-value" },
            { "type": "array", "items": { "type": "string", "format": "attribute-value" } },
        ],
    })
}

fn patterns_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "attribute-value" } })
}

fn rename_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "format": "attribute-value" },
        "additionalProperties": { "type": "string", "format": "attribute-value" },
    })
}
