//! What an app is to SAML: where its responses go and what they say about whom.

use crate::clock::Timestamp;
use crate::domain::{App, AuthnContextClass, IssueRequest, NameIdFormat, RelayState, RoleName, User, Username};

/// A user for whom this app's assertion cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no assertion for user `{user}` and app `{app}`: {rule}")]
pub struct MappingError {
    /// Who.
    pub user: Username,
    /// For what.
    pub app: crate::domain::AppId,
    /// The rule that is broken, with the value.
    pub rule: String,
}

/// What one sign-in adds to an assertion.
#[derive(Debug, Clone, Copy)]
pub struct IssueContext<'a> {
    /// One of the app's addresses; `None` = its first.
    pub acs: Option<&'a str>,
    /// The request it answers.
    pub in_response_to: Option<&'a str>,
    /// What goes back beside the response (see [`ServiceProvider::relay_state_for_launch`] and `…_for_request`).
    pub relay_state: Option<&'a RelayState>,
    /// `SessionIndex`: an opaque name of the session, not its secret.
    pub session_index: &'a str,
    /// When the person authenticated.
    pub authn_instant: Timestamp,
    /// How.
    pub authn_context: AuthnContextClass,
    /// When the session ends.
    pub session_not_on_or_after: Option<Timestamp>,
    /// The one role chosen; `None` = all that policies permit.
    pub role: Option<&'a RoleName>,
    /// The NameID format a request asked for and `request::verify` let pass.
    pub name_id_format: Option<NameIdFormat>,
    /// Keys the persistent and transient NameIDs.
    pub persistent_id_key: &'a [u8; 32],
}

/// An app with all that SAML needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProvider {
    app: App,
    entity_id: String,
    acs: Vec<String>,
}

impl ServiceProvider {
    /// The app as policies and pages see it.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The service provider's entity id: the `Audience`.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Its assertion consumer services; the first is the default.
    #[must_use]
    pub fn acs(&self) -> &[String] {
        &self.acs
    }

    /// What an assertion would say about `user`, before policies permit it.
    ///
    /// # Errors
    /// A value breaks a rule of the app.
    pub fn issue_request(&self, user: &User, context: &IssueContext<'_>) -> Result<IssueRequest, MappingError> {
        let _ = context;
        Err(MappingError { user: user.username.clone(), app: self.app.id.clone(), rule: String::new() })
    }
}
