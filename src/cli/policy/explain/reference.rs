//! A decision that was made: by the very policies that made it, and by those of today.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value as Json, json};

use super::what_if::{explained_value, merge};
use super::{Args, Asked, text, words};
use crate::audit::{AuditError, DecisionRecord};
use crate::cli::{EXIT_PROBLEMS, damage, open_log};
use crate::domain::{ReferenceId, Username};
use crate::policy::explain::WhatIf;
use crate::policy::{Bundle, NotReplayable, PlanError, PolicySources, Situation, recorded};
use crate::runtime::{Archive, ArchiveError};

/// What came of deciding again by the policies of then.
enum Then {
    /// They were kept.
    Decided(Box<Again>),
    /// They were not, or cannot be used.
    Lost(ArchiveError),
    /// It is no decision that can be made again.
    Not(NotReplayable),
}

/// A decision made again.
struct Again {
    what_if: WhatIf,
    situation: Situation,
    differences: Vec<Difference>,
}

/// What is not as it was.
struct Difference {
    what: &'static str,
    then: Json,
    again: Json,
}

/// Explains the decision behind a reference.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn run(args: &Args, reference: &str, asked: &Asked) -> anyhow::Result<ExitCode> {
    let reference = ReferenceId::parse(reference)?;
    let config = &asked.loaded.config;
    let log = open_log(config)?;
    let found = log.find(&reference).map_err(|error| match error {
        gone @ AuditError::Erased { .. } => {
            anyhow::anyhow!("`{reference}` can't be explained any more: {gone}, with the names and facts in it")
        }
        error => error.into(),
    })?;
    let skipped = log.skipped();
    damage::tell(&skipped)?;
    let record = found.with_context(|| format!("no decision `{reference}` in `{}`", config.audit.path.display()))?;
    let then = then(&record, asked);
    let is_same_set = record.policy_digest == asked.bundle.digest();
    let now = match &then {
        Then::Decided(_) if is_same_set => None,
        Then::Not(_) => None,
        _ => Some(again(&record, &asked.bundle, &asked.candidate.sources)),
    };
    let is_other = matches!(&then, Then::Decided(again) if !again.differences.is_empty());
    let failed = is_other || skipped.is_damaged();
    let changes = match &then {
        Then::Decided(_) if !is_same_set => changes(&record, asked),
        _ => Vec::new(),
    };
    let out = &mut io::stdout().lock();
    if args.json {
        let mut told = value(&record, &then, now.as_ref(), &changes, asked, failed);
        merge(&mut told, json!({ "damaged": skipped.damaged }));
        writeln!(out, "{told:#}")?;
    } else {
        write_record(out, &record)?;
        write_then(out, args, &then, is_same_set)?;
        if let Some(now) = &now {
            write_now(out, args, &record, now, &changes, asked, matches!(then, Then::Decided(_)))?;
        }
    }
    Ok(if failed { ExitCode::from(EXIT_PROBLEMS) } else { ExitCode::SUCCESS })
}

fn then(record: &DecisionRecord, asked: &Asked) -> Then {
    match Archive::of(&asked.loaded.config).find(&record.policy_digest) {
        Ok((set, bundle)) => match again(record, &bundle, &set.sources) {
            Ok(again) => Then::Decided(Box::new(again)),
            Err(why) => Then::Not(why),
        },
        // Whatever decided, it cannot come out again.
        Err(_) if record.at_permit => Then::Not(NotReplayable::AtPermit),
        Err(error) => Then::Lost(error),
    }
}

/// Decides a stored question by `bundle`.
fn again(record: &DecisionRecord, bundle: &Bundle, sources: &PolicySources) -> Result<Again, NotReplayable> {
    let situation = Situation::of_record(record, bundle.vocabulary())?;
    let mut what_if =
        WhatIf::of(bundle, sources, &situation).map_err(|PlanError::Exhausted| NotReplayable::Exhausted)?;
    what_if.plan.decision = recorded(record.step, what_if.plan.decision);
    let plan = &what_if.plan;
    let mut differences = Vec::new();
    let mut compare = |what: &'static str, then: Json, again: Json| {
        if then != again {
            differences.push(Difference { what, then, again });
        }
    };
    compare("decision", json!(record.decision), json!(plan.decision));
    compare("determining policies", json!(record.determining), json!(plan.determining));
    compare("evaluations", json!(record.evaluations), json!(plan.evaluations));
    Ok(Again { what_if, situation, differences })
}

/// The policies that are not what they were: created, changed, removed, or of another standing.
fn changes(record: &DecisionRecord, asked: &Asked) -> Vec<(String, &'static str)> {
    let Ok((_, old)) = Archive::of(&asked.loaded.config).find(&record.policy_digest) else { return Vec::new() };
    let before: BTreeMap<_, _> = old.inventory().map(|note| (note.id.clone(), note)).collect();
    let after: BTreeMap<_, _> = asked.bundle.inventory().map(|note| (note.id.clone(), note)).collect();
    let mut changes = Vec::new();
    for (id, note) in &before {
        match after.get(id) {
            None => changes.push((id.to_string(), "removed")),
            Some(now) if now.text != note.text => changes.push((id.to_string(), "changed")),
            Some(now) if now.standing != note.standing => changes.push((id.to_string(), now.standing)),
            Some(_) => {}
        }
    }
    changes.extend(after.keys().filter(|id| !before.contains_key(*id)).map(|id| (id.to_string(), "new")));
    if old.vocabulary() != asked.bundle.vocabulary() {
        changes.push(("the names of config.toml".to_owned(), "changed"));
    }
    changes
}

fn write_record(out: &mut impl io::Write, record: &DecisionRecord) -> io::Result<()> {
    let who = record.user.as_ref().map_or("somebody unknown".to_owned(), Username::to_string);
    writeln!(out, "{} at {}", record.reference, record.at.strftime("%Y-%m-%d %H:%M:%S UTC"))?;
    writeln!(out, "{who}, {} {}: {}", record.step.action(), record.app, words::decision(&record.decision))?;
    for policy in &record.determining {
        writeln!(out, "  because of {}", policy.id)?;
    }
    writeln!(out, "  shown: {}; fresh: {}", words::codes(record.proofs.iter()), words::codes(record.fresh.iter()))?;
    text::requested(out, record.required)?;
    text::signals(out, &record.signals)?;
    writeln!(out, "  asked {} times in {} µs, policies {}", record.evaluations, record.micros, record.policy_digest)
}

fn write_then(out: &mut impl io::Write, args: &Args, then: &Then, is_same_set: bool) -> anyhow::Result<()> {
    match then {
        Then::Decided(again) if again.differences.is_empty() => {
            let still = if is_same_set { ", which are those of today" } else { "" };
            writeln!(out, "\nDecided again by the policies of then{still}: the same, bit for bit.")?;
            text::what_if(out, &again.what_if, &again.situation, args.all)?;
        }
        Then::Decided(again) => {
            writeln!(out, "\nDecided again by the policies of then, it comes out differently:")?;
            for difference in &again.differences {
                writeln!(out, "  {}: {} then, {} now", difference.what, difference.then, difference.again)?;
            }
            writeln!(
                out,
                "The record was changed (`cedargate audit verify` tells), or this is another version of cedargate."
            )?;
            text::what_if(out, &again.what_if, &again.situation, args.all)?;
        }
        Then::Lost(error) => writeln!(out, "\nThe policies of then can't be asked: {error}.")?,
        Then::Not(why) => writeln!(out, "\nIt can't be decided again: {why}.")?,
    }
    Ok(())
}

fn write_now(
    out: &mut impl io::Write,
    args: &Args,
    record: &DecisionRecord,
    now: &Result<Again, NotReplayable>,
    changes: &[(String, &'static str)],
    asked: &Asked,
    then_is_told: bool,
) -> anyhow::Result<()> {
    let name = &asked.candidate.name;
    let again = match now {
        Ok(again) => again,
        Err(why) => return Ok(writeln!(out, "\nBy the policies of today (`{name}`) it can't be decided: {why}.")?),
    };
    let then = words::decision(&record.decision);
    let today = words::decision(&again.what_if.plan.decision);
    let same = record.decision == again.what_if.plan.decision;
    match (same, then == today) {
        (true, _) => writeln!(out, "\nBy the policies of today (`{name}`): the same decision.")?,
        (false, true) => writeln!(out, "\nBy the policies of today (`{name}`): {today} as well, for other reasons.")?,
        (false, false) => writeln!(out, "\nBy the policies of today (`{name}`): {today}; then: {then}.")?,
    }
    for (id, change) in changes {
        writeln!(out, "  {change:<9} {id}")?;
    }
    let because = words::ids(&again.what_if.plan.determining);
    if !same && !because.is_empty() {
        writeln!(out, "  because of {}", words::listed(because))?;
    }
    // Once is enough where all that is different is said above.
    if !then_is_told || !same {
        text::what_if(out, &again.what_if, &again.situation, args.all)?;
    }
    Ok(())
}

fn value(
    record: &DecisionRecord,
    then: &Then,
    now: Option<&Result<Again, NotReplayable>>,
    changes: &[(String, &'static str)],
    asked: &Asked,
    failed: bool,
) -> Json {
    let one = |again: &Again| {
        let differences = again
            .differences
            .iter()
            .map(|difference| json!({ "what": difference.what, "then": difference.then, "again": difference.again }));
        let mut value = json!({ "same": again.differences.is_empty(), "differences": differences.collect::<Vec<_>>() });
        merge(&mut value, explained_value(&again.what_if, None));
        value
    };
    let changes = changes.iter().map(|(id, change)| json!({ "policy": id, "change": change }));
    json!({
        "ok": !failed,
        "reference": record.reference,
        "record": record,
        "then": match then {
            Then::Decided(again) => one(again),
            Then::Lost(error) => json!({ "missing": error.to_string() }),
            Then::Not(why) => json!({ "missing": why.to_string() }),
        },
        "today": now.map(|now| match now {
            Ok(again) => one(again),
            Err(why) => json!({ "missing": why.to_string() }),
        }),
        "policies": asked.candidate.name,
        "policy_digest": asked.bundle.digest(),
        "changes": changes.collect::<Vec<_>>(),
    })
}
