//! What an administrator or a person changes ends what was begun before: sessions, sign-ins underway, and with them every
//! page and every assertion. On both databases, through the real server and its commands.

use regex::Regex;
use reqwest::StatusCode;

use crate::harness::client::{Client, Page};
use crate::harness::people::PASSWORD;
use crate::harness::postgres::Postgres;
use crate::harness::process::Said;
use crate::harness::repository;
use crate::harness::saml::AuthnRequest;
use crate::harness::server::{Server, Setup};

/// What must end somebody's sessions, as arguments of the command line and its input.
const CHANGES: &[(&[&str], &str)] = &[
    (&["users", "disable"], ""),
    (&["users", "enable"], ""),
    (&["users", "set-password"], "maple-Otter-41-lantern\n"),
    (&["users", "reset-methods"], ""),
];

/// Whom the changes are tried on: somebody else each time, because a code counts once.
const PEOPLE: &[&str] = &["ann", "dora", "emil", "mallory"];

fn change(server: &Server, (arguments, input): (&[&str], &str), username: &str) -> Said {
    let said = server.cli_with(&[arguments, &[username]].concat(), input);
    assert!(said.ok, "{arguments:?}: {}{}", said.out, said.err);
    said
}

/// Every address that does something for whoever has a session and leads to the first page for whoever has none.
async fn pages_of_a_session(server: &Server, client: &Client) -> Vec<(String, Page)> {
    let request = AuthnRequest::of_wiki(server).redirect(None);
    let mut pages = Vec::new();
    for path in ["/", "/signin", "/launch/aws", "/launch/wiki", &request] {
        pages.push((path.to_owned(), client.follow(path).await));
    }
    pages
}

/// Every address without a part to fill in that answers a browser's GET, as the route table has them.
fn all_addresses() -> Vec<String> {
    let table = std::fs::read_to_string(repository("src/web/routes.rs")).unwrap();
    let address = Regex::new(r#"at\("([^"{}]+)"\)\s*\.route\(get"#).unwrap();
    let found: Vec<String> = address.captures_iter(&table).map(|found| found[1].to_owned()).collect();
    assert!(found.len() > 5 && found.contains(&"/signin/methods".to_owned()), "the routes are found: {found:?}");
    found
}

fn is_signed_in(page: &Page) -> bool {
    page.find_form("/signout").is_some() || page.body.contains("SAMLResponse")
}

async fn a_change_ends_sessions_everywhere(server: &Server) {
    for (number, change_of) in CHANGES.iter().enumerate() {
        let person = server.person(PEOPLE[number]);
        let client = server.client();
        client.sign_in(person).await;
        let open = pages_of_a_session(server, &client).await.into_iter().filter(|(_, page)| is_signed_in(page)).count();
        assert!(open >= 3, "{change_of:?}: the session is seen to hold");

        change(server, *change_of, person.username);
        for (what, page) in pages_of_a_session(server, &client).await {
            assert!(!is_signed_in(&page), "{what} after {change_of:?}: {page:?}");
            assert_eq!(page.status, StatusCode::OK, "{what} after {change_of:?}: {page:?}");
            assert!(page.find_form("/signin").is_some(), "{what} after {change_of:?}: {page:?}");
        }
        for path in all_addresses() {
            let page = client.get(&path).await;
            assert!(!is_signed_in(&page), "{path} after {change_of:?}: {page:?}");
        }
    }
}

async fn a_change_ends_a_sign_in_underway(server: &Server) {
    for (number, change_of) in CHANGES.iter().enumerate() {
        let person = server.person(PEOPLE[number]);
        server.client().sign_in(person).await;
        let client = server.client();
        let page = client.get("/").await;
        let page = client.submit(&page.form("/signin").set("username", person.username)).await;
        let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
        let form = page.form("/signin/totp").set("code", &person.code());

        change(server, *change_of, person.username);
        let page = client.submit(&form).await;
        assert!(!is_signed_in(&page), "{change_of:?}: {page:?}");
        assert_eq!(page.text("h1"), server_says_start_again(server).await, "{change_of:?}: {page:?}");
        assert!(client.get("/").await.find_form("/signin").is_some(), "{change_of:?}");
    }
}

/// The heading of the page that a form of nobody's sign-in gets.
async fn server_says_start_again(server: &Server) -> String {
    let client = server.client();
    let form = client.get("/").await.form("/signin").set("signin", "AAAA");
    client.submit(&form).await.text("h1")
}

#[tokio::test]
async fn on_sqlite_a_change_ends_sessions_everywhere() {
    a_change_ends_sessions_everywhere(&Server::start()).await;
}

#[tokio::test]
async fn on_sqlite_a_change_ends_a_sign_in_underway() {
    a_change_ends_a_sign_in_underway(&Server::start()).await;
}

#[tokio::test]
async fn on_postgresql_a_change_ends_sessions_everywhere() {
    let own = Postgres::shared().database();
    a_change_ends_sessions_everywhere(&Setup::default().accounts(&own.url()).start()).await;
}

#[tokio::test]
async fn on_postgresql_a_change_ends_a_sign_in_underway() {
    let own = Postgres::shared().database();
    a_change_ends_a_sign_in_underway(&Setup::default().accounts(&own.url()).start()).await;
}
