//! The shape of the source: who may use whom, how long a file may be, and what must not be written into it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::harness::repository;

/// The modules of the crate, lowest first. A module uses modules of the tiers before its own (ARCHITECTURE.md).
const TIERS: &[&[&str]] = &[
    &["clock"],
    &["domain"],
    &["i18n", "telemetry", "config"],
    &["state", "workers"],
    &["accounts"],
    &["sessions", "devices", "audit", "notify", "signals"],
    &["policy", "methods"],
    &["saml"],
    &["runtime"],
    &["signin"],
    &["web"],
    &["demo"],
    &["cli"],
];

/// Crates that only some places may know: the crate as it is named in code, and the paths below `src`.
const CONFINED: &[(&str, &[&str])] = &[
    ("cedar_policy", &["policy"]),
    ("samael", &["saml", "demo"]),
    ("bergshamra", &["saml"]),
    ("reqwest", &["runtime/metadata"]),
    ("sqlx", &["accounts", "state/embedded", "state/embedded.rs"]),
    ("redis", &["state/redis", "state/redis.rs", "state/mod.rs"]),
    ("actix_web", &["web", "demo", "cli/serve.rs", "cli/demo.rs"]),
    ("askama", &["web", "notify"]),
    ("lettre", &["notify"]),
    ("fluent_bundle", &["i18n"]),
    ("maxminddb", &["signals"]),
    ("prometheus_client", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("cryptoki", &["saml/keys"]),
    ("clap", &["cli", "telemetry"]),
    ("anyhow", &["cli", "main.rs"]),
];

/// Longer files are two files.
const LINES: usize = 600;

struct Source {
    /// Below `src`.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module of the crate's root that the file belongs to; none for the two roots.
    fn module(&self) -> Option<String> {
        let first = self.path.components().next()?.as_os_str().to_str()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (!["lib", "main"].contains(&name)).then(|| name.to_owned())
    }

    /// `tests.rs` beside the code, and what lies in a folder of that name.
    fn is_test(&self) -> bool {
        self.path.iter().any(|part| part == "tests" || part == "tests.rs")
    }

    /// Code without comments, and without what is compiled for tests only: tests may look further.
    fn code(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let code = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }
}

fn sources() -> Vec<Source> {
    let root = repository("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 10, "the source is found");
    files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| Source {
            text: fs::read_to_string(&file).unwrap(),
            path: file.strip_prefix(&root).unwrap().to_owned(),
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

fn tier(module: &str) -> Option<usize> {
    TIERS.iter().position(|tier| tier.contains(&module))
}

/// The modules of the crate that `code` names, in `crate::name` or `use crate::{name, …}`.
fn used_modules(code: &str) -> BTreeSet<String> {
    let single = Regex::new(r"\bcrate::([a-z_0-9]+)").unwrap();
    let mut used: BTreeSet<String> = single.captures_iter(code).map(|found| found[1].to_owned()).collect();
    let group = Regex::new(r"(?s)\bcrate::\{(.*?)\};").unwrap();
    let name = Regex::new(r"^\s*([a-z_0-9]+)").unwrap();
    for found in group.captures_iter(code) {
        used.extend(top_level(&found[1]).iter().filter_map(|item| name.captures(item)).map(|name| name[1].to_owned()));
    }
    used
}

/// The items of a `use` group, cut at its own commas only.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0_i32, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&group[start..]);
    items
}

#[test]
fn every_module_has_its_place_in_the_tiers() {
    let unknown: BTreeSet<_> =
        sources().iter().filter_map(Source::module).filter(|module| tier(module).is_none()).collect();
    assert!(unknown.is_empty(), "a new module needs a tier: {unknown:?}");
}

#[test]
fn modules_use_only_the_tiers_below_theirs() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((module, own)) = source.module().and_then(|module| tier(&module).map(|tier| (module, tier))) else {
            continue;
        };
        for used in used_modules(&source.code()) {
            if used != module && tier(&used).is_some_and(|tier| tier >= own) {
                wrong.push(format!("src/{}: `{module}` uses `{used}`", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn crates_are_used_only_where_they_belong() {
    let uses = |name: &str| Regex::new(&format!(r"\b{name}(::|;| as )")).unwrap();
    let confined: Vec<_> = CONFINED.iter().map(|(name, places)| (name, uses(name), places)).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let code = source.code();
        for (name, uses, places) in &confined {
            if uses.is_match(&code) && !places.iter().any(|place| source.path.starts_with(place)) {
                wrong.push(format!("src/{}: {name} belongs to {}", source.path.display(), places.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "crates outside their place:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_and_each_says_what_lives_in_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LINES {
            wrong.push(format!("src/{}: {lines} lines", source.path.display()));
        }
        if !source.is_test() && !source.text.starts_with("//!") {
            wrong.push(format!("src/{}: no module doc", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_names_a_folder_of_some_machine() {
    let private = Regex::new(r"/(home|root|work|Users|private/tmp)/|/tmp/|[A-Z]:\\\\").unwrap();
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "policies", "docs", ".ci"] {
        let folder = repository(folder);
        if folder.exists() {
            collect(&folder, &mut files);
        }
    }
    let top = [
        "Makefile",
        "Cargo.toml",
        "config.toml",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "deny.toml",
        "clippy.toml",
    ];
    files.extend(top.map(repository).into_iter().filter(|file| file.exists()));
    let mut wrong = Vec::new();
    for file in files.into_iter().filter(|file| !file.ends_with("tests/it/architecture.rs")) {
        // Pictures are no text.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| private.is_match(line)) {
            wrong.push(format!("{}:{}: {line}", file.display(), number + 1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn groups_of_uses_are_read_like_single_ones() {
    let code = "use crate::{clock::Clock, domain::{App, User}, saml};\nuse crate::web::page::Frame; fn f() { crate::audit::x() }";
    let used: Vec<_> = used_modules(code).into_iter().collect();
    assert_eq!(used, ["audit", "clock", "domain", "saml", "web"]);
}
