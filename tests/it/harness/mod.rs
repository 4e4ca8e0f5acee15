//! What the tests stand on. [`server`] starts the real binary with its own folder, config and people; [`client`] talks HTTP
//! to it as a browser without scripts would; [`browser`] is Chromium; [`saml`] plays the service provider and [`tamper`] the
//! one between, [`receiver`] is where the browser delivers; [`judges`] asks software we did not write. No test sleeps: everything waits for an event, with a limit.

pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod judges;
pub(crate) mod people;
pub(crate) mod process;
pub(crate) mod receiver;
pub(crate) mod saml;
pub(crate) mod server;
pub(crate) mod tamper;

use std::path::PathBuf;

/// A path inside the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
