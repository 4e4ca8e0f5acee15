//! The journal from outside: proved by `audit verify`, and no assertion leaves without it.

use std::fs;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::client::{Client, Page};
use crate::harness::process::Said;
use crate::harness::saml::{AuthnRequest, Delivered, NO_PASSIVE, REQUEST_DENIED, SUCCESS};
use crate::harness::server::{Server, from};

async fn signed_in(server: &Server, username: &str) -> Client {
    let client = server.client();
    let page = client.sign_in(server.person(username)).await;
    assert_eq!(page.url.path(), "/", "{page:?}");
    client
}

/// Opens the wiki as a service provider's link does.
async fn open_wiki(server: &Server, client: &Client) -> Page {
    client.get(&AuthnRequest::of_wiki(server).redirect(None)).await
}

fn verify(server: &Server) -> Said {
    server.cli(&["audit", "verify"])
}

/// The records of a kind.
fn records(server: &Server, kind: &str) -> Vec<Value> {
    let lines = server.audit();
    let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|record| record["record"] == kind).collect()
}

fn edit(file: &Path, with: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(file).unwrap();
    let changed = with(text.clone());
    assert_ne!(changed, text);
    fs::write(file, changed).unwrap();
}

#[tokio::test]
async fn the_journal_is_proved_and_whatever_is_done_to_it_is_found() {
    let mut server = Server::start();
    let client = signed_in(&server, "ann").await;
    assert_eq!(Delivered::from_page(&open_wiki(&server, &client).await).status(), [SUCCESS]);
    let said = verify(&server);
    assert!(said.ok && said.out.contains("complete and unaltered"), "while it runs: {said:?}");

    server.terminate();
    let said = server.cli(&["audit", "verify", "--json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let node = &report["report"]["nodes"][0];
    assert!(said.ok && report["ok"] == true, "{said:?}");
    assert_eq!(node["signed"], node["last"], "the end is signed when it stops: {said:?}");
    assert_eq!(report["public_key"].as_str().unwrap().len(), 64);

    let segment = server.segments().remove(0);
    let whole = fs::read_to_string(&segment).unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap();
    let line = whole.lines().position(|line| line.contains("\"record\":\"assertion\"")).unwrap() + 1;
    edit(&segment, |text| text.replacen("\"app\":\"wiki\"", "\"app\":\"aws\"", 1));
    let changed = whole.lines().position(|line| line.contains("\"app\":\"wiki\"")).unwrap() + 1;
    let said = verify(&server);
    assert!(!said.ok && said.out.contains(&format!("{name}:{changed}: altered")), "{said:?}");
    fs::write(&segment, &whole).unwrap();

    edit(&segment, |text| {
        text.lines().enumerate().filter(|(at, _)| at + 1 != line).map(|(_, line)| format!("{line}\n")).collect()
    });
    let said = verify(&server);
    assert!(!said.ok && said.out.contains(&format!("{name}:{line}: record {} missing", line - 1)), "{said:?}");
    fs::write(&segment, &whole).unwrap();

    // The end cut off, and a server that goes on: it leaves the cut chain as it is.
    edit(&segment, |text| text.lines().take(line).map(|line| format!("{line}\n")).collect());
    let cut = format!("{name}:{line}: cut off");
    let said = verify(&server);
    assert!(!said.ok && said.out.contains(&cut), "{said:?}");
    server.restart();
    assert!(server.log().contains("does not reach its last signed head"), "{}", server.log());
    let said = verify(&server);
    assert!(!said.ok && said.out.contains(&cut) && said.out.matches("node ").count() == 2, "{said:?}");
    server.terminate();
    fs::write(&segment, &whole).unwrap();
    assert!(verify(&server).ok, "{:?}", verify(&server));

    fs::remove_file(server.path("var/secret")).unwrap();
    let said = verify(&server);
    assert!(!said.ok && said.err.contains("there is no key file"), "{said:?}");
}

#[tokio::test]
async fn nothing_leaves_without_room_for_its_record_and_with_room_it_goes_on() {
    let mut server = Server::start();
    let client = signed_in(&server, "ann").await;
    let audit = server.restart_with_little_room("var/audit", "64k");
    assert_eq!(Delivered::from_page(&open_wiki(&server, &client).await).status(), [SUCCESS]);

    // Room for no line, or for a part of one.
    let filler = audit.join("filler");
    let mut size = 64 * 1024;
    while fs::write(&filler, vec![b'x'; size]).is_err() {
        size -= 4096;
    }
    let mut refused = None;
    for _ in 0..40 {
        let page = open_wiki(&server, &client).await;
        if page.status == StatusCode::SERVICE_UNAVAILABLE {
            refused = Some(page);
            break;
        }
        assert_eq!(Delivered::from_page(&page).status(), [SUCCESS]);
    }
    let page = refused.expect("the disk is full some time");
    assert!(!page.body.contains("SAMLResponse") && !page.body.contains("/var/"), "{page:?}");
    assert!(!page.text("h1").is_empty(), "{page:?}");
    let again = open_wiki(&server, &client).await;
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(server.log().contains("audit journal"), "the log says what failed: {}", server.log());

    fs::remove_file(&filler).unwrap();
    let delivered = Delivered::from_page(&open_wiki(&server, &client).await);
    assert_eq!(delivered.status(), [SUCCESS], "without a restart");
    let id = delivered.xml_attribute("Assertion", "ID").unwrap();
    let text: String = fs::read_dir(&audit)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert!(text.ends_with('\n') && text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
    let exported = server.cli(&["audit", "export", "--folder", audit.to_str().unwrap()]);
    assert_eq!(exported.out.matches(&id).count(), 2, "intended and released: {exported:?}");
    // The folder below has the first node, the mounted one the second.
    let said = server.cli(&["audit", "verify", "--folder", audit.to_str().unwrap()]);
    assert!(said.ok, "nothing is left of what failed: {said:?}");
}

#[tokio::test]
async fn a_folder_that_is_moved_away_stops_assertions_until_it_is_back() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    let (audit, away) = (server.path("var/audit"), server.path("var/away"));
    fs::rename(&audit, &away).unwrap();
    fs::write(&audit, "in the way").unwrap();
    for _ in 0..2 {
        let page = open_wiki(&server, &client).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{page:?}");
        assert!(!page.body.contains("SAMLResponse"), "{page:?}");
    }
    fs::remove_file(&audit).unwrap();
    fs::rename(&away, &audit).unwrap();
    assert_eq!(Delivered::from_page(&open_wiki(&server, &client).await).status(), [SUCCESS]);
    assert!(verify(&server).ok);
}

#[tokio::test]
async fn refusals_roles_and_places_are_on_record() {
    let server = Server::start();
    let stranger = server.client().at_address(from::OFFICE);
    let passive = AuthnRequest::of_wiki(&server).asking("IsPassive=\"true\"");
    let told = Delivered::from_page(&stranger.get(&passive.redirect(None)).await);
    let client = signed_in(&server, "ann").await;
    let blocked = client.at_address(from::BLOCKED).get(&AuthnRequest::of_wiki(&server).redirect(None)).await;
    let denied = Delivered::from_page(&blocked);

    let statuses = records(&server, "status");
    assert_eq!(statuses.len(), 2, "{statuses:#?}");
    let sha256 = |delivered: &Delivered| crate::crash::sha256(&delivered.xml);
    assert_eq!(statuses[0]["sha256"], sha256(&told));
    assert_eq!(statuses[0]["status"], NO_PASSIVE);
    assert_eq!((&statuses[0]["user"], &statuses[0]["ip"]), (&Value::Null, &from::OFFICE.into()));
    assert_eq!(statuses[1]["sha256"], sha256(&denied));
    assert_eq!(statuses[1]["status"], REQUEST_DENIED);
    assert_eq!((&statuses[1]["user"], &statuses[1]["acs"]), (&"ann".into(), &"https://wiki.example.com/acs".into()));
    let decisions = records(&server, "decision");
    assert!(decisions.iter().any(|decision| decision["reference"] == statuses[1]["decision"]), "{decisions:#?}");

    let delivered = Delivered::from_page(&client.follow("/launch/aws").await);
    let assertions = records(&server, "assertion");
    let id = delivered.xml_attribute("Assertion", "ID").unwrap();
    let intended = assertions.iter().find(|record| record["assertion"] == id.as_str()).unwrap();
    assert_eq!(intended["roles"], serde_json::json!(["Dev"]));
    assert_eq!(intended["acs"], crate::harness::saml::AWS_ACS);
    assert_eq!(intended["sha256"], sha256(&delivered));

    let form = client.get("/").await.form("/signout");
    client.at_address(from::OFFICE).submit(&form).await;
    let events = records(&server, "event");
    let event = events.last().unwrap();
    assert_eq!((&event["event"], &event["ip"]), (&"signed-out".into(), &from::OFFICE.into()));
    assert_eq!(event["device"].as_str().map(str::len), Some(36), "{event:#?}");
}
