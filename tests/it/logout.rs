//! Single logout through the real server: begun here, begun by an app, and by whoever should not be able to.

use reqwest::StatusCode;

use crate::harness::client::{Client, Page};
use crate::harness::judges;
use crate::harness::logout::{Provider, Told};
use crate::harness::saml::{Delivered, SUCCESS};
use crate::harness::server::{Server, Setup};

const WIKI: &str = "https://wiki.example.com/saml";
const WIKI_LOGOUT: &str = "https://wiki.example.com/logout?from=here";
const NOTES: &str = "https://notes.example.com/saml";
const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
const PARTIAL: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";
const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";
const UNKNOWN_PRINCIPAL: &str = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal";

/// A server on which the wiki (by redirect) and the notes (by POST, with an address of their own for answers) can be signed
/// out of, and AWS cannot.
struct Scene {
    server: Server,
    wiki: Provider,
    notes: Provider,
}

impl Scene {
    fn start() -> Self {
        let (wiki, notes) = (Provider::new(WIKI), Provider::new(NOTES));
        let line = "relay_states = { handbook = \"/handbook\" }\n";
        let notes_app = format!(
            "[[apps]]\nid = \"notes\"\nname = \"Notes\"\nentity_id = \"{NOTES}\"\nacs = \"https://notes.example.com/acs\"\n\
             name_id = \"transient\"\n{}",
            notes.config(
                "{ url = \"https://notes.example.com/slo\", response_url = \"https://notes.example.com/slo-done\", binding = \"post\" }"
            )
        );
        let server = Setup::default()
            .replace(line, &format!("{line}{}", wiki.config(&format!("\"{WIKI_LOGOUT}\""))))
            .with_config(&notes_app)
            .with_policies(
                "@id(\"test.notes\") @description(\"Everybody may take notes.\")\n\
                 permit (principal in Group::\"everyone\", action == Action::\"signIn\", resource == App::\"notes\");\n",
            )
            .start();
        Self { server, wiki, notes }
    }

    /// A browser in which ann is signed in.
    async fn ann(&self) -> Client {
        let client = self.server.client();
        client.sign_in(self.server.person("ann")).await;
        client
    }
}

async fn launch(client: &Client, app: &str) -> Delivered {
    Delivered::from_page(&client.follow(&format!("/launch/{app}")).await)
}

/// Presses "Sign out" on the portal.
async fn sign_out(client: &Client) -> Page {
    client.submit(&client.get("/").await.form("/signout")).await
}

/// The app and its state, line by line.
fn lines(page: &Page) -> Vec<String> {
    let html = scraper::Html::parse_document(&page.body);
    let selector = scraper::Selector::parse(".ends li").unwrap();
    let words = |element: scraper::ElementRef<'_>| {
        element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    html.select(&selector).map(words).collect()
}

async fn is_signed_in(client: &Client) -> bool {
    let page = client.get("/").await;
    page.find_form("/signout").is_some()
}

#[tokio::test]
async fn signing_out_here_signs_out_of_each_app_that_can_be_told() {
    let scene = Scene::start();
    let client = scene.ann().await;
    let (wiki, notes) = (launch(&client, "wiki").await, launch(&client, "notes").await);
    launch(&client, "aws").await;

    let page = sign_out(&client).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/signout/apps"), "{page:?}");
    assert!(lines(&page)[0].starts_with("AWS Production stays signed in until "), "{:?}", lines(&page));
    assert_eq!(lines(&page)[1..], ["Notes waiting", "Wiki waiting"]);

    // The notes are told by a form.
    let page = client.submit(&page.form("/signout/apps")).await;
    let told = Told::by_post(&page);
    assert_eq!(told.url.as_str(), "https://notes.example.com/slo");
    check_request(&scene.server, &told, &notes);
    judges::xmlsec1_verify(&told.xml, &scene.server.certificate()).unwrap();
    assert!(!is_signed_in(&client).await, "the session here is over before any app is told");
    let again = client.get("/signout/apps").await;
    assert_eq!(lines(&again)[1..], ["Notes no answer yet", "Wiki waiting"]);
    assert!(!again.body.contains("submit.js"), "whoever comes back by hand is not sent off again");
    let answer = scene.notes.response(&scene.server, &told.id, SUCCESS);
    let page = client
        .with_header("sec-fetch-site", "cross-site")
        .post("/saml/slo", &[("SAMLResponse", &scene.notes.post(&answer))])
        .await;
    assert_eq!(lines(&page)[1..], ["Notes signed out", "Wiki waiting"]);

    // The wiki by an address.
    let told = Told::by_redirect(&client.submit(&page.form("/signout/apps")).await);
    assert!(told.url.as_str().starts_with(&format!("{WIKI_LOGOUT}&SAMLRequest=")), "{}", told.url);
    check_request(&scene.server, &told, &wiki);
    let answer = scene.wiki.response(&scene.server, &told.id, SUCCESS);
    let page = client.get(&scene.wiki.redirect(&answer, None)).await;
    assert_eq!(page.text("h1"), "You are signed out");
    assert_eq!(lines(&page)[1..], ["Notes signed out", "Wiki signed out"]);
    assert!(page.body.contains("Not every app is signed out"), "AWS is not: {page:?}");
    let twice = client.get(&scene.wiki.redirect(&answer, None)).await;
    assert_eq!(twice.status, StatusCode::CONFLICT, "an answer counts once: {twice:?}");

    let audit = scene.server.audit();
    let logouts: Vec<_> = audit.lines().filter(|line| line.contains("\"record\":\"logout\"")).collect();
    assert_eq!(logouts.len(), 2, "{audit}");
    assert!(logouts[1].contains(&told.id) && logouts[1].contains("\"user\":\"ann\""), "{}", logouts[1]);
}

/// A LogoutRequest of ours says what the assertion said, and is what the schema asks for.
fn check_request(server: &Server, told: &Told, assertion: &Delivered) {
    judges::schema_valid(&told.xml).unwrap_or_else(|error| panic!("{error}\n{}", told.xml));
    assert_eq!(told.element("Issuer").unwrap(), server.issuer());
    assert_eq!(told.element("NameID"), assertion.element("NameID"));
    assert_eq!(told.element("SessionIndex"), assertion.xml_attribute("AuthnStatement", "SessionIndex"));
    assert!(told.root("NotOnOrAfter").is_some());
}
