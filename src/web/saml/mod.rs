//! Launching apps and posting responses.

pub mod pages;
