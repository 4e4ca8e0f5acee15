//! The files that a load looks at later, or not at all: what is wrong with them is told in the same report.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{Policy, PolicySet, Schema, ValidationMode, Validator};

use crate::policy::annotations;
use crate::policy::bundle::{PolicySources, SourceFile, cedar, located, undeclared};
use crate::policy::case::Table;
use crate::policy::errors::{BundleError, Rule};
use crate::policy::vocabulary::Vocabulary;

/// A schema that cannot be used stops the load before anything else is read: syntax and annotations, all the same.
pub(super) fn without_schema(sources: &PolicySources) -> Vec<BundleError> {
    let mut problems = Vec::new();
    for file in &sources.policies {
        let Some(set) = parsed(file, &mut problems) else { continue };
        for (span, policy) in policies(&set) {
            let wrong = annotations::read(policy.annotations(), policy.effect()).err().unwrap_or_default();
            problems.extend(
                wrong
                    .into_iter()
                    .map(|(what, help)| BundleError::new(Rule::Annotation, file, span, what).with_help(help)),
            );
        }
    }
    problems
}

/// Tables that are no TOML, or have keys that no case has. With a set that loads, running them tells more.
pub(super) fn tables(sources: &PolicySources) -> Vec<BundleError> {
    let wrong = sources.tests.iter().filter_map(|file| {
        let error = toml::from_str::<Table>(&file.text).err()?;
        let span = error.span().map_or((0, 0), |span| (span.start, span.end.saturating_sub(span.start)));
        Some(BundleError::new(Rule::Table, file, span, error.message()))
    });
    wrong.collect()
}

/// What can be said of invariants without proving them: they are Cedar, fit the schema, use declared names, and each has an
/// `@id` of its own and a `@description`.
pub(super) fn invariants(sources: &PolicySources, vocabulary: &Vocabulary) -> Vec<BundleError> {
    let validator = Schema::from_cedarschema_str(&sources.schema.text).ok().map(|(schema, _)| Validator::new(schema));
    let (mut problems, mut ids, mut declared) = (Vec::new(), BTreeSet::new(), HashSet::new());
    for file in &sources.invariants {
        let Some(set) = parsed(file, &mut problems) else { continue };
        if let Some(validator) = &validator {
            let findings = validator.validate_with_level(&set, ValidationMode::Strict, 1);
            problems.extend(findings.validation_errors().map(|error| located(Rule::Validation, file, 0, error)));
        }
        for (span, policy) in policies(&set) {
            for (key, help) in
                [("id", "name it, as in @id(\"aws.never-alone\")"), ("description", "say in one sentence what holds")]
            {
                if policy.annotation(key).is_none_or(|value| value.trim().is_empty()) {
                    let message = format!("an invariant without `@{key}`");
                    problems.push(BundleError::new(Rule::Annotation, file, span, message).with_help(help));
                }
            }
            if let Some(id) = policy.annotation("id").filter(|id| !ids.insert((*id).to_owned())) {
                let message = format!("another invariant is called `{id}`");
                problems
                    .push(BundleError::new(Rule::Duplicate, file, span, message).with_help("each `@id` stands once"));
            }
            problems.extend(undeclared(file, span, policy, vocabulary, &mut declared));
        }
    }
    problems
}

fn parsed(file: &SourceFile, problems: &mut Vec<BundleError>) -> Option<PolicySet> {
    cedar(file).map_err(|errors| problems.extend(errors)).ok()
}

/// The policies of a file in their order, each with where it stands.
fn policies(set: &PolicySet) -> Vec<((usize, usize), &Policy)> {
    let place = |policy: &Policy| {
        policy.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end().saturating_sub(loc.start())))
    };
    let mut all: Vec<_> = set.policies().map(|policy| (place(policy), policy)).collect();
    all.sort_by_key(|(span, _)| *span);
    all
}
