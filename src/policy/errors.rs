//! What is wrong with a set of policies: all of it at once, each with its place.

mod excerpt;

use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use excerpt::Excerpt;

/// The most problems of one file that are told: who has more mends these first.
const MOST_OF_ONE_FILE: usize = 100;

/// A file, bytes into it, and how many.
pub(super) type Place<'a> = (&'a super::SourceFile, (usize, usize));

/// What a problem breaks: stable names, by which reports in SARIF tell problems apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The file is no Cedar.
    Syntax,
    /// The schema cannot be read, or does not fit what cedargate tells policies.
    Schema,
    /// A template decides nothing.
    Template,
    /// Cedar's strict validation refuses it, or warns.
    Validation,
    /// A group, app, role, network or list that config.toml does not declare.
    Name,
    /// More proofs could take access away.
    Monotone,
    /// An annotation is missing, unknown or misspelt.
    Annotation,
    /// An `@id` stands twice.
    Duplicate,
    /// A `pilot_group` that no policy reads.
    Pilot,
    /// Finding out what somebody could show may ask Cedar too often.
    Search,
    /// A file of tests that cannot be read.
    Table,
    /// A test that does not come out as written.
    Test,
    /// config.toml has a problem.
    Config,
    /// Something ends soon, or has ended. A warning.
    Expires,
    /// A `@message` without a text. A warning.
    Message,
    /// An app or role that nobody is permitted. A warning.
    Closed,
    /// A list that shuts out everybody whose country is not known. A warning.
    UnknownCountry,
    /// A file that stands where nothing is read. A warning.
    Unread,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Syntax,
        Self::Schema,
        Self::Template,
        Self::Validation,
        Self::Name,
        Self::Monotone,
        Self::Annotation,
        Self::Duplicate,
        Self::Pilot,
        Self::Search,
        Self::Table,
        Self::Test,
        Self::Config,
        Self::Expires,
        Self::Message,
        Self::Closed,
        Self::UnknownCountry,
        Self::Unread,
    ];

    /// The name in reports.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.told().0
    }

    /// What is asked for, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.told().1
    }

    /// Whether what breaks it works all the same.
    #[must_use]
    pub fn is_warning(self) -> bool {
        matches!(self, Self::Expires | Self::Message | Self::Closed | Self::UnknownCountry | Self::Unread)
    }

    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Syntax => ("syntax", "A policy file is Cedar."),
            Self::Schema => ("schema", "The schema asks for the facts that cedargate tells, and for no others."),
            Self::Template => ("template", "A policy has no slots: a template decides nothing."),
            Self::Validation => ("validation", "A policy passes Cedar's strict validation without warnings."),
            Self::Name => ("name", "Groups, apps, roles, networks and country lists are declared in config.toml."),
            Self::Monotone => ("monotone", "Showing more proofs never takes access away."),
            Self::Annotation => ("annotation", "Each policy has an @id and a @description, and no unknown annotation."),
            Self::Duplicate => ("duplicate", "Each @id stands once."),
            Self::Pilot => ("pilot", "A pilot group is read by a policy, or it would keep nobody out."),
            Self::Search => ("search", "Finding out what somebody could show stays within a bound."),
            Self::Table => ("table", "A file of policy tests can be read."),
            Self::Test => ("test", "The policies do what their tests say."),
            Self::Config => ("config", "config.toml has no problems."),
            Self::Expires => ("expires", "Exceptions are extended or taken out before they end."),
            Self::Message => ("message", "A @message is the key of a text that people can read."),
            Self::Closed => ("closed", "Somebody may open each app, and become each role."),
            Self::UnknownCountry => ("unknown-country", "No block list holds countries that stand for not knowing."),
            Self::Unread => ("unread", "Each file of the folder of policies stands where it is read."),
        }
    }
}

/// One problem in one file.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct BundleError {
    /// What it breaks.
    pub rule: Rule,
    /// The file, as the sources named it.
    pub file: String,
    /// 1 = the first line.
    pub line: usize,
    /// 1 = the first character.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Bytes into the file, and how many.
    span: (usize, usize),
    /// Line and column behind the last character.
    end: (usize, usize),
    excerpt: Excerpt,
}

impl BundleError {
    pub(super) fn new(rule: Rule, file: &super::SourceFile, span: (usize, usize), message: impl Into<String>) -> Self {
        let (line, column) = position(&file.text, (1, 1), 0, span.0);
        Self {
            rule,
            file: file.path.clone(),
            line,
            column,
            message: message.into(),
            help: None,
            span,
            end: position(&file.text, (line, column), span.0, span.0 + span.1),
            excerpt: Excerpt::of(&file.path, &file.text, span, line),
        }
    }

    /// A name that stood before, at `first`; `kind` says of what.
    pub(super) fn repeated(kind: &str, id: &str, again: Place<'_>, first: Place<'_>) -> Self {
        let (line, column) = position(&first.0.text, (1, 1), 0, first.1.0);
        let help = format!("each `@id` stands once; the other stands at {}:{line}:{column}", first.0.path);
        Self::new(Rule::Duplicate, again.0, again.1, format!("another {kind} is called `{id}`")).with_help(help)
    }

    /// A problem with a whole line; 1 = the first.
    pub(super) fn at_line(rule: Rule, file: &super::SourceFile, line: usize, message: impl Into<String>) -> Self {
        let before: usize = file.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let text = file.text.get(before..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let indent = text.len() - text.trim_start().len();
        Self::new(rule, file, (before + indent, text.trim().len()), message)
    }

    fn is_repeated_by(&self, next: &Self) -> bool {
        let validated = self.rule == Rule::Validation && next.rule == Rule::Validation;
        validated && (&self.file, self.span, &self.help) == (&next.file, next.span, &next.help)
    }

    /// Line and column behind its last character.
    #[must_use]
    pub fn end(&self) -> (usize, usize) {
        self.end
    }

    #[must_use]
    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Line and column of `offset`, counted on from those of a place before it.
fn position(text: &str, (line, column): (usize, usize), from: usize, offset: usize) -> (usize, usize) {
    let passed = text.get(from..offset).or_else(|| text.get(from..)).unwrap_or_default();
    match passed.rsplit_once('\n') {
        Some((lines, rest)) => (line + lines.matches('\n').count() + 1, rest.chars().count() + 1),
        None => (line, column + passed.chars().count()),
    }
}

impl Diagnostic for BundleError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (start, length) = self.excerpt.span();
        Some(Box::new(std::iter::once(LabeledSpan::new(None, start, length))))
    }
}

/// The problems of a set of policies, in the order of files and lines; of a file that has very many, the first.
#[derive(Debug, Clone, thiserror::Error)]
pub struct BundleErrors {
    /// At least one.
    pub problems: Vec<BundleError>,
}

impl BundleErrors {
    pub(super) fn new(problems: Vec<BundleError>) -> Self {
        Self { problems: first_of_each_file(&in_order(problems)) }
    }
}

/// The first [`MOST_OF_ONE_FILE`], and at the next how many more there are.
fn first_of_each_file(problems: &[BundleError]) -> Vec<BundleError> {
    let mut told = Vec::with_capacity(problems.len());
    for of_file in problems.chunk_by(|one, next| one.file == next.file) {
        let (first, more) = of_file.split_at(of_file.len().min(MOST_OF_ONE_FILE));
        told.extend_from_slice(first);
        let next = more.first().cloned();
        told.extend(next.map(|next| BundleError {
            message: format!("and {} more in this file, from here on", more.len()),
            help: None,
            ..next
        }));
    }
    told
}

/// In the order of files and lines. Cedar validates a policy once for each action of its scope and tells the same mistake
/// each time: it is told once.
pub(super) fn in_order(mut problems: Vec<BundleError>) -> Vec<BundleError> {
    for problem in problems.iter_mut().filter(|problem| problem.rule == Rule::Validation) {
        // The name that Cedar gives a policy within its file helps nobody.
        if let Some((_, told)) = problem.message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, ")) {
            problem.message = told.to_owned();
        }
    }
    problems.sort_by(|a, b| (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message)));
    let mut told: Vec<(BundleError, usize)> = Vec::with_capacity(problems.len());
    for problem in problems {
        match told.last_mut() {
            Some((last, again)) if last.is_repeated_by(&problem) => *again += 1,
            _ => told.push((problem, 0)),
        }
    }
    let with_count = |(mut problem, again): (BundleError, usize)| {
        if again > 0 {
            problem.message.push_str(&format!(" (and {again} more like this)"));
        }
        problem
    };
    told.into_iter().map(with_count).collect()
}

impl fmt::Display for BundleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let BundleError { file, line, column, message, help, .. } = problem;
            write!(f, "{}{file}:{line}:{column}: {message}", if index == 0 { "" } else { "\n" })?;
            if let Some(help) = help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl Diagnostic for BundleErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

#[cfg(test)]
mod tests;
