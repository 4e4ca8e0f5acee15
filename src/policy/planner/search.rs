//! Asking again with more proofs, as seldom as possible.

use super::combinations::Combinations;
use super::groups;
use super::known::Known;
use super::needs::Need;
use super::trace::Trace;
use super::{Goal, MOST_EVALUATIONS, MOST_SETS};
use crate::domain::{MethodSet, PolicyId, Profile, Required, RoleName, Step};
use crate::policy::bundle::Bundle;
use crate::policy::engine::Applied;
use crate::policy::question::Question;
use crate::policy::request::{Prepared, Shown};

/// Why a search ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Exhausted,
}

/// What came of one set of proofs.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// The step itself; for an app, signIn.
    pub(super) step: Applied,
    /// assumeRole for each role that was asked about.
    pub(super) roles: Vec<Applied>,
    needs_role: bool,
    /// What the service provider wants shown is shown.
    pub(super) shows_required: bool,
}

impl Reach {
    pub(super) fn allowed(&self) -> bool {
        self.shows_required && self.step.allowed() && (!self.needs_role || self.roles.iter().any(Applied::allowed))
    }

    /// The policies that failed, unless another role made the goal anyway.
    pub(super) fn errors(&self) -> Option<Vec<PolicyId>> {
        if self.allowed() {
            return None;
        }
        let mut all: Vec<PolicyId> =
            std::iter::once(&self.step).chain(&self.roles).flat_map(|applied| applied.errors.iter().cloned()).collect();
        all.sort();
        all.dedup();
        (!all.is_empty()).then_some(all)
    }

    /// The forbids that ask for more: those of the step, or those before the roles that are granted.
    pub(super) fn asking(&self) -> Vec<usize> {
        let roles = self.roles.iter().filter(|role| !role.permits.is_empty()).flat_map(|role| &role.forbids);
        let mut forbids: Vec<usize> = self.step.forbids.iter().chain(roles).copied().collect();
        forbids.sort_unstable();
        forbids.dedup();
        forbids
    }
}

/// One plan in the making.
pub(super) struct Search<'a> {
    bundle: &'a Bundle,
    prepared: Prepared<'a>,
    profile: Profile,
    step: Step,
    required: Required,
    /// The roles that would do; `None` when the goal needs none.
    roles: Option<Vec<RoleName>>,
    evaluations: u32,
    most: u32,
    /// What the answers so far tell, once the least and the most were asked about.
    known: Option<(Known, Vec<(RoleName, Known)>)>,
    /// What was asked, where somebody wants to know.
    trace: Option<Trace>,
}

impl<'a> Search<'a> {
    /// Begins a search.
    ///
    /// # Errors
    /// The question cannot be put to Cedar at all.
    pub(super) fn new(bundle: &'a Bundle, goal: Goal<'_>, q: &Question<'a>) -> Result<Self, Applied> {
        let prepared = bundle.prepare(q).map_err(|error| Applied::failed(&error))?;
        let (step, roles) = match goal {
            Goal::Step(step) => (step, None),
            Goal::App { .. } if q.app.roles.is_empty() => (Step::SignIn, None),
            Goal::App { roles } => {
                let offered = roles.iter().filter(|role| q.app.roles.contains(role)).cloned().collect();
                (Step::SignIn, Some(offered))
            }
        };
        // Looking after methods and devices is nothing the service provider has a say in.
        let required = if step == Step::SignIn { q.required } else { Required::NOTHING };
        let count = roles.as_ref().map_or(0, |roles: &Vec<RoleName>| roles.len());
        // A second line: `worst_case` keeps out what could come near it.
        let most = MOST_EVALUATIONS.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1));
        let profile = q.profile;
        Ok(Self { bundle, prepared, profile, step, required, roles, evaluations: 0, most, known: None, trace: None })
    }

    /// Writes down what it asks from now on.
    pub(super) fn traced(self) -> Self {
        Self { trace: Some(Trace::default()), ..self }
    }

    /// What it asked.
    pub(super) fn into_trace(self) -> Trace {
        self.trace.unwrap_or_default()
    }

    pub(super) fn evaluations(&self) -> u32 {
        self.evaluations
    }

    fn ask(&mut self, step: Step, role: Option<&RoleName>, shown: Shown) -> Result<Applied, Stop> {
        if self.evaluations >= self.most {
            return Err(Stop::Exhausted);
        }
        self.evaluations += 1;
        let applied = self.bundle.apply_prepared(&self.prepared, step, role, shown);
        if let Some(trace) = &mut self.trace {
            trace.note(self.bundle, step, role, shown, &applied);
        }
        Ok(applied)
    }

    /// The step alone, without roles.
    pub(super) fn step(&mut self, shown: Shown) -> Result<Applied, Stop> {
        self.ask(self.step, None, shown)
    }

    /// Whether an authenticator may be added on these proofs.
    pub(super) fn may_enrol(&mut self, shown: Shown) -> Result<bool, Stop> {
        Ok(self.ask(Step::Enroll, None, shown)?.allowed())
    }

    /// What comes of `shown`; roles up to the first that is permitted.
    pub(super) fn reach(&mut self, shown: Shown) -> Result<Reach, Stop> {
        self.reach_until(shown, Applied::allowed)
    }

    /// What comes of `shown`, for every role.
    pub(super) fn reach_all_roles(&mut self, shown: Shown) -> Result<Reach, Stop> {
        self.reach_until(shown, |_| false)
    }

    fn reach_until(&mut self, shown: Shown, enough: fn(&Applied) -> bool) -> Result<Reach, Stop> {
        let mut reach = Reach {
            step: self.step(shown)?,
            roles: Vec::new(),
            needs_role: self.roles.is_some(),
            shows_required: self.required.is_met_by(shown.proofs, self.profile),
        };
        for role in self.roles.clone().into_iter().flatten().take_while(|_| reach.step.allowed()) {
            let applied = self.ask(Step::AssumeRole, Some(&role), shown)?;
            let done = enough(&applied);
            reach.roles.push(applied);
            if done {
                break;
            }
        }
        Ok(reach)
    }

    /// From here on, sets between `least` and `most` are asked about only where the answers so far leave it open. Roles that
    /// not even `most` reaches are left out.
    pub(super) fn between(&mut self, least: (Shown, &Reach), most: (Shown, &Reach)) -> Result<(), Stop> {
        let step = Known::between(self.bundle, self.profile, (least.0, &least.1.step), (most.0, &most.1.step));
        let mut roles = Vec::new();
        for (place, role) in self.roles.clone().into_iter().flatten().enumerate() {
            let Some(utmost) = most.1.roles.get(place).filter(|applied| applied.allowed()) else { continue };
            let start = match least.1.roles.get(place) {
                Some(applied) => applied.clone(),
                None => self.ask(Step::AssumeRole, Some(&role), least.0)?,
            };
            // INVARIANT: a failed policy is a refusal, also of a role.
            if start.errors.is_empty() {
                let known = Known::between(self.bundle, self.profile, (least.0, &start), (most.0, utmost));
                roles.push((role, known));
            }
        }
        self.known = Some((step, roles));
        Ok(())
    }

    /// Whether `shown` reaches the goal; asks only when it is not clear already.
    pub(super) fn reaches(&mut self, shown: Shown) -> Result<bool, Stop> {
        let Some((mut step, mut roles)) = self.known.take() else { return Ok(self.reach(shown)?.allowed()) };
        let reached = self.reaches_by(&mut step, &mut roles, shown);
        self.known = Some((step, roles));
        reached
    }

    fn reaches_by(&mut self, step: &mut Known, roles: &mut [(RoleName, Known)], shown: Shown) -> Result<bool, Stop> {
        if !self.required.is_met_by(shown.proofs, self.profile) || !self.settle(step, None, shown)? {
            return Ok(false);
        }
        if self.roles.is_none() || roles.iter().any(|(_, known)| known.is_allowed(shown) == Some(true)) {
            return Ok(true);
        }
        for (role, known) in roles {
            if self.settle(known, Some(role), shown)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn settle(&mut self, known: &mut Known, role: Option<&RoleName>, shown: Shown) -> Result<bool, Stop> {
        if let Some(told) = known.is_allowed(shown) {
            return Ok(told);
        }
        let step = if role.is_some() { Step::AssumeRole } else { self.step };
        let applied = self.ask(step, role, shown)?;
        let allowed = applied.allowed();
        known.learn(shown, applied);
        Ok(allowed)
    }

    /// The needs that can make a difference.
    fn needs(&self) -> Vec<Need> {
        let Some((step, roles)) = &self.known else { return Vec::new() };
        let all = step.needs().iter().chain(roles.iter().flat_map(|(_, known)| known.needs()));
        all.copied().chain(Need::of_required(self.required)).collect()
    }

    /// Every smallest set of `candidates` that reaches the goal on top of `shown`; each member of a set is a group of
    /// methods that no policy tells apart, any of which will do.
    pub(super) fn smallest_sets(&mut self, shown: Shown, candidates: MethodSet) -> Result<Vec<Vec<MethodSet>>, Stop> {
        let groups = groups::of(&self.needs(), self.profile, shown.proofs, candidates);
        let all = union(&groups);
        let mut looked_at = 0_usize;
        let (mut needed, mut others): (Vec<MethodSet>, Vec<MethodSet>) = (Vec::new(), groups.clone());
        for size in 1..=groups.len() {
            if size == 2 {
                // One cheap pass that spares most of the rest: what must be in every set.
                others.clear();
                for group in &groups {
                    let without = self.reaches(shown.with(all.difference(*group)))?;
                    if without { others.push(*group) } else { needed.push(*group) }
                }
            }
            let Some(more) = size.checked_sub(needed.len()) else { continue };
            let mut found = Vec::new();
            for set in Combinations::new(others.len(), more) {
                looked_at += 1;
                if looked_at > MOST_SETS {
                    return Err(Stop::Exhausted);
                }
                let chosen = set.iter().filter_map(|place| others.get(*place));
                let members: Vec<MethodSet> = needed.iter().chain(chosen).copied().collect();
                if self.reaches(shown.with(union(&members)))? {
                    found.push(members);
                }
            }
            if !found.is_empty() {
                if let Some(trace) = &mut self.trace {
                    trace.smallest.clone_from(&found);
                }
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

/// One of each group is enough, so the strongest stands for it.
fn union(groups: &[MethodSet]) -> MethodSet {
    groups.iter().filter_map(|group| group.iter().next()).collect()
}
