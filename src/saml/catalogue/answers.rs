//! What an entry asks for, and what was answered. Answers end up in TOML and in texts, so each is of a kind that can hold
//! neither quotes nor spaces.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::Entry;
use crate::domain::AppId;

/// The longest answer.
const MAX_ANSWER: usize = 1024;

/// One thing that must be told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    /// `--set NAME=…`
    pub name: String,
    /// What it is, and where to find it.
    pub what: String,
    /// An answer as it could be.
    pub example: String,
    /// What an answer looks like.
    pub kind: Kind,
}

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Letters, digits, `-`, `_` and `.`: the name of an organisation, a workspace, a role.
    Name,
    /// A host name.
    Host,
    /// An https address; the slash at its end is taken off.
    Url,
    /// An entity id or address as the app shows it, taken as it is.
    Text,
    /// The twelve digits of an AWS account.
    AwsAccount,
}

impl Kind {
    /// The answer as it is used.
    fn read(self, answer: &str) -> Result<String, &'static str> {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '\'' | '`' | '{' | '}' | '<' | '>');
        if answer.is_empty() || answer.len() > MAX_ANSWER || !answer.chars().all(plain) {
            return Err("use 1 to 1024 letters, digits and signs, without quotes, spaces, `\\`, `<` and `>`");
        }
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match self {
            Self::Name
                if answer.len() <= 128
                    && answer.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && answer.chars().all(name) =>
            {
                Ok(answer.to_owned())
            }
            Self::Name => Err("use 1 to 128 letters, digits, `-`, `_` or `.`, a letter or digit first"),
            Self::Host => match url::Host::parse(answer) {
                Ok(url::Host::Domain(host)) if host.contains('.') => Ok(host),
                _ => Err("write a host name as `grafana.example.com`, without `https://` and without a path"),
            },
            Self::Url => address(answer).ok_or("write an address that starts with https:// and has no `?` and no `#`"),
            Self::Text => Ok(answer.to_owned()),
            Self::AwsAccount if answer.len() == 12 && answer.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(answer.to_owned())
            }
            Self::AwsAccount => Err("an AWS account has twelve digits"),
        }
    }
}

fn address(answer: &str) -> Option<String> {
    let url = url::Url::parse(answer).ok()?;
    let bare =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && url.has_host() && bare).then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// This identity provider, as the other side needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Where people reach this server, without a slash at the end.
    pub base: String,
    /// The file with the signing certificate.
    pub certificate: String,
}

/// Everything that an entry's texts may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    id: AppId,
    values: BTreeMap<String, String>,
}

impl Answers {
    /// The id of the app.
    #[must_use]
    pub fn id(&self) -> &AppId {
        &self.id
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// One answer that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It was not given.
    #[error("`--set {name}=…` is missing: {what}, as in `--set {name}={example}`")]
    Missing {
        /// The placeholder.
        name: String,
        /// What it is.
        what: String,
        /// As it could be.
        example: String,
    },
    /// The entry does not ask for it.
    #[error("it asks for no `{name}`{}", hint(.known))]
    Unknown {
        /// What was given.
        name: String,
        /// What it asks for.
        known: Vec<String>,
    },
    /// It was given twice.
    #[error("`--set {0}=…` stands there twice")]
    Twice(String),
    /// It does not look as it must.
    #[error("`{answer}` is no `{name}`: {rule}")]
    Wrong {
        /// The placeholder.
        name: String,
        /// What was given.
        answer: String,
        /// What it must look like.
        rule: &'static str,
    },
}

fn hint(known: &[String]) -> String {
    if known.is_empty() { ", or for anything else".to_owned() } else { format!(", but for `{}`", known.join("`, `")) }
}

/// All answers that are missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerErrors(pub Vec<AnswerError>);

impl fmt::Display for AnswerErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for AnswerErrors {}

impl Entry {
    /// Reads what was given for the app `id`.
    ///
    /// # Errors
    /// Something is missing, unknown or does not look as it must; everything at once.
    pub fn answer(&self, id: AppId, given: &[(String, String)], site: &Site) -> Result<Answers, AnswerErrors> {
        let mut wrong = Vec::new();
        let mut values = BTreeMap::new();
        for (name, answer) in given {
            let Some(placeholder) = self.placeholders.iter().find(|placeholder| placeholder.name == *name) else {
                let known = self.placeholders.iter().map(|placeholder| placeholder.name.clone()).collect();
                wrong.push(AnswerError::Unknown { name: name.clone(), known });
                continue;
            };
            match placeholder.kind.read(answer) {
                Err(rule) => wrong.push(AnswerError::Wrong { name: name.clone(), answer: answer.clone(), rule }),
                Ok(value) => {
                    if values.insert(name.clone(), value).is_some() {
                        wrong.push(AnswerError::Twice(name.clone()));
                    }
                }
            }
        }
        let unanswered = |placeholder: &&Placeholder| !given.iter().any(|(name, _)| *name == placeholder.name);
        wrong.extend(self.placeholders.iter().filter(unanswered).map(|placeholder| AnswerError::Missing {
            name: placeholder.name.clone(),
            what: placeholder.what.clone(),
            example: placeholder.example.clone(),
        }));
        if !wrong.is_empty() {
            return Err(AnswerErrors(wrong));
        }
        let base = &site.base;
        let ours = [
            ("id", id.to_string()),
            ("idp.entity_id", format!("{base}/saml/metadata")),
            ("idp.sso_url", format!("{base}/saml/sso")),
            ("idp.slo_url", format!("{base}/saml/slo")),
            ("idp.metadata_url", format!("{base}/saml/metadata/{id}")),
            ("idp.launch_url", format!("{base}/launch/{id}")),
            ("idp.portal_url", format!("{base}/")),
            ("idp.certificate", site.certificate.clone()),
        ];
        values.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        Ok(Answers { id, values })
    }

    /// The id an app has when none is asked for.
    #[must_use]
    pub fn default_id(&self) -> Option<AppId> {
        AppId::parse(&self.name).ok()
    }

    /// The examples as answers.
    pub(super) fn examples(&self) -> Vec<(String, String)> {
        self.placeholders.iter().map(|placeholder| (placeholder.name.clone(), placeholder.example.clone())).collect()
    }
}
