//! Signing in, as people do it: by forms without scripts, and in a real browser. And as they should not: replayed, foreign,
//! malformed and much too often.

use regex::Regex;
use reqwest::{Method, StatusCode};

use crate::harness::browser::Browser;
use crate::harness::client::{Client, Page};
use crate::harness::people::PASSWORD;
use crate::harness::receiver::Receiver;
use crate::harness::saml::Delivered;
use crate::harness::server::{Server, Setup, from};

/// The page that asks `username` for the password.
async fn at_password(client: &Client, username: &str) -> Page {
    let page = client.get("/").await;
    client.submit(&page.form("/signin").set("username", username)).await
}

/// The page after the password of `username`.
async fn after_password(client: &Client, username: &str) -> Page {
    let page = at_password(client, username).await;
    client.submit(&page.form("/signin/password").set("password", PASSWORD)).await
}

/// The reference id that a page shows.
fn reference(page: &Page) -> String {
    let id = Regex::new(r"\b[0-9A-HJKMNP-TV-Z]{10}\b").unwrap();
    let text = page.text("main");
    id.find(&text).unwrap_or_else(|| panic!("no reference id in `{text}`")).as_str().to_owned()
}

/// A page that refuses says what it is about and offers a way on; never a crash, never a dead end.
fn assert_clear(name: &str, page: &Page) {
    assert!(page.status.is_client_error(), "{name}: {} {}", page.status, page.body);
    assert!(!page.text("h1").is_empty(), "{name}: no heading: {}", page.body);
    assert!(
        !page.attributes("main a", "href").is_empty() || !page.forms().is_empty(),
        "{name}: a dead end: {}",
        page.body
    );
}

/// Nobody is signed in.
async fn assert_signed_out(client: &Client) {
    let page = client.get("/").await;
    assert!(page.find_form("/signin").is_some(), "somebody is signed in: {page:?}");
}

#[tokio::test]
async fn a_name_a_password_and_a_code_open_the_portal() {
    let server = Server::start();
    let (client, ann) = (server.client(), server.person("ann"));
    let page = client.get("/").await;
    assert_eq!(page.attributes("input[name=username]", "autocomplete"), ["username webauthn"]);
    let page = client.submit(&page.form("/signin").set("username", "ann")).await;
    assert_eq!(page.attributes("input[type=password]", "autocomplete"), ["current-password"]);
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    let code = page.attributes("input[name=code]", "autocomplete");
    assert_eq!(code, ["one-time-code"], "{page:?}");
    assert_eq!(page.attributes("input[name=code]", "inputmode"), ["numeric"]);
    // As an app shows it and people copy it.
    let code = ann.code();
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    let page = client.submit(&page.form("/signin/totp").set("code", &spaced)).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/"));
    let links = page.attributes("a", "href");
    assert!(links.iter().any(|link| link.starts_with("/launch/aws")), "{links:?}");
    assert!(links.iter().any(|link| link.starts_with("/launch/wiki")), "{links:?}");
    assert!(!links.iter().any(|link| link.starts_with("/launch/archive")), "it cannot be started from here: {links:?}");
    let found = client.get("/?q=wik").await.attributes("a", "href");
    assert!(found.iter().any(|link| link.starts_with("/launch/wiki")), "{found:?}");
    assert!(!found.iter().any(|link| link.starts_with("/launch/aws")), "{found:?}");
}

#[tokio::test]
async fn the_e_mail_address_in_any_case_is_as_good_as_the_name() {
    let server = Server::start();
    for typed in ["ANN", "Ann@Example.COM", "ann "] {
        let page = after_password(&server.client(), typed).await;
        assert!(page.find_form("/signin/totp").is_some(), "`{typed}`: {page:?}");
    }
}

#[tokio::test]
async fn unknown_people_wrong_passwords_and_suspended_accounts_look_alike() {
    let server = Server::start();
    let mut seen = Vec::new();
    for username in ["nobody", "ann", "fay", "bob"] {
        let client = server.client();
        let asked = at_password(&client, username).await;
        let refused = client.submit(&asked.form("/signin/password").set("password", "not-the-password")).await;
        let shown =
            [asked, refused].map(|page| (page.status, page.text("body").replace(username, "NAME"), page.forms().len()));
        seen.push((username, shown));
    }
    for (username, shown) in &seen {
        assert_eq!(shown, &seen[0].1, "{username} can be told from nobody");
    }
}

#[tokio::test]
async fn a_suspended_person_is_told_only_after_the_right_password() {
    let server = Server::start();
    let page = after_password(&server.client(), "fay").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_clear("suspended", &page);
    assert!(page.find_form("/signin/totp").is_none(), "nobody shows a second factor only to be refused");
}

#[tokio::test]
async fn a_wrong_a_used_and_a_malformed_code_open_nothing() {
    let server = Server::start();
    let ann = server.person("ann");
    server.client().sign_in(ann).await;
    let client = server.client();
    let mut page = after_password(&client, "ann").await;
    for code in [ann.used_code(), ann.wrong_code(), "12345".to_owned(), "letters".to_owned(), String::new()] {
        page = client.submit(&page.form("/signin/totp").set("code", &code)).await;
        assert!(page.find_form("/signin/totp").is_some(), "`{code}`: {page:?}");
        assert!(!page.text("[role=alert], [aria-live]").is_empty(), "`{code}` is refused without a word");
    }
    let page = client.submit(&page.form("/signin/totp").set("code", &ann.code())).await;
    assert_eq!(page.url.path(), "/", "the right code still works: {page:?}");
}

#[tokio::test]
async fn a_contractor_outside_the_office_is_refused_at_once_and_the_reason_is_found_again() {
    let server = Server::start();
    let client = server.client().at_address(from::ELSEWHERE);
    let page = client.get("/launch/aws").await;
    let page = if let Some(form) = page.find_form("/launch/aws") { client.submit(&form).await } else { page };
    let page = client.submit(&page.form("/signin").set("username", "carl")).await;
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    assert_clear("contractor", &page);
    let said = server.cli(&["policy", "explain", &reference(&page)]);
    assert!(said.ok, "{}", said.err);
    assert!(said.out.contains("aws.contractors-office"), "{}", said.out);
}

#[tokio::test]
async fn a_blocked_network_sees_no_sign_in_page() {
    let server = Server::start();
    for path in ["/", "/signin", "/launch/aws"] {
        let page = server.client().at_address(from::BLOCKED).get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert_clear(path, &page);
        assert!(page.find_form("/signin").is_none(), "{path}");
        reference(&page);
    }
}

#[tokio::test]
async fn whoever_has_no_second_factor_is_told_whom_to_ask_for_a_link_and_nothing_more() {
    let server = Server::start();
    let client = server.client();
    let page = after_password(&client, "bob").await;
    // This server mails nothing, so it does not promise to.
    assert!(page.find_form("/signin/enrol-link").is_none(), "{page:?}");
    assert!(page.text("main").contains("Ask the people who look after it for a link"), "{page:?}");
    assert!(page.body.contains("mailto:it@example.com"), "{page:?}");
    assert_signed_out(&client).await;
}

#[tokio::test]
async fn sign_out_ends_the_session_and_its_cookie() {
    let server = Server::start();
    let client = server.client();
    let portal = client.sign_in(server.person("ann")).await;
    let stolen = client.cookies().join("; ");
    let page = client.submit(&portal.form("/signout")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_signed_out(&client).await;
    assert_signed_out(&server.client().with_header("cookie", &stolen)).await;
}

#[tokio::test]
async fn cookies_change_at_each_step_up_and_are_kept_from_scripts() {
    let server = Server::start();
    let client = server.client();
    let page = at_password(&client, "ann").await;
    let first = client.cookies();
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    let second = client.cookies();
    client.submit(&page.form("/signin/totp").set("code", &server.person("ann").code())).await;
    let third = client.cookies();
    assert!(!first.is_empty());
    assert_ne!(first, second, "at the first factor");
    assert_ne!(second, third, "at sign-in");
    let page = server.client().get("/signin").await;
    for cookie in page.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap().to_lowercase();
        assert!(
            cookie.contains("httponly") && cookie.contains("samesite=lax") && cookie.contains("path=/"),
            "{cookie}"
        );
    }
}

#[tokio::test]
async fn a_restart_loses_no_session_and_no_sign_in_in_progress() {
    let mut server = Server::start();
    let (signed_in, halfway) = (server.client(), server.client());
    signed_in.sign_in(server.person("ann")).await;
    let page = after_password(&halfway, "dora").await;
    server.restart();
    assert!(signed_in.get("/").await.find_form("/signout").is_some());
    let page = halfway.submit(&page.form("/signin/totp").set("code", &server.person("dora").code())).await;
    assert_eq!(page.url.path(), "/", "{page:?}");
}

#[tokio::test]
async fn replayed_and_foreign_forms_lose() {
    let server = Server::start();
    let (client, ann) = (server.client(), server.person("ann"));
    let password = at_password(&client, "ann").await.form("/signin/password").set("password", PASSWORD);
    let totp = client.submit(&password).await.form("/signin/totp").set("code", &ann.code());

    let foreign = server.client();
    assert_clear("another browser", &foreign.submit(&totp).await);
    assert_signed_out(&foreign).await;
    assert_clear("cookies off", &client.without_cookies().submit(&totp).await);

    let csrf = client.submit(&totp.clone().set("csrf_token", "guessed")).await;
    assert_eq!(csrf.status, StatusCode::FORBIDDEN, "{csrf:?}");
    assert_clear("a wrong csrf token", &csrf);
    assert_clear("no csrf token", &client.submit(&totp.clone().without("csrf_token")).await);
    assert_clear("a changed sign-in", &client.submit(&totp.clone().set("signin", "AAAA")).await);

    assert_eq!(client.submit(&totp).await.url.path(), "/", "none of this has spoiled the real one");
    let again = client.submit(&totp).await;
    assert!(again.status.is_client_error(), "{again:?}");
    let stranger = server.client();
    assert_clear("the first form once more, elsewhere", &stranger.submit(&password).await);
    assert_signed_out(&stranger).await;
}

#[tokio::test]
async fn the_tab_that_signs_in_first_wins_and_the_other_is_told_to_start_again() {
    let server = Server::start();
    let client = server.client();
    let (left, right) = (at_password(&client, "ann").await, at_password(&client, "dora").await);
    let page = client.submit(&left.form("/signin/password").set("password", PASSWORD)).await;
    // Somebody became known, so the browser has a new token and older forms are void.
    let other = client.submit(&right.form("/signin/password").set("password", PASSWORD)).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN, "{other:?}");
    assert_clear("the other tab", &other);
    let page = client.submit(&page.form("/signin/totp").set("code", &server.person("ann").code())).await;
    assert_eq!(page.url.path(), "/", "the first tab goes on: {page:?}");
    assert_eq!(client.get("/signin").await.url.path(), "/", "starting again leads on with the session there is");
}

#[tokio::test]
async fn bad_input_gets_a_clear_page_and_the_server_stays() {
    let server = Server::start();
    let client = server.client();
    let form = client.get("/signin").await.form("/signin").set("username", "ann");
    let long = "a".repeat(100_000);
    for (name, form) in [
        ("a huge name", form.clone().set("username", &long)),
        ("a field twice", form.clone().twice("username", "bob")),
        ("no name field", form.clone().without("username")),
        ("no sign-in", form.clone().without("signin")),
        ("a huge sign-in", form.clone().set("signin", &long)),
    ] {
        assert_clear(name, &client.submit(&form).await);
    }
    // People do type these: the form comes back.
    for typed in ["", " ", "a\u{0}b", "<script>alert(1)</script>", "\u{202e}nna", "ann@"] {
        let page = client.submit(&form.clone().set("username", typed)).await;
        assert!(page.status.as_u16() < 500, "`{typed}`: {page:?}");
        assert!(!page.body.contains("<script>alert"), "`{typed}` is not escaped: {page:?}");
    }
    let urlencoded = "application/x-www-form-urlencoded";
    for (name, method, path, kind, body, status) in [
        ("no such page", Method::GET, "/no/such/page", urlencoded, vec![], 404),
        ("a wrong method", Method::DELETE, "/signin", urlencoded, vec![], 405),
        ("a get of a step", Method::GET, "/signin/password", urlencoded, vec![], 405),
        ("no form at all", Method::POST, "/signin", "application/json", b"{}".to_vec(), 415),
        ("broken percent signs", Method::POST, "/signin", urlencoded, b"username=%zz%".to_vec(), 403),
        ("no utf-8", Method::POST, "/signin", urlencoded, b"username=%ff%fe".to_vec(), 403),
        ("a huge body", Method::POST, "/signin", urlencoded, vec![b'a'; 8 << 20], 413),
    ] {
        let page = client.request(method, path, kind, body).await;
        assert_eq!(page.status.as_u16(), status, "{name}: {}", page.body);
        assert_clear(name, &page);
    }
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// How many wrong passwords are answered before the first 429.
async fn failures_until_refused(server: &Server, username: &str) -> usize {
    let client = server.client().at_address(from::ELSEWHERE);
    let form = at_password(&client, username).await.form("/signin/password").set("password", "not-the-password");
    for tried in 0..40 {
        let page = client.submit(&form).await;
        if page.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(page.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{page:?}");
            assert_clear("too many", &page);
            return tried;
        }
    }
    panic!("{username} may guess forever");
}

#[tokio::test]
async fn guessing_is_slowed_down_alike_for_known_and_unknown_people_and_others_are_not_hurt() {
    let server = Server::start();
    let known = failures_until_refused(&server, "ann").await;
    assert_eq!(known, failures_until_refused(&server, "nobody").await);
    let elsewhere = after_password(&server.client().at_address(from::OFFICE), "ann").await;
    assert!(elsewhere.find_form("/signin/totp").is_some(), "a stranger locks nobody out: {elsewhere:?}");
}

#[tokio::test]
async fn pages_allow_nothing_but_themselves_and_are_small() {
    let server = Server::start();
    let page = server.client().get("/signin").await;
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!((page.header("x-content-type-options"), page.header("referrer-policy")), ("nosniff", "no-referrer"));
    assert!(page.header("cache-control").contains("no-store"));
    let mut size = page.body.len();
    let assets = [page.attributes("link[href]", "href"), page.attributes("[src]", "src")].concat();
    for asset in assets {
        assert!(asset.starts_with("/assets/"), "{asset} is somebody else's");
        let asset = server.client().get(&asset).await;
        assert_eq!(asset.status, StatusCode::OK);
        assert!(asset.header("cache-control").contains("immutable"), "{asset:?}");
        size += asset.body.len();
    }
    assert!(size < 50_000, "{size} bytes");
}

#[tokio::test]
async fn the_page_speaks_the_language_of_the_browser() {
    let server = Server::start();
    for (asked, spoken) in [("de-AT,de;q=0.9,en;q=0.5", "de"), ("fr,en;q=0.5", "en"), ("tlh", "en")] {
        let page = server.client().with_header("accept-language", asked).get("/signin").await;
        assert_eq!(page.attributes("html", "lang"), [spoken], "{asked}");
    }
}

#[tokio::test]
async fn logs_and_audit_hold_every_decision_and_no_secret() {
    let server = Server::start();
    let (client, ann) = (server.client(), server.person("ann"));
    client.sign_in(ann).await;
    client.follow("/launch/wiki").await;
    let (audit, log) = (server.audit(), server.log());
    for app in ["portal", "wiki"] {
        assert!(audit.contains(&format!("\"{app}\"")), "no decision on {app}: {audit}");
    }
    let cookies: Vec<String> =
        client.cookies().iter().filter_map(|cookie| Some(cookie.split_once('=')?.1.to_owned())).collect();
    let secrets = [vec![PASSWORD.to_owned(), ann.used_code(), ann.secret(), "<saml".to_owned()], cookies].concat();
    for secret in secrets {
        assert!(!audit.contains(&secret) && !log.contains(&secret), "`{secret}` is written down:\n{audit}\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_each_page_of_the_way_is_whole_in_both_themes() {
    let receiver = Receiver::start();
    let server = Setup::default().wiki_at(&receiver.acs).start();
    let (browser, ann) = (Browser::start().await, server.person("ann"));
    browser.open(&server.at("/")).await;
    assert_eq!(browser.focused("name").await.as_deref(), Some("username"));
    browser.look("signin-name").await;
    browser.fill("username", "ann").await;
    browser.keys("\u{E007}").await;

    browser.wait_for("input[type=password]").await;
    browser.look("signin-password").await;
    let title = browser.title().await;
    browser.fill("password", "not-the-password").await;
    browser.keys("\u{E007}").await;
    browser.wait_for("[role=alert]:not(:empty), [aria-invalid=true]").await;
    assert_ne!(browser.title().await, title, "the title tells of the mistake");
    browser.look("signin-password-wrong").await;
    browser.fill("password", PASSWORD).await;
    browser.keys("\u{E007}").await;

    browser.wait_for("input[name=code]").await;
    browser.look("signin-code").await;
    browser.press("Try another way").await;
    browser.wait_for("form[action='/signin/method']").await;
    browser.look("signin-methods").await;
    browser.back().await;
    browser.press("Try another way").await;
    browser.press("Authenticator app").await;
    browser.wait_for("input[name=code]").await;
    browser.fill("code", &ann.code()).await;
    browser.keys("\u{E007}").await;

    browser.wait_for("a[href^='/launch/wiki']").await;
    browser.look("portal").await;
    browser.press("Wiki").await;
    let delivered = receiver.delivered();
    assert_eq!(delivered.attribute("mail"), ["ann@example.com"]);
    // From the wiki's side, which is another site: it asks before it opens anything.
    browser.evaluate(&format!("location.href = '{}'", server.at("/launch/wiki"))).await;
    browser.wait_for("form[action='/launch/wiki']").await;
    browser.look("launch-confirm").await;
    browser.open(&server.at("/")).await;
    browser.press("Sign out").await;
    browser.wait_for("h1").await;
    browser.look("signed-out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_the_refusals_are_whole_in_both_themes() {
    let server = Server::start();
    let browser = Browser::start().await;
    for (name, path) in [("not-found", "/no/such/page"), ("bad-request", "/saml/sso?SAMLRequest=%21")] {
        browser.open(&server.at(path)).await;
        browser.look(name).await;
    }
    for (name, username, marker) in
        [("blocked", "fay", "main"), ("enrol-ask-for-link", "bob", "main a[href='/signin']")]
    {
        browser.open(&server.at("/signin")).await;
        browser.fill("username", username).await;
        browser.keys("\u{E007}").await;
        browser.fill("password", PASSWORD).await;
        browser.keys("\u{E007}").await;
        browser.wait_for(&format!("body:not(:has(input[type=password])) {marker}")).await;
        browser.look(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_without_scripts_the_way_to_the_app_is_one_button_longer() {
    let receiver = Receiver::start();
    let server = Setup::default().wiki_at(&receiver.acs).start();
    let browser = Browser::start().await;
    browser.stop_scripts().await;
    browser.open(&server.at("/")).await;
    browser.fill("username", "ann").await;
    browser.keys("\u{E007}").await;
    browser.fill("password", PASSWORD).await;
    browser.keys("\u{E007}").await;
    browser.fill("code", &server.person("ann").code()).await;
    browser.keys("\u{E007}").await;
    browser.press("Wiki").await;
    browser.wait_for("input[name=SAMLResponse]").await;
    browser.look("response-without-scripts").await;
    browser.press("Continue").await;
    let Delivered { acs, .. } = receiver.delivered();
    assert_eq!(acs, receiver.acs);
}

#[tokio::test]
async fn signing_out_in_one_tab_ends_what_is_underway_in_the_others() {
    let server = Server::start();
    let client = server.client();
    let page = after_password(&client, "ann").await;
    let underway = page.url.clone();
    assert!(page.find_form("/signin/totp").is_some(), "{page:?}");
    // Another tab finishes, and signs out.
    let other = client.submit(&page.form("/signin/totp").set("code", &server.person("ann").code())).await;
    client.submit(&other.form("/signout")).await;
    let again = client.get(&format!("{}?{}", underway.path(), underway.query().unwrap_or_default())).await;
    assert!(again.status.is_client_error(), "{again:?}");
    assert!(again.find_form("/signin/totp").is_none(), "{again:?}");
    assert_signed_out(&client).await;
}
