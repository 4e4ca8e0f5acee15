//! The challenge is computed, not declared: which further proofs that this person can give would make Cedar say yes?

use super::bundle::Bundle;
use super::question::Question;
use crate::domain::{Decision, EnforcedPolicy, Method, RoleName, Step};

/// How many times one plan may ask Cedar, besides once for each role of the app.
pub const MOST_EVALUATIONS: u32 = 64;

/// What the person wants to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'a> {
    /// One step.
    Step(Step),
    /// Open the app: signIn, and when the app has roles, assumeRole for one of `roles` at least.
    App {
        /// The roles that would do: one that was chosen, or all of the app.
        roles: &'a [RoleName],
    },
}

/// What the person can show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repertoire {
    /// The methods they have, without those they said they no longer have.
    pub enrolled: Vec<Method>,
    /// The methods they could add.
    pub enrollable: Vec<Method>,
    /// The one shown last time; it is offered in second place.
    pub last_used: Option<Method>,
}

/// What was decided, and at what cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The decision.
    pub decision: Decision,
    /// How often Cedar was asked.
    pub evaluations: u32,
    /// The policies behind it: permits of an Allow, forbids of anything else.
    pub determining: Vec<EnforcedPolicy>,
}

/// No decision was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Cedar was asked too often: the policies tell too many methods apart.
    #[error("no decision within {MOST_EVALUATIONS} evaluations")]
    Exhausted,
}

/// Decides: yes, not yet (show or add something), or no.
///
/// # Errors
/// [`PlanError::Exhausted`].
pub fn plan(bundle: &Bundle, goal: Goal<'_>, q: &Question<'_>, repertoire: &Repertoire) -> Result<Plan, PlanError> {
    let _ = (bundle, goal, q, repertoire);
    unimplemented!()
}
