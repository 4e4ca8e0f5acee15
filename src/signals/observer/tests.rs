use super::*;
use crate::clock::ManualClock;
use crate::config::{GeoIp, Organisation, ZoneName};
use crate::signals::Baseline;

const NOON: &str = "2026-11-21T12:00:00Z";

fn files() -> Arc<Geo> {
    let file = |name: &str| Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/geo").join(name));
    let config = GeoIp {
        city: file("GeoLite2-City-Test.mmdb"),
        country: None,
        asn: file("GeoLite2-ASN-Test.mmdb"),
        anonymous: file("GeoIP2-Anonymous-IP-Test.mmdb"),
    };
    Arc::new(Geo::open(&config, None).unwrap())
}

fn observer_with(geo: Arc<Geo>, instant: &str, zone: &str) -> Observer {
    let networks = [
        ("office", vec!["203.0.113.0/24", "2001:db8:40::/48"]),
        ("building-7", vec!["203.0.113.64/26"]),
        ("lan", vec!["10.0.0.0/8"]),
    ];
    let networks = networks.into_iter().map(|(name, blocks)| {
        (NetworkName::parse(name).unwrap(), blocks.into_iter().map(|block| block.parse().unwrap()).collect())
    });
    let mut tokyo = crate::saml::fixtures::app_config("tokyo");
    tokyo.time_zone = Some(ZoneName::parse("Asia/Tokyo").unwrap());
    let config = Config {
        networks: networks.collect(),
        organisation: Organisation { time_zone: ZoneName::parse(zone).unwrap(), ..Organisation::default() },
        apps: vec![tokyo, crate::saml::fixtures::app_config("aws")],
        ..Config::default()
    };
    Observer::new(&config, geo, Arc::new(ManualClock::at(instant.parse().unwrap())))
}

fn observer(instant: &str, zone: &str) -> Observer {
    observer_with(Arc::default(), instant, zone)
}

fn aws() -> AppId {
    AppId::parse("aws").unwrap()
}

fn observe(observer: &Observer, ip: &str) -> SignalSet {
    observer.observe(&Observation::of_visitor(ip.parse().unwrap(), &aws()))
}

fn observe_past(observer: &Observer, ip: &str, past: &Past) -> SignalSet {
    observer.observe(&Observation { past, ..Observation::of_visitor(ip.parse().unwrap(), &aws()) })
}

fn unknown(signals: &SignalSet) -> Vec<&'static str> {
    signals.unknown.iter().map(|signal| signal.code()).collect()
}

#[test]
fn an_address_lies_in_every_network_that_holds_it() {
    let observer = observer(NOON, "UTC");
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
fn without_files_everything_about_a_public_address_is_unknown_and_risky() {
    let signals = observe(&observer(NOON, "UTC"), "::ffff:203.0.113.1");
    assert_eq!(signals.ip, "203.0.113.1".parse::<IpAddr>().unwrap());
    assert_eq!((signals.country.as_str(), signals.asn, signals.place.as_deref()), ("ZZ", 0, None));
    assert!(signals.anonymous && signals.risk.new_country && signals.risk.impossible_travel);
    assert_eq!(unknown(&signals), ["country", "asn", "anonymous", "new_country", "impossible_travel"]);
}

#[test]
fn what_the_files_say_is_known() {
    let observer = observer_with(files(), NOON, "UTC");
    for (ip, country, asn, anonymous, missing) in [
        ("89.160.20.112", "SE", 29518, false, vec![]),
        ("::ffff:2.125.160.216", "GB", 0, false, vec!["asn"]),
        ("1.2.0.1", "ZZ", 0, true, vec!["country", "asn", "new_country"]),
        ("203.0.113.1", "ZZ", 0, false, vec!["country", "asn", "new_country"]),
        ("12.81.92.1", "ZZ", 7018, false, vec!["country", "new_country"]),
    ] {
        let signals = observe_past(&observer, ip, &Past::First);
        assert_eq!((signals.country.as_str(), signals.asn, signals.anonymous), (country, asn, anonymous), "{ip}");
        assert_eq!(unknown(&signals), missing, "{ip}");
    }
    assert_eq!(observe(&observer, "89.160.20.112").place.as_deref(), Some("Linköping, Sweden"));
}

#[test]
fn a_private_address_is_in_no_country_and_nothing_about_it_is_unknown() {
    for observer in [observer(NOON, "UTC"), observer_with(files(), NOON, "UTC")] {
        let signals = observe(&observer, "10.1.1.1");
        assert_eq!((signals.country, signals.place), (Country::private(), None));
        assert!(!signals.anonymous && !signals.risk.new_country && !signals.risk.impossible_travel);
        assert!(signals.unknown.is_empty());
    }
}

#[test]
fn a_country_is_new_until_somebody_was_allowed_from_it() {
    let observer = observer_with(files(), NOON, "UTC");
    let baseline = |codes: &[&str]| {
        let countries = codes.iter().map(|code| (Country::parse(code).unwrap(), NOON.parse().unwrap())).collect();
        Past::Seen(Baseline { countries, last: None })
    };
    for (ip, past, expected) in [
        ("89.160.20.112", baseline(&["SE"]), Some(false)),
        ("89.160.20.112", baseline(&["GB", "US"]), Some(true)),
        ("89.160.20.112", baseline(&[]), Some(true)),
        ("89.160.20.112", Past::First, Some(false)),
        ("89.160.20.112", Past::Unknown, None),
        // Nobody knows where this is.
        ("203.0.113.1", baseline(&["SE"]), None),
        ("203.0.113.1", Past::First, None),
        ("10.0.0.1", baseline(&["SE"]), Some(false)),
        ("10.0.0.1", Past::Unknown, Some(false)),
    ] {
        let signals = observe_past(&observer, ip, &past);
        let known = !signals.unknown.contains(&UnknownSignal::NewCountry);
        assert_eq!(known.then_some(signals.risk.new_country), expected, "{ip} {past:?}");
        assert!(known || signals.risk.new_country, "not knowing is the risky value");
    }
}

#[test]
fn nobody_travels_faster_than_an_airliner() {
    let observer = observer_with(files(), NOON, "UTC");
    let (sweden, britain, america) = ("89.160.20.112", "81.2.69.142", "216.160.83.56");
    let was_at = |ip: &str, minutes: i64| {
        let place = observer.whereabouts(ip.parse().unwrap()).coordinates.unwrap();
        let at = NOON.parse::<Timestamp>().unwrap() - jiff::SignedDuration::from_mins(minutes);
        Past::Seen(Baseline { countries: BTreeMap::new(), last: Some(Stop { place, at }) })
    };
    let nowhere = Past::Seen(Baseline::default());
    for (ip, past, expected) in [
        (sweden, was_at(sweden, 0), Some(false)),
        (sweden, was_at(britain, 30), Some(true)),
        (sweden, was_at(britain, 120), Some(false)),
        (america, was_at(sweden, 8 * 60), Some(true)),
        (america, was_at(sweden, 12 * 60), Some(false)),
        (america, nowhere.clone(), None),
        (america, Past::First, Some(false)),
        (america, Past::Unknown, None),
        // No place, no distance.
        ("203.0.113.1", was_at(sweden, 5), None),
        ("10.0.0.1", was_at(sweden, 5), Some(false)),
    ] {
        let signals = observe_past(&observer, ip, &past);
        let known = !signals.unknown.contains(&UnknownSignal::ImpossibleTravel);
        assert_eq!(known.then_some(signals.risk.impossible_travel), expected, "{ip} {past:?}");
        assert!(known || signals.risk.impossible_travel, "not knowing is the risky value");
    }
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
fn the_zone_is_that_of_the_app_else_of_the_person_else_of_the_organisation() {
    let observer = observer(NOON, "Europe/Berlin");
    for (app, person, hour, source) in [
        ("tokyo", None, 21, ZoneSource::App),
        ("tokyo", Some("America/New_York"), 21, ZoneSource::App),
        ("aws", Some("America/New_York"), 7, ZoneSource::Person),
        ("aws", None, 13, ZoneSource::Organisation),
        ("portal", None, 13, ZoneSource::Organisation),
        ("aws", Some("Mars/Olympus"), 13, ZoneSource::Organisation),
    ] {
        let app = AppId::parse(app).unwrap();
        let visitor = Observation::of_visitor("10.0.0.1".parse().unwrap(), &app);
        let signals = observer.observe(&Observation { time_zone: person, ..visitor });
        assert_eq!((signals.hour, observer.zone_of(&app, person).1), (hour, source), "{app} {person:?}");
    }
}

#[test]
fn a_lost_device_store_is_an_unknown_and_risky_history() {
    let (observer, aws) = (observer(NOON, "UTC"), aws());
    let visitor = Observation::of_visitor("10.0.0.1".parse().unwrap(), &aws);
    let signals = observer.observe(&Observation { device: None, failed_attempts: 3, ..visitor });
    assert!(signals.unknown.contains(&UnknownSignal::DeviceHistory));
    assert_eq!((signals.device.known, signals.device.registered), (false, u32::MAX));
    assert_eq!(signals.risk.failed_attempts, 3);
}

#[test]
fn failures_do_not_count_on_a_known_device() {
    let (observer, aws) = (observer(NOON, "UTC"), aws());
    let device = DeviceFacts { known: true, trusted: false, registered: 1 };
    let visitor = Observation::of_visitor("10.0.0.1".parse().unwrap(), &aws);
    let signals = observer.observe(&Observation { device: Some(device), failed_attempts: 9, ..visitor });
    assert_eq!(signals.risk.failed_attempts, 0);
}
