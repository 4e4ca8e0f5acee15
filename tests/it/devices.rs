//! Devices as people meet them: remembered, counted, one too many, listed and removed.

use reqwest::StatusCode;

use crate::harness::browser::Browser;
use crate::harness::client::{Client, Page};
use crate::harness::people::PASSWORD;
use crate::harness::receiver::Receiver;
use crate::harness::redis::Redis;
use crate::harness::server::{Server, Setup};

const ENTER: &str = "\u{E007}";

/// The wiki opens on three devices. Beyond them a second factor shown now is asked for, and contractors are refused. Whoever
/// may become Admin in AWS shows a second factor at the wiki each time, or has the device remembered.
const POLICIES: &str = r#"
@id("t.visit") @description("Anybody sees the pages.")
permit (principal is Anonymous, action == Action::"visit", resource);
@id("t.open") @description("Everybody opens everything.")
permit (principal is User, action in [Action::"signIn", Action::"trustDevice", Action::"selfService"], resource);
@id("t.first-factor") @description("Not without a first factor.")
forbid (principal is User, action == Action::"signIn", resource) unless { context.proofs.contains(Proof::"first_factor") };
@id("t.proof") @description("Remembering and removing take a second factor shown now.") @message("self-service.proof")
forbid (principal is User, action in [Action::"trustDevice", Action::"removeDevice"], resource)
unless { context.fresh.contains(Proof::"second_factor") };
@id("t.keep") @description("Admins remove no device themselves.") @message("device.kept")
forbid (principal in Group::"aws-admins", action == Action::"removeDevice", resource);
@id("t.limit") @description("Three devices, then a second factor.") @message("device.limit")
forbid (principal is User, action == Action::"signIn", resource == App::"wiki")
when { !context.device.known && context.device.registered >= 3 }
unless { context.fresh.contains(Proof::"second_factor") };
@id("t.limit-deny") @description("Contractors: three devices, and no more.") @message("device.limit")
forbid (principal in Group::"contractors", action == Action::"signIn", resource == App::"wiki")
when { !context.device.known && context.device.registered >= 3 };
@id("t.second-factor") @description("Admins show a second factor, or have the device remembered.") @message("second-factor.required")
forbid (principal in Group::"aws-admins", action == Action::"signIn", resource == App::"wiki")
unless { context.proofs.contains(Proof::"second_factor") || context.device.trusted };
"#;

/// Walks to the wiki with name and password, and gives the page after them.
async fn to_wiki(client: &Client, username: &str) -> Page {
    let page = client.follow("/launch/wiki").await;
    let Some(form) = page.find_form("/signin") else { return page };
    let page = client.submit(&form.set("username", username)).await;
    // Many at once keep the hashing pool busy, or look like guesses until each is verified: both say when to come again.
    let form = page.form("/signin/password").set("password", PASSWORD);
    loop {
        let page = client.submit(&form).await;
        if !matches!(page.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            return page;
        }
    }
}

fn is_in(page: &Page) -> bool {
    page.find_form("https://wiki.example.com/acs").is_some_and(|form| form.value("SAMLResponse").is_some())
        && page.status == StatusCode::OK
}

async fn on_three_devices(server: &Server, username: &str) -> Vec<Client> {
    let clients: Vec<Client> = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1",
        "something of their own",
    ]
    .map(|name| server.client().with_header("user-agent", name))
    .into();
    for client in &clients {
        let page = to_wiki(client, username).await;
        assert!(page.status.is_success(), "{page:?}");
    }
    clients
}

async fn with_code(server: &Server, client: &Client, page: &Page, username: &str, remember: bool) -> Page {
    let form = page.form("/signin/totp");
    assert_eq!(form.value("remember_device"), None, "the box is not ticked by itself");
    let form = form.set("code", &server.person(username).code());
    client.submit(&if remember { form.set("remember_device", "yes") } else { form }).await
}

#[tokio::test]
async fn a_remembered_device_spares_the_code_for_its_app_and_user_until_the_methods_change() {
    let server = Setup::default().policies(POLICIES).start();
    let client = server.client();
    let page = to_wiki(&client, "dora").await;
    assert_eq!(page.attributes("#remember_device", "checked"), Vec::<String>::new());
    assert!(page.text("main").contains("30 days"), "{page:?}");
    assert!(is_in(&with_code(&server, &client, &page, "dora", true).await));

    let portal = client.get("/").await;
    client.submit(&portal.form("/signout")).await;
    let page = to_wiki(&client, "dora").await;
    assert!(is_in(&page), "the browser is remembered: {page:?}");
    let elsewhere = to_wiki(&server.client(), "dora").await;
    assert!(elsewhere.find_form("/signin/totp").is_some(), "another browser is not: {elsewhere:?}");

    let page = client.get("/account/devices").await;
    assert!(page.text("main").contains("Remembered for Wiki until"), "{page:?}");
    let page = client.submit(&page.form("/account/devices/end-trust")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/account/devices"));
    assert!(!page.text("main").contains("Remembered for"), "{page:?}");
    let portal = client.get("/").await;
    client.submit(&portal.form("/signout")).await;
    let page = to_wiki(&client, "dora").await;
    assert!(is_in(&with_code(&server, &client, &page, "dora", true).await), "asked again, and remembered again");

    let said = server.cli(&["users", "reset-methods", "dora"]);
    assert!(said.ok, "{}{}", said.out, said.err);
    let page = to_wiki(&client, "dora").await;
    assert!(!is_in(&page), "a changed password or method ends every trust: {page:?}");
    let audit = server.audit();
    assert_eq!(audit.matches("\"device-trusted\"").count(), 2, "{audit}");
    assert_eq!(audit.matches("\"trust-ended\"").count(), 1, "{audit}");
}

#[tokio::test]
async fn without_the_tick_nothing_is_remembered_and_a_tick_nobody_offered_is_ignored() {
    let server = Setup::default().policies(POLICIES).start();
    let client = server.client();
    let page = to_wiki(&client, "dora").await;
    assert!(is_in(&with_code(&server, &client, &page, "dora", false).await));
    client.submit(&client.get("/").await.form("/signout")).await;
    assert!(to_wiki(&client, "dora").await.find_form("/signin/totp").is_some());

    // At the limit of devices trust would spare nothing that being known does not, so it is not offered.
    on_three_devices(&server, "ann").await;
    let fourth = server.client();
    let page = to_wiki(&fourth, "ann").await;
    assert!(page.attributes("[name=remember_device]", "type").is_empty(), "{page:?}");
    assert!(is_in(&with_code(&server, &fourth, &page, "ann", true).await));
    assert!(!server.audit().contains("device-trusted"));
}

#[tokio::test]
async fn at_the_limit_a_device_is_removed_on_the_way_and_is_signed_out() {
    let server = Setup::default().policies(POLICIES).start();
    let others = on_three_devices(&server, "carl").await;
    let client = server.client();
    let page = to_wiki(&client, "carl").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    assert!(page.text("main").contains("more devices than this app allows"), "{page:?}");
    let stale = page.form("/signin/devices");
    let page = client.submit(&stale).await;
    // A stolen password alone removes nothing.
    let page = with_code(&server, &client, &page, "carl", false).await;
    assert_eq!(page.attributes("form[action='/signin/remove-device'] [name=device]", "value").len(), 3, "{page:?}");
    let page = client.submit(&page.form("/signin/remove-device")).await;
    assert!(is_in(&page), "{page:?}");
    assert!(client.submit(&stale).await.status.is_client_error(), "a form sent before loses");

    let mut still_in = 0;
    for other in &others {
        still_in += usize::from(other.get("/").await.find_form("/signout").is_some());
    }
    assert_eq!(still_in, 2, "one was removed, and is signed out there");
    assert!(server.audit().contains("\"device-removed\""));
    assert_eq!(to_wiki(&server.client(), "carl").await.status, StatusCode::FORBIDDEN, "three again");
}

#[tokio::test]
async fn whoever_would_rather_keep_all_devices_goes_back_to_what_was_asked() {
    let server = Setup::default().policies(POLICIES).start();
    on_three_devices(&server, "ann").await;
    let client = server.client();
    let page = to_wiki(&client, "ann").await;
    let asked = page.form("/signin/totp");
    let page = client.submit(&page.form("/signin/devices")).await;
    assert!(client.submit(&asked.set("code", "000000")).await.status.is_client_error(), "that page is past");
    let page = with_code(&server, &client, &page, "ann", false).await;
    let page = client.submit(&page.form("/signin/devices-done")).await;
    assert!(is_in(&page), "the code shown to see the list is the code that was asked for: {page:?}");
}

#[tokio::test]
async fn nobody_is_shown_a_way_that_the_policies_close() {
    let server = Setup::default().policies(POLICIES).start();
    let client = server.client();
    client.sign_in(server.person("dora")).await;
    let page = client.get("/account/devices").await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    assert!(page.text("main").contains("looked after by your organisation"), "{page:?}");
    assert!(page.find_form("/account/devices/remove").is_none(), "{page:?}");
    // Pressed all the same, it is refused with the same words.
    let device = "01a20076-0db4-7232-b0f6-c1e3ab6477bb";
    let token = page.form("/signout").value("csrf_token").unwrap().to_owned();
    let page = client.post("/account/devices/remove", &[("csrf_token", &token), ("device", device)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    assert!(page.text("main").contains("looked after by your organisation"), "{page:?}");
    assert!(!server.audit().contains("device-removed"));
}

#[tokio::test]
async fn forms_of_the_device_page_are_its_own_and_name_a_device() {
    let server = Server::start();
    let client = server.client();
    client.sign_in(server.person("ann")).await;
    let page = client.get("/account/devices").await;
    let form = page.form("/account/devices/remove");
    assert_eq!(client.submit(&form.clone().set("csrf_token", "guessed")).await.status, StatusCode::FORBIDDEN);
    assert!(client.submit(&form.clone().set("device", "'; DROP")).await.status.is_client_error());
    // Somebody else's device, or none: nothing happens.
    let page = client.submit(&form.clone().set("device", "01a20076-0db4-7232-b0f6-c1e3ab6477bb")).await;
    assert_eq!(page.attributes("form[action='/account/devices/remove']", "method").len(), 1, "{page:?}");
    let page = client.submit(&form).await;
    assert!(page.find_form("/signout").is_none(), "the device that asks is signed out: {page:?}");
    assert!(server.client().get("/account/devices").await.find_form("/signin").is_some(), "a stranger signs in first");
}

#[tokio::test]
async fn an_administrator_frees_a_device_while_the_server_runs() {
    let server = Setup::default().policies(POLICIES).start();
    let clients = on_three_devices(&server, "carl").await;
    let said = server.cli(&["users", "devices", "carl", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    assert_eq!(listed[2]["browser"], "Firefox", "the first of them was used longest ago: {listed}");
    let said = server.cli(&["users", "devices", "carl", "--remove", listed[2]["id"].as_str().unwrap()]);
    assert!(said.ok, "{said:?}");
    assert!(clients[0].get("/").await.find_form("/signout").is_none(), "signed out there");
    assert!(clients[1].get("/").await.find_form("/signout").is_some());
    assert!(is_in(&to_wiki(&server.client(), "carl").await), "there is room again");
    let unknown = server.cli(&["users", "devices", "carl", "--remove", "01a20076-0db4-7232-b0f6-c1e3ab6477bb"]);
    assert!(!unknown.ok && unknown.err.contains("has no device"), "{unknown:?}");
    let said = server.cli(&["users", "devices", "carl", "--remove-all"]);
    assert!(said.out.contains("3 removed"), "{said:?}");
    assert!(server.cli(&["users", "devices", "carl"]).out.is_empty());
}

/// How many of fifty browsers that come at once get in where three may.
async fn fifty_at_once(setup: Setup) -> usize {
    let server = setup.policies(POLICIES).start();
    let browsers = (0..50).map(|number| {
        // Each from a network of its own, so that it is the limit of devices which counts, and not that of attempts.
        let client = server.client().at_address(&format!("10.{number}.0.1"));
        tokio::spawn(async move { to_wiki(&client, "carl").await })
    });
    let mut inside = 0;
    for browser in browsers.collect::<Vec<_>>() {
        let page = browser.await.unwrap();
        assert!(is_in(&page) || page.status == StatusCode::FORBIDDEN, "{page:?}");
        inside += usize::from(is_in(&page));
    }
    inside
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_devices_at_once_exactly_as_many_get_in_as_may() {
    assert_eq!(fifty_at_once(Setup::default()).await, 3);
    let redis = Redis::start();
    assert_eq!(fifty_at_once(Setup::default().state(&redis.url())).await, 3, "on Redis");
}

async fn name_and_password(browser: &Browser, username: &str) {
    browser.fill("username", username).await;
    browser.keys(ENTER).await;
    browser.wait_for("input[type=password]").await;
    browser.fill("password", PASSWORD).await;
    browser.keys(ENTER).await;
}

async fn sign_out(browser: &Browser, server: &Server) {
    browser.open(&server.at("/")).await;
    browser.press("Sign out").await;
    browser.wait_for("a[href='/signin']").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_a_device_is_remembered_and_forgotten() {
    let receiver = Receiver::start();
    let server = Setup::default().wiki_at(&receiver.acs).policies(POLICIES).start();
    let browser = Browser::start().await;
    browser.open(&server.at("/")).await;
    name_and_password(&browser, "dora").await;
    browser.press("Wiki").await;
    browser.wait_for("#remember_device").await;
    browser.look("remember-device").await;
    browser.evaluate("document.querySelector('#remember_device').focus()").await;
    browser.keys(" ").await;
    browser.fill("code", &server.person("dora").code()).await;
    browser.keys(ENTER).await;
    receiver.delivered();

    sign_out(&browser, &server).await;
    browser.open(&server.at("/signin")).await;
    name_and_password(&browser, "dora").await;
    browser.press("Wiki").await;
    receiver.delivered();
    browser.open(&server.at("/")).await;
    browser.press("Your devices").await;
    browser.wait_for(".device").await;
    let text = browser.text().await;
    assert!(text.contains("Chrome on Linux") && text.contains("this browser"), "{text}");
    browser.look("devices").await;
    browser.press("Stop remembering").await;
    browser.wait_for("[role=status]").await;
    browser.look("devices-forgotten").await;
    sign_out(&browser, &server).await;
    browser.open(&server.at("/signin")).await;
    name_and_password(&browser, "dora").await;
    browser.press("Wiki").await;
    browser.wait_for("input[name=code]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_one_device_too_many_is_refused_and_makes_room() {
    let receiver = Receiver::start();
    let server = Setup::default().wiki_at(&receiver.acs).policies(POLICIES).start();
    on_three_devices(&server, "carl").await;
    let browser = Browser::start().await;
    browser.stop_scripts().await;
    browser.open(&server.at("/")).await;
    name_and_password(&browser, "carl").await;
    browser.press("Wiki").await;
    browser.wait_for("form[action='/signin/devices']").await;
    browser.look("device-limit-deny").await;
    browser.press("See your devices").await;
    // The password of a moment ago is not fresh in this sign-in, so both are asked for.
    browser.wait_for("input[type=password]").await;
    browser.fill("password", PASSWORD).await;
    browser.keys(ENTER).await;
    browser.fill("code", &server.person("carl").code()).await;
    browser.keys(ENTER).await;
    browser.wait_for("form[action='/signin/remove-device']").await;
    browser.look("choose-device").await;
    browser.press("Remove").await;
    browser.press("Continue").await;
    assert_eq!(receiver.delivered().attribute("mail"), ["carl@example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_one_device_too_many_takes_a_code() {
    let receiver = Receiver::start();
    let server = Setup::default().wiki_at(&receiver.acs).policies(POLICIES).start();
    on_three_devices(&server, "ann").await;
    let browser = Browser::start().await;
    browser.open(&server.at("/signin")).await;
    name_and_password(&browser, "ann").await;
    browser.press("Wiki").await;
    // On the session of the portal the password is asked for again: it has to be fresh too.
    browser.wait_for("form[action='/signin/devices']").await;
    browser.look("device-limit-challenge-password").await;
    browser.fill("password", PASSWORD).await;
    browser.keys(ENTER).await;
    browser.wait_for("input[name=code]").await;
    browser.look("device-limit-challenge").await;
    browser.press("See your devices").await;
    browser.wait_for("input[name=code]").await;
    browser.fill("code", &server.person("ann").code()).await;
    browser.keys(ENTER).await;
    browser.wait_for("form[action='/signin/remove-device']").await;
    browser.press("Remove").await;
    assert_eq!(receiver.delivered().attribute("mail"), ["ann@example.com"]);
}
