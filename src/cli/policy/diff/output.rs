//! The comparison, for people and machines.

use std::collections::BTreeSet;
use std::io;

use serde_json::{Value, json};

use super::names::{Moved, Name};
use super::text::What;
use super::yardsticks::Measure;
use super::{Meaning, Words};
use crate::cli::check::counted;
use crate::cli::plain;

/// So many blocks of a network are told to people.
const MOST_BLOCKS: usize = 20;
/// So many tests that came or went are named; how many more there are is counted.
const NAMED: usize = 10;

/// For people: policy by policy, then what it means.
pub(super) fn write(out: &mut dyn io::Write, words: &Words, meaning: &Meaning) -> io::Result<()> {
    if !words.schema.is_empty() {
        writeln!(out, "~ schema")?;
        words.schema.iter().try_for_each(|line| writeln!(out, "    {}", plain(line)))?;
    }
    for change in &words.policies {
        let mark = mark(change.what);
        let standing = match change.standing {
            (Some(old), Some(new)) if old != new => format!(", {} → {}", told(old), told(new)),
            (_, Some(now)) | (Some(now), None) => format!(", {}", told(now)),
            (None, None) => String::new(),
        };
        let loss = change.loss.map(|loss| format!("  LOSS: {loss}")).unwrap_or_default();
        writeln!(out, "{mark} {}  {}{standing}{loss}", change.id, change.effect)?;
        for line in &change.lines {
            writeln!(out, "    {}", plain(line))?;
        }
    }
    for Name { kind, name, what, detail } in &words.names {
        let moved = words.networks.iter().find(|moved| *kind == "network" && moved.name.as_str() == name);
        // The blocks of a network that only changed are told below, as far as they differ.
        let detail = if moved.is_some() && *what == What::Changed { "" } else { detail };
        writeln!(out, "{}", format!("{} {kind} {name}  {detail}", mark(*what)).trim_end())?;
        if let Some(moved) = moved {
            write_moved(out, moved, *what)?;
        }
    }
    write_measures(out, &words.yardsticks)?;
    if words.is_any() {
        writeln!(out)?;
    }
    match meaning {
        Meaning::Same if words.networks.is_empty() && words.names.is_empty() => {
            writeln!(out, "The same policies, under the same names.")
        }
        Meaning::Same if words.names.iter().all(|name| name.kind == "network") => {
            writeln!(out, "The same policies, under the same names; but see the networks above.")
        }
        Meaning::Same => writeln!(out, "The same policies, under the same names; but see what changed above."),
        Meaning::NotCompared(why) if words.policies.is_empty() && words.schema.is_empty() => {
            writeln!(out, "The same policies. {why}")
        }
        Meaning::NotCompared(why) => writeln!(out, "What it means was not compared: {why}"),
        #[cfg(feature = "analyze")]
        Meaning::Compared(differences) => {
            found::write(out, differences)?;
            if !words.networks.is_empty() {
                writeln!(out, "That is of addresses in the same networks as before; those that moved are told above.")?;
            }
            Ok(())
        }
    }
}

/// Which addresses are in a network now that were not, or no longer, and who speaks of it.
fn write_moved(out: &mut dyn io::Write, moved: &Moved, what: What) -> io::Result<()> {
    for (mark, blocks) in [('-', &moved.removed), ('+', &moved.added)] {
        // All there is of a network that is new, or gone, stands beside its name.
        for block in blocks.iter().take(if what == What::Changed { MOST_BLOCKS } else { 0 }) {
            writeln!(out, "    {mark} {block}")?;
        }
        if let Some(more @ 1..) = blocks.len().checked_sub(MOST_BLOCKS).filter(|_| what == What::Changed) {
            writeln!(out, "    {mark} {more} more: --json lists them")?;
        }
    }
    let listed = |ids: &BTreeSet<String>| ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match (moved.policies.is_empty(), moved.invariants.is_empty()) {
        (true, true) => writeln!(out, "    named by no policy"),
        (false, true) => writeln!(out, "    named by {}", listed(&moved.policies)),
        (true, false) => writeln!(out, "    named by no policy, and by the invariants {}", listed(&moved.invariants)),
        (false, false) => {
            writeln!(out, "    named by {}; invariants: {}", listed(&moved.policies), listed(&moved.invariants))
        }
    }
}

/// Invariants and assumptions with their lines; of tests, the lines that differ.
fn write_measures(out: &mut dyn io::Write, measures: &[Measure]) -> io::Result<()> {
    for what in [What::Removed, What::Changed, What::Created] {
        let of = |tests: bool| measures.iter().filter(move |one| one.what == what && (one.kind == "test") == tests);
        for one in of(false) {
            let loss = one.loss.map(|loss| format!("  LOSS: {loss}")).unwrap_or_default();
            writeln!(out, "{} {} {}{loss}", mark(what), one.kind, plain(&one.name))?;
            one.lines.iter().try_for_each(|line| writeln!(out, "    {}", plain(line)))?;
        }
        for one in of(true).take(NAMED) {
            let loss = one.loss.map(|loss| format!("  LOSS: {loss}")).unwrap_or_default();
            writeln!(out, "{} test “{}”{loss}", mark(what), plain(&one.name))?;
            let lines = one.lines.iter().filter(|line| what == What::Changed && !line.starts_with(' '));
            lines.take(2 * NAMED).try_for_each(|line| writeln!(out, "    {}", plain(line)))?;
        }
        if let Some(more) = of(true).count().checked_sub(NAMED).filter(|more| *more > 0) {
            writeln!(out, "{} {} like these; --json names all", mark(what), counted(more, "more test"))?;
        }
    }
    Ok(())
}

fn mark(what: What) -> char {
    match what {
        What::Created => '+',
        What::Changed => '~',
        What::Removed => '-',
    }
}

fn told(standing: &str) -> &str {
    match standing {
        "in-force" => "in force",
        "report" => "on trial",
        other => other,
    }
}

/// For machines.
pub(super) fn json((before, after): (&str, &str), words: &Words, meaning: &Meaning) -> Value {
    let policies: Vec<Value> = words
        .policies
        .iter()
        .map(|change| {
            json!({
                "id": change.id, "change": change.what.code(), "effect": change.effect,
                "standing_before": change.standing.0, "standing_after": change.standing.1,
                "loss": change.loss, "lines": change.lines,
            })
        })
        .collect();
    let meaning_told = match meaning {
        Meaning::Same => json!({ "compared": true, "differences": [], "unknown": [] }),
        Meaning::NotCompared(why) => json!({ "compared": false, "why": why }),
        #[cfg(feature = "analyze")]
        Meaning::Compared(differences) => found::json(differences),
    };
    let networks: Vec<Value> = words
        .networks
        .iter()
        .map(|moved| {
            json!({
                "name": moved.name, "added": moved.added, "removed": moved.removed,
                "policies": moved.policies, "invariants": moved.invariants,
            })
        })
        .collect();
    let names: Vec<Value> = words
        .names
        .iter()
        .map(|one| json!({ "kind": one.kind, "name": one.name, "change": one.what.code(), "detail": one.detail }))
        .collect();
    let yardsticks: Vec<Value> = words
        .yardsticks
        .iter()
        .map(|one| {
            let Measure { kind, name, what, loss, lines } = one;
            json!({ "kind": kind, "name": name, "change": what.code(), "loss": loss, "lines": lines })
        })
        .collect();
    json!({
        "ok": meaning.is_told(), "before": before, "after": after,
        "schema": words.schema, "policies": policies, "names": names, "networks": networks, "yardsticks": yardsticks, "meaning": meaning_told,
    })
}

#[cfg(feature = "analyze")]
mod found {
    //! What the solver found.

    use std::io;

    use serde_json::{Value, json};

    use crate::policy::analysis::{Difference, Kind, Pair};

    fn heading(kind: Kind) -> &'static str {
        match kind {
            Kind::LockedOut => "LOCKED OUT: allowed before, refused now whatever is shown",
            Kind::Challenged => "CHALLENGED: allowed before, asked for more now",
            Kind::Gained => "GAINED: refused before whatever was shown, allowed now",
            Kind::Freed => "FREED: asked for more before, allowed now",
        }
    }

    pub(super) fn write(out: &mut dyn io::Write, differences: &[Difference]) -> io::Result<()> {
        let mut none = Vec::new();
        for kind in Kind::ALL {
            let of_kind = || differences.iter().filter(move |difference| difference.kind == kind);
            let groups = alike(of_kind());
            if groups.is_empty() && of_kind().all(|one| one.found.is_ok()) {
                none.push(kind.code().replace('_', " "));
            }
            for (at, (scenes, pair)) in groups.iter().enumerate() {
                if at == 0 {
                    writeln!(out, "{}", heading(kind))?;
                }
                write_pair(out, scenes, pair)?;
            }
        }
        let mut failed = differences.iter().filter_map(|difference| match &difference.found {
            Err(Some(why)) => Some((difference, why)),
            _ => None,
        });
        if let Some((difference, why)) = failed.next() {
            let (scene, more) = (&difference.scene, failed.count());
            writeln!(
                out,
                "failed: {scene}, and {more} more: this is a mistake of cedargate, not of the policies: {why}"
            )?;
        }
        for difference in differences {
            if difference.found == Err(None) {
                let (scene, what) = (&difference.scene, difference.kind.code().replace('_', " "));
                writeln!(out, "unknown: {scene}, {what}: no answer in time; try a longer --time-limit")?;
            }
        }
        match none.len() {
            0 => Ok(()),
            4 => writeln!(out, "No sign-in is decided otherwise: proved."),
            _ => writeln!(out, "Proved: nobody is {}.", none.join(", nobody ")),
        }
    }

    /// The policies that refuse, before or now.
    fn refusing(pair: &Pair, kind: Kind) -> &[String] {
        match kind {
            Kind::Gained | Kind::Freed => &pair.before_by,
            Kind::Challenged | Kind::LockedOut => &pair.after.by,
        }
    }

    /// One example for each set of policies that refuses, with the scenes in which it is like this; sign-ins first.
    fn alike<'a>(differences: impl Iterator<Item = &'a Difference>) -> Vec<(Vec<&'a str>, &'a Pair)> {
        let mut groups: Vec<(Vec<&str>, &Pair)> = Vec::new();
        for difference in differences {
            let Ok(Some(pair)) = &difference.found else { continue };
            let same = |other: &Pair| {
                other.before.is_some() == pair.before.is_some()
                    && refusing(other, difference.kind) == refusing(pair, difference.kind)
            };
            match groups.iter_mut().find(|(_, other)| same(other)) {
                Some((scenes, _)) => scenes.push(&difference.scene),
                None => groups.push((vec![&difference.scene], pair)),
            }
        }
        groups
    }

    fn write_pair(out: &mut dyn io::Write, scenes: &[&str], pair: &Pair) -> io::Result<()> {
        writeln!(out, "  {}: {}", scenes.first().copied().unwrap_or_default(), pair.after.words)?;
        let by = |by: &[String]| if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
        if let (Some(before), Some(after)) = (pair.before, pair.after.decision) {
            let (old, new) = (by(&pair.before_by), by(&pair.after.by));
            writeln!(out, "    {}{old} → {}{new}", before.code(), after.code())?;
        }
        if let Some(more) = scenes.get(1..).filter(|more| !more.is_empty()) {
            writeln!(out, "    and likewise: {}", more.join(", "))?;
        }
        if let Some(case) = &pair.after.case {
            writeln!(out)?;
            for line in case.lines() {
                writeln!(out, "    {line}")?;
            }
        }
        writeln!(out)
    }

    pub(super) fn json(differences: &[Difference]) -> Value {
        let found: Vec<Value> = differences
            .iter()
            .filter_map(|one| {
                let pair = one.found.as_ref().ok()?.as_ref()?;
                Some(json!({
                    "scene": one.scene, "kind": one.kind.code(), "words": pair.after.words,
                    "before": pair.before.map(|kind| kind.code()), "before_by": pair.before_by,
                    "after": pair.after.decision.map(|kind| kind.code()), "after_by": pair.after.by,
                    "case": pair.after.case,
                }))
            })
            .collect();
        let unknown: Vec<Value> = differences
            .iter()
            .filter_map(|one| {
                let why = one.found.as_ref().err()?;
                Some(json!({ "scene": one.scene, "kind": one.kind.code(), "problem": why }))
            })
            .collect();
        json!({ "compared": true, "differences": found, "unknown": unknown })
    }
}
