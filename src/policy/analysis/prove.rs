//! What there is to find out about one set of policies, and how.

use serde_json::{Value, json};

use super::example::Example;
use super::scene::Scene;
use super::solver::{Query, Reasoner, Stuck, Wanted};
use super::statement::{Put, Statement, all, if_it_works, with_more_shown, yes};
use super::{Analysis, Broken};

/// One thing to find out. Tasks do not depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    about: Matter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matter {
    /// Whether the invariant holds in the scene.
    Invariant(usize, usize),
    /// Whether there is anything of which the invariant speaks.
    Premise(usize),
    /// Whether every policy can be evaluated in the scene.
    Errors(usize),
    /// Whether showing more can cost anything in the scene.
    Monotone(usize),
    /// Whether the policy ever applies.
    Dead(usize),
    /// Whether the others decide the same without the policy.
    Redundant(usize),
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The invariant of this id holds.
    Invariant(String),
    /// The invariant of this id speaks of something that can be.
    Premise(String),
    /// Every policy can be evaluated.
    NeverFails,
    /// Showing more never takes access away.
    Monotone,
    /// The policy of this id never applies.
    Dead(String),
    /// The policy of this id changes nothing.
    Redundant(String),
}

/// Whether it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is, for every sign-in there could be.
    Proved,
    /// It is not, as the example shows where it helps to have one.
    Refuted(Option<Box<Example>>),
    /// It is, if these assumptions are true, which nothing here sees to.
    Assumed(Vec<String>),
    /// These assumptions rule out everything that is looked at, so nothing is said of it.
    AssumedAway(Vec<String>),
    /// It could not be told within the limit.
    Unknown,
    /// There is no answer because something does not work.
    Failed(String),
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// To what.
    pub about: About,
    /// Where, in words; `None` = everywhere.
    pub scene: Option<String>,
    /// The answer.
    pub answer: Answer,
}

impl Analysis {
    /// All there is to find out; of one invariant alone, when it is named.
    #[must_use]
    pub fn tasks(&self, only: Option<&str>) -> Vec<Task> {
        let scenes = || 0..self.scenes.len();
        let mut tasks = Vec::new();
        for (index, invariant) in self.invariants.all.iter().enumerate() {
            if only.is_some_and(|only| only != invariant.statement.id) {
                continue;
            }
            tasks.push(Matter::Premise(index));
            tasks.extend(
                scenes()
                    .filter(|scene| self.speaks_of(*scene, &invariant.statement))
                    .map(|s| Matter::Invariant(index, s)),
            );
        }
        if only.is_none() {
            tasks.extend(scenes().map(Matter::Errors));
            tasks.extend(scenes().map(Matter::Monotone));
            tasks.extend((0..self.statements.len()).flat_map(|at| [Matter::Dead(at), Matter::Redundant(at)]));
        }
        tasks.into_iter().map(|about| Task { about }).collect()
    }

    fn speaks_of(&self, scene: usize, statement: &Statement) -> bool {
        self.scenes.get(scene).is_some_and(|scene| statement.matters(scene, &self.actions))
    }

    /// Finds it out.
    pub async fn answer(&self, task: Task, reasoner: &mut Reasoner<'_>) -> Finding {
        let (about, scene) = self.describe(task);
        let looked = match task.about {
            Matter::Invariant(at, s) => self.holds(at, s, reasoner).await,
            _ => self.look(task, reasoner).await.map(|found| found.map_or(Answer::Proved, Answer::Refuted)),
        };
        let answer = looked.unwrap_or_else(|stuck| match stuck {
            Stuck::Unknown => Answer::Unknown,
            Stuck::Failed(why) => Answer::Failed(why),
        });
        // What is looked for here is an example, so its absence is what is bad.
        let answer = match (task.about, answer) {
            (Matter::Premise(_), Answer::Proved) => Answer::Refuted(None),
            (Matter::Premise(_), Answer::Refuted(_)) => Answer::Proved,
            (_, answer) => answer,
        };
        Finding { about, scene, answer }
    }

    pub(super) fn describe(&self, task: Task) -> (About, Option<String>) {
        let scene = |at: usize| self.scenes.get(at).map(ToString::to_string);
        let invariant = |at: usize| self.invariants.all.get(at).map(|one| one.statement.id.clone()).unwrap_or_default();
        let policy = |at: usize| self.statements.get(at).map(|one| one.id.clone()).unwrap_or_default();
        match task.about {
            Matter::Invariant(at, s) => (About::Invariant(invariant(at)), scene(s)),
            Matter::Premise(at) => (About::Premise(invariant(at)), None),
            Matter::Errors(s) => (About::NeverFails, scene(s)),
            Matter::Monotone(s) => (About::Monotone, scene(s)),
            Matter::Dead(at) => (About::Dead(policy(at)), None),
            Matter::Redundant(at) => (About::Redundant(policy(at)), None),
        }
    }

    async fn look(&self, task: Task, reasoner: &mut Reasoner<'_>) -> Result<Option<Option<Box<Example>>>, Stuck> {
        match task.about {
            Matter::Invariant(..) => Ok(None),
            Matter::Errors(s) => {
                let Some(scene) = self.scenes.get(s) else { return Ok(None) };
                let Some(query) = self.failing(scene).map_err(failed)? else { return Ok(None) };
                match reasoner.find(&query).await? {
                    None => Ok(None),
                    Some(env) => {
                        let example = self.failing_example(&env, &query, scene).map_err(Stuck::Failed)?;
                        Ok(Some(Some(Box::new(example))))
                    }
                }
            }
            Matter::Monotone(s) => {
                let Some(scene) = self.scenes.get(s) else { return Ok(None) };
                match self.losing_by_more(scene).map_err(failed)? {
                    // The rule of the loader makes it so; whoever changes that rule finds out here.
                    Some(query) => Ok(reasoner.find(&query).await?.map(|_| None)),
                    None => Ok(None),
                }
            }
            Matter::Premise(at) => {
                let Some(invariant) = self.invariants.all.get(at) else { return Ok(None) };
                self.anywhere(&invariant.statement, reasoner, |scene| self.matching(&invariant.statement, scene)).await
            }
            Matter::Dead(at) => {
                let Some(statement) = self.statements.get(at) else { return Ok(None) };
                self.anywhere(statement, reasoner, |scene| self.matching(statement, scene)).await
            }
            Matter::Redundant(at) => {
                let Some(statement) = self.statements.get(at) else { return Ok(None) };
                self.anywhere(statement, reasoner, |scene| self.without(at, statement, scene)).await
            }
        }
    }

    /// Whether an invariant holds in a scene: by what is tested, or by assumptions of one's own beside it.
    async fn holds(&self, at: usize, scene: usize, reasoner: &mut Reasoner<'_>) -> Result<Answer, Stuck> {
        let Some((invariant, scene)) = self.invariants.all.get(at).zip(self.scenes.get(scene)) else {
            return Ok(Answer::Proved);
        };
        let own = self.of(&self.invariants.own, scene);
        let tested = self.of(&self.invariants.tested, scene);
        let query = self.against(&invariant.statement, scene, tested.clone()).map_err(failed)?;
        let Some(env) = reasoner.find(&query).await? else { return Ok(Answer::Proved) };
        let example = |env: &_, query: &_| {
            let found = self.example(env, query, scene, !invariant.statement.permits, &invariant.description);
            Ok(Answer::Refuted(Some(Box::new(found.map_err(Stuck::Failed)?))))
        };
        if own.is_empty() {
            return example(&env, &query);
        }
        let assumed: Vec<&Statement> = tested.into_iter().chain(own.iter().copied()).collect();
        let query = self.against(&invariant.statement, scene, assumed.clone()).map_err(failed)?;
        if let Some(env) = reasoner.find(&query).await? {
            return example(&env, &query);
        }
        let ids = own.iter().map(|one| one.id.clone()).collect();
        let left = self.bounded_by(assumed, anything().map_err(failed)?, scene, []).map_err(failed)?;
        let left = self.query(scene, left, anything().map_err(failed)?, Wanted::AllowedByBoth);
        let is_left = reasoner.find(&left).await?.is_some();
        Ok(if is_left { Answer::Assumed(ids) } else { Answer::AssumedAway(ids) })
    }

    /// Whether there is an example in any scene of which `statement` speaks. One is enough.
    async fn anywhere<'a>(
        &'a self,
        statement: &Statement,
        reasoner: &mut Reasoner<'_>,
        query: impl Fn(&'a Scene) -> Result<Query<'a>, Broken>,
    ) -> Result<Option<Option<Box<Example>>>, Stuck> {
        let mut stuck = None;
        let scenes = || self.scenes.iter().enumerate().filter(|(_, scene)| statement.matters(scene, &self.actions));
        for (at, scene) in scenes() {
            if self.is_known(&query(scene).map_err(failed)?, at, scene) {
                return Ok(Some(None));
            }
        }
        for (_, scene) in scenes() {
            match reasoner.find(&query(scene).map_err(failed)?).await {
                Ok(None) => {}
                Ok(Some(_)) => return Ok(Some(None)),
                Err(Stuck::Unknown) => stuck = Some(Stuck::Unknown),
                Err(failed) => return Err(failed),
            }
        }
        stuck.map_or(Ok(None), Err)
    }

    /// Something that contradicts an invariant, where all of this is assumed.
    fn against<'a>(
        &'a self,
        invariant: &'a Statement,
        scene: &'a Scene,
        assumed: Vec<&'a Statement>,
    ) -> Result<Query<'a>, Broken> {
        let these = self.of(&self.statements, scene);
        let about = these.iter().copied().chain([invariant]);
        let policies = Put::default().decide(&these, scene, same)?;
        let condition = invariant.condition(scene);
        // Cedar skips what it cannot evaluate, and nothing would ever break an invariant that fails: it counts as matching there.
        let premise = if invariant.may_fail() {
            Put::default().with(true, &yes())?.with(false, &json!({ "!": { "arg": condition } }))?
        } else {
            Put::default().with(true, &condition)?
        };
        let (first, second, wanted) = if invariant.permits {
            (self.bounded_by(assumed, premise, scene, about)?, policies, Wanted::AllowedByFirstAlone)
        } else {
            (self.bounded_by(assumed, policies, scene, about)?, premise, Wanted::AllowedByBoth)
        };
        Ok(self.query(scene, first, second, wanted))
    }

    /// Something that a statement matches.
    fn matching<'a>(&'a self, statement: &Statement, scene: &'a Scene) -> Result<Query<'a>, Broken> {
        let first = Put::default().with(true, &statement.condition(scene))?;
        let first = self.bounded(first, scene, [statement])?;
        Ok(self.query(scene, first, anything()?, Wanted::AllowedByBoth))
    }

    /// Something where a policy cannot be evaluated; `None` where each always can. Cedar skips a policy that fails: here it is
    /// the one that would forbid.
    fn failing<'a>(&'a self, scene: &'a Scene) -> Result<Option<Query<'a>>, Broken> {
        let mut these = self.of(&self.statements, scene);
        these.retain(|one| one.may_fail());
        if these.is_empty() {
            return Ok(None);
        }
        let works = all(these.iter().map(|one| if_it_works(one.condition(scene))).collect());
        let first = Put::default().with(true, &yes())?.with(false, &works)?;
        let first = self.bounded(first, scene, these.iter().copied())?;
        Ok(Some(self.query(scene, first, anything()?, Wanted::AllowedByBoth)))
    }

    /// Something that is allowed, and not when more is shown; `None` where no proof matters.
    fn losing_by_more<'a>(&'a self, scene: &'a Scene) -> Result<Option<Query<'a>>, Broken> {
        let these = self.of(&self.statements, scene);
        if these.iter().all(|one| with_more_shown(one.condition(scene)) == one.condition(scene)) {
            return Ok(None);
        }
        let less = Put::default().decide(&these, scene, same)?;
        let less = self.bounded(less, scene, these.iter().copied())?;
        let more = Put::default().decide(&these, scene, with_more_shown)?;
        let query = self.query(scene, less, more, Wanted::AllowedByFirstAlone);
        Ok(Some(Query { schema: &self.more, ..query }))
    }

    /// Something that is decided otherwise without the policy at `at`.
    fn without<'a>(&'a self, at: usize, statement: &Statement, scene: &'a Scene) -> Result<Query<'a>, Broken> {
        let these = self.of(&self.statements, scene);
        let others = self.statements.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, other)| other);
        let others = self.of(others, scene);
        let with = Put::default().decide(&these, scene, same)?;
        let without = Put::default().decide(&others, scene, same)?;
        let (more, less) = if statement.permits { (with, without) } else { (without, with) };
        let more = self.bounded(more, scene, these)?;
        Ok(self.query(scene, more, less, Wanted::AllowedByFirstAlone))
    }

    pub(super) fn query<'a>(&'a self, scene: &'a Scene, first: Put, second: Put, wanted: Wanted) -> Query<'a> {
        Query { schema: &self.schema, asked: &scene.asked, first: first.set(), second: second.set(), wanted }
    }
}

fn failed(error: Broken) -> Stuck {
    Stuck::Failed(error.0)
}

pub(super) fn same(condition: Value) -> Value {
    condition
}

fn anything() -> Result<Put, Broken> {
    Put::default().with(true, &yes())
}
