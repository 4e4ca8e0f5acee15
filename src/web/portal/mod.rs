//! The page with the app icons.

pub mod handlers;
pub mod pages;
