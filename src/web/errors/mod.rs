//! Pages for what went wrong.

pub mod pages;
