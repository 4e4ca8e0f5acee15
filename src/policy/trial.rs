//! Policies on trial (`@mode("report")`): asked beside every decision as if they were in force, by a second bundle in which they
//! are.
//!
//! INVARIANT: nothing acts on what comes of it. A [`Trial`] holds ids and one word: no offers, no permits, and of whom to tell only
//! which policies would.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Effect;

use super::bundle::{Bundle, Standing};
use super::engine::{Applied, Verdict};
use super::planner::{self, Goal, PlanError};
use super::question::Question;
use super::request::Shown;
use super::scope::Asker;
use super::situation::recorded_kind;
use crate::audit::WouldTell;
use crate::domain::{
    App, Decision, DecisionKind, DenyReason, EnforcedPolicy, PolicyId, Repertoire, RoleName, SignalSet, Step,
};

/// What the policies on trial would have made of one decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trial {
    /// Those that had a part in it, the failed ones too, sorted. Nothing would be otherwise without them.
    pub policies: Vec<PolicyId>,
    /// Those that could not be evaluated: in force, they would refuse whomever they concern.
    pub failed: Vec<PolicyId>,
    /// The answer with all of them in force; `None` where none had a part in it, or no answer was reached.
    pub would: Option<DecisionKind>,
    /// Whom those that say `@alert` would tell, of the answer that there would be. Asked for opening an app alone, as alerts are.
    pub would_tell: WouldTell,
}

impl Bundle {
    /// Decides once more with the policies on trial in force, where they could matter to this person and goal; beside
    /// `decided`, which stands. The policies on trial alone are asked about the step and each role; only where that leaves a
    /// doubt is a second plan made, with as many evaluations as any other.
    #[must_use]
    pub fn try_out(&self, goal: Goal<'_>, q: &Question<'_>, repertoire: &Repertoire, decided: &Decision) -> Trial {
        let Some(bundle) = self.trial() else { return Trial::default() };
        let (mut trial, would) = self.try_answer(bundle, goal, q, repertoire, decided);
        if let (Goal::App { .. }, Some(would)) = (goal, would) {
            self.try_telling(bundle, q, &would, &mut trial);
        }
        trial
    }

    /// What comes of it, and the answer there would be; `None` where none was reached.
    fn try_answer(
        &self,
        trial: &Self,
        goal: Goal<'_>,
        q: &Question<'_>,
        repertoire: &Repertoire,
        decided: &Decision,
    ) -> (Trial, Option<Decision>) {
        let as_decided = || (Trial::default(), Some(decided.clone()));
        let groups = self.vocabulary().closure(&q.user.groups);
        let concerned = self.on_trial_about(&Asker::person(self.names(), &q.user.username, &groups, q.app, goal));
        if concerned.is_empty() {
            return as_decided();
        }
        let (step, roles): (Step, &[RoleName]) = match goal {
            Goal::App { roles } => (Step::SignIn, roles),
            Goal::Step(step) => (step, &[]),
        };
        let mut seen = Seen::default();
        // What cannot be put to Cedar was refused, and logged, when it was decided.
        let Ok(prepared) = self.prepare(q) else { return as_decided() };
        let roles = roles.iter().filter(|role| q.app.roles.contains(role));
        for (step, role) in std::iter::once((step, None)).chain(roles.map(|role| (Step::AssumeRole, Some(role)))) {
            if let Ok(asked) = prepared.ask(step, role, Shown::of(q), None) {
                seen.note(self, &self.authorize(self.index().shadow.steps.get(&step), &asked));
            }
        }
        // More permits take nothing from an Allow.
        if *decided == Decision::Allow && !seen.stands_in_the_way {
            let as_recorded = recorded_kind(step, decided);
            return (seen.trial(&concerned, Some(as_recorded), as_recorded), Some(decided.clone()));
        }
        let would = match planner::plan(trial, goal, q, repertoire) {
            Ok(plan) => {
                seen.had_a_part.extend(plan.determining.into_iter().map(|policy| policy.id));
                if let Decision::Deny(DenyReason::EvaluationError { policies }) = &plan.decision {
                    seen.failed.extend(policies.iter().cloned());
                }
                Some(plan.decision)
            }
            Err(PlanError::Exhausted) => None,
        };
        let word = would.as_ref().map(|would| recorded_kind(step, would));
        // What they change without a part in the answer at hand, as a permit that would apply with one more proof.
        (seen.trial(&concerned, word, recorded_kind(step, decided)), would)
    }

    /// Whom the policies on trial would tell of `would`, and which of them could not be asked.
    fn try_telling(&self, bundle: &Self, q: &Question<'_>, would: &Decision, trial: &mut Trial) {
        let on_trial = || self.policies().iter().filter(|stored| stored.standing == Standing::Shadow);
        let notes = |id: &PolicyId| on_trial().any(|stored| stored.notes.enforced.id == *id);
        if !on_trial().any(|stored| stored.notes.enforced.alerts_user || stored.notes.enforced.alerts_security) {
            return;
        }
        let alerts = bundle.alerts(would, q);
        let ids = |policies: Vec<EnforcedPolicy>| -> Vec<PolicyId> {
            policies.into_iter().map(|policy| policy.id).filter(notes).collect()
        };
        trial.would_tell = WouldTell { user: ids(alerts.user), security: ids(alerts.security) };
        let failed: BTreeSet<PolicyId> =
            alerts.failed.into_iter().filter(notes).chain(trial.failed.drain(..)).collect();
        trial.failed = failed.into_iter().collect();
    }

    /// What the policies on trial would say to a visit that was answered by `verdict`, refused or allowed.
    #[must_use]
    pub fn try_out_visit(&self, app: &App, signals: &SignalSet, verdict: &Verdict) -> Trial {
        let Some(trial) = self.trial() else { return Trial::default() };
        let groups = BTreeSet::new();
        let concerned = self.on_trial_about(&Asker::visitor(self.names(), &groups, app));
        if concerned.is_empty() {
            return Trial::default();
        }
        let applied = trial.apply_visit(app, signals);
        let mut seen = Seen::default();
        seen.note(self, &applied);
        let kind = |allowed| if allowed { DecisionKind::Allow } else { DecisionKind::Deny };
        seen.trial(&concerned, Some(kind(applied.allowed())), kind(verdict.allowed))
    }

    /// The policies on trial with their `@description`, in the order of files.
    pub fn on_trial(&self) -> impl Iterator<Item = (&PolicyId, &str)> {
        let on_trial = self.policies().iter().filter(|stored| stored.standing == Standing::Shadow);
        on_trial.map(|stored| (&stored.notes.enforced.id, stored.notes.description.as_str()))
    }

    fn on_trial_about(&self, asker: &Asker<'_>) -> Concerned {
        let on_trial = self.policies().iter().filter(|stored| stored.standing == Standing::Shadow);
        let concerned = on_trial.filter(|stored| asker.is_concerned_by(&stored.policy));
        concerned.map(|stored| (stored.notes.enforced.id.clone(), stored.policy.effect() == Effect::Forbid)).collect()
    }
}

/// The policies on trial that could apply to somebody, and whether each forbids.
type Concerned = BTreeMap<PolicyId, bool>;

/// The policies that came up, those in force among them.
#[derive(Default)]
struct Seen {
    had_a_part: BTreeSet<PolicyId>,
    failed: BTreeSet<PolicyId>,
    /// A forbid applied, or a policy failed.
    stands_in_the_way: bool,
}

impl Seen {
    /// Both bundles have each policy at the same place.
    fn note(&mut self, bundle: &Bundle, applied: &Applied) {
        let places = applied.permits.iter().chain(&applied.forbids);
        self.had_a_part.extend(bundle.enforced(places).into_iter().map(|policy| policy.id));
        self.failed.extend(applied.errors.iter().cloned());
        self.stands_in_the_way |= !(applied.forbids.is_empty() && applied.errors.is_empty());
    }

    fn trial(mut self, concerned: &Concerned, would: Option<DecisionKind>, decided: DecisionKind) -> Trial {
        self.failed.retain(|id| concerned.contains_key(id));
        self.had_a_part.retain(|id| concerned.contains_key(id));
        let mut policies: BTreeSet<PolicyId> = self.had_a_part.union(&self.failed).cloned().collect();
        // A permit lets in, a forbid keeps out: one of that kind is behind the difference, if none was seen.
        let behind = match would.map(|would| rank(would).cmp(&rank(decided))) {
            Some(Ordering::Less) => Some(false),
            Some(Ordering::Greater) if self.failed.is_empty() => Some(true),
            _ => None,
        };
        if let Some(forbids) = behind {
            let of_kind = || concerned.iter().filter(|(_, is_forbid)| **is_forbid == forbids).map(|(id, _)| id);
            if !of_kind().any(|id| policies.contains(id)) {
                policies.extend(of_kind().cloned());
            }
        }
        if policies.is_empty() && would.is_some_and(|would| would != decided) {
            policies = concerned.keys().cloned().collect();
        }
        let would = would.filter(|_| !policies.is_empty());
        let (policies, failed) = (policies.into_iter().collect(), self.failed.into_iter().collect());
        Trial { policies, failed, would, would_tell: WouldTell::default() }
    }
}

/// How much an answer asks of somebody.
fn rank(kind: DecisionKind) -> u8 {
    match kind {
        DecisionKind::Allow => 0,
        DecisionKind::Challenge | DecisionKind::Enrol => 1,
        DecisionKind::Deny => 2,
    }
}

#[cfg(test)]
pub(super) mod tests;
