//! Keys are replaced while people sign in, and nobody notices; and what apps are told of them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use cedargate::clock::{Clock as _, Stopwatch, SystemClock};
use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::judges;
use crate::harness::saml::Delivered;
use crate::harness::server::{PROVIDER, Server, Setup};

/// How long a reload may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The certificates in the metadata now.
async fn published(server: &Server) -> BTreeSet<String> {
    let xml = server.client().get("/saml/metadata").await.body;
    judges::metadata_valid(&xml).unwrap();
    let found = xml.split("<md:KeyDescriptor").skip(1).map(|part| {
        let (_, rest) = part.split_once("<ds:X509Certificate>").unwrap();
        rest.split_once("</ds:X509Certificate>").unwrap().0.to_owned()
    });
    found.collect()
}

/// The base64 of a certificate file.
fn certificate(path: &Path) -> String {
    fs::read_to_string(path).unwrap().lines().filter(|line| !line.starts_with("-----")).collect()
}

async fn until_published(server: &Server, wanted: &BTreeSet<String>) {
    let start = Stopwatch::start();
    while published(server).await != *wanted {
        assert!(Duration::from_micros(start.micros()) < LIMIT, "the metadata stays as it is:\n{}", server.log());
        tokio::task::yield_now().await;
    }
}

fn keys(server: &Server, arguments: &[&str]) -> String {
    let said = server.cli(&[&["keys"], arguments].concat());
    assert!(said.ok, "{arguments:?}: {said:?}");
    said.out
}

#[tokio::test]
async fn a_key_is_replaced_while_the_server_runs_and_apps_know_it_before_it_signs() {
    let server = Server::start();
    let client = server.client();
    client.sign_in(server.person("ann")).await;
    let path = |name: &str| server.path("var/keys").join(name);
    let old = server.path("old.pem");
    fs::copy(server.certificate(), &old).unwrap();
    let signed_by = async |file: &Path| {
        let delivered = Delivered::from_page(&client.follow("/launch/wiki").await);
        judges::xmlsec1_verify(&delivered.xml, file)
    };

    let said = keys(&server, &["new"]);
    for part in [
        "it signs nothing yet",
        &format!("{}saml/metadata/aws", server.url),
        &format!("replace the metadata of `{PROVIDER}`"),
        "Then: cedargate keys promote --kind rsa",
    ] {
        assert!(said.contains(part), "`{part}` is missing:\n{said}");
    }
    let (first, second) = (certificate(&old), certificate(&path("next.crt.pem")));
    let both = BTreeSet::from([first.clone(), second.clone()]);
    until_published(&server, &both).await;
    signed_by(&old).await.unwrap();

    keys(&server, &["promote"]);
    let new = server.certificate();
    assert_eq!(certificate(&new), second);
    let start = Stopwatch::start();
    while signed_by(&new).await.is_err() {
        // Until it is in force, the key before signs, and nothing else.
        signed_by(&old).await.or(signed_by(&new).await).unwrap();
        assert!(Duration::from_micros(start.micros()) < LIMIT, "{}", server.log());
    }
    assert_eq!(published(&server).await, both);

    keys(&server, &["retire"]);
    until_published(&server, &BTreeSet::from([second])).await;
    assert!(!path("previous.key.pem").exists());
    let listed: Value = serde_json::from_str(&keys(&server, &["list", "--json"])).unwrap();
    let slots: Vec<&str> = listed["keys"].as_array().unwrap().iter().map(|key| key["slot"].as_str().unwrap()).collect();
    assert_eq!(slots, ["current", "retired"]);
    assert!(listed["keys"][0]["promoted"].is_string() && listed["keys"][1]["retired"].is_string(), "{listed}");
    let again = server.cli(&["keys", "retire"]);
    assert!(!again.ok && again.err.contains("there is no previous RSA key to retire"), "{again:?}");

    let metrics = server.client().get("/metrics").await.body;
    assert!(metrics.contains("cedargate_certificate_not_after_seconds{name=\"current\"} "), "{metrics}");
}

#[tokio::test]
async fn a_step_that_was_interrupted_leaves_the_set_in_force_and_is_finished_at_the_next_start() {
    let mut server = Server::start();
    keys(&server, &["new"]);
    let next = certificate(&server.path("var/keys/next.crt.pem"));
    until_published(&server, &BTreeSet::from([certificate(&server.certificate()), next.clone()])).await;
    let before = published(&server).await;

    // As `kill -9` would leave it: noted, and the first of four files moved.
    let ledger = server.file("var/keys/keys.toml");
    let fingerprint = ledger.lines().rfind(|line| line.starts_with("fingerprint = ")).unwrap();
    let moves = "moves = [[\"current.key.pem\", \"previous.key.pem\"], [\"current.crt.pem\", \"previous.crt.pem\"], \
                 [\"next.key.pem\", \"current.key.pem\"], [\"next.crt.pem\", \"current.crt.pem\"]]\nremoves = []";
    let unfinished =
        format!("[unfinished]\nstep = \"promote\"\nkind = \"rsa\"\nslot = \"current\"\n{fingerprint}\n{moves}\n\n");
    server.put("var/keys/keys.toml", &format!("{unfinished}{ledger}"));
    fs::rename(server.path("var/keys/current.key.pem"), server.path("var/keys/previous.key.pem")).unwrap();

    server.wait_for("is in the middle of `cedargate keys promote`, which was interrupted");
    assert_eq!(published(&server).await, before, "what was loaded goes on");
    let listed = keys(&server, &["list"]);
    assert!(listed.contains("run `cedargate keys promote --kind rsa` to finish it"), "{listed}");

    server.restart();
    assert_eq!(certificate(&server.certificate()), next);
    assert_eq!(published(&server).await, before);
    assert!(!server.file("var/keys/keys.toml").contains("unfinished"));
}

#[tokio::test]
async fn metadata_is_fetched_once_and_asked_for_again_with_its_tag() {
    let server = Server::start();
    let client = server.client();
    let page = client.get("/saml/metadata").await;
    judges::xmlsec1_verify(&page.body, &server.certificate()).unwrap();
    judges::metadata_valid(&page.body).unwrap();
    assert!(page.body.contains(" validUntil=") && page.body.contains(&server.at("/saml/slo")), "{page:?}");
    assert_eq!(page.header("content-disposition"), "attachment; filename=\"cedargate-metadata.xml\"");
    assert_eq!((page.header("cache-control"), page.header("vary")), ("no-cache", "sec-fetch-mode"));
    assert_eq!(client.get("/saml/metadata").await.body, page.body, "it is not made anew");
    let tag = page.header("etag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = client.with_header("if-none-match", &known).get("/saml/metadata").await;
        assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{known}");
        assert_eq!(again.header("etag"), tag);
    }
    let other = client.with_header("if-none-match", "\"other\"").get("/saml/metadata").await;
    assert_eq!(other.status, StatusCode::OK);

    // What a person downloads, or AWS is given, is uploaded by hand: it names no end.
    let downloaded = client.with_header("sec-fetch-mode", "navigate").get("/saml/metadata").await;
    let by_hand = client.get("/saml/metadata?upload").await;
    assert_eq!(downloaded.body, by_hand.body);
    let aws = client.get("/saml/metadata/aws").await;
    assert_eq!(aws.header("content-disposition"), "attachment; filename=\"cedargate-metadata-aws.xml\"");
    for xml in [&by_hand.body, &aws.body] {
        assert!(!xml.contains("validUntil") && !xml.contains("cacheDuration"), "{xml}");
        judges::xmlsec1_verify(xml, &server.certificate()).unwrap();
    }

    // The command line says the same without the server.
    for (arguments, body) in [(&["metadata"][..], &by_hand.body), (&["metadata", "--app", "aws"], &aws.body)] {
        let said = server.cli(arguments);
        assert!(said.ok, "{said:?}");
        assert_eq!(&said.out, body, "{arguments:?}");
    }
    let unknown = server.cli(&["metadata", "--app", "nothing"]);
    assert!(!unknown.ok && unknown.err.contains("there is no app `nothing`; there are `aws`, "), "{unknown:?}");
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_told_of_everywhere() {
    let mut server = Server::start();
    server.kill();
    let key = rcgen::KeyPair::from_pem(&server.file("var/keys/current.key.pem")).unwrap();
    let mut params = rcgen::CertificateParams::default();
    let end =
        SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).date().checked_add(jiff::Span::new().days(20)).unwrap();
    let (year, month, day) = (i32::from(end.year()), end.month().unsigned_abs(), end.day().unsigned_abs());
    params.not_after = rcgen::date_time_ymd(year, month, day);
    server.put("var/keys/current.crt.pem", &params.self_signed(&key).unwrap().pem());

    let warning = format!("the certificate of the current RSA key ends on {end}, in 19 days");
    for arguments in [&["check"][..], &["doctor"], &["keys", "list"]] {
        let said = server.cli(arguments);
        assert!(said.ok && said.out.contains(&warning), "{arguments:?}: {said:?}");
    }
    let said = server.cli(&["check", "--json"]);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert!(json["ok"] == true && json["warnings"][0].as_str().unwrap().starts_with(&warning), "{json}");
    server.restart();
    let start = Stopwatch::start();
    while !server.log().contains(&warning) {
        assert!(Duration::from_micros(start.micros()) < LIMIT, "it is not logged:\n{}", server.log());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn folders_and_files_that_others_reach_stop_the_start() {
    let mut server = Server::start();
    server.kill();
    for (path, mode, words) in [
        ("var/keys/current.key.pem", 0o644, "may be read by others (mode 644): run `chmod 600` on it"),
        ("var/keys", 0o777, "may be written to by others (mode 777): run `chmod go-w` on it"),
    ] {
        let path = server.path(path);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let said = server.cli(&["serve"]);
        assert!(!said.ok && said.err.contains(words), "{said:?}");
        fs::set_permissions(&path, before).unwrap();
    }
}

#[tokio::test]
async fn a_key_on_a_token_signs_responses_and_metadata() {
    let server = Setup::default().key_in_token().start();
    assert!(!server.path("var/keys/current.key.pem").exists(), "no private key is in a file");
    let client = server.client();
    client.sign_in(server.person("ann")).await;
    let delivered = Delivered::from_page(&client.follow("/launch/wiki").await);
    judges::xmlsec1_verify(&delivered.xml, &server.certificate()).unwrap();
    judges::schema_valid(&delivered.xml).unwrap();
    let metadata = server.client().get("/saml/metadata").await.body;
    judges::xmlsec1_verify(&metadata, &server.certificate()).unwrap();
    assert_eq!(server.cli(&["metadata"]).out, server.client().get("/saml/metadata?upload").await.body);
    let doctor = server.cli(&["doctor"]);
    assert!(doctor.out.contains("signing key    1 certificate published"), "{doctor:?}");
    let new = server.cli(&["keys", "new"]);
    assert!(!new.ok && new.err.contains("the RSA key lives in a hardware module"), "{new:?}");
}

#[tokio::test]
async fn a_server_whose_token_does_not_open_does_not_start() {
    let mut server = Setup::default().key_in_token().start();
    server.kill();
    server.put("pin", "0000");
    fs::set_permissions(server.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    let said = server.cli(&["serve"]);
    assert!(!said.ok && said.err.contains("the token `cedargate` refuses the PIN"), "{said:?}");
    fs::remove_dir_all(server.path("tokens")).unwrap();
    fs::create_dir(server.path("tokens")).unwrap();
    let said = server.cli(&["serve"]);
    assert!(
        !said.ok && said.err.contains("the PKCS#11 module has 0 tokens called `cedargate`; it has none"),
        "{said:?}"
    );
}
