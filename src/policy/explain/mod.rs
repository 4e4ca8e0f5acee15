//! Why: every policy, and what came of it.

pub mod branch;
mod facts;
mod instants;
mod leaves;
mod misfit;
mod place;
pub mod tree;
mod what_if;

use cedar_policy::Effect;
use serde::Serialize;

pub use facts::{Fact, Value};
pub use place::Place;
pub use what_if::{ExplainedStep, WhatIf};

use super::bundle::{Bundle, Standing, Stored};
use super::question::Question;
use super::request::{self, Asked, RequestError, Shown};
use crate::clock::Timestamp;
use crate::domain::{PolicyId, RoleName, Step};

/// What came of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It applies.
    Matched,
    /// It is about somebody, something or some step else.
    OtherScope,
    /// It is about this, but its first condition that does not fit is this one.
    NotMatched {
        /// The condition, in Cedar, with its `when` or `unless`.
        condition: String,
    },
    /// It could not be evaluated.
    Error {
        /// What Cedar says.
        message: String,
    },
    /// Its `@expires` has come; it was not asked.
    Expired,
}

/// One policy in an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedPolicy {
    /// Its `@id`.
    pub id: PolicyId,
    /// Its `@description`.
    pub description: String,
    /// Whether it forbids (or permits).
    pub forbids: bool,
    /// Whether it is on trial only.
    pub shadow: bool,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Where it is written: the condition that does not fit, or where it begins. `None` until [`Explanation::locate`].
    #[serde(flatten)]
    pub place: Option<Place>,
    /// How many lines below its first the condition stands.
    #[serde(skip)]
    lines_down: usize,
}

/// Why a step was allowed or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The answer.
    pub allowed: bool,
    /// Every policy, in the order of files.
    pub policies: Vec<ExplainedPolicy>,
}

impl Explanation {
    /// Whether a permit is about this person, app and step: if none is, nothing the person shows and no circumstance lets them in.
    #[must_use]
    pub fn is_within_reach(&self) -> bool {
        let is_about = |outcome: &Outcome| !matches!(outcome, Outcome::OtherScope | Outcome::Expired);
        self.policies.iter().any(|policy| !policy.forbids && !policy.shadow && is_about(&policy.outcome))
    }
}

/// Explains the answer to one step.
#[must_use]
pub fn explain(bundle: &Bundle, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Explanation {
    let asked = ask(bundle, step, role, q);
    let policies = bundle.policies().iter().map(|stored| {
        let (outcome, lines_down) = outcome(stored, q.signals.now, asked.as_ref());
        ExplainedPolicy {
            id: stored.notes.enforced.id.clone(),
            description: stored.notes.description.clone(),
            forbids: stored.policy.effect() == Effect::Forbid,
            shadow: stored.standing == Standing::Shadow,
            outcome,
            place: None,
            lines_down,
        }
    });
    Explanation { allowed: bundle.evaluate(step, role, q).allowed, policies: policies.collect() }
}

/// The question about one step, as the engine puts it.
fn ask(bundle: &Bundle, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Result<Asked, RequestError> {
    match step {
        Step::Visit => request::visit(bundle.names(), bundle.vocabulary(), q.app, q.signals, None),
        _ => bundle.prepare(q).and_then(|prepared| prepared.ask(step, role, Shown::of(q), None)),
    }
}

fn outcome(stored: &Stored, now: Timestamp, asked: Result<&Asked, &RequestError>) -> (Outcome, usize) {
    let asked = match asked {
        _ if stored.is_expired(now) => return (Outcome::Expired, 0),
        Ok(asked) => asked,
        Err(error) => return (Outcome::Error { message: error.to_string() }, 0),
    };
    match misfit::matches(stored.policy.clone(), asked) {
        Ok(true) => (Outcome::Matched, 0),
        Err(message) => (Outcome::Error { message }, 0),
        Ok(false) => match misfit::first(&stored.policy, stored.text(), asked) {
            Some(misfit) => (Outcome::NotMatched { condition: misfit.condition }, misfit.lines_down),
            None => (Outcome::OtherScope, 0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Method, MethodSet};
    use crate::policy::samples;

    #[test]
    fn an_app_is_out_of_reach_of_whom_no_permit_is_about() {
        let bundle = samples::shipped();
        for (groups, app, within) in [
            (["aws-users"].as_slice(), "aws", true),
            (&["contractors"], "aws", false),
            (&[], "aws", false),
            (&[], "portal", true),
        ] {
            let sample = samples::Sample::new(groups, app);
            let q = sample.question(MethodSet::EMPTY);
            assert_eq!(explain(&bundle, Step::SignIn, None, &q).is_within_reach(), within, "{groups:?} {app}");
        }
    }

    #[test]
    fn each_policy_tells_what_kept_it_from_applying() {
        let (bundle, sample) = (samples::shipped(), samples::Sample::new(&["aws-users"], "aws"));
        let q = sample.question(MethodSet::EMPTY.with(Method::Password));
        let explanation = explain(&bundle, Step::SignIn, None, &q);
        let of = |id: &str| &explanation.policies.iter().find(|policy| policy.id.as_str() == id).unwrap().outcome;
        assert!(!explanation.allowed);
        assert_eq!(of("aws.second-factor"), &Outcome::Matched);
        assert_eq!(of("aws.group"), &Outcome::Matched);
        assert_eq!(of("base.self-service"), &Outcome::OtherScope);
        let Outcome::NotMatched { condition } = of("net.blocked") else { panic!("{:?}", of("net.blocked")) };
        assert!(condition.starts_with("when {") && condition.contains("blocked"), "{condition}");
        let Outcome::NotMatched { condition } = of("net.abroad") else { panic!() };
        assert_eq!(
            condition,
            "when { context.net.country != principal.home_country || context.unknown.contains(Signal::\"country\") }"
        );
        let Outcome::NotMatched { condition } = of("base.first-factor") else { panic!() };
        assert!(condition.starts_with("unless {") && condition.contains("first_factor"), "{condition}");
    }

    #[test]
    fn each_policy_is_found_where_it_is_written_and_a_condition_on_its_line() {
        let (bundle, sample) = (samples::shipped(), samples::Sample::new(&["aws-users"], "aws"));
        let q = sample.question(MethodSet::EMPTY.with(Method::Password));
        let mut explanation = explain(&bundle, Step::SignIn, None, &q);
        let sources = samples::shipped_sources();
        explanation.locate(&bundle, &sources);
        for (id, line) in [
            ("aws.second-factor", "@id(\"aws.second-factor\")"),
            ("net.blocked", "when { context.net.networks.contains(Network::\"blocked\") };"),
            ("device.limit", "!context.device.known &&"),
        ] {
            let policy = explanation.policies.iter().find(|policy| policy.id.as_str() == id).unwrap();
            let place = policy.place.as_ref().unwrap();
            let file = sources.policies.iter().find(|file| file.path == place.file).unwrap();
            let found = file.text.lines().nth(place.line - 1).unwrap();
            assert!(found.contains(line), "{place}: {found}");
        }
    }
}
