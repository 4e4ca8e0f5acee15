//! What holds for every possible sign-in. Questions about all of them at once are put to an SMT solver; each example it finds
//! is put to the policies again, as a sign-in would, before anybody is told of it.
//!
//! [`Analysis`] knows one set of policies. What there is to find out is a list of [`Task`]s, each answered on its own by a
//! [`Reasoner`], so that several solvers can work at the same time. [`Comparison`] does the same for two sets.

mod compare;
mod example;
mod invariants;
mod known;
mod prove;
mod scene;
mod shrink;
mod sides;
mod solver;
mod statement;
#[cfg(test)]
mod tests;
mod total;
mod words;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Entities, EntityUid, Schema};
use jiff::civil::Date;

pub use compare::{Comparison, Difference, Kind, Pair};
pub use example::Example;
pub use prove::{About, Answer, Finding, Task};
pub use scene::Scene;
pub use solver::{Pipes, Reasoner, Solvers};

use super::bundle::{Bundle, PolicySources, Standing};
use super::errors::{BundleError, BundleErrors, Rule};
use super::vocabulary::Vocabulary;
use invariants::Invariants;
use known::Known;
use statement::{MORE, Put, Statement};
use world::World;

/// Something could not be put together for the solver. The policies passed every check, so this is a mistake in here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub(super) String);

fn broken(error: impl std::fmt::Display) -> Broken {
    Broken(error.to_string())
}

/// One set of policies, ready to be asked about every sign-in there could be.
#[derive(Debug)]
pub struct Analysis {
    bundle: Bundle,
    schema: Schema,
    /// The schema in which more can be shown than was shown.
    more: Schema,
    actions: Entities,
    today: Date,
    /// What is in force today.
    statements: Vec<Statement>,
    invariants: Invariants,
    contexts: Contexts,
    scenes: Vec<Scene>,
    known: Known,
}

impl Analysis {
    /// Reads and checks the policies and the invariants.
    ///
    /// # Errors
    /// Anything is wrong with them.
    pub fn new(sources: &PolicySources, vocabulary: Vocabulary, today: Date) -> Result<Self, BundleErrors> {
        let bundle = Bundle::parse(sources, vocabulary, today)?;
        let at_schema =
            |message: String| BundleErrors::new(vec![BundleError::new(Rule::Schema, &sources.schema, (0, 0), message)]);
        let (schema, more, contexts) = schemas(&sources.schema.text).map_err(|error| at_schema(error.to_string()))?;
        let actions = schema.action_entities().map_err(|error| at_schema(error.to_string()))?;
        let statements = in_force(&bundle).map_err(|error| at_schema(error.to_string()))?;
        let invariants = Invariants::read(sources, bundle.vocabulary())?;
        let asserted = invariants.all.iter().map(|invariant| &invariant.statement);
        let assumed = invariants.tested.iter().chain(&invariants.own);
        let all: Vec<&Statement> = statements.iter().chain(asserted).chain(assumed).collect();
        let scenes = Scene::all(&schema, bundle.vocabulary(), &mentions(all.iter().copied()));
        let scenes = Scene::told_apart(scenes, &all, &actions, &contexts);
        let known = Known::new(&sources.tests, &bundle, today, scenes.len());
        Ok(Self { bundle, schema, more, actions, today, statements, invariants, contexts, scenes, known })
    }

    /// The policies.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The kinds of questions that are looked at.
    #[must_use]
    pub fn scenes(&self) -> &[Scene] {
        &self.scenes
    }

    /// How many policies are in force.
    #[must_use]
    pub fn policies(&self) -> usize {
        self.statements.len()
    }

    /// The ids of the invariants and what each says, in the order of files.
    pub fn invariants(&self) -> impl Iterator<Item = (&str, &str)> {
        self.invariants.all.iter().map(|invariant| (invariant.statement.id.as_str(), invariant.description.as_str()))
    }

    /// The ids of the assumptions that are not those shipped: no test of cedargate holds them against anything.
    pub fn own_assumptions(&self) -> impl Iterator<Item = &str> {
        self.invariants.own.iter().map(|assumption| assumption.id.as_str())
    }

    /// The statements that can matter in a scene.
    fn of<'a>(&self, all: impl IntoIterator<Item = &'a Statement>, scene: &Scene) -> Vec<&'a Statement> {
        all.into_iter().filter(|statement| statement.matters(scene, &self.actions)).collect()
    }

    /// With nothing allowed that cannot be, as far as that is tested; `about` are the statements that the question is about.
    fn bounded<'a>(
        &'a self,
        put: Put,
        scene: &Scene,
        about: impl IntoIterator<Item = &'a Statement>,
    ) -> Result<Put, Broken> {
        self.bounded_by(self.of(&self.invariants.tested, scene), put, scene, about)
    }

    /// With nothing allowed that these assumptions rule out.
    fn bounded_by<'a>(
        &'a self,
        assumptions: Vec<&'a Statement>,
        put: Put,
        scene: &Scene,
        about: impl IntoIterator<Item = &'a Statement>,
    ) -> Result<Put, Broken> {
        let mentioned = mentions(about.into_iter().chain(assumptions.iter().copied()));
        let world = World {
            vocabulary: self.bundle.vocabulary(),
            tells_pilot: self.bundle.names().tells_pilot(),
            today: self.today,
            mentioned: &mentioned,
        };
        let elsewhere = serde_json::json!({ "!": { "arg": world.condition(scene)? } });
        put.with(false, &elsewhere)?.all(assumptions, scene, |condition| condition)
    }
}

/// The policies that decide today; those that expire later say so in their condition.
fn in_force(bundle: &Bundle) -> Result<Vec<Statement>, Broken> {
    let in_force = bundle.policies().iter().filter(|stored| stored.standing == Standing::InForce);
    in_force
        .map(|stored| Statement::new(stored.notes.enforced.id.as_str(), &stored.policy, stored.notes.expires))
        .collect()
}

fn mentions<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> BTreeSet<EntityUid> {
    statements.into_iter().flat_map(Statement::mentions).collect()
}

/// By action, what the schema says of its context.
type Contexts = BTreeMap<String, serde_json::Value>;

/// The schema, the same where each record with `proofs` has [`MORE`] of them, and what it says of contexts.
fn schemas(text: &str) -> Result<(Schema, Schema, Contexts), Broken> {
    let (schema, _) = Schema::from_cedarschema_str(text).map_err(broken)?;
    let (fragment, _) = cedar_policy::SchemaFragment::from_cedarschema_str(text).map_err(broken)?;
    let mut form = fragment.to_json_value().map_err(broken)?;
    let actions = form.pointer("//actions").and_then(serde_json::Value::as_object).into_iter().flatten();
    let context = |action: &serde_json::Value| action.pointer("/appliesTo/context").cloned();
    let contexts = actions.filter_map(|(id, action)| Some((id.clone(), context(action)?))).collect();
    add_more(&mut form);
    Ok((schema, Schema::from_json_value(form).map_err(broken)?, contexts))
}

fn add_more(form: &mut serde_json::Value) {
    match form {
        serde_json::Value::Object(object) => {
            if let Some(proofs) = object.get("proofs").filter(|_| object.contains_key("fresh")).cloned() {
                object.insert(MORE.to_owned(), proofs);
            }
            object.values_mut().for_each(add_more);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(add_more),
        _ => {}
    }
}
