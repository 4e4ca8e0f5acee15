//! A real `cedargate serve` on a real Redis server that is restarted, emptied, slow, refusing, full and gone: access narrows,
//! a page says so, and nobody has to restart cedargate.

use std::time::Duration;

use cedargate::clock::{Clock as _, Stopwatch, SystemClock};
use reqwest::StatusCode;

use crate::harness::client::{Client, Form, Page};
use crate::harness::people::PASSWORD;
use crate::harness::redis::Redis;
use crate::harness::repository;
use crate::harness::saml::AuthnRequest;
use crate::harness::server::{Server, Setup, copy_folder, serve};

/// How long a fault may take to be noticed, and the way back to be found.
const SOON: Duration = Duration::from_secs(30);

/// The wiki opens on one device, then takes a second factor shown now; for contractors it opens on one, and no more. As the
/// shipped policies have it, without hours and networks.
const ONE_DEVICE: &str = r#"
@id("t.visit") @description("Anybody sees the pages.")
permit (principal is Anonymous, action == Action::"visit", resource);
@id("t.open") @description("Everybody opens everything.")
permit (principal is User, action == Action::"signIn", resource);
@id("t.first-factor") @description("Not without a first factor.")
forbid (principal is User, action == Action::"signIn", resource) unless { context.proofs.contains(Proof::"first_factor") };
@id("t.limit") @description("One device, then a second factor.") @message("device.limit")
forbid (principal is User, action == Action::"signIn", resource == App::"wiki")
when { !context.device.known && (context.unknown.contains(Signal::"device_history") || context.device.registered >= 1) }
unless { context.fresh.contains(Proof::"second_factor") };
@id("t.limit-deny") @description("Contractors: one device, and no more.") @message("device.limit")
forbid (principal in Group::"contractors", action == Action::"signIn", resource == App::"wiki")
when { !context.device.known && context.device.registered >= 1 };
"#;

/// The page after name and password on the way to the wiki.
async fn password_alone(client: &Client, username: &str) -> Page {
    let page = client.follow("/launch/wiki").await;
    let page = client.submit(&page.form("/signin").set("username", username)).await;
    client.submit(&page.form("/signin/password").set("password", PASSWORD)).await
}

async fn sign_out(client: &Client) {
    client.submit(&client.get("/").await.form("/signout")).await;
}

fn is_in(page: &Page) -> bool {
    page.find_form("https://wiki.example.com/acs").is_some()
}

fn is_at_limit(page: &Page) -> bool {
    page.status == StatusCode::FORBIDDEN && page.text("main").contains("more devices than this app allows")
}

/// Ann has one device, which is known: nothing more is asked there. Carl, a contractor, has been in on his only one.
struct Devices {
    ann: Client,
    carl: Client,
}

impl Devices {
    async fn of(server: &Server) -> Self {
        let (ann, carl) = (server.client(), server.client());
        let page = password_alone(&ann, "ann").await;
        assert!(is_in(&page), "a first device takes a password: {page:?}");
        sign_out(&ann).await;
        let page = password_alone(&ann, "ann").await;
        assert!(page.find_form("/signin/totp").is_some(), "not known yet, and one is on record: {page:?}");
        assert!(is_in(&ann.walk(page, server.person("ann")).await));
        sign_out(&ann).await;
        let page = password_alone(&ann, "ann").await;
        assert!(is_in(&page), "it is known now: {page:?}");
        sign_out(&ann).await;

        let page = password_alone(&carl, "carl").await;
        assert!(is_in(&page), "{page:?}");
        sign_out(&carl).await;
        let page = password_alone(&server.client(), "carl").await;
        assert!(is_at_limit(&page), "another one is refused: {page:?}");
        Self { ann, carl }
    }

    /// After the store was lost.
    async fn are_lost(&self, server: &Server) {
        let page = password_alone(&self.ann, "ann").await;
        let asked = page.find_form("/signin/totp").is_some();
        assert!(asked && page.find_form("/signin/devices").is_none(), "asked, on a device that was known: {page:?}");
        let page = self.ann.walk(page, server.person("ann")).await;
        assert!(is_in(&page), "{page:?}");
        sign_out(&self.ann).await;
        let page = password_alone(&self.ann, "ann").await;
        assert!(is_in(&page), "known again: {page:?}");
        let page = password_alone(&server.client(), "ann").await;
        assert!(page.find_form("/signin/totp").is_some(), "and counted: {page:?}");

        for client in [&self.carl, &server.client()] {
            let page = password_alone(client, "carl").await;
            assert!(is_at_limit(&page), "a contractor gets no further device by a loss: {page:?}");
        }
        assert!(server.audit().contains("\"device_history\""), "the journal says why");
        let said = server.cli(&["users", "devices", "carl"]);
        assert!(said.ok && said.out.contains("--forget-history"), "{said:?}");
        let said = server.cli(&["users", "devices", "carl", "--forget-history"]);
        assert!(said.ok && said.out.contains("no longer count"), "{said:?}");
        let page = password_alone(&server.client(), "carl").await;
        assert!(is_in(&page), "an administrator let him: {page:?}");
        let page = password_alone(&server.client(), "carl").await;
        assert!(is_at_limit(&page), "on one device: {page:?}");
        assert!(!server.cli(&["users", "devices", "carl"]).out.contains("--forget-history"));
        let page = password_alone(&server.client(), "bob").await;
        assert!(is_in(&page), "who had none has lost none: {page:?}");
    }
}

#[tokio::test]
async fn an_emptied_store_makes_nobodys_device_the_first_one() {
    let redis = Redis::start();
    let server = Setup::default().policies(ONE_DEVICE).state(&redis.url()).start();
    let devices = Devices::of(&server).await;
    redis.cli(&["FLUSHALL"]);
    devices.are_lost(&server).await;
}

#[tokio::test]
async fn what_was_answered_before_the_store_was_emptied_is_not_answered_again() {
    let redis = Redis::start();
    let server = Setup::default().policies(ONE_DEVICE).state(&redis.url()).start();
    // Each on a first device, so that nothing but the request stands in the way.
    let walk = async |request: &AuthnRequest, username: &str| {
        let client = server.client();
        client.walk(client.get(&request.redirect(None)).await, server.person(username)).await
    };
    let request = AuthnRequest::of_wiki(&server);
    let page = walk(&request, "ann").await;
    assert!(is_in(&page), "{page:?}");
    // Requests tell whole seconds: the next one begins.
    let second = SystemClock.now().as_second();
    until("a second", async || (SystemClock.now().as_second() > second).then_some(())).await;
    redis.cli(&["FLUSHALL"]);
    let page = walk(&request, "bob").await;
    assert!(page.status.is_client_error() && !page.body.contains("SAMLResponse"), "{page:?}");
    assert_eq!(server.audit().matches("\"released\"").count(), 1);
    let page = walk(&AuthnRequest::of_wiki(&server), "dora").await;
    assert!(is_in(&page), "a new one is: {page:?}");
}

#[tokio::test]
async fn a_deleted_state_file_makes_nobodys_device_the_first_one() {
    let mut server = Setup::default().policies(ONE_DEVICE).start();
    let devices = Devices::of(&server).await;
    server.terminate();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        match std::fs::remove_file(server.path("var").join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{name}: {error}"),
            _ => {}
        }
    }
    server.restart();
    devices.are_lost(&server).await;
}

#[tokio::test]
async fn an_older_store_in_place_of_the_one_in_use_counts_as_lost_too() {
    let (older, newer) = (Redis::start(), Redis::start());
    // It was in use once.
    drop(Setup::default().policies(ONE_DEVICE).state(&older.url()).start());
    let mut server = Setup::default().policies(ONE_DEVICE).state(&newer.url()).start();
    let devices = Devices::of(&server).await;
    server.terminate();
    server.put("config.toml", &server.file("config.toml").replace(&newer.url(), &older.url()));
    server.restart();
    devices.are_lost(&server).await;
}

/// The page that asks `username` for a code.
async fn half_way(client: &Client, username: &str) -> Page {
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", username)).await;
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    assert!(page.find_form("/signin/totp").is_some(), "{page:?}");
    page
}

fn with_code(page: &Page, code: &str) -> Form {
    page.form("/signin/totp").set("code", code)
}

/// The page that tells people to wait: 503, when to come again, a heading and a reference for whoever they ask.
fn assert_told_to_wait(name: &str, page: &Page) {
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{name}: {page:?}");
    let seconds: u32 =
        page.header("retry-after").parse().unwrap_or_else(|_| panic!("{name}: no Retry-After: {page:?}"));
    assert!((1..=60).contains(&seconds), "{name}: {seconds}");
    assert!(!page.text("h1").is_empty(), "{name}: {page:?}");
    assert!(!page.body.contains("SAMLResponse") && !page.body.contains("redis"), "{name}: {page:?}");
}

/// Whether `client` sees the portal; a page that says to wait is no answer yet.
fn portal(page: &Page) -> Option<bool> {
    (page.status == StatusCode::OK).then(|| page.find_form("/signout").is_some())
}

/// Asks until there is an answer.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    tokio::time::timeout(SOON, poll).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

async fn until_status(client: &Client, path: &str, status: StatusCode) {
    until(&format!("{path} with {status}"), async || (client.get(path).await.status == status).then_some(())).await;
}

/// While it lasts, whoever is signed in or signing in is told to wait; the process itself is well.
async fn assert_everybody_waits(name: &str, signed_in: &Client, underway: (&Client, &Form)) {
    assert_told_to_wait(name, &signed_in.get("/").await);
    assert_told_to_wait(name, &signed_in.follow("/launch/wiki").await);
    assert_told_to_wait(name, &underway.0.submit(underway.1).await);
    assert_eq!(signed_in.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
    assert_eq!(signed_in.get("/healthz").await.status, StatusCode::OK, "{name}");
}

#[tokio::test]
async fn a_restart_keeps_who_is_signed_in_and_voids_what_was_underway() {
    let mut redis = Redis::start();
    let server = Setup::default().state(&redis.url()).start();
    let (ann, dora) = (server.client(), server.client());
    ann.sign_in(server.person("ann")).await;
    let page = half_way(&dora, "dora").await;
    let cookies = ann.cookies();

    redis.restart();
    let signed_in = until("the portal", async || portal(&ann.get("/").await)).await;
    assert!(signed_in && ann.cookies() == cookies, "the session holds");
    let page = dora.submit(&with_code(&page, &server.person("dora").code())).await;
    assert!(page.status.is_client_error(), "a sign-in from before is void: {page:?}");
    assert!(!page.attributes("main a", "href").is_empty(), "and there is a way on: {page:?}");
    assert!(dora.get("/").await.find_form("/signin").is_some(), "nobody is signed in");
    dora.sign_in(server.person("dora")).await;
    assert!(server.log().contains("was restarted, replaced or emptied"), "{}", server.log());
}

#[tokio::test]
async fn an_emptied_store_signs_everybody_out_and_goes_on() {
    let redis = Redis::start();
    let server = Setup::default().state(&redis.url()).start();
    let (ann, dora) = (server.client(), server.client());
    ann.sign_in(server.person("ann")).await;
    let page = half_way(&dora, "dora").await;

    assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
    assert!(ann.get("/").await.find_form("/signin").is_some(), "nobody is signed in");
    let used = server.person("ann").used_code();
    let page = dora.submit(&with_code(&page, &server.person("dora").code())).await;
    assert!(page.status.is_client_error(), "{page:?}");
    let page = half_way(&ann, "ann").await;
    let page = ann.submit(&with_code(&page, &used)).await;
    assert!(page.find_form("/signin/totp").is_some(), "a code that was used stays used: {page:?}");
    ann.sign_in(server.person("ann")).await;
}

#[tokio::test]
async fn while_redis_is_gone_everybody_waits_and_then_goes_on() {
    let mut redis = Redis::start();
    let server = Setup::default().state(&redis.url()).start();
    let (ann, dora) = (server.client(), server.client());
    ann.sign_in(server.person("ann")).await;
    let page = half_way(&dora, "dora").await;

    redis.stop();
    assert_everybody_waits("gone", &ann, (&dora, &with_code(&page, "123456"))).await;
    let quick = Stopwatch::start();
    for _ in 0..20 {
        assert_told_to_wait("gone", &ann.get("/").await);
    }
    assert!(quick.micros() < 20_000_000, "nobody waits for a dead server");
    redis.restart();
    until_status(&ann, "/readyz", StatusCode::OK).await;
    assert_eq!(portal(&ann.get("/").await), Some(true), "the session was lost");
    dora.sign_in(server.person("dora")).await;
}

#[tokio::test]
async fn a_slow_redis_is_given_up_within_seconds() {
    let redis = Redis::start();
    let server = Setup::default().state(&redis.url()).start();
    let ann = server.client();
    ann.sign_in(server.person("ann")).await;

    redis.cli(&["CLIENT", "PAUSE", "6000", "ALL"]);
    let patience = Stopwatch::start();
    assert_told_to_wait("slow", &ann.get("/").await);
    assert!(patience.micros() < 5_000_000, "{} µs", patience.micros());
    assert_eq!(ann.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(ann.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    until_status(&ann, "/readyz", StatusCode::OK).await;
    assert_eq!(portal(&ann.get("/").await), Some(true), "the session was lost");
}

#[tokio::test]
async fn a_redis_that_refuses_us_is_asked_again_until_it_does_not() {
    let redis = Redis::with("user cedargate on >right ~cg:* +@all");
    let server = Setup::default().state(&redis.url_as("cedargate", "right")).start();
    let (ann, dora) = (server.client(), server.client());
    ann.sign_in(server.person("ann")).await;
    let page = half_way(&dora, "dora").await;

    // A permission less: told by name. The connection stays.
    redis.cli(&["ACL", "SETUSER", "cedargate", "-evalsha"]);
    assert_everybody_waits("no permission", &ann, (&dora, &with_code(&page, "123456"))).await;
    assert!(server.log().contains("evalsha"), "the log names what is missing: {}", server.log());
    redis.cli(&["ACL", "SETUSER", "cedargate", "+evalsha"]);
    until_status(&ann, "/readyz", StatusCode::OK).await;
    assert_eq!(portal(&ann.get("/").await), Some(true));

    // Another password: new connections are refused.
    redis.cli(&["ACL", "SETUSER", "cedargate", "resetpass", ">other"]);
    redis.cli(&["CLIENT", "KILL", "USER", "cedargate"]);
    assert_everybody_waits("wrong password", &ann, (&dora, &with_code(&page, "123456"))).await;
    redis.cli(&["ACL", "SETUSER", "cedargate", "resetpass", ">right"]);
    until_status(&ann, "/readyz", StatusCode::OK).await;
    dora.sign_in(server.person("dora")).await;
    assert!(!server.log().contains(":right@"), "the password is in the log");
}

#[tokio::test]
async fn a_full_redis_lets_nobody_in_and_loses_nothing() {
    let redis = Redis::start();
    let server = Setup::default().state(&redis.url()).start();
    let (ann, dora) = (server.client(), server.client());
    ann.sign_in(server.person("ann")).await;
    let page = half_way(&dora, "dora").await;
    let entries = redis.cli(&["DBSIZE"]);

    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = dora.submit(&with_code(&page, &server.person("dora").code())).await;
    assert_told_to_wait("full", &refused);
    let asked = server.client();
    let page = asked.get("/").await;
    let page = asked.submit(&page.form("/signin").set("username", "ann")).await;
    assert_told_to_wait("full", &asked.submit(&page.form("/signin/password").set("password", PASSWORD)).await);
    // Nothing leaves that cannot be counted.
    let before = server.audit().matches("\"released\"").count();
    assert_told_to_wait("full", &ann.follow("/launch/wiki").await);
    assert_eq!(server.audit().matches("\"released\"").count(), before);
    assert!(server.log().contains("is full: raise its `maxmemory`"), "{}", server.log());
    assert_eq!(redis.cli(&["DBSIZE"]), entries, "nothing was lost, and nothing written by halves");

    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(portal(&ann.get("/").await), Some(true));
    let page = ann.follow("/launch/wiki").await;
    assert!(page.body.contains("SAMLResponse"), "{page:?}");
    dora.sign_in(server.person("dora")).await;
}

#[tokio::test]
async fn over_tls_as_a_user_with_few_permissions_people_sign_in() {
    let documented = std::fs::read_to_string(repository("docs/state.md")).unwrap();
    let user = documented.lines().find(|line| line.starts_with("user cedargate ")).unwrap();
    let redis = Redis::tls(&user.replace("PASSWORD", "s3cret"));
    let server = Setup::default().state_over_tls(&redis.url_as("cedargate", "s3cret"), &redis.ca_file()).start();
    let ann = server.client();
    ann.sign_in(server.person("ann")).await;
    let page = ann.follow("/launch/wiki").await;
    assert!(page.body.contains("SAMLResponse"), "{page:?}");
    assert_eq!(ann.get("/readyz").await.status, StatusCode::OK);
    assert!(!server.log().contains("s3cret"), "the password is in the log");
}

#[tokio::test]
async fn a_sign_in_may_take_each_step_at_another_node() {
    let redis = Redis::start();
    let server = Setup::default().state(&redis.url()).start();
    let (_other, port) = server.another_node();
    let client = server.client();
    let at_other = |mut form: Form| {
        form.action.set_port(Some(port)).unwrap();
        form
    };
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", "ann")).await;
    let sent_on = client.submit(&at_other(page.form("/signin/password").set("password", PASSWORD))).await;
    let page =
        if sent_on.status == StatusCode::SEE_OTHER { client.get(sent_on.header("location")).await } else { sent_on };
    assert!(page.find_form("/signin/totp").is_some(), "{page:?}");
    let form = page.form("/signin/totp").set("code", &server.person("ann").code());
    let elsewhere = at_other(form.clone());
    let (here, there) = futures::join!(client.submit(&form), client.submit(&elsewhere));
    let through =
        [&here, &there].iter().filter(|page| page.status.is_success() || page.status.is_redirection()).count();
    assert_eq!(through, 1, "of one form sent to two nodes one goes on: {here:?} {there:?}");
}

#[tokio::test]
async fn it_does_not_start_on_a_redis_it_cannot_rest_on() {
    let folder = tempfile::Builder::new().prefix("cedargate-it-").tempdir().unwrap();
    copy_folder(&repository("policies"), &folder.path().join("policies"));
    let config = std::fs::read_to_string(repository("config.toml")).unwrap();
    let check = |url: &str, said: &str| {
        let (before, after) =
            config.split_once("[state]\nurl = \"embedded:var/state.db\"").expect("the shipped config");
        let config = format!("{before}[state]\nurl = \"{url}\"{after}");
        std::fs::write(folder.path().join("config.toml"), config.replace(":8080", ":0")).unwrap();
        let log = serve(folder.path(), &[]).err().unwrap_or_else(|| panic!("it starts on {url}"));
        assert!(log.contains(said), "`{said}` is not in:\n{log}");
        assert!(!log.contains("s3cret"), "{log}");
    };
    let evicting = Redis::with("maxmemory 64mb\nmaxmemory-policy allkeys-lru");
    check(&evicting.url(), "set `maxmemory-policy noeviction`");
    let mut redis = Redis::with("user cedargate on >right ~cg:* +@all");
    check(&redis.url_as("cedargate", "s3cret"), "authentication failed");
    let url = redis.url_as("cedargate", "s3cret");
    redis.stop();
    check(&url, "Connection refused");
}
