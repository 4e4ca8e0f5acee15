//! The demonstration's own pages.

pub mod pages;
