//! Read → validate → run the policy tests. Nothing comes into force that does not pass all three.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, ConfigErrors, Loaded, Problem};
use crate::domain::{App, AppId};
use crate::policy::testing::{self, Tables};
use crate::policy::{Bundle, BundleErrors, PolicySources, SourceFile, Vocabulary};
use crate::saml::keys::{KeyType, Place, Slot};
use crate::saml::{KeysError, MetadataError, ServiceProvider};
use crate::signals::Geo;

use super::apps::Apps;
use super::archive::ArchiveError;
use super::inventory::InventoryError;
use super::metadata::Imported;
use super::setting::setting;
use super::snapshot::{NoPortal, Snapshot};
use super::tls::TlsError;

/// The largest policy, schema or test file that is read.
pub(super) const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// The most files a policy folder may have.
pub(super) const MAX_FILES: usize = 10_000;

/// An app that config has and nobody can sign in to: what its metadata says is not there, or over. The others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The app. Policies may still name it.
    pub app: App,
    /// Why.
    pub why: String,
}

/// Config, apps and policies that fit each other.
pub struct Checked {
    /// The service providers, in the order of config.toml.
    pub apps: Vec<Arc<ServiceProvider>>,
    /// What came from metadata.
    pub imported: Vec<Imported>,
    /// The apps that nobody can sign in to for now.
    pub unavailable: Vec<Unavailable>,
    /// The policies.
    pub bundle: Bundle,
    /// The files that the policies came from.
    pub sources: PolicySources,
    /// How the policy tests went: all of them passed.
    pub tests: testing::Report,
    /// The geo files, read and verified.
    pub geo: Arc<Geo>,
}

/// Why a set does not come into force.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// config.toml has problems.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The policies have problems.
    #[error(transparent)]
    Policies(#[from] BundleErrors),
    /// The policies load, but do not do what their tests say.
    #[error("{}", test_failures(.0))]
    PolicyTests(testing::Report),
    /// A file cannot be read.
    #[error("can't read `{}`: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The signing key or its certificate cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// What service providers are to be told cannot be written or signed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The certificate of the server's own https cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// See [`NoPortal`].
    #[error(transparent)]
    NoPortal(#[from] NoPortal),
    /// See [`InventoryError`].
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The policies cannot be kept for later.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The files changed each time they were read.
    #[error("the files of `{}` do not stand still: write them elsewhere and rename them", path.display())]
    Unstable {
        /// The settings.
        path: PathBuf,
    },
    /// A file is too large, or there are too many.
    #[error("`{}` is too large: {limit}", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit in words.
        limit: &'static str,
    },
}

fn test_failures(report: &testing::Report) -> String {
    let mut text =
        format!("{} of the policy tests fail, so the policies do not come into force", report.failures.len());
    for failure in &report.failures {
        text.push_str(&format!("\n{failure}"));
    }
    text
}

/// Apps and policies that load, their tests not run yet.
pub struct Parsed {
    /// The service providers, in the order of config.toml.
    pub apps: Vec<Arc<ServiceProvider>>,
    /// What came from metadata.
    pub imported: Vec<Imported>,
    /// The apps that nobody can sign in to for now.
    pub unavailable: Vec<Unavailable>,
    /// The policies.
    pub bundle: Bundle,
    /// The files they came from.
    pub sources: PolicySources,
}

/// Reads the policies and checks that config, apps and policies fit each other. `today` decides which exceptions have
/// expired.
///
/// # Errors
/// They do not, or a file cannot be read.
pub fn parse(loaded: &Loaded, today: jiff::civil::Date) -> Result<Parsed, LoadError> {
    parse_after(loaded, today, None)
}

fn parse_after(loaded: &Loaded, today: jiff::civil::Date, previous: Option<&Bundle>) -> Result<Parsed, LoadError> {
    let Apps { apps, imported, unavailable } = Apps::build(loaded, today)?;
    let sources = read_sources(&loaded.config.policies.path)?;
    let vocabulary = vocabulary(&loaded.config);
    let bundle = match previous {
        Some(previous) => Bundle::parse_again(&sources, vocabulary, today, previous)?,
        None => Bundle::parse(&sources, vocabulary, today)?,
    };
    Ok(Parsed { apps, imported, unavailable, bundle, sources })
}

/// [`parse`], and then reads the geo files and runs the policy tests.
///
/// # Errors
/// As [`parse`]; or a geo file cannot be used, or a policy test fails.
pub fn check(loaded: &Loaded, today: jiff::civil::Date) -> Result<Checked, LoadError> {
    check_after(loaded, today, &Geo::default(), None)
}

/// [`check`] while a set is in force: of its geo files and policies, those that did not change are not read again.
///
/// # Errors
/// As [`check`].
pub fn check_again(loaded: &Loaded, today: jiff::civil::Date, in_force: &Snapshot) -> Result<Checked, LoadError> {
    check_after(loaded, today, in_force.observer.geo(), Some(&in_force.bundle))
}

fn check_after(
    loaded: &Loaded,
    today: jiff::civil::Date,
    in_force: &Geo,
    previous: Option<&Bundle>,
) -> Result<Checked, LoadError> {
    let Parsed { apps, imported, unavailable, bundle, sources } = parse_after(loaded, today, previous)?;
    check_keys(loaded, &apps)?;
    let geo = Arc::new(Geo::open(&loaded.config.geoip, Some(in_force)).map_err(|problems| loaded.report(problems))?);
    let tables = Tables::read(&sources.tests);
    let tests = testing::run_in(&setting(&loaded.config, &bundle, &sources, &tables, &geo), &tables);
    if !tests.is_ok() {
        return Err(LoadError::PolicyTests(tests));
    }
    Ok(Checked { apps, imported, unavailable, bundle, sources, tests, geo })
}

/// The service providers of `[[apps]]`, in the order of config.toml; those that are left out are not among them.
///
/// # Errors
/// A block has problems, or two have one entity id.
pub fn build_apps(loaded: &Loaded, today: jiff::civil::Date) -> Result<Vec<Arc<ServiceProvider>>, LoadError> {
    Ok(Apps::build(loaded, today)?.apps)
}

/// How many service providers there are, each with a key for its way of signing.
///
/// # Errors
/// As [`build_apps`]; or there is no such key.
pub fn check_apps(loaded: &Loaded, today: jiff::civil::Date) -> Result<usize, LoadError> {
    let apps = build_apps(loaded, today)?;
    check_keys(loaded, &apps)?;
    Ok(apps.len())
}

/// What is known from metadata, and the apps that are left out for want of it.
///
/// # Errors
/// The apps do not load.
pub fn metadata_of(loaded: &Loaded, today: jiff::civil::Date) -> Result<(Vec<Imported>, Vec<Unavailable>), LoadError> {
    let Apps { imported, unavailable, .. } = Apps::build(loaded, today)?;
    Ok((imported, unavailable))
}

/// Whether there is a key for each way of signing that an app asks for. The RSA key is made at the first start, so only the other
/// kind can be missing.
fn check_keys(loaded: &Loaded, apps: &[Arc<ServiceProvider>]) -> Result<(), LoadError> {
    let ecdsa = Place::new(Slot::Current, KeyType::Ecdsa);
    if loaded.config.saml.keys.join(ecdsa.key_file()).is_file() {
        return Ok(());
    }
    let wants = |app: &AppId| {
        let provider = apps.iter().find(|provider| provider.app().id == *app);
        provider.is_some_and(|provider| KeyType::of(provider.signature_algorithm()) == KeyType::Ecdsa)
    };
    let missing = loaded.config.apps.iter().enumerate().filter(|(_, app)| wants(&app.id));
    let problems: Vec<Problem> = missing
        .map(|(index, _)| {
            let message = format!("there is no ECDSA key in `{}`", loaded.config.saml.keys.display());
            Problem::new(format!("apps[{index}].signature_algorithm"), message)
                .with_help("`cedargate keys new --kind ecdsa` makes one; the app then needs the new metadata")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(loaded.report(problems).into()) }
}

pub(super) fn vocabulary(config: &Config) -> Vocabulary {
    Vocabulary::new(
        config.groups.keys().cloned(),
        config.apps.iter().map(ServiceProvider::app_of),
        config.networks.keys().cloned(),
        config.country_lists.clone(),
    )
}

/// Reads a policy folder: `schema.cedarschema`, `*.cedar`, `tests/*.toml`, `invariants/*.cedar`, each kind in the order of names.
///
/// # Errors
/// A file cannot be read or is too large.
pub fn read_sources(folder: &Path) -> Result<PolicySources, LoadError> {
    let (tests, invariants) = (folder.join("tests"), folder.join("invariants"));
    Ok(PolicySources {
        schema: read_file(&folder.join("schema.cedarschema"))?,
        policies: read_files(folder, "cedar")?,
        tests: if is_there(&tests) { read_files(&tests, "toml")? } else { Vec::new() },
        invariants: if is_there(&invariants) { read_files(&invariants, "cedar")? } else { Vec::new() },
    })
}

/// A link that leads nowhere is there, and cannot be read: what it stands for must not be missed in silence.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn read_files(folder: &Path, extension: &str) -> Result<Vec<SourceFile>, LoadError> {
    let failed = |source| LoadError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Emacs locks a file that it changes by a link beside it, which leads nowhere.
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".#"));
        let is_lock = is_hidden && path.is_symlink() && !path.exists();
        if path.extension().is_some_and(|found| found == extension) && !path.is_dir() && !is_lock {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(LoadError::TooLarge { path: folder.to_owned(), limit: "at most 10,000 files" });
        }
    }
    paths.sort();
    paths.iter().map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Result<SourceFile, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let known = fs::metadata(path).map_err(failed)?;
    if !known.is_file() {
        return Err(failed(std::io::Error::other("it is no file")));
    }
    if known.len() > MAX_FILE_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned(), limit: "at most 4 MiB" });
    }
    Ok(SourceFile { path: path.display().to_string(), text: fs::read_to_string(path).map_err(failed)? })
}
