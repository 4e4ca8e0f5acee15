//! Launching apps and posting responses, and signing out of apps.

pub mod handlers;
pub mod logout;
pub mod logout_pages;
pub mod metadata;
pub mod pages;
