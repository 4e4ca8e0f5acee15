//! The instants that policies speak of: dated bounds of their conditions, and the day on which a permit ends.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::facts::{Value, path};
use crate::clock::Timestamp;

/// Questions are put to the second.
const SECOND: i64 = 1;

/// The instant with which `expr` compares that of the question; `None` for everything else.
pub(super) fn compared_with(expr: &Expr) -> Option<Timestamp> {
    use BinaryOp::{Eq, Greater, GreaterEq, Less, LessEq, NotEq};
    let Expr::BinaryOp { op: Less | LessEq | Greater | GreaterEq | Eq | NotEq, left, right } = expr else {
        return None;
    };
    let is_now = |expr: &Expr| path(expr).is_some_and(|path| path == ["time", "now"]);
    match (&**left, &**right) {
        (left, right) if is_now(left) => written(right),
        (left, right) if is_now(right) => written(left),
        _ => None,
    }
}

/// `datetime("2027-01-31")`, or with a time and an offset.
fn written(expr: &Expr) -> Option<Timestamp> {
    let Expr::UnaryOp { op: UnaryOp::Datetime, expr } = expr else { return None };
    let Expr::Literal(Literal::String(text)) = &**expr else { return None };
    match text.parse::<Date>() {
        Ok(date) if !text.contains('T') => begin(date),
        _ => text.parse().ok(),
    }
}

/// The first instant of a day, in UTC.
pub(super) fn begin(day: Date) -> Option<Timestamp> {
    day.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp())
}

/// The time from `now` on, cut at each bound: before it, at it, after it. What nobody tells apart is joined later.
pub(super) fn stretches(bounds: &BTreeSet<Timestamp>, now: Timestamp) -> Vec<Value> {
    let whole = |at: &Timestamp| {
        let second = at.as_second();
        Timestamp::from_second(if at.subsec_nanosecond() > 0 { second.saturating_add(SECOND) } else { second }).ok()
    };
    let next = |at: Timestamp| Timestamp::from_second(at.as_second().saturating_add(SECOND)).ok();
    let edges = bounds.iter().filter_map(whole).flat_map(|at| [Some(at), next(at)]).flatten();
    let ahead: BTreeSet<Timestamp> = edges.filter(|edge| *edge > now).collect();
    let from = std::iter::once(now).chain(ahead.iter().copied());
    let until = ahead.iter().copied().map(Some).chain([None]);
    from.zip(until).map(|(from, until)| Value::Instants { from, until }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cedar_policy::Policy;
    use cedar_policy::pst::Clause;

    use super::*;

    #[test]
    fn dated_bounds_are_found_on_either_side_and_nothing_else_is_one() {
        for (condition, expected) in [
            ("context.time.now < datetime(\"2027-01-31\")", Some("2027-01-31T00:00:00Z")),
            ("datetime(\"2027-01-31T09:00:00Z\") <= context.time.now", Some("2027-01-31T09:00:00Z")),
            ("context.time.now == datetime(\"2027-01-31T09:00:00.250+0100\")", Some("2027-01-31T08:00:00.25Z")),
            ("context.time.now.toDate() == datetime(\"2027-01-31\")", None),
            ("context.time.now < datetime(\"2027-01-31\").offset(duration(\"1d\"))", None),
            ("context.time.hour < 6", None),
        ] {
            let policy: Policy =
                format!("permit (principal, action, resource) when {{ {condition} }};").parse().unwrap();
            let whole = policy.to_pst().unwrap();
            let Some(Clause::When(expr)) = whole.body().clauses().iter().next().cloned() else { panic!("{condition}") };
            let expr: Arc<Expr> = expr;
            let found = compared_with(&expr).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{condition}");
        }
    }

    #[test]
    fn what_lies_ahead_is_cut_at_its_bounds_to_the_second() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let bounds = ["2026-01-01T00:00:00Z", "2027-01-31T00:00:00Z", "2027-03-01T12:00:00.5Z"].map(at);
        let found = stretches(&BTreeSet::from(bounds), at("2026-11-22T10:00:00Z"));
        let words = found.iter().map(|value| match value {
            Value::Instants { from, until } => until.map_or(format!("{from}.."), |until| format!("{from}..{until}")),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            words.collect::<Vec<_>>(),
            [
                "2026-11-22T10:00:00Z..2027-01-31T00:00:00Z",
                "2027-01-31T00:00:00Z..2027-01-31T00:00:01Z",
                "2027-01-31T00:00:01Z..2027-03-01T12:00:01Z",
                "2027-03-01T12:00:01Z..2027-03-01T12:00:02Z",
                "2027-03-01T12:00:02Z..",
            ]
        );
    }
}
