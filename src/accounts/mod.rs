//! People with an account, kept in SQL (SQLite or PostgreSQL): who they are, their groups, password hashes, authenticators, one-time links and
//! the outbox of mails. Sessions and devices live elsewhere; whether somebody may do something is for policies.
//!
//! INVARIANT: whatever must end a person's sessions (new password, new or removed authenticator, change of status) raises
//! `session_epoch` in the same transaction as the change itself.

mod audit_heads;
mod authenticators;
mod database;
mod envelope;
pub mod import;
mod links;
mod log_keys;
mod open;
mod outbox;
mod password_rules;
mod store;
mod users;

#[cfg(test)]
mod contract;
#[cfg(test)]
#[path = "contract.rs"]
#[allow(
    clippy::duplicate_mod,
    dead_code,
    reason = "the same suite for the other database, which it tells by the module's name"
)]
mod contract_on_postgres;
#[cfg(test)]
#[path = "../../tests/it/harness/postgres.rs"]
#[allow(dead_code, reason = "the integration tests use the rest")]
mod postgres_server;

pub use audit_heads::StoredHead;
pub use authenticators::{Authenticator, MAX_AUTHENTICATORS, TotpRecord};
pub use envelope::{Binding, Envelope, EnvelopeError, Sealed};
pub use links::{Link, LinkPurpose, LinkToken};
pub use log_keys::{LOG_KEY_LEN, LogKey};
pub use outbox::{
    Dispatch, GIVE_UP_SECONDS, LeasedMail, MAX_WAITING_MAILS, OutboxDepth, OutboxMail, StoredMail, Urgency,
};
pub use password_rules::{PasswordContext, PasswordProblem, PasswordRules};
pub use store::{Accounts, AccountsError};
pub use users::{Login, NewUser};

pub use crate::workers::{Password, PasswordHash, PasswordHashError};
