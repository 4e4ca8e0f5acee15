//! The challenge is computed, not declared: which further proofs that this person can give would make Cedar say yes?
//!
//! Plain re-evaluation, smallest sets first. Two rules of the loader keep it cheap and exact: proofs stand in policies only
//! where more of them helps (so what fails with everything fails with anything), and only proofs that are written out can
//! matter (so an answer holds for every set that looks the same to a policy). What it can cost is known when policies are
//! loaded: `worst_case` refuses those that could ask too often.

mod combinations;
mod groups;
mod known;
pub(in crate::policy) mod needs;
mod search;
mod trace;
pub(in crate::policy) mod worst_case;

use search::{Reach, Search, Stop};
pub use trace::{Trace, Tried};

use super::bundle::Bundle;
use super::engine::Applied;
use super::question::Question;
use super::request::Shown;
use crate::domain::{
    Class, Decision, DenyReason, EnforcedPolicy, Method, MethodSet, Offer, Profile, Repertoire, RoleName, Step, classes,
};

/// How many times one plan may ask Cedar about the step, and about each role of the app.
pub const MOST_EVALUATIONS: u32 = 64;

/// How many sets of proofs one plan may look at; nearly all of them are settled without asking.
const MOST_SETS: usize = 200_000;

/// What the person wants to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'a> {
    /// One step that needs no role.
    Step(Step),
    /// Open the app: signIn, and when the app has roles, assumeRole for one of `roles` at least.
    App {
        /// The roles that would do: one that was chosen, or all of the app.
        roles: &'a [RoleName],
    },
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
    /// Cedar was asked too often. No set of policies that loads can come to it.
    #[error("no decision within {MOST_EVALUATIONS} evaluations")]
    Exhausted,
}

/// Decides: yes, not yet (show or add something), or no.
///
/// # Errors
/// [`PlanError::Exhausted`].
pub fn plan(bundle: &Bundle, goal: Goal<'_>, q: &Question<'_>, repertoire: &Repertoire) -> Result<Plan, PlanError> {
    let mut search = match Search::new(bundle, goal, q) {
        Ok(search) => search,
        Err(applied) => return Ok(refused(bundle, DenyReason::EvaluationError { policies: applied.errors }, 0)),
    };
    match decide(bundle, &mut search, goal, q, repertoire) {
        Ok((decision, determining)) => Ok(Plan { decision, evaluations: search.evaluations(), determining }),
        Err(Stop::Exhausted) => Err(PlanError::Exhausted),
    }
}

/// [`plan`], with everything that was asked on the way.
///
/// # Errors
/// [`PlanError::Exhausted`]; the trace then holds what was asked until then.
pub fn plan_traced(
    bundle: &Bundle,
    goal: Goal<'_>,
    q: &Question<'_>,
    repertoire: &Repertoire,
) -> (Result<Plan, PlanError>, Trace) {
    let mut search = match Search::new(bundle, goal, q) {
        Ok(search) => search.traced(),
        Err(applied) => {
            let reason = DenyReason::EvaluationError { policies: applied.errors };
            return (Ok(refused(bundle, reason, 0)), Trace::default());
        }
    };
    let planned = match decide(bundle, &mut search, goal, q, repertoire) {
        Ok((decision, determining)) => Ok(Plan { decision, evaluations: search.evaluations(), determining }),
        Err(Stop::Exhausted) => Err(PlanError::Exhausted),
    };
    (planned, search.into_trace())
}

fn refused(bundle: &Bundle, reason: DenyReason, evaluations: u32) -> Plan {
    let determining = determining(bundle, &reason);
    Plan { decision: Decision::Deny(reason), evaluations, determining }
}

fn determining(bundle: &Bundle, reason: &DenyReason) -> Vec<EnforcedPolicy> {
    match reason {
        DenyReason::Forbidden { policies } => policies.clone(),
        DenyReason::EvaluationError { policies } => bundle
            .policies()
            .iter()
            .map(|stored| &stored.notes.enforced)
            .filter(|enforced| policies.contains(&enforced.id))
            .cloned()
            .collect(),
        DenyReason::NoPermit | DenyReason::NoRole | DenyReason::CannotShow => Vec::new(),
    }
}

type Decided = (Decision, Vec<EnforcedPolicy>);

fn decide(
    bundle: &Bundle,
    search: &mut Search<'_>,
    goal: Goal<'_>,
    q: &Question<'_>,
    repertoire: &Repertoire,
) -> Result<Decided, Stop> {
    let shown = Shown::of(q);
    let now = search.reach(shown)?;
    if now.allowed() {
        return Ok((Decision::Allow, bundle.enforced(&now.step.permits)));
    }
    let deny = |reason: DenyReason| {
        let determining = determining(bundle, &reason);
        Ok((Decision::Deny(reason), determining))
    };
    if let Some(policies) = now.errors() {
        return deny(DenyReason::EvaluationError { policies });
    }
    // What is fresh already, or was shown and not accepted here, would not help if it were shown again.
    let candidates: MethodSet =
        repertoire.enrolled.iter().copied().filter(|method| !q.fresh.contains(*method)).collect();
    let everything = search.reach_all_roles(shown.with(candidates))?;
    if let Some(policies) = everything.errors() {
        return deny(DenyReason::EvaluationError { policies });
    }
    let asking = bundle.enforced(&now.asking());
    if everything.allowed() {
        search.between((shown, &now), (shown.with(candidates), &everything))?;
        let sets = search.smallest_sets(shown, candidates)?;
        if !sets.is_empty() {
            let offers = offers(&sets, shown, repertoire.last_used, q.profile);
            return Ok((Decision::Challenge { offers, policies: asking.clone() }, asking));
        }
    } else if let Some((methods, permitted)) =
        enrolment(search, goal, q, repertoire, (shown.with(candidates), &everything))?
    {
        return Ok((Decision::Enrol { methods, permitted, policies: asking.clone() }, asking));
    }
    deny(reason(bundle, search, shown, &everything)?)
}

/// The next proof of each set, the strongest first, the one used last in second place.
fn offers(sets: &[Vec<MethodSet>], shown: Shown, last_used: Option<Method>, profile: Profile) -> Vec<Offer> {
    let is_first = |group: &MethodSet| {
        group.iter().next().is_some_and(|m| classes(MethodSet::EMPTY.with(m), profile).contains(Class::FirstFactor))
    };
    let has_first = classes(shown.fresh, profile).contains(Class::FirstFactor);
    let next = |set: &Vec<MethodSet>| -> Option<MethodSet> {
        let firsts = set.iter().filter(|group| is_first(group)).min_by_key(|group| group.iter().next());
        let strongest = set.iter().min_by_key(|group| group.iter().next());
        firsts.filter(|_| !has_first).or(strongest).copied()
    };
    let all = sets.iter().filter_map(next).fold(MethodSet::EMPTY, MethodSet::union);
    let mut order: Vec<Method> = all.iter().collect();
    if let Some(place) = order.iter().position(|method| Some(*method) == last_used).filter(|place| *place > 1) {
        let method = order.remove(place);
        order.insert(1, method);
    }
    order.into_iter().map(|method| Offer { method }).collect()
}

/// What the person could add so that the goal is reached, and whether adding is permitted now; `None` when there is nothing,
/// or adding is not for them: they have a second factor, or neither now nor with a link we sent may they enrol.
fn enrolment(
    search: &mut Search<'_>,
    goal: Goal<'_>,
    q: &Question<'_>,
    repertoire: &Repertoire,
    everything: (Shown, &Reach),
) -> Result<Option<(Vec<Method>, bool)>, Stop> {
    let about_an_app = matches!(goal, Goal::App { .. } | Goal::Step(Step::SignIn | Step::TrustDevice));
    let theirs: MethodSet =
        repertoire.enrolled.iter().chain(&repertoire.lost).copied().chain(q.proofs.iter()).collect();
    // A mailed code is nothing they set up: who has no more than that may still add something stronger where it takes that.
    let set_up = |method: &Method| !method.comes_with_the_address() && is_second_factor(*method, q.profile);
    if !about_an_app || theirs.iter().any(|method| set_up(&method)) {
        return Ok(None);
    }
    let addable: MethodSet = repertoire.enrollable.iter().copied().filter(|method| !theirs.contains(*method)).collect();
    if addable.is_empty() {
        return Ok(None);
    }
    let with_all = everything.0;
    let utmost = search.reach_all_roles(with_all.with(addable))?;
    if !utmost.allowed() {
        return Ok(None);
    }
    search.between(everything, (with_all.with(addable), &utmost))?;
    let mut helpful = MethodSet::EMPTY;
    for method in addable.iter() {
        if search.reaches(with_all.with(MethodSet::EMPTY.with(method)))? {
            helpful = helpful.with(method);
        }
    }
    if helpful.is_empty() {
        return Ok(None);
    }
    let shown = Shown::of(q);
    let link = MethodSet::EMPTY.with(Method::ActivationLink);
    let permitted = search.may_enrol(shown)?;
    // The link goes to the same mailbox as the code.
    let reachable = !repertoire.lost.iter().any(|method| method.comes_with_the_address());
    if permitted || (reachable && search.may_enrol(shown.with(link))?) {
        return Ok(Some((helpful.iter().collect(), permitted)));
    }
    Ok(None)
}

/// Whether `method` is a second factor beside some first factor, or all alone.
fn is_second_factor(method: Method, profile: Profile) -> bool {
    let alone = classes(MethodSet::EMPTY.with(method), profile);
    let beside = |first: Method| {
        let first_alone = classes(MethodSet::EMPTY.with(first), profile);
        first_alone.contains(Class::FirstFactor)
            && !first_alone.contains(Class::SecondFactor)
            && classes(MethodSet::EMPTY.with(first).with(method), profile).contains(Class::SecondFactor)
    };
    alone.contains(Class::SecondFactor) || (!alone.contains(Class::FirstFactor) && Method::ALL.into_iter().any(beside))
}

/// Why somebody is refused who reaches the goal with nothing they can show.
fn reason(bundle: &Bundle, search: &mut Search<'_>, shown: Shown, everything: &Reach) -> Result<DenyReason, Stop> {
    if everything.step.allowed() && !everything.shows_required {
        return Ok(DenyReason::CannotShow);
    }
    if everything.step.allowed() {
        // The app opens, but no role: tell what stands before the roles that are granted, if any is.
        let granted = everything.roles.iter().filter(|role| !role.permits.is_empty());
        let mut forbids: Vec<usize> = granted.flat_map(|role| role.forbids.iter().copied()).collect();
        forbids.sort_unstable();
        forbids.dedup();
        return Ok(if forbids.is_empty() {
            DenyReason::NoRole
        } else {
            DenyReason::Forbidden { policies: bundle.enforced(&forbids) }
        });
    }
    // With every proof there is, only what no proof lifts is left.
    let utmost: Applied = search.step(shown.with(Method::ALL.into_iter().collect()))?;
    if !utmost.errors.is_empty() {
        return Ok(DenyReason::EvaluationError { policies: utmost.errors });
    }
    let blocked = !utmost.forbids.is_empty();
    if (utmost.permits.is_empty() && !blocked) || everything.step.forbids.is_empty() {
        return Ok(DenyReason::NoPermit);
    }
    let liftable = everything.step.forbids.iter().filter(|place| !utmost.forbids.contains(place));
    let policies = bundle.enforced(utmost.forbids.iter().chain(liftable));
    Ok(DenyReason::Forbidden { policies })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
