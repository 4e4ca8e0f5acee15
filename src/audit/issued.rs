//! Decisions together with what was issued on them: an assertion stands in the journal soon after the decision that it rests on.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::journal::AuditError;
use super::line::RecordKind;
use super::record::{AssertionStage, DecisionRecord, Record};
use super::search::{Log, Search};
use crate::domain::{Decision, RoleName, Step};

/// How many decisions wait for their assertion while one reads on. Beyond it the oldest goes without.
const MOST_WAITING: usize = 4096;

/// A decision, and the roles that were issued on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The decision.
    pub decision: DecisionRecord,
    /// The roles in the assertion; `None` where there was none, or an app without roles was opened.
    pub roles: Option<Vec<RoleName>>,
}

impl Log {
    /// As [`Log::decisions`], each with the roles that were issued on it. One that opened an app with roles comes as soon as its
    /// assertion was read, so not quite in the order they were written.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn decisions_issued(
        &self,
        search: &Search,
        mut each: impl FnMut(Issued) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        let mut waiting: VecDeque<DecisionRecord> = VecDeque::new();
        let mut flow = ControlFlow::Continue(());
        self.walk(search, None, &mut |line, _, place| {
            let is_its = |decision: &DecisionRecord| Some(&decision.reference) == line.clear.reference.as_ref();
            let at = match line.clear.record {
                RecordKind::Assertion => waiting.iter().rposition(is_its),
                _ => None,
            };
            if line.clear.record != RecordKind::Decision && at.is_none() {
                return Ok(ControlFlow::Continue(()));
            }
            let record = self.found(line, &place.path, place.number)?.and_then(|found| found.record.ok());
            let ready = match (record, at) {
                (Some(Record::Decision(decision)), _) if opens(&decision) => {
                    waiting.push_back(*decision);
                    let oldest = if waiting.len() > MOST_WAITING { waiting.pop_front() } else { None };
                    oldest.map(|decision| Issued { decision, roles: None })
                }
                (Some(Record::Decision(decision)), _) => Some(Issued { decision: *decision, roles: None }),
                (Some(Record::Assertion(assertion)), Some(at)) if assertion.stage == AssertionStage::Intended => {
                    waiting.remove(at).map(|decision| Issued { decision, roles: Some(assertion.roles) })
                }
                _ => None,
            };
            flow = ready.map_or(ControlFlow::Continue(()), &mut each);
            Ok(flow)
        })?;
        for decision in waiting {
            if flow.is_break() {
                break;
            }
            flow = each(Issued { decision, roles: None });
        }
        Ok(())
    }
}

/// Also where the app had no roles then: it may have some in the set that is asked now.
fn opens(decision: &DecisionRecord) -> bool {
    decision.step == Step::SignIn && decision.decision == Decision::Allow
}
