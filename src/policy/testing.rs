//! Tests of policies, as tables in `policies/tests/*.toml`. docs/policies.md describes the format.

mod export;
mod outcome;
mod read;

use std::fmt;

use serde::Serialize;

use super::bundle::{Bundle, SourceFile};
use super::case::{Case, Surroundings};
use super::coverage::Seen;
use super::situation::Situation;
use outcome::Outcome;

pub use super::coverage::{Coverage, Covered, Sighting, Sightings};
pub use export::{Export, ExportError};
pub use read::{Row, Tables};

/// One case that did not come out as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file.
    pub file: String,
    /// The line of the case's name, or of what could not be read.
    pub line: usize,
    /// The name of the case; empty when it could not be read.
    pub case: String,
    /// What differs, in one line.
    pub message: String,
    /// What differs, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The policies that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.case.is_empty() {
            write!(f, "{}: ", self.case)?;
        }
        f.write_str(&self.message)
    }
}

/// Something that was expected to be otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What: `decision`, or a key of the case.
    pub what: &'static str,
    /// As written.
    pub expected: String,
    /// As it is.
    pub got: String,
}

/// What came of all cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// How many cases came out as written.
    pub passed: usize,
    /// The others, and what cannot be read.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether every case came out as written.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty()
    }
}

/// The policies that cases are put to, and what addresses and hours mean there.
pub struct Setting<'a> {
    /// The set.
    pub bundle: &'a Bundle,
    /// The same set on a day on which nothing had expired yet, for cases that say when they are. Not needed when nothing has.
    pub earlier: Option<Bundle>,
    /// Without it, a case with an address fails.
    pub surroundings: Option<Box<dyn Surroundings>>,
}

impl<'a> Setting<'a> {
    /// The set alone.
    #[must_use]
    pub fn new(bundle: &'a Bundle) -> Self {
        Self { bundle, earlier: None, surroundings: None }
    }

    /// The set that a case is put to.
    #[must_use]
    pub fn bundle_of(&self, case: &Case) -> &Bundle {
        self.earlier.as_ref().filter(|_| case.time.is_some()).unwrap_or(self.bundle)
    }

    /// What a case is about.
    ///
    /// # Errors
    /// As [`Case::situation_in`].
    pub fn situation(&self, case: &Case) -> Result<Situation, String> {
        case.situation_in(self.bundle_of(case), self.surroundings.as_deref())
    }
}

/// Runs every case of `files` by the policies alone.
#[must_use]
pub fn run(bundle: &Bundle, files: &[SourceFile]) -> Report {
    run_in(&Setting::new(bundle), &Tables::read(files))
}

/// Runs every case.
#[must_use]
pub fn run_in(setting: &Setting<'_>, tables: &Tables) -> Report {
    each(setting, tables, |_, _, _| {})
}

/// Runs every case, and tells which of them see each policy apply, and which see it stay out. Cases that cannot be asked about
/// see nothing.
#[must_use]
pub fn run_and_cover(setting: &Setting<'_>, tables: &Tables) -> (Report, Coverage) {
    let mut seen = Seen::new(setting.bundle);
    let report = each(setting, tables, |number, row, outcome| {
        let place = || Sighting { file: row.file.clone(), line: row.line, case: row.case.name.get_ref().clone() };
        for question in &outcome.questions {
            seen.look(setting.bundle_of(&row.case), (number, &outcome.situation), question, place);
        }
    });
    (report, seen.coverage(setting.bundle))
}

fn each(setting: &Setting<'_>, tables: &Tables, mut see: impl FnMut(usize, &Row, &Outcome)) -> Report {
    let mut report = Report { passed: 0, failures: tables.problems.clone() };
    for (number, row) in tables.rows.iter().enumerate() {
        let compared = outcome::look(setting, row).and_then(|outcome| {
            see(number, row, &outcome);
            outcome.compare(row)
        });
        match compared {
            Ok(()) => report.passed += 1,
            Err(failure) => report.failures.push(*failure),
        }
    }
    report.failures.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    report
}

#[cfg(test)]
mod tests;
