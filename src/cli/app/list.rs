//! `cedargate app list`: what the catalogue has, and what config.toml has.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::load_config;
use crate::config::{AppConfig, Preset};
use crate::saml::catalogue::Catalogue;

/// Arguments of `app list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Write one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints both lists.
///
/// # Errors
/// The settings cannot be read, or the result cannot be written.
pub(super) fn run(
    out: &mut impl io::Write,
    catalogue: &Catalogue,
    args: &Args,
    config: &Path,
) -> anyhow::Result<ExitCode> {
    let loaded = load_config(config)?;
    let apps = &loaded.config.apps;
    if args.json {
        let known: Vec<_> = catalogue
            .entries()
            .map(|entry| {
                let set: Vec<&str> = entry.placeholders().iter().map(|asked| asked.name.as_str()).collect();
                json!({ "name": entry.name(), "title": entry.title(), "set": set })
            })
            .collect();
        let configured: Vec<_> = apps
            .iter()
            .map(|app| json!({ "id": app.id, "name": app.name, "entity_id": app.entity_id, "preset": app.preset }))
            .collect();
        writeln!(out, "{:#}", json!({ "catalogue": known, "configured": configured }))?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "In {}:", config.display())?;
    for app in apps {
        writeln!(out, "  {:<20} {}", app.id.to_string(), called(app))?;
    }
    if apps.is_empty() {
        writeln!(out, "  no app yet")?;
    }
    writeln!(out, "\nIn the catalogue (`cedargate app add NAME`):")?;
    for entry in catalogue.entries() {
        writeln!(out, "  {:<20} {}", entry.name(), entry.title())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn called(app: &AppConfig) -> String {
    let name = app.name.clone().unwrap_or_else(|| app.id.to_string());
    match (&app.entity_id, app.preset) {
        (Some(entity_id), _) => format!("{name} ({entity_id})"),
        (None, Some(Preset::Aws)) => format!("{name} (preset aws)"),
        (None, None) => name,
    }
}
