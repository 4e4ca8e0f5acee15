//! Every policy in force, asked by Cedar itself without an index: what the index has to equal.

use std::collections::HashMap;

use cedar_policy::{AuthorizationError, Authorizer, Effect, Policy, PolicyId as CedarId, PolicySet};

use super::{Bundle, Standing};
use crate::domain::{PolicyId, RoleName, Step};
use crate::policy::engine::{Applied, Verdict};
use crate::policy::question::Question;
use crate::policy::request::{self, Asked, RequestError, Shown};

/// Answers as [`Bundle::evaluate`] does, by Cedar's own authorizer over all policies. For tests and benches.
#[doc(hidden)]
#[derive(Debug)]
pub struct Scan<'a> {
    bundle: &'a Bundle,
    places: HashMap<CedarId, usize>,
    permits: PolicySet,
    forbids: PolicySet,
}

impl Bundle {
    /// Makes the sets to scan; permits that have expired by the day of `q` are left out.
    #[doc(hidden)]
    #[must_use]
    pub fn scan(&self, q: &Question<'_>) -> Scan<'_> {
        let of = |effect: Effect| {
            let policies = self.policies.iter().filter(|stored| {
                stored.standing == Standing::InForce
                    && stored.policy.effect() == effect
                    && !stored.is_expired(q.signals.now)
            });
            let policies = policies.map(|stored| Policy::clone(&stored.policy));
            // Only a name that is there twice fails, which the loader rules out.
            PolicySet::from_policies(policies).unwrap_or_default()
        };
        let places = self.policies.iter().enumerate();
        let places = places.map(|(place, stored)| (stored.policy.id().clone(), place)).collect();
        Scan { bundle: self, places, permits: of(Effect::Permit), forbids: of(Effect::Forbid) }
    }
}

impl Scan<'_> {
    /// See [`Bundle::evaluate`].
    #[must_use]
    pub fn evaluate(&self, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Verdict {
        let (names, vocabulary) = (self.bundle.names(), self.bundle.vocabulary());
        self.verdict(match step {
            Step::Visit => request::visit(names, vocabulary, q.app, q.signals, None),
            _ => self.bundle.prepare(q).and_then(|prepared| prepared.ask(step, role, Shown::of(q), None)),
        })
    }

    /// See [`Bundle::notify`].
    #[must_use]
    pub fn notify(&self, outcome: crate::policy::Outcome, q: &Question<'_>) -> Verdict {
        let asked = self.bundle.prepare(q).and_then(|prepared| prepared.ask_notify(outcome, Shown::of(q), None));
        match asked {
            Ok(None) => self.bundle.verdict(&Applied::default()),
            Ok(Some(asked)) => self.verdict(Ok(asked)),
            Err(error) => self.verdict(Err(error)),
        }
    }

    fn verdict(&self, asked: Result<Asked, RequestError>) -> Verdict {
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => return self.bundle.verdict(&Applied::failed(&error)),
        };
        let mut errors: Vec<PolicyId> = Vec::new();
        let mut run = |set: &PolicySet| {
            let response = Authorizer::new().is_authorized(&asked.request, set, &asked.entities);
            let place = |id: &CedarId| self.places.get(id).copied();
            errors.extend(response.diagnostics().errors().filter_map(|error| {
                let AuthorizationError::PolicyEvaluationError(error) = error;
                let stored = self.bundle.stored(place(error.policy_id())?)?;
                Some(stored.notes.enforced.id.clone())
            }));
            let mut places: Vec<usize> = response.diagnostics().reason().filter_map(place).collect();
            places.sort_unstable();
            places
        };
        let (permits, forbids) = (run(&self.permits), run(&self.forbids));
        errors.sort();
        self.bundle.verdict(&Applied { permits, forbids, errors })
    }
}
