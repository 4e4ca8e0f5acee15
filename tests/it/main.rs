//! The integration tests: the real binary, real HTTP, a real browser, and other people's SAML software as judges.
//! One binary, so that it links once. `make test` installs what the tests call; a missing tool fails them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(clippy::print_stderr, reason = "what a failed test has to say")]

mod architecture;
mod attacks;
mod audit;
mod catalogue;
mod ci;
mod contexts;
mod corpora;
mod crash;
mod demo;
mod devices;
mod docs;
mod epoch;
mod explain;
mod golden;
mod guessing;
mod harness;
mod judges;
mod keys;
mod log;
mod logout;
mod mail;
mod mailed_code;
mod matrix;
mod operations;
mod permits;
mod policy_author;
mod postgres;
mod preview;
mod prove;
mod redis_faults;
mod registration;
mod reload;
mod replay;
mod saml;
mod signals;
mod signin;
mod sp_metadata;
mod tables;
mod time;
