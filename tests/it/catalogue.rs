//! Apps of the catalogue, added by the command line while the server runs; and an app that a group tries out first.

use std::time::Duration;

use cedargate::clock::Stopwatch;
use cedargate::saml::catalogue::Catalogue;
use reqwest::StatusCode;

use crate::harness::browser::Browser;
use crate::harness::client::{Client, Page};
use crate::harness::people::PASSWORD;
use crate::harness::server::{Server, Setup};

/// How long a reload may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The apps a person's portal leads to.
fn tiles(page: &Page) -> Vec<String> {
    let links = page.attributes("a.tile-open", "href");
    links.iter().filter_map(|link| link.strip_prefix("/launch/")).map(str::to_owned).collect()
}

/// The portal, once it holds the app `id`.
async fn portal_with(server: &Server, client: &Client, id: &str) -> Page {
    let start = Stopwatch::start();
    loop {
        let page = client.get("/").await;
        if tiles(&page).iter().any(|tile| tile == id) {
            return page;
        }
        assert!(Duration::from_micros(start.micros()) < LIMIT, "no tile of `{id}`: {page:?}\n{}", server.log());
        tokio::task::yield_now().await;
    }
}

/// Who may open the apps that were added.
fn policies(ids: &[&str]) -> String {
    let permit = |id: &&str| {
        format!(
            "@id(\"added.{id}\") @description(\"Everybody may open it.\")\n\
             permit (principal in Group::\"everyone\", action == Action::\"signIn\", resource == App::\"{id}\");\n"
        )
    };
    ids.iter().map(permit).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_takes_every_app_of_the_catalogue_and_each_has_its_picture() {
    let server = Server::start();
    let (client, ann) = (server.client(), server.person("ann"));
    client.sign_in(ann).await;
    let catalogue = Catalogue::read().unwrap();
    let (before, mut added) = (server.file("config.toml"), Vec::new());
    // The tests' settings have AWS already, and no two apps share an entity id.
    for entry in catalogue.entries().filter(|entry| entry.name() != "aws") {
        let set: Vec<String> =
            entry.placeholders().iter().map(|asked| format!("--set={}={}", asked.name, asked.example)).collect();
        let mut arguments = vec!["app", "add", entry.name(), "--write"];
        arguments.extend(set.iter().map(String::as_str));
        let said = server.cli(&arguments);
        assert!(said.ok, "{}: {}", entry.name(), said.err);
        added.push(entry.name());
    }
    let after = server.file("config.toml");
    assert!(after.starts_with(&before), "what stood there stays");
    let again = server.cli(&["app", "add", "dropbox", "--write"]);
    assert!(!again.ok && again.err.contains("`dropbox` has this entity id: edit that block"), "{again:?}");
    assert_eq!(server.file("config.toml"), after);
    let without_roles: Vec<&str> = added.iter().copied().filter(|name| !name.starts_with("aws-")).collect();
    server.put("policies/80-added.cedar", &policies(&without_roles));
    portal_with(&server, &client, "zoom").await;

    let browser = Browser::start().await;
    browser.open(&server.at("/")).await;
    browser.fill("username", "ann").await;
    browser.keys("\u{E007}").await;
    browser.fill("password", PASSWORD).await;
    browser.keys("\u{E007}").await;
    browser.fill("code", &ann.code()).await;
    browser.keys("\u{E007}").await;
    browser.wait_for("a.tile-open").await;
    let broken = browser
        .evaluate(
            "return [...document.querySelectorAll('img.tile-icon')].filter(i => !i.complete || i.naturalWidth === 0).length",
        )
        .await;
    assert_eq!(broken, 0, "pictures that do not load");
    let letters = browser.evaluate("return document.querySelectorAll('span.tile-icon').length").await;
    assert_eq!(letters, 1, "only the wiki of the tests has no picture");
    browser.look("portal-catalogue").await;
}

#[tokio::test]
async fn an_app_that_is_tried_out_is_seen_and_opened_by_its_group_alone() {
    let trial = "\n[[apps]]\nid = \"trial\"\nname = \"Trial\"\nentity_id = \"https://trial.example.com\"\n\
                 acs = \"https://trial.example.com/acs\"\npilot_group = \"aws-admins\"\n";
    let server = Setup::default().with_config(trial).with_policies(&policies(&["trial"])).start();

    let tester = server.client();
    let page = tester.sign_in(server.person("dora")).await;
    assert!(tiles(&page).contains(&"trial".to_owned()), "{page:?}");
    let opened = tester.follow("/launch/trial").await;
    assert_eq!(opened.attributes("input[name=SAMLResponse]", "name").len(), 1, "{opened:?}");

    let other = server.client();
    let page = other.sign_in(server.person("ann")).await;
    assert!(!tiles(&page).contains(&"trial".to_owned()), "{page:?}");
    let refused = other.follow("/launch/trial").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text("main").contains("This app is being tried out"), "{refused:?}");
    assert!(refused.attributes("input[name=SAMLResponse]", "name").is_empty());

    // The trial is over: the key goes, and everybody has the app.
    let config = server.file("config.toml");
    server.put("config.toml", &config.replace("pilot_group = \"aws-admins\"\n", ""));
    portal_with(&server, &other, "trial").await;
    let opened = other.follow("/launch/trial").await;
    assert_eq!(opened.attributes("input[name=SAMLResponse]", "name").len(), 1, "{opened:?}");
}

#[test]
fn a_pilot_group_that_is_not_declared_does_not_load() {
    let told = Setup::default()
        .replace("device_limit = 3\n", "device_limit = 3\npilot_group = \"aws-admin\"\n")
        .fails_to_start();
    assert!(told.contains("there is no group `aws-admin`") && told.contains("did you mean `aws-admins`?"), "{told}");
}
