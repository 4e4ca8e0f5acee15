//! Accounts on PostgreSQL: the same commands and pages, two nodes on one database, and a database that goes and returns.

use std::time::Duration;

use cedargate::clock::Stopwatch;
use reqwest::StatusCode;

use crate::harness::client::Page;
use crate::harness::people::PASSWORD;
use crate::harness::postgres::{self, Postgres};
use crate::harness::server::{Server, Setup};

/// The longest a page may take while the database is silent: its own limits, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(25);

fn is_unavailable(page: &Page) -> bool {
    page.status == StatusCode::SERVICE_UNAVAILABLE
        && page.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0)
        && !page.text("h1").is_empty()
        && !page.body.contains(postgres::PASSWORD)
}

#[tokio::test]
async fn every_command_and_a_sign_in_work_as_on_a_file() {
    let own = Postgres::shared().database();
    let mut server = Setup::default().accounts(&own.url()).start();
    let (client, ann) = (server.client(), server.person("ann"));
    client.sign_in(ann).await;
    let page = client.follow("/launch/aws").await;
    assert!(page.body.contains("SAMLResponse"), "{page:?}");

    for (arguments, input, expected) in [
        (&["users", "list"][..], "", "mallory"),
        (&["users", "show", "ANN@example.com"], "", "aws-users"),
        (&["users", "disable", "bob"], "", ""),
        (&["users", "show", "bob"], "", "suspended"),
        (&["users", "enable", "bob"], "", ""),
        (&["users", "set-password", "bob"], "a cedar by the old gate\n", ""),
        (&["users", "activation-link", "bob"], "", "/link/"),
        (&["users", "bootstrap-admin", "--username", "olive", "--email", "olive@example.com"], "", "/link/"),
        (&["users", "reset-methods", "dora"], "", ""),
    ] {
        let said = server.cli_with(arguments, input);
        assert!(said.ok && said.out.contains(expected), "{arguments:?}: {}{}", said.out, said.err);
    }
    let again = server.cli(&["users", "import", "people.csv"]);
    assert!(!again.ok && again.out.contains("is taken"), "{}{}", again.out, again.err);
    assert_eq!(own.sql("SELECT count(*) FROM users"), "8");

    server.restart();
    assert!(client.get("/").await.find_form("/signout").is_some(), "the session outlives the process");
    assert!(!server.log().contains(postgres::PASSWORD) && !server.log().contains("p%40ss"), "{}", server.log());
}

#[tokio::test]
async fn two_nodes_have_the_same_people_and_a_code_counts_once() {
    let own = Postgres::shared().database();
    let first = Setup::default().accounts(&own.url()).start();
    let second = Setup::default().accounts(&own.url()).node_of(&first).start();
    let ann = first.person("ann");
    first.client().sign_in(ann).await;
    let client = second.client();
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", "ann")).await;
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    let form = page.form("/signin/totp");
    let page = client.submit(&form.clone().set("code", &ann.used_code())).await;
    assert!(page.find_form("/signin/totp").is_some(), "the code was used on the other node: {page:?}");
    let page = client.submit(&page.form("/signin/totp").set("code", &ann.code())).await;
    assert_eq!(page.url.path(), "/", "{page:?}");

    let said = first.cli(&["users", "disable", "ann"]);
    assert!(said.ok, "{}", said.err);
    assert!(client.get("/").await.find_form("/signin").is_some(), "shut out on every node at once");
}

#[tokio::test]
async fn a_node_without_the_secret_makes_none_beside_people() {
    let own = Postgres::shared().database();
    let server = Setup::default().accounts(&own.url()).start();
    let secret = server.path("var/secret");
    let kept = std::fs::read(&secret).unwrap();
    std::fs::remove_file(&secret).unwrap();
    let said = server.cli(&["users", "list"]);
    assert!(!said.ok && said.err.contains("is missing") && said.err.contains("another node"), "{}", said.err);
    assert!(!said.err.contains(postgres::PASSWORD) && !secret.exists(), "{}", said.err);
    std::fs::write(&secret, kept).unwrap();
}

/// What is shown while the database does not answer; the session and the sign-in begun before are still there afterwards.
#[tokio::test]
async fn a_database_that_stops_or_falls_silent_narrows_access_and_is_used_again_when_it_returns() {
    let database = Postgres::start(&[]);
    let own = database.database();
    let server = Setup::default().accounts(&own.url()).start();
    let (ann, dora) = (server.person("ann"), server.person("dora"));
    let signed_in = server.client();
    signed_in.sign_in(ann).await;
    let underway = server.client();
    let page = underway.get("/").await;
    let page = underway.submit(&page.form("/signin").set("username", "dora")).await;
    let page = underway.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    let form = page.form("/signin/totp");

    for is_silent in [false, true] {
        let frozen = is_silent.then(|| database.freeze());
        if !is_silent {
            database.stop();
        }
        let waited = Stopwatch::start();
        let (portal, launch, code, stranger, ready) = futures::join!(
            signed_in.get("/"),
            signed_in.follow("/launch/aws"),
            underway.submit(&form),
            password_of_a_stranger(&server),
            signed_in.get("/readyz"),
        );
        assert!(waited.micros() < PATIENCE.as_micros() as u64, "silent: {is_silent}: {}", waited.micros());
        for (what, page) in [("portal", portal), ("launch", launch), ("code", code), ("stranger", stranger)] {
            assert!(is_unavailable(&page), "silent: {is_silent}: {what}: {page:?}");
            assert!(!page.body.contains("SAMLResponse"), "{what}: {page:?}");
        }
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(signed_in.get("/healthz").await.status, StatusCode::OK, "the process itself is well");

        drop(frozen);
        if !is_silent {
            database.resume();
        }
        until_ready(&server).await;
        assert!(signed_in.get("/").await.find_form("/signout").is_some(), "silent: {is_silent}: the session goes on");
    }
    let page = underway.submit(&form.set("code", &dora.code())).await;
    assert_eq!(page.url.path(), "/", "the sign-in of before goes on: {page:?}");
    assert!(!server.log().contains("panicked") && !server.log().contains(postgres::PASSWORD), "{}", server.log());
}

async fn password_of_a_stranger(server: &Server) -> Page {
    let client = server.client();
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", "emil")).await;
    client.submit(&page.form("/signin/password").set("password", PASSWORD)).await
}

/// Asks until the server says that it is ready; each question waits for the database by itself.
async fn until_ready(server: &Server) {
    let (client, waited) = (server.client(), Stopwatch::start());
    while client.get("/readyz").await.status != StatusCode::OK {
        assert!(waited.micros() < 60_000_000, "it does not come back: {}", server.log());
    }
}
