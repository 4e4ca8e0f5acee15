//! The catalogue: well-known apps, each a data file beside this one. A file holds the block for config.toml, what must be
//! asked for it, what to click on the other side, where each fact was read, and the error texts people bring from there.
//!
//! `docs/apps` is made from the same data (`page`), so that pages and blocks cannot differ.
//!
//! Not here: config.toml itself (`cli` writes it), and what an app is to SAML (`service_provider`).

mod answers;
mod errors;
mod page;

use serde::Deserialize;

use crate::config::AppConfig;

pub use answers::{AnswerError, AnswerErrors, Answers, Kind, Placeholder, Site};
pub use errors::{Found, KnownError};
pub use page::index;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// The names and data files, in the order people read them.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".toml")))),*];
    };
}

files!(
    "aws",
    "aws-us-gov",
    "aws-cn",
    "aws-identity-center",
    "atlassian",
    "box",
    "datadog",
    "dropbox",
    "github-enterprise",
    "github-organization",
    "gitlab",
    "gitlab-self-managed",
    "google-workspace",
    "grafana",
    "jenkins",
    "nextcloud",
    "notion",
    "salesforce",
    "sentry",
    "slack",
    "tableau",
    "zendesk",
    "zoom",
);

/// A data file that does not say what it must. A test reads all of them, so nobody meets this.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is no such file.
    #[error("the catalogue's file of `{name}` can't be read: {source}")]
    File {
        /// Of which app.
        name: String,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// A text asks for a value that nobody gives.
    #[error("the catalogue's file of `{name}` has no value for `{{{{{value}}}}}`")]
    NoValue {
        /// Of which app.
        name: String,
        /// The name in braces.
        value: String,
    },
    /// Its block does not hold one app.
    #[error("the block of `{0}` does not hold one app")]
    NotOneApp(String),
}

/// All apps of the catalogue.
#[derive(Debug, Clone)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

/// One app of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    #[serde(skip)]
    name: String,
    title: String,
    summary: String,
    /// Another entry whose error texts are those of this one too.
    same_errors_as: Option<String>,
    block: String,
    steps: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    placeholders: Vec<Placeholder>,
    facts: Vec<Fact>,
    #[serde(default)]
    errors: Vec<KnownError>,
}

/// One fact about an app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    what: String,
    says: String,
    /// Where it was read; `None` = from memory, and the page says so.
    source: Option<String>,
}

impl Catalogue {
    /// Reads the data files.
    ///
    /// # Errors
    /// One of them is not as it must be; the tests rule that out.
    pub fn read() -> Result<Self, CatalogueError> {
        let read = |(name, text): &(&str, &str)| -> Result<Entry, CatalogueError> {
            let entry: Entry = toml::from_str(text)
                .map_err(|source| CatalogueError::File { name: (*name).to_owned(), source: Box::new(source) })?;
            Ok(Entry { name: (*name).to_owned(), ..entry })
        };
        Ok(Self { entries: FILES.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The apps, in the order people read them.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The app of this name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The names nearest to one that is not there: those it is a part of, and else the one that is spelt most like it.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        let wanted = name.to_lowercase();
        let names = || self.entries.iter().map(|entry| entry.name.as_str());
        let holding: Vec<&str> =
            names().filter(|known| wanted.len() > 1 && (known.contains(&wanted) || wanted.contains(known))).collect();
        if !holding.is_empty() {
            return holding;
        }
        let spelt = names().map(|known| (strsim::damerau_levenshtein(known, &wanted), known));
        spelt.filter(|(distance, _)| *distance <= 3).min().map(|(_, known)| known).into_iter().collect()
    }
}

/// The shape of a block.
#[derive(Deserialize)]
struct Block {
    apps: Vec<AppConfig>,
}

impl Entry {
    /// Its name: `app add NAME`, `docs/apps/NAME.md`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people call it.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// One sentence about it.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What must be told about one's own account there.
    #[must_use]
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// What to know besides.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The block for config.toml.
    ///
    /// # Errors
    /// A value is missing in the data file; the tests rule that out.
    pub fn block(&self, answers: &Answers) -> Result<String, CatalogueError> {
        self.filled(&self.block, answers)
    }

    /// The same as settings.
    ///
    /// # Errors
    /// As [`Entry::block`], or it does not hold one app.
    pub fn app(&self, answers: &Answers) -> Result<AppConfig, CatalogueError> {
        let block: Block = toml::from_str(&self.block(answers)?)
            .map_err(|source| CatalogueError::File { name: self.name.clone(), source: Box::new(source) })?;
        let mut apps = block.apps.into_iter();
        match (apps.next(), apps.next()) {
            (Some(app), None) => Ok(app),
            _ => Err(CatalogueError::NotOneApp(self.name.clone())),
        }
    }

    /// What to do on the other side, in order.
    ///
    /// # Errors
    /// As [`Entry::block`].
    pub fn steps(&self, answers: &Answers) -> Result<Vec<String>, CatalogueError> {
        self.steps.iter().map(|step| self.filled(step, answers)).collect()
    }

    /// `text` with the answers in the place of `{{name}}`.
    fn filled(&self, text: &str, answers: &Answers) -> Result<String, CatalogueError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let no_value = |value: &str| CatalogueError::NoValue { name: self.name.clone(), value: value.to_owned() };
            let (value, after) = behind.split_once("}}").ok_or_else(|| no_value(behind))?;
            filled.push_str(before);
            filled.push_str(answers.get(value).ok_or_else(|| no_value(value))?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests;
