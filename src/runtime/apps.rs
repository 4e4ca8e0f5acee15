//! From the `[[apps]]` of a config, and the files they name, to service providers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::load::{LoadError, Unavailable};
use super::metadata::{Reader, Unread};
use super::supplied;
use crate::clock::Timestamp;
use crate::config::{Loaded, Problem};
use crate::domain::AppId;
use crate::saml::ServiceProvider;

/// The apps of a set.
pub(super) struct Apps {
    /// In the order of config.toml.
    pub(super) apps: Vec<Arc<ServiceProvider>>,
    pub(super) unavailable: Vec<Unavailable>,
}

impl Apps {
    /// Builds all of them. Metadata that ended before `today` is over; what ends today does so when its hour comes.
    pub(super) fn build(loaded: &Loaded, today: jiff::civil::Date) -> Result<Self, LoadError> {
        let midnight = today.to_zoned(jiff::tz::TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |day| day.timestamp());
        let mut reader = Reader::new(&loaded.config, midnight);
        let mut built = Self { apps: Vec::with_capacity(loaded.config.apps.len()), unavailable: Vec::new() };
        let (mut problems, mut names) = (Vec::new(), BTreeMap::new());
        for (index, app) in loaded.config.apps.iter().enumerate() {
            let provider = supplied::read(app, &mut reader)
                .and_then(|supplied| ServiceProvider::build(app, &supplied).map_err(Unread::Problems));
            match provider {
                Ok(provider) => {
                    problems.extend(taken(&mut names, index, &provider));
                    built.apps.push(Arc::new(provider));
                }
                Err(Unread::Unavailable(why)) => {
                    built.unavailable.push(Unavailable { app: ServiceProvider::app_of(app), why });
                }
                Err(Unread::Problems(found)) => {
                    problems.extend(found.into_iter().map(|problem| problem.under(&format!("apps[{index}]"))));
                }
            }
        }
        if problems.is_empty() { Ok(built) } else { Err(loaded.report(problems).into()) }
    }
}

/// The problem of an app whose entity id another app has.
fn taken(names: &mut BTreeMap<String, AppId>, index: usize, provider: &ServiceProvider) -> Option<Problem> {
    let id = &provider.app().id;
    let other = names.insert(provider.entity_id().to_owned(), id.clone())?;
    let message = format!("app `{id}` has the entity id of app `{other}`: `{}`", provider.entity_id());
    let help = "a request names its app by entity id, so each app needs its own";
    Some(Problem::new(format!("apps[{index}]"), message).with_help(help))
}
