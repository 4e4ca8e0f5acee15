//! From the `[[apps]]` of a config, and the files they name, to service providers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::load::{LoadError, Unavailable};
use super::metadata::{Imported, Reader, Unread, check_folder, url_of};
use super::supplied;
use crate::clock::Timestamp;
use crate::config::{AppConfig, Loaded, Problem};
use crate::domain::AppId;
use crate::saml::ServiceProvider;

/// The apps of a set.
pub(super) struct Apps {
    /// In the order of config.toml.
    pub(super) apps: Vec<Arc<ServiceProvider>>,
    pub(super) imported: Vec<Imported>,
    pub(super) unavailable: Vec<Unavailable>,
}

/// An app that was built, by its place in config.
struct Built {
    index: usize,
    /// Its entity id is what fetched metadata says, and config does not.
    name_is_fetched: bool,
    provider: ServiceProvider,
    imported: Option<Imported>,
}

impl Apps {
    /// Builds all of them. Metadata that ended before `today` is over; what ends today does so when its hour comes.
    pub(super) fn build(loaded: &Loaded, today: jiff::civil::Date) -> Result<Self, LoadError> {
        let midnight = today.to_zoned(jiff::tz::TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |day| day.timestamp());
        let mut reader = Reader::new(&loaded.config, midnight);
        let (mut built, mut unavailable, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        let mut reserved = HashMap::new();
        if loaded.config.apps.iter().any(|app| url_of(app).is_some()) {
            let folder = check_folder(&loaded.config.saml.metadata_cache);
            problems.extend(folder.err().map(|why| Problem::new("saml.metadata_cache", why)));
        }
        for (index, app) in loaded.config.apps.iter().enumerate() {
            match built_app(app, &mut reader) {
                Ok((provider, imported)) => {
                    let name_is_fetched = url_of(app).is_some() && app.entity_id.is_none();
                    built.push(Built { index, name_is_fetched, provider, imported });
                }
                Err(Unread::Unavailable(why)) => {
                    reserved.extend(reader.name_of(app).map(|name| (name, app.id.clone())));
                    unavailable.push(Unavailable { app: ServiceProvider::app_of(app), why });
                }
                Err(Unread::Problems(found)) => {
                    problems.extend(found.into_iter().map(|problem| problem.under(&format!("apps[{index}]"))));
                }
            }
        }
        let built = of_different_names(built, &reserved, &mut unavailable, &mut problems);
        if !problems.is_empty() {
            return Err(loaded.report(problems).into());
        }
        let (mut apps, mut imported) = (Vec::with_capacity(built.len()), Vec::new());
        for app in built {
            apps.push(Arc::new(app.provider));
            imported.extend(app.imported);
        }
        Ok(Self { apps, imported, unavailable })
    }
}

/// Builds one app. What is wrong with fetched metadata leaves the app out; what is wrong with config is a problem.
pub(super) fn built_app(
    app: &AppConfig,
    reader: &mut Reader<'_>,
) -> Result<(ServiceProvider, Option<Imported>), Unread> {
    let (supplied, imported) = supplied::read(app, reader)?;
    match ServiceProvider::build(app, &supplied) {
        Ok(provider) => Ok((provider, imported)),
        Err(problems) if url_of(app).is_some() && problems.iter().all(|problem| problem.key == ".metadata") => {
            Err(Unread::Unavailable(Unread::Problems(problems).in_words()))
        }
        Err(problems) => Err(Unread::Problems(problems)),
    }
}

/// A request names its app by entity id, so each app needs its own. Who is named by config or a file comes first: what was
/// fetched takes no name from another app, not even from one that is `reserved` while nobody can sign in to it, and stops no
/// set. Of two that fetched the same name nobody can tell whose it is.
fn of_different_names(
    built: Vec<Built>,
    reserved: &HashMap<String, AppId>,
    unavailable: &mut Vec<Unavailable>,
    problems: &mut Vec<Problem>,
) -> Vec<Built> {
    let (fetched, own): (Vec<_>, Vec<_>) = built.into_iter().partition(|app| app.name_is_fetched);
    let said =
        |id: &AppId, other: &AppId, name: &str| format!("app `{id}` has the entity id of app `{other}`: `{name}`");
    let mut names: HashMap<String, AppId> = HashMap::new();
    let mut kept = Vec::with_capacity(own.len() + fetched.len());
    for app in own {
        let (id, name) = (&app.provider.app().id, app.provider.entity_id());
        if let Some(other) = names.get(name) {
            let help = "a request names its app by entity id, so each app needs its own";
            problems.push(Problem::new(format!("apps[{}]", app.index), said(id, other, name)).with_help(help));
        } else {
            names.insert(name.to_owned(), id.clone());
            kept.push(app);
        }
    }
    for (name, id) in reserved {
        names.entry(name.clone()).or_insert_with(|| id.clone());
    }
    let (mut free, mut contested) = (Vec::with_capacity(fetched.len()), HashSet::new());
    for app in fetched {
        let (id, name) = (app.provider.app().id.clone(), app.provider.entity_id().to_owned());
        if let Some(other) = names.get(&name) {
            unavailable.push(Unavailable { app: app.provider.app().clone(), why: said(&id, other, &name) });
            contested.insert(name);
        } else {
            names.insert(name, id);
            free.push(app);
        }
    }
    for app in free {
        let name = app.provider.entity_id();
        if contested.contains(name) {
            let why = format!("another app claims its entity id `{name}`: say whose it is by `entity_id`");
            unavailable.push(Unavailable { app: app.provider.app().clone(), why });
        } else {
            kept.push(app);
        }
    }
    kept.sort_by_key(|app| app.index);
    kept
}
