//! The first owner: a command prints a link, and the link leads through password and authenticator app to the portal.

use cedargate::domain::TotpSecret;
use regex::Regex;

use crate::harness::browser::Browser;
use crate::harness::client::{Client, Page};
use crate::harness::people::{PASSWORD, code_for, seconds_now};
use crate::harness::server::Server;

const ENTER: &str = "\u{E007}";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_comes_in_by_a_link_that_works_once() {
    let server = Server::start();
    let said = server.cli(&["users", "bootstrap-admin", "--username", "olive", "--email", "olive@example.com"]);
    assert!(said.ok, "{}", said.err);
    let link =
        said.out.split_whitespace().find(|word| word.contains("/link/")).unwrap_or_else(|| panic!("{}", said.out));
    let browser = Browser::start().await;
    browser.open(link).await;
    browser.look("link").await;
    browser.press("Start my account").await;
    browser.wait_for("input[type=password]").await;
    browser.look("set-password").await;

    browser.fill("password", "olive1234").await;
    browser.keys(ENTER).await;
    browser.wait_for("[aria-invalid=true]").await;
    browser.look("set-password-wrong").await;
    browser.fill("password", "a cedar by the old gate").await;
    browser.keys(ENTER).await;

    browser.wait_for("input[name=code]").await;
    browser.press("Type the secret").await;
    let text = browser.text().await;
    let shown = Regex::new(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}").unwrap();
    let secret = TotpSecret::from_base32(shown.find(&text).unwrap().as_str()).unwrap();
    browser.fill("code", if code_for(&secret, seconds_now() / 30) == "000000" { "111111" } else { "000000" }).await;
    browser.keys(ENTER).await;
    browser.wait_for("[aria-invalid=true]").await;
    browser.look("enrol-wrong").await;
    browser.fill("code", &code_for(&secret, seconds_now() / 30)).await;
    browser.keys(ENTER).await;
    browser.wait_for("form[action='/signout']").await;

    browser.open(link).await;
    browser.wait_for("h1").await;
    assert!(browser.text().await.contains("no longer works"), "{}", browser.text().await);
    browser.look("link-used").await;
    let shown = server.cli(&["users", "show", "olive"]);
    assert!(shown.out.contains("active") && shown.out.contains("owners"), "{}{}", shown.out, shown.err);
}

/// The link that a command prints for a pending owner called `username`.
fn invite(server: &Server, username: &str) -> String {
    let email = format!("{username}@example.com");
    let said = server.cli(&["users", "bootstrap-admin", "--username", username, "--email", &email]);
    let link = said.out.split_whitespace().find(|word| word.contains("/link/"));
    let link = link.unwrap_or_else(|| panic!("{}{}", said.out, said.err));
    link[link.find("/link/").unwrap()..].to_owned()
}

const NEW_PASSWORD: &str = "a cedar by the old gate";

/// Opens a link, chooses a password, and gives the page that shows a new secret.
async fn at_enrolment(client: &Client, link: &str) -> Page {
    let page = client.get(link).await;
    let page = client.submit(&page.form(link)).await;
    client.submit(&page.form("/signin/set-password").set("password", NEW_PASSWORD)).await
}

fn shown_secret(page: &Page) -> TotpSecret {
    let shown = Regex::new(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}").unwrap();
    TotpSecret::from_base32(shown.find(&page.text("main")).unwrap().as_str()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_form_sent_four_times_at_once_enrols_one_authenticator() {
    let server = Server::start();
    let client = server.client();
    let page = at_enrolment(&client, &invite(&server, "olive")).await;
    let code = code_for(&shown_secret(&page), seconds_now() / 30);
    let form = page.form("/signin/enrol").set("code", &code);
    let (a, b, c, d) =
        tokio::join!(client.submit(&form), client.submit(&form), client.submit(&form), client.submit(&form));
    let answers = [a, b, c, d].map(|page| page.status.as_u16());
    let shown = server.cli(&["users", "show", "olive", "--json"]);
    assert_eq!(shown.out.matches("\"totp\"").count(), 1, "{answers:?} {}", shown.out);
}

#[tokio::test]
async fn a_link_and_a_password_are_no_way_around_a_second_factor() {
    let server = Server::start();
    // Ann has an app already: what an administrator prints for her adds none without it.
    let said = server.cli(&["users", "activation-link", "ann"]);
    let link =
        said.out.split_whitespace().find(|word| word.contains("/link/")).unwrap_or_else(|| panic!("{}", said.err));
    let link = &link[link.find("/link/").unwrap()..];
    let client = server.client();
    let page = client.get(link).await;
    let page = client.submit(&page.form(link)).await;
    let password = page.form("/signin/password").set("password", PASSWORD);
    let page = client.submit(&password).await;
    assert!(page.find_form("/signin/enrol").is_none(), "{page:?}");
    assert!(page.find_form("/signin/totp").is_some(), "the app she has is asked for: {page:?}");
    // The link was used up by the password; the form that carried it is worth nothing more.
    let again = client.submit(&password).await;
    assert!(again.status.is_client_error(), "{again:?}");
    assert_eq!(client.get(link).await.status.as_u16(), 404);
}

#[tokio::test]
async fn after_a_lost_phone_the_help_desk_makes_room_for_a_new_one() {
    let server = Server::start();
    let said = server.cli(&["users", "reset-methods", "ann"]);
    assert!(said.out.contains("1 authenticator removed"), "{}{}", said.out, said.err);
    let said = server.cli(&["users", "activation-link", "ann"]);
    let link = &said.out.trim()[said.out.find("/link/").unwrap()..];
    let client = server.client();
    let page = client.get(link).await;
    let page = client.submit(&page.form(link)).await;
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    let code = code_for(&shown_secret(&page), seconds_now() / 30);
    let page = client.submit(&page.form("/signin/enrol").set("code", &code)).await;
    assert!(page.text("main").contains("Your authenticator is ready"), "{page:?}");
    assert!(server.cli(&["users", "reset-methods", "ben-is-not-there"]).err.contains("ben-is-not-there"));
}

#[tokio::test]
async fn a_blocked_network_neither_opens_nor_uses_a_link() {
    let server = Server::start();
    let link = invite(&server, "olive");
    let blocked = server.client().at_address("198.51.100.7");
    assert_eq!(blocked.get(&link).await.status.as_u16(), 403);
    assert_eq!(server.client().get(&link).await.status.as_u16(), 200, "it still works elsewhere");
}

#[tokio::test]
async fn somebody_suspended_while_registering_stays_out() {
    let server = Server::start();
    let client = server.client();
    let page = at_enrolment(&client, &invite(&server, "olive")).await;
    let code = code_for(&shown_secret(&page), seconds_now() / 30);
    let said = server.cli(&["users", "disable", "olive"]);
    assert!(said.ok, "{}", said.err);
    let page = client.submit(&page.form("/signin/enrol").set("code", &code)).await;
    assert!(page.status.is_client_error(), "{page:?}");
    let shown = server.cli(&["users", "show", "olive", "--json"]);
    assert!(shown.out.contains("suspended") && !shown.out.contains("\"totp\""), "{}", shown.out);
}
