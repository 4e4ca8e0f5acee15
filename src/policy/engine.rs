//! One question, one answer.

use cedar_policy::Effect;
use cedar_policy_core::ast::{Literal, SlotEnv, ValueKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::bundle::{Buckets, Bundle};
use super::question::Question;
use super::request::{self, Asked, Prepared, RequestError, Shown};
use crate::domain::{App, DenyReason, EnforcedPolicy, PolicyId, RoleName, SignalSet, Step};

/// Stands for the question itself among failed policies, when it could not be put to Cedar.
const QUESTION: &str = "cedargate.question";

/// What the policies in force say about one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the step may be taken. Never true when a policy failed.
    pub allowed: bool,
    /// The forbids that apply; when none does, the permits that apply.
    pub determining: Vec<EnforcedPolicy>,
    /// The policies that could not be evaluated. Cedar skips them, so anything but a refusal could let somebody in.
    pub errors: Vec<PolicyId>,
}

impl Verdict {
    /// Why it refuses. Of a verdict that allows: that no policy permits what is refused all the same.
    #[must_use]
    pub fn reason(&self) -> DenyReason {
        if !self.errors.is_empty() {
            DenyReason::EvaluationError { policies: self.errors.clone() }
        } else if self.allowed || self.determining.is_empty() {
            DenyReason::NoPermit
        } else {
            DenyReason::Forbidden { policies: self.determining.clone() }
        }
    }
}

/// What came of all policies, as places in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Applied {
    pub(super) permits: Vec<usize>,
    pub(super) forbids: Vec<usize>,
    pub(super) errors: Vec<PolicyId>,
}

impl Applied {
    /// INVARIANT: a failed policy is a refusal, whatever the others say.
    pub(super) fn allowed(&self) -> bool {
        self.errors.is_empty() && self.forbids.is_empty() && !self.permits.is_empty()
    }

    pub(super) fn failed(error: &RequestError) -> Self {
        tracing::error!(error = %error, "a question could not be put to the policies");
        Self { errors: PolicyId::parse(QUESTION).into_iter().collect(), ..Self::default() }
    }
}

impl Bundle {
    /// Whether anybody may see the sign-in page from here: asked before anything is known of a person.
    #[must_use]
    pub fn visit(&self, app: &App, signals: &SignalSet) -> Verdict {
        self.verdict(&self.apply_visit(app, signals))
    }

    /// Asks for one step; `role` is read for [`Step::AssumeRole`] alone.
    #[must_use]
    pub fn evaluate(&self, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Verdict {
        self.verdict(&self.apply(step, role, q))
    }

    /// The policies on trial (`@mode("report")`) that would have applied. Nothing may act on them.
    #[must_use]
    pub fn shadow(&self, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Vec<EnforcedPolicy> {
        let asked = match step {
            Step::Visit => request::visit(self.names(), self.vocabulary(), q.app, q.signals, None),
            _ => self.prepare(q).and_then(|prepared| prepared.ask(step, role, Shown::of(q), None)),
        };
        match asked {
            Ok(asked) => {
                let applied = self.authorize(self.index().shadow.steps.get(&step), &asked);
                self.enforced(applied.forbids.iter().chain(&applied.permits))
            }
            // The same failure refuses the enforced question, where it is logged.
            Err(_) => Vec::new(),
        }
    }

    pub(super) fn prepare<'a>(&'a self, q: &Question<'a>) -> Result<Prepared<'a>, RequestError> {
        Prepared::new(self.names(), self.vocabulary(), q)
    }

    pub(super) fn apply_visit(&self, app: &App, signals: &SignalSet) -> Applied {
        match request::visit(self.names(), self.vocabulary(), app, signals, None) {
            Ok(asked) => self.authorize(self.index().in_force.steps.get(&Step::Visit), &asked),
            Err(error) => Applied::failed(&error),
        }
    }

    pub(super) fn apply(&self, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Applied {
        match step {
            Step::Visit => self.apply_visit(q.app, q.signals),
            _ => match self.prepare(q) {
                Ok(prepared) => self.apply_prepared(&prepared, step, role, Shown::of(q)),
                Err(error) => Applied::failed(&error),
            },
        }
    }

    pub(super) fn apply_prepared(
        &self,
        prepared: &Prepared<'_>,
        step: Step,
        role: Option<&RoleName>,
        shown: Shown,
    ) -> Applied {
        match prepared.ask(step, role, shown, None) {
            Ok(asked) => self.authorize(self.index().in_force.steps.get(&step), &asked),
            Err(error) => Applied::failed(&error),
        }
    }

    /// Asks the policies of `among`, of which none but those that cannot apply are left out.
    pub(super) fn authorize(&self, among: Option<&Buckets>, asked: &Asked) -> Applied {
        let mut applied = Applied::default();
        // No policy speaks of the step, so none permits it.
        let Some(among) = among else { return applied };
        let request = asked.request.as_ref().clone();
        let evaluator = Evaluator::new(request, asked.entities.as_ref().as_ref(), Extensions::all_available());
        let no_slots = SlotEnv::new();
        for place in self.index().candidates(among, asked) {
            let Some(stored) = self.stored(place).filter(|stored| !stored.is_expired(asked.now)) else { continue };
            match evaluator.interpret(stored.condition(), &no_slots).map(|value| value.value) {
                Ok(ValueKind::Lit(Literal::Bool(false))) => {}
                // Permits and forbids apart, so that a refusal still tells whether a permit applied.
                Ok(ValueKind::Lit(Literal::Bool(true))) => match stored.policy.effect() {
                    Effect::Permit => applied.permits.push(place),
                    Effect::Forbid => applied.forbids.push(place),
                },
                // A condition that is neither true nor false failed too.
                Ok(_) | Err(_) => applied.errors.push(stored.notes.enforced.id.clone()),
            }
        }
        applied.errors.sort();
        applied
    }

    pub(super) fn verdict(&self, applied: &Applied) -> Verdict {
        let which = if applied.forbids.is_empty() { &applied.permits } else { &applied.forbids };
        Verdict { allowed: applied.allowed(), determining: self.enforced(which), errors: applied.errors.clone() }
    }

    pub(super) fn enforced<'a>(&self, places: impl IntoIterator<Item = &'a usize>) -> Vec<EnforcedPolicy> {
        places.into_iter().filter_map(|place| self.stored(*place)).map(|stored| stored.notes.enforced.clone()).collect()
    }
}
