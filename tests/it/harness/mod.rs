//! What the tests stand on. [`server`] starts the real binary with its own folder, config and people; [`client`] talks HTTP
//! to it as a browser without scripts would; [`browser`] is Chromium; [`saml`] plays the service provider and [`tamper`] the
//! one between, [`receiver`] is where the browser delivers; [`judges`] asks software we did not write; [`redis`] and
//! [`postgres`] are real servers, [`mail`] is a mail server that others wrote. No test sleeps: everything waits for an event, with a limit.

pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod http;
pub(crate) mod judges;
pub(crate) mod logout;
pub(crate) mod mail;
pub(crate) mod people;
#[allow(dead_code, reason = "the tests of the library use the rest")]
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod saml;
pub(crate) mod server;
pub(crate) mod source;
pub(crate) mod tamper;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A path inside the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The settings and policies as shipped, in a folder of their own.
pub(crate) fn checkout() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::copy(repository("config.toml"), folder.path().join("config.toml")).unwrap();
    server::copy_folder(&repository("policies"), &folder.path().join("policies"));
    folder
}

/// [`checkout`] without the tests of its policies, for whoever starts the program often: they are most of what it looks at.
pub(crate) fn untested() -> TempDir {
    let folder = checkout();
    fs::remove_dir_all(folder.path().join("policies/tests")).unwrap();
    fs::create_dir(folder.path().join("policies/tests")).unwrap();
    folder
}

/// Makes a folder a repository of git, with all that is in it in one commit.
pub(crate) fn commit(folder: &Path) {
    let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"];
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message", "as shipped"]] {
        let said = process::run(Command::new("git").args(who).args(arguments).current_dir(folder), b"");
        assert!(said.ok, "{said:?}");
    }
}
