//! Two sets of policies: who gains, who loses, who is asked for more. No example is a proof that there is none.

use jiff::civil::Date;

use super::example::{self, Example};
use super::prove::same;
use super::scene::Scene;
use super::sides::{self, Earlier};
use super::solver::{Query, Reasoner, Stuck, Wanted};
use super::statement::{Put, Statement, and, permission, with_everything_shown};
use super::{Analysis, Broken, mentions, words};
use crate::domain::DecisionKind;
use crate::policy::bundle::PolicySources;
use crate::policy::errors::BundleErrors;
use crate::policy::situation::Situation;
use crate::policy::vocabulary::Vocabulary;

/// How a decision differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Refused before, whatever was shown; allowed now.
    Gained,
    /// Something more had to be shown before; allowed now.
    Freed,
    /// Allowed before; something more has to be shown now.
    Challenged,
    /// Allowed before; refused now, whatever is shown.
    LockedOut,
}

impl Kind {
    /// All of them: what costs somebody something first.
    pub const ALL: [Self; 4] = [Self::LockedOut, Self::Challenged, Self::Gained, Self::Freed];

    /// The word in output for machines.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Freed => "freed",
            Self::Challenged => "challenged",
            Self::LockedOut => "locked_out",
        }
    }
}

/// A sign-in that is decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What was decided before; `None` for acts that are no step of a sign-in.
    pub before: Option<DecisionKind>,
    /// The policies behind that.
    pub before_by: Vec<String>,
    /// What is decided now.
    pub after: Example,
}

/// One possible difference, looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub scene: String,
    /// Which.
    pub kind: Kind,
    /// An example; `None`: proved that there is none. Otherwise why it could not be told: `None` = no answer in time.
    pub found: Result<Option<Box<Pair>>, Option<String>>,
}

/// Two sets of policies, ready to be compared.
#[derive(Debug)]
pub struct Comparison {
    before: Analysis,
    after: Analysis,
    /// Each with the earlier policies that can matter in it, as they were meant under the config.toml of then.
    scenes: Vec<(Scene, Vec<Statement>)>,
}

impl Comparison {
    /// Reads and checks both, under the names of both, by the schema of now. Limits of devices, pilot groups and lists of
    /// countries are for each what its own config.toml says; an app, a group or a list that only one of them has is for both
    /// as it says.
    ///
    /// # Errors
    /// Anything is wrong with one of them.
    pub fn new(
        before: (&PolicySources, &Vocabulary),
        after: (&PolicySources, &Vocabulary),
        today: Date,
    ) -> Result<Self, BundleErrors> {
        let mut earlier = before.0.clone();
        earlier.schema = after.0.schema.clone();
        earlier.invariants = Vec::new();
        let before = Analysis::new(&earlier, joined(after.1, before.1), today)?;
        let after = Analysis::new(after.0, joined(before.bundle.vocabulary(), after.1), today)?;
        let (then, now) = (before.bundle.vocabulary(), after.bundle.vocabulary());
        let all: Vec<&Statement> =
            before.statements.iter().chain(&after.statements).chain(&after.invariants.tested).collect();
        let mut named = mentions(all.iter().copied());
        named.extend(sides::changed_apps(then, now));
        let scenes = Scene::all(&after.schema, now, &named);
        let scenes = Scene::told_apart(scenes, &all, &after.actions, &after.contexts);
        let with_earlier = |scene: Scene| {
            let meant = Earlier::new(then, now, scene.app.as_ref());
            let these = after.of(&before.statements, &scene).into_iter();
            let these = these.map(|one| one.changed(|condition| meant.meant(condition))).collect();
            (scene, these)
        };
        let scenes = scenes.into_iter().map(with_earlier).collect();
        Ok(Self { before, after, scenes })
    }

    /// All there is to look for: a scene of which both sets say the same in the same words needs no look.
    #[must_use]
    pub fn tasks(&self) -> Vec<(usize, Kind)> {
        let differ = |(scene, before): &(Scene, Vec<Statement>)| {
            let before: Vec<&Statement> = before.iter().collect();
            let after = self.after.of(&self.after.statements, scene);
            let lacks = |some: &[&Statement], others: &[&Statement]| {
                some.iter().any(|one| !others.iter().any(|other| one.is_like(other)))
            };
            lacks(&before, &after) || lacks(&after, &before)
        };
        let scenes = self.scenes.iter().enumerate().filter(|(_, scene)| differ(scene));
        scenes.flat_map(|(at, _)| Kind::ALL.map(|kind| (at, kind))).collect()
    }

    /// Looks for one.
    pub async fn answer(&self, (at, kind): (usize, Kind), reasoner: &mut Reasoner<'_>) -> Difference {
        let Some((scene, before)) = self.scenes.get(at) else {
            return Difference { scene: String::new(), kind, found: Ok(None) };
        };
        let found = match self.look(scene, before, kind, reasoner).await {
            Ok(found) => Ok(found.map(Box::new)),
            Err(Stuck::Unknown) => Err(None),
            Err(Stuck::Failed(why)) => Err(Some(why)),
        };
        Difference { scene: scene.to_string(), kind, found }
    }

    async fn look(
        &self,
        scene: &Scene,
        before: &[Statement],
        kind: Kind,
        reasoner: &mut Reasoner<'_>,
    ) -> Result<Option<Pair>, Stuck> {
        let query = self.query(scene, before, kind).map_err(|error| Stuck::Failed(error.to_string()))?;
        let Some(env) = reasoner.find(&query).await? else { return Ok(None) };
        let now = matches!(kind, Kind::Gained | Kind::Freed);
        let met = |situation: &Situation| {
            example::is_met(&self.after.bundle, &query, scene, situation)
                && example::allows(&self.before.bundle, &self.earlier(situation)) != now
                && example::allows(&self.after.bundle, situation) == now
        };
        let found = example::confirmed(&env, &query, scene, &self.after.bundle, met).map_err(Stuck::Failed)?;
        let name = match kind {
            Kind::Gained => "may do what was refused before",
            Kind::Freed => "is no longer asked for more",
            Kind::Challenged => "is asked for more than before",
            Kind::LockedOut => "may no longer do what was allowed before",
        };
        Ok(Some(match found {
            Ok(situation) => {
                let (_, before, before_by) = words::decided(&self.before.bundle, &self.earlier(&situation));
                let before = before.map(|decision| decision.kind());
                Pair { before, before_by, after: words::example(&self.after.bundle, &situation, name) }
            }
            Err(raw) => Pair { before: None, before_by: Vec::new(), after: raw },
        }))
    }

    /// The same sign-in, before.
    fn earlier(&self, situation: &Situation) -> Situation {
        let app = self.before.bundle.vocabulary().app(situation.app.id.as_str());
        Situation { app: app.unwrap_or(&situation.app).clone(), ..situation.clone() }
    }

    fn query<'a>(&'a self, scene: &'a Scene, before: &[Statement], kind: Kind) -> Result<Query<'a>, Broken> {
        let before: Vec<&Statement> = before.iter().collect();
        let after = self.after.of(&self.after.statements, scene);
        let (allowing, refusing) = match kind {
            Kind::Gained | Kind::Freed => (&after, &before),
            Kind::Challenged | Kind::LockedOut => (&before, &after),
        };
        let about = || before.iter().chain(&after).copied();
        let (first, second) = match kind {
            Kind::Gained | Kind::LockedOut => (
                Put::default().decide(allowing, scene, same)?,
                Put::default().decide(refusing, scene, with_everything_shown)?,
            ),
            Kind::Freed | Kind::Challenged => {
                (both(allowing, refusing, scene)?, Put::default().decide(refusing, scene, same)?)
            }
        };
        let first = self.after.bounded(first, scene, about())?;
        Ok(self.after.query(scene, first, second, Wanted::AllowedByFirstAlone))
    }
}

/// What `allowing` allows, and `refusing` would if all were shown.
fn both(allowing: &[&Statement], refusing: &[&Statement], scene: &Scene) -> Result<Put, Broken> {
    let permitted = permission(allowing, scene, &same);
    let permitted = and(permitted, permission(refusing, scene, &with_everything_shown));
    Put::default().with(true, &permitted)?.all(forbids(allowing), scene, same)?.all(
        forbids(refusing),
        scene,
        with_everything_shown,
    )
}

fn forbids<'a>(all: &[&'a Statement]) -> Vec<&'a Statement> {
    all.iter().copied().filter(|one| !one.permits).collect()
}

/// The names of both; where they differ, what `after` says.
fn joined(before: &Vocabulary, after: &Vocabulary) -> Vocabulary {
    let mut all = after.clone();
    for (group, within) in &before.groups {
        all.groups.entry(group.clone()).or_insert_with(|| within.clone());
    }
    for app in &before.apps {
        match all.apps.iter_mut().find(|other| other.id == app.id) {
            Some(same) => {
                let gone = app.roles.iter().filter(|role| !same.roles.contains(role)).cloned().collect::<Vec<_>>();
                same.roles.extend(gone);
            }
            None => all.apps.push(app.clone()),
        }
    }
    all.networks.extend(before.networks.iter().cloned());
    for (list, countries) in &before.country_lists {
        all.country_lists.entry(list.clone()).or_insert_with(|| countries.clone());
    }
    all
}
