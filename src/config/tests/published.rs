//! What is published of the keys: the schema, and the reference, in which none is missing and which shows what loads.

use super::*;

#[test]
fn the_published_schema_is_the_one_of_the_types() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.schema.json");
    let published: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(published == schema::tree(), "docs/config.schema.json is old: write it anew by `cedargate schema`");
}

#[test]
fn every_format_of_the_schema_is_checked() {
    fn walk(schema: &serde_json::Value) {
        if let Some(format) = schema.get("format").and_then(serde_json::Value::as_str) {
            assert!(
                ["uint16", "uint32"].contains(&format) || formats::check(format, "x").is_some(),
                "nobody checks `{format}`"
            );
        }
        match schema {
            serde_json::Value::Object(object) => object.values().for_each(walk),
            serde_json::Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(&schema::tree());
}

#[test]
fn defaults_are_allowed_by_the_schema() {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let found = shape::check(&schema::tree(), &defaults);
    assert!(found.is_empty(), "{found:?}");
}

fn text() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md")).unwrap()
}

fn keys(schema: &serde_json::Value, path: &str, all: &mut Vec<String>) {
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys(schema, &path, all);
        keys(&schema["items"], &path, all);
        all.push(path);
    }
}

#[test]
fn has_every_key_of_the_schema() {
    let (text, mut all) = (text(), Vec::new());
    keys(&schema::tree(), "", &mut all);
    assert!(all.len() > 40, "{all:?}");
    let rows: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let is_section = |key: &String| all.iter().any(|other| other.starts_with(&format!("{key}.")));
    for key in all.iter().filter(|key| !is_section(key)) {
        assert!(rows.contains(&key.as_str()), "docs/config.md has no row for `{key}`");
    }
    for row in rows {
        assert!(all.iter().any(|key| key == row) || row.contains('<'), "`{row}` of docs/config.md is no key");
    }
}

#[test]
fn shows_examples_that_load() {
    let text = text();
    let examples: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        loaded(example);
    }
}
