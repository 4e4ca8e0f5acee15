//! Where people sign in from: real geo files, addresses through a trusted proxy, and what policies make of them.

use std::fs;
use std::process::Command;

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::process::run;
use crate::harness::server::{Server, Setup};
use crate::harness::{checkout, repository};

/// Addresses of MaxMind's test files; tests/data/geo/README.md lists them.
const SWEDEN: &str = "89.160.20.112";
const BRITAIN: &str = "2.125.160.216";
const CHINA: &str = "175.16.199.1";
/// Of no country, of an anonymiser.
const ANONYMOUS: &str = "1.2.0.1";
/// In AS 7018.
const CARRIER: &str = "12.81.92.1";

fn file(name: &str) -> String {
    repository("tests/data/geo").join(name).display().to_string()
}

fn geoip() -> String {
    format!(
        "\n[geoip]\ncity = \"{}\"\nasn = \"{}\"\nanonymous = \"{}\"\n",
        file("GeoLite2-City-Test.mmdb"),
        file("GeoLite2-ASN-Test.mmdb"),
        file("GeoIP2-Anonymous-IP-Test.mmdb")
    )
}

/// One policy for each kind of signal, so that each is seen to decide.
const POLICIES: &str = r#"
@id("test.country") @description("Nobody signs in from there.")
forbid (principal, action in Action::"step", resource)
when { context.net.country == Country::"CN" };

@id("test.asn") @description("Nobody signs in through that carrier.")
forbid (principal, action in Action::"step", resource)
when { context.net.asn == 7018 };

@id("test.anonymiser") @description("Nobody sees the sign-in page through an anonymiser.")
forbid (principal, action == Action::"visit", resource)
when { context.net.anonymous && !context.unknown.contains(Signal::"anonymous") };

@id("test.new-country") @description("The archive is read from usual countries only.")
forbid (principal is User, action == Action::"signIn", resource == App::"archive")
when { context.risk.new_country };

@id("test.travel") @description("The wiki is not read by people in two places.")
forbid (principal is User, action == Action::"signIn", resource == App::"wiki")
when { context.risk.impossible_travel && !context.unknown.contains(Signal::"impossible_travel") };
"#;

/// The decisions of the journal on a person, oldest first.
fn decisions(server: &Server, user: &str) -> Vec<Value> {
    let records = server.audit().lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let of_user = |record: &Value| record["record"] == "decision" && record["user"] == user;
    let mut decisions: Vec<Value> = records.into_iter().filter(of_user).collect();
    decisions.sort_by_key(|decision| decision["at"].as_str().unwrap().to_owned());
    decisions
}

/// What `doctor` says of an address: value and whether it is known, by signal.
fn signal(server: &Server, arguments: &[&str], name: &str) -> (Value, bool) {
    let said = server.cli(&[&["doctor", "--json"], arguments].concat());
    assert!(said.ok, "{}{}", said.out, said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let rows = report["signals"].as_array().unwrap();
    let row = rows.iter().find(|row| row["signal"] == name).unwrap_or_else(|| panic!("no `{name}` in {report:#}"));
    (row["value"].clone(), row["known"].as_bool().unwrap())
}

async fn refused_at(client: &Client) -> bool {
    let page = client.get("/signin").await;
    assert!([StatusCode::OK, StatusCode::FORBIDDEN].contains(&page.status), "{page:?}");
    page.status == StatusCode::FORBIDDEN
}

#[tokio::test]
async fn country_carrier_and_anonymisers_decide_before_anybody_is_known() {
    let server = Setup::default().with_config(&geoip()).with_policies(POLICIES).start();
    for (ip, refused) in [
        (BRITAIN, false),
        (SWEDEN, false),
        (CHINA, true),
        (CARRIER, true),
        (ANONYMOUS, true),
        ("203.0.113.7", false),
        ("::ffff:175.16.199.1", true),
    ] {
        assert_eq!(refused_at(&server.client().at_address(ip)).await, refused, "{ip}");
    }
}

#[tokio::test]
async fn a_journey_from_sweden_to_britain_within_minutes_is_noticed() {
    let server = Setup::default().with_config(&geoip()).with_policies(POLICIES).start();
    let ann = server.person("ann");
    let from_sweden = server.client().at_address(SWEDEN);
    from_sweden.sign_in(ann).await;

    let first = decisions(&server, "ann").pop().unwrap();
    assert_eq!(first["decision"]["outcome"], "allow", "{first:#}");
    let signals = &first["signals"];
    assert_eq!(signals["country"], "SE", "{signals:#}");
    assert_eq!(signals["place"], "Linköping, Sweden");
    assert_eq!((&signals["asn"], &signals["anonymous"]), (&Value::from(29518), &Value::from(false)));
    // She was imported before the server ever ran, so nobody can say that she was never allowed before.
    assert_eq!(signals["unknown"], serde_json::json!(["new_country", "impossible_travel"]));

    // From now on Sweden is usual, and Britain too far away.
    let about = |ip: &'static str| move |name: &'static str| (vec!["--address", ip, "--user", "ann"], name);
    for ((arguments, name), expected) in [
        (about(SWEDEN)("risk.new_country"), Value::from(false)),
        (about(SWEDEN)("risk.impossible_travel"), Value::from(false)),
        (about(BRITAIN)("risk.new_country"), Value::from(true)),
        (about(BRITAIN)("risk.impossible_travel"), Value::from(true)),
        (about(BRITAIN)("net.country"), Value::from("GB")),
        (about(BRITAIN)("place"), Value::from("Boxford, United Kingdom")),
        (about(BRITAIN)("home_country"), Value::from("DE")),
    ] {
        assert_eq!(signal(&server, &arguments, name), (expected, true), "{name} {arguments:?}");
    }

    // The same browser, a minute later elsewhere: a session is no way around it.
    assert_eq!(from_sweden.follow("/launch/wiki").await.status, StatusCode::OK);
    let page = from_sweden.at_address(BRITAIN).follow("/launch/wiki").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    let last = decisions(&server, "ann").pop().unwrap();
    assert_eq!(last["determining"][0]["id"], "test.travel", "{last:#}");
    let explained = server.cli(&["policy", "explain", last["reference"].as_str().unwrap()]);
    assert!(explained.out.contains("in GB (Boxford, United Kingdom)"), "{}{}", explained.out, explained.err);
    assert!(explained.out.contains("new country: true, impossible travel: true"), "{}", explained.out);
    // A refusal makes no place usual.
    assert_eq!(from_sweden.follow("/launch/wiki").await.status, StatusCode::OK);
    assert_eq!(
        signal(&server, &["--address", BRITAIN, "--user", "ann"], "risk.new_country"),
        (Value::from(true), true)
    );
}

#[tokio::test]
async fn without_geo_files_nothing_is_known_and_nobody_is_shut_out() {
    let server = Setup::default().with_policies(POLICIES).start();
    for ip in [CHINA, CARRIER, ANONYMOUS] {
        assert!(!refused_at(&server.client().at_address(ip)).await, "{ip}");
    }
    assert_eq!(signal(&server, &["--address", CHINA], "net.country"), (Value::from("ZZ"), false));
    assert_eq!(signal(&server, &["--address", CHINA], "net.anonymous"), (Value::from(true), false));
    let said = server.cli(&["doctor", "--address", "10.0.0.7", "--user", "nobody"]);
    assert!(!said.ok && said.err.contains("there is no user `nobody`"), "{}{}", said.out, said.err);
}

#[tokio::test]
async fn a_damaged_geo_file_stops_the_start_and_says_where() {
    let server = Server::start();
    let settings = fs::read_to_string(server.path("config.toml")).unwrap();
    // Its own address is taken.
    let listen = settings.lines().find(|line| line.starts_with("listen = ")).unwrap().to_owned();
    let settings = settings.replace(&listen, "listen = \"127.0.0.1:0\"");
    for (name, cause) in [
        ("GeoIP2-City-Test-Broken-Double-Format.mmdb", "is damaged or no geo file: "),
        ("GeoIP2-City-Test-Invalid-Node-Count.mmdb", "is damaged or no geo file: "),
        ("GeoLite2-ASN-Test.mmdb", "is of type `GeoLite2-ASN` and says nothing of cities and coordinates"),
        ("none.mmdb", "can't read `"),
    ] {
        fs::write(server.path("config.toml"), format!("{settings}\n[geoip]\ncity = \"{}\"\n", file(name))).unwrap();
        let line = settings.lines().count() + 3;
        for command in [&["serve"][..], &["check"], &["doctor"]] {
            let said = server.cli(command);
            let all = said.out + &said.err;
            assert!(!said.ok, "{command:?} {name}: {all}");
            assert!(all.contains(cause) && all.contains(name), "{command:?} {name}: {all}");
            let place = format!("config.toml:{line}:8: ");
            assert!(command == ["doctor"] || all.contains(&place), "{command:?} {name}: {all}");
        }
    }
}

#[test]
fn doctor_makes_nothing() {
    let folder = checkout();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    let said = run(command.arg("doctor").current_dir(folder.path()).env_remove("CEDARGATE_CONFIG"), b"");
    assert!(said.ok && said.out.contains("0 problems, "), "{}{}", said.out, said.err);
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["config.toml", "policies"]
    );
}

#[test]
fn doctor_tells_what_works_and_what_does_not() {
    let server = Setup::default().with_config(&geoip()).start();
    let said = server.cli(&["doctor"]);
    assert!(said.ok, "{}{}", said.out, said.err);
    for line in
        ["ok       accounts", "ok       state store", "ok       signing key", "ok       policies", "ok       secret"]
    {
        assert!(said.out.contains(line), "`{line}`: {}", said.out);
    }
    // The test files are older than a month and stay so.
    assert!(said.out.contains("warning  geo files      city: GeoLite2-City of "), "{}", said.out);
    assert!(said.out.contains("0 problems, "), "{}", said.out);

    // A secret that others may read, and a key that is not there beside its certificate.
    let secret = server.path("var/secret");
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::remove_file(server.path("var/keys/current.crt.pem")).unwrap();
    let said = server.cli(&["doctor", "--json"]);
    assert!(!said.ok, "{}", said.out);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let broken: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] == "problem")
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    assert_eq!(broken, ["secret", "signing key", "accounts"], "{report:#}");
}
