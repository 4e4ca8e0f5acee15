//! Asking again with more proofs, as seldom as possible.

use std::collections::HashMap;

use super::trace::Trace;
use super::{Goal, MOST_EVALUATIONS};
use crate::domain::{ClassSet, Method, MethodSet, PolicyId, Profile, Required, RoleName, Step, classes};
use crate::policy::bundle::Bundle;
use crate::policy::engine::Applied;
use crate::policy::literals::Mentioned;
use crate::policy::question::Question;
use crate::policy::request::{Prepared, Shown};

/// How many sets of methods are looked at, asked about or not.
const MOST_SETS: usize = 20_000;

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

/// A set of proofs as far as policies can tell it from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Seen {
    proofs: (MethodSet, ClassSet),
    fresh: (MethodSet, ClassSet),
}

impl Seen {
    fn of(shown: Shown, mentioned: Mentioned, profile: Profile) -> Self {
        let of = |methods: MethodSet| {
            let seen: MethodSet = methods.iter().filter(|method| mentioned.methods.contains(*method)).collect();
            let classes = classes(methods, profile);
            (seen, classes.iter().filter(|class| mentioned.classes.contains(*class)).collect())
        };
        Self { proofs: of(shown.proofs), fresh: of(shown.fresh) }
    }

    fn is_within(self, other: Self) -> bool {
        let within = |a: (MethodSet, ClassSet), b: (MethodSet, ClassSet)| a.0.is_subset(b.0) && a.1.is_subset(b.1);
        within(self.proofs, other.proofs) && within(self.fresh, other.fresh)
    }
}

/// One plan in the making.
pub(super) struct Search<'a> {
    bundle: &'a Bundle,
    prepared: Prepared<'a>,
    mentioned: Mentioned,
    profile: Profile,
    step: Step,
    required: Required,
    /// The roles that would do; `None` when the goal needs none.
    roles: Option<Vec<RoleName>>,
    evaluations: u32,
    most: u32,
    known: HashMap<Seen, bool>,
    failed: Vec<Seen>,
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
        let most = MOST_EVALUATIONS.saturating_add(u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(2));
        Ok(Self {
            bundle,
            prepared,
            mentioned: bundle.mentioned().and(required),
            profile: q.profile,
            step,
            required,
            roles,
            evaluations: 0,
            most,
            known: HashMap::new(),
            failed: Vec::new(),
            trace: None,
        })
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
        let seen = Seen::of(shown, self.mentioned, self.profile);
        self.remember(seen, reach.allowed());
        Ok(reach)
    }

    fn remember(&mut self, seen: Seen, allowed: bool) {
        self.known.insert(seen, allowed);
        if !allowed {
            self.failed.push(seen);
        }
    }

    /// Whether `shown` reaches the goal; asks only when it is not clear already.
    pub(super) fn reaches(&mut self, shown: Shown) -> Result<bool, Stop> {
        let seen = Seen::of(shown, self.mentioned, self.profile);
        if let Some(known) = self.known.get(&seen) {
            return Ok(*known);
        }
        if self.failed.iter().any(|failed| seen.is_within(*failed)) {
            return Ok(false);
        }
        Ok(self.reach(shown)?.allowed())
    }

    /// Leaves out the roles that not even everything reached.
    pub(super) fn keep_roles(&mut self, everything: &Reach) {
        if let Some(roles) = &mut self.roles {
            let mut permitted = everything.roles.iter().map(Applied::allowed);
            roles.retain(|_| permitted.next().unwrap_or(false));
        }
    }

    /// Every smallest set of `candidates` that reaches the goal on top of `shown`; each member of a set is a group of
    /// methods that no policy tells apart, any of which will do.
    pub(super) fn smallest_sets(&mut self, shown: Shown, candidates: MethodSet) -> Result<Vec<Vec<MethodSet>>, Stop> {
        let groups = self.groups(shown, candidates);
        let all = union(&groups);
        let mut looked_at = 0_usize;
        let mut needed: Vec<MethodSet> = Vec::new();
        for size in 1..=groups.len() {
            if size == 2 {
                // One cheap pass that spares most of the rest: what must be in every set.
                for group in &groups {
                    if !self.reaches(shown.with(all.difference(*group)))? {
                        needed.push(*group);
                    }
                }
            }
            let mut found = Vec::new();
            for set in Combinations::new(groups.len(), size) {
                looked_at += 1;
                if looked_at > MOST_SETS {
                    return Err(Stop::Exhausted);
                }
                let members: Vec<MethodSet> = set.iter().filter_map(|place| groups.get(*place).copied()).collect();
                if needed.iter().all(|group| members.contains(group)) && self.reaches(shown.with(union(&members)))? {
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

    /// Methods that no policy tells apart, together; the strongest of each group is the first.
    fn groups(&self, shown: Shown, candidates: MethodSet) -> Vec<MethodSet> {
        let mut groups: Vec<MethodSet> = Vec::new();
        for method in candidates.iter() {
            let same = groups
                .iter_mut()
                .find(|group| group.iter().next().is_some_and(|first| self.is_alike(first, method, shown, candidates)));
            match same {
                Some(group) => *group = group.with(method),
                None => groups.push(MethodSet::EMPTY.with(method)),
            }
        }
        groups
    }

    fn is_alike(&self, one: Method, other: Method, shown: Shown, candidates: MethodSet) -> bool {
        let named = self.mentioned.methods;
        if named.contains(one) || named.contains(other) || shown.proofs.contains(one) != shown.proofs.contains(other) {
            return false;
        }
        let of = |methods: MethodSet| classes(methods, self.profile);
        let single = |method: Method| MethodSet::EMPTY.with(method);
        let others = candidates.union(shown.proofs).without(one).without(other);
        of(single(one)) == of(single(other))
            && of(single(one).with(other)) == of(single(one))
            && others.iter().all(|third| of(single(third).with(one)) == of(single(third).with(other)))
    }
}

/// One of each group is enough, so the strongest stands for it.
fn union(groups: &[MethodSet]) -> MethodSet {
    groups.iter().filter_map(|group| group.iter().next()).collect()
}

/// All ways to choose `size` of `count` places, in order.
struct Combinations {
    count: usize,
    next: Option<Vec<usize>>,
}

impl Combinations {
    fn new(count: usize, size: usize) -> Self {
        Self { count, next: (size <= count).then(|| (0..size).collect()) }
    }
}

impl Iterator for Combinations {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let size = current.len();
        // The last place that can still move; those after it follow.
        let movable = current.iter().enumerate().rev().find(|(i, place)| **place < self.count - size + i);
        if let Some((i, place)) = movable {
            let tail = (1..=size - i).map(|step| place + step);
            self.next = Some(current.iter().take(i).copied().chain(tail).collect());
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_complete_and_in_order() {
        let all: Vec<_> = Combinations::new(4, 2).collect();
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(Combinations::new(3, 3).count(), 1);
        assert_eq!(Combinations::new(2, 3).count(), 0);
        assert_eq!(Combinations::new(6, 3).count(), 20);
    }
}
