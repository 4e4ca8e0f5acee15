//! Checks a tree of values against the schema, so that every problem is told, not the first one only.

use serde_json::{Map, Value};

use super::formats;
use super::places::{Found, child};
use super::problem::Problem;

/// Everything in `value` that the schema does not allow.
pub(super) fn check(schema: &Value, value: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    check_value(schema, value, "", &mut found);
    found
}

fn check_value(schema: &Value, value: &Value, path: &str, found: &mut Vec<Found>) {
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        match branches.iter().find(|branch| fits(branch, value)) {
            Some(branch) => check_value(branch, value, path, found),
            None => found.push(Found::at_value(wrong_kind(path, branches.iter().map(kind_in_words), value))),
        }
        return;
    }
    if !fits(schema, value) {
        found.push(Found::at_value(wrong_kind(path, std::iter::once(kind_in_words(schema)), value)));
        return;
    }
    match value {
        Value::String(text) => check_text(schema, text, path, found),
        Value::Number(_) => check_number(schema, value, path, found),
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check_value(schema, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        Value::Object(table) => check_table(schema, table, path, found),
        Value::Bool(_) | Value::Null => {}
    }
}

fn check_text(schema: &Value, text: &str, path: &str, found: &mut Vec<Found>) {
    let choices = choices(schema);
    if !choices.is_empty() {
        if !choices.contains(&text) {
            let problem = Problem::new(path, format!("`{text}` is not one of {}", quoted(&choices)));
            found.push(Found::at_value(match nearest(text, choices) {
                Some(choice) => problem.with_help(format!("did you mean `{choice}`?")),
                None => problem,
            }));
        }
    } else if let Some(Err(refusal)) = format(schema).and_then(|format| formats::check(format, text)) {
        found.push(Found::at_value(Problem { key: path.to_owned(), message: refusal.message, help: refusal.help }));
    }
}

fn check_number(schema: &Value, value: &Value, path: &str, found: &mut Vec<Found>) {
    let most = match format(schema) {
        Some("uint16") => u64::from(u16::MAX),
        Some("uint32") => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    if value.as_u64().is_none_or(|number| number > most) {
        found.push(Found::at_value(Problem::new(path, format!("`{value}` is not a whole number from 0 to {most}"))));
    }
}

fn check_table(schema: &Value, table: &Map<String, Value>, path: &str, found: &mut Vec<Found>) {
    let known = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties").filter(|others| others.is_object());
    let name_format = schema.get("propertyNames").and_then(format);
    for (key, value) in table {
        let path = child(path, key);
        if let Some(schema) = known.and_then(|known| known.get(key)) {
            check_value(schema, value, &path, found);
        } else if let Some(schema) = others {
            if let Some(Err(refusal)) = name_format.and_then(|format| formats::check(format, key)) {
                found.push(Found::at_key(Problem { key: path.clone(), message: refusal.message, help: refusal.help }));
            }
            check_value(schema, value, &path, found);
        } else {
            found.push(Found::at_key(unknown(key, path, known)));
        }
    }
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !table.contains_key(key) {
            found.push(Found::at_key(Problem::new(child(path, key), format!("`{key}` is missing"))));
        }
    }
}

fn unknown(key: &str, path: String, known: Option<&Map<String, Value>>) -> Problem {
    let names: Vec<&str> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let help = match nearest(key, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known here: {}", quoted(&names)),
    };
    Problem::new(path, format!("unknown key `{key}`")).with_help(help)
}

fn format(schema: &Value) -> Option<&str> {
    schema.get("format").and_then(Value::as_str)
}

/// The words an enum takes: `enum`, or `oneOf` of constants where each has a description.
fn choices(schema: &Value) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    listed.chain(described.filter_map(|branch| branch.get("const").and_then(Value::as_str))).collect()
}

fn kind(schema: &Value) -> Option<&str> {
    let described = schema.get("oneOf").and_then(|branches| branches.get(0));
    schema.get("type").or_else(|| described.and_then(|branch| branch.get("type"))).and_then(Value::as_str)
}

fn fits(schema: &Value, value: &Value) -> bool {
    match kind(schema) {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

fn kind_in_words(schema: &Value) -> &'static str {
    match kind(schema) {
        Some("string") => "a text in quotes",
        Some("integer") => "a whole number",
        Some("boolean") => "`true` or `false`",
        Some("array") => "a list",
        _ => "a table",
    }
}

fn wrong_kind(path: &str, wanted: impl Iterator<Item = &'static str>, value: &Value) -> Problem {
    let got = match value {
        Value::String(_) => "a text",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a truth value",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
        Value::Null => "nothing",
    };
    let wanted: Vec<&str> = wanted.collect();
    Problem::new(path, format!("expected {}, found {got}", wanted.join(" or ")))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The name that was probably meant: at most a third of it is typed differently.
pub(super) fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&typed, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}
