//! Reading policies: everything that is wrong with each.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use cedar_policy::{EntityUid, Policy, PolicyId as CedarId, PolicySet, Schema, ValidationMode, Validator};
use jiff::civil::Date;
use miette::Diagnostic;

use super::{SourceFile, Standing, Stored, index, limits};
use crate::policy::errors::{BundleError, BundleErrors, Rule};
use crate::policy::planner::needs::{self, Need};
use crate::policy::vocabulary::Vocabulary;
use crate::policy::{annotations, literals, positive};

/// Bytes into a file, and how many.
pub(super) type Span = (usize, usize);

pub(super) fn schema(file: &SourceFile) -> Result<Schema, BundleErrors> {
    if let Some(problem) = limits::refuse(file) {
        return Err(BundleErrors::new(vec![problem]));
    }
    match Schema::from_cedarschema_str(&file.text) {
        Ok((schema, warnings)) => {
            let problems: Vec<_> = warnings.map(|warning| located(Rule::Schema, file, 0, &warning)).collect();
            if problems.is_empty() { Ok(schema) } else { Err(BundleErrors::new(problems)) }
        }
        Err(error) => Err(BundleErrors::new(vec![located(Rule::Schema, file, 0, &error)])),
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

/// A finding of Cedar at its place: what it was told of begins at `start`.
pub(in crate::policy) fn located<E: Diagnostic>(
    rule: Rule,
    file: &SourceFile,
    start: usize,
    finding: &E,
) -> BundleError {
    let label = finding.labels().and_then(|mut labels| labels.next());
    let span = label.as_ref().map_or((start, 0), |label| (start + label.offset(), label.len()));
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

/// A whole file of Cedar, within the limits and on a stack that is deep enough.
pub(in crate::policy) fn cedar(file: &SourceFile) -> Result<PolicySet, Vec<BundleError>> {
    if let Some(problem) = limits::refuse(file) {
        return Err(vec![problem]);
    }
    let parse = || {
        let parsed: Result<PolicySet, cedar_policy::ParseErrors> = file.text.parse();
        parsed.map_err(|errors| errors.iter().map(|error| located(Rule::Syntax, file, 0, error)).collect())
    };
    limits::on_a_deep_stack(parse).unwrap_or_else(|error| {
        let message = format!("there is no thread to read policies on: {error}");
        Err(vec![BundleError::new(Rule::Syntax, file, (0, 0), message)])
    })
}

/// Why a file is no Cedar, as a whole: where one policy lacks its end, the next has a part in it.
pub(super) fn syntax(file: &SourceFile) -> Vec<BundleError> {
    cedar(file).err().unwrap_or_default()
}

/// One policy of a file, not read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Which of the files it stands in, and where.
    pub(super) file: usize,
    pub(super) span: Span,
    /// How many stand before it in the set.
    pub(super) place: usize,
}

impl Piece {
    /// Whether nothing but white space and comments stands between them.
    fn is_before(&self, next: &Self) -> bool {
        self.file == next.file && self.place + 1 == next.place
    }
}

/// How many neighbours Cedar gets at once. It builds its lexer's tables anew for each text, which takes longer than to read one
/// policy; and where one of them is wrong, all are read once more.
const MOST_AT_ONCE: usize = 32;

/// What came of one policy.
pub(super) enum Read {
    Good(Box<Stored>),
    Wrong(Vec<BundleError>),
    /// It is no Cedar; [`syntax`] tells of its file.
    NoCedar(Vec<BundleError>),
}

/// Reads the policies of files, in any order.
pub(super) struct Reader<'a> {
    pub(super) files: &'a [&'a SourceFile],
    pub(super) validator: &'a Validator,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) today: Date,
}

impl<'a> Reader<'a> {
    /// What a piece says.
    pub(super) fn text(&self, piece: &Piece) -> Option<&'a str> {
        self.files.get(piece.file)?.text.get(piece.span.0..piece.span.0 + piece.span.1)
    }

    /// Reads policies, each where a file has it. What depends on nothing but its text, the schema and the names is settled here.
    pub(super) fn all(&self, pieces: &[Piece]) -> Vec<Read> {
        // Most policies name what others name too.
        let mut declared = HashSet::new();
        let mut read = Vec::with_capacity(pieces.len());
        for some in pieces.chunk_by(Piece::is_before).flat_map(|neighbours| neighbours.chunks(MOST_AT_ONCE)) {
            match self.sound(some) {
                Some(policies) => read.extend(some.iter().zip(policies).map(|(piece, policy)| {
                    match self.settle(piece, &policy, &mut declared) {
                        Ok(stored) => Read::Good(Box::new(stored)),
                        Err(wrong) => Read::Wrong(wrong),
                    }
                })),
                None => read.extend(some.iter().map(|piece| self.alone(piece, &mut declared))),
            }
        }
        read
    }

    /// Neighbours that Cedar finds nothing wrong with, each exactly where its piece is. `None`: whatever it is, each has to be
    /// read alone to tell.
    fn sound(&self, pieces: &[Piece]) -> Option<Vec<Policy>> {
        let (first, last) = (pieces.first()?, pieces.last()?);
        let start = first.span.0;
        let text = self.files.get(first.file)?.text.get(start..last.span.0 + last.span.1)?;
        let set: PolicySet = text.parse().ok()?;
        let span = |policy: &Policy| policy.as_ref().loc().map(|loc| (start + loc.start(), loc.end() - loc.start()));
        let mut policies: Vec<Policy> = set.policies().cloned().collect();
        policies.sort_by_key(span);
        let are_all = set.templates().next().is_none()
            && policies.iter().map(span).eq(pieces.iter().map(|piece| Some(piece.span)));
        let nothing_found = || {
            let findings = self.validator.validate_with_level(&set, ValidationMode::Strict, 1);
            findings.validation_passed_without_warnings()
        };
        (are_all && nothing_found()).then_some(policies)
    }

    /// Reads one policy and tells everything that is wrong with it.
    fn alone(&self, piece: &Piece, declared: &mut HashSet<EntityUid>) -> Read {
        let Some(file) = self.files.get(piece.file) else { return Read::Wrong(Vec::new()) };
        let span = piece.span;
        let set: PolicySet = match self.text(piece).unwrap_or_default().parse() {
            Ok(set) => set,
            Err(errors) => {
                let errors: cedar_policy::ParseErrors = errors;
                return Read::NoCedar(errors.iter().map(|error| located(Rule::Syntax, file, span.0, error)).collect());
            }
        };
        let mut problems: Vec<BundleError> = Vec::new();
        problems.extend(set.templates().map(|_| {
            BundleError::new(Rule::Template, file, span, "a template (`?principal`, `?resource`) decides nothing")
        }));
        let findings = self.validator.validate_with_level(&set, ValidationMode::Strict, 1);
        problems.extend(findings.validation_errors().map(|error| located(Rule::Validation, file, span.0, error)));
        problems.extend(findings.validation_warnings().map(|warning| located(Rule::Validation, file, span.0, warning)));
        let mut good = None;
        for policy in set.policies() {
            match self.settle(piece, policy, declared) {
                Ok(stored) => good = Some(stored),
                Err(wrong) => problems.extend(wrong),
            }
        }
        match good {
            Some(stored) if problems.is_empty() => Read::Good(Box::new(stored)),
            _ => Read::Wrong(problems),
        }
    }

    /// What cedargate asks of a policy beyond what Cedar does.
    fn settle(
        &self,
        piece: &Piece,
        policy: &Policy,
        declared: &mut HashSet<EntityUid>,
    ) -> Result<Stored, Vec<BundleError>> {
        let span = piece.span;
        let file = self.files.get(piece.file).ok_or_else(Vec::new)?;
        let text = self.text(piece).unwrap_or_default();
        let mut problems = undeclared(file, span, policy, self.vocabulary, declared);
        let needs = monotone(file, span, text, policy).map_err(|problem| problems.push(*problem));
        let notes = annotations::read(policy.annotations(), policy.effect()).map_err(|wrong| {
            let told = |(what, help)| BundleError::new(Rule::Annotation, file, span, what).with_help(help);
            problems.extend(wrong.into_iter().map(told));
        });
        match (notes, needs) {
            (Ok(notes), Ok(needs)) if problems.is_empty() => Ok(Stored {
                standing: Standing::of(&notes, self.today),
                policy: policy.new_id(CedarId::new(notes.enforced.id.as_str())),
                text: Arc::from(text),
                file: piece.file,
                span,
                condition: index::condition(policy.as_ref()),
                needs: Arc::from(needs),
                notes: Arc::new(notes),
            }),
            _ => Err(problems),
        }
    }
}

/// The names in a policy that config.toml does not declare. Those in `declared` were looked at before.
pub(in crate::policy) fn undeclared(
    file: &SourceFile,
    span: Span,
    policy: &Policy,
    vocabulary: &Vocabulary,
    declared: &mut HashSet<EntityUid>,
) -> Vec<BundleError> {
    let text = file.text.get(span.0..span.0 + span.1).unwrap_or_default();
    let (mut seen, mut problems) = (HashSet::new(), Vec::new());
    for uid in policy.entity_literals() {
        if declared.contains(&uid) || !seen.insert(uid.clone()) {
            continue;
        }
        match literals::refuse(&uid, vocabulary) {
            None => {
                declared.insert(uid);
            }
            Some((message, help)) => {
                let written = uid.to_string();
                let span = text.find(&written).map_or(span, |at| (span.0 + at, written.len()));
                let error = BundleError::new(Rule::Name, file, span, message);
                problems.push(if let Some(help) = help { error.with_help(help) } else { error });
            }
        }
    }
    problems
}

/// Whether a policy could read proofs, as far as its words tell: what they are read from has no other name, and most policies that
/// read anything read another attribute of it. The others are parsed once more to see.
fn may_read_proofs(text: &str) -> bool {
    let mut behind = text.split("context").skip(1);
    behind.any(|rest| {
        let attribute = rest.strip_prefix('.').unwrap_or_default();
        let end = attribute.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(attribute.len());
        matches!(attribute.get(..end), None | Some("" | "proofs" | "fresh" | "sign_in"))
    })
}

/// What a policy needs shown; or how more proofs could take access away by it.
fn monotone(file: &SourceFile, span: Span, text: &str, policy: &Policy) -> Result<Vec<Need>, Box<BundleError>> {
    if !may_read_proofs(text) {
        return Ok(Vec::new());
    }
    let pst =
        policy.to_pst().map_err(|error| Box::new(BundleError::new(Rule::Monotone, file, span, error.to_string())))?;
    let Some(why) = positive::refuse(&pst) else { return Ok(needs::of(&pst)) };
    let read = ["context.proofs", "context.fresh"].map(|read| text.find(read).map(|at| (span.0 + at, read.len())));
    let span = read.into_iter().flatten().min().unwrap_or(span);
    Err(Box::new(BundleError::new(Rule::Monotone, file, span, why).with_help(positive::HELP)))
}

#[cfg(test)]
mod tests;
