//! The files a set is made of, and whether they are still what they were.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;

use super::metadata::{copy_of, fetched_urls};
use crate::config::{AppConfig, Config};
use crate::saml::keys::{LEDGER, Place};

/// The files of one set, as config names them at this instant. One need not be there: that it is not is a state like any
/// other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    paths: Vec<PathBuf>,
    /// Folders that belong to the set; of those with an extension, all files of it.
    folders: Vec<(PathBuf, Option<&'static str>)>,
}

impl Files {
    /// Only the settings: more is not known while they cannot be read.
    pub(super) fn of_config(file: &Path) -> Self {
        Self { paths: vec![file.to_owned()], folders: Vec::new() }
    }

    /// All that `config` leads to. Other sections that name files of a set add theirs here.
    pub(super) fn of(config: &Config) -> Self {
        let mut files = Self::of_config(&config.file);
        let (policies, tests) = (config.policies.path.clone(), config.policies.path.join("tests"));
        let keys = &config.saml.keys;
        let of_keys = Place::all().flat_map(|place| [place.key_file(), place.certificate_file()]);
        let more = [policies.join("schema.cedarschema")]
            .into_iter()
            .chain(of_keys.map(|name| keys.join(name)))
            .chain([keys.join(LEDGER)])
            .chain(config.saml.pkcs11.iter().map(|pkcs11| pkcs11.pin_file.clone()))
            .chain(config.server.tls_certificate.clone())
            .chain(config.server.tls_key.clone())
            .chain(config.geoip.paths().cloned())
            .chain(config.apps.iter().flat_map(AppConfig::paths).cloned())
            .chain(fetched_urls(config).map(|url| copy_of(config, url)));
        files.paths.extend(more);
        files.folders = vec![(policies, Some("cedar")), (tests, Some("toml")), (keys.clone(), None)];
        files.with_listed()
    }

    /// The same with the files that are in its folders now.
    pub(super) fn listed_anew(mut self) -> Self {
        let listed = |path: &PathBuf| {
            let of = |(folder, extension): &(PathBuf, Option<&str>)| {
                path.parent() == Some(folder)
                    && extension.is_some_and(|listed| path.extension() == Some(OsStr::new(listed)))
            };
            self.folders.iter().any(of)
        };
        let fixed = self.paths.iter().filter(|path| !listed(path)).cloned().collect();
        self.paths = fixed;
        self.with_listed()
    }

    fn with_listed(mut self) -> Self {
        for (folder, extension) in &self.folders {
            self.paths.extend(extension.map(|extension| listed(folder, extension)).unwrap_or_default());
        }
        self
    }

    /// The paths of the files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }

    /// The folders whose content belongs to the set.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|(folder, _)| folder.as_path())
    }

    /// What the files hold, in one word: equal words, equal sets.
    pub(super) fn fingerprint(&self) -> String {
        self.hashed(|context, path| add(context, fs::read(path).as_deref()))
    }

    /// What the file system says of the files, in one word. Cheap; it changes with each write.
    pub(super) fn stamp(&self) -> String {
        self.hashed(add_stamp)
    }

    fn hashed(&self, one: impl Fn(&mut Context, &Path)) -> String {
        let mut context = Context::new(&SHA256);
        for path in &self.paths {
            add(&mut context, Ok(path.as_os_str().as_encoded_bytes()));
            one(&mut context, path);
        }
        HEXLOWER.encode(context.finish().as_ref())
    }
}

fn add(context: &mut Context, content: Result<&[u8], &io::Error>) {
    match content {
        Ok(bytes) => {
            context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(bytes);
        }
        // No file is that long, so what cannot be read looks like nothing that can.
        Err(error) => {
            context.update(&u64::MAX.to_be_bytes());
            context.update(error.kind().to_string().as_bytes());
        }
    }
}

fn add_stamp(context: &mut Context, path: &Path) {
    match fs::metadata(path) {
        Ok(metadata) => {
            for number in [
                metadata.ino(),
                metadata.dev(),
                metadata.len(),
                u64::from(metadata.mode()),
                metadata.mtime().cast_unsigned(),
                metadata.mtime_nsec().cast_unsigned(),
                metadata.ctime().cast_unsigned(),
                metadata.ctime_nsec().cast_unsigned(),
            ] {
                context.update(&number.to_be_bytes());
            }
        }
        Err(error) => add(context, Err(&error)),
    }
}

/// The files of a folder with this extension, by name. A folder that cannot be read has none; loading says why.
fn listed(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path) -> Config {
        fs::create_dir_all(folder.join("policies/tests")).unwrap();
        fs::write(folder.join("config.toml"), "").unwrap();
        fs::write(folder.join("policies/a.cedar"), "1").unwrap();
        crate::config::load(&folder.join("config.toml"), []).unwrap().config
    }

    #[test]
    fn every_change_of_a_file_of_the_set_shows_and_no_other_does() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let fingerprint = || Files::of(&config).fingerprint();
        let mut seen = vec![fingerprint()];
        for (path, content) in [
            ("policies/a.cedar", "2"),
            ("policies/b.cedar", ""),
            ("policies/tests/a.toml", ""),
            ("policies/schema.cedarschema", "x"),
            ("var/keys/current.key.pem", "x"),
            ("var/keys/next-ec.crt.pem", "x"),
            ("var/keys/keys.toml", "x"),
            ("config.toml", "[server]"),
        ] {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::write(folder.path().join(path), content).unwrap();
            let now = fingerprint();
            assert!(!seen.contains(&now), "{path} does not show");
            seen.push(now);
        }
        for path in ["policies/README.md", "policies/.a.cedar.swp", "var/other"] {
            fs::write(folder.path().join(path), "x").unwrap();
            assert_eq!(Some(&fingerprint()), seen.last(), "{path} shows");
        }
        fs::write(folder.path().join("config.toml"), "[server]").unwrap();
        assert_eq!(Some(&fingerprint()), seen.last(), "the same content again is the same set");
        fs::remove_file(folder.path().join("policies/b.cedar")).unwrap();
        assert!(!seen.contains(&fingerprint()), "a removed file shows");
    }

    #[test]
    fn a_stamp_changes_with_a_write_of_the_same_length() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(&config(folder.path()));
        let before = files.stamp();
        assert_eq!(files.stamp(), before);
        fs::write(folder.path().join("policies/new"), "2").unwrap();
        fs::rename(folder.path().join("policies/new"), folder.path().join("policies/a.cedar")).unwrap();
        assert_ne!(files.stamp(), before);
    }
}
