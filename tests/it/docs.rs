//! The documentation, held against the program: what README and docs show has to exist, load and be complete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::harness::process::{Said, run};
use crate::harness::{checkout, repository};

/// A page of the documentation.
struct Page {
    /// From the root of the repository, for messages.
    name: String,
    path: PathBuf,
    text: String,
}

/// A fenced block of a page.
struct Block {
    language: String,
    /// The line of its first line of text.
    line: usize,
    text: String,
}

/// README, ARCHITECTURE and all below docs.
fn pages() -> Vec<Page> {
    let root = repository("");
    let mut files = vec![repository("README.md"), repository("ARCHITECTURE.md")];
    collect(&repository("docs"), &mut files);
    let pages: Vec<Page> = files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
        .map(|path| Page {
            name: path.strip_prefix(&root).unwrap().display().to_string(),
            text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            path,
        })
        .collect();
    assert!(pages.len() > 6, "the documentation is found");
    pages
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// The fenced blocks of a page, and what stands between them.
fn split(text: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (number, line) in text.lines().enumerate() {
        match (open.take(), line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { language: language.to_owned(), line: number + 2, text: String::new() });
            }
            (Some(block), Some(_)) => blocks.push(block),
            (Some(mut block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a fence that is never closed");
    (blocks, prose)
}

fn cedargate(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    run(command.args(arguments).current_dir(folder).env_remove("CEDARGATE_CONFIG"), b"")
}

/// The words of a command line before what is piped, redirected or chained on.
pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().take_while(|word| !["|", ">", "&&", ";"].contains(word)).collect()
}

/// What one `--help` says: the commands below, and the flags.
pub(crate) struct Help {
    text: String,
    commands: BTreeSet<String>,
    flags: BTreeSet<String>,
}

/// The help of every command, by its words (`users import`); the root's has none.
pub(crate) fn all_help() -> BTreeMap<String, Help> {
    let command = Regex::new(r"^  ([a-z-]+)\b").unwrap();
    let flag = Regex::new(r"^ +(?:-\w, |    )(--[a-z-]+)").unwrap();
    let (mut all, mut waiting) = (BTreeMap::new(), vec![String::new()]);
    while let Some(name) = waiting.pop() {
        let mut arguments: Vec<&str> = name.split_whitespace().collect();
        arguments.push("--help");
        let said = cedargate(&repository(""), &arguments);
        assert!(said.ok, "`cedargate {}`:\n{}", arguments.join(" "), said.err);
        let listed = said.out.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
        let lines = listed.unwrap_or_default().lines();
        let commands: BTreeSet<String> =
            lines.filter_map(|line| command.captures(line)).map(|found| found[1].to_owned()).collect();
        let below = commands.iter().filter(|below| *below != "help");
        waiting.extend(below.map(|below| format!("{name} {below}").trim().to_owned()));
        let flags = said.out.lines().filter_map(|line| flag.captures(line)).map(|found| found[1].to_owned()).collect();
        all.insert(name, Help { text: said.out, commands, flags });
    }
    assert!(all.len() > 10, "the commands are found: {:?}", all.keys());
    all
}

/// What is wrong with a command line that starts behind `cedargate`.
pub(crate) fn command_problem(all: &BTreeMap<String, Help>, words: &[&str]) -> Option<String> {
    let mut name = String::new();
    for word in words.iter().take_while(|word| !word.starts_with('-')) {
        let commands = &all[&name].commands;
        if commands.is_empty() || *word == "help" {
            break;
        }
        if !commands.contains(*word) {
            return Some(format!("there is no command `{word}` below `cedargate {name}`"));
        }
        name = format!("{name} {word}").trim().to_owned();
    }
    let help = &all[&name];
    let unknown = words.iter().filter(|word| word.starts_with("--")).find(|word| {
        let flag = word.split('=').next().unwrap_or(word);
        !help.flags.contains(flag)
    });
    unknown.map(|flag| format!("`cedargate {name}` has no flag `{flag}`:\n{}", help.text))
}

#[test]
fn commands_that_are_shown_exist() {
    let (all, mut wrong, mut seen) = (all_help(), Vec::new(), 0);
    let inline = Regex::new(r"`cedargate ([a-z][^`]*)`").unwrap();
    for page in pages() {
        let (blocks, prose) = split(&page.text);
        for block in blocks.iter().filter(|block| ["console", "sh"].contains(&block.language.as_str())) {
            for (number, line) in block.text.lines().enumerate() {
                let line = if block.language == "console" { line.strip_prefix("$ ") } else { Some(line) };
                let words = words(line.unwrap_or_default());
                let Some(at) = words.iter().position(|word| *word == "cedargate") else { continue };
                // In a shell block the name also stands for a user or a folder; commands come first on their line.
                if at > 0 {
                    continue;
                }
                seen += 1;
                if let Some(problem) = command_problem(&all, &words[1..]) {
                    wrong.push(format!("{}:{}: {problem}", page.name, block.line + number));
                }
            }
        }
        for found in inline.captures_iter(&prose) {
            seen += 1;
            let words: Vec<&str> = words(&found[1]).into_iter().map(|word| word.trim_matches(['[', ']'])).collect();
            if let Some(problem) = command_problem(&all, &words).filter(|_| !found[1].contains('…')) {
                wrong.push(format!("{}: `{}`: {problem}", page.name, &found[0]));
            }
        }
    }
    assert!(seen > 30, "commands are found: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_and_flag_is_explained() {
    let text = fs::read_to_string(repository("docs/commands.md")).unwrap();
    let (all, mut missing) = (all_help(), Vec::new());
    for (name, help) in &all {
        if help.commands.is_empty() && !text.contains(&format!("\n## `{name}`\n")) {
            missing.push(format!("a section `{name}`"));
        }
        missing.extend(help.commands.iter().filter(|word| !text.contains(word.as_str())).cloned());
        let section = text.split(&format!("\n## `{name}`\n")).nth(1).and_then(|rest| rest.split("\n## ").next());
        let general = text.split("\n## Exit codes").next().unwrap_or_default();
        for flag in &help.flags {
            let told = |part: &str| part.contains(&format!("| `{flag}"));
            if !told(general) && !section.is_some_and(told) {
                missing.push(format!("`{flag}` of `{name}`"));
            }
        }
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("## `")) {
        let name = line.trim_end_matches('`');
        if !all.contains_key(name) {
            missing.push(format!("the command of the section `{name}`"));
        }
    }
    assert!(missing.is_empty(), "docs/commands.md and the commands differ; missing: {missing:#?}");
}

/// The files that a link or a picture of `prose` leads to, without those on other machines.
fn targets(prose: &str) -> Vec<String> {
    let links = Regex::new(r#"\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)""#).unwrap();
    links
        .captures_iter(prose)
        .filter_map(|found| found.get(1).or(found.get(2)))
        .map(|target| target.as_str().to_owned())
        .filter(|target| !["http:", "https:", "mailto:"].iter().any(|scheme| target.starts_with(scheme)))
        .collect()
}

/// The anchors of a page, as they are made from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let (_, prose) = split(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| {
            heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c)).collect::<String>()
        })
        .map(|heading| heading.replace(' ', "-"))
        .collect()
}

#[test]
fn links_and_pictures_lead_somewhere() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        for target in targets(&split(&page.text).1) {
            seen += 1;
            let (file, anchor) = target.split_once('#').map_or((target.as_str(), None), |(f, a)| (f, Some(a)));
            let path = if file.is_empty() { page.path.clone() } else { page.path.parent().unwrap().join(file) };
            if !path.exists() {
                wrong.push(format!("{}: `{target}` is not there", page.name));
            } else if let Some(anchor) = anchor {
                let text = fs::read_to_string(&path).unwrap();
                if !anchors(&text).contains(anchor) {
                    wrong.push(format!("{}: `{target}` has no such heading: {:?}", page.name, anchors(&text)));
                }
            }
        }
    }
    assert!(seen > 20, "links are found: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pictures_are_light() {
    let mut files = Vec::new();
    collect(&repository("docs/images"), &mut files);
    assert!(!files.is_empty());
    for file in files {
        let bytes = fs::metadata(&file).unwrap().len();
        assert!(bytes < 200 * 1024, "{}: {bytes} bytes", file.display());
    }
}

/// All policies as shipped, one file after the other.
fn shipped_policies() -> String {
    let mut files = Vec::new();
    collect(&repository("policies"), &mut files);
    // Invariants are no policies: docs/proofs.md tells of them.
    files.retain(|file| {
        file.extension().is_some_and(|extension| extension == "cedar") && !file.iter().any(|part| part == "invariants")
    });
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn the_readme_has_a_line_for_every_policy() {
    let id = Regex::new(r#"@id\("([^"]+)"\)"#).unwrap();
    let policies = shipped_policies();
    let shipped: Vec<&str> = id.captures_iter(&policies).map(|found| found.get(1).unwrap().as_str()).collect();
    let row = Regex::new(r"(?m)^\| `([a-z0-9-]+\.[a-z0-9.-]+)` \|").unwrap();
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let told: Vec<&str> = row.captures_iter(&readme).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(shipped.len() > 20);
    assert_eq!(told, shipped, "the table of README.md, and the policies in the order of their files");
}

/// What `name("…")` of an annotation or an action says, everywhere in `text`.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The row of one policy, from its text.
fn policy_row(text: &str) -> String {
    let one = |name: &str| quoted(text, &format!("@{name}(\"")).first().copied().unwrap_or_default().to_owned();
    let effect = if Regex::new(r"(?m)^permit\b").unwrap().is_match(text) { "permit" } else { "forbid" };
    let scope = text.split("\nwhen").next().and_then(|scope| scope.split("\nunless").next()).unwrap();
    let steps: Vec<String> = quoted(scope, "Action::\"").iter().map(|step| format!("`{step}`")).collect();
    let steps = if steps.is_empty() { "all".to_owned() } else { steps.join(", ") };
    let alert = one("alert").replace(',', ", ");
    let (report, message) = (if text.contains("@mode(\"report\")") { ", on trial" } else { "" }, one("message"));
    let message = if message.is_empty() { message } else { format!("`{message}`") };
    format!("| `{}` | {effect}{report} | {steps} | {} | {alert} | {message} |", one("id"), one("description"))
}

#[test]
fn the_policy_page_has_a_row_for_every_policy_as_it_stands_in_its_file() {
    let policies = shipped_policies();
    let wanted: Vec<String> =
        policies.split("@id(").skip(1).map(|policy| policy_row(&format!("@id({policy}"))).collect();
    assert!(wanted.len() > 20);
    let page = fs::read_to_string(repository("docs/policies.md")).unwrap();
    let table = page.split("\n## The policies shipped\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let told: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(told, wanted, "docs/policies.md; it should say:\n{}\n", wanted.join("\n"));
}

/// Each policy is seen by the tests that are shipped, but for those about steps that no page takes yet.
#[test]
fn every_policy_is_seen_to_apply_and_to_stay_out() {
    let said = cedargate(checkout().path(), &["policy", "test"]);
    assert!(said.ok, "{said:?}");
    let unseen: Vec<&str> = said.out.lines().filter(|line| line.starts_with("no case")).collect();
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// What the examples of docs/getting-started.md tell to declare besides.
const DECLARED: &str = r#"
[[apps.roles]]
name = "Auditor"
role_arn = "arn:aws:iam::123456789012:role/Auditor"
provider_arn = "arn:aws:iam::123456789012:saml-provider/cedargate"

[[apps]]
id = "tickets"
entity_id = "https://tickets.example.com/saml"
acs = "https://tickets.example.com/saml/acs"
"#;

/// The shipped settings with group, role and app of the examples. The role belongs to the app before it in the file.
fn with_declared(config: &str) -> String {
    let (before, after) = config.split_once("\n# Any other app").expect("config.toml has its second app");
    let (role, app) = DECLARED.split_once("\n[[apps]]").unwrap();
    let config = format!("{before}\n{role}\n\n# Any other app{after}\n[[apps]]{app}");
    config.replacen("\n[groups]\n", "\n[groups]\nauditors = \"Look, but do not touch\"\n", 1)
}

#[test]
fn policies_that_are_shown_load() {
    let (shipped_text, mut seen) = (shipped_policies(), 0);
    for page in pages() {
        for block in split(&page.text).0.iter().filter(|block| block.language == "cedar") {
            seen += 1;
            if shipped_text.contains(&block.text) {
                continue;
            }
            let folder = checkout();
            let config = folder.path().join("config.toml");
            fs::write(&config, with_declared(&fs::read_to_string(&config).unwrap())).unwrap();
            fs::write(folder.path().join("policies/99-example.cedar"), &block.text).unwrap();
            // What the shipped tests say of the shipped policies need not hold beside another one.
            fs::remove_dir_all(folder.path().join("policies/tests")).unwrap();
            let said = cedargate(folder.path(), &["check"]);
            assert!(said.ok, "{}:{}: {}{}", page.name, block.line, said.out, said.err);
        }
    }
    assert!(seen >= 4, "policies are found: {seen}");
}

/// docs/config.md has its own tests beside `config`.
#[test]
fn settings_and_policy_tests_that_are_shown_load() {
    let mut seen = 0;
    for page in pages().iter().filter(|page| page.name != "docs/config.md") {
        for block in split(&page.text).0.iter().filter(|block| block.language == "toml") {
            seen += 1;
            let place = format!("{}:{}", page.name, block.line);
            let folder = checkout();
            if block.text.contains("[[case]]") {
                fs::write(folder.path().join("policies/tests/example.toml"), &block.text).unwrap();
                let said = cedargate(folder.path(), &["policy", "test"]);
                assert!(said.ok, "{place}: {}{}", said.out, said.err);
            } else {
                let file = folder.path().join("config.toml");
                fs::write(&file, &block.text).unwrap();
                let loaded = cedargate::config::load(&file, []);
                loaded.unwrap_or_else(|errors| panic!("{place}: {errors:?}"));
            }
        }
    }
    assert!(seen >= 4, "settings are found: {seen}");
}

/// The numbers may grow old between two releases; the words may not.
#[test]
fn the_result_of_check_is_shown_as_it_is() {
    let said = cedargate(checkout().path(), &["check"]);
    assert!(said.ok, "{}{}", said.out, said.err);
    let number = Regex::new("[0-9]+").unwrap();
    let blank = |text: &str| number.replace_all(text, "N").into_owned();
    for page in pages() {
        for line in page.text.lines().filter(|line| line.starts_with("config.toml: fine (")) {
            assert_eq!(blank(line), blank(said.out.trim_end()), "{}", page.name);
        }
    }
}

/// The tests of the library and of `tests/it`, as `cargo test` prints their names.
fn names_of_tests() -> BTreeSet<String> {
    let test = Regex::new(r"#\[(?:tokio::)?test(?:\([^\]]*\))?\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)").unwrap();
    let mut names = BTreeSet::new();
    for root in [repository("src"), repository("tests/it")] {
        let mut files = Vec::new();
        collect(&root, &mut files);
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
            let text = fs::read_to_string(file).unwrap();
            let within = text.find("\nmod tests {");
            let path = file.strip_prefix(&root).unwrap().with_extension("");
            let mut module: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
            module.pop_if(|last| ["mod", "lib", "main"].contains(last));
            for found in test.captures_iter(&text) {
                let inner = within.is_some_and(|start| found.get(0).unwrap().start() > start).then_some("tests");
                let parts: Vec<&str> = module.iter().copied().chain(inner).chain([&found[1]]).collect();
                names.insert(parts.join("::"));
            }
        }
    }
    assert!(names.len() > 500, "tests are found: {}", names.len());
    names
}

/// The attacks of the corpora that do not stand under the rule which refuses them.
fn attacks_not_told(page: &str) -> Vec<String> {
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut files, mut missing, mut seen) = (Vec::new(), Vec::new(), 0);
    collect(&repository("tests/attacks"), &mut files);
    for file in files {
        let corpus: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
        for case in corpus["case"].as_array().unwrap() {
            let Some(rule) = case.get("rule").and_then(toml::Value::as_str) else { continue };
            let name = case["name"].as_str().unwrap();
            let section = page.split(&format!("\n## {rule} ")).nth(1).and_then(|rest| rest.split("\n## ").next());
            seen += 1;
            if !spaced(section.unwrap_or_default()).contains(&spaced(name)) {
                missing.push(format!("{rule}: {name}"));
            }
        }
    }
    assert!(seen > 30, "attacks are found: {seen}");
    missing
}

#[test]
fn what_the_security_page_says_is_shown_by_tests_that_exist() {
    let page = fs::read_to_string(repository("docs/saml-security.md")).unwrap();
    let (names, named) = (names_of_tests(), Regex::new(r"`([a-z0-9_]+(?:::[a-z0-9_]+)+)`").unwrap());
    let (mut wrong, mut rows) = (Vec::new(), 0);
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| attack |");
    for row in page.lines().filter(is_row) {
        rows += 1;
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<&str> = named.captures_iter(tests).map(|found| found.get(1).unwrap().as_str()).collect();
        if tests.is_empty() {
            wrong.push(format!("no test: {row}"));
        }
        wrong.extend(tests.iter().filter(|test| !names.contains(**test)).map(|test| format!("no such test: {test}")));
    }
    assert!(rows > 30, "rows are found: {rows}");
    for rule in 1..=13 {
        if !page.contains(&format!("\n## X{rule} ")) {
            wrong.push(format!("the rule X{rule} is missing"));
        }
    }
    wrong.extend(attacks_not_told(&page));
    assert!(wrong.is_empty(), "docs/saml-security.md:\n{}", wrong.join("\n"));
}
