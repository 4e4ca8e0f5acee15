//! What would be decided when facts are left open: every value that policies can tell apart is tried, and what comes out alike is
//! told together.
//!
//! Exact, and still cheap: which values policies tell apart follows from their leaves, two values that no leaf tells apart are
//! one, and of all combinations that leave the same residues of the policies one is planned.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::facts::{Fact, Value};
use super::leaves::{Leaves, Residues, Truth};
use super::tree::{Grid, Node};
use crate::domain::{Decision, DecisionKind, DenyReason, Method, MethodSet, NetworkName, PolicyId, Step};
use crate::policy::bundle::Bundle;
use crate::policy::planner::{Goal, Trace, plan_traced};
use crate::policy::situation::{Asks, Situation};

/// How often Cedar is asked for one table.
pub const MOST_EVALUATIONS: u32 = 4_096;
/// How many combinations are looked at.
const MOST_COMBINATIONS: usize = 65_536;

/// A fact that matters, with its values; those that no policy tells apart stand together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The fact.
    pub fact: Fact,
    /// The values. The first of each class stands for it.
    pub classes: Vec<Vec<Value>>,
    /// The policies that read it.
    pub policies: BTreeSet<PolicyId>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
pub struct Answer {
    /// The decision; `None` when there was none within the evaluations that one plan may take, or that this table may.
    pub decision: Option<DecisionKind>,
    /// What is offered, or can be added, in order.
    pub methods: Vec<Method>,
    /// Adding takes a link first.
    pub after_link: bool,
    /// The smallest sets that lead to a yes: of each, the groups of methods of which any one will do.
    pub ways: Vec<Vec<MethodSet>>,
}

/// All answers to a situation with open facts.
#[derive(Debug, Clone)]
pub struct Branches {
    /// The facts that matter.
    pub choices: Vec<Choice>,
    /// The ways somebody may be equipped, where that was open.
    pub equipped: Vec<Value>,
    /// The answers: of each, what is answered to each way of being equipped.
    pub answers: Vec<Vec<Answer>>,
    /// Which answer is given when.
    pub tree: Node,
    /// How many combinations of values there are.
    pub combinations: usize,
    /// How often Cedar was asked to decide.
    pub evaluations: u32,
    /// The facts that were not varied, as there would have been too many combinations: their first value is taken for granted.
    pub fixed: Vec<Choice>,
    /// Whether some combinations were not decided, as it took too many evaluations.
    pub cut: bool,
    /// The policies that reckon with the instant, where that was open: all else was looked at as if it were now.
    pub now_alone: BTreeSet<PolicyId>,
}

/// A policy is written in a way that this cannot take apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy can't be taken apart here: state all facts")]
pub struct NotTakenApart;

impl Branches {
    /// Decides `situation` for each value of the facts in `open`; `enrolled` are the ways somebody may be equipped, `networks` the
    /// sets of networks that an address can be in ([`crate::policy::networks::together`]).
    ///
    /// # Errors
    /// See [`NotTakenApart`].
    pub fn of(
        bundle: &Bundle,
        situation: &Situation,
        open: &BTreeSet<Fact>,
        enrolled: &[Value],
        networks: &[BTreeSet<NetworkName>],
    ) -> Result<Self, NotTakenApart> {
        let leaves = Leaves::of(bundle, situation).ok_or(NotTakenApart)?;
        let mut base = situation.clone();
        let now_alone = if open.contains(&Fact::Instant) { leaves.reckoning() } else { BTreeSet::new() };
        let mut open = open.clone();
        if !now_alone.is_empty() {
            open.remove(&Fact::Instant);
        }
        let raw = raw_values((bundle, networks), &leaves, situation, &open);
        let tables: Vec<Table> = (0..leaves.leaves.len())
            .map(|leaf| Table::of(bundle, &leaves, leaf, &raw, situation))
            .collect::<Option<_>>()
            .ok_or(NotTakenApart)?;
        let readers = leaves.readers();
        let (mut choices, mut fixed) = (Vec::new(), Vec::new());
        for (fact, values) in &raw {
            let classes = classes(*fact, values, &tables);
            let policies = readers.get(fact).cloned().unwrap_or_default();
            let choice = Choice { fact: *fact, classes, policies };
            if choice.classes.len() > 1 {
                choices.push(choice);
            }
        }
        while choices.iter().map(|choice| choice.classes.len()).product::<usize>() > MOST_COMBINATIONS {
            fixed.extend(choices.pop());
        }
        for choice in fixed.iter().rev() {
            if let Some(value) = choice.classes.first().and_then(|class| class.first()) {
                choice.fact.set(value, &mut base);
            }
        }
        let field =
            Field { bundle, leaves: &leaves, tables: &tables, raw: &raw, choices: &choices, equipped: enrolled };
        let tried = field.try_all(&base);
        let radices = choices.iter().map(|choice| choice.classes.len()).collect();
        let grid = Grid { radices, cells: tried.cells, answers: tried.answer_of };
        let combinations = grid.cells.len();
        let tree = grid.tree(&tried.policies);
        Ok(Self {
            choices,
            equipped: enrolled.to_vec(),
            answers: tried.answers,
            tree,
            combinations,
            evaluations: tried.evaluations,
            fixed,
            cut: tried.cut,
            now_alone,
        })
    }

    /// The situation in which each open fact has the value that stands first.
    #[must_use]
    pub fn example(&self, situation: &Situation) -> Situation {
        let mut example = situation.clone();
        for choice in self.choices.iter().rev() {
            if let Some(value) = choice.classes.first().and_then(|class| class.first()) {
                choice.fact.set(value, &mut example);
            }
        }
        example
    }
}

type Raw = BTreeMap<Fact, Vec<Value>>;

/// The values of each open fact that a policy reads.
fn raw_values(
    (bundle, networks): (&Bundle, &[BTreeSet<NetworkName>]),
    leaves: &Leaves,
    situation: &Situation,
    open: &BTreeSet<Fact>,
) -> Raw {
    let named = leaves.named();
    let read = Fact::ALL.into_iter().filter(|fact| open.contains(fact) && named.facts.contains(fact));
    let known = (bundle.vocabulary(), networks);
    let mut raw: Raw = read.map(|fact| (fact, fact.values(&named, situation, known))).collect();
    // Who is on a known device has one at least. Where that is open, the device has the last word.
    if let Some(values) =
        raw.get_mut(&Fact::Devices).filter(|_| situation.signals.device.known && !open.contains(&Fact::Device))
    {
        values.retain(|value| *value != Value::Number(0));
    }
    raw
}

/// What one leaf comes to for every combination of the facts it reads.
struct Table {
    facts: Vec<Fact>,
    sizes: Vec<usize>,
    truths: Vec<Truth>,
}

impl Table {
    fn of(bundle: &Bundle, leaves: &Leaves, leaf: usize, raw: &Raw, situation: &Situation) -> Option<Self> {
        let facts: Vec<Fact> = leaves.facts_of(leaf).into_iter().filter(|fact| raw.contains_key(fact)).collect();
        let sizes: Vec<usize> = facts.iter().map(|fact| raw.get(fact).map_or(0, Vec::len)).collect();
        let count = sizes.iter().try_fold(1_usize, |count, size| count.checked_mul(*size))?;
        if count > MOST_COMBINATIONS {
            return None;
        }
        let truths = (0..count).map(|index| {
            let mut there = situation.clone();
            let chosen = digits(index, &sizes);
            // Devices before Device, which has the last word on their number.
            for (fact, value) in facts.iter().zip(chosen).rev() {
                if let Some(value) = raw.get(fact).and_then(|values| values.get(value)) {
                    fact.set(value, &mut there);
                }
            }
            leaves.truth(bundle, leaf, &there)
        });
        Some(Self { truths: truths.collect(), facts, sizes })
    }

    fn truth(&self, value_of: impl Fn(Fact) -> usize) -> Truth {
        let index = self.facts.iter().zip(&self.sizes).fold(0, |index, (fact, size)| index * size + value_of(*fact));
        self.truths.get(index).copied().unwrap_or(Truth::Failed)
    }

    /// All truths with one fact at one value.
    fn column(&self, fact: Fact, value: usize) -> Option<Vec<Truth>> {
        let place = self.facts.iter().position(|found| *found == fact)?;
        let at = |index: &usize| digits(*index, &self.sizes).get(place) == Some(&value);
        Some((0..self.truths.len()).filter(at).filter_map(|index| self.truths.get(index).copied()).collect())
    }
}

/// The digits of a number, the last one changing fastest.
pub(super) fn digits(mut index: usize, radices: &[usize]) -> Vec<usize> {
    let mut digits = vec![0; radices.len()];
    for (digit, radix) in digits.iter_mut().zip(radices).rev() {
        *digit = index % radix.max(&1);
        index /= radix.max(&1);
    }
    digits
}

/// The values of a fact, those together that no leaf tells apart.
fn classes(fact: Fact, values: &[Value], tables: &[Table]) -> Vec<Vec<Value>> {
    let mut classes: Vec<(Vec<Vec<Truth>>, Vec<Value>)> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let columns: Vec<Vec<Truth>> = tables.iter().filter_map(|table| table.column(fact, index)).collect();
        match classes.iter_mut().find(|(known, _)| *known == columns) {
            Some((_, class)) => class.push(value.clone()),
            None => classes.push((columns, vec![value.clone()])),
        }
    }
    classes.into_iter().map(|(_, class)| class).collect()
}

/// All combinations, decided.
#[derive(Default)]
struct Tried {
    /// For each combination, which of the distinct cases it is.
    cells: Vec<usize>,
    /// For each case, which answer it gets.
    answer_of: Vec<usize>,
    /// For each case, the policies behind it.
    policies: Vec<BTreeSet<PolicyId>>,
    answers: Vec<Vec<Answer>>,
    evaluations: u32,
    cut: bool,
}

/// Everything that combinations are made of.
struct Field<'a> {
    bundle: &'a Bundle,
    leaves: &'a Leaves,
    tables: &'a [Table],
    raw: &'a Raw,
    choices: &'a [Choice],
    equipped: &'a [Value],
}

impl Field<'_> {
    fn try_all(&self, base: &Situation) -> Tried {
        let radices: Vec<usize> = self.choices.iter().map(|choice| choice.classes.len()).collect();
        let count: usize = radices.iter().product();
        // Where the first value of each class stands among all values.
        let place = |fact: Fact, value: Option<&Value>| {
            self.raw.get(&fact).and_then(|values| values.iter().position(|known| Some(known) == value)).unwrap_or(0)
        };
        let places: Vec<Vec<usize>> = self
            .choices
            .iter()
            .map(|choice| choice.classes.iter().map(|class| place(choice.fact, class.first())).collect())
            .collect();
        let mut tried = Tried { cells: Vec::with_capacity(count), ..Tried::default() };
        let mut known: HashMap<Residues, usize> = HashMap::new();
        for index in 0..count {
            let chosen = digits(index, &radices);
            let value_of = |fact: Fact| {
                let found = self.choices.iter().position(|choice| choice.fact == fact);
                let class = found.and_then(|at| Some(*places.get(at)?.get(*chosen.get(at)?)?));
                class.unwrap_or(0)
            };
            let truths: Vec<Truth> = self.tables.iter().map(|table| table.truth(value_of)).collect();
            let residues = self.leaves.residues(&truths);
            let case = match known.get(&residues) {
                Some(case) => *case,
                None => {
                    let there = self.situation(base, &chosen);
                    let case = tried.decide(self.bundle, &there, self.equipped, &residues);
                    known.insert(residues, case);
                    case
                }
            };
            tried.cells.push(case);
        }
        tried
    }

    /// The situation with each fact at the first value of its class.
    fn situation(&self, base: &Situation, chosen: &[usize]) -> Situation {
        let mut there = base.clone();
        for (choice, class) in self.choices.iter().zip(chosen).rev() {
            if let Some(value) = choice.classes.get(*class).and_then(|class| class.first()) {
                choice.fact.set(value, &mut there);
            }
        }
        there
    }
}

impl Tried {
    /// Decides one situation for each way of being equipped, and gives its case.
    fn decide(&mut self, bundle: &Bundle, situation: &Situation, equipped: &[Value], residues: &Residues) -> usize {
        let mut policies = BTreeSet::new();
        let mut decide = |there: &Situation| {
            self.cut |= self.evaluations >= MOST_EVALUATIONS;
            let planned = if self.evaluations < MOST_EVALUATIONS { planned(bundle, there) } else { None };
            let Some((decision, trace, evaluations, determining)) = planned else { return Answer::default() };
            self.evaluations += evaluations;
            policies.extend(determining);
            answer(&decision, trace)
        };
        let answers: Vec<Answer> = match equipped {
            [] => vec![decide(situation)],
            equipped => {
                let with = |value: &Value| {
                    let mut there = situation.clone();
                    Fact::Enrolled.set(value, &mut there);
                    decide(&there)
                };
                equipped.iter().map(with).collect()
            }
        };
        if let Residues::Forbidden(always) = residues {
            // The rest hangs on facts that this case leaves open.
            policies.clone_from(always);
        }
        let place = self.answers.iter().position(|known| *known == answers).unwrap_or_else(|| {
            self.answers.push(answers);
            self.answers.len() - 1
        });
        self.answer_of.push(place);
        self.policies.push(policies);
        self.answer_of.len() - 1
    }
}

type Planned = (Decision, Trace, u32, BTreeSet<PolicyId>);

fn planned(bundle: &Bundle, situation: &Situation) -> Option<Planned> {
    let q = situation.question();
    let (plan, trace) = match &situation.asks {
        Asks::Open(roles) => plan_traced(bundle, Goal::App { roles }, &q, &situation.repertoire),
        Asks::Step(step) if *step != Step::Visit => plan_traced(bundle, Goal::Step(*step), &q, &situation.repertoire),
        Asks::Step(_) | Asks::Role(_) => (situation.decide(bundle), Trace::default()),
    };
    let plan = plan.ok()?;
    let determining = plan.determining.into_iter().map(|policy| policy.id).collect();
    Some((plan.decision, trace, plan.evaluations, determining))
}

fn answer(decision: &Decision, trace: Trace) -> Answer {
    let (methods, after_link, ways) = match decision {
        Decision::Challenge { offers, .. } => {
            (offers.iter().map(|offer| offer.method).collect(), false, trace.smallest)
        }
        Decision::Enrol { methods, permitted, .. } => (methods.clone(), !permitted, Vec::new()),
        Decision::Allow
        | Decision::Deny(
            DenyReason::Forbidden { .. }
            | DenyReason::NoPermit
            | DenyReason::NoRole
            | DenyReason::CannotShow
            | DenyReason::EvaluationError { .. },
        ) => (Vec::new(), false, Vec::new()),
    };
    Answer { decision: Some(decision.kind()), methods, after_link, ways }
}

#[cfg(test)]
mod tests;
