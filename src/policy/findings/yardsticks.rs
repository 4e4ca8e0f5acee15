//! What a set is measured by: its invariants, what they assume, and its tests. A change that takes one of them away is green
//! however it decides, so it has to be seen.

use std::collections::BTreeMap;

use crate::policy::bundle::{PolicySources, SourceFile, cedar};

use super::files::{assumes, policies};

/// One of them, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yardstick {
    /// `invariant`, `assumption` or `test`.
    pub kind: &'static str,
    /// Its `@id`, or the name of the case. Of a file that cannot be read, the name of the file.
    pub name: String,
    /// How it is written.
    pub text: String,
}

/// All of a set, in the order of files.
#[must_use]
pub fn yardsticks(sources: &PolicySources) -> Vec<Yardstick> {
    let invariants = sources.invariants.iter().flat_map(invariants);
    invariants.chain(sources.tests.iter().flat_map(tests)).collect()
}

/// A file that cannot be read is one thing, and as a whole another when it changes.
fn whole(kind: &'static str, file: &SourceFile) -> Vec<Yardstick> {
    let name = file.path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    vec![Yardstick { kind, name, text: file.text.clone() }]
}

fn invariants(file: &SourceFile) -> Vec<Yardstick> {
    let kind = if assumes(file) { "assumption" } else { "invariant" };
    let Ok(set) = cedar(file) else { return whole(kind, file) };
    let each = policies(&set).into_iter().map(|((start, length), policy)| Yardstick {
        kind,
        name: policy.annotation("id").unwrap_or_default().to_owned(),
        text: file.text.get(start..start + length).unwrap_or_default().to_owned(),
    });
    each.collect()
}

/// Without a look at what the keys mean: what fails today may have worked before.
fn tests(file: &SourceFile) -> Vec<Yardstick> {
    let cases = toml::from_str::<toml::Table>(&file.text).ok().and_then(|mut table| table.remove("case"));
    let Some(toml::Value::Array(cases)) = cases else { return whole("test", file) };
    let each = cases.into_iter().map(|case| {
        // In which order the keys of a case stand says nothing.
        let sorted: BTreeMap<_, _> = case.as_table().into_iter().flatten().collect();
        Yardstick {
            kind: "test",
            name: case.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned(),
            text: toml::to_string(&sorted).unwrap_or_default(),
        }
    });
    each.collect()
}
