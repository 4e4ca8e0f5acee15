//! What the answers so far tell of other sets of proofs.
//!
//! One answer tells of every policy whether it applies. A policy depends on its own needs alone, and meeting more of them never
//! makes it stricter; so an answer also holds for every other set that meets the same needs of a policy, and more or fewer of them
//! where that can only go one way. Cedar is asked again where two sets differ in a way that no answer covers.

use super::needs::{self, Need};
use crate::domain::Profile;
use crate::policy::bundle::Bundle;
use crate::policy::engine::Applied;
use crate::policy::request::Shown;

/// A policy that can make a difference, and which of the needs are its own.
#[derive(Debug, Clone, Copy)]
struct Policy {
    place: usize,
    needs: u64,
}

/// One answer.
#[derive(Debug)]
struct Answer {
    met: u64,
    applied: Applied,
}

impl Answer {
    /// What it tells of a policy for another set, which meets `met`; `applies` as it was here, where `more` says whether meeting
    /// more needs keeps it so.
    fn tells(&self, policy: Policy, met: u64, applies: bool, more: bool) -> bool {
        let (here, there) = (self.met & policy.needs, met & policy.needs);
        // What a failed policy would have said, nobody knows: that it is not among those that applied tells nothing.
        let is_sure = applies || self.applied.errors.is_empty();
        is_sure && if more { here & !there == 0 } else { there & !here == 0 }
    }
}

/// What is known about one step, or one role, between the least and the most that can be shown.
#[derive(Debug)]
pub(super) struct Known {
    profile: Profile,
    needs: Vec<Need>,
    /// That stand in the way of the least.
    forbids: Vec<Policy>,
    /// That let the most in; none is looked at when one lets the least in already.
    permits: Vec<Policy>,
    is_permitted: bool,
    answers: Vec<Answer>,
}

impl Known {
    /// From the answers for the least, and for the most, which has to be yes.
    pub(super) fn between(
        bundle: &Bundle,
        profile: Profile,
        least: (Shown, &Applied),
        most: (Shown, &Applied),
    ) -> Self {
        let is_permitted = !least.1.permits.is_empty();
        let permits = if is_permitted { &[] } else { most.1.permits.as_slice() };
        let needs_of = |place: &usize| bundle.stored(*place).map_or(&[][..], |stored| &*stored.needs);
        let mut all: Vec<Need> = least.1.forbids.iter().chain(permits).flat_map(needs_of).copied().collect();
        all.sort_unstable();
        all.dedup();
        let policy = |place: &usize| {
            let own = needs_of(place);
            let places = all.iter().take(64).enumerate().filter(|(_, need)| own.contains(need));
            Policy { place: *place, needs: places.fold(0, |bits, (at, _)| bits | 1 << at) }
        };
        let (forbids, permits) = (least.1.forbids.iter().map(policy).collect(), permits.iter().map(policy).collect());
        let mut known = Self { profile, needs: all, forbids, permits, is_permitted, answers: Vec::new() };
        for (shown, applied) in [least, most] {
            known.learn(shown, applied.clone());
        }
        known
    }

    /// The needs that make a difference.
    pub(super) fn needs(&self) -> &[Need] {
        &self.needs
    }

    pub(super) fn learn(&mut self, shown: Shown, applied: Applied) {
        self.answers.push(Answer { met: needs::met(&self.needs, shown, self.profile), applied });
    }

    /// Whether it is yes with `shown`; `None` when Cedar has to be asked.
    pub(super) fn is_allowed(&self, shown: Shown) -> Option<bool> {
        let met = needs::met(&self.needs, shown, self.profile);
        if let Some(same) = self.answers.iter().find(|answer| answer.met == met) {
            return Some(same.applied.allowed());
        }
        let mut is_open = false;
        for forbid in &self.forbids {
            match self.applies(*forbid, met, |applied| &applied.forbids, false) {
                Some(true) => return Some(false),
                Some(false) => {}
                None => is_open = true,
            }
        }
        if !self.is_permitted {
            let of = |permit: &Policy| self.applies(*permit, met, |applied| &applied.permits, true);
            let told: Vec<Option<bool>> = self.permits.iter().map(of).collect();
            if !told.contains(&Some(true)) {
                if !told.contains(&None) {
                    return Some(false);
                }
                is_open = true;
            }
        }
        (!is_open).then_some(true)
    }

    /// Whether a policy applies; `more` says that meeting more needs keeps it applying, as permits do and forbids do not.
    fn applies(&self, policy: Policy, met: u64, list: fn(&Applied) -> &Vec<usize>, more: bool) -> Option<bool> {
        self.answers.iter().find_map(|answer| {
            let applies = list(&answer.applied).contains(&policy.place);
            answer.tells(policy, met, applies, more == applies).then_some(applies)
        })
    }
}
