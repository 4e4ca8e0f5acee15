//! Against MaxMind's own test files; tests/data/geo/README.md says where they come from.

use std::path::Path;

use super::*;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/geo").join(name)
}

fn all() -> GeoIp {
    GeoIp {
        city: Some(file("GeoLite2-City-Test.mmdb")),
        country: None,
        asn: Some(file("GeoLite2-ASN-Test.mmdb")),
        anonymous: Some(file("GeoIP2-Anonymous-IP-Test.mmdb")),
    }
}

fn read(geo: &Geo, ip: &str) -> Readings {
    geo.read(ip.parse().unwrap())
}

/// The message for the only file that is refused.
fn refusal(config: &GeoIp) -> (String, String) {
    let mut problems = Geo::open(config, None).err().expect("the file is refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    (problem.key, problem.message)
}

#[test]
fn addresses_are_where_the_city_file_says() {
    let geo = Geo::open(&all(), None).unwrap();
    for (ip, country, place) in [
        ("2.125.160.216", "GB", "Boxford, United Kingdom"),
        ("2.125.160.223", "GB", "Boxford, United Kingdom"),
        ("81.2.69.142", "GB", "London, United Kingdom"),
        ("89.160.20.112", "SE", "Linköping, Sweden"),
        ("216.160.83.56", "US", "Milton, United States"),
        ("175.16.199.1", "CN", "Changchun, China"),
        ("2001:218::1", "JP", "Japan"),
    ] {
        let readings = read(&geo, ip);
        assert_eq!(readings.country.value().map(Country::as_str), Some(country), "{ip}");
        assert_eq!(readings.place.value().map(String::as_str), Some(place), "{ip}");
        assert!(readings.coordinates.value().is_some(), "{ip}");
        let source = readings.country.source().unwrap();
        assert_eq!((source.topic, source.kind.as_str()), (Topic::City, "GeoLite2-City"));
        assert!(source.built > "2014-01-01T00:00:00Z".parse().unwrap());
    }
    let london = read(&geo, "81.2.69.142").coordinates.value().copied().unwrap();
    assert!(london.km_to(Coordinates::new(51.51, -0.13).unwrap()) < 30.0, "{london:?}");
}

#[test]
fn what_no_file_tells_is_unknown_and_says_why() {
    let geo = Geo::open(&all(), None).unwrap();
    for ip in ["203.0.113.7", "198.51.100.66", "175.45.176.1"] {
        let readings = read(&geo, ip);
        assert_eq!(readings.country.absence(), Some(Absence::NotInFile), "{ip}");
        assert_eq!(readings.asn.absence(), Some(Absence::NotInFile), "{ip}");
        assert_eq!(readings.country.source().map(|source| source.topic), Some(Topic::City));
    }
    let readings = read(&Geo::default(), "81.2.69.142");
    assert_eq!(readings.country.absence(), Some(Absence::NotConfigured));
    assert_eq!(readings.coordinates.absence(), Some(Absence::NotConfigured));
    assert_eq!(readings.anonymous.absence(), Some(Absence::NotConfigured));
    assert_eq!(readings.asn.source(), None);
}

#[test]
fn networks_belong_to_their_autonomous_system() {
    let geo = Geo::open(&all(), None).unwrap();
    for (ip, expected) in [("1.128.0.1", 1221), ("1.159.255.255", 1221), ("12.81.92.7", 7018), ("12.81.95.255", 7018)] {
        assert_eq!(read(&geo, ip).asn.value().map(|(number, _)| *number), Some(expected), "{ip}");
    }
    let named = read(&geo, "1.128.0.1").asn.value().and_then(|(_, name)| name.clone());
    assert_eq!(named.as_deref(), Some("Telstra Pty Ltd"));
}

#[test]
fn anonymisers_are_those_the_file_lists() {
    let geo = Geo::open(&all(), None).unwrap();
    for (ip, expected) in [("1.2.0.1", true), ("65.0.0.1", true), ("81.2.69.142", true), ("2.125.160.216", false)] {
        assert_eq!(read(&geo, ip).anonymous.value(), Some(&expected), "{ip}");
    }
}

#[test]
fn a_country_file_tells_where_the_city_file_does_not() {
    let only = GeoIp { country: Some(file("GeoLite2-City-Test.mmdb")), ..GeoIp::default() };
    let readings = read(&Geo::open(&only, None).unwrap(), "89.160.20.112");
    assert_eq!(readings.country.value().map(Country::as_str), Some("SE"));
    assert_eq!(readings.country.source().map(|source| source.topic), Some(Topic::Country));
    assert_eq!(readings.coordinates.absence(), Some(Absence::NotConfigured));
    // Asked in vain, both of them: the last one is named.
    let both = GeoIp { city: only.country.clone(), ..only };
    let readings = read(&Geo::open(&both, None).unwrap(), "203.0.113.7");
    assert_eq!(readings.country.absence(), Some(Absence::NotInFile));
}

#[test]
fn damaged_files_are_refused_by_name_and_cause() {
    for name in ["GeoIP2-City-Test-Broken-Double-Format.mmdb", "GeoIP2-City-Test-Invalid-Node-Count.mmdb"] {
        let (key, message) = refusal(&GeoIp { city: Some(file(name)), ..all() });
        assert_eq!(key, "geoip.city");
        assert!(message.contains(name) && message.contains("is damaged or no geo file: "), "{message}");
    }
}

#[test]
fn a_file_that_is_missing_no_geo_file_or_about_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (key, message) = refusal(&GeoIp { asn: Some(folder.path().join("none.mmdb")), ..all() });
    assert_eq!(key, "geoip.asn");
    assert!(message.starts_with("can't read `") && message.contains("none.mmdb"), "{message}");
    let text = folder.path().join("text.mmdb");
    std::fs::write(&text, "where is it?").unwrap();
    assert!(refusal(&GeoIp { city: Some(text), ..all() }).1.contains("is damaged or no geo file: "));
    let (_, message) = refusal(&GeoIp { country: Some(folder.path().to_owned()), ..all() });
    assert!(message.starts_with("can't read `"), "{message}");

    let asn = file("GeoLite2-ASN-Test.mmdb");
    for (key, config) in [
        ("geoip.city", GeoIp { city: Some(asn.clone()), ..all() }),
        ("geoip.country", GeoIp { country: Some(asn.clone()), ..all() }),
        ("geoip.anonymous", GeoIp { anonymous: Some(asn), ..all() }),
        ("geoip.asn", GeoIp { asn: Some(file("GeoLite2-City-Test.mmdb")), ..all() }),
    ] {
        let (found, message) = refusal(&config);
        assert_eq!(found, key);
        assert!(message.contains("` and says nothing of "), "{message}");
    }
}

#[test]
fn every_byte_cut_off_and_every_block_overwritten_is_noticed_or_harmless() {
    let bytes = std::fs::read(file("GeoLite2-City-Test.mmdb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.mmdb");
    let config = GeoIp { city: Some(path.clone()), ..GeoIp::default() };
    for at in (0..bytes.len()).step_by(997) {
        std::fs::write(&path, &bytes[..at]).unwrap();
        assert!(Geo::open(&config, None).is_err(), "cut at {at}");
        let mut changed = bytes.clone();
        changed[at..(at + 64).min(bytes.len())].fill(0xff);
        std::fs::write(&path, changed).unwrap();
        // A changed value may pass; an answer that makes no sense must not come of it, nor a panic.
        if let Ok(geo) = Geo::open(&config, None) {
            for ip in ["2.125.160.216", "89.160.20.112", "2001:218::1"] {
                if let Some(country) = read(&geo, ip).country.value() {
                    assert!(Country::parse(country.as_str()).is_ok());
                }
            }
        }
    }
}

#[test]
fn files_that_did_not_change_are_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.mmdb");
    std::fs::copy(file("GeoLite2-City-Test.mmdb"), &path).unwrap();
    let config = GeoIp { city: Some(path.clone()), ..GeoIp::default() };
    let city = |geo: &Geo| geo.city.clone().unwrap();
    let first = Geo::open(&config, None).unwrap();
    let again = Geo::open(&config, Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&city(&first), &city(&again)));

    // Another time, the same content: read, but not verified again.
    let touched = std::fs::File::options().write(true).open(&path).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    let touched = Geo::open(&config, Some(&again)).unwrap();
    assert!(!Arc::ptr_eq(&city(&again), &city(&touched)) && city(&again).shares_with(&city(&touched)));

    // Another content: damaged ones are refused, others taken.
    std::fs::copy(file("GeoIP2-City-Test-Invalid-Node-Count.mmdb"), &path).unwrap();
    assert!(Geo::open(&config, Some(&touched)).is_err());
    std::fs::copy(file("GeoLite2-City-Test.mmdb"), &path).unwrap();
    assert!(Geo::open(&config, Some(&touched)).unwrap().city.is_some());
}
