//! Where an app takes logout messages.

use serde::{Deserialize, Serialize};

/// How logout messages are carried to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogoutBinding {
    /// In the query of an address (SAML bindings §3.4).
    #[default]
    Redirect,
    /// In a form (SAML bindings §3.5).
    Post,
}

/// An app's `SingleLogoutService`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutEndpoint {
    /// Where requests go.
    pub url: String,
    /// Where answers go.
    pub response_url: String,
    /// How both are carried.
    pub binding: LogoutBinding,
}
