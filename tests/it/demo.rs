//! The demonstration, walked through in a browser as its guide says.

use std::process::Command;
use std::time::Duration;

use cedargate::domain::TotpSecret;
use regex::Regex;

use crate::harness::browser::Browser;
use crate::harness::people::{code_for, seconds_now};
use crate::harness::process::Process;

const START: Duration = Duration::from_secs(30);
pub(crate) const ENTER: &str = "\u{E007}";

/// A running demonstration.
pub(crate) struct Demo {
    _process: Process,
    url: String,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
        command.args(["demo", "--listen", "127.0.0.1:0"]);
        let process = Process::start("cedargate demo", &mut command);
        let url = process.wait_for("listening on ", START).unwrap_or_else(|log| panic!("{log}"));
        Self { _process: process, url: url.trim().to_owned() }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// What the guide shows of `username`: the password, and the code of now.
pub(crate) async fn credentials(browser: &Browser, demo: &Demo, username: &str) -> (String, String) {
    browser.open(&demo.at("/demo")).await;
    browser.wait_for("#accounts").await;
    let text = browser.text().await;
    let found = Regex::new(&format!(r"{username}\s+Password\s+([a-z0-9-]+)(?:\s+Code now\s+([0-9]{{6}}))?")).unwrap();
    let found = found.captures(&text).unwrap_or_else(|| panic!("the guide does not show {username}:\n{text}"));
    (found[1].to_owned(), found.get(2).map(|code| code.as_str().to_owned()).unwrap_or_default())
}

pub(crate) async fn give_password(browser: &Browser, username: &str, password: &str) {
    browser.fill("username", username).await;
    browser.keys(ENTER).await;
    browser.fill("password", password).await;
    browser.keys(ENTER).await;
}

async fn pretend(browser: &Browser, demo: &Demo, address: &str) {
    browser.open(&demo.at("/demo/pretend")).await;
    browser.fill("address", address).await;
    browser.press("Pretend this").await;
    browser.wait_for("[role=status]").await;
}

async fn sign_out(browser: &Browser, demo: &Demo) {
    browser.open(&demo.at("/")).await;
    browser.press("Sign out").await;
    browser.wait_for("h1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_leads_through_allow_challenge_and_block() {
    let (demo, browser) = (Demo::start(), Browser::start().await);
    let (password, _) = credentials(&browser, &demo, "carla").await;
    browser.look("demo-guide").await;

    browser.press("Sign in").await;
    give_password(&browser, "carla", &password).await;
    browser.wait_for("form[action='/signout']").await;
    browser.look("demo-allow").await;
    sign_out(&browser, &demo).await;

    let (password, code) = credentials(&browser, &demo, "ann").await;
    browser.press("Open AWS").await;
    give_password(&browser, "ann", &password).await;
    browser.fill("code", &code).await;
    browser.look("demo-challenge").await;
    browser.keys(ENTER).await;
    browser.wait_for("#roles").await;
    let text = browser.text().await;
    assert!(text.contains("arn:aws:iam::123456789012:role/Dev"), "{text}");
    assert!(!text.contains("role/Admin"), "a role that was not granted: {text}");
    browser.look("demo-verified").await;

    // The other way round, on the session of before: it asks, and what comes answers that very request.
    browser.press("Back to the guide").await;
    browser.press("Go to Nimbus Console").await;
    browser.look("demo-service-provider").await;
    browser.press("Sign in with").await;
    browser.wait_for("#roles").await;
    assert!(!browser.text().await.contains("it came unasked"), "{}", browser.text().await);

    pretend(&browser, &demo, "192.0.2.66").await;
    browser.look("demo-pretend").await;
    browser.open(&demo.at("/demo")).await;
    browser.press("Open AWS").await;
    browser.wait_for("h1").await;
    let text = browser.text().await;
    assert!(text.contains("Sign-ins from this network are blocked"), "{text}");
    browser.look("demo-block").await;
    browser.open(&demo.at("/demo/pretend")).await;
    browser.fill("address", "not an address").await;
    browser.press("Pretend this").await;
    browser.wait_for("[role=alert]:not(:empty)").await;
    browser.look("demo-pretend-wrong").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_added_by_a_link_and_counts_from_the_next_sign_in() {
    let (demo, browser) = (Demo::start(), Browser::start().await);
    let (password, _) = credentials(&browser, &demo, "dora").await;
    browser.open(&demo.at("/demo/mails")).await;
    browser.look("demo-mails").await;
    browser.press("/link/").await;
    browser.look("enrol-by-link").await;
    browser.press("Go on").await;
    browser.fill("password", &password).await;
    browser.keys(ENTER).await;

    browser.wait_for("input[name=code]").await;
    browser.press("Type the secret").await;
    browser.look("enrol").await;
    let text = browser.text().await;
    let shown = Regex::new(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}").unwrap();
    let shown = shown.find(&text).unwrap_or_else(|| panic!("no secret: {text}"));
    let secret = TotpSecret::from_base32(shown.as_str()).unwrap();
    let step = seconds_now() / 30;
    browser.fill("code", &code_for(&secret, step)).await;
    browser.keys(ENTER).await;
    browser.wait_for("a[href='/signin']").await;
    browser.look("enrol-done").await;
    browser.press("Sign in again").await;

    // What was set up in one sign-in is a proof from the next one on.
    browser.open(&demo.at("/demo")).await;
    browser.press("Open AWS").await;
    give_password(&browser, "dora", &password).await;
    browser.fill("code", &code_for(&secret, step + 1)).await;
    browser.keys(ENTER).await;
    browser.wait_for("#roles").await;
    assert!(browser.text().await.contains("role/Dev"), "{}", browser.text().await);
}
