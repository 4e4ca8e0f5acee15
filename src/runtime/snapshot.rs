//! One set of config, policies, apps and keys.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{Config, PublicUrl};
use crate::domain::{App, AppId, CONSOLE, PORTAL};
use crate::policy::Bundle;
use crate::saml::{IdentityProvider, Registry, ServiceProvider};
use crate::signals::Observer;

use super::load::{Checked, Unavailable};
use super::metadata::Imported;

/// Everything a step is decided and answered by.
pub struct Snapshot {
    /// The settings.
    pub config: Config,
    /// Where people reach this server (with the port that was bound, where config says 0).
    pub public_url: PublicUrl,
    /// The policies.
    pub bundle: Bundle,
    /// What sees networks, places and hours as this config names them.
    pub observer: Observer,
    /// This identity provider, with its key.
    pub idp: IdentityProvider,
    apps: Vec<Arc<ServiceProvider>>,
    by_id: HashMap<AppId, Arc<ServiceProvider>>,
    by_entity_id: HashMap<String, Arc<ServiceProvider>>,
    imported: Vec<Imported>,
    unavailable: Vec<Unavailable>,
    portal: App,
}

/// The reserved app `portal` is missing from the vocabulary, which always holds it.
#[derive(Debug, thiserror::Error)]
#[error("the policies' vocabulary lacks the app `portal`")]
pub struct NoPortal;

impl Snapshot {
    /// Puts checked parts together.
    ///
    /// # Errors
    /// The vocabulary lacks the portal.
    pub fn new(
        config: Config,
        public_url: PublicUrl,
        checked: Checked,
        idp: IdentityProvider,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NoPortal> {
        let portal = checked.bundle.vocabulary().app(PORTAL).ok_or(NoPortal)?.clone();
        let observer = Observer::new(&config, Arc::clone(&checked.geo), clock);
        let Checked { apps, imported, unavailable, bundle, .. } = checked;
        let by_id = apps.iter().map(|app| (app.app().id.clone(), Arc::clone(app))).collect();
        let by_entity_id = apps.iter().map(|app| (app.entity_id().to_owned(), Arc::clone(app))).collect();
        Ok(Self { config, public_url, bundle, observer, idp, apps, by_id, by_entity_id, imported, unavailable, portal })
    }

    /// The app of this id, the reserved ones included.
    #[must_use]
    pub fn app(&self, id: &AppId) -> Option<&App> {
        self.bundle.vocabulary().app(id.as_str())
    }

    /// The reserved app that stands for the page with the icons.
    #[must_use]
    pub fn portal(&self) -> &App {
        &self.portal
    }

    /// What SAML needs to know of an app; `None` for the reserved ones.
    #[must_use]
    pub fn service_provider(&self, id: &AppId) -> Option<&Arc<ServiceProvider>> {
        self.by_id.get(id)
    }

    /// What is known from metadata, in the order of config.toml.
    #[must_use]
    pub fn imported(&self) -> &[Imported] {
        &self.imported
    }

    /// The apps that nobody can sign in to for now, as their metadata is missing or over.
    #[must_use]
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    /// The apps that get assertions.
    pub fn service_providers(&self) -> impl Iterator<Item = &ServiceProvider> {
        self.apps.iter().map(|provider| &**provider)
    }

    /// The apps that may be opened from the portal.
    pub fn launchable_apps(&self) -> impl Iterator<Item = &App> {
        self.apps.iter().filter(|provider| provider.idp_initiated()).map(|provider| provider.app())
    }

    /// The name of the app's icon.
    #[must_use]
    pub fn icon(&self, id: &AppId) -> Option<&str> {
        self.service_provider(id)?.icon()
    }

    /// What pages call the app; `None` for the reserved ones, which need no naming.
    #[must_use]
    pub fn display_name(&self, id: &AppId) -> Option<String> {
        if matches!(id.as_str(), PORTAL | CONSOLE) { None } else { self.app(id).map(|app| app.name.clone()) }
    }
}

impl Registry for Snapshot {
    fn by_entity_id(&self, entity_id: &str) -> Option<Arc<ServiceProvider>> {
        self.by_entity_id.get(entity_id).cloned()
    }
}
