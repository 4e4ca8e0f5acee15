//! What the fuzz targets do with the bytes they are given: a target calls one function of this crate, which panics when a
//! promise is broken. The promises stand in the modules, one for each kind of message.

mod logout;
mod metadata;
mod policies;
mod requests;

pub use logout::logout_request;
pub use metadata::sp_metadata;
pub use policies::{policy_set, policy_tests};
pub use requests::{post_binding, redirect_binding};
