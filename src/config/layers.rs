//! Defaults, file and environment, laid over each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::places::{Found, Places, child};
use super::problem::Problem;
use super::shape::nearest;

/// What names of variables start with; section and key follow, two underscores between them.
const PREFIX: &str = "CEDARGATE_";

/// One layer of settings.
pub(super) struct Layer {
    name: &'static str,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The file.
pub(super) fn file(table: &DeTable<'_>) -> Layer {
    Layer { name: "file", values: dict(table) }
}

fn dict(table: &DeTable<'_>) -> Dict {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), value_of(value))).collect()
}

fn value_of(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.to_string()),
        // A number beyond what fits stays a text, which no numeric key takes.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.as_str().to_owned()), Value::from),
        DeValue::Float(number) => {
            number.as_str().parse::<f64>().map_or_else(|_| Value::from(number.as_str().to_owned()), Value::from)
        }
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => Value::from(items.iter().map(value_of).collect::<Vec<_>>()),
        DeValue::Table(table) => Value::from(dict(table)),
    }
}

/// The environment: `CEDARGATE_SERVER__LISTEN` is `listen` of `[server]`. Values are taken as they are where the schema has
/// a text, so a secret needs no quotes; lists are separated by commas. Variables without two underscores are no settings.
pub(super) fn environment(
    variables: impl IntoIterator<Item = (String, String)>,
    schema: &serde_json::Value,
    places: &mut Places,
) -> (Layer, Vec<Found>) {
    let mut sections: BTreeMap<String, Dict> = BTreeMap::new();
    let mut found = Vec::new();
    let settings = variables.into_iter().filter_map(|(name, text)| {
        let (section, key) = name.strip_prefix(PREFIX)?.split_once("__")?;
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        Some((name, section, key, text))
    });
    for (name, section, key, text) in settings {
        let path = child(&section, &key);
        places.add_variable(path.clone(), name.clone());
        match keys(schema, &section).and_then(|keys| keys.get(&key)) {
            Some(schema) => {
                sections.entry(section).or_default().insert(key, from_text(schema, &text));
            }
            None => found.push(Found::at_key(unknown_variable(schema, &name, path))),
        }
    }
    let values = sections.into_iter().map(|(section, keys)| (section, Value::from(keys))).collect();
    (Layer { name: "environment", values }, found)
}

fn keys<'a>(schema: &'a serde_json::Value, section: &str) -> Option<&'a serde_json::Map<String, serde_json::Value>> {
    schema.get("properties")?.get(section)?.get("properties")?.as_object()
}

fn unknown_variable(schema: &serde_json::Value, name: &str, path: String) -> Problem {
    let sections = schema.get("properties").and_then(serde_json::Value::as_object);
    let names: Vec<String> = sections
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .flat_map(|section| {
            keys(schema, section).into_iter().flat_map(serde_json::Map::keys).map(move |key| (section, key))
        })
        .map(|(section, key)| format!("{PREFIX}{section}__{key}").to_uppercase())
        .collect();
    let problem = Problem::new(path, format!("`{name}` names no setting"));
    let meant = names.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name)).map(String::as_str);
    match meant.filter(|meant| nearest(&name.to_lowercase(), [meant.to_lowercase().as_str()]).is_some()) {
        Some(meant) => problem.with_help(format!("did you mean `{meant}`?")),
        None => problem.with_help(format!("single keys of sections can be set, as in `{PREFIX}SERVER__LISTEN`")),
    }
}

fn from_text(schema: &serde_json::Value, text: &str) -> Value {
    match schema.get("type").and_then(serde_json::Value::as_str) {
        Some("integer") => text.parse::<i64>().map_or_else(|_| Value::from(text.to_owned()), Value::from),
        Some("boolean") => text.parse::<bool>().map_or_else(|_| Value::from(text.to_owned()), Value::from),
        Some("array") => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::from(items.map(|item| Value::from(item.to_owned())).collect::<Vec<_>>())
        }
        _ => Value::from(text.to_owned()),
    }
}

/// Without `public_url`, a server on a loopback address is known by that address; any other needs a name.
pub(super) fn public_url(figment: Figment) -> Result<Figment, Found> {
    if figment.contains("server.public_url") || !figment.contains("server.listen") {
        return Ok(figment);
    }
    let listen = figment.extract_inner::<String>("server.listen").ok().and_then(|text| text.parse::<SocketAddr>().ok());
    match listen {
        Some(listen) if !listen.ip().is_loopback() => {
            let problem = Problem::new("server.public_url", "`public_url` is missing");
            Err(Found::at_key(problem.with_help("say under which https address people reach this server")))
        }
        Some(listen) => {
            let server = Dict::from([("public_url".to_owned(), Value::from(format!("http://{listen}")))]);
            Ok(figment
                .join(Layer { name: "derived", values: Dict::from([("server".to_owned(), Value::from(server))]) }))
        }
        // `listen` is no address, which is told where it stands.
        None => Ok(figment),
    }
}
