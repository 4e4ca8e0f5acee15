//! Reading tables: every case that can be read, and a place for each that cannot.

use super::Failure;
use crate::domain::Step;
use crate::policy::bundle::SourceFile;
use crate::policy::case::{Case, CountryWord, Table, nearest};
use crate::policy::request::STEPS;

/// A case and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The file.
    pub file: String,
    /// The line of its name.
    pub line: usize,
    /// The case.
    pub case: Case,
}

/// The cases of all files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables {
    /// Those that can be read, in the order of files.
    pub rows: Vec<Row>,
    /// What cannot be read.
    pub problems: Vec<Failure>,
}

/// How each case begins.
const HEADER: &str = "[[case]]";

impl Tables {
    /// Reads all files. One wrong case does not hide the others.
    #[must_use]
    pub fn read(files: &[SourceFile]) -> Self {
        let mut tables = Self::default();
        for file in files {
            match toml::from_str::<Table>(&file.text) {
                Ok(table) => tables.take(file, 0, table),
                Err(error) => {
                    let before = tables.problems.len();
                    for (lines, part) in parts(&file.text) {
                        match toml::from_str::<Table>(part) {
                            Ok(table) => tables.take(file, lines, table),
                            Err(error) => tables.refuse(file, lines, part, &error),
                        }
                    }
                    // Wrong only as a whole.
                    if tables.problems.len() == before {
                        tables.rows.retain(|row| row.file != file.path);
                        tables.refuse(file, 0, &file.text, &error);
                    }
                }
            }
        }
        tables
    }

    /// Keeps the cases whose name, app or file holds `text`.
    pub fn keep(&mut self, text: &str) {
        let text = text.to_lowercase();
        let holds = |hay: &str| hay.to_lowercase().contains(&text);
        self.rows.retain(|row| holds(row.case.name.get_ref()) || holds(&row.case.app) || holds(&row.file));
        self.problems.retain(|problem| holds(&problem.file));
    }

    /// Whether there is nothing to run and nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.problems.is_empty()
    }

    /// Whether a case wants a country looked up in the geo files.
    #[must_use]
    pub fn look_places_up(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.case.country, Some(CountryWord::ByAddress(_))))
    }

    /// Whether a case says when it is.
    #[must_use]
    pub fn tell_times(&self) -> bool {
        self.rows.iter().any(|row| row.case.time.is_some())
    }

    fn take(&mut self, file: &SourceFile, lines: usize, table: Table) {
        for case in table.case {
            // Of a part of the file, places count from its beginning.
            let part = part_from(&file.text, lines);
            let line = lines + line(part, case.name.span().start);
            self.rows.push(Row { file: file.path.clone(), line, case });
        }
    }

    fn refuse(&mut self, file: &SourceFile, lines: usize, part: &str, error: &toml::de::Error) {
        let line = lines + error.span().map_or(1, |span| line(part, span.start));
        self.problems.push(Failure {
            file: file.path.clone(),
            line,
            case: String::new(),
            message: in_words(error.message(), error.span().and_then(|span| part.get(span)).unwrap_or_default()),
            differences: Vec::new(),
            by: Vec::new(),
        });
    }
}

/// The text from after this many lines on.
fn part_from(text: &str, lines: usize) -> &str {
    let start = text.split_inclusive('\n').take(lines).map(str::len).sum::<usize>();
    text.get(start..).unwrap_or_default()
}

/// What stands before the first case, and each case, with the number of lines before it.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let (mut parts, mut start, mut lines, mut at) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_start().starts_with(HEADER) && at > start {
            parts.push((lines, text.get(start..at).unwrap_or_default()));
            (start, lines) = (at, number);
        }
        at += line.len();
    }
    parts.push((lines, text.get(start..).unwrap_or_default()));
    parts
}

fn line(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1)
}

/// What the reader says of what is `written`, with the word that was probably meant instead of a list of all there are.
fn in_words(message: &str, written: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = |kind: &str, typed: &str, known: &[&str]| match nearest(typed, known.iter().copied()) {
        Some(meant) => format!("unknown {kind} `{typed}`; did you mean `{meant}`?"),
        None => format!("unknown {kind} `{typed}`; known are {}", known.join(", ")),
    };
    // Of a value that may be one of several things, the reader says no more than the name of its type.
    let value = written.trim_matches(['"', '\'']);
    match (message, quoted.as_slice()) {
        (message, [typed, known @ ..]) if message.starts_with("unknown field ") => unknown("key", typed, known),
        (message, [typed, known @ ..]) if message.starts_with("unknown variant ") => unknown("word", typed, known),
        (message, [key]) if message.starts_with("missing field ") => format!("`{key}` is missing"),
        (message, _) if message.ends_with("untagged enum StepName") => {
            let steps: Vec<&str> = ["open"].into_iter().chain(STEPS.map(Step::action)).collect();
            unknown("step", value, &steps)
        }
        (message, _) if message.ends_with("untagged enum CountryWord") => {
            format!("`{value}` is no country: write two capital letters, as `DE`, or `by-address`")
        }
        (message, _) if message.ends_with("untagged enum Messages") => {
            "`message` is the key of a text, or a list of them".to_owned()
        }
        _ => message.to_owned(),
    }
}
