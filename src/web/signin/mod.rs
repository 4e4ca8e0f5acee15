//! From the name to the second factor, and the ways out.

pub mod pages;
