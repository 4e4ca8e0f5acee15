//! Running it: numbers, logs and traces that tell what happened and nothing about anybody, and an end that nobody notices.

use std::net::TcpListener;
use std::time::Duration;

use cedargate::clock::Stopwatch;
use reqwest::StatusCode;

use crate::harness::collector::Collector;
use crate::harness::people::PASSWORD;
use crate::harness::saml::Delivered;
use crate::harness::server::{Server, Setup, from};

/// How long anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_numbers_follow_what_happens_and_are_not_for_everybody() {
    let server = Setup::default()
        .replace("[groups]", "[telemetry]\nmetrics_networks = [\"203.0.113.0/24\"]\n\n[groups]")
        .start();
    let client = server.client();
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", "ann")).await;
    let page = client.submit(&page.form("/signin/password").set("password", "wrong")).await;
    let page = client.walk(page, server.person("ann")).await;
    assert_eq!(page.url.path(), "/", "{page:?}");
    client.follow("/launch/wiki").await;
    client.get("/nowhere/ann").await;

    let metrics = client.get("/metrics").await;
    assert_eq!(metrics.status, StatusCode::OK);
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    for line in [
        "cedargate_decisions_total{step=\"signIn\",outcome=\"challenge\"} ",
        "cedargate_decisions_total{step=\"signIn\",outcome=\"allow\"} ",
        "cedargate_proofs_total{method=\"password\",outcome=\"wrong\"} 1",
        "cedargate_proofs_total{method=\"password\",outcome=\"right\"} 1",
        "cedargate_proofs_total{method=\"totp\",outcome=\"right\"} 1",
        "cedargate_assertions_total{app=\"wiki\"} 1",
        "cedargate_http_requests_total{route=\"/signin/password\",status=\"3xx\"} ",
        "cedargate_http_requests_total{route=\"/launch/{app}\",status=\"2xx\"} 1",
        "cedargate_http_requests_total{route=\"unknown\",status=\"4xx\"} 1",
        "cedargate_http_request_seconds_count{route=\"/signin\"} ",
        "cedargate_reload_failing 0",
        "cedargate_set{config=\"",
    ] {
        assert!(metrics.body.lines().any(|found| found.starts_with(line)), "`{line}` is missing:\n{}", metrics.body);
    }
    for name in ["ann", "nowhere", "203.0", "127.0.0.1"] {
        assert!(!metrics.body.contains(name), "`{name}` stands in the numbers");
    }

    assert_eq!(client.at_address(from::OFFICE).get("/metrics").await.status, StatusCode::OK);
    let elsewhere = client.at_address(from::ELSEWHERE);
    assert_eq!(elsewhere.get("/metrics").await.status, StatusCode::FORBIDDEN);
    // Where strangers ask too, readiness says no more than that.
    assert_eq!(elsewhere.get("/readyz").await.body, "ready\n");
    assert_eq!(client.with_header("via", "1.1 proxy").get("/metrics").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_stop_signal_turns_readiness_off_first_and_ends_with_all_done() {
    let mut server = Setup::default()
        .replace("secret_file = \"var/secret\"", "secret_file = \"var/secret\"\ndrain_seconds = 3")
        .start();
    let client = server.client();
    server.process().signal("TERM");
    let start = Stopwatch::start();
    loop {
        let page = client.get("/readyz").await;
        if page.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(page.body, "stopping\n");
            break;
        }
        assert!(Duration::from_micros(start.micros()) < LIMIT, "{page:?}");
    }
    // Whoever is still sent here is still served.
    server.client().sign_in(server.person("ann")).await;
    let status = server.process().ended(LIMIT).expect("it ends by itself");
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(server.log().contains("requests underway are finished"), "{}", server.log());
    let said = server.cli(&["plan"]);
    assert!(said.code == Some(1) && said.err.contains("no server has written"), "{said:?}");
}

#[tokio::test]
async fn an_interrupt_ends_at_once() {
    let mut server = Server::start();
    server.client().sign_in(server.person("ann")).await;
    let start = Stopwatch::start();
    server.process().signal("INT");
    let status = server.process().ended(LIMIT).expect("it ends by itself");
    assert_eq!(status.code(), Some(0), "{}", server.log());
    // Well before the five seconds a load balancer is given.
    assert!(Duration::from_micros(start.micros()) < Duration::from_secs(4), "{}", server.log());
}

#[tokio::test]
async fn traces_tell_where_the_time_went_and_nothing_about_anybody() {
    let collector = Collector::start();
    let telemetry = format!("[telemetry]\notlp_url = \"{}\"\n\n[groups]", collector.url());
    let mut server = Setup::default().replace("[groups]", &telemetry).start();
    let client = server.client().at_address(from::OFFICE);
    client.sign_in(server.person("ann")).await;
    let page = client.follow("/launch/wiki").await;
    Delivered::from_page(&page);
    server.process().signal("INT");
    assert!(server.process().ended(LIMIT).is_some());
    let taken = collector.taken();
    for name in ["cedargate", "/signin/password", "sign-in step", "gather facts", "decide", "journal", "store", "sign"]
    {
        assert!(taken.contains(name), "no `{name}` in the traces; the log:\n{}", server.log());
    }
    for secret in ["ann", PASSWORD, from::OFFICE, "SAMLResponse"] {
        assert!(!taken.contains(secret), "`{secret}` stands in the traces");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    // Bound and never answered: connections are taken by the system, and nothing comes back.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let telemetry = format!("[telemetry]\notlp_url = \"http://{}\"\n\n[groups]", silent.local_addr().unwrap());
    let mut server = Setup::default().replace("[groups]", &telemetry).start();
    let start = Stopwatch::start();
    for name in ["ann", "dora", "emil"] {
        server.client().sign_in(server.person(name)).await;
    }
    assert!(Duration::from_micros(start.micros()) < LIMIT, "sign-ins wait for the collector");
    server.process().signal("INT");
    let status = server.process().ended(LIMIT).expect("it ends all the same");
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn json_logs_are_objects_with_fields_and_hold_no_secret() {
    let server = Setup::default().argument("--log-format").argument("json").start();
    let (client, ann) = (server.client(), server.person("ann"));
    client.sign_in(ann).await;
    let log = server.log();
    let events: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| !line.starts_with("listening on "))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let decided: Vec<_> = events.iter().filter(|event| event["message"] == "decided").collect();
    assert!(decided.iter().any(|event| event["decision.outcome"] == "allow"), "{log}");
    for event in decided {
        for field in ["timestamp", "level", "decision.reference", "user.name", "app.id", "decision.outcome"] {
            assert!(event[field].is_string(), "`{field}` is missing: {event}");
        }
    }
    let cookies = client.cookies();
    assert!(!cookies.is_empty());
    let values = cookies.iter().filter_map(|cookie| cookie.split_once('=')).map(|(_, value)| value.to_owned());
    for secret in values.chain([PASSWORD.to_owned(), ann.secret(), ann.used_code()]) {
        assert!(!log.contains(&secret), "a secret stands in the log: {log}");
    }
}
