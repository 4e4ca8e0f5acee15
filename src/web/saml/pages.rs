//! The pages between this server and an app.

use askama::Template;

use crate::web::page::Frame;

/// Carries a response to the app: a form that a static script submits; its button does the same without script.
#[derive(Debug, Clone, Template)]
#[template(path = "saml/post.html")]
pub struct Post {
    /// The frame.
    pub frame: Frame,
    /// The app.
    pub app_name: String,
    /// Where the form goes.
    pub acs: String,
    /// The response, base64.
    pub saml_response: String,
    /// What goes back beside it.
    pub relay_state: Option<String>,
}

/// A hidden field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenField {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// Asks before an app is opened on the word of another site. POST `action` (`/launch/{app}`).
#[derive(Debug, Clone, Template)]
#[template(path = "saml/launch_confirm.html")]
pub struct LaunchConfirm {
    /// The frame.
    pub frame: Frame,
    /// The app.
    pub app_name: String,
    /// Where the form goes.
    pub action: String,
    /// What it carries besides the CSRF token.
    pub fields: Vec<HiddenField>,
}
