use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn all_files_read_without_errors() {
    for source in EN.iter().chain(&DE) {
        let read = FluentResource::try_new((*source).to_owned());
        assert!(read.is_ok(), "{:?}", read.err().map(|(_, errors)| errors));
    }
}

/// Each key with the values it has places for.
fn places(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let place = regex::Regex::new(r"\{ \$([a-z_]+)").unwrap();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut key = String::new();
    let sources = if language == Language::En { EN } else { DE };
    for line in sources.iter().flat_map(|source| source.lines()) {
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            key = line.split(" =").next().unwrap().to_owned();
            assert!(!texts.contains_key(&key), "`{key}` is there twice");
            texts.insert(key.clone(), BTreeSet::new());
        }
        if let Some(places) = texts.get_mut(&key) {
            places.extend(place.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    texts
}

#[test]
fn both_languages_have_the_same_keys_and_places() {
    assert_eq!(places(Language::En), places(Language::De));
    assert_eq!(keys(Language::En).len(), places(Language::En).len());
}

#[test]
fn plurals_follow_the_language() {
    for (language, count, expected) in [
        (Language::En, 1, "One app found"),
        (Language::En, 3, "3 apps found"),
        (Language::De, 1, "Eine App gefunden"),
        (Language::De, 0, "0 Apps gefunden"),
    ] {
        assert_eq!(text(language, "portal-found", &[("count", Arg::Count(count))]), expected);
    }
}

#[test]
fn values_stand_in_texts_as_they_are() {
    let hostile = "{ $x } <b> \u{2067}";
    assert_eq!(text(Language::En, "launch-title", &[("app", Arg::Text(hostile))]), format!("Open {hostile}?"));
}

#[test]
fn a_missing_key_shows_itself() {
    assert_eq!(text(Language::De, "no-such-key", &[]), "no-such-key");
    assert_eq!(find(Language::De, "no-such-key", &[]), None);
}

#[test]
fn messages_of_policies_have_texts() {
    assert!(policy_message(Language::En, "network.blocked").unwrap().contains("blocked"));
    assert_eq!(policy_message(Language::En, "network"), None);
}

#[test]
fn the_language_is_the_best_one_we_speak() {
    for (header, expected) in [
        ("", Language::En),
        ("de", Language::De),
        ("DE-at", Language::De),
        ("fr, de;q=0.7, en;q=0.3", Language::De),
        ("en;q=0.5, de;q=0.9", Language::De),
        ("de, en", Language::De),
        ("en, de", Language::En),
        ("de;q=0", Language::En),
        ("de;q=0.000, en;q=0.1", Language::En),
        ("de;q=2", Language::En),
        ("de;q=0.1234", Language::En),
        ("de;q=banana", Language::En),
        ("de ; q=0.8 , en ; q=0.9", Language::En),
        ("*;q=0.1", Language::En),
    ] {
        assert_eq!(negotiate(header), expected, "{header}");
    }
    assert_eq!(negotiate(&"xx,".repeat(100_000)), Language::En);
}
