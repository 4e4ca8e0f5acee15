//! Every decision, made by Cedar. The only importer of `cedar_policy`; does no I/O and reads no clock.
//!
//! A [`Bundle`] is a checked set of policies. A [`Question`] says who asks, for what, having shown what, under which
//! signals. [`Bundle::evaluate`] answers one step, [`planner::plan`] computes what somebody could show so that the answer
//! becomes yes, and [`Bundle::permit_issue`] turns a yes into the [`IssuePermit`] without which nothing is issued.

#[cfg(feature = "analyze")]
pub mod analysis;
mod annotations;
mod bundle;
pub mod case;
mod coverage;
mod engine;
mod errors;
pub mod explain;
pub mod findings;
#[cfg(test)]
mod generated;
mod inventory;
mod literals;
pub mod networks;
mod notify;
mod permit;
mod pilot;
pub mod planner;
mod positive;
mod question;
mod replay;
mod request;
#[cfg(test)]
mod samples;
mod scope;
mod situation;
mod suppose;
pub mod testing;
#[cfg(test)]
mod tests;
mod trial;
mod vocabulary;
mod write;

pub use bundle::{Bundle, PolicySources, Scan, SourceFile};
pub use engine::Verdict;
pub use errors::{BundleError, BundleErrors, Rule};
pub use inventory::{Counts, PolicyNote};
pub use notify::{Alerts, Outcome};
pub use permit::{Enroll, IssuePermit, PermitExpired, Permitted, Refused, RemoveDevice, StepPermit, TrustDevice};
pub use planner::{Goal, Plan, PlanError};
pub use question::Question;
pub use replay::{Budget, BudgetError, Change, Example, Hit, NotReplayable, Replay, RoleChange, Side, Tally};
pub use situation::{Asks, Situation, recorded, recorded_kind};
pub use trial::Trial;
pub use vocabulary::Vocabulary;
pub use write::{laid_out, with_appended};
