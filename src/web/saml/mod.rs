//! Launching apps and posting responses.

pub mod handlers;
pub mod metadata;
pub mod pages;
