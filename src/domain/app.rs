//! Apps as policies and pages see them. What SAML needs besides is `saml::ServiceProvider`.

use super::{AppId, GroupName, RoleName};

/// What people read on the tile and in "to continue to …".
pub type AppName = String;

/// A registered service provider, or one of the reserved apps `portal` and `console`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The id in config.toml and in policies.
    pub id: AppId,
    /// What people read.
    pub name: AppName,
    /// How many devices a person may use it from; 0 = no limit.
    pub device_limit: u32,
    /// The group that tries it out; `None` = it is open to all.
    pub pilot: Option<GroupName>,
    /// What it lets people become; policies decide each (`assumeRole`).
    pub roles: Vec<RoleName>,
}

impl App {
    /// The Cedar id of one of the app's roles: `aws/Dev`.
    #[must_use]
    pub fn role_entity_id(&self, role: &RoleName) -> String {
        format!("{}/{role}", self.id)
    }
}
