//! What was explained, as a case that can be pasted into the tests.

use super::{Asked, words};
use crate::clock::Timestamp;
use crate::domain::{Decision, DecisionKind};
use crate::policy::Situation;
use crate::policy::case::{Case, Signals};
use crate::policy::explain::WhatIf;
use crate::policy::testing::{Row, Tables};
use crate::runtime;

/// The case of an explained situation, with what was decided as what is expected. `None` when no case comes to the same.
/// There is no word in cases for what somebody used last: it only orders offers.
pub(super) fn of(situation: &Situation, what_if: &WhatIf, asked: &Asked) -> Option<String> {
    let decision = what_if.decision();
    let plain = Case {
        by: Some(what_if.plan.determining.iter().map(|policy| policy.id.to_string()).collect()),
        offers: match decision {
            Decision::Challenge { offers, .. } => Some(offers.iter().map(|offer| offer.method).collect()),
            Decision::Enrol { methods, .. } => Some(methods.clone()),
            Decision::Allow | Decision::Deny(_) => None,
        },
        ..Case::of(name(situation, decision.kind()), situation, decision.kind())
    };
    // A moment matters to few policies: without it, the case holds on any day.
    let dated = (situation.signals.now != Timestamp::UNIX_EPOCH).then(|| {
        let Signals { hour, weekday, .. } = Signals::default();
        let signals = Signals { hour, weekday, ..plain.signals.clone() };
        Case { time: Some(situation.signals.now.to_string()), signals, ..plain.clone() }
    });
    let in_any_order = Case { offers: None, ..plain.clone() };
    let mut tried = [Some(plain), dated, Some(in_any_order)].into_iter().flatten();
    tried.find(|case| holds(case, asked)).map(|case| case.to_toml())
}

/// Whether `policy test` would pass it.
fn holds(case: &Case, asked: &Asked) -> bool {
    let candidate = &asked.candidate;
    let row = Row { file: String::new(), line: 0, case: case.clone() };
    let tables = Tables { rows: vec![row], problems: Vec::new() };
    let Ok(geo) = runtime::geo_for(&asked.loaded, &tables) else { return false };
    let setting = runtime::setting(&candidate.config, &asked.bundle, &candidate.sources, &tables, &geo);
    crate::policy::testing::run_in(&setting, &tables).is_ok()
}

fn name(situation: &Situation, kind: DecisionKind) -> String {
    let shown = match situation.fresh {
        none if none.is_empty() => "nothing".to_owned(),
        shown => words::codes(shown.iter()),
    };
    format!("{} with {shown} before {}: {}", situation.user.username, situation.app.id, kind.code())
}
