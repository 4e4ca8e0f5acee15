//! Everything there is to say about a set before it is merged: the problems of all its files at once, and what works but not
//! for long, or not as it was meant.

mod closed;
mod endings;
mod files;
mod yardsticks;

pub use self::closed::Closed;
pub use self::endings::Ending;
#[cfg(feature = "analyze")]
pub(super) use self::files::assumes;
pub(super) use self::files::invariants;
pub use self::yardsticks::{Yardstick, yardsticks};

use jiff::civil::Date;

use super::bundle::{Bundle, PolicySources, SourceFile};
use super::errors::{BundleError, Rule, in_order};
use super::inventory::PolicyNote;
use super::testing;
use super::vocabulary::Vocabulary;
use crate::domain::{Country, CountryListName, Language, PolicyId};
use crate::i18n;

/// What was found.
#[derive(Debug)]
pub struct Findings {
    /// Why the set would not come into force, in the order of files and lines.
    pub problems: Vec<BundleError>,
    /// What works, but should be looked at.
    pub warnings: Vec<BundleError>,
    /// Warnings about what config.toml declares.
    pub declared: Vec<Declared>,
    /// The set, when its policies load; its tests may fail.
    pub bundle: Option<Bundle>,
    /// How many tests passed.
    pub passed: usize,
}

/// Something in config.toml that the policies make odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declared {
    /// Nobody may open it.
    Closed(Closed),
    /// A list with countries that stand for not knowing, by which a policy forbids.
    UnknownCountry {
        /// The list.
        list: CountryListName,
        /// What stands in it.
        country: Country,
        /// The policy.
        by: PolicyId,
    },
}

/// Looks at a whole set, as it would be on `today`. Decides nothing that [`Bundle::parse`] and [`testing::run`] do not.
#[must_use]
pub fn look(sources: &PolicySources, vocabulary: &Vocabulary, today: Date) -> Findings {
    let mut problems = invariants(sources, vocabulary);
    let bundle = match Bundle::parse(sources, vocabulary.clone(), today) {
        Ok(bundle) => bundle,
        Err(errors) => {
            if errors.problems.iter().any(|problem| problem.rule == Rule::Schema) {
                problems.extend(files::without_schema(sources));
            }
            problems.extend(errors.problems);
            problems.extend(files::tables(sources));
            return Findings {
                problems: in_order(problems),
                warnings: vec![],
                declared: vec![],
                bundle: None,
                passed: 0,
            };
        }
    };
    let report = testing::run(&bundle, &sources.tests);
    problems.extend(report.failures.iter().filter_map(|failure| {
        let file = sources.tests.iter().find(|file| file.path == failure.file)?;
        if failure.case.is_empty() {
            return Some(BundleError::at_line(Rule::Table, file, failure.line, &failure.message));
        }
        let message = format!("{}: {}", failure.case, failure.message);
        Some(BundleError::at_line(Rule::Test, file, failure.line, message))
    }));
    let warnings = in_order(warnings(&bundle, sources, today));
    let closed = closed::find(&bundle).into_iter().map(Declared::Closed);
    let declared = closed.chain(unknown_countries(&bundle)).collect();
    Findings { problems: in_order(problems), warnings, declared, bundle: Some(bundle), passed: report.passed }
}

fn warnings(bundle: &Bundle, sources: &PolicySources, today: Date) -> Vec<BundleError> {
    let mut found = Vec::new();
    let notes: Vec<PolicyNote> = bundle.inventory().collect();
    let note = |id: &PolicyId| notes.iter().find(|note| note.id == *id);
    for ending in bundle.endings(today).into_iter().filter(Ending::is_soon) {
        let Some((file, span)) = note(&ending.id).and_then(|note| place(sources, note, &ending.written)) else {
            continue;
        };
        found.push(BundleError::new(Rule::Expires, file, span, ending.to_string()).with_help(ending.help()));
    }
    for stored in bundle.policies() {
        let Some(message) = &stored.notes.enforced.message else { continue };
        if i18n::policy_message(Language::default(), message).is_some() {
            continue;
        }
        let written = format!("@message(\"{message}\")");
        let Some((file, span)) = note(&stored.notes.enforced.id).and_then(|note| place(sources, note, &written)) else {
            continue;
        };
        let told = format!("there is no text `{message}`: people read the general sentence instead");
        found.push(
            BundleError::new(Rule::Message, file, span, told)
                .with_help("use a key of docs/policies.md, or leave `@message` out"),
        );
    }
    found
}

/// Where `written` stands in a policy; where it is not found, the whole policy.
fn place<'a>(sources: &'a PolicySources, note: &PolicyNote, written: &str) -> Option<(&'a SourceFile, (usize, usize))> {
    let found = sources.policies.iter().find_map(|file| Some((file, file.text.find(&note.text)?)));
    let (file, start) = found?;
    Some(match note.text.find(written).filter(|_| !written.is_empty()) {
        Some(at) => (file, (start + at, written.len())),
        None => (file, (start, note.text.len())),
    })
}

/// The lists by which a policy in force forbids, and which hold a country that stands for not knowing.
fn unknown_countries(bundle: &Bundle) -> Vec<Declared> {
    let odd = [Country::unknown(), Country::private()];
    let lists = bundle.vocabulary().country_lists.iter();
    let suspects = lists.filter_map(|(list, countries)| Some((list, odd.iter().find(|odd| countries.contains(*odd))?)));
    suspects
        .filter_map(|(list, country)| {
            let written = format!("CountryList::\"{list}\"");
            let by = bundle
                .inventory()
                .find(|note| note.standing == "in-force" && note.effect == "forbid" && note.text.contains(&written))?;
            Some(Declared::UnknownCountry { list: list.clone(), country: country.clone(), by: by.id })
        })
        .collect()
}

#[cfg(test)]
mod tests;
