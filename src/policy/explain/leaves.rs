//! Policies taken apart into their leaves: the conditions that facts alone decide, and those that proofs decide. Which facts can
//! matter, and which values of them no policy tells apart, follows from the leaves; each is evaluated by Cedar.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::Effect;
use cedar_policy::pst::{self, BinaryOp, Clause, Expr, UnaryOp};

use super::facts::{Fact, Named};
use super::misfit::{matches, with_clauses};
use super::{ask, instants, what_if};
use crate::clock::Timestamp;
use crate::domain::{PolicyId, RoleName, Step};
use crate::policy::bundle::{Bundle, Standing};
use crate::policy::positive;
use crate::policy::request::Asked;
use crate::policy::situation::{Asks, Situation};

/// What is left of a condition when the facts are known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Residue {
    True,
    False,
    /// It hangs on proofs, or could not be evaluated.
    Open(String),
}

/// A condition as a tree over its leaves.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(usize),
    /// Decided by proofs, as written.
    Proofs(String),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
}

/// A condition that facts alone decide.
#[derive(Debug)]
pub(super) struct Leaf {
    test: Test,
    /// Which question it belongs to.
    question: usize,
    pub(super) named: Named,
}

/// How a leaf is decided.
#[derive(Debug)]
enum Test {
    /// By Cedar: the policy with this condition alone.
    Cedar(Box<cedar_policy::Policy>),
    /// It holds until then: the policy has `@expires`.
    Before(Timestamp),
}

/// A policy that is about the question.
#[derive(Debug)]
struct About {
    id: PolicyId,
    forbids: bool,
    question: usize,
    conditions: Vec<Tree>,
}

/// All policies in force that are about a situation, taken apart.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) questions: Vec<(Step, Option<RoleName>)>,
    pub(super) leaves: Vec<Leaf>,
    policies: Vec<About>,
}

/// What a leaf comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Truth {
    True,
    False,
    Failed,
}

/// What the facts leave of all policies: equal ones are decided alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Residues {
    /// These forbid the step, whatever is shown.
    Forbidden(BTreeSet<PolicyId>),
    /// What hangs on proofs.
    Open(Vec<Residue>),
}

impl Leaves {
    /// Takes the policies apart that are about `situation`. `None` when one of them cannot be.
    pub(super) fn of(bundle: &Bundle, situation: &Situation) -> Option<Self> {
        let mut questions = what_if::questions(&situation.asks, situation);
        // Whether a method may be added is asked about opening an app, too.
        if matches!(situation.asks, Asks::Open(_) | Asks::Step(Step::SignIn | Step::TrustDevice)) {
            questions.push((Step::Enroll, None));
        }
        let mut all = Self { questions: Vec::new(), leaves: Vec::new(), policies: Vec::new() };
        for (index, (step, role)) in questions.iter().enumerate() {
            let asked = ask(bundle, *step, role.as_ref(), &situation.question()).ok()?;
            let in_force = bundle.policies().iter().filter(|stored| {
                stored.standing == Standing::InForce
                    && !stored.is_expired(situation.signals.now)
                    && bundle.names().covers(*step, &stored.policy.action_constraint())
            });
            for stored in in_force {
                let whole = stored.policy.to_pst().ok()?;
                if !matches(with_clauses(&whole, Vec::new())?, &asked).ok()? {
                    continue;
                }
                let forbids = stored.policy.effect() == Effect::Forbid;
                let mut conditions: Vec<Tree> = stored
                    .notes
                    .expires
                    .and_then(instants::begin)
                    .map(|end| all.leaf(Test::Before(end), index, Named::ending(end)))
                    .into_iter()
                    .collect();
                for clause in whole.body().clauses() {
                    conditions.push(match clause {
                        Clause::When(expr) => all.take_apart(expr, &whole, index)?,
                        Clause::Unless(expr) => Tree::Not(Box::new(all.take_apart(expr, &whole, index)?)),
                    });
                }
                let id = stored.notes.enforced.id.clone();
                all.policies.push(About { id, forbids, question: index, conditions });
            }
        }
        all.questions = questions;
        Some(all)
    }

    fn take_apart(&mut self, expr: &Arc<Expr>, whole: &pst::Policy, question: usize) -> Option<Tree> {
        let two = |tree: fn(Box<Tree>, Box<Tree>) -> Tree, all: &mut Self, left: &Arc<Expr>, right: &Arc<Expr>| {
            let (left, right) = (all.take_apart(left, whole, question)?, all.take_apart(right, whole, question)?);
            Some(tree(Box::new(left), Box::new(right)))
        };
        match &**expr {
            Expr::BinaryOp { op: BinaryOp::And, left, right } => two(Tree::And, self, left, right),
            Expr::BinaryOp { op: BinaryOp::Or, left, right } => two(Tree::Or, self, left, right),
            Expr::UnaryOp { op: UnaryOp::Not, expr } => {
                Some(Tree::Not(Box::new(self.take_apart(expr, whole, question)?)))
            }
            other if positive::touches(other) => Some(Tree::Proofs(other.to_string())),
            other => {
                let policy = with_clauses(whole, vec![Clause::When(expr.clone())])?;
                Some(self.leaf(Test::Cedar(Box::new(policy)), question, Named::of(other)))
            }
        }
    }

    fn leaf(&mut self, test: Test, question: usize, named: Named) -> Tree {
        self.leaves.push(Leaf { test, question, named });
        Tree::Leaf(self.leaves.len() - 1)
    }

    /// Everything that the leaves read and name.
    pub(super) fn named(&self) -> Named {
        let mut all = Named::default();
        self.leaves.iter().for_each(|leaf| all.add(&leaf.named));
        all
    }

    /// The facts that a leaf reads.
    pub(super) fn facts_of(&self, leaf: usize) -> BTreeSet<Fact> {
        self.leaves.get(leaf).map(|leaf| leaf.named.facts.clone()).unwrap_or_default()
    }

    /// What a leaf comes to in `situation`.
    pub(super) fn truth(&self, bundle: &Bundle, leaf: usize, situation: &Situation) -> Truth {
        let Some(leaf) = self.leaves.get(leaf) else { return Truth::Failed };
        let policy = match &leaf.test {
            Test::Cedar(policy) => policy,
            Test::Before(end) if situation.signals.now < *end => return Truth::True,
            Test::Before(_) => return Truth::False,
        };
        let asked: Option<Asked> = self
            .questions
            .get(leaf.question)
            .and_then(|(step, role)| ask(bundle, *step, role.as_ref(), &situation.question()).ok());
        match asked.map(|asked| matches(policy.as_ref().clone(), &asked)) {
            Some(Ok(true)) => Truth::True,
            Some(Ok(false)) => Truth::False,
            _ => Truth::Failed,
        }
    }

    /// What is left of the policies when the leaves come to `truths`.
    pub(super) fn residues(&self, truths: &[Truth]) -> Residues {
        let mut forbidden = BTreeSet::new();
        let (mut open, mut fails) = (Vec::with_capacity(self.policies.len()), false);
        for policy in &self.policies {
            let residue = policy.conditions.iter().fold(Residue::True, |all, tree| and(all, || of(tree, truths)));
            fails |= matches!(&residue, Residue::Open(text) if text.contains(FAILED));
            if policy.forbids && policy.question == 0 && residue == Residue::True {
                forbidden.insert(policy.id.clone());
            }
            open.push(residue);
        }
        if forbidden.is_empty() || fails { Residues::Open(open) } else { Residues::Forbidden(forbidden) }
    }

    /// The policies by their facts, to tell what is looked at.
    pub(super) fn readers(&self) -> BTreeMap<Fact, BTreeSet<PolicyId>> {
        let mut readers: BTreeMap<Fact, BTreeSet<PolicyId>> = BTreeMap::new();
        for policy in &self.policies {
            for fact in self.leaves_of(policy).flat_map(|leaf| leaf.named.facts.iter().copied()) {
                readers.entry(fact).or_default().insert(policy.id.clone());
            }
        }
        readers
    }

    /// The policies that do more with the instant than compare it with one that is written out.
    pub(super) fn reckoning(&self) -> BTreeSet<PolicyId> {
        let reckons = |policy: &&About| self.leaves_of(policy).any(|leaf| leaf.named.reckons_with_time);
        self.policies.iter().filter(reckons).map(|policy| policy.id.clone()).collect()
    }

    fn leaves_of(&self, policy: &About) -> impl Iterator<Item = &Leaf> {
        fn places(tree: &Tree, found: &mut Vec<usize>) {
            match tree {
                Tree::Leaf(leaf) => found.push(*leaf),
                Tree::Proofs(_) => {}
                Tree::And(left, right) | Tree::Or(left, right) => {
                    places(left, found);
                    places(right, found);
                }
                Tree::Not(inner) => places(inner, found),
            }
        }
        let mut found = Vec::new();
        policy.conditions.iter().for_each(|tree| places(tree, &mut found));
        found.into_iter().filter_map(|place| self.leaves.get(place))
    }
}

/// Stands for a leaf that could not be evaluated; no text of Cedar holds it.
const FAILED: char = '\u{0}';

fn of(tree: &Tree, truths: &[Truth]) -> Residue {
    match tree {
        Tree::Leaf(leaf) => match truths.get(*leaf) {
            Some(Truth::True) => Residue::True,
            Some(Truth::False) => Residue::False,
            Some(Truth::Failed) | None => Residue::Open(format!("{FAILED}{leaf}")),
        },
        Tree::Proofs(text) => Residue::Open(text.clone()),
        Tree::And(left, right) => and(of(left, truths), || of(right, truths)),
        Tree::Or(left, right) => not(and(not(of(left, truths)), || not(of(right, truths)))),
        Tree::Not(inner) => not(of(inner, truths)),
    }
}

fn not(residue: Residue) -> Residue {
    match residue {
        Residue::True => Residue::False,
        Residue::False => Residue::True,
        Residue::Open(text) => Residue::Open(format!("!({text})")),
    }
}

/// As Cedar does it: what stands on the right is looked at only when the left is true, so a failure on the left stays one.
fn and(left: Residue, right: impl FnOnce() -> Residue) -> Residue {
    match left {
        Residue::False => Residue::False,
        Residue::True => right(),
        Residue::Open(text) => match right() {
            Residue::True => Residue::Open(text),
            Residue::False if !text.contains(FAILED) => Residue::False,
            Residue::False => Residue::Open(format!("({text}) && false")),
            Residue::Open(other) => Residue::Open(format!("({text}) && ({other})")),
        },
    }
}
