//! `config.toml`: its sections, its layers, its secrets, and where each error is.
//!
//! Defaults, file and environment are merged into one [`Config`]. What JSON schema says of it (`docs/config.schema.json` is
//! made from the same types) is checked first, so that all problems are told at once and each at its line and column. A leaf:
//! knows nothing of policies, SAML or databases; modules that check more of it hand [`Problem`]s to [`Loaded::report`].

mod accounts;
mod apps;
mod at_start;
mod attributes;
mod checks;
mod devices;
mod formats;
mod geoip;
mod layers;
mod logout;
mod mail;
mod metadata;
mod networks;
mod organisation;
pub(crate) mod owned;
mod places;
mod problem;
mod redis_url;
mod schema;
pub mod secret;
mod server;
mod shape;
mod stores;
mod telemetry;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use figment::Figment;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::DeTable;

pub use accounts::{Accounts, AccountsTls, AccountsUrl, AccountsUrlError, PostgresHost, PostgresUrl};
pub use apps::{APP_ICONS, AppConfig, Encrypt, Preset, RoleConfig, SignedRequests};
pub use at_start::acts_at_start;
pub use attributes::{AttributeConfig, AttributeTable, NameConfig, NameTemplate};
pub use devices::{Devices, MOST_TRUST_DAYS};
pub use geoip::GeoIp;
pub use logout::LogoutConfig;
pub use mail::{Mail, MailSecurity, MailSender, MailSenderError, MailTls, MailUrl, MailUrlError};
pub use metadata::{MetadataSource, MetadataSourceError, MetadataUrl};
pub use networks::{BlockError, parse_block};
pub use organisation::{Organisation, ZoneError, ZoneName};
pub use problem::{ConfigErrors, LocatedProblem, Problem};
pub use redis_url::{RedisUrl, RedisUrlError};
pub use schema::schema;
pub use secret::Secret;
pub use server::{PublicUrl, PublicUrlError, Server};
pub use stores::{Audit, Pkcs11, Policies, Saml, State, StateUrl, StateUrlError, StoreUrlError};
pub use telemetry::{OtlpUrl, OtlpUrlError, Telemetry};

use self::places::{Found, Places};
use crate::domain::{Country, CountryListName, GroupName, NetworkName};

/// All settings, checked. Paths are relative to the folder of the file no more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "config.toml of cedargate")]
pub struct Config {
    /// The file it was read from.
    #[serde(skip)]
    pub file: PathBuf,
    /// Where it listens, and what the world calls it.
    pub server: Server,
    /// Who runs this, and in whose hours.
    pub organisation: Organisation,
    /// Where sign-ins, sessions, devices and counters are kept.
    pub state: State,
    /// Where people and their authenticators are kept.
    pub accounts: Accounts,
    /// What decides.
    pub policies: Policies,
    /// What becomes of browsers that people were allowed from.
    pub devices: Devices,
    /// What responses are signed with.
    pub saml: Saml,
    /// The record of every decision.
    pub audit: Audit,
    /// Where mails are handed in. Without it none is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
    /// Where addresses are, and whose.
    pub geoip: GeoIp,
    /// Who may read the numbers, and where traces go.
    pub telemetry: Telemetry,
    /// The groups policies may name, each with a word on what it is for. `everyone` and the groups of the console are there
    /// already.
    #[schemars(schema_with = "networks::groups_schema")]
    pub groups: BTreeMap<GroupName, String>,
    /// Named lists of address blocks (`Network::"office"`).
    #[serde(deserialize_with = "networks::deserialize_named")]
    #[schemars(schema_with = "networks::named_schema")]
    pub networks: BTreeMap<NetworkName, Vec<IpNet>>,
    /// Named lists of countries by their ISO 3166-1 codes (`CountryList::"blocked"`).
    #[schemars(schema_with = "networks::country_lists_schema")]
    pub country_lists: BTreeMap<CountryListName, BTreeSet<Country>>,
    /// The apps people sign in to.
    pub apps: Vec<AppConfig>,
}

impl Config {
    /// Makes every path that is relative one of the file's folder.
    fn resolve_paths(&mut self) {
        let folder = self.file.parent().map(Path::to_owned).unwrap_or_default();
        if let StateUrl::Embedded(state) = &mut self.state.url {
            *state = folder.join(&*state);
        }
        let paths = [&mut self.server.secret_file, &mut self.policies.path, &mut self.audit.path];
        let saml = [&mut self.saml.keys, &mut self.saml.metadata_cache];
        let tls = [&mut self.server.tls_certificate, &mut self.server.tls_key].into_iter().flatten();
        let state = [&mut self.state.password_file, &mut self.state.ca_file].into_iter().flatten();
        let mail = self.mail.iter_mut().flat_map(|mail| [&mut mail.password_file, &mut mail.ca_file]).flatten();
        let apps = self.apps.iter_mut().flat_map(AppConfig::paths_mut);
        let pkcs11 = self.saml.pkcs11.iter_mut().flat_map(|pkcs11| [&mut pkcs11.module, &mut pkcs11.pin_file]);
        let more = self.accounts.paths().chain(self.geoip.paths_mut()).chain(apps);
        for path in paths.into_iter().chain(saml).chain(tls).chain(state).chain(more).chain(mail).chain(pkcs11) {
            *path = folder.join(&*path);
        }
    }
}

/// A [`Config`], and where each of its values stands.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    places: Places,
    environment: Environment,
}

/// The variables that lay over the file. They may be secrets, so they never show.
#[derive(Clone)]
struct Environment(Vec<(String, String)>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[environment]")
    }
}

impl Loaded {
    /// Reads the same file again, under the same environment: that of a process does not change.
    ///
    /// # Errors
    /// As [`load`].
    pub fn again(&self) -> Result<Self, ConfigErrors> {
        load(&self.config.file, self.environment.0.iter().cloned())
    }

    /// Reads `text` in place of the file, under the same environment.
    ///
    /// # Errors
    /// As [`load`].
    pub fn with_text(&self, text: &str) -> Result<Self, ConfigErrors> {
        load_text(&self.config.file, text, self.environment.0.iter().cloned())
    }

    /// Finds the places of problems that other modules have with the config.
    #[must_use]
    pub fn report(&self, problems: Vec<Problem>) -> ConfigErrors {
        self.places.locate(problems.into_iter().map(Found::at_value))
    }
}

/// Reads the settings: defaults, under `file`, under the `CEDARGATE_SECTION__KEY` variables of `env`.
///
/// # Errors
/// The file cannot be read, or something in it or in the environment is wrong: then all of it.
pub fn load(file: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, ConfigErrors> {
    let text = std::fs::read_to_string(file).map_err(|source| ConfigErrors::unreadable(file, source))?;
    load_text(file, &text, env)
}

/// Reads `text` as if it stood in `file`, such as an earlier version of it.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    file: &Path,
    text: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigErrors> {
    let mut places = Places::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(places.locate_syntax(&errors));
    }
    places.add_table("", table.get_ref());

    let schema = schema::tree();
    let variables = Environment(env.into_iter().collect());
    let (environment, mut found) = layers::environment(variables.0.iter().cloned(), &schema, &mut places);
    let mut figment = Figment::new().merge(layers::file(table.get_ref())).merge(environment);
    match layers::public_url(figment.clone()) {
        Ok(with_url) => figment = with_url,
        Err(missing) => found.push(missing),
    }
    match figment.extract::<serde_json::Value>() {
        Ok(values) => found.extend(shape::check(&schema, &values)),
        Err(error) => found.extend(unforeseen(error)),
    }
    if !found.is_empty() {
        return Err(places.locate(found));
    }

    let mut config = figment.extract::<Config>().map_err(|error| places.locate(unforeseen(error)))?;
    let found = checks::check(&config);
    if !found.is_empty() {
        return Err(places.locate(found));
    }
    file.clone_into(&mut config.file);
    config.resolve_paths();
    Ok(Loaded { config, places, environment: variables })
}

/// What the types refuse although the schema allows it. figment writes list items as `apps.0`.
fn unforeseen(error: figment::Error) -> Vec<Found> {
    let problem = |error: figment::Error| {
        let path = error.path.iter().fold(String::new(), |path, part| match part.parse::<usize>() {
            Ok(index) => format!("{path}[{index}]"),
            Err(_) => places::child(&path, part),
        });
        Found::at_value(Problem::new(path, error.kind.to_string()))
    };
    error.into_iter().map(problem).collect()
}

/// The variables of this process that [`load`] takes, whatever else stands in its environment.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with("CEDARGATE_"))
        .collect()
}

#[cfg(test)]
mod tests;
