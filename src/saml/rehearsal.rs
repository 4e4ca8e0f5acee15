//! Whether an app could be told of a user at all, found out before they come: everything up to the signature, for nobody.

use super::issuer::unsigned_size;
use super::service_provider::{IssueContext, MappingError, ServiceProvider};
use crate::clock::{Entropy, Timestamp};
use crate::domain::{AuthnContextClass, User};

/// Maps and writes what the app `provider` would be told of `user` at their first sign-in, with every role, and throws it away.
///
/// # Errors
/// A value breaks a rule of the app, cannot stand in XML, or makes the response too large.
pub fn rehearse(
    provider: &ServiceProvider,
    user: &User,
    public_url: &str,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(), MappingError> {
    let context = IssueContext {
        acs: None,
        in_response_to: None,
        relay_state: None,
        session_index: "_00000000000000000000000000000000",
        authn_instant: now,
        authn_context: AuthnContextClass::PasswordProtectedTransport,
        session_not_on_or_after: Some(now),
        role: None,
        name_id_format: None,
        // Nobody sees the name that is made with it.
        persistent_id_key: &[0; 32],
    };
    let request = provider.issue_request(user, &context)?;
    unsigned_size(&request, public_url, now, entropy).map(drop).map_err(|error| MappingError {
        user: user.username.clone(),
        app: provider.app().id.clone(),
        rule: error.to_string(),
    })
}
