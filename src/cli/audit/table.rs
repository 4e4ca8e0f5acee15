//! Records as people read them: one a line, in columns.

use std::io;

use crate::audit::{AssertionStage, Found, LogoutKind, Record, RecordKind};
use crate::domain::Username;

/// The heads of the columns.
const HEADS: [&str; 7] = ["when (UTC)", "who", "what", "app", "outcome", "reference", "because of"];

/// Writes records in columns that are as wide as what stands in them.
pub(super) fn write(out: &mut impl io::Write, found: &[Found]) -> io::Result<()> {
    let rows: Vec<[String; 7]> = found.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(HEADS.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    for row in std::iter::once(&HEADS.map(str::to_owned)).chain(&rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        writeln!(out, "{}", cells.collect::<String>().trim_end())?;
    }
    Ok(())
}

fn row(found: &Found) -> [String; 7] {
    let clear = &found.clear;
    let by: Vec<&str> = clear.by.iter().map(|policy| policy.as_str()).collect();
    [
        clear.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        match &found.record {
            Ok(record) => record.user().map_or("–".to_owned(), Username::to_string),
            Err(_) => "(sealed)".to_owned(),
        },
        what(found),
        clear.app.as_ref().map(ToString::to_string).unwrap_or_default(),
        clear.outcome.map(|outcome| outcome.code().to_owned()).unwrap_or_default(),
        clear.reference.as_ref().map(ToString::to_string).unwrap_or_default(),
        by.join(", "),
    ]
}

/// What happened, in a word or two.
fn what(found: &Found) -> String {
    match &found.record {
        Ok(Record::Decision(decision)) => decision.step.action().to_owned(),
        Ok(Record::Assertion(assertion)) => match assertion.stage {
            AssertionStage::Intended => "assertion signed".to_owned(),
            AssertionStage::Released => "assertion left".to_owned(),
        },
        Ok(Record::Status(_)) => "refusal signed".to_owned(),
        Ok(Record::Logout(logout)) => match logout.message {
            LogoutKind::Request => "logout request".to_owned(),
            LogoutKind::Response => "logout response".to_owned(),
        },
        Ok(Record::Event(event)) => event.event.code().to_owned(),
        Ok(Record::Segment(_)) => "segment".to_owned(),
        Ok(Record::Forgotten(forgotten)) => format!("{} forgotten by {}", forgotten.forgot, forgotten.by.code()),
        Err(_) => match (&found.clear.record, found.clear.step, found.clear.forgot) {
            (RecordKind::Decision, Some(step), _) => step.action().to_owned(),
            (_, _, Some(month)) => format!("{month} forgotten"),
            (kind, ..) => kind.code().to_owned(),
        },
    }
}
