//! What `cedargate check` tells of metadata: where each app's comes from, how fresh it is, and until when it counts.

use std::io;

use serde_json::{Value, json};

use crate::runtime::{Checked, Imported};

/// One line for each app that has metadata, and one for each thing of it that is left out.
pub(super) fn write(out: &mut dyn io::Write, checked: &Checked) -> io::Result<()> {
    for one in &checked.imported {
        writeln!(out, "{}", line(one))?;
        for what in &one.left_out {
            writeln!(out, "{}: left out: {what}", one.app)?;
        }
    }
    for one in &checked.unavailable {
        writeln!(out, "warning: nobody can sign in to {}: {}", one.app.id, one.why)?;
    }
    Ok(())
}

fn line(one: &Imported) -> String {
    let signed = if one.signed { "signature verified" } else { "not signed for us" };
    let until = one.valid_until.map_or("without an end".to_owned(), |end| format!("until {end}"));
    let seen = one.seen.map(|at| format!(", seen there at {at}")).unwrap_or_default();
    format!("{}: metadata `{}`, {signed}, {until}{seen}", one.app, one.source)
}

pub(super) fn json(checked: &Checked) -> Value {
    let imported = checked.imported.iter().map(|one| {
        json!({
            "app": one.app, "source": one.source, "file": one.file, "signed": one.signed, "seen": one.seen,
            "valid_until": one.valid_until, "left_out": one.left_out,
        })
    });
    let unavailable = checked.unavailable.iter().map(|one| json!({ "app": one.app.id, "unavailable": one.why }));
    imported.chain(unavailable).collect()
}
