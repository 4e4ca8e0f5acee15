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

use std::path::PathBuf;

/// A path inside the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
