//! What cases of policies are put to: the policies, and what addresses and hours mean by config.toml.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::SystemClock;
use crate::config::{Config, Loaded};
use crate::domain::{AppId, Country, NetworkName};
use crate::policy::case::Surroundings;
use crate::policy::testing::{Setting, Tables};
use crate::policy::{Bundle, PolicySources};
use crate::signals::{Geo, Observer};

use super::load::LoadError;

/// Addresses and hours as a server of these settings sees them.
struct Server(Observer);

impl Surroundings for Server {
    fn networks(&self, address: IpAddr) -> BTreeSet<NetworkName> {
        self.0.networks_of(address)
    }

    fn country(&self, address: IpAddr) -> Option<Country> {
        self.0.whereabouts(address).country
    }

    fn zone(&self, app: &AppId) -> TimeZone {
        self.0.zone_of(app, None).0
    }
}

/// Where the cases of `tables` are decided: by `bundle`, which was read from `sources`, with the networks and zones of `config`.
#[must_use]
pub fn setting<'a>(
    config: &Config,
    bundle: &'a Bundle,
    sources: &PolicySources,
    tables: &Tables,
    geo: &Arc<Geo>,
) -> Setting<'a> {
    let has_expired = bundle.inventory().any(|policy| policy.standing == "expired");
    let earlier = (tables.tell_times() && has_expired)
        .then(|| Bundle::parse(sources, bundle.vocabulary().clone(), Date::MIN).ok())
        .flatten();
    // Cases have times of their own: this clock is not asked.
    let observer = Observer::new(config, Arc::clone(geo), Arc::new(SystemClock));
    Setting { bundle, earlier, surroundings: Some(Box::new(Server(observer))) }
}

/// The geo files, when a case looks a place up; a checkout without them can be tested otherwise.
///
/// # Errors
/// They cannot be used.
pub fn geo_for(loaded: &Loaded, tables: &Tables) -> Result<Arc<Geo>, LoadError> {
    if !tables.look_places_up() {
        return Ok(Arc::new(Geo::default()));
    }
    let geo = Geo::open(&loaded.config.geoip, None).map_err(|problems| loaded.report(problems))?;
    Ok(Arc::new(geo))
}
