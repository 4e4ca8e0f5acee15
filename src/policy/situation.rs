//! A whole question that owns its parts: who asks for what, under which facts, and what they can show. Tests, explanations,
//! replay and proofs all decide through it, by the same planner as a sign-in.

use super::bundle::Bundle;
use super::notify::Alerts;
use super::planner::{self, Goal, Plan, PlanError};
use super::question::Question;
use crate::domain::{
    App, Decision, DecisionKind, DenyReason, Method, MethodSet, Profile, Repertoire, Required, RoleName, SignalSet,
    Step, User,
};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// A step of policies. Nobody is challenged for [`Step::Visit`].
    Step(Step),
    /// assumeRole for one role, as it stands: nobody is challenged for a role alone.
    Role(RoleName),
    /// To open the app: signIn, and assumeRole for one of these roles where the app has roles.
    Open(Vec<RoleName>),
}

impl Asks {
    /// Whether an app is opened, which is where it counts what that app requests.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Step(Step::SignIn))
    }
}

/// Somebody before an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// Who.
    pub user: User,
    /// Before which app.
    pub app: App,
    /// What they want.
    pub asks: Asks,
    /// What was shown and still counts.
    pub proofs: MethodSet,
    /// What was shown just now.
    pub fresh: MethodSet,
    /// The facts.
    pub signals: SignalSet,
    /// The service provider sent them.
    pub sp_initiated: bool,
    /// It asked for a new authentication.
    pub force_authn: bool,
    /// What it wants shown.
    pub required: Required,
    /// How strict the classes are.
    pub profile: Profile,
    /// What they can show.
    pub repertoire: Repertoire,
}

impl Situation {
    /// The question to the policies.
    #[must_use]
    pub fn question(&self) -> Question<'_> {
        Question {
            user: &self.user,
            app: &self.app,
            proofs: self.proofs,
            fresh: self.fresh,
            signals: &self.signals,
            sp_initiated: self.sp_initiated,
            force_authn: self.force_authn,
            required: self.required,
            profile: self.profile,
        }
    }

    /// Decides by `bundle`, as a sign-in would.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn decide(&self, bundle: &Bundle) -> Result<Plan, PlanError> {
        let q = self.question();
        match &self.asks {
            Asks::Step(Step::Visit) => Ok(self.as_it_stands(bundle, Step::Visit, None)),
            Asks::Role(role) => Ok(self.as_it_stands(bundle, Step::AssumeRole, Some(role))),
            Asks::Step(step) => planner::plan(bundle, Goal::Step(*step), &q, &self.repertoire),
            Asks::Open(roles) => planner::plan(bundle, Goal::App { roles }, &q, &self.repertoire),
        }
    }

    /// Yes or no, without looking for more to show.
    fn as_it_stands(&self, bundle: &Bundle, step: Step, role: Option<&RoleName>) -> Plan {
        let verdict = bundle.evaluate(step, role, &self.question());
        let decision = if verdict.allowed { Decision::Allow } else { Decision::Deny(verdict.reason()) };
        Plan { decision, evaluations: 1, determining: verdict.determining }
    }

    /// Who would be told of `decision`.
    #[must_use]
    pub fn alerts(&self, bundle: &Bundle, decision: &Decision) -> Alerts {
        let failed = match decision {
            Decision::Deny(DenyReason::EvaluationError { policies }) => policies.clone(),
            _ => Vec::new(),
        };
        match (&self.asks, decision) {
            // Before a first factor there is nobody to tell but the security team.
            (Asks::Step(Step::Visit), Decision::Deny(DenyReason::Forbidden { policies })) => {
                let security = policies.iter().filter(|policy| policy.alerts_security).cloned().collect();
                Alerts { security, ..Alerts::default() }
            }
            (Asks::Step(Step::Visit) | Asks::Role(_), _) => Alerts { failed, ..Alerts::default() },
            _ => bundle.alerts(decision, &self.question()),
        }
    }
}

/// A decision as it is written down and acted on: leave to add a method is not the end of a sign-in, but a page to add it.
#[must_use]
pub fn recorded(step: Step, decision: Decision) -> Decision {
    match decision {
        Decision::Allow if step == Step::Enroll => {
            Decision::Enrol { methods: vec![Method::Totp], permitted: true, policies: Vec::new() }
        }
        decision => decision,
    }
}

/// The word that is written down for a decision: that of [`recorded`].
#[must_use]
pub fn recorded_kind(step: Step, decision: &Decision) -> DecisionKind {
    match decision {
        Decision::Allow if step == Step::Enroll => DecisionKind::Enrol,
        decision => decision.kind(),
    }
}
