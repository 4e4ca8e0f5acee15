//! From the name to the second factor, and the ways out.

pub mod handlers;
pub mod pages;
pub(crate) mod render;
