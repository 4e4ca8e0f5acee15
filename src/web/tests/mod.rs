//! What holds for every page in every language.

mod html;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::account::pages::Done;
use super::errors::pages::ProblemKind;
use super::page::{FormError, Frame};
use super::portal::pages::TileNote;
use super::samples::{self, Sample};
use super::signin::pages::LinkKind;
use super::{assets, signin};
use crate::domain::{Language, Method};
use crate::i18n;

const HOSTILE: &str = "\"'><script>alert(1)</script>{{ frame }}&amp;\u{202e}";

fn check_all(word: &str, check: impl Fn(&Sample, Language)) {
    for lang in Language::ALL {
        for sample in samples::all(lang, word) {
            check(&sample, lang);
        }
    }
}

#[test]
fn every_page_is_well_formed_and_labelled() {
    for word in ["Example Organisation", HOSTILE] {
        check_all(word, |sample, lang| {
            let problems = html::problems(&sample.html, lang.tag());
            assert!(problems.is_empty(), "{} ({}): {problems:#?}\n{}", sample.name, lang.tag(), sample.html);
        });
    }
}

#[test]
fn nothing_from_outside_reaches_a_page_unescaped() {
    check_all(HOSTILE, |sample, _| {
        assert!(!sample.html.contains("<script>alert"), "{}\n{}", sample.name, sample.html);
        assert!(!sample.html.contains("\"'>"), "{}\n{}", sample.name, sample.html);
        assert!(!sample.html.contains("\"javascript:"), "{}\n{}", sample.name, sample.html);
    });
}

#[test]
fn every_page_with_an_error_says_so_in_its_title_and_ties_it_to_its_field() {
    check_all("Example", |sample, lang| {
        let prefix = i18n::text(lang, "error-title-prefix", &[]);
        let wrong = sample.name.ends_with("-error") || sample.name == "password-wait";
        assert_eq!(sample.html.contains(&format!("<title>{prefix} ")), wrong, "{}", sample.name);
        assert_eq!(sample.html.contains("aria-invalid=\"true\""), wrong, "{}", sample.name);
        assert!(!wrong || sample.html.contains("autofocus"), "{} focuses the field", sample.name);
    });
}

#[test]
fn every_text_that_code_asks_for_exists_in_every_language() {
    let keys = used_keys();
    assert!(keys.len() > 150, "the templates were read: {}", keys.len());
    for lang in Language::ALL {
        for key in &keys {
            assert!(i18n::text(lang, key, &[]) != *key, "`{key}` is missing in {}", lang.tag());
        }
    }
}

#[test]
fn no_text_is_left_over() {
    let used = used_keys();
    for key in i18n::keys(Language::En) {
        let policy = key.starts_with("policy-message-");
        let told_by_handlers = ["blocked-general", "blocked-no-permit", "blocked-no-role"].contains(&key.as_str());
        assert!(policy || told_by_handlers || used.contains(&key), "nothing shows `{key}`");
    }
}

/// The keys that templates and page contexts name, and those made from closed sets.
fn used_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let call = Regex::new(r#"\.t(?:_arg|_count|_with)?\(\s*"([a-z0-9_-]+)""#).unwrap();
    for file in files(&root().join("src/web")) {
        if file.extension().is_some_and(|ext| ext == "html" || ext == "rs") {
            let text = fs::read_to_string(&file).unwrap();
            keys.extend(call.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    // The demonstration keeps its keys in tables.
    let listed = Regex::new(r#""(demo-[a-z-]+)""#).unwrap();
    for file in files(&root().join("src/demo")) {
        if file.extension().is_some_and(|ext| ext == "rs") {
            keys.extend(listed.captures_iter(&fs::read_to_string(&file).unwrap()).map(|found| found[1].to_owned()));
        }
    }
    for step in crate::demo::handlers::STEPS {
        keys.extend(["title", "text", "label"].map(|part| format!("demo-step-{step}-{part}")));
    }
    keys.extend(crate::demo::handlers::COUNTRIES.map(|code| format!("demo-country-{}", code.to_lowercase())));
    keys.extend(FormError::ALL.map(|error| error.key().to_owned()));
    keys.extend(Done::ALL.map(|done| done.key().to_owned()));
    keys.extend(TileNote::ALL.map(|note| note.key().to_owned()));
    for kind in ProblemKind::ALL {
        keys.extend(["title", "text"].map(|part| format!("problem-{}-{part}", kind.code())));
    }
    for kind in LinkKind::ALL {
        keys.extend(["title", "text", "button"].map(|part| format!("link-{}-{part}", kind.code())));
    }
    for method in Method::ALL {
        keys.extend(["", "-hint"].map(|part| format!("method-{}{part}", method.code())));
    }
    keys
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn the_first_page_is_small() {
    let page = samples::all(Language::De, "Example").into_iter().find(|sample| sample.name == "identify").unwrap();
    let assets = ["style.css", "icon.svg", "rings.svg"].map(size);
    let total = page.html.len() + assets.iter().sum::<usize>();
    assert!(total < 50_000, "{total} bytes: html {}, {assets:?}", page.html.len());
}

fn size(name: &str) -> usize {
    assets::find(assets::version(), name).unwrap().bytes.len()
}

#[test]
fn every_asset_a_page_or_style_names_is_embedded() {
    let named = Regex::new(r#"/assets/([0-9a-f]+)/([a-z.-]+)"#).unwrap();
    check_all("Example", |sample, _| {
        for found in named.captures_iter(&sample.html) {
            assert!(assets::find(&found[1], &found[2]).is_some(), "{}: {}", sample.name, &found[0]);
        }
    });
    let style = String::from_utf8(assets::find(assets::version(), "style.css").unwrap().bytes.to_vec()).unwrap();
    for found in Regex::new(r#"url\("([^"]*)"\)"#).unwrap().captures_iter(&style) {
        assert!(assets::find(assets::version(), &found[1]).is_some(), "{}", &found[1]);
    }
    for icon in crate::config::APP_ICONS {
        let url = assets::app_icon_url(icon).unwrap();
        assert!(assets::find(assets::version(), url.rsplit('/').next().unwrap()).is_some(), "{url}");
    }
}

#[test]
fn an_asset_under_another_version_is_not_found() {
    assert_eq!(assets::find("0123456789abcdef", "style.css"), None);
    assert_eq!(assets::find(assets::version(), "../style.css"), None);
    assert_eq!(assets::app_icon_url("../cloud"), None);
}

#[test]
fn a_contact_becomes_a_link_only_where_it_is_one() {
    for (contact, url) in [
        ("help@example.com", Some("mailto:help@example.com")),
        ("https://help.example.com/", Some("https://help.example.com/")),
        ("javascript:alert(1)", None),
        ("Room 4, ask for Ann", None),
    ] {
        let frame = Frame { contact: Some(contact.to_owned()), ..Frame::new(Language::En, "Example", None, "t") };
        assert_eq!(frame.contact_url().as_deref(), url, "{contact}");
    }
}

#[test]
fn a_page_links_to_its_other_languages_where_it_can_be_asked_for_again() {
    for (address, expected) in
        [(None, vec![]), (Some("/signin"), vec!["/signin?lang=de"]), (Some("/?q=wiki"), vec!["/?q=wiki&lang=de"])]
    {
        let language_url = address.map(ToOwned::to_owned);
        let frame = Frame { language_url, ..Frame::new(Language::En, "Example", None, "t") };
        assert_eq!(frame.language_links().into_iter().map(|link| link.url).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn reasons_are_told_once_and_unknown_ones_not_at_all() {
    let messages = ["network.abroad", "made.up", "network.abroad", "device.limit"];
    assert_eq!(signin::pages::reasons(Language::En, messages).len(), 2);
}

/// For people: the samples as files, with the assets beside them, to open through any static file server.
#[test]
fn the_samples_are_written_for_people_to_look_at() {
    let folder = root().join("test-output/pages");
    for lang in Language::ALL {
        let folder = folder.join(lang.tag());
        fs::create_dir_all(&folder).unwrap();
        for sample in samples::all(lang, "Example Organisation") {
            fs::write(folder.join(format!("{}.html", sample.name)), sample.html).unwrap();
        }
    }
    let shown = folder.join("assets").join(assets::version());
    fs::create_dir_all(&shown).unwrap();
    for asset in assets::ALL {
        fs::write(shown.join(asset.name), asset.bytes).unwrap();
    }
}

proptest::proptest! {
    #[test]
    fn a_relay_state_comes_out_of_the_page_as_it_went_in(
        state in "[^\\p{Cc}]{0,80}|([\"'<>&/=; ]|&#?[a-z0-9]{1,4};|</?(input|script|form)|javascript:){0,12}",
    ) {
        let frame = Frame::new(Language::En, "Example", None, "token");
        let page = super::saml::pages::Post {
            frame,
            app_name: "Wiki".to_owned(),
            acs: "https://wiki.example.com/acs".to_owned(),
            saml_response: "PHg+".to_owned(),
            relay_state: Some(state.clone()),
        };
        let html = scraper::Html::parse_document(&askama::Template::render(&page).unwrap());
        let inputs = scraper::Selector::parse("form#response input").unwrap();
        let fields: Vec<(&str, &str)> = html
            .select(&inputs)
            .map(|input| (input.attr("name").unwrap_or_default(), input.attr("value").unwrap_or_default()))
            .collect();
        proptest::prop_assert_eq!(fields, [("SAMLResponse", "PHg+"), ("RelayState", state.as_str())]);
        let scripts = scraper::Selector::parse("script").unwrap();
        proptest::prop_assert!(html.select(&scripts).all(|script| script.inner_html().is_empty()), "nothing but our own file");
    }
}
