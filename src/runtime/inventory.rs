//! A set written down: what is in force, in the words of the files. The running server keeps this beside its secret, so that
//! `cedargate plan` can compare.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::policy::Bundle;

/// The form of the file; another form is another server's, and not compared.
const FORM: u32 = 1;
/// A set of ten thousand policies takes a few megabytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Keys and their values.
pub(super) type Values = BTreeMap<String, Value>;

/// A set, written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    form: u32,
    /// When it came into force.
    pub since: Timestamp,
    /// SHA-256 over the settings.
    pub config_digest: String,
    /// [`Bundle::digest`].
    pub policy_digest: String,
    /// The values of the sections, by key.
    pub(super) settings: Values,
    pub(super) groups: BTreeMap<String, Values>,
    pub(super) networks: BTreeMap<String, Values>,
    pub(super) country_lists: BTreeMap<String, Values>,
    pub(super) apps: BTreeMap<String, Values>,
    pub(super) policies: BTreeMap<String, Values>,
    /// Keys, certificates and other files, by SHA-256.
    pub(super) files: BTreeMap<String, Values>,
}

/// There is no inventory to compare with.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// No server runs on these files, or it has not started yet.
    #[error("no server has written `{}`: start it, or give the config.toml of the one that runs", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error("can't use `{}`: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is of another version, or damaged.
    #[error("`{}` is of another version of cedargate, or damaged: restart the server", .0.display())]
    Form(PathBuf),
    /// The settings cannot be written down.
    #[error("the settings can't be written down")]
    Settings(#[from] serde_json::Error),
}

/// Where a server with these settings keeps what is in force.
#[must_use]
pub fn in_force_file(config: &Config) -> PathBuf {
    config.server.secret_file.with_file_name("in-force.json")
}

impl Inventory {
    /// Writes down `config` and `bundle`; `files` are named contents that matter by their digest alone.
    ///
    /// # Errors
    /// The settings cannot be written down.
    pub(super) fn of<'a>(
        config: &Config,
        bundle: &Bundle,
        files: impl IntoIterator<Item = (&'a str, Vec<u8>)>,
        since: Timestamp,
    ) -> Result<Self, InventoryError> {
        let tree = serde_json::to_value(config)?;
        let config_digest = sha256(tree.to_string().as_bytes());
        let Value::Object(mut sections) = tree else { return Err(InventoryError::Form(config.file.clone())) };
        let mut named = |key: &str| -> BTreeMap<String, Values> {
            let Some(Value::Object(entries)) = sections.remove(key) else { return BTreeMap::new() };
            let with_key = |value: Value| Values::from([(String::new(), value)]);
            entries.into_iter().map(|(name, value)| (name, with_key(value))).collect()
        };
        let (groups, networks, country_lists) = (named("groups"), named("networks"), named("country_lists"));
        let apps = match sections.remove("apps") {
            Some(Value::Array(apps)) => apps.into_iter().filter_map(app).collect(),
            _ => BTreeMap::new(),
        };
        let mut settings = Values::new();
        flatten("", &Value::Object(sections), &mut settings);
        let policies = bundle
            .inventory()
            .map(|note| {
                let values = [("effect", note.effect), ("standing", note.standing), ("text", note.text.as_str())];
                let expires = note.expires().map(|day| ("expires".to_owned(), Value::from(day.to_string())));
                let values = values.map(|(key, value)| (key.to_owned(), Value::from(value)));
                (note.id.to_string(), values.into_iter().chain(expires).collect())
            })
            .collect();
        let files = files
            .into_iter()
            .map(|(name, content)| (name.to_owned(), [("sha256".to_owned(), Value::from(sha256(&content)))].into()))
            .collect();
        Ok(Self {
            form: FORM,
            since,
            config_digest,
            policy_digest: bundle.digest().to_owned(),
            settings,
            groups,
            networks,
            country_lists,
            apps,
            policies,
            files,
        })
    }

    /// Of nothing.
    #[cfg(test)]
    pub(super) fn empty() -> Self {
        Self {
            form: FORM,
            since: Timestamp::UNIX_EPOCH,
            config_digest: String::new(),
            policy_digest: String::new(),
            settings: Values::new(),
            groups: BTreeMap::new(),
            networks: BTreeMap::new(),
            country_lists: BTreeMap::new(),
            apps: BTreeMap::new(),
            policies: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// Reads what a server wrote.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read(path: &Path) -> Result<Self, InventoryError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => InventoryError::Missing(path.to_owned()),
            _ => InventoryError::Io { path: path.to_owned(), source },
        };
        if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
            return Err(InventoryError::Form(path.to_owned()));
        }
        let read: Self = serde_json::from_slice(&fs::read(path).map_err(failed)?)
            .map_err(|_| InventoryError::Form(path.to_owned()))?;
        if read.form == FORM { Ok(read) } else { Err(InventoryError::Form(path.to_owned())) }
    }

    /// Writes it for its owner alone, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), InventoryError> {
        let failed = |source| InventoryError::Io { path: path.to_owned(), source };
        let unfinished = path.with_extension("json.new");
        let text = serde_json::to_vec_pretty(self)?;
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&unfinished, path).map_err(failed)
    }
}

/// An app under its id, its roles under their names.
fn app(app: Value) -> Option<(String, Values)> {
    let Value::Object(mut app) = app else { return None };
    let id = app.remove("id")?.as_str()?.to_owned();
    if let Some(Value::Array(roles)) = app.remove("roles") {
        let roles = roles.into_iter().filter_map(|role| {
            let Value::Object(mut role) = role else { return None };
            Some((role.remove("name")?.as_str()?.to_owned(), Value::Object(role)))
        });
        app.insert("roles".to_owned(), Value::Object(roles.collect()));
    }
    let mut values = Values::new();
    flatten("", &Value::Object(app), &mut values);
    Some((id, values))
}

/// Every value under its whole key; lists count as one value, and what is not set as none.
fn flatten(path: &str, value: &Value, values: &mut Values) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, values);
            }
        }
        Value::Null => {}
        value => {
            values.insert(path.to_owned(), value.clone());
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in-force.json");
        assert!(matches!(Inventory::read(&path), Err(InventoryError::Missing(_))));
        let mut written = Inventory::empty();
        written.networks.insert("office".to_owned(), [(String::new(), Value::from(vec!["10.0.0.0/8"]))].into());
        written.write(&path).unwrap();
        assert_eq!(Inventory::read(&path).unwrap(), written);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished stays");
        written.form += 1;
        written.write(&path).unwrap();
        assert!(matches!(Inventory::read(&path), Err(InventoryError::Form(_))));
        fs::write(&path, "{").unwrap();
        assert!(matches!(Inventory::read(&path), Err(InventoryError::Form(_))));
    }
}
