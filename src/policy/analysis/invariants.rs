//! `policies/invariants/*.cedar`: what must hold for every sign-in, in the words of policies.

use cedar_policy::{Schema, ValidationMode, Validator};

use super::statement::Statement;
use crate::policy::bundle::{SourceFile, cedar, located};
use crate::policy::errors::{BundleError, BundleErrors, Rule};
use crate::policy::vocabulary::Vocabulary;
use crate::policy::{annotations, literals};

/// The file of what cannot be.
const ASSUMPTIONS: &str = "assumptions.cedar";

/// Something that must hold: a forbid matches what is never allowed, a permit what is always allowed.
#[derive(Debug)]
pub(super) struct Invariant {
    pub(super) statement: Statement,
    pub(super) description: String,
}

/// Reads the invariants, and the assumptions they rest on.
pub(super) fn read(
    files: &[SourceFile],
    schema: &Schema,
    vocabulary: &Vocabulary,
) -> Result<(Vec<Invariant>, Vec<Statement>), BundleErrors> {
    let validator = Validator::new(schema.clone());
    let (mut invariants, mut assumptions, mut problems) =
        (Vec::<Invariant>::new(), Vec::<Statement>::new(), Vec::new());
    let mut files: Vec<&SourceFile> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for file in files {
        let assumes = file.path.rsplit(['/', '\\']).next() == Some(ASSUMPTIONS);
        for (invariant, span) in in_file(file, &validator, vocabulary, &mut problems) {
            let id = &invariant.statement.id;
            if invariants
                .iter()
                .map(|other| &other.statement.id)
                .chain(assumptions.iter().map(|other| &other.id))
                .any(|other| other == id)
            {
                let message = format!("another invariant is called `{id}`");
                problems
                    .push(BundleError::new(Rule::Duplicate, file, span, message).with_help("each `@id` stands once"));
            } else if assumes && invariant.statement.permits {
                let error = BundleError::new(Rule::Annotation, file, span, "an assumption is a forbid");
                problems.push(error.with_help("what a forbid here matches cannot be: turn the condition round"));
            } else if assumes {
                assumptions.push(invariant.statement);
            } else {
                invariants.push(invariant);
            }
        }
    }
    if problems.is_empty() { Ok((invariants, assumptions)) } else { Err(BundleErrors::new(problems)) }
}

fn in_file(
    file: &SourceFile,
    validator: &Validator,
    vocabulary: &Vocabulary,
    problems: &mut Vec<BundleError>,
) -> Vec<(Invariant, (usize, usize))> {
    let set = match cedar(file) {
        Ok(set) => set,
        Err(errors) => {
            problems.extend(errors);
            return Vec::new();
        }
    };
    problems.extend(set.templates().map(|template| {
        let span = template.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end() - loc.start()));
        BundleError::new(Rule::Template, file, span, "a template (`?principal`, `?resource`) says nothing")
    }));
    let findings = validator.validate_with_level(&set, ValidationMode::Strict, 1);
    problems.extend(findings.validation_errors().map(|error| located(Rule::Validation, file, 0, error)));
    problems.extend(findings.validation_warnings().map(|error| located(Rule::Validation, file, 0, error)));
    let mut found = Vec::new();
    for policy in set.policies() {
        let span = policy.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end() - loc.start()));
        let unknown = policy.entity_literals().into_iter().filter_map(|uid| literals::refuse(&uid, vocabulary));
        problems.extend(unknown.map(|(message, help)| {
            let error = BundleError::new(Rule::Name, file, span, message);
            if let Some(help) = help { error.with_help(help) } else { error }
        }));
        match annotations::read(policy.annotations(), policy.effect()) {
            Ok(notes) => match Statement::new(notes.enforced.id.as_str(), policy, None) {
                Ok(statement) => found.push((Invariant { statement, description: notes.description }, span)),
                Err(error) => problems.push(BundleError::new(Rule::Syntax, file, span, error.to_string())),
            },
            Err(wrong) => problems.extend(
                wrong
                    .into_iter()
                    .map(|(what, help)| BundleError::new(Rule::Annotation, file, span, what).with_help(help)),
            ),
        }
    }
    found.sort_by_key(|(_, span)| *span);
    found
}
