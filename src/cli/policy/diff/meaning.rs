//! Who gains, who loses, who is asked for more, by the solver.

use super::Meaning;
use crate::cli::policy::prove::{Effort, Work, over};
use crate::cli::today;
use crate::policy::analysis::Comparison;
use crate::runtime::Candidate;

pub(super) fn compare(before: &Candidate, after: &Candidate, effort: &Effort) -> anyhow::Result<Meaning> {
    let sides = ((&before.sources, &before.vocabulary), (&after.sources, &after.vocabulary));
    let comparison = match Comparison::new(sides.0, sides.1, today()) {
        Ok(comparison) => comparison,
        // Each loads by its own schema, so it is the schemas that do not go together.
        Err(errors) => {
            let first = errors.problems.first().map(|problem| format!("{}:{}: {problem}", problem.file, problem.line));
            let why = first.unwrap_or_default();
            return Ok(Meaning::NotCompared(format!("the two cannot be read by one schema, which it takes: {why}")));
        }
    };
    let work = over(&comparison.tasks(), effort, "comparing", async |task, reasoner| {
        comparison.answer(*task, reasoner).await
    })?;
    Ok(match work {
        Work::Done(differences, _) => Meaning::Compared(differences),
        Work::NoSolver(why) => Meaning::NotCompared(why),
    })
}
