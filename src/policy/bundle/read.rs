//! Reading files: everything that is wrong with each, and its policies.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cedar_policy::{Policy, PolicyId as CedarId, PolicySet, Schema, ValidationMode, Validator};
use jiff::civil::Date;
use miette::Diagnostic;

use super::{SourceFile, Standing, Stored};
use crate::policy::errors::{BundleError, BundleErrors, Rule};
use crate::policy::vocabulary::Vocabulary;
use crate::policy::{annotations, literals, positive};

pub(super) fn schema(file: &SourceFile) -> Result<Schema, BundleErrors> {
    match Schema::from_cedarschema_str(&file.text) {
        Ok((schema, warnings)) => {
            let problems: Vec<_> = warnings.map(|warning| located(Rule::Schema, file, &warning)).collect();
            if problems.is_empty() { Ok(schema) } else { Err(BundleErrors::new(problems)) }
        }
        Err(error) => Err(BundleErrors::new(vec![located(Rule::Schema, file, &error)])),
    }
}

/// An error with what caused it.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// A finding of Cedar at its place.
pub(in crate::policy) fn located<E: Diagnostic>(rule: Rule, file: &SourceFile, finding: &E) -> BundleError {
    let label = finding.labels().and_then(|mut labels| labels.next());
    let span = label.as_ref().map_or((0, 0), |label| (label.offset(), label.len()));
    let mut message = finding.to_string();
    if let Some(text) = label.as_ref().and_then(|label| label.label()).filter(|text| !message.contains(text)) {
        let _ = write!(message, ": {text}");
    }
    let error = BundleError::new(rule, file, span, message);
    match finding.help() {
        Some(help) => error.with_help(help.to_string()),
        None => error,
    }
}

pub(super) fn file(
    index: usize,
    file: &SourceFile,
    validator: &Validator,
    vocabulary: &Vocabulary,
    today: Date,
    policies: &mut Vec<Stored>,
    problems: &mut Vec<BundleError>,
) {
    let set: PolicySet = match file.text.parse() {
        Ok(set) => set,
        Err(errors) => {
            let errors: cedar_policy::ParseErrors = errors;
            problems.extend(errors.iter().map(|error| located(Rule::Syntax, file, error)));
            return;
        }
    };
    problems.extend(set.templates().map(|template| {
        let span = template.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end() - loc.start()));
        BundleError::new(Rule::Template, file, span, "a template (`?principal`, `?resource`) decides nothing")
    }));
    let findings = validator.validate_with_level(&set, ValidationMode::Strict, 1);
    problems.extend(findings.validation_errors().map(|error| located(Rule::Validation, file, error)));
    problems.extend(findings.validation_warnings().map(|warning| located(Rule::Validation, file, warning)));
    let mut in_order: Vec<(usize, usize, &Policy)> = set
        .policies()
        .map(|policy| {
            let loc = policy.as_ref().loc();
            (loc.map_or(0, |loc| loc.start()), loc.map_or(0, |loc| loc.end()), policy)
        })
        .collect();
    in_order.sort_by_key(|(start, ..)| *start);
    for (start, end, policy) in in_order {
        let span = (start, end.saturating_sub(start));
        problems.extend(literal_problems(file, span, policy, vocabulary));
        let monotone = policy.to_pst().map(|pst| positive::refuse(&pst));
        match monotone {
            Ok(None) => {}
            Ok(Some(why)) => {
                let text = file.text.get(start..end).unwrap_or_default();
                let read =
                    ["context.proofs", "context.fresh"].map(|read| text.find(read).map(|at| (start + at, read.len())));
                let span = read.into_iter().flatten().min().unwrap_or(span);
                problems.push(BundleError::new(Rule::Monotone, file, span, why).with_help(positive::HELP));
            }
            Err(error) => problems.push(BundleError::new(Rule::Monotone, file, span, error.to_string())),
        }
        match annotations::read(policy.annotations(), policy.effect()) {
            Ok(notes) => {
                let standing = match (notes.report, notes.expires) {
                    (_, Some(expires)) if expires <= today => Standing::Expired,
                    (true, _) => Standing::Shadow,
                    (false, _) => Standing::InForce,
                };
                let policy = policy.new_id(CedarId::new(notes.enforced.id.as_str()));
                let text = file.text.get(start..end).unwrap_or_default().to_owned();
                policies.push(Stored { notes, standing, policy, text, file: index, span });
            }
            Err(wrong) => problems.extend(
                wrong
                    .into_iter()
                    .map(|(what, help)| BundleError::new(Rule::Annotation, file, span, what).with_help(help)),
            ),
        }
    }
}

pub(in crate::policy) fn literal_problems(
    file: &SourceFile,
    span: (usize, usize),
    policy: &Policy,
    vocabulary: &Vocabulary,
) -> Vec<BundleError> {
    let named: BTreeSet<_> = policy.entity_literals().into_iter().collect();
    let text = file.text.get(span.0..span.0 + span.1).unwrap_or_default();
    let refused = named.iter().filter_map(|uid| Some((uid, literals::refuse(uid, vocabulary)?)));
    refused
        .map(|(uid, (message, help))| {
            let written = uid.to_string();
            let span = text.find(&written).map_or(span, |at| (span.0 + at, written.len()));
            let error = BundleError::new(Rule::Name, file, span, message);
            if let Some(help) = help { error.with_help(help) } else { error }
        })
        .collect()
}
