//! The files for CI that are there to be copied: they are YAML, and every command in them exists with its flags.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::docs::{all_help, command_problem, words};
use crate::harness::process::run;
use crate::harness::repository;

const FILES: [&str; 2] = ["docs/ci/github.yml", "docs/ci/gitlab.yml"];
/// What each of them does, in this order.
const STEPS: [&str; 6] = ["policy check", "policy fmt", "policy test", "policy prove", "policy diff", "policy replay"];

/// A file as PyYAML reads it.
fn yaml(file: &str) -> Value {
    let text = fs::read(repository(file)).unwrap();
    let python = repository(".venv/bin/python");
    let program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let said = run(Command::new(python).args(["-c", program]), &text);
    assert!(said.ok, "{file}: {}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

/// Every line of every script, in the order of the file; `inside` says whether `value` is one.
fn script_lines(value: &Value, inside: bool, lines: &mut Vec<String>) {
    match value {
        Value::String(text) if inside => lines.extend(text.lines().map(str::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| script_lines(item, inside, lines)),
        Value::Object(fields) => {
            for (key, field) in fields {
                script_lines(field, inside || ["run", "script", "before_script"].contains(&key.as_str()), lines);
            }
        }
        _ => {}
    }
}

fn commands(file: &str) -> Vec<String> {
    let mut lines = Vec::new();
    script_lines(&yaml(file), false, &mut lines);
    lines.iter().filter_map(|line| line.trim().strip_prefix("cedargate ")).map(str::to_owned).collect()
}

#[test]
fn both_files_run_every_step_by_commands_that_exist() {
    let (all, mut wrong) = (all_help(), Vec::new());
    for file in FILES {
        let commands = commands(file);
        for step in STEPS {
            if !commands.iter().any(|command| command.starts_with(step)) {
                wrong.push(format!("{file}: no `cedargate {step}` in {commands:?}"));
            }
        }
        let problems = commands.iter().filter_map(|command| command_problem(&all, &words(command)));
        wrong.extend(problems.map(|problem| format!("{file}: {problem}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_about_ci_tells_of_every_step() {
    let page = fs::read_to_string(repository("docs/ci.md")).unwrap();
    let told: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `cedargate ")).collect();
    let steps: Vec<bool> = STEPS.iter().zip(&told).map(|(step, row)| row.starts_with(step)).collect();
    assert_eq!((told.len(), steps), (STEPS.len(), vec![true; STEPS.len()]), "{told:?}");
}
