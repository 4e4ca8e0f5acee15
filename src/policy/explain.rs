//! Why: every policy, and what came of it.

use serde::Serialize;

use super::bundle::Bundle;
use super::question::Question;
use crate::domain::{PolicyId, RoleName, Step};

/// What came of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It applies.
    Matched,
    /// It is about somebody, something or some step else.
    OtherScope,
    /// It is about this, but this condition does not hold (`when`), or does (`unless`).
    NotMatched {
        /// The condition, in Cedar.
        condition: String,
    },
    /// It could not be evaluated.
    Error {
        /// What Cedar says.
        message: String,
    },
}

/// One policy in an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedPolicy {
    /// Its `@id`.
    pub id: PolicyId,
    /// Its `@description`.
    pub description: String,
    /// Whether it forbids (or permits).
    pub forbids: bool,
    /// Whether it is on trial only.
    pub shadow: bool,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Why a step was allowed or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The answer.
    pub allowed: bool,
    /// Every policy, in the order of files.
    pub policies: Vec<ExplainedPolicy>,
}

/// Explains the answer to one step.
#[must_use]
pub fn explain(bundle: &Bundle, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Explanation {
    let _ = (bundle, step, role, q);
    unimplemented!()
}
