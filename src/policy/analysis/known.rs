//! Sign-ins that are known already: the cases of `policies/tests`. A question that one of them answers spares the solver.

use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Analysis;
use super::example;
use super::scene::Scene;
use super::solver::Query;
use crate::policy::bundle::{Bundle, SourceFile};
use crate::policy::case::Table;
use crate::policy::request::Asked;
use crate::policy::situation::{Asks, Situation};

/// The sign-ins of the tests, and by scene what the policies are asked about them.
pub(super) struct Known {
    situations: Vec<Situation>,
    asked: Vec<OnceLock<Vec<Asked>>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("situations", &self.situations.len()).finish_non_exhaustive()
    }
}

impl Known {
    /// Tests that cannot be read are no concern here: whoever loads the policies tells of them.
    pub(super) fn new(tests: &[SourceFile], bundle: &Bundle, today: Date, scenes: usize) -> Self {
        let tables = tests.iter().filter_map(|file| toml::from_str::<Table>(&file.text).ok());
        let situations = tables.flat_map(|table| table.case).filter_map(|case| case.situation(bundle).ok());
        let situations = situations.map(|situation| from_today(situation, today)).flat_map(each_question).collect();
        Self { situations, asked: (0..scenes).map(|_| OnceLock::new()).collect() }
    }
}

/// A case that says no time is of long ago; what is looked for is not before today.
fn from_today(mut situation: Situation, today: Date) -> Situation {
    let midnight = today.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp());
    situation.signals.now = midnight.map_or(situation.signals.now, |midnight| situation.signals.now.max(midnight));
    situation
}

/// Opening an app with roles is several questions.
fn each_question(situation: Situation) -> Vec<Situation> {
    match &situation.asks {
        Asks::Open(roles) => {
            let roles = roles.clone().into_iter().map(Asks::Role);
            let questions = [Asks::Step(crate::domain::Step::SignIn)].into_iter().chain(roles);
            questions.map(|asks| Situation { asks, ..situation.clone() }).collect()
        }
        _ => vec![situation],
    }
}

impl Analysis {
    /// Whether a sign-in of the tests is what is looked for. None may be although there is one: then the solver is asked.
    pub(super) fn is_known(&self, query: &Query<'_>, at: usize, scene: &Scene) -> bool {
        let asked = self.known.asked.get(at).map(|asked| {
            asked.get_or_init(|| {
                let of_scene = self.known.situations.iter().filter(|situation| is_in(situation, scene));
                of_scene.filter_map(|situation| example::asked(&self.bundle, scene, situation)).collect()
            })
        });
        asked.into_iter().flatten().any(|asked| query.is_met_by(&asked.request, &asked.entities))
    }
}

fn is_in(situation: &Situation, scene: &Scene) -> bool {
    scene.app.as_ref() == Some(&situation.app)
        && scene.step.is_some_and(|step| match &situation.asks {
            Asks::Role(_) => step == crate::domain::Step::AssumeRole,
            Asks::Step(asked) => step == *asked,
            Asks::Open(_) => false,
        })
}
