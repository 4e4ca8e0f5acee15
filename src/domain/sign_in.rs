//! Small nouns of a sign-in that several modules carry along.

use serde::{Deserialize, Serialize};

/// A language the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Language {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The BCP 47 tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// Reads a tag by its first part (`de-AT` is German); `None` for a language the pages do not speak.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

/// What a service provider wants back untouched. Opaque; at most [`RelayState::MAX_BYTES`] bytes without control characters
/// (SAML bindings §3.4.3 says 80; AWS and others send whole addresses).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelayState(String);

/// A RelayState that is too long or holds a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a RelayState has at most 1024 bytes and no control characters")]
pub struct RelayStateError;

impl RelayState {
    /// The limit on what is echoed.
    pub const MAX_BYTES: usize = 1024;

    /// Takes the value as it is.
    ///
    /// # Errors
    /// It is too long or holds a control character.
    pub fn parse(input: &str) -> Result<Self, RelayStateError> {
        if input.len() > Self::MAX_BYTES || input.chars().any(char::is_control) {
            return Err(RelayStateError);
        }
        Ok(Self(input.to_owned()))
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RelayState {
    type Error = RelayStateError;

    fn try_from(input: String) -> Result<Self, RelayStateError> {
        Self::parse(&input)
    }
}

impl From<RelayState> for String {
    fn from(state: RelayState) -> String {
        state.0
    }
}
