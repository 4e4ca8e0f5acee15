//! The table of what would be decided when facts are left open.

use std::collections::BTreeSet;
use std::io;

use serde_json::{Value as Json, json};

use super::words;
use crate::domain::PolicyId;
use crate::policy::explain::Fact;
use crate::policy::explain::branch::{Branches, Choice};
use crate::policy::explain::tree::Node;

/// A condition longer than this is not said again behind "otherwise".
const LONG: usize = 32;
/// The widest that conditions are set before the answer goes further right.
const WIDEST: usize = 56;

struct Row {
    indent: usize,
    when: String,
    /// The answer, the policies behind it, and the answers to those who have less.
    then: Option<(String, String, Vec<String>)>,
}

/// For people.
pub(super) fn write(out: &mut impl io::Write, branches: &Branches) -> io::Result<()> {
    let mut rows = Vec::new();
    collect(branches, &branches.tree, 0, None, &mut rows);
    let width = rows.iter().filter(|row| row.then.is_some()).map(|row| row.indent * 2 + row.when.chars().count());
    let width = width.max().unwrap_or(0).min(WIDEST);
    let answers = rows.iter().filter_map(|row| row.then.as_ref()).map(|(answer, ..)| answer.chars().count());
    let answer_width = answers.max().unwrap_or(0).min(WIDEST);
    writeln!(out, "the first line that fits decides:")?;
    for row in rows {
        let when = format!("{}{}", "  ".repeat(row.indent), row.when);
        match row.then {
            Some((answer, by, others)) => {
                let line = format!("  {when:<width$}  {answer:<answer_width$}  {by}");
                writeln!(out, "{}", line.trim_end())?;
                for other in others {
                    writeln!(out, "  {:<width$}  {other}", "")?;
                }
            }
            None => writeln!(out, "  {when}")?,
        }
    }
    Ok(())
}

/// Lines in the order in which they are to be read. The last case of a split needs no condition of its own.
fn collect(branches: &Branches, node: &Node, indent: usize, when: Option<String>, rows: &mut Vec<Row>) {
    match node {
        Node::Answer { answer, always, sometimes } => {
            let Some(found) = branches.answers.get(*answer) else { return };
            let (answer, others) = words::answers(found, &branches.equipped);
            let then = Some((answer, behind(always, sometimes), others));
            rows.push(Row { indent, when: when.unwrap_or_else(|| "always".to_owned()), then });
        }
        Node::Split { choice, cases } => {
            let mut indent = indent;
            if let Some(when) = when {
                rows.push(Row { indent, when, then: None });
                indent += 1;
            }
            let Some(choice) = branches.choices.get(*choice) else { return };
            for (place, (classes, inner)) in cases.iter().enumerate() {
                let label = words::values(choice, classes);
                let is_last = place + 1 == cases.len();
                match inner {
                    Node::Answer { .. } if is_last => {
                        let is_short = label.chars().count() <= LONG;
                        let label = if is_short { format!("otherwise ({label})") } else { "otherwise".to_owned() };
                        collect(branches, inner, indent, Some(label), rows);
                    }
                    Node::Answer { .. } => collect(branches, inner, indent, Some(label), rows),
                    // The rest goes on below, at the same depth.
                    Node::Split { .. } if is_last => collect(branches, inner, indent, None, rows),
                    Node::Split { .. } => collect(branches, inner, indent, Some(label), rows),
                }
            }
        }
    }
}

fn behind(always: &BTreeSet<PolicyId>, sometimes: &BTreeSet<PolicyId>) -> String {
    let named = |ids: &BTreeSet<PolicyId>| words::listed(ids.iter().map(PolicyId::as_str));
    match (always.is_empty(), sometimes.len()) {
        (true, 0) => String::new(),
        (true, _) => format!("one of {}", named(sometimes)),
        (false, count) if count == always.len() => named(always),
        (false, _) => format!("{}, …", named(always)),
    }
}

/// For machines: every path, each whole.
pub(super) fn value(branches: &Branches) -> Json {
    let mut paths = Vec::new();
    flatten(branches, &branches.tree, &mut Vec::new(), &mut paths);
    let open = branches.choices.iter().map(choice_value);
    json!({
        "open": open.collect::<Vec<_>>(),
        "branches": paths,
        "combinations": branches.combinations,
        "evaluations": branches.evaluations,
        "complete": !branches.cut && branches.fixed.is_empty() && branches.now_alone.is_empty(),
        "as_of_now": branches.now_alone,
        "taken_for_granted": branches.fixed.iter().map(|choice| {
            json!({ "fact": choice.fact, "is": words::values(choice, &[0]) })
        }).collect::<Vec<_>>(),
    })
}

fn choice_value(choice: &Choice) -> Json {
    let classes = (0..choice.classes.len()).map(|class| words::values(choice, &[class]));
    json!({ "fact": choice.fact, "values": classes.collect::<Vec<_>>(), "policies": choice.policies })
}

fn flatten(branches: &Branches, node: &Node, path: &mut Vec<Json>, paths: &mut Vec<Json>) {
    match node {
        Node::Answer { answer, always, sometimes } => {
            let Some(found) = branches.answers.get(*answer) else { return };
            for (place, found) in found.iter().enumerate() {
                let mut path = path.clone();
                if let Some(equipped) = branches.equipped.get(place) {
                    path.push(json!({ "fact": Fact::Enrolled, "is": words::value(Fact::Enrolled, equipped) }));
                }
                paths.push(json!({
                    "if": path,
                    "decision": found.decision.map(|kind| kind.code()),
                    "methods": found.methods,
                    "after_link": found.after_link,
                    "ways": found.ways,
                    "policies": always,
                    "sometimes": sometimes.difference(always).collect::<Vec<_>>(),
                }));
            }
        }
        Node::Split { choice, cases } => {
            let Some(choice) = branches.choices.get(*choice) else { return };
            for (classes, inner) in cases {
                path.push(json!({ "fact": choice.fact, "is": words::values(choice, classes) }));
                flatten(branches, inner, path, paths);
                path.pop();
            }
        }
    }
}
