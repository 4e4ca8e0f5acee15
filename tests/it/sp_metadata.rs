//! Apps whose addresses and keys come from metadata: as a file, and fetched.

use std::time::Duration;

use cedargate::clock::Stopwatch;
use reqwest::StatusCode;

use crate::harness::client::Client;
use crate::harness::saml::{AuthnRequest, Delivered, SUCCESS};
use crate::harness::server::{Server, Setup, write_certificate};
use crate::harness::source::Source;

/// How long a change may take to be in force on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

const WIKI: &str = "https://wiki.example.com/saml";
/// What the settings of the tests say of the wiki.
const BY_HAND: &str = "entity_id = \"https://wiki.example.com/saml\"\nacs = [\"{acs}\"]";

/// The metadata of the wiki with these addresses, numbered from 5.
fn metadata(attributes: &str, addresses: &[&str]) -> String {
    let addresses: String = addresses
        .iter()
        .zip(5..)
        .map(|(address, index)| {
            format!(
                "<md:AssertionConsumerService index=\"{index}\" \
                 Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{address}\"/>"
            )
        })
        .collect();
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{WIKI}\" {attributes}>\
         <md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{addresses}\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

fn at(path: &str) -> String {
    format!("https://wiki.example.com/{path}")
}

async fn signed_in(server: &Server) -> Client {
    let client = server.client();
    client.sign_in(server.person("ann")).await;
    client
}

/// Where a launch of the wiki posts its response now; none while nobody can open it.
async fn acs_now(client: &Client) -> Option<String> {
    let page = client.follow("/launch/wiki").await;
    if page.status == StatusCode::NOT_FOUND {
        return None;
    }
    let delivered = Delivered::from_page(&page);
    assert_eq!(delivered.status(), [SUCCESS], "{}", delivered.xml);
    assert!(delivered.xml.contains(&format!(">{WIKI}</")), "{}", delivered.xml);
    Some(delivered.acs)
}

async fn until_acs(server: &Server, client: &Client, expected: Option<&str>) {
    let start = Stopwatch::start();
    while acs_now(client).await.as_deref() != expected {
        assert!(Duration::from_micros(start.micros()) < LIMIT, "never {expected:?}\n{}", server.log());
        tokio::task::yield_now().await;
    }
}

async fn until_logged(server: &Server, what: &str) {
    let start = Stopwatch::start();
    while !server.log().contains(what) {
        assert!(Duration::from_micros(start.micros()) < LIMIT, "`{what}` is not logged\n{}", server.log());
        tokio::task::yield_now().await;
    }
}

fn fetching(source: &Source) -> Setup {
    Setup::default().replace(BY_HAND, &format!("metadata = \"{}\"", source.url()))
}

#[tokio::test]
async fn a_file_of_metadata_takes_the_place_of_addresses_and_is_watched() {
    let server = Server::start();
    let client = signed_in(&server).await;
    assert_eq!(acs_now(&client).await, Some(at("acs")));
    server.put("wiki.xml", &metadata("", &[&at("main"), &at("other")]));
    let by_hand = BY_HAND.replace("{acs}", &at("acs"));
    let config = server.file("config.toml");
    assert!(config.contains(&by_hand));
    server.put("config.toml", &config.replace(&by_hand, "metadata = \"wiki.xml\""));
    until_acs(&server, &client, Some(&at("main"))).await;

    let by_number = |number: &str| {
        let named = format!("AssertionConsumerServiceURL=\"{}\"", at("acs"));
        AuthnRequest::of_wiki(&server).with(&named, &format!("AssertionConsumerServiceIndex=\"{number}\""))
    };
    let answered = Delivered::from_page(&client.follow(&by_number("6").redirect(None)).await);
    assert_eq!((answered.status(), answered.acs), (vec![SUCCESS.to_owned()], at("other")));
    let unknown = client.follow(&by_number("0").redirect(None)).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST, "{unknown:?}");

    server.put("wiki.xml", &metadata("", &[&at("moved")]));
    until_acs(&server, &client, Some(&at("moved"))).await;
    let said = server.cli(&["check"]);
    assert!(said.ok && said.out.contains("wiki: metadata `"), "{said:?}");

    server.put("wiki.xml", &metadata("", &["http://wiki.example.com/plain"]));
    until_logged(&server, "the files are refused; the set before stays").await;
    assert_eq!(acs_now(&client).await, Some(at("moved")));
    let said = server.cli(&["check"]);
    assert!(!said.ok && said.out.contains("use https"), "{said:?}");
}

#[tokio::test]
async fn fetched_metadata_is_renewed_kept_and_used_when_its_source_is_down() {
    let source = Source::of(&metadata("", &[&at("main")]));
    let mut server = fetching(&source).start();
    let client = signed_in(&server).await;
    assert_eq!(acs_now(&client).await, Some(at("main")), "{}", server.log());
    assert_eq!(source.answers(), [200], "it was fetched before the start, and is fresh");

    server.process().signal("HUP");
    until_answers(&server, &source, &[200, 304]).await;
    source.says(&metadata("", &[&at("moved")]));
    server.process().signal("HUP");
    until_acs(&server, &client, Some(&at("moved"))).await;
    let said = server.cli(&["check"]);
    assert!(said.ok && said.out.contains(", seen there at "), "{said:?}");

    for (bad, why) in [
        (metadata("", &["http://wiki.example.com/plain"]), "use https"),
        (metadata("", &[&at("evil")]).replace(WIKI, "https://archive.example.com/saml"), "calls itself"),
        (metadata("validUntil=\"2020-01-01T00:00:00Z\"", &[&at("evil")]), "ended at"),
        (format!("<!DOCTYPE x>{}", metadata("", &[&at("evil")])), "DTD"),
        (" ".repeat(2 * 1024 * 1024) + &metadata("", &[&at("evil")]), "larger than"),
        ("<html>Please sign in</html>".to_owned(), "root"),
    ] {
        source.says(&bad);
        let before = failures(&client).await;
        server.process().signal("HUP");
        until_failures(&server, &client, before + 1).await;
        until_logged(&server, why).await;
        assert_eq!(acs_now(&client).await, Some(at("moved")), "{why}");
    }

    source.is_down();
    server.terminate();
    server.restart();
    let client = signed_in(&server).await;
    assert_eq!(acs_now(&client).await, Some(at("moved")), "the copy is used");
}

async fn until_answers(server: &Server, source: &Source, expected: &[u16]) {
    let start = Stopwatch::start();
    while source.answers() != expected {
        assert!(Duration::from_micros(start.micros()) < LIMIT, "{:?}\n{}", source.answers(), server.log());
        tokio::task::yield_now().await;
    }
}

async fn failures(client: &Client) -> u32 {
    let metrics = client.get("/metrics").await.body;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix("cedargate_metadata_fetches_total{result=\"failed\"} "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

async fn until_failures(server: &Server, client: &Client, expected: u32) {
    let start = Stopwatch::start();
    while failures(client).await < expected {
        assert!(Duration::from_micros(start.micros()) < LIMIT, "{expected} failures\n{}", server.log());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_any_copy_the_app_is_left_out_and_the_others_work_until_its_source_is_there() {
    let source = Source::of("");
    source.is_down();
    let mut server = fetching(&source).start();
    until_logged(&server, "nobody can sign in to this app: its metadata can't be used").await;
    let client = signed_in(&server).await;
    assert_eq!(acs_now(&client).await, None);
    let refused = client.follow(&AuthnRequest::of_wiki(&server).redirect(None)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    let portal = client.get("/").await;
    assert!(!portal.body.contains("/launch/wiki") && portal.body.contains("/launch/aws"), "{portal:?}");
    assert!(client.get("/metrics").await.body.contains("cedargate_apps_unavailable 1"));
    let said = server.cli(&["check"]);
    assert!(said.ok && said.out.contains("warning: nobody can sign in to wiki: its metadata at"), "{said:?}");

    source.says(&metadata("", &[&at("main")]));
    server.process().signal("HUP");
    until_acs(&server, &client, Some(&at("main"))).await;
    assert!(client.get("/metrics").await.body.contains("cedargate_apps_unavailable 0"));
}

#[tokio::test]
async fn metadata_comes_by_https_from_whom_the_system_trusts_and_from_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let source = Source::by_https(&metadata("", &[&at("main")]), folder.path());
    let authorities = folder.path().join("tls.crt.pem");
    let server = fetching(&source).environment("SSL_CERT_FILE", authorities.to_str().unwrap()).start();
    let client = signed_in(&server).await;
    assert_eq!(acs_now(&client).await, Some(at("main")), "{}", server.log());
    assert_eq!(source.answers(), [200]);

    let other = tempfile::tempdir().unwrap();
    write_certificate(other.path());
    let authorities = other.path().join("tls.crt.pem");
    let server = fetching(&source).environment("SSL_CERT_FILE", authorities.to_str().unwrap()).start();
    until_logged(&server, "metadata can't be had").await;
    assert!(server.log().contains("certificate"), "{}", server.log());
    assert_eq!(acs_now(&signed_in(&server).await).await, None);
    assert_eq!(source.answers(), [200], "nothing was asked of a server that could not show who it is");
}
