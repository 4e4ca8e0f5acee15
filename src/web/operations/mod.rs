//! What machines ask: is it alive, is it ready, what are its numbers.

pub mod handlers;
pub mod measure;
