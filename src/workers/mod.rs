//! Work that must not run on request threads: bounded pools of named threads, and password hashing on one of them.
//! A full queue refuses at once, so that a storm of sign-ins cannot slow anything else down. Nothing here knows users.

mod hashing;
mod password;
mod pool;

pub use hashing::{Checked, HashCost, HashError, HashPool, HashSettings};
pub use password::{Password, PasswordHash, PasswordHashError};
pub use pool::{Pool, PoolError, PoolSettings, Priority};
