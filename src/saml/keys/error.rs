//! What can be wrong with keys.

use std::path::{Path, PathBuf};

use super::hsm::HardwareError;
use super::ledger::Step;
use super::place::KeyType;
use crate::clock::EntropyError;

/// The keys could not be read, made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file or the folder cannot be read or written.
    #[error("cannot use `{path}`")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the private key.
    #[error("`{path}` may be read by others (mode {mode:o}): run `chmod 600` on it")]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Others may put files of theirs into the folder.
    #[error("`{path}` may be written to by others (mode {mode:o}): run `chmod go-w` on it")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is not what it should be.
    #[error("`{path}` {problem}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A step was begun and did not come to its end.
    #[error(
        "`{path}` is in the middle of `cedargate keys {step}`, which was interrupted: run \
         `cedargate keys {step} --kind {}` to finish it",
        key_type.code()
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// Which step.
        step: Step,
        /// Of which kind of key.
        key_type: KeyType,
    },
    /// Somebody else changes the folder.
    #[error("`{path}` is locked: another `cedargate keys` is at work there; try again when it has ended")]
    Locked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The step makes no sense now. Says what to do instead.
    #[error("{problem}: {instead}")]
    Step {
        /// Why not.
        problem: String,
        /// What to do.
        instead: String,
    },
    /// The key in the hardware module cannot be used.
    #[error(transparent)]
    Hardware(#[from] HardwareError),
    /// The new key could not be made.
    #[error("no key could be made")]
    Generate(#[from] rcgen::Error),
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The ledger cannot be written.
    #[error("the ledger of keys can't be written")]
    Ledger(#[from] toml::ser::Error),
}

impl KeysError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    pub(super) fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.into(), problem: problem.into() }
    }

    pub(super) fn step(problem: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::Step { problem: problem.into(), instead: instead.into() }
    }
}
