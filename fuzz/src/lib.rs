//! What the fuzz targets do with the bytes they are given: a target calls one function of this crate, which panics when a
//! promise is broken. The promises stand in the modules, one for each kind of message.

mod requests;

pub use requests::{post_binding, redirect_binding};
