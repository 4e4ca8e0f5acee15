//! The first condition that kept a policy from applying, as its author wrote it.

use std::ops::Range;
use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Clause, Expr};
use cedar_policy::{Authorizer, Policy, PolicySet};

use crate::policy::request::Asked;

/// A condition that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// In Cedar, with its `when` or `unless`.
    pub(super) condition: String,
    /// How many lines below the policy's first it stands; 0 when that cannot be told.
    pub(super) lines_down: usize,
}

/// Whether one policy, alone, applies.
pub(super) fn matches(policy: Policy, asked: &Asked) -> Result<bool, String> {
    let set = PolicySet::from_policies([policy]).map_err(|error| error.to_string())?;
    let response = Authorizer::new().is_authorized(&asked.request, &set, &asked.entities);
    match response.diagnostics().errors().next() {
        Some(error) => Err(error.to_string()),
        None => Ok(response.diagnostics().reason().next().is_some()),
    }
}

/// The policy with these conditions in place of its own.
pub(super) fn with_clauses(whole: &pst::Policy, clauses: Vec<Clause>) -> Option<Policy> {
    let body = whole.body();
    let (principal, action, resource) = (body.principal.clone(), body.action.clone(), body.resource.clone());
    let part = pst::Template::new(body.id.clone(), body.effect, principal, action, resource);
    let part = pst::StaticPolicy::try_from(part.try_with_clauses(clauses).ok()?).ok()?;
    Policy::from_pst(pst::Policy::Static(part)).ok()
}

/// The first condition that keeps a policy from applying; `None` when its scope already does. `text` is the policy as written.
pub(super) fn first(policy: &Policy, text: &str, asked: &Asked) -> Option<Misfit> {
    let whole = policy.to_pst().ok()?;
    let holds = |clause: Clause| matches(with_clauses(&whole, vec![clause])?, asked).ok();
    if !matches(with_clauses(&whole, Vec::new())?, asked).ok()? {
        return None;
    }
    let written = clauses_of(text);
    for (index, clause) in whole.body().clauses().iter().enumerate() {
        let (expr, word, op) = match clause {
            Clause::When(expr) => (expr, "when", BinaryOp::And),
            Clause::Unless(expr) => (expr, "unless", BinaryOp::Or),
        };
        if holds(clause.clone())? {
            continue;
        }
        // Of `a && b` the first that is not so; of `unless { a || b }` the first that is.
        let parts = parts(expr, op);
        let each = |part: &Arc<Expr>| match clause {
            Clause::When(_) => Clause::When(part.clone()),
            Clause::Unless(_) => Clause::Unless(part.clone()),
        };
        let place = parts.iter().position(|part| holds(each(part)) == Some(false))?;
        let range = written.get(index).and_then(|clause| {
            let ranges = split(text, clause.clone(), op);
            if ranges.len() == parts.len() { ranges.get(place).cloned() } else { None }
        });
        let condition = match range.as_ref().and_then(|range| text.get(range.clone())) {
            Some(as_written) => as_written.split_whitespace().collect::<Vec<_>>().join(" "),
            None => parts.get(place)?.to_string(),
        };
        let start = range.or_else(|| written.get(index).cloned()).map_or(0, |range| range.start);
        let lines_down = text.get(..start).unwrap_or_default().matches('\n').count();
        return Some(Misfit { condition: format!("{word} {{ {condition} }}"), lines_down });
    }
    None
}

/// The parts of `a && b && c`, or of `a || b || c`.
pub(super) fn parts(expr: &Arc<Expr>, op: BinaryOp) -> Vec<Arc<Expr>> {
    match &**expr {
        Expr::BinaryOp { op: found, left, right } if *found == op => {
            let mut all = parts(left, op);
            all.extend(parts(right, op));
            all
        }
        _ => vec![expr.clone()],
    }
}

/// The places of a text that are code: each byte with how deep in brackets it stands; nothing of comments and strings.
fn code(text: &str, range: Range<usize>) -> Vec<(usize, u8, usize)> {
    let (mut found, mut depth, mut string, mut comment, mut escaped) = (Vec::new(), 0_usize, false, false, false);
    let bytes = text.as_bytes().get(range.clone()).unwrap_or_default();
    for (offset, byte) in bytes.iter().enumerate() {
        let at = range.start + offset;
        match *byte {
            b'\n' if comment => comment = false,
            _ if comment => {}
            _ if string => {
                string = escaped || *byte != b'"';
                escaped = !escaped && *byte == b'\\';
            }
            b'"' => string = true,
            b'/' if bytes.get(offset + 1) == Some(&b'/') => comment = true,
            b'(' | b'{' | b'[' => {
                found.push((at, *byte, depth));
                depth += 1;
            }
            b')' | b'}' | b']' => {
                depth = depth.saturating_sub(1);
                found.push((at, *byte, depth));
            }
            other => found.push((at, other, depth)),
        }
    }
    found
}

/// What stands between the braces of each `when` and `unless`, in their order.
fn clauses_of(text: &str) -> Vec<Range<usize>> {
    let mut scope_is_over = false;
    let (mut clauses, mut open) = (Vec::new(), None);
    for (at, byte, depth) in code(text, 0..text.len()) {
        match (byte, depth) {
            // Annotations have parentheses, too, but no braces; what follows the scope has braces alone.
            (b'{', 0) => (open, scope_is_over) = (Some(at + 1), true),
            (b'}', 0) if scope_is_over => clauses.extend(open.take().map(|start| start..at)),
            _ => {}
        }
    }
    clauses
}

/// The places of the parts of a condition, as [`parts`] takes it apart.
fn split(text: &str, range: Range<usize>, op: BinaryOp) -> Vec<Range<usize>> {
    let range = bare(text, range);
    let code = code(text, range.clone());
    let at_top = |first: u8| {
        let twice = |pair: &[(usize, u8, usize)]| match pair {
            [(at, a, 0), (next, b, 0)] if *a == first && *b == first && at + 1 == *next => Some(*at),
            _ => None,
        };
        code.windows(2).filter_map(twice).collect::<Vec<usize>>()
    };
    let (ands, ors) = (at_top(b'&'), at_top(b'|'));
    let has_if = text.get(range.clone()).is_some_and(|text| text.starts_with("if ") || text.starts_with("if("));
    let cuts = if op == BinaryOp::And { ands } else { ors.clone() };
    // `a && b || c` is no conjunction.
    if cuts.is_empty() || has_if || (op == BinaryOp::And && !ors.is_empty()) {
        return vec![range];
    }
    let (mut ranges, mut start) = (Vec::new(), range.start);
    for cut in cuts {
        ranges.extend(split(text, start..cut, op));
        start = cut + 2;
    }
    ranges.extend(split(text, start..range.end, op));
    ranges
}

/// Without blanks, comments and parentheses around it.
fn bare(text: &str, range: Range<usize>) -> Range<usize> {
    let code = code(text, range.clone());
    let mut solid = code.iter().filter(|(_, byte, _)| !byte.is_ascii_whitespace());
    let (Some(first), last) = (solid.next(), solid.next_back()) else { return range };
    let last = last.unwrap_or(first);
    // A string at either end is no code: its quotes are its ends.
    let inner = text.get(range.clone()).unwrap_or_default();
    let ends_in_string = inner.trim_end().ends_with('"') && !inner.trim_end().contains("//");
    let end = if ends_in_string { range.start + inner.trim_end().len() } else { last.0 + 1 };
    let closes_at_the_end = code
        .iter()
        .find(|(at, byte, depth)| *at > first.0 && *byte == b')' && *depth == 0)
        .is_some_and(|(at, ..)| at + 1 == end);
    if first.1 == b'(' && closes_at_the_end { bare(text, first.0 + 1..end - 1) } else { first.0..end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_cut_where_cedar_cuts_them() {
        for (text, op, cut) in [
            ("a && b", BinaryOp::And, vec!["a", "b"]),
            (" a &&\n  (b && c) ", BinaryOp::And, vec!["a", "b", "c"]),
            ("((a) || b)", BinaryOp::Or, vec!["a", "b"]),
            ("a && b || c", BinaryOp::And, vec!["a && b || c"]),
            ("a && b || c", BinaryOp::Or, vec!["a && b", "c"]),
            ("(a || b) && (c || d)", BinaryOp::And, vec!["a || b", "c || d"]),
            ("x == \"&& \\\" (\" && y", BinaryOp::And, vec!["x == \"&& \\\" (\"", "y"]),
            ("a // && no ( code\n && b", BinaryOp::And, vec!["a", "b"]),
            ("if a then b && c else d", BinaryOp::And, vec!["if a then b && c else d"]),
        ] {
            let found: Vec<&str> = split(text, 0..text.len(), op).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, cut, "{text}");
        }
    }

    #[test]
    fn clauses_are_found_behind_the_scope() {
        let text = "@id(\"a\") @description(\"when { x }\")\nforbid (principal, action in [Action::\"a\"], resource)\n\
                    when { a == {b: 1} } // unless { no }\nunless\n{ c };";
        let found: Vec<&str> = clauses_of(text).into_iter().map(|range| text[range].trim()).collect();
        assert_eq!(found, ["a == {b: 1}", "c"]);
    }
}
