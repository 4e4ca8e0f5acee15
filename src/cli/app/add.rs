//! `cedargate app add NAME`: a block for config.toml from the catalogue.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::append;
use crate::cli::{EXIT_PROBLEMS, load_config};
use crate::config::{AppConfig, Config};
use crate::domain::AppId;
use crate::saml::catalogue::{AnswerErrors, Answers, Catalogue, Entry, Site};
use crate::saml::{ServiceProvider, Supplied};

/// Arguments of `app add`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The app, as `cedargate app list` names it
    pub(super) name: String,
    /// The app's id in policies and addresses; left out, its name in the catalogue
    #[arg(long)]
    pub(super) id: Option<String>,
    /// What the app must be told, as `--set workspace=acme`; without it what is missing is listed
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// Add the block to config.toml, whose comments stay as they are
    #[arg(long)]
    pub(super) write: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Prints the block and the steps; with `--write` the block goes into the file instead.
///
/// # Errors
/// The settings cannot be read or written, or the block is to be written and an app of this id or entity id is there already.
pub(super) fn run(
    out: &mut impl io::Write,
    catalogue: &Catalogue,
    args: &Args,
    config: &Path,
) -> anyhow::Result<ExitCode> {
    let entry = super::entry(catalogue, &args.name)?;
    let loaded = load_config(config)?;
    let id = match &args.id {
        Some(id) => AppId::parse(id)?,
        None => entry.default_id().context("the name of an app is an id")?,
    };
    let answers = match entry.answer(id, &args.set, &site(&loaded.config)) {
        Ok(answers) => answers,
        Err(missing) => return not_enough(entry, &missing),
    };
    let app = entry.app(&answers)?;
    let provider = built(&app)?;
    let conflict = conflict(&loaded.config, &provider);
    let block = entry.block(&answers)?;
    if args.write {
        if let Some(conflict) = conflict {
            anyhow::bail!(conflict);
        }
        append::append(config, &block)?;
        writeln!(out, "{}: the app `{}` was added. A running server takes it by itself.\n", config.display(), app.id)?;
    } else {
        match conflict {
            Some(conflict) => writeln!(out, "# `--write` would not add it to {}: {conflict}.\n", config.display())?,
            None => writeln!(out, "# For {}; `--write` adds it.\n", config.display())?,
        }
        writeln!(out, "{block}")?;
    }
    write_policies(out, &loaded.config, entry, &provider)?;
    write_steps(out, entry, &answers)?;
    Ok(ExitCode::SUCCESS)
}

/// This server, as the other side needs to know it.
fn site(config: &Config) -> Site {
    let certificate = config.saml.keys.join("current.crt.pem");
    Site { base: config.server.public_url.as_str().to_owned(), certificate: certificate.display().to_string() }
}

fn not_enough(entry: &Entry, errors: &AnswerErrors) -> anyhow::Result<ExitCode> {
    use io::Write as _;
    let err = &mut io::stderr().lock();
    writeln!(err, "cedargate: `{}` can't be added like this:", entry.name())?;
    for line in errors.to_string().lines() {
        writeln!(err, "  {line}")?;
    }
    Ok(ExitCode::from(EXIT_PROBLEMS))
}

fn built(app: &AppConfig) -> anyhow::Result<ServiceProvider> {
    ServiceProvider::build(app, &Supplied::default()).map_err(|problems| {
        let told: Vec<String> = problems.into_iter().map(|p| format!("{}: {}", p.key, p.message)).collect();
        anyhow::anyhow!("what was given makes no app: {}", told.join("; "))
    })
}

/// Why an app cannot be added: by its entity id, which a request would name it by, or by its id. Another id does not help where
/// the entity id is taken.
fn conflict(config: &Config, new: &ServiceProvider) -> Option<String> {
    let has_entity_id = |app: &&AppConfig| {
        // What does not build has its own problem, and `check` tells it.
        let built = ServiceProvider::build(app, &Supplied::default()).map(|there| there.entity_id().to_owned());
        built.ok().or_else(|| app.entity_id.clone()).is_some_and(|entity_id| entity_id == new.entity_id())
    };
    if let Some(app) = config.apps.iter().find(has_entity_id) {
        let instead = if new.app().roles.is_empty() {
            "edit that block"
        } else {
            "add an `[[apps.roles]]` to it, or edit that block"
        };
        return Some(format!("`{}` has this entity id: {instead}", app.id));
    }
    let same_id = config.apps.iter().find(|app| app.id == new.app().id)?;
    Some(format!("there is an app `{}` already: choose another id with `--id`", same_id.id))
}

/// A policy to start from. It names a group that has to be declared first: until then it does not load, so that nobody gets in
/// by a line that was only copied.
fn write_policies(out: &mut impl io::Write, config: &Config, entry: &Entry, sp: &ServiceProvider) -> io::Result<()> {
    let id = &sp.app().id;
    let (title, group) = (entry.title().replace('"', ""), format!("{id}-users"));
    let file = config.policies.path.join(format!("70-{id}.cedar"));
    writeln!(
        out,
        "# Who may open it, for {}. Under [groups] of the settings: {group} = \"May open {title}\"\n",
        file.display()
    )?;
    writeln!(out, "@id(\"{id}.group\") @description(\"The policy of group {group}.\")")?;
    writeln!(
        out,
        "permit (principal in Group::\"{group}\", action == Action::\"signIn\", resource == App::\"{id}\");\n"
    )?;
    for role in &sp.app().roles {
        let entity = sp.app().role_entity_id(role);
        writeln!(out, "@id(\"{id}.role-{role}\") @description(\"Members of {group} may become {role}.\")")?;
        writeln!(
            out,
            "permit (principal in Group::\"{group}\", action == Action::\"assumeRole\", resource == Role::\"{entity}\");\n"
        )?;
    }
    Ok(())
}

fn write_steps(out: &mut impl io::Write, entry: &Entry, answers: &Answers) -> anyhow::Result<()> {
    writeln!(out, "# On the other side:\n")?;
    for (number, step) in entry.steps(answers)?.iter().enumerate() {
        writeln!(out, "{:>2}. {step}", number + 1)?;
    }
    if !entry.notes().is_empty() {
        writeln!(out)?;
        for note in entry.notes() {
            writeln!(out, "  - {note}")?;
        }
    }
    Ok(())
}
