//! `cedargate metadata`: what to upload to service providers, without a server that runs.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::{load_config, today};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::AppId;
use crate::runtime;
use crate::saml::{IdentityProvider, KeyStore, Validity};

/// The flags of `metadata`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For this app alone: the keys that sign for it, and the NameID formats it may get
    #[arg(long, value_name = "ID")]
    app: Option<String>,
}

/// Prints it. It names no end, as a file that is uploaded is not fetched again.
///
/// # Errors
/// Settings, apps or keys do not load, or there is no such app.
pub(super) fn run(args: &Args, file: &Path) -> anyhow::Result<ExitCode> {
    let loaded = load_config(file)?;
    let apps = runtime::build_apps(&loaded, today())?;
    let app = match &args.app {
        None => None,
        Some(name) => {
            let found = AppId::parse(name).ok().and_then(|id| apps.iter().find(|app| app.app().id == id));
            let known = || apps.iter().map(|app| format!("`{}`", app.app().id)).collect::<Vec<_>>().join(", ");
            Some(found.with_context(|| format!("there is no app `{name}`; there are {}", known()))?)
        }
    };
    let saml = &loaded.config.saml;
    let keys = KeyStore::configured(saml).with_context(|| match saml.keys.try_exists() {
        Ok(false) => "there are no signing keys yet: `cedargate keys new` or the first `cedargate serve` makes them",
        _ => "the signing keys can't be read",
    })?;
    let idp = IdentityProvider::new(loaded.config.server.public_url.as_str(), keys.signing_keys());
    let document = idp.metadata(app.map(|app| &**app), Validity::Unlimited, SystemClock.now())?;
    io::stdout().lock().write_all(document.xml.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
