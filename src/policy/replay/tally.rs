//! What came of decisions made again: counted by person and by policy. Tallies of several workers add up, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::NotReplayable;
use crate::audit::DecisionRecord;
use crate::clock::Timestamp;
use crate::domain::{AppId, Decision, DecisionKind, PolicyId, ReferenceId, RoleName, Step, Username};
use crate::policy::situation::recorded_kind;

/// How many examples are kept of each thing: the latest.
const MOST_EXAMPLES: usize = 3;

/// What a candidate makes of a decision of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The same answer.
    Same,
    /// Asks for more as well, but for something else.
    OtherOffers,
    /// Allowed then, now asked for more.
    Challenged,
    /// Allowed or asked for more then, now refused.
    Denied,
    /// Refused or asked for more then; now not, or less.
    Freed,
    /// Allowed then and now, with other roles.
    Roles,
}

impl Change {
    /// Those that budgets are about.
    pub const COUNTED: [Self; 4] = [Self::Challenged, Self::Denied, Self::Freed, Self::Roles];

    /// What became of a decision about `step`.
    #[must_use]
    pub fn between(step: Step, then: &Decision, now: &Decision) -> Self {
        let rank = |decision: &Decision| match recorded_kind(step, decision) {
            DecisionKind::Allow => 0,
            DecisionKind::Challenge | DecisionKind::Enrol => 1,
            DecisionKind::Deny => 2,
        };
        match (rank(now).cmp(&rank(then)), now) {
            (std::cmp::Ordering::Less, _) => Self::Freed,
            (std::cmp::Ordering::Greater, Decision::Deny(_)) => Self::Denied,
            (std::cmp::Ordering::Greater, _) => Self::Challenged,
            (std::cmp::Ordering::Equal, _) if asks_alike(then, now) => Self::Same,
            (std::cmp::Ordering::Equal, _) => Self::OtherOffers,
        }
    }

    /// The word in budgets and in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OtherOffers => "other_offers",
            Self::Challenged => "challenged",
            Self::Denied => "denied",
            Self::Freed => "freed",
            Self::Roles => "roles",
        }
    }
}

/// Whether two answers of one rank ask for the same.
fn asks_alike(then: &Decision, now: &Decision) -> bool {
    match (then, now) {
        (Decision::Challenge { offers: then, .. }, Decision::Challenge { offers: now, .. }) => then == now,
        (
            Decision::Enrol { methods: then, permitted: then_permitted, .. },
            Decision::Enrol { methods: now, permitted: now_permitted, .. },
        ) => then == now && then_permitted == now_permitted,
        (then, now) => then.kind() == now.kind(),
    }
}

/// The roles that would be issued on a decision and were not, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleChange {
    /// Issued then, and not now.
    pub lost: BTreeSet<RoleName>,
    /// Issued now, and not then.
    pub gained: BTreeSet<RoleName>,
}

impl RoleChange {
    /// Whether the same would be issued.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty()
    }
}

/// One decision that would come out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Example {
    /// When it was made.
    pub at: Timestamp,
    /// Leads to it.
    pub reference: ReferenceId,
    /// About whom; `None` before a first factor.
    pub user: Option<Username>,
    /// For which app.
    pub app: AppId,
    /// To do what.
    pub step: Step,
    /// What it was.
    pub was: DecisionKind,
    /// What it would be.
    pub now: DecisionKind,
}

/// Decisions of one kind, or of one kind about one person or by one policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hit {
    /// How many.
    pub decisions: u64,
    /// About whom; `None` is everybody before a first factor.
    pub people: BTreeSet<Option<Username>>,
    /// For which apps.
    pub apps: BTreeSet<AppId>,
    /// Of [`Change::Roles`]: the roles that are lost.
    pub lost: BTreeSet<(AppId, RoleName)>,
    /// Of [`Change::Roles`]: those that are gained.
    pub gained: BTreeSet<(AppId, RoleName)>,
    /// The latest of them.
    pub examples: Vec<Example>,
}

impl Hit {
    fn count(&mut self, example: &Example, roles: &RoleChange) {
        self.decisions += 1;
        if !self.people.contains(&example.user) {
            self.people.insert(example.user.clone());
        }
        if !self.apps.contains(&example.app) {
            self.apps.insert(example.app.clone());
        }
        let of_app = |roles: &BTreeSet<RoleName>| -> Vec<_> {
            roles.iter().map(|role| (example.app.clone(), role.clone())).collect()
        };
        self.lost.extend(of_app(&roles.lost));
        self.gained.extend(of_app(&roles.gained));
        self.examples.push(example.clone());
        self.keep_latest();
    }

    fn merge(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.people.extend(other.people);
        self.apps.extend(other.apps);
        self.lost.extend(other.lost);
        self.gained.extend(other.gained);
        self.examples.extend(other.examples);
        self.keep_latest();
    }

    /// In an order that does not depend on which worker came first.
    fn keep_latest(&mut self) {
        self.examples.sort_by(|a, b| b.cmp(a));
        self.examples.truncate(MOST_EXAMPLES);
    }
}

/// All that came out otherwise in one way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// All of it.
    pub all: Hit,
    /// By person; `None` is everybody before a first factor.
    pub by_person: BTreeMap<Option<Username>, Hit>,
    /// By the policy it is put down to; `None` where no policy is behind it: none permits any more.
    pub by_policy: BTreeMap<Option<PolicyId>, Hit>,
}

/// What came of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many decisions there were, those left out among them.
    pub decisions: u64,
    /// Whom they were about.
    pub people: BTreeSet<Username>,
    /// The same answer.
    pub same: u64,
    /// Other methods are asked for.
    pub other_offers: u64,
    /// The answers that differ.
    pub sides: BTreeMap<Change, Side>,
    /// What could not be made again, and for which app.
    pub left_out: BTreeMap<(NotReplayable, AppId), u64>,
    /// How many questions were put to the policies: identical ones are put once by each worker.
    pub asked: u64,
}

impl Tally {
    pub(super) fn count(
        &mut self,
        record: &DecisionRecord,
        change: Change,
        now: &Decision,
        (by, roles): (&[PolicyId], &RoleChange),
    ) {
        self.meet(record);
        match change {
            Change::Same => self.same += 1,
            Change::OtherOffers => self.other_offers += 1,
            Change::Challenged | Change::Denied | Change::Freed | Change::Roles => {
                let example = Example {
                    at: record.at,
                    reference: record.reference.clone(),
                    user: record.user.clone(),
                    app: record.app.clone(),
                    step: record.step,
                    was: recorded_kind(record.step, &record.decision),
                    now: recorded_kind(record.step, now),
                };
                let side = self.sides.entry(change).or_default();
                side.all.count(&example, roles);
                side.by_person.entry(record.user.clone()).or_default().count(&example, roles);
                let none = by.is_empty().then_some(None);
                for policy in by.iter().cloned().map(Some).chain(none) {
                    side.by_policy.entry(policy).or_default().count(&example, roles);
                }
            }
        }
    }

    pub(super) fn leave_out(&mut self, record: &DecisionRecord, why: NotReplayable) {
        self.meet(record);
        *self.left_out.entry((why, record.app.clone())).or_default() += 1;
    }

    fn meet(&mut self, record: &DecisionRecord) {
        self.decisions += 1;
        if let Some(user) = record.user.as_ref().filter(|user| !self.people.contains(*user)) {
            self.people.insert(user.clone());
        }
    }

    /// Puts what another worker counted to this.
    pub fn merge(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.people.extend(other.people);
        self.same += other.same;
        self.other_offers += other.other_offers;
        self.asked += other.asked;
        for (change, side) in other.sides {
            let mine = self.sides.entry(change).or_default();
            mine.all.merge(side.all);
            for (person, hit) in side.by_person {
                mine.by_person.entry(person).or_default().merge(hit);
            }
            for (policy, hit) in side.by_policy {
                mine.by_policy.entry(policy).or_default().merge(hit);
            }
        }
        for (why, count) in other.left_out {
            *self.left_out.entry(why).or_default() += count;
        }
    }

    /// How many decisions were left out of which nobody knows how they would come out now. An app that is gone was taken out on
    /// purpose; and of a refusal when the permit was asked for, the yes of the plan before it is on record too.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        let unknown = self.left_out.iter().filter(|((why, _), _)| match why {
            NotReplayable::TooOld | NotReplayable::Incomplete | NotReplayable::Exhausted => true,
            NotReplayable::AppGone | NotReplayable::AtPermit => false,
        });
        unknown.map(|(_, count)| count).sum()
    }

    /// How many decisions were made again.
    #[must_use]
    pub fn made_again(&self) -> u64 {
        self.decisions.saturating_sub(self.left_out.values().sum())
    }

    /// How many people a change concerns. Everybody before a first factor is one: nobody knows how many they are.
    #[must_use]
    pub fn people_of(&self, change: Change) -> usize {
        self.sides.get(&change).map_or(0, |side| side.all.people.len())
    }

    /// The changes that concern more people than `budget` has, with what it has.
    #[must_use]
    pub fn over(&self, budget: &Budget) -> Vec<(Change, usize)> {
        let has = Change::COUNTED.into_iter().filter_map(|change| Some((change, *budget.0.get(&change)?)));
        has.filter(|(change, most)| self.people_of(*change) > *most).collect()
    }
}

/// How many people each change may concern; what is not named may concern any number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget(BTreeMap<Change, usize>);

impl Budget {
    /// How many people `change` may concern.
    #[must_use]
    pub fn of(&self, change: Change) -> Option<usize> {
        self.0.get(&change).copied()
    }
}

/// A budget that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no part of a budget: write `challenged=5,denied=0,freed=0,roles=0`, or some of them, each a number of \
     people"
)]
pub struct BudgetError(String);

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let mut budget = Self::default();
        for part in text.split(',') {
            let wrong = || BudgetError(part.to_owned());
            let (name, most) = part.split_once('=').ok_or_else(wrong)?;
            let change = Change::COUNTED.into_iter().find(|change| change.code() == name.trim()).ok_or_else(wrong)?;
            let most = most.trim().parse().map_err(|_| wrong())?;
            if budget.0.insert(change, most).is_some() {
                return Err(wrong());
            }
        }
        Ok(budget)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(change, most)| format!("{}={most}", change.code())).collect();
        f.write_str(&parts.join(","))
    }
}
