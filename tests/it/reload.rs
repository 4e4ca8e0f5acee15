//! Changing things while people sign in: files are taken whole or not at all, and nobody notices.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cedargate::clock::Stopwatch;
use reqwest::StatusCode;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::harness::client::Client;
use crate::harness::people::PASSWORD;
use crate::harness::server::{Server, Setup, copy_folder, write_certificate};

/// How long a reload may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks `/readyz` until its text satisfies `good`, and gives it.
async fn until_ready(server: &Server, what: &str, good: impl Fn(&str) -> bool) -> String {
    let (client, start) = (server.client(), Stopwatch::start());
    loop {
        let page = client.get("/readyz").await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        if good(&page.body) {
            return page.body;
        }
        assert!(Duration::from_micros(start.micros()) < LIMIT, "{what}: {}\n{}", page.body, server.log());
        tokio::task::yield_now().await;
    }
}

/// The digest of the policies in force, as `/readyz` tells it.
fn digest(ready: &str) -> String {
    let line = ready.lines().find_map(|line| line.strip_prefix("policies "));
    line.unwrap_or_else(|| panic!("no digest in {ready}")).to_owned()
}

async fn digest_now(server: &Server) -> String {
    digest(&server.client().get("/readyz").await.body)
}

/// Nobody opens the archive from now on; whoever asks is told so by a policy of this id.
fn archive_closed(id: &str) -> String {
    format!(
        "@id(\"{id}\") @description(\"The archive is closed.\")\n\
         forbid (principal, action == Action::\"signIn\", resource == App::\"archive\");\n"
    )
}

#[tokio::test]
async fn a_changed_policy_decides_as_soon_as_it_is_written_and_the_same_again_changes_nothing() {
    let server = Server::start();
    let before = digest_now(&server).await;
    let own = server.file("policies/90-test.cedar");
    server.put("policies/90-test.cedar", &format!("{own}{}", archive_closed("test.closed")));
    let ready = until_ready(&server, "the policy is taken", |ready| digest(ready) != before).await;

    let since = |ready: &str| {
        let line = ready.lines().find(|line| line.starts_with("in force since"));
        line.and_then(|line| line.split(" (").next()).map(str::to_owned)
    };
    let first = since(&ready);
    assert!(first.is_some());
    server.put("policies/90-test.cedar", &format!("{own}{}", archive_closed("test.closed")));
    server.put("policies/90-test.cedar", &own);
    until_ready(&server, "the policy is taken back", |ready| digest(ready) == before).await;
    // Written three times, loaded once each way: the same content is no change.
    let loads = |server: &Server| server.log().matches("a changed set is in force").count();
    until(&server, "both loads are logged", || loads(&server) >= 2);
    assert_eq!(loads(&server), 2, "{}", server.log());
}

#[tokio::test]
async fn a_broken_file_leaves_the_set_before_in_force_and_says_why() {
    let server = Server::start();
    let (before, own) = (digest_now(&server).await, server.file("policies/90-test.cedar"));
    server.put("policies/90-test.cedar", &format!("{own}\nforbid (principal, action == ;\n"));
    let refused = |ready: &str| ready.contains("the files are refused since");
    let ready = until_ready(&server, "the refusal is told", refused).await;
    assert_eq!(digest(&ready), before);
    assert!(ready.contains("90-test.cedar:5:"), "file and line: {ready}");
    until(&server, "it is logged", || server.log().contains("the files are refused; the set before stays"));
    let metrics = server.client().get("/metrics").await.body;
    assert!(metrics.contains("cedargate_reload_failing 1"), "{metrics}");

    // People go on signing in meanwhile.
    server.client().sign_in(server.person("ann")).await;

    // A broken config.toml, and policies that fail their own tests, are no better.
    server.put("policies/90-test.cedar", &own);
    until_ready(&server, "the refusal is over", |ready| !refused(ready)).await;
    let config = server.file("config.toml");
    server.put("config.toml", &config.replace("[groups]", "[groupz]"));
    let ready = until_ready(&server, "the refusal is told", refused).await;
    assert!(ready.contains("config.toml:") && ready.contains("unknown key `groupz`"), "{ready}");
    server.put("config.toml", &config);
    until_ready(&server, "the refusal is over", |ready| !refused(ready)).await;
    let device = server.file("policies/30-devices.cedar");
    server.put("policies/30-devices.cedar", &device.replace("forbid (", "@mode(\"report\")\nforbid ("));
    let ready = until_ready(&server, "the refusal is told", refused).await;
    assert!(ready.contains("of the policy tests fail"), "{ready}");
    assert_eq!(digest(&ready), before);
}

#[tokio::test]
async fn a_hang_up_signal_reloads_and_start_settings_wait() {
    let mut server = Server::start();
    let config = server.file("config.toml");
    server.put(
        "config.toml",
        &config
            .replace("secret_file = \"var/secret\"", "secret_file = \"var/secret\"\ndrain_seconds = 9")
            .replace("name = \"Example Works\"", "name = \"Another Name\""),
    );
    server.process().signal("HUP");
    let waits = "takes effect at the next start: server.drain_seconds";
    until_ready(&server, "the setting waits", |ready| ready.contains(waits)).await;
    let page = server.client().get("/").await;
    assert!(page.body.contains("Another Name"), "what needs no start is there: {}", page.body);

    let said = server.cli(&["plan"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.contains("takes effect at the next start:\n~ setting server.drain_seconds: 5 → 9\n"), "{said:?}");
}

#[tokio::test]
async fn folders_behind_a_swapped_link_are_followed() {
    let server = Server::start();
    let (folder, before) = (server.folder().to_owned(), digest_now(&server).await);
    // As Kubernetes mounts a ConfigMap: `policies` leads to `..data/policies`, `..data` to a folder that is replaced.
    for (release, closed) in [("..1", false), ("..2", true), ("..3", false)] {
        copy_folder(&folder.join("policies"), &folder.join(release).join("policies"));
        if closed {
            fs::write(folder.join(release).join("policies/91-closed.cedar"), archive_closed("test.closed")).unwrap();
        }
    }
    fs::rename(folder.join("policies"), folder.join("policies.before")).unwrap();
    let swap = |release: &str| {
        symlink(release, folder.join("..tmp")).unwrap();
        fs::rename(folder.join("..tmp"), folder.join("..data")).unwrap();
    };
    swap("..1");
    symlink("..data/policies", folder.join("policies")).unwrap();
    swap("..2");
    until_ready(&server, "the second release is taken", |ready| digest(ready) != before).await;
    swap("..3");
    until_ready(&server, "the third release is taken", |ready| digest(ready) == before).await;
    swap("..2");
    until_ready(&server, "the second release is taken again", |ready| digest(ready) != before).await;
}

#[tokio::test]
async fn nobody_locks_themselves_out_of_the_console() {
    let server = Server::start();
    let lock = "@id(\"test.lock\") @description(\"No owner opens the console.\")\n\
                forbid (principal in Group::\"owners\", action == Action::\"signIn\", resource == App::\"console\");\n";
    // The shipped tests would refuse it first.
    fs::remove_dir_all(server.folder().join("policies/tests")).unwrap();
    // While there is no administrator, nobody is locked out.
    let before = digest_now(&server).await;
    server.put("policies/92-lock.cedar", lock);
    until_ready(&server, "the policy is taken", |ready| digest(ready) != before).await;
    fs::remove_file(server.folder().join("policies/92-lock.cedar")).unwrap();
    until_ready(&server, "the policy is gone", |ready| digest(ready) == before).await;

    let olga = format!("username,email,groups,status,password\nolga,olga@example.com,owners,active,{PASSWORD}\n");
    server.put("olga.csv", &olga);
    let said = server.cli(&["users", "import", "olga.csv"]);
    assert!(said.ok, "{said:?}");
    server.put("policies/92-lock.cedar", lock);
    let ready = until_ready(&server, "the set is refused", |ready| ready.contains("the files are refused since")).await;
    assert!(ready.contains("nobody could open the console any more"), "{ready}");
    assert_eq!(digest(&ready), before);
    // One that only asks for a network that exists locks nobody out.
    let office = lock.replace(");\n", ")\nunless { context.net.networks.contains(Network::\"office\") };\n");
    server.put("policies/92-lock.cedar", &office);
    until_ready(&server, "the set is taken", |ready| digest(ready) != before).await;
}

#[tokio::test]
async fn a_plan_tells_what_a_reload_would_bring() {
    let server = Server::start();
    let said = server.cli(&["plan"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "no changes\n"), "{said:?}");

    // What is compared are the files of another folder with what is in force here: nothing is reloaded by looking.
    let other = server.folder().join("other");
    copy_folder(&server.folder().join("policies"), &other.join("policies"));
    let config = server
        .file("config.toml")
        .replace("\"var/", "\"../var/")
        .replace("device_limit = 3", "device_limit = 5")
        .replace("contractors = ", "interns = \"learn here\"\ncontractors = ")
        .replace("vpn = [\"203.0.114.0/24\"]", "vpn = [\"203.0.115.0/24\"]");
    fs::write(other.join("config.toml"), config).unwrap();
    let device = fs::read_to_string(other.join("policies/30-devices.cedar")).unwrap();
    fs::remove_dir_all(other.join("policies/tests")).unwrap();
    fs::write(other.join("policies/30-devices.cedar"), device.replacen("forbid (", "@mode(\"report\")\nforbid (", 1))
        .unwrap();
    fs::write(other.join("policies/93-new.cedar"), archive_closed("test.closed")).unwrap();
    let said = server.cli_in(&other, &["plan"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    for line in [
        "+ group interns: \"learn here\"",
        "~ network vpn: [\"203.0.114.0/24\"] → [\"203.0.115.0/24\"]",
        "~ app aws\n    device_limit: 3 → 5",
        "+ policy test.closed",
        "LOSS: a forbid is only reported any more",
    ] {
        assert!(said.out.contains(line), "`{line}` is missing:\n{}", said.out);
    }
    let said = server.cli_in(&other, &["plan", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let lost = json["changes"].as_array().unwrap().iter().filter(|change| !change["loss"].is_null()).count();
    assert_eq!((said.code, lost), (Some(2), 1), "{said:?}");

    fs::write(other.join("policies/93-new.cedar"), "permit (").unwrap();
    let said = server.cli_in(&other, &["plan"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("93-new.cedar:1:"), "{said:?}");
}

/// How many reloads there are while people sign in, unless the environment asks for more.
const RELOADS: usize = 50;
/// How many sign-ins go on beside each of them, on average: one by password, the others on the session of that.
const SIGN_INS_PER_RELOAD: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn reloads_disturb_no_sign_in_and_no_decision_is_of_a_mixture() {
    let reloads = std::env::var("CEDARGATE_TEST_RELOADS").map_or(RELOADS, |number| number.parse().unwrap());
    let server = Server::start();
    let variants = two_sets(&server).await;
    let refusals = || server.log().matches("the files are refused").count();
    let refused_before = refusals();
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut people = Vec::new();
    for name in ["ann", "dora"] {
        // From a browser that is known already the password is enough.
        let browser = server.client();
        browser.sign_in(server.person(name)).await;
        browser.follow("/launch/wiki").await;
        let (over, done) = (Arc::clone(&over), Arc::clone(&done));
        people.push(tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                signs_out_and_in(&browser, name).await;
                done.fetch_add(1, Ordering::SeqCst);
                for _ in 1..SIGN_INS_PER_RELOAD {
                    let page = browser.follow("/launch/wiki").await;
                    assert!(page.body.contains("name=\"SAMLResponse\""), "{page:?}");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        }));
    }
    let mut before = digest_now(&server).await;
    for round in 0..reloads {
        let (folder, expected) = &variants[round % variants.len()];
        symlink(folder, server.folder().join("next")).unwrap();
        fs::rename(server.folder().join("next"), server.folder().join("policies")).unwrap();
        signal(&server);
        until_ready(&server, "the other set is taken", |ready| digest(ready) == *expected).await;
        assert_ne!(&before, expected);
        before.clone_from(expected);
    }
    // The reloads may be quicker than the people.
    while done.load(Ordering::SeqCst) < reloads * SIGN_INS_PER_RELOAD {
        assert!(people.iter().all(|person| !person.is_finished()), "a sign-in failed");
        digest_now(&server).await;
    }
    over.store(true, Ordering::SeqCst);
    for person in people {
        person.await.unwrap();
    }
    assert_eq!(refusals(), refused_before, "{}", server.log());

    let known: BTreeSet<&str> = variants.iter().map(|(_, digest)| digest.as_str()).collect();
    let audit = server.audit();
    let digests: BTreeSet<&str> = audit
        .split("\"policy_digest\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|digest| !digest.is_empty())
        .collect();
    assert!(digests.len() == 2 && digests.is_subset(&known), "{digests:?} are not all of {known:?}");
}

fn signal(server: &Server) {
    let pid = server.process_id();
    let said = std::process::Command::new("kill").args(["-s", "HUP", &pid.to_string()]).status().unwrap();
    assert!(said.success());
}

/// Two folders of policies that differ in two files each, and the digests under which they decide. A mixture of them would
/// have another.
async fn two_sets(server: &Server) -> Vec<(&'static str, String)> {
    let folder = server.folder();
    fs::rename(folder.join("policies"), folder.join("set-a")).unwrap();
    copy_folder(&folder.join("set-a"), &folder.join("set-b"));
    for set in ["set-a", "set-b"] {
        for file in ["91-one.cedar", "99-two.cedar"] {
            let id = format!("test.{}-{set}", file.trim_end_matches(".cedar"));
            fs::write(folder.join(set).join(file), archive_closed(&id)).unwrap();
        }
    }
    let mut digests = Vec::new();
    for set in ["set-b", "set-a"] {
        let before = digest_now(server).await;
        symlink(set, folder.join("next")).unwrap();
        fs::rename(folder.join("next"), folder.join("policies")).unwrap();
        let ready = until_ready(server, "the set is taken", |ready| digest(ready) != before).await;
        digests.push((set, digest(&ready)));
    }
    digests
}

/// Out of the portal and in again, through every page.
async fn signs_out_and_in(client: &Client, name: &str) {
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signout")).await;
    assert!(page.status.is_success(), "{page:?}");
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", name)).await;
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/"), "{page:?}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let server = Setup::default().https().start();
    let old = server.file("tls.crt.pem");
    let answer = get_over_tls(&server, &old).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security"), "{answer}");
    let new = write_certificate(server.folder());
    until(&server, "the new certificate is shown", || get_over_tls(&server, &new).is_ok());
    let error = get_over_tls(&server, &old).unwrap_err().to_string();
    assert!(error.contains("certificate"), "the old one is shown no more: {error}");
    server.put("tls.crt.pem", "no certificate");
    until(&server, "the broken one is refused", || server.log().contains("tls.crt.pem` holds no certificate"));
    assert!(get_over_tls(&server, &new).is_ok(), "a broken one does not come into force");
}

fn until(server: &Server, what: &str, good: impl Fn() -> bool) {
    let start = Stopwatch::start();
    while !good() {
        assert!(Duration::from_micros(start.micros()) < LIMIT, "{what}\n{}", server.log());
        std::thread::yield_now();
    }
}

/// The answer of `/readyz` over TLS, if the server shows exactly this certificate.
fn get_over_tls(server: &Server, certificate: &str) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = format!("127.0.0.1:{}", server.url.port().unwrap());
    let connection =
        rustls::ClientConnection::new(Arc::new(settings), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(&address)?);
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
