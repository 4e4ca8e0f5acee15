//! What is wrong with a set of policies: all of it at once, each with its place.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// One problem in one file.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct BundleError {
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
    pub(super) fn new(file: &super::SourceFile, span: (usize, usize), message: impl Into<String>) -> Self {
        let (line, column) = position(&file.text, span.0);
        Self {
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
