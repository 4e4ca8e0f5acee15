//! The files that a load looks at later, or not at all: what is wrong with them is told in the same report.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::{Effect, Policy, PolicySet, Schema, ValidationMode, Validator};

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

/// The file of what cannot be.
const ASSUMPTIONS: &str = "assumptions.cedar";

/// Whether what stands in the file is assumed, and not to be proved.
pub(in crate::policy) fn assumes(file: &SourceFile) -> bool {
    file.path.rsplit(['/', '\\']).next() == Some(ASSUMPTIONS)
}

/// Everything that keeps invariants from being proved: they are Cedar without templates, pass validation without warnings, use
/// declared names, and each has an `@id` of its own and a `@description`; what is assumed is a forbid.
pub(in crate::policy) fn invariants(sources: &PolicySources, vocabulary: &Vocabulary) -> Vec<BundleError> {
    let validator = Schema::from_cedarschema_str(&sources.schema.text).ok().map(|(schema, _)| Validator::new(schema));
    let (mut problems, mut ids, mut declared) = (Vec::new(), BTreeMap::new(), HashSet::new());
    for file in &sources.invariants {
        let Some(set) = parsed(file, &mut problems) else { continue };
        problems.extend(set.templates().map(|template| {
            let span =
                template.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end().saturating_sub(loc.start())));
            BundleError::new(Rule::Template, file, span, "a template (`?principal`, `?resource`) says nothing")
        }));
        if let Some(validator) = &validator {
            let findings = validator.validate_with_level(&set, ValidationMode::Strict, 1);
            problems.extend(findings.validation_errors().map(|error| located(Rule::Validation, file, 0, error)));
            problems.extend(findings.validation_warnings().map(|error| located(Rule::Validation, file, 0, error)));
        }
        for (span, policy) in policies(&set) {
            let wrong = annotations::read_invariant(policy.annotations(), policy.effect()).err().unwrap_or_default();
            let error = |(what, help)| BundleError::new(Rule::Annotation, file, span, what).with_help(help);
            problems.extend(wrong.into_iter().map(error));
            if assumes(file) && policy.effect() == Effect::Permit {
                let error = BundleError::new(Rule::Annotation, file, span, "an assumption is a forbid");
                problems.push(error.with_help("what a forbid here matches cannot be: turn the condition round"));
            }
            if let Some(id) = policy.annotation("id").map(str::to_owned) {
                let first = *ids.entry(id.clone()).or_insert((file, span));
                if first != (file, span) {
                    problems.push(BundleError::repeated("invariant", &id, (file, span), first));
                }
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
pub(super) fn policies(set: &PolicySet) -> Vec<((usize, usize), &Policy)> {
    let place = |policy: &Policy| {
        policy.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end().saturating_sub(loc.start())))
    };
    let mut all: Vec<_> = set.policies().map(|policy| (place(policy), policy)).collect();
    all.sort_by_key(|(span, _)| *span);
    all
}
