//! Policies from elsewhere than where the server reads them: another folder, or a revision of git.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::civil::Date;

use super::load::{LoadError, MAX_FILE_BYTES, MAX_FILES, read_sources, vocabulary};
use crate::config::{Config, Loaded};
use crate::policy::{Bundle, PolicySources, SourceFile, Vocabulary};

/// A set of policies, and the names it may use.
#[derive(Debug)]
pub struct Candidate {
    /// What was asked for: a folder or a revision.
    pub name: String,
    /// The files.
    pub sources: PolicySources,
    /// The names.
    pub vocabulary: Vocabulary,
    /// The settings that the names come from.
    pub config: Config,
}

/// Policies from elsewhere cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// A file cannot be read, or the settings of the revision have problems.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is no folder, and git could not be started.
    #[error("`{name}` is no folder, and `git` can't be run to look for a revision of this name")]
    NoGit {
        /// What was asked for.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is both: a folder that a change brings must not pass for the branch it is compared with.
    #[error(
        "`{name}` is a folder and a revision of git: write `./{name}` for the folder, or another name for the revision, as `refs/heads/{name}`"
    )]
    Ambiguous {
        /// What was asked for.
        name: String,
    },
    /// It is neither a folder nor a revision.
    #[error("`{name}` is neither a folder nor a revision that git knows in `{}`: {said}", folder.display())]
    Unknown {
        /// What was asked for.
        name: String,
        /// Where git was asked.
        folder: PathBuf,
        /// What git said.
        said: String,
    },
    /// The revision holds no policies.
    #[error("the revision `{name}` has no `{file}` beside `{}`", folder.display())]
    NoPolicies {
        /// What was asked for.
        name: String,
        /// What is missing.
        file: &'static str,
        /// The folder of policies today.
        folder: PathBuf,
    },
}

impl Candidate {
    /// The policies that `config.toml` names, as they stand on the disk.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn current(loaded: &Loaded) -> Result<Self, CandidateError> {
        let folder = &loaded.config.policies.path;
        let name = folder.display().to_string();
        let sources = read_sources(folder)?;
        stays_within(folder, &sources)?;
        Ok(Self::of(name, sources, loaded.config.clone()))
    }

    /// The policies of a folder, or of a revision of the repository that the policies of today are in. What is both is told apart
    /// by how it is written: a path begins with a dot or a slash. A revision brings the
    /// names of its own config.toml, where that is in the repository; a folder is read under the names of today.
    ///
    /// # Errors
    /// It is neither, or its files cannot be read.
    pub fn read(loaded: &Loaded, name: &str) -> Result<Self, CandidateError> {
        let folder = Path::new(name);
        if folder.is_dir() {
            let is_path = name.starts_with(['.', '/']);
            if !is_path && Revision::find(&loaded.config.policies.path, name).is_ok() {
                return Err(CandidateError::Ambiguous { name: name.to_owned() });
            }
            let sources = read_sources(folder)?;
            stays_within(folder, &sources)?;
            return Ok(Self::of(name.to_owned(), sources, loaded.config.clone()));
        }
        Revision::find(&loaded.config.policies.path, name)?.candidate(loaded)
    }

    fn of(name: String, sources: PolicySources, config: Config) -> Self {
        Self { name, sources, vocabulary: vocabulary(&config), config }
    }

    /// Checks it and makes it ready to decide.
    ///
    /// # Errors
    /// See [`Bundle::parse`].
    pub fn bundle(&self, today: Date) -> Result<Bundle, crate::policy::BundleErrors> {
        Bundle::parse(&self.sources, self.vocabulary.clone(), today)
    }
}

/// A folder may come with a change, and what is wrong in a file is shown with its line: by a link out of the folder, a change
/// could have any file of this machine shown that way.
fn stays_within(folder: &Path, sources: &PolicySources) -> Result<(), LoadError> {
    let real = |path: &Path| path.canonicalize().map_err(|source| LoadError::Read { path: path.to_owned(), source });
    let root = real(folder)?;
    let PolicySources { schema, policies, tests, invariants } = sources;
    for file in [schema].into_iter().chain(policies).chain(tests).chain(invariants) {
        let path = PathBuf::from(&file.path);
        if !real(&path)?.starts_with(&root) {
            let source = io::Error::other("it is a link that leads out of the folder");
            return Err(LoadError::Read { path, source });
        }
    }
    Ok(())
}

/// A commit, seen from the folder of policies.
struct Revision<'a> {
    folder: &'a Path,
    name: &'a str,
    commit: String,
}

impl<'a> Revision<'a> {
    fn find(folder: &'a Path, name: &'a str) -> Result<Self, CandidateError> {
        // A name that begins with a dash would be read as an option.
        let wanted = format!("{name}^{{commit}}");
        let output = git(folder, name, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let said = if said.is_empty() { "unknown revision".to_owned() } else { said };
            return Err(CandidateError::Unknown { name: name.to_owned(), folder: folder.to_owned(), said });
        }
        let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Self { folder, name, commit })
    }

    fn candidate(&self, loaded: &Loaded) -> Result<Candidate, CandidateError> {
        let config = self.settings(loaded)?;
        // Where the policies were, the revision says: a change that names another folder must not be compared with that one.
        let there = Revision { folder: &config.policies.path, name: self.name, commit: self.commit.clone() };
        let sources = there.sources()?;
        Ok(Candidate::of(self.name.to_owned(), sources, config))
    }

    fn sources(&self) -> Result<PolicySources, CandidateError> {
        let missing =
            |file| CandidateError::NoPolicies { name: self.name.to_owned(), file, folder: self.folder.to_owned() };
        let schema = self.file(self.folder, "schema.cedarschema")?.ok_or_else(|| missing("schema.cedarschema"))?;
        Ok(PolicySources {
            schema,
            policies: self.files("", ".cedar")?,
            tests: self.files("tests/", ".toml")?,
            invariants: self.files("invariants/", ".cedar")?,
        })
    }

    /// The settings of then, where they are in the repository; those of today otherwise.
    fn settings(&self, loaded: &Loaded) -> Result<Config, CandidateError> {
        let config = &loaded.config.file;
        let settings = match (config.parent(), config.file_name().and_then(|name| name.to_str())) {
            (Some(folder), Some(name)) => {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                self.file(folder, name).ok().flatten()
            }
            _ => None,
        };
        Ok(match settings {
            Some(settings) => loaded.with_text(&settings.text).map_err(LoadError::Config)?.config,
            None => loaded.config.clone(),
        })
    }

    /// The files below the folder of policies whose path begins and ends like this, without further folders.
    fn files(&self, within: &str, ending: &str) -> Result<Vec<SourceFile>, CandidateError> {
        let output =
            git(self.folder, self.name, &["ls-tree", "-z", "--name-only", &self.commit, &format!("./{within}")])?;
        if !output.status.success() {
            return Err(self.unreadable(within));
        }
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names: Vec<&str> = names.split('\0').filter(|name| name.ends_with(ending)).collect();
        if names.len() > MAX_FILES {
            return Err(LoadError::TooLarge { path: self.folder.to_owned(), limit: "at most 10,000 files" }.into());
        }
        names.sort_unstable();
        // A file that is there and can't be had must not be left out: the set would be another one.
        let read = |name: &str| self.file(self.folder, name)?.ok_or_else(|| self.unreadable(name));
        names.into_iter().map(read).collect()
    }

    fn unreadable(&self, name: &str) -> CandidateError {
        let path = PathBuf::from(format!("{}:{}", self.name, self.folder.join(name).display()));
        let source = io::Error::other("git does not hand it out: its name is no UTF-8, or it is not on this machine");
        LoadError::Read { path, source }.into()
    }

    /// One file; `None` when the revision has none there.
    fn file(&self, folder: &Path, path: &str) -> Result<Option<SourceFile>, CandidateError> {
        let output = git(folder, self.name, &["show", &format!("{}:./{path}", self.commit)])?;
        if !output.status.success() {
            return Ok(None);
        }
        let shown = format!("{}:{}", self.name, folder.join(path).display());
        if u64::try_from(output.stdout.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
            return Err(LoadError::TooLarge { path: PathBuf::from(shown), limit: "at most 4 MiB" }.into());
        }
        let text = String::from_utf8(output.stdout).map_err(|error| LoadError::Read {
            path: PathBuf::from(&shown),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        Ok(Some(SourceFile { path: shown, text }))
    }
}

fn git(folder: &Path, name: &str, args: &[&str]) -> Result<Output, CandidateError> {
    let run = Command::new("git").arg("-C").arg(folder).args(args).output();
    run.map_err(|source| CandidateError::NoGit { name: name.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn what_a_revision_has_and_cannot_be_read_is_told_and_no_folder_passes_for_a_branch() {
        let folder = tempfile::tempdir().unwrap();
        let policies = folder.path().join("policies");
        fs::create_dir(&policies).unwrap();
        fs::write(policies.join("schema.cedarschema"), "").unwrap();
        fs::write(policies.join("a.cedar"), "// a\n").unwrap();
        fs::write(folder.path().join("config.toml"), "").unwrap();
        let loaded = crate::config::load(&folder.path().join("config.toml"), []).unwrap();
        let git = |arguments: &[&str]| {
            let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"];
            let done = Command::new("git").args(who).args(arguments).current_dir(&folder).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        git(&["init", "--quiet"]);
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "one"]);
        let read = |name: &str| Candidate::read(&loaded, name);
        assert_eq!(read("main").unwrap().sources.policies.len(), 1);
        for name in ["--help", "-main", "", "main:policies", "main; ls"] {
            assert!(matches!(read(name), Err(CandidateError::Unknown { .. })), "{name}");
        }
        // A folder of the working directory, which is the package's here.
        git(&["branch", "src/runtime"]);
        assert!(matches!(read("src/runtime"), Err(CandidateError::Ambiguous { .. })));
        assert!(matches!(read("./src/runtime"), Err(CandidateError::Load(_))), "a folder without policies");
        let folder_by_path = policies.to_str().unwrap();
        std::os::unix::fs::symlink("a.cedar", policies.join("b.cedar")).unwrap();
        assert_eq!(read(folder_by_path).unwrap().sources.policies.len(), 2);
        for (leads_to, wrong) in
            [("../config.toml", "out of the folder"), ("nowhere", "No such file"), ("/dev/null", "no file")]
        {
            let link = policies.join("c.cedar");
            std::os::unix::fs::symlink(leads_to, &link).unwrap();
            let told = read(folder_by_path).unwrap_err().to_string();
            assert!(told.contains("c.cedar") && told.contains(wrong), "{told}");
            fs::remove_file(link).unwrap();
        }
        fs::remove_file(policies.join("b.cedar")).unwrap();
        // A change that names another folder is compared with the one that was in force.
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("schema.cedarschema"), "").unwrap();
        git(&["add", "elsewhere"]);
        git(&["commit", "--quiet", "--message", "elsewhere"]);
        fs::write(folder.path().join("config.toml"), "[policies]\npath = \"elsewhere\"\n").unwrap();
        let moved = crate::config::load(&folder.path().join("config.toml"), []).unwrap();
        assert_eq!(Candidate::read(&moved, "main").unwrap().sources.policies.len(), 1);
        fs::write(folder.path().join("config.toml"), "").unwrap();
        fs::write(policies.join(OsStr::from_bytes(b"b\xff.cedar")), "// b\n").unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "two"]);
        let told = read("main").unwrap_err().to_string();
        assert!(told.contains("git does not hand it out"), "{told}");
    }
}
