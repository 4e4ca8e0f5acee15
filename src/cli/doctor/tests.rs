use std::fs::File;
use std::time::{Duration, SystemTime};

use super::*;
use crate::clock::{FixedEntropy, ManualClock, Timestamp};
use crate::config::{Config, PublicUrl};

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn days_before(days: i64) -> ManualClock {
    ManualClock::at(noon() - jiff::SignedDuration::from_hours(24 * days))
}

#[test]
fn a_certificate_is_told_of_before_it_ends() {
    for (age, expected, told) in [
        (10, Verdict::Ok, "1 certificate published; valid until 2031-11-11"),
        (5 * 365 - 20, Verdict::Warning, "the certificate of the current RSA key ends on "),
        (5 * 365 + 30, Verdict::Problem, "the certificate of the current RSA key ended on "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.saml.keys = folder.path().join("keys");
        let none = checks::signing_key(&config, noon());
        assert!(none.verdict == Verdict::Ok && none.message.starts_with("none in `"), "{none:?}");
        crate::saml::KeyStore::ensure(&config.saml.keys, &days_before(age), &FixedEntropy::seeded(1)).unwrap();
        let check = checks::signing_key(&config, noon());
        assert_eq!(check.verdict, expected, "{check:?}");
        assert!(check.message.starts_with(told), "{check:?}");
    }
}

#[test]
fn a_clock_behind_the_journal_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.audit.path = folder.path().to_owned();
    assert_eq!(checks::clock(&config, noon()).verdict, Verdict::Ok);
    for (ahead, expected) in [(-3600, Verdict::Ok), (10, Verdict::Ok), (90, Verdict::Problem)] {
        let written = u64::try_from(noon().as_second() + ahead).unwrap();
        let file = File::create(folder.path().join("journal.jsonl")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(written)).unwrap();
        let check = checks::clock(&config, noon());
        assert_eq!(check.verdict, expected, "{ahead}: {check:?}");
    }
}

#[test]
fn addresses_and_proxies_that_do_not_fit_are_told() {
    for (listen, url, proxies, expected) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", vec![], [Verdict::Warning, Verdict::Ok]),
        ("127.0.0.1:8080", "https://login.example.com", vec!["127.0.0.1/32"], [Verdict::Ok, Verdict::Ok]),
        ("127.0.0.1:8080", "https://login.example.com", vec![], [Verdict::Ok, Verdict::Warning]),
        ("0.0.0.0:8080", "https://login.example.com", vec!["10.0.0.1/32"], [Verdict::Ok, Verdict::Warning]),
    ] {
        let mut config = Config::default();
        config.server.listen = listen.parse().unwrap();
        config.server.public_url = PublicUrl::parse(url).unwrap();
        config.server.trusted_proxies = proxies.iter().map(|block| block.parse().unwrap()).collect();
        let found = checks::of_settings(&config);
        let verdicts: Vec<Verdict> = found.iter().take(2).map(|check| check.verdict).collect();
        assert_eq!(verdicts, expected, "{listen} {url}: {found:?}");
    }
}

#[test]
fn geo_files_grow_old() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/geo/GeoLite2-City-Test.mmdb");
    let mut config = Config::default();
    config.geoip.city = Some(file);
    let geo = Geo::open(&config.geoip, None).unwrap();
    let built = geo.sources().next().unwrap().built;
    for (days, expected) in [(-1, Verdict::Ok), (30, Verdict::Ok), (31, Verdict::Warning)] {
        let checks = checks::geo_files(&config, &geo, built + jiff::SignedDuration::from_hours(24 * days));
        assert_eq!(checks[0].verdict, expected, "{days}: {checks:?}");
        // A city file tells countries, but neither systems nor anonymisers.
        assert!(checks[1].message.starts_with("none for asn, anonymous: "), "{checks:?}");
    }
}

#[test]
fn apps_that_check_refuses_are_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    for (algorithm, expected) in [("rsa-sha256", Verdict::Ok), ("ecdsa-sha256", Verdict::Problem)] {
        let text = format!(
            "[server]\npublic_url = \"https://login.example.com\"\n[[apps]]\nid = \"wiki\"\n\
             entity_id = \"https://wiki.example.com\"\nacs = \"https://wiki.example.com/acs\"\n\
             signature_algorithm = \"{algorithm}\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let found = checks::apps(&crate::config::load(&file, []).unwrap(), noon());
        assert!(found.iter().all(|check| check.verdict == expected) && found.len() == 1, "{found:?}");
    }
}
