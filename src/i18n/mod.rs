//! The words of pages and messages in every [`Language`], kept as Fluent files beside this one. No HTML and no request is
//! known here; texts come out plain and are escaped by whoever writes them into a page.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use crate::domain::{Language, Method};

const EN: [&str; 3] = [include_str!("en/pages.ftl"), include_str!("en/policies.ftl"), include_str!("en/demo.ftl")];
const DE: [&str; 3] = [include_str!("de/pages.ftl"), include_str!("de/policies.ftl"), include_str!("de/demo.ftl")];

static ENGLISH: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| bundle(Language::En, EN));
static GERMAN: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| bundle(Language::De, DE));

fn bundle(language: Language, sources: [&str; 3]) -> FluentBundle<FluentResource> {
    // INVARIANT: the tags are well formed; a test shows that plurals follow the language.
    let tag: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // Bidi isolation marks around names would end up in page titles and in what people copy; names here are the operator's.
    bundle.set_use_isolating(false);
    for source in sources {
        // INVARIANT: the files are part of the program, and a test reads them without errors.
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

fn bundle_of(language: Language) -> &'static FluentBundle<FluentResource> {
    match language {
        Language::En => &ENGLISH,
        Language::De => &GERMAN,
    }
}

/// A value that a text has a place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg<'a> {
    /// Stands as it is.
    Text(&'a str),
    /// Chooses the plural form, too.
    Count(u64),
}

impl<'a> From<Arg<'a>> for FluentValue<'a> {
    fn from(arg: Arg<'a>) -> Self {
        match arg {
            Arg::Text(text) => FluentValue::from(text),
            Arg::Count(count) => FluentValue::from(count),
        }
    }
}

/// The text of `key`, or `None` when there is no such key.
#[must_use]
pub fn find(language: Language, key: &str, args: &[(&str, Arg<'_>)]) -> Option<String> {
    let bundle = bundle_of(language);
    let pattern = bundle.get_message(key)?.value()?;
    let mut values = FluentArgs::with_capacity(args.len());
    for (name, arg) in args {
        values.set(*name, *arg);
    }
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned();
    if !errors.is_empty() {
        tracing::error!(i18n.key = key, i18n.language = language.tag(), "a text lacks a value");
    }
    Some(text)
}

/// The text of `key`. For a key that does not exist it is the key itself, and an error in the log: a page with one odd word
/// is better than none.
#[must_use]
pub fn text(language: Language, key: &str, args: &[(&str, Arg<'_>)]) -> String {
    find(language, key, args).unwrap_or_else(|| {
        tracing::error!(i18n.key = key, i18n.language = language.tag(), "a text is missing");
        key.to_owned()
    })
}

/// The text of a policy's `@message` (`network.blocked` is the key `policy-message-network-blocked`); `None` when this
/// message has no text in the files.
#[must_use]
pub fn policy_message(language: Language, message: &str) -> Option<String> {
    find(language, &format!("policy-message-{}", message.replace('.', "-")), &[])
}

/// What people call a method.
#[must_use]
pub fn method_label(language: Language, method: Method) -> String {
    text(language, &format!("method-{}", method.code()), &[])
}

/// One line on how a method works.
#[must_use]
pub fn method_hint(language: Language, method: Method) -> String {
    text(language, &format!("method-{}-hint", method.code()), &[])
}

/// The language to speak, from an `Accept-Language` header (RFC 9110 §12.5.4): the one with the highest weight that the
/// pages speak, the first of equals; else the default. Reads 32 entries at most.
#[must_use]
pub fn negotiate(accept_language: &str) -> Language {
    let mut best: Option<(u16, Language)> = None;
    for entry in accept_language.split(',').take(32) {
        let mut parts = entry.split(';');
        let language = parts.next().and_then(|tag| Language::parse(tag.trim()));
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1000), weight);
        if let (Some(language), Some(weight)) = (language, weight)
            && weight > 0
            && best.is_none_or(|(highest, _)| weight > highest)
        {
            best = Some((weight, language));
        }
    }
    best.map_or_else(Language::default, |(_, language)| language)
}

/// Reads a weight in thousandths; `None` for what is no weight.
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if fraction.len() > 3 || !digits(fraction) || !matches!(whole, "0" | "1") {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse::<u16>().ok()?;
    Some((whole.parse::<u16>().ok()? * 1000 + thousandths).min(1000))
}

/// The keys of a language's files, in order.
#[cfg(test)]
pub(crate) fn keys(language: Language) -> Vec<String> {
    let sources = match language {
        Language::En => EN,
        Language::De => DE,
    };
    let lines = sources.iter().flat_map(|source| source.lines());
    lines
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(|line| line.split(" =").next().unwrap_or_default().to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
