//! Error texts of apps, what causes them and what cures them; found by a text that may be a part of it, longer, or mistyped.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Catalogue, Entry};

/// The longest text that is looked at; error pages are shorter.
const MAX_TEXT: usize = 4096;
/// From this share of what makes a text recognisable on, it is the one that was meant.
const SURE: f64 = 0.7;
/// A part of a text weighs as much as a word that no other text holds, at least.
const ENOUGH: f64 = 1.0;
/// Below this share a text has nothing to do with it.
const NEAR: f64 = 0.3;
/// The most that are named when none is sure.
const MOST_NEAR: usize = 3;

/// An error text that an app is known to show.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownError {
    /// What the app says.
    pub text: String,
    /// Why.
    pub cause: String,
    /// What to do here or there.
    pub cure: String,
    /// Where cause and cure were read; `None` = from memory.
    pub source: Option<String>,
}

/// What a text was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// This one: the app and the error.
    Sure(&'a Entry, &'a KnownError),
    /// Perhaps one of these, the likeliest first; nothing when nothing comes near.
    Near(Vec<(&'a Entry, &'a KnownError)>),
}

impl Catalogue {
    /// All error texts, with the app that shows each.
    pub fn errors(&self) -> impl Iterator<Item = (&Entry, &KnownError)> {
        self.entries().flat_map(|entry| entry.errors.iter().map(move |error| (entry, error)))
    }

    /// Finds what `text` is: words count by how few of the known texts hold them, and one may be mistyped.
    #[must_use]
    pub fn explain(&self, text: &str) -> Found<'_> {
        let asked = words(&text.chars().take(MAX_TEXT).collect::<String>());
        let known: Vec<_> = self.errors().map(|(entry, error)| (entry, error, words(&error.text))).collect();
        let mut held: BTreeMap<&str, u32> = BTreeMap::new();
        for word in known.iter().flat_map(|(_, _, words)| words) {
            *held.entry(word.as_str()).or_default() += 1;
        }
        let weight = |word: &str| held.get(word).map_or(0.0, |count| 1.0 / f64::from(*count));
        let mut scored: Vec<(f64, f64, usize)> = known
            .iter()
            .enumerate()
            .map(|(place, (_, _, words))| {
                let all: f64 = words.iter().map(|word| weight(word)).sum();
                let there = words.iter().filter(|word| asked.iter().any(|asked| alike(asked, word)));
                let found: f64 = there.map(|word| weight(word)).sum();
                let share = if all > 0.0 { found / all } else { 0.0 };
                // People bring a part of a text too; one that says enough is as good as the whole.
                let within = || asked.iter().all(|asked| words.iter().any(|word| alike(asked, word)));
                let part = found >= ENOUGH && asked.len() > 1 && within();
                // One word says too little to be sure; a text that it stands in is still worth showing.
                let named = asked.len() == 1 && !asked.is_disjoint(words);
                let share = if named { share.max(NEAR) } else { share };
                (if part { 1.0 } else { share }, found, place)
            })
            .filter(|(share, _, _)| *share >= NEAR)
            .collect();
        // Of two that are wholly there the one that explains more of the text is meant.
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
        let of = |place: usize| known.get(place).map(|(entry, error, _)| (*entry, *error));
        match scored.first().and_then(|(share, _, place)| Some((*share, of(*place)?))) {
            Some((share, (entry, error))) if share >= SURE => Found::Sure(entry, error),
            _ => Found::Near(scored.iter().filter_map(|(_, _, place)| of(*place)).take(MOST_NEAR).collect()),
        }
    }
}

/// The words of a text, lower-case; `sts:AssumeRoleWithSAML` is two.
fn words(text: &str) -> BTreeSet<String> {
    let text = text.to_lowercase().replace(['\'', '’'], "");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1).map(str::to_owned).collect()
}

/// Whether two words are the same, or one is the other mistyped by a letter.
fn alike(a: &str, b: &str) -> bool {
    a == b || (a.len().min(b.len()) >= 5 && strsim::damerau_levenshtein(a, b) <= 1)
}
