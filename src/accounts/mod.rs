//! People with an account, kept in SQL: who they are, their groups, password hashes, authenticators, one-time links and
//! the outbox of mails. Sessions and devices live elsewhere; whether somebody may do something is for policies.
//!
//! INVARIANT: whatever must end a person's sessions (new password, new or removed authenticator, change of status) raises
//! `session_epoch` in the same transaction as the change itself.

mod audit_heads;
mod authenticators;
mod envelope;
pub mod import;
mod links;
mod outbox;
mod password_rules;
mod store;
mod users;

#[cfg(test)]
mod contract;

pub use audit_heads::StoredHead;
pub use authenticators::{Authenticator, MAX_AUTHENTICATORS, TotpRecord};
pub use envelope::{Binding, Envelope, EnvelopeError, Sealed};
pub use links::{Link, LinkPurpose, LinkToken};
pub use outbox::{MAX_WAITING_MAILS, OutboxMail, StoredMail};
pub use password_rules::{PasswordContext, PasswordProblem, PasswordRules};
pub use store::{Accounts, AccountsError};
pub use users::{Login, NewUser};

pub use crate::workers::{Password, PasswordHash, PasswordHashError};
