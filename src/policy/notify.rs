//! Whom to tell of a decision: what the forbids that stood in the way say of it (`@alert`), and what the action `notify` is
//! permitted for. It decides nothing; whether anything is sent is not known here.

use cedar_policy::Schema;

use super::bundle::Bundle;
use super::engine::{Applied, Verdict};
use super::question::Question;
use super::request::{Asked, RequestError, Shown};
use crate::domain::{Decision, DenyReason, EnforcedPolicy, PolicyId};

/// How a sign-in came out, as `context.outcome` of the action `notify` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// `"allow"`
    Allow,
    /// `"challenge"`: one more proof is asked for, or a method has to be added first.
    Challenge,
    /// `"deny"`
    Deny,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Challenge, Self::Deny];

    /// The outcome of a decision.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Allow => Self::Allow,
            Decision::Challenge { .. } | Decision::Enrol { .. } => Self::Challenge,
            Decision::Deny(_) => Self::Deny,
        }
    }

    /// The word in policies.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
        }
    }
}

/// Whom to tell, and the policies that ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alerts {
    /// The policies that ask to tell the person.
    pub user: Vec<EnforcedPolicy>,
    /// The policies that ask to tell the security team.
    pub security: Vec<EnforcedPolicy>,
    /// Policies that could not be evaluated: somebody is refused, or not told, for no reason that anybody wrote down.
    pub failed: Vec<PolicyId>,
}

impl Bundle {
    /// What the policies say about telling somebody. A permit without `@alert` tells nobody.
    #[must_use]
    pub fn notify(&self, outcome: Outcome, q: &Question<'_>) -> Verdict {
        self.verdict(&self.apply_notify(outcome, q))
    }

    /// Whom to tell of `decision` on the question `q`.
    #[must_use]
    pub fn alerts(&self, decision: &Decision, q: &Question<'_>) -> Alerts {
        let asked = self.notify(Outcome::of(decision), q);
        let stood_in_the_way: &[EnforcedPolicy] = match decision {
            Decision::Challenge { policies, .. }
            | Decision::Enrol { policies, .. }
            | Decision::Deny(DenyReason::Forbidden { policies }) => policies,
            Decision::Allow
            | Decision::Deny(
                DenyReason::NoPermit | DenyReason::NoRole | DenyReason::CannotShow | DenyReason::EvaluationError { .. },
            ) => &[],
        };
        let telling: &[EnforcedPolicy] = if asked.allowed { &asked.determining } else { &[] };
        let all = || stood_in_the_way.iter().chain(telling).cloned();
        let mut failed = asked.errors;
        if let Decision::Deny(DenyReason::EvaluationError { policies }) = decision {
            failed.extend(policies.iter().cloned());
        }
        Alerts {
            user: all().filter(|policy| policy.alerts_user).collect(),
            security: all().filter(|policy| policy.alerts_security).collect(),
            failed,
        }
    }

    /// Whether the policy of this id says `@severity("high")`.
    #[must_use]
    pub fn is_severe(&self, id: &PolicyId) -> bool {
        self.policies().iter().any(|stored| stored.notes.enforced.id == *id && stored.notes.is_severe)
    }

    pub(super) fn apply_notify(&self, outcome: Outcome, q: &Question<'_>) -> Applied {
        match self.ask_notify(outcome, q, None) {
            Ok(Some(asked)) => self.authorize(Some(&self.index().in_force.notify), &asked),
            Ok(None) => Applied::default(),
            Err(error) => Applied::failed(&error),
        }
    }

    fn ask_notify(
        &self,
        outcome: Outcome,
        q: &Question<'_>,
        schema: Option<&Schema>,
    ) -> Result<Option<Asked>, RequestError> {
        self.prepare(q)?.ask_notify(outcome, Shown::of(q), schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Repertoire;
    use crate::domain::{Method, MethodSet};
    use crate::policy::Goal;
    use crate::policy::planner::plan;
    use crate::policy::samples::{Sample, shipped_with};

    const NOTIFY: &str = r#"
@id("n.new") @description("x") @alert("user")
permit (principal, action == Action::"notify", resource)
when { context.outcome == "allow" && !context.sign_in.device.known };
@id("n.denied") @description("x") @alert("security")
permit (principal in Group::"aws-users", action == Action::"notify", resource == App::"wiki")
when { context.outcome == "deny" };
@id("n.quiet") @description("x")
forbid (principal in Group::"contractors", action == Action::"notify", resource);
"#;

    fn ids(policies: &[EnforcedPolicy]) -> Vec<&str> {
        policies.iter().map(|policy| policy.id.as_str()).collect()
    }

    #[test]
    fn the_permits_of_notify_tell_and_its_forbids_keep_quiet() {
        let bundle = shipped_with(NOTIFY);
        for (groups, app, known, decision, user, security) in [
            (&["aws-users"][..], "wiki", false, Decision::Allow, &["notify.new-device", "n.new"][..], &[][..]),
            (&["aws-users"], "wiki", true, Decision::Allow, &[], &[]),
            (&["aws-users"], "wiki", false, Decision::Deny(DenyReason::NoPermit), &[], &["n.denied"]),
            (&[], "wiki", false, Decision::Deny(DenyReason::NoPermit), &[], &[]),
            (&["contractors"], "wiki", false, Decision::Allow, &[], &[]),
        ] {
            let mut sample = Sample::new(groups, app);
            sample.signals.device.known = known;
            let q = sample.question(MethodSet::EMPTY.with(Method::Password));
            let alerts = bundle.alerts(&decision, &q);
            let got = (ids(&alerts.user), ids(&alerts.security));
            assert_eq!(got, (user.to_vec(), security.to_vec()), "{groups:?} {decision:?}");
            assert!(alerts.failed.is_empty());
        }
    }

    #[test]
    fn the_forbids_that_asked_for_a_challenge_or_refused_tell_too() {
        let bundle = shipped_with(NOTIFY);
        let mut sample = Sample::new(&["aws-users"], "aws");
        sample.signals.device.known = false;
        sample.signals.device.registered = 3;
        let q = sample.question(MethodSet::EMPTY.with(Method::Password));
        let repertoire = Repertoire {
            enrolled: vec![Method::Password, Method::Totp],
            lost: Vec::new(),
            enrollable: Vec::new(),
            last_used: None,
        };
        let roles = q.app.roles.clone();
        let decision = plan(&bundle, Goal::App { roles: &roles }, &q, &repertoire).unwrap().decision;
        assert!(matches!(decision, Decision::Challenge { .. }), "{decision:?}");
        let alerts = bundle.alerts(&decision, &q);
        assert!(ids(&alerts.user).contains(&"device.limit"), "{alerts:?}");
        assert!(alerts.security.is_empty());
    }

    #[test]
    fn a_policy_that_fails_is_told_apart() {
        let overflow = r#"
@id("n.overflow") @description("x") @alert("user")
permit (principal, action == Action::"notify", resource)
when { context.sign_in.time.hour + 9223372036854775807 > 0 };
"#;
        let bundle = shipped_with(overflow);
        let sample = Sample::new(&["aws-users"], "wiki");
        let alerts = bundle.alerts(&Decision::Allow, &sample.question(MethodSet::EMPTY));
        assert_eq!(alerts.failed.iter().map(PolicyId::as_str).collect::<Vec<_>>(), ["n.overflow"]);
        assert!(alerts.user.is_empty());
    }

    #[test]
    fn each_outcome_is_a_word_of_its_own() {
        let codes: std::collections::BTreeSet<_> = Outcome::ALL.into_iter().map(Outcome::code).collect();
        assert_eq!(codes.len(), Outcome::ALL.len());
    }
}
