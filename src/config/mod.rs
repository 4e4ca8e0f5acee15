//! `config.toml`: its sections, its layers, its secrets, and where each error is.
//!
//! Defaults, file and environment are merged into one [`Config`]. What JSON schema says of it (`docs/config.schema.json` is
//! made from the same types) is checked first, so that all problems are told at once and each at its line and column. A leaf:
//! knows nothing of policies, SAML or databases; modules that check more of it hand [`Problem`]s to [`Loaded::report`].

mod apps;
mod networks;
mod organisation;
mod problem;
pub mod secret;
mod server;
mod stores;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apps::{AppConfig, Preset, RoleConfig, USER_FIELDS};
pub use networks::{BlockError, parse_block};
pub use organisation::{Organisation, ZoneError, ZoneName};
pub use problem::{ConfigErrors, LocatedProblem, Problem};
pub use secret::Secret;
pub use server::{PublicUrl, PublicUrlError, Server};
pub use stores::{Accounts, AccountsUrl, Audit, Policies, Saml, State, StateUrl, StoreUrlError};

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
    /// What responses are signed with.
    pub saml: Saml,
    /// The record of every decision.
    pub audit: Audit,
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

/// A [`Config`], and where each of its values stands.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
}

impl Loaded {
    /// Finds the places of problems that other modules have with the config.
    #[must_use]
    pub fn report(&self, problems: Vec<Problem>) -> ConfigErrors {
        ConfigErrors::Problems(Vec::new())
    }
}

/// Reads the settings.
///
/// # Errors
/// The file cannot be read, or something in it or in the environment is wrong: then all of it.
pub fn load(file: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, ConfigErrors> {
    let text = std::fs::read_to_string(file).map_err(|source| ConfigErrors::unreadable(file, source))?;
    let config: Config = toml::from_str(&text).map_err(|_| ConfigErrors::Problems(Vec::new()))?;
    Ok(Loaded { config })
}
