//! A person's own account: their devices.

pub mod handlers;
pub mod pages;
