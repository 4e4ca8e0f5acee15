//! The findings in SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format): what code hosts show beside the lines.

use std::env;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::report::{Finding, Report};
use crate::policy::Rule;

/// What reports of this form name their schema.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";

/// One run with all rules, so that a host knows which ones are kept.
pub(super) fn write(report: &Report) -> Value {
    let rules: Vec<Value> = Rule::ALL.into_iter().map(rule).collect();
    // A file of a revision is shown beside the file of today.
    let revision = format!("{}:", report.from);
    let file = |finding: &Finding| uri(finding.file.strip_prefix(&revision).unwrap_or(&finding.file));
    let results: Vec<Value> = report.findings.iter().map(|finding| result(finding, &file(finding))).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "cedargate", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(rule: Rule) -> &'static str {
    if rule.is_warning() { "warning" } else { "error" }
}

fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.code(),
        "shortDescription": { "text": rule.sentence() },
        "defaultConfiguration": { "level": level(rule) },
    })
}

fn result(finding: &Finding, uri: &str) -> Value {
    let text = match &finding.help {
        Some(help) => format!("{}\n{help}", finding.message),
        None => finding.message.clone(),
    };
    let mut place = json!({ "artifactLocation": { "uri": uri } });
    if let (Some((line, column)), Some(place)) = (finding.start, place.as_object_mut()) {
        let mut region = json!({ "startLine": line, "startColumn": column });
        if let (Some((line, column)), Some(region)) = (finding.end, region.as_object_mut()) {
            region.insert("endLine".to_owned(), json!(line));
            region.insert("endColumn".to_owned(), json!(column));
        }
        place.insert("region".to_owned(), region);
    }
    json!({
        "ruleId": finding.rule.code(),
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": level(finding.rule),
        "message": { "text": text },
        "locations": [{ "physicalLocation": place }],
    })
}

/// The file from the root of its repository, as hosts want it; outside of one, from the folder the command runs in.
fn uri(file: &str) -> String {
    let here = env::current_dir().unwrap_or_default();
    let path = without_dots(&here.join(file));
    let root = path.ancestors().skip(1).find(|folder| folder.join(".git").exists()).unwrap_or(&here);
    match path.strip_prefix(root) {
        Ok(within) => escaped(within),
        Err(_) => format!("file://{}", escaped(&path)),
    }
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

/// A path in an address: what RFC 3986 does not let stand there is escaped.
fn escaped(path: &Path) -> String {
    let mut uri = String::new();
    for byte in path.display().to_string().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_from_the_root_of_its_repository() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id p/policies/a.cedar");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let outside = uri(&file.display().to_string());
        assert!(outside.starts_with("file:///") && outside.ends_with("/id%20p/policies/a.cedar"), "{outside}");
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        let dotted = folder.path().join("id p/./x/../policies/a.cedar");
        assert_eq!(uri(&dotted.display().to_string()), "id%20p/policies/a.cedar");
    }
}
