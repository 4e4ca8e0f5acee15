//! `policies/invariants/*.cedar`: what must hold for every sign-in, in the words of policies, and what is assumed for it.

use super::Broken;
use super::statement::Statement;
use crate::policy::bundle::{PolicySources, SourceFile, cedar};
use crate::policy::errors::{BundleError, BundleErrors, Rule, in_order};
use crate::policy::findings;
use crate::policy::vocabulary::Vocabulary;

/// What cannot be, as shipped: a test holds it against the code that makes the facts.
const TESTED: &str = include_str!("../../../policies/invariants/assumptions.cedar");

/// Something that must hold: a forbid matches what is never allowed, a permit what is always allowed.
#[derive(Debug)]
pub(super) struct Invariant {
    pub(super) statement: Statement,
    pub(super) description: String,
}

/// What stands in `policies/invariants`, told apart.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    /// In the order of files.
    pub(super) all: Vec<Invariant>,
    /// Assumptions that say what those shipped say: everything may rest on them.
    pub(super) tested: Vec<Statement>,
    /// Assumptions for which somebody else vouches.
    pub(super) own: Vec<Statement>,
}

impl Invariants {
    /// Reads the invariants, and the assumptions they rest on.
    ///
    /// # Errors
    /// Anything is wrong with them.
    pub(super) fn read(sources: &PolicySources, vocabulary: &Vocabulary) -> Result<Self, BundleErrors> {
        let problems = findings::invariants(sources, vocabulary);
        if !problems.is_empty() {
            return Err(BundleErrors::new(in_order(problems)));
        }
        let shipped = SourceFile { path: "assumptions.cedar".to_owned(), text: TESTED.to_owned() };
        let shipped: Vec<Statement> = in_file(&shipped)?.into_iter().map(|one| one.statement).collect();
        let mut files: Vec<&SourceFile> = sources.invariants.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut invariants = Self::default();
        for file in files {
            let found = in_file(file)?;
            if !findings::assumes(file) {
                invariants.all.extend(found);
                continue;
            }
            for Invariant { statement, .. } in found {
                // By what it says, not by its name: who changes one of them vouches for it.
                let tested = shipped.iter().any(|one| one.is_like(&statement));
                if tested { invariants.tested.push(statement) } else { invariants.own.push(statement) }
            }
        }
        Ok(invariants)
    }
}

fn in_file(file: &SourceFile) -> Result<Vec<Invariant>, BundleErrors> {
    let set = cedar(file).map_err(BundleErrors::new)?;
    let mut found = Vec::new();
    for policy in set.policies() {
        let span = policy.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end().saturating_sub(loc.start())));
        let told = |key: &str| policy.annotation(key).unwrap_or_default().to_owned();
        let statement = Statement::new(&told("id"), policy, None)
            .map_err(|Broken(why)| BundleErrors::new(vec![BundleError::new(Rule::Syntax, file, span, why)]))?;
        found.push((span, Invariant { statement, description: told("description") }));
    }
    found.sort_by_key(|(span, _)| *span);
    Ok(found.into_iter().map(|(_, invariant)| invariant).collect())
}
