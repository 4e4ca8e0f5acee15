//! The first owner: a command prints a link, and the link leads through password and authenticator app to the portal.

use cedargate::domain::TotpSecret;
use regex::Regex;

use crate::harness::browser::Browser;
use crate::harness::people::{code_for, seconds_now};
use crate::harness::server::Server;

const ENTER: &str = "\u{E007}";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_comes_in_by_a_link_that_works_once() {
    let server = Server::start();
    let said = server.cli(&["users", "bootstrap-admin", "--username", "olive", "--email", "olive@example.com"]);
    assert!(said.ok, "{}", said.err);
    let link = said.out.split_whitespace().find(|word| word.contains("/link/")).unwrap_or_else(|| panic!("{}", said.out));
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
