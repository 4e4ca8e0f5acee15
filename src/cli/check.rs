//! `cedargate check`: is what the files say fit to run? Config, apps, policies and the policies' own tests.

mod metadata;
mod users;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{EXIT_PROBLEMS, load_config, today, write_finding, write_problems};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, ConfigErrors};
use crate::policy::BundleErrors;
use crate::policy::findings::Ending;
use crate::policy::testing::Failure;
use crate::runtime::{self, Checked, LoadError};
use crate::saml::KeyFolder;
use crate::saml::keys::Listed;

/// The flags of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Go through all people, too: can every app be told of each of them?
    #[arg(long)]
    users: bool,
}

/// What is wrong, by the kind of file it is in.
enum Wrong {
    Config(ConfigErrors),
    Policies(BundleErrors),
    Tests(Vec<Failure>),
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let result = match load_config(config) {
        Err(unreadable @ ConfigErrors::Unreadable { .. }) => return Err(unreadable.into()),
        Err(problems) => Err(Wrong::Config(problems)),
        Ok(loaded) => match runtime::check(&loaded, today()) {
            Ok(checked) => Ok((loaded.config, checked)),
            Err(LoadError::Config(problems)) => Err(Wrong::Config(problems)),
            Err(LoadError::Policies(errors)) => Err(Wrong::Policies(errors)),
            Err(LoadError::PolicyTests(report)) => Err(Wrong::Tests(report.failures)),
            Err(error) => return Err(error.into()),
        },
    };
    let people = match &result {
        Ok((_, checked)) if args.users => Some(users::run(config, checked)?),
        _ => None,
    };
    let out = &mut io::stdout().lock();
    let warnings = match &result {
        Ok((config, checked)) => warnings(config, checked),
        Err(_) => Vec::new(),
    };
    if args.json {
        writeln_json(out, config, &result, &warnings, people.as_ref())?;
    } else {
        for warning in &warnings {
            writeln!(out, "warning: {warning}")?;
        }
        write_result(out, config, &result)?;
        if let Some(people) = &people {
            people.write(out)?;
        }
    }
    let is_good = result.is_ok() && people.is_none_or(|people| people.is_good());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

/// What works, but not for long. Certificates are public, so this asks for no private key.
fn warnings(config: &Config, checked: &Checked) -> Vec<String> {
    let now = SystemClock.now();
    let endings = checked.bundle.endings(today()).into_iter().filter(Ending::is_soon);
    let endings = endings.map(|ending| format!("{ending}: {}", ending.help()));
    let keys = match KeyFolder::configured(&config.saml).list() {
        Ok(keys) => {
            let warnings = keys.iter().filter_map(Listed::published).filter_map(|key| key.warning(now));
            warnings.map(|warning| format!("{warning}: `cedargate keys new` begins to replace it")).collect()
        }
        Err(error) => {
            vec![format!("the certificates of the signing keys can't be looked at: {:#}", anyhow::Error::from(error))]
        }
    };
    keys.into_iter().chain(endings).collect()
}

fn writeln_json(
    out: &mut dyn io::Write,
    file: &Path,
    result: &Result<(Config, Checked), Wrong>,
    warnings: &[String],
    people: Option<&users::Report>,
) -> io::Result<()> {
    let problems: Vec<Value> = match result {
        Ok(_) => Vec::new(),
        Err(Wrong::Config(errors)) => errors.problems().iter().map(|problem| json!(problem)).collect(),
        Err(Wrong::Policies(errors)) => errors.problems.iter().map(super::policy::problem).collect(),
        Err(Wrong::Tests(failures)) => failures.iter().map(|failure| json!(failure)).collect(),
    };
    let ok = result.is_ok() && people.is_none_or(users::Report::is_good);
    let mut said = json!({ "ok": ok, "file": file, "problems": problems, "warnings": warnings });
    if let Some(said) = said.as_object_mut() {
        if let Ok((_, checked)) = result {
            said.insert("metadata".to_owned(), metadata::json(checked));
        }
        if let Some(people) = people {
            said.insert("users".to_owned(), json!(people));
        }
    }
    writeln!(out, "{said:#}")
}

fn write_result(out: &mut dyn io::Write, file: &Path, result: &Result<(Config, Checked), Wrong>) -> io::Result<()> {
    let count = match result {
        Ok((config, checked)) => {
            metadata::write(out, checked)?;
            return writeln!(out, "{}: fine ({})", file.display(), summary(config, checked));
        }
        Err(Wrong::Config(errors)) => {
            write_problems(out, errors.problems())?;
            errors.problems().len()
        }
        Err(Wrong::Policies(errors)) => {
            for problem in &errors.problems {
                let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
                write_finding(out, &place, &problem.message, problem)?;
            }
            errors.problems.len()
        }
        Err(Wrong::Tests(failures)) => {
            for failure in failures {
                writeln!(out, "{failure}")?;
            }
            failures.len()
        }
    };
    writeln!(out, "{}: {}", file.display(), counted(count, "problem"))
}

fn summary(config: &Config, checked: &Checked) -> String {
    [
        counted(config.apps.len(), "app"),
        counted(config.groups.len(), "group"),
        counted(config.networks.len(), "network"),
        counted(config.country_lists.len(), "country list"),
        checked.bundle.counts().to_string(),
        counted(checked.tests.passed, "policy test"),
    ]
    .join(", ")
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
