//! The page with the app icons.

pub mod pages;
