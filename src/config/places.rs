//! Where each value stands: the line and column in the file, or the variable of the environment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use miette::NamedSource;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigErrors, LocatedProblem, Origin, Problem};

/// Which end of `key = value` a problem points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// The key: it should not be there.
    Key,
    /// The value: it should be another one.
    Value,
}

/// A problem and what it points at, before its place is looked up.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) problem: Problem,
    pub(super) aim: Aim,
}

impl Found {
    pub(super) fn at_key(problem: Problem) -> Self {
        Self { problem, aim: Aim::Key }
    }

    pub(super) fn at_value(problem: Problem) -> Self {
        Self { problem, aim: Aim::Value }
    }
}

#[derive(Debug, Clone)]
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

/// The place of every key of a file, and the variables laid over it.
#[derive(Debug, Clone)]
pub(super) struct Places {
    source: Arc<NamedSource<String>>,
    text: Arc<str>,
    spans: BTreeMap<String, Spans>,
    variables: BTreeMap<String, String>,
}

impl Places {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let source = NamedSource::new(file.display().to_string(), without_passwords(text));
        Self { source: Arc::new(source), text: Arc::from(text), spans: BTreeMap::new(), variables: BTreeMap::new() }
    }

    /// Remembers the place of everything in `table`.
    pub(super) fn add_table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = child(path, key.get_ref());
            self.add_value(path, key.span(), value);
        }
    }

    fn add_value(&mut self, path: String, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(&path, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add_value(format!("{path}[{index}]"), item.span(), item);
                }
            }
            _ => {}
        }
        self.spans.insert(path, Spans { key, value: value.span() });
    }

    /// Remembers that `key` was set by the variable `name`.
    pub(super) fn add_variable(&mut self, key: String, name: String) {
        self.variables.insert(key, name);
    }

    /// Finds the place of each problem and sorts them as the file reads.
    pub(super) fn locate(&self, found: impl IntoIterator<Item = Found>) -> ConfigErrors {
        let mut placed: Vec<(Option<usize>, LocatedProblem)> = found
            .into_iter()
            .map(|Found { problem, aim }| {
                if let Some(name) = self.variables.get(&problem.key) {
                    return (None, LocatedProblem::new(problem, Origin::Environment(name.clone())));
                }
                let span = self.span(&problem.key, aim);
                (Some(span.start), LocatedProblem::new(problem, self.origin(span)))
            })
            .collect();
        placed.sort_by_key(|(start, _)| start.unwrap_or(usize::MAX));
        ConfigErrors::Problems(placed.into_iter().map(|(_, located)| located).collect())
    }

    /// Problems of the syntax have a span and no key.
    pub(super) fn locate_syntax(&self, errors: &[toml::de::Error]) -> ConfigErrors {
        let mut placed: Vec<_> = errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
        placed.sort_by_key(|(span, _)| span.start);
        let located = placed.into_iter().map(|(span, message)| {
            LocatedProblem::new(Problem::new("", message.lines().next().unwrap_or(message)), self.origin(span))
        });
        ConfigErrors::Problems(located.collect())
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Origin::File { source: Arc::clone(&self.source), span, line, column }
    }

    /// The span of `key`, or of the nearest key above it that the file has; what is missing is looked for at the heading.
    fn span(&self, key: &str, aim: Aim) -> Range<usize> {
        if let Some(spans) = self.spans.get(key) {
            return match aim {
                Aim::Key => spans.key.clone(),
                // A value of many lines would be underlined as a whole: its key says enough.
                Aim::Value if self.text.get(spans.value.clone()).is_none_or(|text| text.contains('\n')) => {
                    self.first_line(&spans.key)
                }
                Aim::Value => spans.value.clone(),
            };
        }
        std::iter::successors(parent(key), |key| parent(key))
            .find_map(|key| self.spans.get(key))
            .map_or(0..0, |spans| self.first_line(&spans.key))
    }

    fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let length = self.text.get(span.clone()).and_then(|text| text.find(['\n', '\r'])).unwrap_or(span.len());
        span.start..span.start + length
    }
}

/// The file as it is shown around a problem: the passwords of addresses are starred, byte for byte, so that spans still fit.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let scheme = line.find("://").map(|at| at + 3);
        let password = scheme.and_then(|start| {
            let address = line.get(start..)?.split(['"', '\'']).next()?;
            let end = address.rfind('@')?;
            let colon = address.get(..end)?.find(':')?;
            Some(start + colon + 1..start + end)
        });
        match password.and_then(|range| Some((line.get(..range.start)?, range.len(), line.get(range.end..)?))) {
            Some((before, length, after)) => {
                shown.push_str(before);
                shown.extend(std::iter::repeat_n('*', length));
                shown.push_str(after);
            }
            None => shown.push_str(line),
        }
    }
    shown
}

/// The path of `key` below `parent`.
pub(super) fn child(parent: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let dot = if parent.is_empty() { "" } else { "." };
    if bare { format!("{parent}{dot}{key}") } else { format!("{parent}{dot}{key:?}") }
}

/// The path above `path`; quoted parts may hold dots and brackets.
fn parent(path: &str) -> Option<&str> {
    let (mut quoted, mut escaped, mut last) = (false, false, None);
    for (at, c) in path.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '.' | '[' if !quoted && at > 0 => last = Some(at),
            _ => {}
        }
    }
    last.and_then(|at| path.get(..at))
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn passwords_of_addresses_are_starred_and_nothing_moves() {
        let check = |text: &str, shown: &str| {
            assert_eq!(without_passwords(text), shown);
            assert_eq!(text.len(), shown.len());
        };
        check("a = 1\nurl = \"redis://u:p@w@h:1/0\" # x\nb = 2", "a = 1\nurl = \"redis://u:***@h:1/0\" # x\nb = 2");
        check("url = \"postgres://:pä@h\"\n", "url = \"postgres://:***@h\"\n");
        for plain in ["url = \"redis://h:6379\"\n", "url = \"redis://cg@h:6379/1\"", "x = \"a:b@c\"", "", "\n\n"] {
            check(plain, plain);
        }
        for plain in ["acs = \"https://h:8443/acs\" # ann@example.com", "x = 'http://h:1/' # a@b"] {
            check(plain, plain);
        }
    }
}
