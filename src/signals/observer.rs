//! Puts the facts of one evaluation together. Nothing here fails: what cannot be had is in `unknown`, its value the risky one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::address::{AddressKind, normalise};
use super::baseline::Past;
use super::geo::{Geo, Readings};
use super::travel::{Coordinates, Stop};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::domain::{AppId, Country, DeviceFacts, NetworkName, RiskFacts, SignalSet, UnknownSignal};

/// What is known of one request and of who sends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// The client's address.
    pub ip: IpAddr,
    /// Where the sign-in leads.
    pub app: &'a AppId,
    /// The zone an administrator gave the person. Nothing that people can change themselves may stand here.
    pub time_zone: Option<&'a str>,
    /// The device; `None` when it could not be looked up.
    pub device: Option<DeviceFacts>,
    /// Wrong passwords for this name from this network within 15 minutes.
    pub failed_attempts: u32,
    /// The person's earlier sign-ins.
    pub past: &'a Past,
}

impl<'a> Observation<'a> {
    /// What can be said before anybody is known: the address.
    #[must_use]
    pub fn of_visitor(ip: IpAddr, app: &'a AppId) -> Self {
        let device = Some(DeviceFacts::default());
        Self { ip, app, time_zone: None, device, failed_attempts: 0, past: &Past::Unknown }
    }
}

/// What an address says of where somebody is. `None`: not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Whereabouts {
    /// The country; [`Country::private`] for a private address.
    pub country: Option<Country>,
    /// The place as people read it.
    pub place: Option<String>,
    /// About where that is.
    pub coordinates: Option<Coordinates>,
    /// The autonomous system.
    pub asn: Option<u32>,
    /// Whether the address is an anonymiser's.
    pub anonymous: Option<bool>,
}

/// Whose zone hours and weekdays are read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneSource {
    /// The app's own.
    App,
    /// The person's.
    Person,
    /// The organisation's.
    Organisation,
}

/// How the facts of the observer in force are seen. The server looks [`Plain`]; the demonstration pretends an address, a country
/// and an hour.
pub trait Lens: Send + Sync {
    /// The facts at this instant.
    fn observe(&self, observer: &Observer, observation: &Observation<'_>) -> SignalSet;
}

/// Sees the facts as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plain;

impl Lens for Plain {
    fn observe(&self, observer: &Observer, observation: &Observation<'_>) -> SignalSet {
        observer.observe(observation)
    }
}

/// Observes by config, geo files and clock. Part of the snapshot in force, so that a reload brings new networks, zones and files
/// with the policies that name them.
pub struct Observer {
    networks: BTreeMap<NetworkName, Vec<IpNet>>,
    app_zones: BTreeMap<AppId, TimeZone>,
    zone: TimeZone,
    geo: Arc<Geo>,
    clock: Arc<dyn Clock>,
}

impl Observer {
    /// Knows networks and zones as `config` has them, and places by the files of `geo`.
    #[must_use]
    pub fn new(config: &Config, geo: Arc<Geo>, clock: Arc<dyn Clock>) -> Self {
        let zones = config.apps.iter().filter_map(|app| Some((app.id.clone(), app.time_zone.as_ref()?.zone().clone())));
        Self {
            networks: config.networks.clone(),
            app_zones: zones.collect(),
            zone: config.organisation.time_zone.zone().clone(),
            geo,
            clock,
        }
    }

    /// The geo files in use.
    #[must_use]
    pub fn geo(&self) -> &Arc<Geo> {
        &self.geo
    }

    /// The named networks that hold the address.
    #[must_use]
    pub fn networks_of(&self, ip: IpAddr) -> BTreeSet<NetworkName> {
        let ip = normalise(ip);
        self.networks
            .iter()
            .filter(|(_, blocks)| blocks.iter().any(|block| block.contains(&ip)))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// What the geo files say of an address, and by which file; `None` for a private one, which is in none.
    #[must_use]
    pub fn readings(&self, ip: IpAddr) -> Option<Readings> {
        let ip = normalise(ip);
        (AddressKind::of(ip) == AddressKind::Public).then(|| self.geo.read(ip))
    }

    /// Where somebody of this address is.
    #[must_use]
    pub fn whereabouts(&self, ip: IpAddr) -> Whereabouts {
        match self.readings(ip) {
            Some(readings) => Whereabouts {
                country: readings.country.value().cloned(),
                place: readings.place.value().cloned(),
                coordinates: readings.coordinates.value().copied(),
                asn: readings.asn.value().map(|(number, _)| *number),
                anonymous: readings.anonymous.value().copied(),
            },
            None => Whereabouts {
                country: Some(Country::private()),
                place: None,
                coordinates: None,
                asn: Some(0),
                anonymous: Some(false),
            },
        }
    }

    /// The zone in which hours are read: the app's, else the person's, else the organisation's.
    #[must_use]
    pub fn zone_of(&self, app: &AppId, person: Option<&str>) -> (TimeZone, ZoneSource) {
        if let Some(zone) = self.app_zones.get(app) {
            return (zone.clone(), ZoneSource::App);
        }
        match person.map(TimeZone::get) {
            Some(Ok(zone)) => (zone, ZoneSource::Person),
            Some(Err(error)) => {
                tracing::warn!(%error, "a person's time zone is not known; the organisation's is used");
                (self.zone.clone(), ZoneSource::Organisation)
            }
            None => (self.zone.clone(), ZoneSource::Organisation),
        }
    }

    /// The facts at this instant.
    #[must_use]
    pub fn observe(&self, observation: &Observation<'_>) -> SignalSet {
        self.observe_at(observation, self.whereabouts(observation.ip))
    }

    /// The facts at this instant, of somebody who is there.
    #[must_use]
    pub fn observe_at(&self, observation: &Observation<'_>, there: Whereabouts) -> SignalSet {
        let ip = normalise(observation.ip);
        let now = self.clock.now();
        let local = now.to_zoned(self.zone_of(observation.app, observation.time_zone).0);
        let new_country = is_new_country(observation.past, there.country.as_ref());
        let travel = is_impossible_travel(observation.past, &there, now);
        let unknown = [
            (UnknownSignal::Country, there.country.is_none()),
            (UnknownSignal::Asn, there.asn.is_none()),
            (UnknownSignal::Anonymous, there.anonymous.is_none()),
            (UnknownSignal::DeviceHistory, observation.device.is_none()),
            (UnknownSignal::NewCountry, new_country.is_none()),
            (UnknownSignal::ImpossibleTravel, travel.is_none()),
        ];
        let device = observation.device.unwrap_or(DeviceFacts { known: false, trusted: false, registered: u32::MAX });
        SignalSet {
            ip,
            country: there.country.unwrap_or_else(Country::unknown),
            place: there.place,
            asn: there.asn.unwrap_or(0),
            networks: self.networks_of(ip),
            anonymous: there.anonymous.unwrap_or(true),
            now,
            // INVARIANT: jiff gives hours 0 to 23 and weekdays 1 to 7.
            hour: local.hour().unsigned_abs(),
            weekday: local.weekday().to_monday_one_offset().unsigned_abs(),
            device,
            risk: RiskFacts {
                // On a device known for this app, what strangers typed elsewhere in the network says nothing.
                failed_attempts: if device.known { 0 } else { observation.failed_attempts },
                new_country: new_country.unwrap_or(true),
                impossible_travel: travel.unwrap_or(true),
            },
            unknown: unknown.into_iter().filter(|(_, missing)| *missing).map(|(signal, _)| signal).collect(),
        }
    }
}

/// Whether somebody was never allowed from this country within 180 days. A private address is in no country, so in no new one.
fn is_new_country(past: &Past, country: Option<&Country>) -> Option<bool> {
    let country = country?;
    match past {
        _ if *country == Country::private() => Some(false),
        Past::Unknown => None,
        Past::First => Some(false),
        Past::Seen(baseline) => Some(!baseline.countries.contains_key(country)),
    }
}

/// Whether nobody gets here from where the person was last. A private address has no place; nor has the first time one before.
fn is_impossible_travel(past: &Past, there: &Whereabouts, now: Timestamp) -> Option<bool> {
    match past {
        _ if there.country == Some(Country::private()) => Some(false),
        Past::Unknown => None,
        Past::First => Some(false),
        Past::Seen(baseline) => {
            let here = Stop { place: there.coordinates?, at: now };
            Some(here.is_out_of_reach_of(baseline.last?))
        }
    }
}

#[cfg(test)]
mod tests;
