//! Which answer is given when, in as few words as a greedy choice finds: the fact first that settles most.

use std::collections::{BTreeMap, BTreeSet};

use super::branch::digits;
use crate::domain::PolicyId;

/// A table as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// The answer is the same for all that is left.
    Answer {
        /// Its place among the answers.
        answer: usize,
        /// The policies that are behind it each time.
        always: BTreeSet<PolicyId>,
        /// The policies that are behind it at times.
        sometimes: BTreeSet<PolicyId>,
    },
    /// It depends.
    Split {
        /// The place of the fact among the choices.
        choice: usize,
        /// The classes of its values that come to the same, and what that is. What settles most stands first.
        cases: Vec<(Vec<usize>, Node)>,
    },
}

/// Every combination of classes.
pub(super) struct Grid {
    pub(super) radices: Vec<usize>,
    /// For each combination, its case.
    pub(super) cells: Vec<usize>,
    /// For each case, its answer.
    pub(super) answers: Vec<usize>,
}

/// The combinations that are still possible, by the place of the choice.
type Rest = Vec<Vec<usize>>;

impl Grid {
    /// The tree; `policies` are those behind each case.
    pub(super) fn tree(&self, policies: &[BTreeSet<PolicyId>]) -> Node {
        self.node(&self.radices.iter().map(|radix| (0..*radix).collect()).collect(), policies)
    }

    fn node(&self, rest: &Rest, policies: &[BTreeSet<PolicyId>]) -> Node {
        let cases = self.cases(rest);
        let answers: BTreeSet<usize> = cases.iter().map(|case| self.answer(*case)).collect();
        if let (Some(answer), 0 | 1) = (answers.first(), answers.len()) {
            let distinct: BTreeSet<usize> = cases.into_iter().collect();
            let behind = || distinct.iter().filter_map(|case| policies.get(*case));
            let sometimes: BTreeSet<PolicyId> = behind().flatten().cloned().collect();
            let always = sometimes.iter().filter(|id| behind().all(|these| these.contains(*id))).cloned().collect();
            return Node::Answer { answer: *answer, always, sometimes };
        }
        let best = (0..rest.len())
            .filter_map(|choice| {
                let groups = self.groups(rest, choice);
                (groups.len() > 1).then_some((choice, groups))
            })
            .min_by(|(_, a), (_, b)| cost(a).total_cmp(&cost(b)).then(a.len().cmp(&b.len())));
        let Some((choice, mut groups)) = best else {
            return Node::Answer { answer: 0, always: BTreeSet::new(), sometimes: BTreeSet::new() };
        };
        // What is settled comes first, so that the rest can be read as "otherwise"; of two, the exception.
        groups.sort_by_key(|(classes, answers)| {
            let kinds: BTreeSet<&usize> = answers.iter().collect();
            (kinds.len() > 1, classes.len(), std::cmp::Reverse(classes.first().copied()))
        });
        let cases = groups.into_iter().map(|(classes, _)| {
            let mut rest = rest.clone();
            if let Some(left) = rest.get_mut(choice) {
                left.clone_from(&classes);
            }
            let node = self.node(&rest, policies);
            (classes, node)
        });
        Node::Split { choice, cases: cases.collect() }
    }

    fn answer(&self, case: usize) -> usize {
        self.answers.get(case).copied().unwrap_or(0)
    }

    /// The cases of all combinations that are left.
    fn cases(&self, rest: &Rest) -> Vec<usize> {
        let sizes: Vec<usize> = rest.iter().map(Vec::len).collect();
        let count: usize = sizes.iter().product();
        let cell = |index: usize| {
            let chosen = digits(index, &sizes);
            let place = rest
                .iter()
                .zip(chosen)
                .zip(&self.radices)
                .try_fold(0, |place, ((classes, at), radix)| classes.get(at).map(|class| place * radix + class))?;
            self.cells.get(place).copied()
        };
        (0..count).filter_map(cell).collect()
    }

    /// The classes of one choice, those together that come to the same answers in all that is left; with the answers.
    fn groups(&self, rest: &Rest, choice: usize) -> Vec<(Vec<usize>, Vec<usize>)> {
        let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for class in rest.get(choice).into_iter().flatten() {
            let mut only = rest.clone();
            if let Some(left) = only.get_mut(choice) {
                *left = vec![*class];
            }
            let answers = self.cases(&only).into_iter().map(|case| self.answer(case)).collect();
            groups.entry(answers).or_default().push(*class);
        }
        groups.into_iter().map(|(answers, classes)| (classes, answers)).collect()
    }
}

/// How much is left to be said after a split: the entropy of the answers.
fn cost(groups: &[(Vec<usize>, Vec<usize>)]) -> f64 {
    let of_group = |(classes, answers): &(Vec<usize>, Vec<usize>)| {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        for answer in answers {
            *counts.entry(*answer).or_default() += 1;
        }
        let all: f64 = counts.values().copied().map(f64::from).sum();
        let bits: f64 = counts.values().map(|count| f64::from(*count) * (all / f64::from(*count)).log2()).sum();
        bits * f64::from(u32::try_from(classes.len()).unwrap_or(u32::MAX))
    };
    groups.iter().map(of_group).sum()
}
