//! What all pages share: the frame around them, the errors of forms, and how a template gets at words and assets.

use std::borrow::Borrow;
use std::fmt::Display;

use super::assets;
use crate::clock::Timestamp;
use crate::domain::Language;
use crate::i18n::{self, Arg};

/// The part of a page that does not depend on what it is about. Every page context holds one as `frame`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The language the page speaks.
    pub lang: Language,
    /// Whose sign-in this is.
    pub organisation: String,
    /// Where people get help: a mail address, an `https` address, or words.
    pub contact: Option<String>,
    /// The value of the hidden `csrf_token` field of every form.
    pub csrf_token: String,
    /// The address of this page when it may be asked for again with `lang=` in its query; it then shows links to the other
    /// languages. `None` on pages that answer a POST.
    pub language_url: Option<String>,
}

/// A link to the same page in another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageLink {
    /// The language it leads to.
    pub lang: Language,
    /// The language's name in itself.
    pub name: &'static str,
    /// Where it leads.
    pub url: String,
}

impl Frame {
    /// A frame without links to other languages.
    #[must_use]
    pub fn new(lang: Language, organisation: &str, contact: Option<&str>, csrf_token: &str) -> Self {
        Self {
            lang,
            organisation: organisation.to_owned(),
            contact: contact.map(ToOwned::to_owned),
            csrf_token: csrf_token.to_owned(),
            language_url: None,
        }
    }

    /// The text of a key.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        i18n::text(self.lang, key, &[])
    }

    /// The text of a key with values in it.
    #[must_use]
    pub fn t_with(&self, key: &str, args: &[(&str, Arg<'_>)]) -> String {
        i18n::text(self.lang, key, args)
    }

    /// The text of a key with one value in it.
    #[must_use]
    pub fn t_arg(&self, key: &str, name: &str, value: impl Display) -> String {
        i18n::text(self.lang, key, &[(name, Arg::Text(&value.to_string()))])
    }

    /// The text of a key with a number in it, named `count`.
    #[must_use]
    pub fn t_count(&self, key: &str, count: impl Borrow<u32>) -> String {
        i18n::text(self.lang, key, &[("count", Arg::Count(u64::from(*count.borrow())))])
    }

    /// The address of an asset.
    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// The address behind the contact: `mailto:` for a mail address, itself when it is `https`, none for other words.
    #[must_use]
    pub fn contact_url(&self) -> Option<String> {
        let contact = self.contact.as_deref()?;
        if contact.starts_with("https://") {
            Some(contact.to_owned())
        } else if contact.contains('@') && !contact.contains(char::is_whitespace) {
            Some(format!("mailto:{contact}"))
        } else {
            None
        }
    }

    /// Links to the other languages, where the page can be asked for again.
    #[must_use]
    pub fn language_links(&self) -> Vec<LanguageLink> {
        let Some(address) = &self.language_url else { return Vec::new() };
        let separator = if address.contains('?') { '&' } else { '?' };
        Language::ALL
            .into_iter()
            .filter(|lang| *lang != self.lang)
            .map(|lang| LanguageLink {
                lang,
                name: match lang {
                    Language::En => "English",
                    Language::De => "Deutsch",
                },
                url: format!("{address}{separator}lang={}", lang.tag()),
            })
            .collect()
    }
}

/// Date and time in the person's zone (UTC when it is not known), and the name of that zone.
#[must_use]
pub fn local_time(at: Timestamp, time_zone: Option<&str>) -> (String, String) {
    let zoned = time_zone.and_then(|zone| at.in_tz(zone).ok()).unwrap_or_else(|| at.to_zoned(jiff::tz::TimeZone::UTC));
    (zoned.strftime("%Y-%m-%d %H:%M:%S").to_string(), zoned.strftime("%Z").to_string())
}

/// What a form got wrong. Each has a text that says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// No name was typed.
    NameMissing,
    /// Name or password is wrong, or the account is locked: never says which.
    WrongPassword,
    /// No password was typed.
    PasswordMissing,
    /// Too many attempts; the page says for how long.
    TooManyAttempts,
    /// The code is not six digits.
    CodeMalformed,
    /// The code is not the one of now.
    CodeWrong,
    /// The code was used already.
    CodeUsed,
    /// What was typed cannot be a mailed code.
    MailedCodeMalformed,
    /// It is not the code that was mailed.
    MailedCodeWrong,
    /// The mailed code was used already.
    MailedCodeUsed,
    /// The mailed code has expired.
    MailedCodeExpired,
    /// A new password is too short.
    PasswordTooShort,
    /// A new password is too long.
    PasswordTooLong,
    /// A new password is on the list of common ones.
    PasswordCommon,
    /// A new password holds the name, the address or the organisation.
    PasswordContext,
    /// A method was posted that is not offered.
    MethodNotOffered,
}

impl FormError {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::NameMissing,
        Self::WrongPassword,
        Self::PasswordMissing,
        Self::TooManyAttempts,
        Self::CodeMalformed,
        Self::CodeWrong,
        Self::CodeUsed,
        Self::MailedCodeMalformed,
        Self::MailedCodeWrong,
        Self::MailedCodeUsed,
        Self::MailedCodeExpired,
        Self::PasswordTooShort,
        Self::PasswordTooLong,
        Self::PasswordCommon,
        Self::PasswordContext,
        Self::MethodNotOffered,
    ];

    /// The key of its text.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::NameMissing => "error-name-missing",
            Self::WrongPassword => "error-wrong-password",
            Self::PasswordMissing => "error-password-missing",
            Self::TooManyAttempts => "error-too-many-attempts",
            Self::CodeMalformed => "error-code-malformed",
            Self::CodeWrong => "error-code-wrong",
            Self::CodeUsed => "error-code-used",
            Self::MailedCodeMalformed => "error-mailed-code-malformed",
            Self::MailedCodeWrong => "error-mailed-code-wrong",
            Self::MailedCodeUsed => "error-mailed-code-used",
            Self::MailedCodeExpired => "error-mailed-code-expired",
            Self::PasswordTooShort => "error-password-too-short",
            Self::PasswordTooLong => "error-password-too-long",
            Self::PasswordCommon => "error-password-common",
            Self::PasswordContext => "error-password-context",
            Self::MethodNotOffered => "error-method-not-offered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_refusal_is_the_persons() {
        let at: Timestamp = "2026-11-21T22:30:00Z".parse().unwrap();
        assert_eq!(local_time(at, Some("Europe/Berlin")), ("2026-11-21 23:30:00".into(), "CET".into()));
        assert_eq!(local_time(at, None), ("2026-11-21 22:30:00".into(), "UTC".into()));
        assert_eq!(local_time(at, Some("No/Where")).1, "UTC");
    }
}
