//! Which passwords may be chosen: length, not among the commonest, not built from words an attacker would try first. No
//! composition rules (NIST SP 800-63B-4 §3.1.1.2; OWASP ASVS 6.2).

use super::Password;
use crate::domain::{EmailAddress, Username};

/// The commonest passwords of eight characters and more, in lower case, one a line; shorter ones are refused by length.
const COMMON: &str = include_str!("common_passwords.txt");
/// Shorter words say nothing: everybody's password holds some `ann`.
const SHORTEST_CONTEXT_WORD: usize = 4;

/// The rules in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRules {
    /// The fewest characters: 8 where a second factor follows, 15 where the password stands alone.
    pub minimum: usize,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { minimum: 8 }
    }
}

/// What the password must not be built from.
#[derive(Debug, Clone, Copy)]
pub struct PasswordContext<'a> {
    /// Whose password it is.
    pub username: &'a Username,
    /// Their address; the part before the `@` counts.
    pub email: &'a EmailAddress,
    /// The organisation's name.
    pub organisation: &'a str,
}

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too few characters.
    #[error("the password needs at least {minimum} characters")]
    TooShort {
        /// The fewest allowed.
        minimum: usize,
    },
    /// Too many characters.
    #[error("the password may have at most 256 characters")]
    TooLong,
    /// On every attacker's list.
    #[error("this password is one of the commonest")]
    Common,
    /// Built from username, mail address, organisation or the name of this software.
    #[error("the password must not be built from your name, your email address or the name of the organisation")]
    Context,
    /// One character or a short run of the keyboard over and over.
    #[error("the password must not be one pattern repeated")]
    Repetitive,
}

impl PasswordProblem {
    /// The key of the message on pages.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password-too-short",
            Self::TooLong => "password-too-long",
            Self::Common => "password-common",
            Self::Context => "password-context",
            Self::Repetitive => "password-repetitive",
        }
    }
}

impl PasswordRules {
    /// Checks a new password.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check(self, password: &Password, context: PasswordContext<'_>) -> Result<(), PasswordProblem> {
        if password.is_too_long() {
            return Err(PasswordProblem::TooLong);
        }
        let text = password.expose().to_lowercase();
        if password.expose().chars().count() < self.minimum {
            return Err(PasswordProblem::TooShort { minimum: self.minimum });
        }
        let stem = text.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
        if COMMON.lines().any(|common| common == text || (common == stem && stem.len() + 4 >= text.len())) {
            return Err(PasswordProblem::Common);
        }
        if is_repetitive(&text) {
            return Err(PasswordProblem::Repetitive);
        }
        if context_words(context).iter().any(|word| text_is_mostly(&text, word)) {
            return Err(PasswordProblem::Context);
        }
        Ok(())
    }
}

/// The words of the context, in lower case, whole and cut at what is no letter or digit.
fn context_words(context: PasswordContext<'_>) -> Vec<String> {
    let local = context.email.as_str().split_once('@').map_or("", |(local, _)| local);
    [context.username.as_str(), local, context.organisation, "cedargate"]
        .iter()
        .flat_map(|text| std::iter::once(*text).chain(text.split(|c: char| !c.is_alphanumeric())))
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() >= SHORTEST_CONTEXT_WORD)
        .collect()
}

/// Whether fewer than six characters remain without the word: `Schmidt2026!` for Schmidt, but not a sentence with Schmidt.
fn text_is_mostly(text: &str, word: &str) -> bool {
    text.contains(word) && text.replace(word, "").chars().count() < 6
}

/// Whether the text is one to four characters over and over.
fn is_repetitive(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    (1..=4).any(|period| {
        characters.len() >= period * 2
            && characters.iter().zip(characters.iter().skip(period)).all(|(one, other)| one == other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), PasswordProblem> {
        let username = Username::parse("ann.schmidt").unwrap();
        let email = EmailAddress::parse("aschmidt@example.com").unwrap();
        let context = PasswordContext { username: &username, email: &email, organisation: "Example Bank" };
        PasswordRules::default().check(&Password::new(text.to_owned()), context)
    }

    #[test]
    fn good_passwords_of_any_kind_pass() {
        for text in [
            "correct horse battery staple",
            "kx7#mPq2",
            "тайный-пароль-42",
            "Schmidt is my name but that is all",
            &"long and fine ".repeat(12),
            "  spaces stay  ",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn bad_passwords_are_refused_with_the_reason() {
        for (text, problem) in [
            ("kx7#mPq", PasswordProblem::TooShort { minimum: 8 }),
            ("äöüäöüä", PasswordProblem::TooShort { minimum: 8 }),
            (&"x1".repeat(129), PasswordProblem::TooLong),
            ("password", PasswordProblem::Common),
            ("PassWord", PasswordProblem::Common),
            ("Password1!", PasswordProblem::Common),
            ("12345678", PasswordProblem::Common),
            ("qwertyuiop", PasswordProblem::Common),
            ("zzzzzzzzzz", PasswordProblem::Repetitive),
            ("xk2qxk2qxk2q", PasswordProblem::Repetitive),
            ("Schmidt2026!", PasswordProblem::Context),
            ("ann.schmidt1", PasswordProblem::Context),
            ("ExampleBank1", PasswordProblem::Context),
            ("example bank", PasswordProblem::Context),
            ("Cedargate-1", PasswordProblem::Context),
        ] {
            assert_eq!(check(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn the_embedded_list_is_in_the_form_it_is_compared_in() {
        for word in COMMON.lines() {
            assert!(word.chars().count() >= 8 && word == word.to_lowercase().trim(), "{word:?}");
        }
    }
}
