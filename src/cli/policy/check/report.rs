//! What was found, for people and for machines.

use std::io;
use std::path::Path;

use jiff::civil::Date;
use miette::Diagnostic;
use serde_json::{Value, json};

use super::strays::strays;
use crate::cli::check::counted;
use crate::cli::write_finding;
use crate::config::{Loaded, LocatedProblem, Problem};
use crate::domain::{AppId, RoleName};
use crate::policy::findings::{self, Closed, Declared};
use crate::policy::{BundleError, Counts, Rule};
use crate::runtime::Candidate;

/// One finding, in a file of policies or in the settings.
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) file: String,
    /// Line and column, from 1; a value from the environment has no place.
    pub(super) start: Option<(usize, usize)>,
    /// Behind the last character, where that is known.
    pub(super) end: Option<(usize, usize)>,
    pub(super) message: String,
    pub(super) help: Option<String>,
    picture: Box<dyn Diagnostic>,
}

impl Finding {
    fn of_policies(problem: BundleError) -> Self {
        Self {
            rule: problem.rule,
            file: problem.file.clone(),
            start: Some((problem.line, problem.column)),
            end: Some(problem.end()),
            message: problem.message.clone(),
            help: problem.help.clone(),
            picture: Box::new(problem),
        }
    }

    fn of_settings(rule: Rule, file: &Path, problem: LocatedProblem) -> Self {
        Self {
            rule,
            file: file.display().to_string(),
            start: problem.line_column(),
            end: None,
            message: problem.to_string(),
            help: problem.problem().help.clone(),
            picture: Box::new(problem),
        }
    }

    fn of_stray(path: &Path, folder: &str) -> Self {
        let message = "nothing reads this file".to_owned();
        let help =
            format!("policies stand in `{folder}`, invariants and tests in its folders `invariants` and `tests`");
        Self {
            rule: Rule::Unread,
            file: path.display().to_string(),
            start: None,
            end: None,
            message: message.clone(),
            help: Some(help.clone()),
            picture: Box::new(miette::MietteDiagnostic::new(message).with_help(help)),
        }
    }

    pub(super) fn json(&self) -> Value {
        let (line, column) = self.start.unzip();
        let (rule, file, message) = (self.rule.code(), &self.file, &self.message);
        json!({ "rule": rule, "file": file, "line": line, "column": column, "message": message, "help": self.help })
    }

    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let place = self.start.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
        let level = if self.rule.is_warning() { "warning: " } else { "" };
        let message = format!("{level}{}", self.message);
        write_finding(out, &format!("{}{place}", self.file), &message, self.picture.as_ref())
    }
}

/// All of it.
pub(super) struct Report {
    /// Where the policies are from.
    pub(super) from: String,
    pub(super) findings: Vec<Finding>,
    /// None when the policies do not load.
    pub(super) policies: Option<Counts>,
    pub(super) invariants: usize,
    pub(super) passed: usize,
}

impl Report {
    /// The settings do not load.
    pub(super) fn of_settings(config: &Path, problems: Vec<LocatedProblem>) -> Self {
        let findings =
            problems.into_iter().map(|problem| Finding::of_settings(Rule::Config, config, problem)).collect();
        Self { from: config.display().to_string(), findings, policies: None, invariants: 0, passed: 0 }
    }

    /// What is to be said of `candidate` on `today`.
    pub(super) fn of_policies(loaded: &Loaded, candidate: &Candidate, today: Date) -> Self {
        let found = findings::look(&candidate.sources, &candidate.vocabulary, today);
        let mut findings: Vec<Finding> =
            found.problems.into_iter().chain(found.warnings).map(Finding::of_policies).collect();
        for declared in &found.declared {
            let (rule, problem) = told(loaded, declared);
            let located = loaded.report(vec![problem]);
            let located = located.problems().iter().cloned();
            findings.extend(located.map(|problem| Finding::of_settings(rule, &loaded.config.file, problem)));
        }
        let strays = strays(Path::new(&candidate.name));
        findings.extend(strays.iter().map(|path| Finding::of_stray(path, &candidate.name)));
        Self {
            from: candidate.name.clone(),
            findings,
            policies: found.bundle.as_ref().map(crate::policy::Bundle::counts),
            invariants: candidate.sources.invariants.len(),
            passed: found.passed,
        }
    }

    pub(super) fn of(&self, warnings: bool) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.rule.is_warning() == warnings)
    }

    pub(super) fn count(&self, warnings: bool) -> usize {
        self.of(warnings).count()
    }

    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.findings.iter().try_for_each(|finding| finding.write(out))?;
        let (problems, warnings) = (self.count(false), self.count(true));
        let counts: Vec<String> = [(problems, "problem"), (warnings, "warning")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| counted(count, noun))
            .collect();
        match self.policies.filter(|_| problems == 0) {
            None => writeln!(out, "{}: {}", self.from, counts.join(", ")),
            Some(policies) => {
                let mut parts = vec![policies.to_string()];
                if self.invariants > 0 {
                    parts.push(format!("{} of invariants", counted(self.invariants, "file")));
                }
                parts.push(counted(self.passed, "policy test"));
                parts.extend(counts);
                writeln!(out, "{}: fine ({})", self.from, parts.join(", "))
            }
        }
    }
}

/// The key of config.toml, and what is odd about it.
fn told(loaded: &Loaded, declared: &Declared) -> (Rule, Problem) {
    match declared {
        Declared::Closed(Closed { app, role: None }) => {
            let key = format!("{}.id", app_key(loaded, app));
            let help = format!(
                "`cedargate policy new access --app {app} --group GROUP` writes a permit; until there is one, it is \
                 closed to all"
            );
            (Rule::Closed, Problem::new(key, format!("nobody may open `{app}`: no policy permits it")).with_help(help))
        }
        Declared::Closed(Closed { app, role: Some(role) }) => {
            let message = format!("nobody may become `{role}` of `{app}`: no policy permits it");
            let help = format!("write a permit for `assumeRole` with `resource == Role::\"{app}/{role}\"`");
            (Rule::Closed, Problem::new(role_key(loaded, app, role), message).with_help(help))
        }
        Declared::UnknownCountry { list, country, by } => {
            let (who, hint) = if country.as_str() == "ZZ" {
                ("everybody whose country is not known", "which is all of them as long as there are no geo files")
            } else {
                ("everybody in a private network", "the office most likely among them")
            };
            let message = format!("`{country}` in this list makes `{by}` refuse {who}, {hint}");
            (Rule::UnknownCountry, Problem::new(format!("country_lists.{list}"), message).with_help("take it out"))
        }
    }
}

fn app_key(loaded: &Loaded, app: &AppId) -> String {
    let at = loaded.config.apps.iter().position(|known| known.id == *app);
    format!("apps[{}]", at.unwrap_or_default())
}

fn role_key(loaded: &Loaded, app: &AppId, role: &RoleName) -> String {
    let known = loaded.config.apps.iter().find(|known| known.id == *app);
    let at = known.and_then(|app| app.roles.iter().position(|known| known.name == *role));
    format!("{}.roles[{}].name", app_key(loaded, app), at.unwrap_or_default())
}
