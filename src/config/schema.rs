//! The JSON schema of `config.toml`, made from the types: editors complete by it, and [`super::shape`] checks by it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// The schema as `docs/config.schema.json` has it.
#[must_use]
pub fn schema() -> String {
    format!("{:#}\n", tree())
}

/// The schema as a tree, without references.
pub(super) fn tree() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut tree = settings.into_generator().into_root_schema_for::<Config>().to_value();
    without_null(&mut tree);
    tree
}

/// TOML has no null: an optional key is one that may be left out.
fn without_null(schema: &mut Value) {
    let Value::Object(object) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(without_null);
        }
        return;
    };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    let without: Option<Value> = object.get("type").and_then(Value::as_array).map(|types| {
        let left: Vec<&Value> = types.iter().filter(|kind| *kind != "null").collect();
        left.first().map_or(Value::Null, |kind| (*kind).clone())
    });
    if let Some(kind) = without {
        object.insert("type".to_owned(), kind);
    }
    let only = object.get("anyOf").and_then(Value::as_array).and_then(|branches| {
        let left: Vec<&Value> =
            branches.iter().filter(|branch| branch.get("type").is_none_or(|kind| kind != "null")).collect();
        (left.len() == 1 && branches.len() == 2).then(|| left.first().and_then(|branch| branch.as_object().cloned()))
    });
    if let Some(Some(branch)) = only {
        object.remove("anyOf");
        for (key, value) in branch {
            object.entry(key).or_insert(value);
        }
    }
    object.values_mut().for_each(without_null);
}
