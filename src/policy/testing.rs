//! Tests of policies, as tables in `policies/tests/*.toml`.

use serde::Serialize;

use super::bundle::{Bundle, SourceFile};

/// One case that did not come out as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file.
    pub file: String,
    /// The line of the case, 0 when the file could not be read.
    pub line: usize,
    /// The name of the case.
    pub case: String,
    /// What differs.
    pub message: String,
}

/// What came of all cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// How many cases came out as written.
    pub passed: usize,
    /// The others, and files that cannot be read.
    pub failures: Vec<Failure>,
    /// Policies in force that no case saw apply.
    pub untested: Vec<String>,
}

impl Report {
    /// Whether every case came out as written.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs every case of `files`.
#[must_use]
pub fn run(bundle: &Bundle, files: &[SourceFile]) -> Report {
    let _ = (bundle, files);
    unimplemented!()
}
