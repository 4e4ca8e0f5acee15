//! Which cases see a policy apply, and which see it stay out although they are about it: a policy that is never seen both ways
//! may say something else than its author thinks.

use std::collections::HashMap;

use cedar_policy::pst;
use cedar_policy::{Authorizer, Policy, PolicyId as CedarId, PolicySet};
use serde::Serialize;

use super::bundle::{Bundle, Standing, Stored};
use super::engine::Applied;
use super::notify::Outcome;
use super::request::{self, Asked, RequestError, STEPS, Shown};
use super::situation::Situation;
use crate::domain::{PolicyId, RoleName, Step};

/// What is asked about a situation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asking {
    /// A step that needs no role.
    Step(Step),
    /// assumeRole.
    Role(RoleName),
    /// Who is told of an outcome.
    Notify(Outcome),
}

impl Asking {
    /// The action of policies.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Step(step) => step.action(),
            Self::Role(_) => Step::AssumeRole.action(),
            Self::Notify(_) => "notify",
        }
    }
}

/// One question, and what the engine made of it.
pub(super) struct Question {
    pub(super) asking: Asking,
    pub(super) applied: Applied,
}

impl Question {
    /// Puts a question about `situation` to the policies.
    pub(super) fn put(bundle: &Bundle, situation: &Situation, asking: Asking) -> Self {
        let q = situation.question();
        let applied = match &asking {
            Asking::Step(step) => bundle.apply(*step, None, &q),
            Asking::Role(role) => bundle.apply(Step::AssumeRole, Some(role), &q),
            Asking::Notify(outcome) => bundle.apply_notify(*outcome, &q),
        };
        Self { asking, applied }
    }

    /// The question as Cedar has it; `None` when the schema does not know it, or it cannot be put.
    pub(super) fn asked(&self, bundle: &Bundle, situation: &Situation) -> Option<Asked> {
        // What cannot be put has failed in `applied`, and the case with it.
        self.ask(bundle, situation).ok().flatten()
    }

    fn ask(&self, bundle: &Bundle, situation: &Situation) -> Result<Option<Asked>, RequestError> {
        let q = situation.question();
        let shown = Shown::of(&q);
        match &self.asking {
            Asking::Step(Step::Visit) => {
                request::visit(bundle.names(), bundle.vocabulary(), q.app, q.signals, None).map(Some)
            }
            Asking::Step(step) => bundle.prepare(&q)?.ask(*step, None, shown, None).map(Some),
            Asking::Role(role) => bundle.prepare(&q)?.ask(Step::AssumeRole, Some(role), shown, None).map(Some),
            Asking::Notify(outcome) => bundle.prepare(&q)?.ask_notify(*outcome, shown, None),
        }
    }
}

/// A case that sees a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// The file.
    pub file: String,
    /// The line of the case's name.
    pub line: usize,
    /// Its name.
    pub case: String,
}

/// The cases that see a policy one way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sightings {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Option<Sighting>,
    /// The number of the last one: a case asks several questions.
    #[serde(skip)]
    last: Option<usize>,
}

impl Sightings {
    fn add(&mut self, number: usize, sighting: impl Fn() -> Sighting) {
        if self.last.replace(number) != Some(number) {
            self.count += 1;
        }
        self.first.get_or_insert_with(sighting);
    }
}

/// One policy in force, as the cases see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Its `@id`.
    pub policy: PolicyId,
    /// Cases in which it applies.
    pub applies: Sightings,
    /// Cases that it is about, and in which its condition does not hold; `None` for a policy without a condition.
    pub stays_out: Option<Sightings>,
    /// No step that is asked is in its scope, so no case can see it.
    pub is_unasked: bool,
}

impl Covered {
    /// What no case shows: `applies`, `stays_out`.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let stays_out = self.stays_out.as_ref().is_some_and(|seen| seen.count == 0);
        let missing = [("applies", self.applies.count == 0), ("stays_out", stays_out)];
        missing.into_iter().filter(|(_, gap)| *gap && !self.is_unasked).map(|(what, _)| what).collect()
    }
}

/// What the cases see of every policy in force, in the order of files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// The policies.
    pub policies: Vec<Covered>,
}

/// What was seen so far.
pub(super) struct Seen {
    /// The policies without their conditions, by the action they may be asked about.
    scopes: HashMap<&'static str, PolicySet>,
    /// Where each of them stands in the bundle.
    places: HashMap<CedarId, usize>,
    applies: HashMap<usize, Sightings>,
    stays_out: HashMap<usize, Sightings>,
}

impl Seen {
    pub(super) fn new(bundle: &Bundle) -> Self {
        let of = |covers: &dyn Fn(&Stored) -> bool| {
            let chosen =
                bundle.policies().iter().filter(|stored| stored.standing == Standing::InForce && covers(stored));
            PolicySet::from_policies(chosen.filter_map(|stored| scope_of(&stored.policy))).unwrap_or_default()
        };
        let mut scopes: HashMap<_, _> = STEPS
            .into_iter()
            .map(|step| (step.action(), of(&|stored| bundle.names().covers(step, &stored.policy.action_constraint()))))
            .collect();
        let notify = of(&|stored| bundle.names().covers_notify(&stored.policy.action_constraint()));
        scopes.insert(Asking::Notify(Outcome::Allow).action(), notify);
        let places =
            bundle.policies().iter().enumerate().map(|(place, stored)| (stored.policy.id().clone(), place)).collect();
        Self { scopes, places, applies: HashMap::new(), stays_out: HashMap::new() }
    }

    /// Takes a question of the case of this number into account. Policies that failed are seen neither way.
    pub(super) fn look(
        &mut self,
        bundle: &Bundle,
        (number, situation): (usize, &Situation),
        question: &Question,
        sighting: impl Fn() -> Sighting + Copy,
    ) {
        let applied = || question.applied.permits.iter().chain(&question.applied.forbids);
        for place in applied() {
            self.applies.entry(*place).or_default().add(number, sighting);
        }
        let scopes = self.scopes.get(question.asking.action());
        let (Some(asked), Some(scopes)) = (question.asked(bundle, situation), scopes) else { return };
        let response = Authorizer::new().is_authorized(&asked.request, scopes, &asked.entities);
        for place in response.diagnostics().reason().filter_map(|id| self.places.get(id).copied()) {
            let inert = bundle.stored(place).is_none_or(|stored| {
                stored.is_expired(asked.now) || question.applied.errors.contains(&stored.notes.enforced.id)
            });
            if !inert && !applied().any(|seen| *seen == place) {
                self.stays_out.entry(place).or_default().add(number, sighting);
            }
        }
    }

    pub(super) fn coverage(mut self, bundle: &Bundle) -> Coverage {
        let in_force = bundle.policies().iter().enumerate().filter(|(_, stored)| stored.standing == Standing::InForce);
        let policies = in_force.map(|(place, stored)| {
            let scope = stored.policy.action_constraint();
            let asked = STEPS.into_iter().any(|step| bundle.names().covers(step, &scope))
                || bundle.names().covers_notify(&scope);
            Covered {
                policy: stored.notes.enforced.id.clone(),
                applies: self.applies.remove(&place).unwrap_or_default(),
                stays_out: has_condition(&stored.policy).then(|| self.stays_out.remove(&place).unwrap_or_default()),
                is_unasked: !asked,
            }
        });
        Coverage { policies: policies.collect() }
    }
}

fn has_condition(policy: &Policy) -> bool {
    policy.to_pst().is_ok_and(|whole| whole.body().clauses().iter().next().is_some())
}

/// A permit with a policy's scope and nothing else, under its id: it applies wherever the policy is about the question.
fn scope_of(policy: &Policy) -> Option<Policy> {
    let whole = policy.to_pst().ok()?;
    let body = whole.body();
    let (principal, action, resource) = (body.principal.clone(), body.action.clone(), body.resource.clone());
    let scope = pst::Template::new(body.id.clone(), pst::Effect::Permit, principal, action, resource);
    let scope = pst::StaticPolicy::try_from(scope).ok()?;
    Some(Policy::from_pst(pst::Policy::Static(scope)).ok()?.new_id(policy.id().clone()))
}
