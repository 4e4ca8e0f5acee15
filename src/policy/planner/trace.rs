//! What a plan asked on its way, for whoever wants to know why.

use serde::Serialize;

use super::super::bundle::Bundle;
use super::super::engine::Applied;
use super::super::request::Shown;
use crate::domain::{MethodSet, PolicyId, RoleName, Step};

/// One question that was put to Cedar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// The step.
    pub step: Step,
    /// The role, for assumeRole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// What was supposed to be shown besides what was.
    pub with: MethodSet,
    /// What Cedar said.
    pub allowed: bool,
    /// The forbids that applied.
    pub forbids: Vec<PolicyId>,
    /// Whether a permit applied.
    pub permitted: bool,
}

/// All of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// Every question, in order.
    pub tried: Vec<Tried>,
    /// The smallest sets that lead to the goal: of each, the groups of methods of which any one will do.
    pub smallest: Vec<Vec<MethodSet>>,
    /// What was shown when the first question was asked.
    base: Option<Shown>,
}

impl Trace {
    pub(super) fn note(
        &mut self,
        bundle: &Bundle,
        step: Step,
        role: Option<&RoleName>,
        shown: Shown,
        applied: &Applied,
    ) {
        let base = *self.base.get_or_insert(shown);
        self.tried.push(Tried {
            step,
            role: role.cloned(),
            with: shown.fresh.difference(base.fresh),
            allowed: applied.allowed(),
            forbids: bundle.enforced(&applied.forbids).into_iter().map(|policy| policy.id).collect(),
            permitted: !applied.permits.is_empty(),
        });
    }
}
