//! What the policies make of one case, and how it differs from what is written.

use std::collections::BTreeSet;

use super::{Difference, Failure, Row, Setting};
use crate::domain::{Decision, DecisionKind, EnforcedPolicy, Method, RoleName, Step};
use crate::policy::bundle::Bundle;
use crate::policy::case::{Audience, Messages};
use crate::policy::coverage::{Asking, Question};
use crate::policy::notify;
use crate::policy::situation::{Asks, Situation};

/// All that a case is compared with.
pub(in crate::policy) struct Outcome {
    /// Each question that was put to the policies on what was shown.
    pub(super) questions: Vec<Question>,
    pub(super) situation: Situation,
    kind: DecisionKind,
    by: Vec<EnforcedPolicy>,
    offers: Vec<Method>,
    messages: BTreeSet<String>,
    roles: Option<BTreeSet<RoleName>>,
    alerts: BTreeSet<Audience>,
}

/// Puts a case to the policies.
///
/// # Errors
/// It cannot be asked, or a policy fails.
pub(super) fn look(setting: &Setting<'_>, row: &Row) -> Result<Outcome, Box<Failure>> {
    let bundle = setting.bundle_of(&row.case);
    let failed = |message: String| Box::new(row.failure(message));
    let situation = setting.situation(&row.case).map_err(failed)?;
    let plan = situation.decide(bundle).map_err(|error| failed(error.to_string()))?;
    let alerts = situation.alerts(bundle, &plan.decision);
    if !alerts.failed.is_empty() {
        return Err(failed(format!("these policies fail: {}", list(alerts.failed.iter()))));
    }
    let (questions, roles) = questions(bundle, &situation, &plan.decision);
    let told = [(Audience::User, &alerts.user), (Audience::Security, &alerts.security)];
    let told = told.into_iter().filter(|(_, policies)| !policies.is_empty()).map(|(audience, _)| audience);
    Ok(Outcome {
        questions,
        situation,
        kind: plan.decision.kind(),
        messages: match plan.decision {
            // Nobody reads the message of a permit.
            Decision::Allow => BTreeSet::new(),
            _ => plan.determining.iter().filter_map(|policy| policy.message.clone()).collect(),
        },
        by: plan.determining,
        offers: match plan.decision {
            Decision::Challenge { offers, .. } => offers.iter().map(|offer| offer.method).collect(),
            Decision::Enrol { methods, .. } => methods,
            Decision::Allow | Decision::Deny(_) => Vec::new(),
        },
        roles,
        alerts: told.collect(),
    })
}

/// The questions of a situation, asked as it stands, and the roles that are permitted.
fn questions(
    bundle: &Bundle,
    situation: &Situation,
    decision: &Decision,
) -> (Vec<Question>, Option<BTreeSet<RoleName>>) {
    let ask = |asking: Asking| Question::put(bundle, situation, asking);
    let notify = || ask(Asking::Notify(notify::Outcome::of(decision)));
    match &situation.asks {
        Asks::Step(Step::Visit) => (vec![ask(Asking::Step(Step::Visit))], None),
        Asks::Step(step) => (vec![ask(Asking::Step(*step)), notify()], None),
        Asks::Role(role) => (vec![ask(Asking::Role(role.clone()))], None),
        Asks::Open(_) => {
            let mut questions = vec![ask(Asking::Step(Step::SignIn))];
            let mut permitted = BTreeSet::new();
            for role in &situation.app.roles {
                let question = ask(Asking::Role(role.clone()));
                if question.applied.allowed() {
                    permitted.insert(role.clone());
                }
                questions.push(question);
            }
            questions.push(notify());
            (questions, Some(permitted))
        }
    }
}

impl Outcome {
    /// Compares it with what is written.
    ///
    /// # Errors
    /// It differs.
    pub(super) fn compare(&self, row: &Row) -> Result<(), Box<Failure>> {
        let case = &row.case;
        let by: BTreeSet<String> = self.by.iter().map(|policy| policy.id.to_string()).collect();
        let nothing = BTreeSet::new();
        let roles = self.roles.as_ref().unwrap_or(&nothing);
        let decision = (self.kind != case.expect).then(|| Difference {
            what: "decision",
            expected: case.expect.code().to_owned(),
            got: self.kind.code().to_owned(),
        });
        let messages = case.message.as_ref().map(Messages::keys);
        let differences: Vec<Difference> = [
            decision,
            differ("offers", case.offers.as_ref(), &self.offers, |all| list(all.iter().map(|method| method.code()))),
            differ("by", case.by.as_ref(), &by, |all| list(all.iter())),
            differ("message", messages.as_ref(), &self.messages, |all| list(all.iter())),
            differ("roles", case.roles.as_ref(), roles, |all| list(all.iter())),
            differ("alerts", case.alerts.as_ref(), &self.alerts, |all| list(all.iter().map(|to| to.code()))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if differences.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = differences
            .iter()
            .map(|one| match one.what {
                "decision" => format!("expected {}, got {} by {}", one.expected, one.got, list(by.iter())),
                what => format!("{what}: expected {}, got {}", one.expected, one.got),
            })
            .collect();
        Err(Box::new(Failure { differences, by: by.into_iter().collect(), ..row.failure(told.join("; ")) }))
    }
}

impl Row {
    /// The case fails, as this says.
    pub(super) fn failure(&self, message: String) -> Failure {
        Failure {
            file: self.file.clone(),
            line: self.line,
            case: self.case.name.get_ref().clone(),
            message,
            differences: Vec::new(),
            by: Vec::new(),
        }
    }
}

fn differ<T: PartialEq>(
    what: &'static str,
    expected: Option<&T>,
    got: &T,
    write: impl Fn(&T) -> String,
) -> Option<Difference> {
    let expected = expected.filter(|expected| *expected != got)?;
    Some(Difference { what, expected: write(expected), got: write(got) })
}

/// In one line; nothing is said to be so.
fn list<T: ToString>(all: impl Iterator<Item = T>) -> String {
    let all: Vec<String> = all.map(|one| one.to_string()).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}
