//! The comparison, for people and machines.

use std::io;

use serde_json::{Value, json};

use super::Meaning;
use super::text::{Change, What};

/// For people: policy by policy, then what it means.
pub(super) fn write(out: &mut dyn io::Write, changes: &[Change], meaning: &Meaning) -> io::Result<()> {
    for change in changes {
        let mark = match change.what {
            What::Created => '+',
            What::Changed => '~',
            What::Removed => '-',
        };
        let standing = match change.standing {
            (Some(old), Some(new)) if old != new => format!(", {} → {}", words(old), words(new)),
            (_, Some(now)) | (Some(now), None) => format!(", {}", words(now)),
            (None, None) => String::new(),
        };
        let loss = change.loss.map(|loss| format!("  LOSS: {loss}")).unwrap_or_default();
        writeln!(out, "{mark} {}  {}{standing}{loss}", change.id, change.effect)?;
        for line in &change.lines {
            writeln!(out, "    {line}")?;
        }
    }
    if !changes.is_empty() {
        writeln!(out)?;
    }
    match meaning {
        Meaning::Same => writeln!(out, "The same policies, under the same names."),
        Meaning::NotCompared(why) if changes.is_empty() => writeln!(out, "The same policies; names differ. {why}"),
        Meaning::NotCompared(why) => writeln!(out, "What it means was not compared: {why}"),
        #[cfg(feature = "analyze")]
        Meaning::Compared(differences) => found::write(out, differences),
    }
}

fn words(standing: &str) -> &str {
    match standing {
        "in-force" => "in force",
        "report" => "on trial",
        other => other,
    }
}

/// For machines.
pub(super) fn json(before: &str, after: &str, changes: &[Change], meaning: &Meaning) -> Value {
    let policies: Vec<Value> = changes
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
    json!({ "ok": meaning.is_told(), "before": before, "after": after, "policies": policies, "meaning": meaning_told })
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
            let found = of_kind().filter_map(|one| Some((&one.scene, one.found.as_ref().ok()?.as_ref()?)));
            let found: Vec<_> = found.collect();
            if found.is_empty() && of_kind().all(|one| one.found.is_ok()) {
                none.push(kind.code().replace('_', " "));
            }
            for (at, (scene, pair)) in found.into_iter().enumerate() {
                if at == 0 {
                    writeln!(out, "{}", heading(kind))?;
                }
                write_pair(out, scene, pair)?;
            }
        }
        for difference in differences {
            let what = difference.kind.code().replace('_', " ");
            match &difference.found {
                Ok(_) => {}
                Err(None) => {
                    let scene = &difference.scene;
                    writeln!(out, "unknown: {scene}, {what}: no answer in time; try a longer --time-limit")?;
                }
                Err(Some(why)) => {
                    let scene = &difference.scene;
                    writeln!(out, "failed: {scene}, {what}: this is a mistake of cedargate, not of the policies: {why}")?;
                }
            }
        }
        match none.len() {
            0 => Ok(()),
            4 => writeln!(out, "No sign-in is decided otherwise: proved."),
            _ => writeln!(out, "Proved: nobody is {}.", none.join(", nobody ")),
        }
    }

    fn write_pair(out: &mut dyn io::Write, scene: &str, pair: &Pair) -> io::Result<()> {
        writeln!(out, "  {scene}: {}", pair.after.words)?;
        let by = |by: &[String]| if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
        if let (Some(before), Some(after)) = (pair.before, pair.after.decision) {
            let (old, new) = (by(&pair.before_by), by(&pair.after.by));
            writeln!(out, "    {}{old} → {}{new}", before.code(), after.code())?;
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
