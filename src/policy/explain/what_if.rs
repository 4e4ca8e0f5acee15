//! What would be decided in a situation, and why: the decision of a sign-in, with everything that went into it.

use serde::Serialize;

use super::{Explanation, explain};
use crate::domain::{Decision, PolicyId, RoleName, Step};
use crate::policy::bundle::{Bundle, PolicySources};
use crate::policy::engine::Verdict;
use crate::policy::notify::Alerts;
use crate::policy::planner::{Goal, Plan, PlanError, Trace, plan_traced};
use crate::policy::situation::{Asks, Situation};

/// One question of a situation, with what came of every policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedStep {
    /// The step.
    pub step: Step,
    /// The role, for assumeRole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// What came of it, on what was shown by then.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// What would be decided, and why.
#[derive(Debug, Clone)]
pub struct WhatIf {
    /// The decision.
    pub plan: Plan,
    /// What the planner asked on its way there.
    pub trace: Trace,
    /// The step, and for an app with roles each role, on what was shown by then.
    pub steps: Vec<ExplainedStep>,
    /// Who would be told.
    pub alerts: Alerts,
    /// What the policies say of each role that would do, with what was shown by then.
    pub roles: Vec<(RoleName, Verdict)>,
    /// The policies on trial that would have applied.
    pub shadow: Vec<PolicyId>,
}

impl WhatIf {
    /// Decides and explains `situation` by `bundle`; `sources` are the files it was read from.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn of(bundle: &Bundle, sources: &PolicySources, situation: &Situation) -> Result<Self, PlanError> {
        let q = situation.question();
        let (plan, trace) = match &situation.asks {
            Asks::Open(roles) => traced(bundle, Goal::App { roles }, situation)?,
            Asks::Step(step) if *step != Step::Visit => traced(bundle, Goal::Step(*step), situation)?,
            Asks::Step(_) | Asks::Role(_) => (situation.decide(bundle)?, Trace::default()),
        };
        let mut steps = Vec::new();
        for (step, role) in questions(&situation.asks, situation) {
            let mut explanation = explain(bundle, step, role.as_ref(), &q);
            explanation.locate(bundle, sources);
            steps.push(ExplainedStep { step, role, explanation });
        }
        let verdict = |role: &RoleName| (role.clone(), bundle.evaluate(Step::AssumeRole, Some(role), &q));
        let roles = match &situation.asks {
            Asks::Open(roles) => roles.iter().map(verdict).collect(),
            Asks::Role(_) | Asks::Step(_) => Vec::new(),
        };
        let alerts = situation.alerts(bundle, &plan.decision);
        let asked = steps.first().map_or(Step::SignIn, |first| first.step);
        let role = steps.first().and_then(|first| first.role.as_ref());
        let shadow = bundle.shadow(asked, role, &q).into_iter().map(|policy| policy.id).collect();
        Ok(Self { plan, trace, steps, alerts, roles, shadow })
    }

    /// The decision.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.plan.decision
    }
}

fn traced(bundle: &Bundle, goal: Goal<'_>, situation: &Situation) -> Result<(Plan, Trace), PlanError> {
    let (plan, trace) = plan_traced(bundle, goal, &situation.question(), &situation.repertoire);
    Ok((plan?, trace))
}

/// What is asked of Cedar about a situation, the step first.
pub(super) fn questions(asks: &Asks, situation: &Situation) -> Vec<(Step, Option<RoleName>)> {
    match asks {
        Asks::Step(step) => vec![(*step, None)],
        Asks::Role(role) => vec![(Step::AssumeRole, Some(role.clone()))],
        Asks::Open(roles) => {
            let roles = roles.iter().filter(|role| situation.app.roles.contains(role));
            std::iter::once((Step::SignIn, None))
                .chain(roles.map(|role| (Step::AssumeRole, Some(role.clone()))))
                .collect()
        }
    }
}
