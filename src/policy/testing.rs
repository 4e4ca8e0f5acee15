//! Tests of policies, as tables in `policies/tests/*.toml`. docs/policies.md describes the format.

use std::collections::BTreeSet;

use serde::Serialize;

use super::bundle::{Bundle, SourceFile};
use super::case::{Audience, Case, Table};
use super::situation::Asks;
use crate::domain::{Decision, RoleName, Step};

/// One case that did not come out as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file.
    pub file: String,
    /// The line of the case's name; of the file, 1, when it could not be read at all.
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
    /// Policies in force that applied in no case.
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
    let mut report = Report::default();
    let mut applied = BTreeSet::new();
    for file in files {
        let table: Table = match toml::from_str(&file.text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(1, |span| line(&file.text, span.start));
                let message = error.message().to_owned();
                report.failures.push(Failure { file: file.path.clone(), line, case: String::new(), message });
                continue;
            }
        };
        for case in &table.case {
            match check(bundle, case, &mut applied) {
                Ok(()) => report.passed += 1,
                Err(message) => report.failures.push(Failure {
                    file: file.path.clone(),
                    line: line(&file.text, case.name.span().start),
                    case: case.name.get_ref().clone(),
                    message,
                }),
            }
        }
    }
    let untested = bundle.policy_ids().filter(|id| !applied.contains(id.as_str()));
    report.untested = untested.map(ToString::to_string).collect();
    report
}

fn line(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1)
}

fn check(bundle: &Bundle, case: &Case, applied: &mut BTreeSet<String>) -> Result<(), String> {
    let situation = case.situation(bundle)?;
    let q = situation.question();
    let mut see = |step: Step, role: Option<&RoleName>| {
        let seen = bundle.apply(step, role, &q);
        applied.extend(bundle.enforced(seen.permits.iter().chain(&seen.forbids)).into_iter().map(|p| p.id.to_string()));
        seen.allowed()
    };
    match &situation.asks {
        Asks::Step(step) => _ = see(*step, None),
        Asks::Role(role) => _ = see(Step::AssumeRole, Some(role)),
        Asks::Open(_) => {
            see(Step::SignIn, None);
            let roles = situation.app.roles.iter();
            let permitted = roles.filter(|role| see(Step::AssumeRole, Some(role))).cloned().collect();
            differ("roles", case.roles.as_ref(), &permitted)?;
        }
    }
    let plan = situation.decide(bundle).map_err(|error| error.to_string())?;
    let (got, by) = (plan.decision.kind(), plan.determining);
    let alerts = situation.alerts(bundle, &plan.decision);
    if !alerts.failed.is_empty() {
        return Err(format!("these policies failed: {:?}", alerts.failed));
    }
    if got != case.expect {
        let by: Vec<_> = by.iter().map(|policy| policy.id.as_str()).collect();
        return Err(format!("expected {}, got {} by {by:?}", case.expect.code(), got.code()));
    }
    let telling = alerts.user.iter().chain(&alerts.security).map(|policy| policy.id.to_string());
    applied.extend(telling);
    let told = [(Audience::User, &alerts.user), (Audience::Security, &alerts.security)];
    let told = told.into_iter().filter(|(_, policies)| !policies.is_empty()).map(|(audience, _)| audience).collect();
    let offers = match plan.decision {
        Decision::Challenge { offers, .. } => offers.iter().map(|offer| offer.method).collect(),
        Decision::Enrol { methods, .. } => methods,
        Decision::Allow | Decision::Deny(_) => Vec::new(),
    };
    differ("alerts", case.alerts.as_ref(), &told)?;
    differ("offers", case.offers.as_ref(), &offers)?;
    differ("by", case.by.as_ref(), &by.iter().map(|policy| policy.id.to_string()).collect())
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, expected: Option<&T>, got: &T) -> Result<(), String> {
    match expected {
        Some(expected) if expected != got => Err(format!("{what}: expected {expected:?}, got {got:?}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
