//! The decisions of the past, made again by other policies: who would be asked for more, who locked out, who let in.
//!
//! Identical questions are asked once: what policies cannot tell apart for this person and app is one question
//! ([`essence`]). Each [`Replay`] is one worker's; their [`Tally`]s are put together, and come out the same in any order.

mod essence;
mod tally;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use essence::{Essence, Reader};
pub use tally::{Budget, BudgetError, Change, Example, Hit, RoleChange, Side, Tally};

use super::bundle::Bundle;
use super::planner::PlanError;
use super::situation::{Asks, Situation, recorded};
use super::vocabulary::Vocabulary;
use crate::audit::DecisionRecord;
use crate::domain::{
    Country, Decision, DenyReason, EmailAddress, Method, MethodSet, PolicyId, Repertoire, RoleName, Step, User, UserId,
    Username,
};

/// How many answers a worker remembers. Beyond it, questions are asked each time.
const MOST_REMEMBERED: usize = 200_000;

/// Why a decision of the past cannot be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum NotReplayable {
    /// The candidate's settings do not have the app.
    #[error("the app is gone")]
    AppGone,
    /// The record is from before it said what people could show.
    #[error("the record does not say what the person could show")]
    TooOld,
    /// The record names nobody, or is about a role without saying which.
    #[error("the record is incomplete")]
    Incomplete,
    /// The plan had said yes, and the permit was refused: a plan cannot say the same again.
    #[error("it was refused when the permit was asked for, after the plan had said yes")]
    AtPermit,
    /// The candidate asks for more evaluations than one decision may take.
    #[error("no decision within the evaluations that one may take")]
    Exhausted,
}

impl Situation {
    /// Somebody before an app as they were when `record` was written. The app is the one that `vocabulary` has now; networks,
    /// countries and trust are what was observed then.
    ///
    /// # Errors
    /// The record does not hold enough, or its app is gone.
    pub fn of_record(record: &DecisionRecord, vocabulary: &Vocabulary) -> Result<Self, NotReplayable> {
        let app = vocabulary.app(record.app.as_str()).ok_or(NotReplayable::AppGone)?;
        check(record)?;
        let asks = match (record.step, &record.role) {
            (Step::AssumeRole, Some(role)) => Asks::Role(role.clone()),
            (Step::AssumeRole, None) => return Err(NotReplayable::Incomplete),
            (Step::SignIn, Some(role)) => Asks::Open(vec![role.clone()]),
            // Whoever chose none would take any that the app has.
            (Step::SignIn, None) => Asks::Open(app.roles.clone()),
            (step, _) => Asks::Step(step),
        };
        Ok(Self {
            user: user_of(record)?,
            app: app.clone(),
            asks,
            proofs: record.proofs,
            fresh: record.fresh,
            signals: record.signals.clone(),
            sp_initiated: record.sp_initiated,
            force_authn: record.force_authn,
            required: record.required,
            profile: record.profile,
            repertoire: record.repertoire.clone(),
        })
    }
}

fn check(record: &DecisionRecord) -> Result<(), NotReplayable> {
    match (record.step, &record.user, record.status) {
        _ if record.at_permit => Err(NotReplayable::AtPermit),
        (Step::Visit, ..) => Ok(()),
        (_, None, _) | (_, _, None) => Err(NotReplayable::Incomplete),
        // Everybody has something at least, if only what they said is gone.
        _ if record.repertoire == Repertoire::default() => Err(NotReplayable::TooOld),
        _ => Ok(()),
    }
}

/// The person as policies saw them. Of a visitor nothing is known, and nothing is read.
fn user_of(record: &DecisionRecord) -> Result<User, NotReplayable> {
    let incomplete = || NotReplayable::Incomplete;
    let nobody = || Username::parse("visitor").ok();
    Ok(User {
        id: UserId::parse("00000000-0000-7000-8000-000000000000").ok_or_else(incomplete)?,
        username: record.user.clone().or_else(nobody).ok_or_else(incomplete)?,
        email: EmailAddress::parse("nobody@example.invalid").map_err(|_| incomplete())?,
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: record.groups.clone(),
        home_country: record.home_country.clone().unwrap_or_else(Country::unknown),
        time_zone: None,
        language: None,
        status: record.status.unwrap_or(crate::domain::UserStatus::Suspended),
        session_epoch: 0,
        devices_since: None,
    })
}

/// What a candidate says to one question.
#[derive(Debug)]
struct Answer {
    decision: Decision,
    /// The policies it rests on, those that failed among them.
    by: Vec<PolicyId>,
    /// Of an app that opens: each role that would do, whether it would be issued, and the policies behind that.
    roles: BTreeMap<RoleName, (bool, Vec<PolicyId>)>,
}

/// One worker: makes decisions again by one bundle.
#[derive(Debug)]
pub struct Replay<'a> {
    bundle: &'a Bundle,
    reader: Reader<'a>,
    answers: HashMap<Essence, Result<Arc<Answer>, NotReplayable>>,
    tally: Tally,
}

impl<'a> Replay<'a> {
    /// Nothing is made again yet.
    #[must_use]
    pub fn new(bundle: &'a Bundle) -> Self {
        Self { bundle, reader: Reader::new(bundle), answers: HashMap::new(), tally: Tally::default() }
    }

    /// Makes one decision again and counts what came of it.
    pub fn add(&mut self, record: &DecisionRecord) {
        self.add_issued(record, None);
    }

    /// The same, of a decision on which these roles were issued.
    pub fn add_issued(&mut self, record: &DecisionRecord, issued: Option<&[RoleName]>) {
        let answer = match self.answer(record) {
            Ok(answer) => answer,
            Err(why) => return self.tally.leave_out(record, why),
        };
        let change = Change::between(record.step, &record.decision, &answer.decision);
        let roles = issued.map(|issued| answer.role_change(issued)).filter(|roles| !roles.is_none());
        // Whoever is not let in gets no role at all, and that is told as the greater change.
        let (change, by, roles) = match roles.filter(|_| change == Change::Same) {
            Some(roles) => (Change::Roles, answer.behind(&roles), roles),
            None => (change, blamed(record, &answer, change), RoleChange::default()),
        };
        self.tally.count(record, change, &answer.decision, (&by, &roles));
    }

    /// What came of all.
    #[must_use]
    pub fn finish(self) -> Tally {
        self.tally
    }

    fn answer(&mut self, record: &DecisionRecord) -> Result<Arc<Answer>, NotReplayable> {
        let app = self.bundle.vocabulary().app(record.app.as_str()).ok_or(NotReplayable::AppGone)?;
        check(record)?;
        let essence = self.reader.essence(record, app);
        if let Some(answer) = self.answers.get(&essence) {
            return answer.clone();
        }
        let answer = self.ask(record);
        if self.answers.len() < MOST_REMEMBERED {
            self.answers.insert(essence, answer.clone());
        }
        answer
    }

    fn ask(&mut self, record: &DecisionRecord) -> Result<Arc<Answer>, NotReplayable> {
        self.tally.asked += 1;
        let situation = Situation::of_record(record, self.bundle.vocabulary())?;
        if begins_with_a_visit(record) {
            let visit = self.bundle.visit(&situation.app, &record.signals);
            if !visit.allowed {
                let by = visit.determining.iter().map(|policy| policy.id.clone()).chain(visit.errors.iter().cloned());
                let (by, decision) = (by.collect(), Decision::Deny(visit.reason()));
                return Ok(Arc::new(Answer { decision, by, roles: BTreeMap::new() }));
            }
        }
        let plan = situation.decide(self.bundle).map_err(|PlanError::Exhausted| NotReplayable::Exhausted)?;
        let mut by: Vec<PolicyId> = plan.determining.into_iter().map(|policy| policy.id).collect();
        if let Decision::Deny(DenyReason::EvaluationError { policies }) = &plan.decision {
            by.extend(policies.iter().filter(|failed| !by.contains(failed)).cloned().collect::<Vec<_>>());
        }
        let roles = if plan.decision == Decision::Allow { self.roles(&situation) } else { BTreeMap::new() };
        Ok(Arc::new(Answer { decision: recorded(record.step, plan.decision), by, roles }))
    }

    /// What would become of each role of an app that opens.
    fn roles(&self, situation: &Situation) -> BTreeMap<RoleName, (bool, Vec<PolicyId>)> {
        let Asks::Open(roles) = &situation.asks else { return BTreeMap::new() };
        let verdict = |role: &RoleName| {
            let verdict = self.bundle.evaluate(Step::AssumeRole, Some(role), &situation.question());
            let by = verdict.determining.into_iter().map(|policy| policy.id).chain(verdict.errors);
            (role.clone(), (verdict.allowed, by.collect()))
        };
        // What the app does not have is issued to nobody.
        roles.iter().filter(|role| situation.app.roles.contains(role)).map(verdict).collect()
    }
}

/// Whether they came without a session: then a visit was asked about first, and as it was allowed, it is on no record.
fn begins_with_a_visit(record: &DecisionRecord) -> bool {
    record.step == Step::SignIn && record.user.is_some() && record.session.is_none()
}

impl Answer {
    fn role_change(&self, issued: &[RoleName]) -> RoleChange {
        let is_now = |role: &RoleName| self.roles.get(role).is_some_and(|(allowed, _)| *allowed);
        let gained = self.roles.keys().filter(|role| is_now(role) && !issued.contains(role));
        RoleChange {
            lost: issued.iter().filter(|role| !is_now(role)).cloned().collect(),
            gained: gained.cloned().collect(),
        }
    }

    /// The policies that keep what is lost and permit what is gained; none where nothing permits what is lost.
    fn behind(&self, roles: &RoleChange) -> Vec<PolicyId> {
        let changed = roles.lost.iter().chain(&roles.gained).filter_map(|role| self.roles.get(role));
        let by: BTreeSet<&PolicyId> = changed.flat_map(|(_, by)| by).collect();
        by.into_iter().cloned().collect()
    }
}

/// The policies that a change is put down to: those that stand in the way now and did not; or that permitted, or stood in the
/// way, and do so no more.
fn blamed(record: &DecisionRecord, answer: &Answer, change: Change) -> Vec<PolicyId> {
    let then = || record.determining.iter().map(|policy| policy.id.clone());
    match change {
        Change::Same | Change::OtherOffers | Change::Roles => Vec::new(),
        Change::Challenged | Change::Denied => {
            let (new, old): (Vec<PolicyId>, Vec<PolicyId>) =
                answer.by.iter().cloned().partition(|id| !then().any(|then| then == *id));
            match (new.is_empty(), old.is_empty(), &record.decision) {
                (false, ..) => new,
                (true, false, _) => old,
                // No policy refuses; those that permitted do so no more.
                (true, true, Decision::Allow) => then().collect(),
                (true, true, _) => Vec::new(),
            }
        }
        Change::Freed => match &record.decision {
            Decision::Allow => Vec::new(),
            _ if record.determining.is_empty() => answer.by.clone(),
            _ => then().filter(|id| !answer.by.contains(id)).collect(),
        },
    }
}

/// What was shown, as a set.
fn set(methods: &[Method]) -> MethodSet {
    methods.iter().copied().collect()
}

#[cfg(test)]
mod tests;
