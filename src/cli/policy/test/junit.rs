//! The result as JUnit's XML, which build servers read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use crate::policy::testing::{Failure, Report, Tables};

/// Writes one suite for each file of cases.
pub(super) fn write(file: &Path, tables: &Tables, report: &Report) -> anyhow::Result<()> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    let failed: BTreeMap<(&str, usize), &Failure> =
        report.failures.iter().map(|failure| ((failure.file.as_str(), failure.line), failure)).collect();
    let add = |of: &str, line: usize, name: &str, status: TestCaseStatus| {
        let mut case = TestCase::new(name, status);
        case.set_classname(of).extra.insert("file".into(), of.into());
        case.extra.insert("line".into(), line.to_string().into());
        case
    };
    for row in &tables.rows {
        let status = match failed.get(&(row.file.as_str(), row.line)) {
            None => TestCaseStatus::success(),
            Some(failure) => failure_status(NonSuccessKind::Failure, failure),
        };
        let case = add(&row.file, row.line, row.case.name.get_ref(), status);
        suites.entry(&row.file).or_insert_with(|| TestSuite::new(row.file.as_str())).add_test_case(case);
    }
    for problem in &tables.problems {
        let name = format!("line {}", problem.line);
        let case = add(&problem.file, problem.line, &name, failure_status(NonSuccessKind::Error, problem));
        suites.entry(&problem.file).or_insert_with(|| TestSuite::new(problem.file.as_str())).add_test_case(case);
    }
    let mut document = Document::new("cedargate policy test");
    document.add_test_suites(suites.into_values());
    let text = document.to_string().context("the result can't be written as XML")?;
    fs::write(file, text).with_context(|| format!("can't write `{}`", file.display()))
}

fn failure_status(kind: NonSuccessKind, failure: &Failure) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(failure.message.as_str());
    status.set_description(format!("{}:{}: {}", failure.file, failure.line, failure.message));
    status
}
