//! Why: every policy, and what came of it.

use cedar_policy::pst::{self, BinaryOp, Clause, Expr};
use cedar_policy::{Authorizer, Effect, Policy, PolicySet};
use serde::Serialize;

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
    let asked = match step {
        Step::Visit => request::visit(bundle.names(), bundle.vocabulary(), q.app, q.signals, None),
        _ => bundle.prepare(q).and_then(|prepared| prepared.ask(step, role, Shown::of(q), None)),
    };
    let policies = bundle.policies().iter().map(|stored| ExplainedPolicy {
        id: stored.notes.enforced.id.clone(),
        description: stored.notes.description.clone(),
        forbids: stored.policy.effect() == Effect::Forbid,
        shadow: stored.standing == Standing::Shadow,
        outcome: outcome(stored, q.signals.now, asked.as_ref()),
    });
    Explanation { allowed: bundle.evaluate(step, role, q).allowed, policies: policies.collect() }
}

fn outcome(stored: &Stored, now: Timestamp, asked: Result<&Asked, &RequestError>) -> Outcome {
    let asked = match asked {
        _ if stored.is_expired(now) => return Outcome::Expired,
        Ok(asked) => asked,
        Err(error) => return Outcome::Error { message: error.to_string() },
    };
    match matches(stored.policy.clone(), asked) {
        Ok(true) => Outcome::Matched,
        Err(message) => Outcome::Error { message },
        Ok(false) => first_misfit(&stored.policy, asked).unwrap_or(Outcome::OtherScope),
    }
}

/// Whether one policy, alone, applies.
fn matches(policy: Policy, asked: &Asked) -> Result<bool, String> {
    let set = PolicySet::from_policies([policy]).map_err(|error| error.to_string())?;
    let response = Authorizer::new().is_authorized(&asked.request, &set, &asked.entities);
    match response.diagnostics().errors().next() {
        Some(error) => Err(error.to_string()),
        None => Ok(response.diagnostics().reason().next().is_some()),
    }
}

/// The first condition that keeps a policy from applying; `None` when its scope already does.
fn first_misfit(policy: &Policy, asked: &Asked) -> Option<Outcome> {
    let whole = policy.to_pst().ok()?;
    let with = |clauses: Vec<Clause>| -> Option<bool> {
        let body = whole.body();
        let (principal, action, resource) = (body.principal.clone(), body.action.clone(), body.resource.clone());
        let part = pst::Template::new(body.id.clone(), body.effect, principal, action, resource);
        let part = pst::StaticPolicy::try_from(part.try_with_clauses(clauses).ok()?).ok()?;
        matches(Policy::from_pst(pst::Policy::Static(part)).ok()?, asked).ok()
    };
    if !with(Vec::new())? {
        return None;
    }
    let conditions = whole.body().clauses().iter().flat_map(|clause| match clause {
        Clause::When(expr) => conjuncts(expr).into_iter().map(|part| Clause::When(part.clone().into())).collect(),
        Clause::Unless(_) => vec![clause.clone()],
    });
    let misfit = conditions.into_iter().find(|clause| with(vec![clause.clone()]) == Some(false))?;
    let condition = match &misfit {
        Clause::When(expr) => format!("when {{ {expr} }}"),
        Clause::Unless(expr) => format!("unless {{ {expr} }}"),
    };
    Some(Outcome::NotMatched { condition })
}

/// The parts of `a && b && c`.
fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            let mut parts = conjuncts(left);
            parts.extend(conjuncts(right));
            parts
        }
        other => vec![other],
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
        let Outcome::NotMatched { condition } = of("base.first-factor") else { panic!() };
        assert!(condition.starts_with("unless {") && condition.contains("first_factor"), "{condition}");
    }
}
