//! What differs in the words, policy by policy.

use std::collections::BTreeMap;

use similar::{ChangeTag, TextDiff};

use crate::policy::{Bundle, PolicyNote};

/// What became of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Created,
    Changed,
    Removed,
}

impl What {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// One policy that differs.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) what: What,
    pub(super) effect: &'static str,
    /// `in-force`, `report` or `expired`: before and after, where it was and is there.
    pub(super) standing: (Option<&'static str>, Option<&'static str>),
    /// What protects less than before, in words.
    pub(super) loss: Option<&'static str>,
    /// The lines, each with ` `, `-` or `+` in front.
    pub(super) lines: Vec<String>,
}

/// Every policy that differs, in the order of ids.
pub(super) fn changes(before: &Bundle, after: &Bundle) -> Vec<Change> {
    let by_id = |bundle: &Bundle| -> BTreeMap<String, PolicyNote> {
        bundle.inventory().map(|note| (note.id.to_string(), note)).collect()
    };
    let (before, mut after) = (by_id(before), by_id(after));
    let mut changes = Vec::new();
    for (id, old) in before {
        match after.remove(&id) {
            None => changes.push(Change {
                what: What::Removed,
                effect: old.effect,
                standing: (Some(old.standing), None),
                loss: protects(&old).then_some("a forbid is removed"),
                lines: marked('-', &old.text),
                id,
            }),
            Some(new) if new.text == old.text && new.standing == old.standing => {}
            Some(new) => changes.push(Change {
                what: What::Changed,
                effect: new.effect,
                standing: (Some(old.standing), Some(new.standing)),
                loss: loss(&old, &new),
                lines: lines(&old.text, &new.text),
                id,
            }),
        }
    }
    changes.extend(after.into_values().map(|new| Change {
        id: new.id.to_string(),
        what: What::Created,
        effect: new.effect,
        standing: (None, Some(new.standing)),
        loss: None,
        lines: marked('+', &new.text),
    }));
    changes.sort_by(|a, b| a.id.cmp(&b.id));
    changes
}

fn protects(note: &PolicyNote) -> bool {
    note.effect == "forbid" && note.standing == "in-force"
}

fn loss(old: &PolicyNote, new: &PolicyNote) -> Option<&'static str> {
    match (protects(old), protects(new)) {
        (true, false) if new.effect == "permit" => Some("a forbid becomes a permit"),
        (true, false) => Some("a forbid is put on trial"),
        _ => None,
    }
}

pub(super) fn marked(mark: char, text: &str) -> Vec<String> {
    text.lines().map(|line| format!("{mark} {line}")).collect()
}

/// The lines of two schemas that differ; none when they are the same.
pub(super) fn schema(old: &str, new: &str) -> Vec<String> {
    let differs = |line: &String| !line.starts_with(' ');
    lines(old, new).into_iter().filter(differs).collect()
}

pub(super) fn lines(old: &str, new: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(old, new);
    let mark = |tag| match tag {
        ChangeTag::Equal => ' ',
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
    };
    diff.iter_all_changes().map(|change| format!("{} {}", mark(change.tag()), change.value().trim_end())).collect()
}
