//! `cedargate policy list` and `show`: what there is, and how it is written.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{parsed, problems};
use crate::domain::PolicyId;
use crate::policy::{Bundle, PolicyNote};

/// The flags of `policy list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let bundle = match parsed(config)?.1 {
        Ok(parsed) => parsed.bundle,
        Err(errors) => return problems(&errors, args.json),
    };
    let out = &mut io::stdout().lock();
    let notes: Vec<PolicyNote> = bundle.inventory().collect();
    if args.json {
        let policies: Vec<Value> = notes.iter().map(json_of).collect();
        writeln!(out, "{:#}", json!({ "ok": true, "policies": policies }))?;
    } else {
        write_table(out, &notes)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json_of(note: &PolicyNote) -> Value {
    json!({
        "id": note.id, "effect": note.effect, "standing": note.standing_in_words(), "description": note.description,
        "severity": note.severity(), "owner": note.owner(), "expires": note.expires(),
    })
}

fn write_table(out: &mut dyn io::Write, notes: &[PolicyNote]) -> io::Result<()> {
    let row = |note: &PolicyNote| {
        let expires = note.expires().map_or_else(|| "-".to_owned(), |date| date.to_string());
        let owner = note.owner().unwrap_or("-").to_owned();
        [note.id.to_string(), note.effect.to_owned(), note.standing_in_words().to_owned(), expires, owner]
    };
    let head = ["POLICY", "EFFECT", "STANDING", "EXPIRES", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(notes.iter().map(row)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints one policy: what is to be known besides its text, when there is something, and the text.
pub(super) fn show(id: &str, config: &Path) -> anyhow::Result<ExitCode> {
    let bundle = match parsed(config)?.1 {
        Ok(parsed) => parsed.bundle,
        Err(errors) => return problems(&errors, false),
    };
    let parsed = PolicyId::parse(id)?;
    let text = bundle.policy_text(&parsed).with_context(|| not_there(id, &bundle))?;
    let out = &mut io::stdout().lock();
    // A comment, so that what is printed stays Cedar.
    let note = bundle.inventory().find(|note| note.id == parsed).filter(|note| note.standing != "in-force");
    if let Some(note) = note {
        writeln!(out, "// {}", note.standing_in_words())?;
    }
    writeln!(out, "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// There is no such policy; one that is called nearly like it may be meant.
fn not_there(id: &str, bundle: &Bundle) -> String {
    let names = bundle.inventory().map(|note| note.id.to_string());
    let near = names.map(|name| (strsim::damerau_levenshtein(&name, id), name)).min();
    match near {
        Some((distance, near)) if distance <= 1 + id.len() / 4 => {
            format!("no policy is called `{id}`; did you mean `{near}`?")
        }
        _ => format!("no policy is called `{id}`; `cedargate policy list` names all"),
    }
}
