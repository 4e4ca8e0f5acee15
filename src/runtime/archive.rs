//! Every set of policies that was in force, kept beside the journal under its digest: so that a decision can be explained, and
//! made again, by the very policies that made it.
//!
//! One file a set, `<audit path>/policies/<digest>.json.zst`: the schema, the policies and the names they may use. What is read
//! from it is believed only when it comes to the digest it is called after, so whoever changes a file can hide a set and not
//! forge one. A set that cannot be kept does not come into force: nobody could say later what it decided by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::config::{Config, owned};
use crate::domain::{App, AppId, Country, CountryListName, GroupName, NetworkName, RoleName};
use crate::policy::{Bundle, BundleErrors, PolicySources, SourceFile, Vocabulary};

/// How sets are written now.
const FORMAT: u32 = 1;
/// The folder beside the journal.
const FOLDER: &str = "policies";
/// The most that is unpacked of one file: it was written by us, and may have been changed by another.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;
/// Policies are text: this makes a tenth of it, in no time.
const LEVEL: i32 = 3;

/// A set of policies with the names it may use, as it came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// What it is called after.
    pub digest: String,
    /// The day it was loaded: what had expired by then was left out.
    pub day: Date,
    /// The schema and the policies; no tests, which decide nothing.
    pub sources: PolicySources,
    /// The names.
    pub vocabulary: Vocabulary,
}

impl Archived {
    /// The set as it comes into force on `day`.
    #[must_use]
    pub fn of(bundle: &Bundle, sources: PolicySources, day: Date) -> Self {
        let sources = PolicySources { tests: Vec::new(), invariants: Vec::new(), ..sources };
        Self { digest: bundle.digest().to_owned(), day, sources, vocabulary: bundle.vocabulary().clone() }
    }

    /// The set, ready to decide.
    ///
    /// # Errors
    /// This cedargate would not load it any more.
    pub fn bundle(&self) -> Result<Bundle, BundleErrors> {
        Bundle::parse(&self.sources, self.vocabulary.clone(), self.day)
    }
}

/// A set cannot be kept, or is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be written.
    #[error("the policies can't be kept in `{}`, so they do not come into force: make room there, or make it writable", path.display())]
    Keep {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was never kept, or was removed.
    #[error("`{}` is not there: the policies of this digest were not kept on this machine, or were removed", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The file is no set.
    #[error("`{}` can't be read: {why}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It holds another set than it says.
    #[error("`{}` holds other policies than it is called after: it was changed, or another version of cedargate wrote it", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
}

/// The sets that were in force.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Those that servers with these settings keep.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { folder: config.audit.path.join(FOLDER) }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}.json.zst"))
    }

    /// Keeps a set. One that is there already, and is whole, is left as it is.
    ///
    /// # Errors
    /// [`ArchiveError::Keep`].
    pub fn keep(&self, set: &Archived) -> Result<(), ArchiveError> {
        let path = self.path(&set.digest);
        // The same policies are loaded anew each day; the first day says all there is to say.
        let is_there = self.read(&path).is_ok_and(|there| Archived { day: set.day, ..there } == *set);
        if is_there {
            return Ok(());
        }
        let keep = || -> io::Result<()> {
            self.make_folder()?;
            let text = serde_json::to_vec(&Written::of(set))?;
            replace(&path, &zstd::encode_all(text.as_slice(), LEVEL)?)
        };
        keep().map_err(|source| ArchiveError::Keep { path: path.clone(), source })
    }

    fn make_folder(&self) -> io::Result<()> {
        if let Some(journal) = self.folder.parent().filter(|journal| !journal.exists()) {
            journal.parent().map_or(Ok(()), fs::create_dir_all)?;
            owned::folder(journal)?;
        }
        owned::folder(&self.folder)
    }

    /// The set of this digest, and the same ready to decide.
    ///
    /// # Errors
    /// It is not there, or not what it is called after.
    pub fn find(&self, digest: &str) -> Result<(Archived, Bundle), ArchiveError> {
        let path = self.path(digest);
        // A digest comes from a journal, which somebody may have written to: it leads nowhere else.
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_digest || !path.exists() {
            return Err(ArchiveError::Missing { path });
        }
        let set = self.read(&path)?;
        let bundle = set.bundle().map_err(|_| ArchiveError::Changed { path: path.clone() })?;
        if bundle.digest() != digest {
            return Err(ArchiveError::Changed { path });
        }
        Ok((Archived { digest: digest.to_owned(), ..set }, bundle))
    }

    fn read(&self, path: &Path) -> Result<Archived, ArchiveError> {
        let damaged = |why: String| ArchiveError::Damaged { path: path.to_owned(), why };
        let read = || -> io::Result<Vec<u8>> {
            let mut text = Vec::new();
            zstd::Decoder::new(File::open(path)?)?.take(MOST_BYTES).read_to_end(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|error| damaged(error.to_string()))?;
        let written: Written = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if written.format != FORMAT {
            return Err(damaged(format!("it is of format {}, and this cedargate reads {FORMAT}", written.format)));
        }
        Ok(written.into())
    }
}

/// Beside it first, so that there is never half a file under the name.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".new").permissions(Permissions::from_mode(0o600));
        builder
    };
    let mut unfinished = builder().make_in(folder, owned::create)?;
    unfinished.write_all(content)?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(path)?;
    File::open(folder)?.sync_all()
}

/// A set as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    digest: String,
    day: Date,
    schema: WrittenFile,
    policies: Vec<WrittenFile>,
    vocabulary: WrittenNames,
}

#[derive(Serialize, Deserialize)]
struct WrittenFile {
    path: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct WrittenNames {
    groups: BTreeMap<GroupName, BTreeSet<GroupName>>,
    apps: Vec<WrittenApp>,
    networks: BTreeSet<NetworkName>,
    country_lists: BTreeMap<CountryListName, BTreeSet<Country>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenApp {
    id: AppId,
    name: String,
    device_limit: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pilot: Option<GroupName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<RoleName>,
}

impl Written {
    fn of(set: &Archived) -> Self {
        let file = |file: &SourceFile| WrittenFile { path: file.path.clone(), text: file.text.clone() };
        let app = |app: &App| WrittenApp {
            id: app.id.clone(),
            name: app.name.clone(),
            device_limit: app.device_limit,
            pilot: app.pilot.clone(),
            roles: app.roles.clone(),
        };
        let names = &set.vocabulary;
        Self {
            format: FORMAT,
            digest: set.digest.clone(),
            day: set.day,
            schema: file(&set.sources.schema),
            policies: set.sources.policies.iter().map(file).collect(),
            vocabulary: WrittenNames {
                groups: names.groups.clone(),
                apps: names.apps.iter().map(app).collect(),
                networks: names.networks.clone(),
                country_lists: names.country_lists.clone(),
            },
        }
    }
}

impl From<Written> for Archived {
    fn from(written: Written) -> Self {
        let file = |file: WrittenFile| SourceFile { path: file.path, text: file.text };
        let app = |app: WrittenApp| App {
            id: app.id,
            name: app.name,
            device_limit: app.device_limit,
            pilot: app.pilot,
            roles: app.roles,
        };
        let names = written.vocabulary;
        Self {
            digest: written.digest,
            day: written.day,
            sources: PolicySources {
                schema: file(written.schema),
                policies: written.policies.into_iter().map(file).collect(),
                tests: Vec::new(),
                invariants: Vec::new(),
            },
            vocabulary: Vocabulary {
                groups: names.groups,
                apps: names.apps.into_iter().map(app).collect(),
                networks: names.networks,
                country_lists: names.country_lists,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = include_str!("../../policies/schema.cedarschema");

    fn set(policy: &str) -> Archived {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let sources = PolicySources {
            schema: file("schema.cedarschema", SCHEMA),
            policies: vec![file("a.cedar", policy)],
            tests: vec![file("tests/a.toml", "")],
            invariants: Vec::new(),
        };
        let app = App {
            id: AppId::parse("aws").unwrap(),
            name: "Amazon „Web“ Services".to_owned(),
            device_limit: 3,
            pilot: GroupName::parse("staff").ok(),
            roles: vec![RoleName::parse("Dev").unwrap()],
        };
        let blocked = (CountryListName::parse("blocked").unwrap(), BTreeSet::from([Country::parse("KP").unwrap()]));
        let names =
            Vocabulary::new(GroupName::parse("staff"), [app], NetworkName::parse("office"), BTreeMap::from([blocked]));
        let day = "2026-11-22".parse().unwrap();
        let bundle = Bundle::parse(&sources, names, day).unwrap_or_else(|errors| panic!("{errors}"));
        Archived::of(&bundle, sources, day)
    }

    const OPEN: &str = "@id(\"a\") @description(\"d\") @expires(\"2026-11-01\")\n\
                        permit (principal in Group::\"staff\", action, resource == App::\"aws\");\n\
                        @id(\"app.pilot\") @description(\"d\")\n\
                        forbid (principal is User, action, resource is App) unless { principal in resource.pilot };";

    fn archive() -> (tempfile::TempDir, Archive) {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive { folder: folder.path().join("var/audit").join(FOLDER) };
        (folder, archive)
    }

    #[test]
    fn a_set_comes_back_as_it_was_also_with_what_had_expired_by_then() {
        let (_folder, archive) = archive();
        let set = set(OPEN);
        assert!(matches!(archive.find(&set.digest), Err(ArchiveError::Missing { .. })));
        archive.keep(&set).unwrap();
        let (back, bundle) = archive.find(&set.digest).unwrap();
        assert_eq!(back, set);
        assert_eq!((bundle.digest(), bundle.policy_ids().count()), (set.digest.as_str(), 1));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&archive.folder), mode(&archive.path(&set.digest))), (0o700, 0o600));
        // On another day it is kept already.
        let written = fs::metadata(archive.path(&set.digest)).unwrap().modified().unwrap();
        archive.keep(&Archived { day: "2026-11-23".parse().unwrap(), ..set.clone() }).unwrap();
        assert_eq!(fs::metadata(archive.path(&set.digest)).unwrap().modified().unwrap(), written);
        assert_eq!(fs::read_dir(&archive.folder).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_was_changed_is_not_believed_and_is_mended_when_the_set_comes_into_force_again() {
        let (_folder, archive) = archive();
        let (set, other) = (set(OPEN), set(&OPEN.replace("\"d\"", "\"other\"")));
        archive.keep(&set).unwrap();
        archive.keep(&other).unwrap();
        fs::copy(archive.path(&other.digest), archive.path(&set.digest)).unwrap();
        assert!(matches!(archive.find(&set.digest), Err(ArchiveError::Changed { .. })));
        archive.keep(&set).unwrap();
        archive.find(&set.digest).unwrap();
        fs::write(archive.path(&set.digest), "no set").unwrap();
        assert!(matches!(archive.find(&set.digest), Err(ArchiveError::Damaged { .. })));
        archive.keep(&set).unwrap();
        archive.find(&set.digest).unwrap();
    }

    #[test]
    fn a_digest_leads_nowhere_else() {
        let (_folder, archive) = archive();
        archive.keep(&set(OPEN)).unwrap();
        for digest in ["", "../../secret", "a.b", &"g".repeat(64)] {
            assert!(matches!(archive.find(digest), Err(ArchiveError::Missing { .. })), "{digest}");
        }
    }

    #[test]
    fn a_set_that_cannot_be_kept_is_told() {
        let (folder, archive) = archive();
        fs::write(folder.path().join("var"), "no folder").unwrap();
        let told = archive.keep(&set(OPEN)).unwrap_err().to_string();
        assert!(told.contains("can't be kept in") && told.contains("do not come into force"), "{told}");
    }
}
