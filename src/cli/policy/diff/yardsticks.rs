//! What differs in what the sets are measured by: invariants, assumptions, tests.

use std::collections::BTreeMap;

use super::text::{What, lines, marked};
use crate::policy::findings::{Yardstick, yardsticks};
use crate::runtime::Candidate;

/// One of them that differs.
#[derive(Debug)]
pub(super) struct Measure {
    /// `invariant`, `assumption` or `test`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) what: What,
    /// What is looked at less closely than before, in words.
    pub(super) loss: Option<&'static str>,
    /// The lines, each with ` `, `-` or `+` in front.
    pub(super) lines: Vec<String>,
}

/// Every one that differs, by kind and name; cases of one name are told apart by their order.
pub(super) fn changes(before: &Candidate, after: &Candidate) -> Vec<Measure> {
    let (before, mut after) = (by_name(before), by_name(after));
    let mut changes = Vec::new();
    for ((kind, name, at), old) in before {
        match after.remove(&(kind, name.clone(), at)) {
            None => {
                changes.push(Measure { kind, name, what: What::Removed, loss: removed(kind), lines: marked('-', &old) })
            }
            Some(new) if new == old => {}
            Some(new) => {
                changes.push(Measure { kind, name, what: What::Changed, loss: None, lines: lines(&old, &new) })
            }
        }
    }
    changes.extend(after.into_iter().map(|((kind, name, _), new)| Measure {
        kind,
        name,
        what: What::Created,
        loss: (kind == "assumption").then_some("what holds by it alone is not proved"),
        lines: marked('+', &new),
    }));
    changes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    changes
}

fn by_name(candidate: &Candidate) -> BTreeMap<(&'static str, String, usize), String> {
    let mut named = BTreeMap::new();
    for Yardstick { kind, name, text } in yardsticks(&candidate.sources) {
        let at = (0..).find(|at| !named.contains_key(&(kind, name.clone(), *at))).unwrap_or_default();
        named.insert((kind, name, at), text);
    }
    named
}

fn removed(kind: &str) -> Option<&'static str> {
    match kind {
        "invariant" => Some("it is no longer proved"),
        "test" => Some("it is no longer tested"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicySources, SourceFile};

    fn candidate(invariants: &[(&str, &str)], tests: &str) -> Candidate {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let config = crate::config::Config::default();
        Candidate {
            name: "x".to_owned(),
            sources: PolicySources {
                schema: file("schema.cedarschema", ""),
                policies: vec![],
                tests: vec![file("tests/a.toml", tests)],
                invariants: invariants.iter().map(|(path, text)| file(path, text)).collect(),
            },
            vocabulary: crate::policy::Vocabulary::new([], [], [], BTreeMap::new()),
            config,
        }
    }

    #[test]
    fn whatever_a_set_is_measured_by_is_missed_when_it_goes() {
        let forbid =
            |id: &str, when: &str| format!("@id(\"{id}\") forbid (principal, action, resource) when {{ {when} }};");
        let (one, other) = (forbid("one", "true"), forbid("other", "true"));
        let before = candidate(
            &[("invariants/a.cedar", &format!("{one}\n{other}"))],
            "[[case]]\nname = \"a\"\nexpect = \"deny\"\n[[case]]\nname = \"a\"\n[[case]]\nname = \"b\"\nexpect = \"deny\"",
        );
        let after = candidate(
            &[("invariants/assumptions.cedar", &other), ("invariants/b.cedar", &forbid("one", "false"))],
            "[[case]]\nexpect = \"deny\"\nname = \"a\"\n[[case]]\nname = \"b\"\nexpect = \"allow\"",
        );
        let told: Vec<_> = changes(&before, &after)
            .into_iter()
            .map(|one| (one.kind, one.name, one.what, one.loss.is_some()))
            .collect();
        let wanted = [
            ("assumption", "other", What::Created, true),
            ("invariant", "one", What::Changed, false),
            ("invariant", "other", What::Removed, true),
            ("test", "a", What::Removed, true),
            ("test", "b", What::Changed, false),
        ];
        assert_eq!(told, wanted.map(|(kind, name, what, loss)| (kind, name.to_owned(), what, loss)));
        assert!(changes(&before, &before).is_empty());
        assert_eq!(
            changes(&before, &candidate(&[], "= nonsense")).len(),
            6,
            "a file that cannot be read is one of them"
        );
    }
}
