//! Puts the facts of one evaluation together. Nothing here fails: what cannot be had is in `unknown`, its value the risky one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::address::{AddressKind, normalise};
use crate::clock::Clock;
use crate::domain::{Country, DeviceFacts, NetworkName, RiskFacts, SignalSet, UnknownSignal};

/// What the request itself brought along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The client's address.
    pub ip: IpAddr,
    /// The device; `None` when it could not be looked up.
    pub device: Option<DeviceFacts>,
    /// Wrong passwords for this name from this network within 15 minutes.
    pub failed_attempts: u32,
}

impl Observation {
    /// What can be said before anybody is known: the address.
    #[must_use]
    pub fn of_visitor(ip: IpAddr) -> Self {
        Self { ip, device: Some(DeviceFacts::default()), failed_attempts: 0 }
    }
}

/// How the facts of the observer in force are seen. The server looks [`Plain`]; the demonstration pretends an address, a country
/// and an hour.
pub trait Lens: Send + Sync {
    /// The facts at this instant.
    fn observe(&self, observer: &Observer, observation: &Observation) -> SignalSet;
}

/// Sees the facts as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plain;

impl Lens for Plain {
    fn observe(&self, observer: &Observer, observation: &Observation) -> SignalSet {
        observer.observe(observation)
    }
}

/// Observes by config and clock. Part of the snapshot in force, so that a reload brings new networks and zones with the
/// policies that name them.
pub struct Observer {
    networks: BTreeMap<NetworkName, Vec<IpNet>>,
    clock: Arc<dyn Clock>,
    zone: TimeZone,
}

impl Observer {
    /// Knows `networks` by name; hours and weekdays are those of `zone`.
    #[must_use]
    pub fn new(networks: BTreeMap<NetworkName, Vec<IpNet>>, zone: TimeZone, clock: Arc<dyn Clock>) -> Self {
        Self { networks, clock, zone }
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

    /// The facts at this instant.
    #[must_use]
    pub fn observe(&self, observation: &Observation) -> SignalSet {
        let ip = normalise(observation.ip);
        let now = self.clock.now();
        let local = now.to_zoned(self.zone.clone());
        let mut unknown = BTreeSet::new();
        let device = observation.device.unwrap_or_else(|| {
            unknown.insert(UnknownSignal::DeviceHistory);
            DeviceFacts { known: false, trusted: false, registered: u32::MAX }
        });
        let private = AddressKind::of(ip) == AddressKind::Private;
        if !private {
            // No source of places and networks is there yet, so of a public address nothing is known.
            unknown.extend([
                UnknownSignal::Country,
                UnknownSignal::Asn,
                UnknownSignal::Anonymous,
                UnknownSignal::NewCountry,
                UnknownSignal::ImpossibleTravel,
            ]);
        }
        SignalSet {
            ip,
            country: if private { Country::private() } else { Country::unknown() },
            asn: 0,
            networks: self.networks_of(ip),
            anonymous: !private,
            now,
            // INVARIANT: jiff gives hours 0 to 23 and weekdays 1 to 7.
            hour: local.hour().unsigned_abs(),
            weekday: local.weekday().to_monday_one_offset().unsigned_abs(),
            device,
            risk: RiskFacts {
                // On a device known for this app, what strangers typed elsewhere in the network says nothing.
                failed_attempts: if device.known { 0 } else { observation.failed_attempts },
                new_country: !private,
                impossible_travel: !private,
            },
            unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn observer(instant: &str, zone: &str) -> Observer {
        let networks = [
            ("office", vec!["203.0.113.0/24", "2001:db8:40::/48"]),
            ("building-7", vec!["203.0.113.64/26"]),
            ("lan", vec!["10.0.0.0/8"]),
        ];
        let networks = networks
            .into_iter()
            .map(|(name, blocks)| {
                (NetworkName::parse(name).unwrap(), blocks.into_iter().map(|block| block.parse().unwrap()).collect())
            })
            .collect();
        Observer::new(networks, TimeZone::get(zone).unwrap(), Arc::new(ManualClock::at(instant.parse().unwrap())))
    }

    fn observe(observer: &Observer, ip: &str) -> SignalSet {
        observer.observe(&Observation::of_visitor(ip.parse().unwrap()))
    }

    #[test]
    fn an_address_lies_in_every_network_that_holds_it() {
        let observer = observer("2026-11-21T12:00:00Z", "UTC");
        for (ip, expected) in [
            ("203.0.113.1", vec!["office"]),
            ("203.0.113.100", vec!["building-7", "office"]),
            ("::ffff:203.0.113.100", vec!["building-7", "office"]),
            ("2001:db8:40:7::1", vec!["office"]),
            ("10.200.0.1", vec!["lan"]),
            ("198.51.100.1", vec![]),
        ] {
            let names: Vec<String> = observe(&observer, ip).networks.iter().map(ToString::to_string).collect();
            assert_eq!(names, expected, "{ip}");
        }
    }

    #[test]
    fn of_a_public_address_everything_is_unknown_and_risky() {
        let signals = observe(&observer("2026-11-21T12:00:00Z", "UTC"), "::ffff:203.0.113.1");
        assert_eq!(signals.ip, "203.0.113.1".parse::<IpAddr>().unwrap());
        assert_eq!(signals.country, Country::unknown());
        assert!(signals.anonymous && signals.risk.new_country && signals.risk.impossible_travel);
        let codes: Vec<&str> = signals.unknown.iter().map(|signal| signal.code()).collect();
        assert_eq!(codes, ["country", "asn", "anonymous", "new_country", "impossible_travel"]);
    }

    #[test]
    fn a_private_address_is_in_no_country_and_nothing_about_it_is_unknown() {
        let signals = observe(&observer("2026-11-21T12:00:00Z", "UTC"), "10.1.1.1");
        assert_eq!(signals.country, Country::private());
        assert!(!signals.anonymous && !signals.risk.new_country && !signals.risk.impossible_travel);
        assert!(signals.unknown.is_empty());
    }

    #[test]
    fn hours_and_weekdays_are_local_to_the_zone() {
        for (instant, zone, hour, weekday) in [
            ("2026-11-22T23:30:00Z", "UTC", 23, 7),
            ("2026-11-22T23:30:00Z", "Europe/Berlin", 0, 1),
            ("2026-07-22T23:30:00Z", "Europe/Berlin", 1, 4),
            ("2026-11-23T02:00:00Z", "America/New_York", 21, 7),
        ] {
            let signals = observe(&observer(instant, zone), "10.0.0.1");
            assert_eq!((signals.hour, signals.weekday), (hour, weekday), "{instant} in {zone}");
        }
    }

    #[test]
    fn a_lost_device_store_is_an_unknown_and_risky_history() {
        let observer = observer("2026-11-21T12:00:00Z", "UTC");
        let ip = "10.0.0.1".parse().unwrap();
        let signals = observer.observe(&Observation { ip, device: None, failed_attempts: 3 });
        assert!(signals.unknown.contains(&UnknownSignal::DeviceHistory));
        assert_eq!((signals.device.known, signals.device.registered), (false, u32::MAX));
        assert_eq!(signals.risk.failed_attempts, 3);
    }

    #[test]
    fn failures_do_not_count_on_a_known_device() {
        let observer = observer("2026-11-21T12:00:00Z", "UTC");
        let device = DeviceFacts { known: true, trusted: false, registered: 1 };
        let ip = "10.0.0.1".parse().unwrap();
        let signals = observer.observe(&Observation { ip, device: Some(device), failed_attempts: 9 });
        assert_eq!(signals.risk.failed_attempts, 0);
    }
}
