//! What is wrong with a set of policies: all of it at once, each with its place.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

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
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 10] = [
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
    ];

    /// The name in reports.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Schema => "schema",
            Self::Template => "template",
            Self::Validation => "validation",
            Self::Name => "name",
            Self::Monotone => "monotone",
            Self::Annotation => "annotation",
            Self::Duplicate => "duplicate",
            Self::Pilot => "pilot",
            Self::Search => "search",
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
    source_text: NamedSource<String>,
}

impl BundleError {
    pub(super) fn new(rule: Rule, file: &super::SourceFile, span: (usize, usize), message: impl Into<String>) -> Self {
        let (line, column) = position(&file.text, span.0);
        Self {
            rule,
            file: file.path.clone(),
            line,
            column,
            message: message.into(),
            help: None,
            span,
            source_text: NamedSource::new(&file.path, file.text.clone()),
        }
    }

    #[must_use]
    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

impl Diagnostic for BundleError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source_text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new(None, self.span.0, self.span.1))))
    }
}

/// Every problem of a set of policies, in the order of files and lines.
#[derive(Debug, Clone, thiserror::Error)]
pub struct BundleErrors {
    /// At least one.
    pub problems: Vec<BundleError>,
}

impl BundleErrors {
    pub(super) fn new(mut problems: Vec<BundleError>) -> Self {
        problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Self { problems }
    }
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
