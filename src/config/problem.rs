//! What is wrong with a file, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

/// Something wrong with one key. Other modules make these about their part of the config; [`super::Loaded::report`] finds
/// the place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key as a path: `apps[0].roles[1].role_arn`; parts with other characters than letters, digits, `-` and `_` stand
    /// in quotes.
    pub key: String,
    /// What is wrong, lower-case, without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with the value of `key`.
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), help: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same below `prefix`: `.acs` under `apps[0]` is `apps[0].acs`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        let joint = if self.key.is_empty() || self.key.starts_with(['.', '[']) || prefix.is_empty() { "" } else { "." };
        self.key = format!("{prefix}{joint}{}", self.key);
        self
    }
}

/// A [`Problem`] and the place it was found at.
#[derive(Debug, Clone)]
pub struct LocatedProblem {
    problem: Problem,
    origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The file, at a span of bytes and the line and column (from 1, in characters) of its start.
    File { source: Arc<NamedSource<String>>, span: std::ops::Range<usize>, line: usize, column: usize },
    /// The environment variable of this name.
    Environment(String),
}

impl LocatedProblem {
    pub(super) fn new(problem: Problem, origin: Origin) -> Self {
        Self { problem, origin }
    }

    /// The problem itself.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Line and column, from 1; `None` for a value of the environment.
    #[must_use]
    pub fn line_column(&self) -> Option<(usize, usize)> {
        match &self.origin {
            Origin::File { line, column, .. } => Some((*line, *column)),
            Origin::Environment(_) => None,
        }
    }

    /// `config.toml:3:10`, or the name of the environment variable.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.origin {
            Origin::File { source, line, column, .. } => format!("{}:{line}:{column}", source.name()),
            Origin::Environment(name) => name.clone(),
        }
    }
}

impl fmt::Display for LocatedProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { .. } => f.write_str(&self.problem.message),
            Origin::Environment(name) => write!(f, "{name}: {}", self.problem.message),
        }
    }
}

impl std::error::Error for LocatedProblem {}

impl Diagnostic for LocatedProblem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match &self.origin {
            Origin::File { source, .. } => Some(source.as_ref()),
            Origin::Environment(_) => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match &self.origin {
            Origin::File { span, .. } => {
                Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span.clone()))))
            }
            Origin::Environment(_) => None,
        }
    }
}

impl Serialize for LocatedProblem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Problem", 6)?;
        let (file, environment) = match &self.origin {
            Origin::File { source, .. } => (Some(source.name()), None),
            Origin::Environment(name) => (None, Some(name)),
        };
        out.serialize_field("file", &file)?;
        out.serialize_field("line", &self.line_column().map(|(line, _)| line))?;
        out.serialize_field("column", &self.line_column().map(|(_, column)| column))?;
        out.serialize_field("environment", &environment)?;
        out.serialize_field("key", &self.problem.key)?;
        out.serialize_field("message", &self.problem.message)?;
        out.serialize_field("help", &self.problem.help)?;
        out.end()
    }
}

/// Why there is no config: the file cannot be read, or every problem found in it.
#[derive(Debug)]
pub enum ConfigErrors {
    /// The file is missing or cannot be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What is wrong, in the order of the file; never empty.
    Problems(Vec<LocatedProblem>),
}

impl ConfigErrors {
    /// All problems; empty when the file could not be read at all.
    #[must_use]
    pub fn problems(&self) -> &[LocatedProblem] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Problems(problems) => problems,
        }
    }

    pub(super) fn unreadable(file: &Path, source: std::io::Error) -> Self {
        Self::Unreadable { file: file.to_owned(), source }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, .. } => write!(f, "cannot read `{}`", file.display()),
            Self::Problems(problems) => {
                for (index, located) in problems.iter().enumerate() {
                    let line_end = if index == 0 { "" } else { "\n" };
                    write!(f, "{line_end}{}: {}", located.place(), located.problem.message)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Problems(_) => None,
        }
    }
}

impl Diagnostic for ConfigErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems().iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

impl Serialize for ConfigErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.problems().serialize(serializer)
    }
}
