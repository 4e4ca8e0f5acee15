//! Single logout through the real server: begun here, begun by an app, and by whoever should not be able to.

use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::harness::browser::Browser;
use crate::harness::client::{Client, Page};
use crate::harness::judges;
use crate::harness::logout::{LogoutText, Party, Provider, Told};
use crate::harness::people::PASSWORD;
use crate::harness::receiver::Receiver;
use crate::harness::saml::{Delivered, SUCCESS};
use crate::harness::server::{Server, Setup};

const WIKI: &str = "https://wiki.example.com/saml";
const WIKI_LOGOUT: &str = "https://wiki.example.com/logout";
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

    /// Where logout messages go.
    fn slo(&self) -> String {
        self.server.at("/saml/slo")
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
    let answer = scene.notes.response(&scene.slo(), &told.id, SUCCESS);
    let page = client
        .with_header("sec-fetch-site", "cross-site")
        .post("/saml/slo", &[("SAMLResponse", &scene.notes.post(&answer))])
        .await;
    assert_eq!(lines(&page)[1..], ["Notes signed out", "Wiki waiting"]);

    // The wiki by an address.
    let told = Told::by_redirect(&client.submit(&page.form("/signout/apps")).await);
    assert!(told.url.as_str().starts_with(&format!("{WIKI_LOGOUT}?SAMLRequest=")), "{}", told.url);
    check_request(&scene.server, &told, &wiki);
    let answer = scene.wiki.response(&scene.slo(), &told.id, SUCCESS);
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

#[tokio::test]
async fn signing_out_in_an_app_signs_out_here_and_of_the_others_and_tells_the_app() {
    let scene = Scene::start();
    let client = scene.ann().await;
    let (wiki, notes) = (launch(&client, "wiki").await, launch(&client, "notes").await);

    let request = scene.wiki.request(&scene.slo(), &wiki);
    let relay_state = "/bye?a=1&b=\"<ü>\" +%20";
    let page = client.get(&scene.wiki.redirect(&request, Some(relay_state))).await;
    assert_eq!(lines(&page), ["Notes waiting"], "the wiki signed out itself: {page:?}");
    assert!(!is_signed_in(&client).await);
    let told = Told::by_post(&client.submit(&page.form("/signout/apps")).await);
    check_request(&scene.server, &told, &notes);
    let answer = scene.notes.response(&scene.slo(), &told.id, SUCCESS);
    let page = client.post("/saml/slo", &[("SAMLResponse", &scene.notes.post(&answer))]).await;
    assert_eq!(page.text("h1"), "Back to Wiki");
    let answered = Told::by_redirect(&client.submit(&page.form("/signout/apps")).await);
    check_answer(&scene.server, &answered, &request, &[SUCCESS]);
    assert_eq!(answered.relay_state.as_deref(), Some(relay_state));
    let after = client.get("/signout/apps").await;
    assert_eq!(after.status, StatusCode::CONFLICT, "it is over: {after:?}");
}

/// A LogoutResponse of ours, by redirect to the wiki.
fn check_answer(server: &Server, answered: &Told, request: &LogoutText, status: &[&str]) {
    judges::schema_valid(&answered.xml).unwrap_or_else(|error| panic!("{error}\n{}", answered.xml));
    assert!(answered.url.as_str().starts_with(WIKI_LOGOUT), "{}", answered.url);
    assert_eq!(answered.status(), status, "{}", answered.xml);
    assert_eq!(answered.root("InResponseTo").as_deref(), Some(request.id.as_str()));
    assert_eq!(answered.root("Destination").as_deref(), Some(WIKI_LOGOUT));
    assert_eq!(answered.element("Issuer").unwrap(), server.issuer());
    let signed: Vec<_> = answered.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert!(signed.contains(&"Signature".to_owned()), "{signed:?}");
}

#[tokio::test]
async fn an_app_is_told_when_not_every_app_is_signed_out() {
    let scene = Scene::start();
    let client = scene.ann().await;
    let wiki = launch(&client, "wiki").await;
    launch(&client, "aws").await;
    let request = scene.wiki.request(&scene.slo(), &wiki);
    let answered = Told::by_redirect(&client.get(&scene.wiki.redirect(&request, None)).await);
    check_answer(&scene.server, &answered, &request, &[RESPONDER, PARTIAL]);
    assert!(!is_signed_in(&client).await);

    let client = scene.ann().await;
    let wiki = launch(&client, "wiki").await;
    launch(&client, "notes").await;
    let request = scene.wiki.request(&scene.slo(), &wiki);
    let page = client.get(&scene.wiki.redirect(&request, None)).await;
    let page = client.submit(&page.form("/signout/apps").set("skip", "1")).await;
    assert_eq!(lines(&page), ["Notes could not be reached"]);
    let answered = Told::by_redirect(&client.submit(&page.form("/signout/apps")).await);
    check_answer(&scene.server, &answered, &request, &[RESPONDER, PARTIAL]);
}

#[tokio::test]
async fn without_a_session_nothing_is_said_to_be_done_and_the_post_binding_answers_by_post() {
    let scene = Scene::start();
    let client = scene.ann().await;
    let (wiki, notes) = (launch(&client, "wiki").await, launch(&client, "notes").await);
    let request = scene.wiki.request(&scene.slo(), &wiki);
    let stranger = scene.server.client();
    let answered = Told::by_redirect(&stranger.get(&scene.wiki.redirect(&request, None)).await);
    check_answer(&scene.server, &answered, &request, &[RESPONDER, PARTIAL]);
    assert!(is_signed_in(&client).await, "a request without the browser's cookies ends nothing");

    let request = scene.notes.request(&scene.slo(), &notes);
    let fields = [("SAMLRequest", scene.notes.post(&request)), ("RelayState", "back".to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = client.with_header("sec-fetch-site", "cross-site").post("/saml/slo", &fields).await;
    assert_eq!(lines(&page), ["Wiki waiting"]);
    let told = Told::by_redirect(&client.submit(&page.form("/signout/apps")).await);
    let answer = scene.wiki.response(&scene.slo(), &told.id, RESPONDER);
    let page = client.get(&scene.wiki.redirect(&answer, None)).await;
    assert_eq!(lines(&page), ["Wiki says it could not sign you out"]);
    let answered = Told::by_post(&client.submit(&page.form("/signout/apps")).await);
    assert_eq!(answered.url.as_str(), "https://notes.example.com/slo-done");
    assert_eq!(
        (answered.status(), answered.relay_state.as_deref()),
        (vec![RESPONDER.into(), PARTIAL.into()], Some("back"))
    );
    judges::xmlsec1_verify(&answered.xml, &scene.server.certificate()).unwrap();
    judges::schema_valid(&answered.xml).unwrap();
}

#[tokio::test]
async fn a_request_for_all_sessions_ends_the_one_in_this_browser_and_is_told_so() {
    let scene = Scene::start();
    let (client, elsewhere) = (scene.ann().await, scene.ann().await);
    let wiki = launch(&client, "wiki").await;
    launch(&elsewhere, "wiki").await;
    let index = wiki.xml_attribute("AuthnStatement", "SessionIndex").unwrap();
    let index = format!("<samlp:SessionIndex>{index}</samlp:SessionIndex>");
    let request = scene.wiki.request(&scene.slo(), &wiki).with(&index, "");
    let answered = Told::by_redirect(&client.get(&scene.wiki.redirect(&request, None)).await);
    check_answer(&scene.server, &answered, &request, &[RESPONDER, PARTIAL]);
    assert!(!is_signed_in(&client).await);
    assert!(is_signed_in(&elsewhere).await, "that is why it is not called a success");
}

#[tokio::test]
async fn a_name_that_assertions_hide_is_hidden_from_the_browser_at_logout_too() {
    for (what, binding) in [("name-id", "redirect"), ("assertion", "post")] {
        let wiki = Provider::new(WIKI);
        let line = "relay_states = { handbook = \"/handbook\" }\n";
        let logout = format!("{{ url = \"{WIKI_LOGOUT}\", binding = \"{binding}\" }}");
        let certificate = wiki.certificate.display();
        let config =
            format!("encrypt = \"{what}\"\nencryption_certificate = \"{certificate}\"\n{}", wiki.config(&logout));
        let server = Setup::default().replace(line, &format!("{line}{config}")).start();
        let client = server.client();
        client.sign_in(server.person("ann")).await;
        let delivered = launch(&client, "wiki").await;
        let told = judges::xmlsec1_decrypt(&delivered.xml, &wiki.key).unwrap();

        let page = sign_out(&client).await;
        let page = client.submit(&page.form("/signout/apps")).await;
        let request = if binding == "post" { Told::by_post(&page) } else { Told::by_redirect(&page) };
        judges::schema_valid(&request.xml).unwrap_or_else(|error| panic!("{error}\n{}", request.xml));
        assert_eq!(request.element("NameID"), None, "{}", request.xml);
        assert!(!request.xml.contains(&name_id(&told)), "{}", request.xml);
        if binding == "post" {
            judges::xmlsec1_verify(&request.xml, &server.certificate()).unwrap();
        }
        let opened = judges::xmlsec1_decrypt(&request.xml, &wiki.key).unwrap();
        assert_eq!(name_id(&opened), name_id(&told), "{what}");
        assert!(judges::xmlsec1_decrypt(&request.xml, &Provider::new(WIKI).key).is_err());
    }
}

/// The text of the NameID in what was decrypted.
fn name_id(xml: &str) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let node = document.descendants().find(|node| node.tag_name().name() == "NameID").unwrap();
    node.text().unwrap().to_owned()
}

/// Who asks, how it goes wrong, and what is said to it.
type Attack = (&'static str, String);

/// X1 to X6 of the security rules, at `/saml/slo`. Each is refused with status 400 and changes nothing.
fn attacks(scene: &Scene, wiki: &Delivered) -> Vec<Attack> {
    let request = || scene.wiki.request(&scene.slo(), wiki);
    let signed = |text: &LogoutText| scene.wiki.redirect(text, None);
    let stranger = Provider::new(WIKI);
    let unknown = Provider::new("https://unknown.example.com/saml");
    let destination = format!(" Destination=\"{}\"", scene.slo());
    let other = format!("{}&RelayState=added", signed(&request()));
    let algorithm = "xmldsig-more%23rsa-sha256";
    assert!(other.contains(algorithm));
    vec![
        ("not signed, as an image on any page could ask", request().unsigned()),
        ("signed by somebody else's key", stranger.redirect(&request(), None)),
        ("a parameter added after signing", other),
        ("the algorithm exchanged", signed(&request()).replace(algorithm, "xmldsig-more%23rsa-sha512")),
        ("HMAC", signed(&request()).replace(algorithm, "xmldsig-more%23hmac-sha256")),
        (
            "RSA with SHA-1",
            signed(&request()).replace("2001%2F04%2Fxmldsig-more%23rsa-sha256", "2000%2F09%2Fxmldsig%23rsa-sha1"),
        ),
        ("the signature taken away", signed(&request()).split("&Signature=").next().unwrap().to_owned()),
        ("an unknown issuer", unknown.redirect(&unknown.request(&scene.slo(), wiki), None)),
        ("another app's key", scene.notes.redirect(&request(), None)),
        ("expired", signed(&request().timed("NotOnOrAfter", -120))),
        ("too old", signed(&request().timed("IssueInstant", -400))),
        ("for another address", signed(&request().with("/saml/slo\"", "/saml/sso\""))),
        ("for no address", signed(&request().with(&destination, ""))),
        ("a comment in the name", signed(&request().with("</saml:NameID>", "<!--x--></saml:NameID>"))),
        ("a DTD", signed(&request().with("<samlp:LogoutRequest", "<!DOCTYPE x><samlp:LogoutRequest"))),
        ("twice the same parameter", format!("{}&SAMLRequest=x", signed(&request()))),
        ("request and response at once", format!("{}&SAMLResponse=x", signed(&request()))),
        ("an app that takes no logout messages", {
            let archive = Provider::new("https://archive.example.com/saml");
            archive.redirect(&archive.request(&scene.slo(), wiki), None)
        }),
    ]
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_request_that_is_not_exactly_the_apps_own() {
    let scene = Scene::start();
    let client = scene.ann().await;
    let (wiki, notes) = (launch(&client, "wiki").await, launch(&client, "notes").await);
    for (name, path) in attacks(&scene, &wiki) {
        let page = client.get(&path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name}: {page:?}");
        assert!(is_signed_in(&client).await, "{name}");
    }
    // By POST: a signature that covers something else than what would be read, and one that was cut out.
    let request = scene.wiki.request(&scene.slo(), &wiki);
    let good = decoded(&scene.wiki.post(&request));
    let forged = request.xml.replace(&request.id, "_forged").replace("</samlp:LogoutRequest>", "");
    let wrapped = format!("{forged}<samlp:Extensions>{good}</samlp:Extensions></samlp:LogoutRequest>");
    for (name, xml) in [
        ("wrapped into an unsigned one", wrapped),
        ("changed after signing", good.replace("</samlp:SessionIndex>", "x</samlp:SessionIndex>")),
        ("its signature cut out", request.xml.clone()),
    ] {
        let page = client.post("/saml/slo", &[("SAMLRequest", &encoded(&xml))]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name}: {page:?}");
        assert!(is_signed_in(&client).await, "{name}");
    }
    // Rightly signed, but not about who is signed in here.
    let index = wiki.xml_attribute("AuthnStatement", "SessionIndex").unwrap();
    let other = wiki.element("NameID").unwrap();
    for request in [
        scene.wiki.request(&scene.slo(), &wiki).with(&format!(">{other}<"), ">somebody-else<"),
        scene.wiki.request(&scene.slo(), &wiki).with(&index, "_0000"),
        scene.wiki.request(&scene.slo(), &notes),
    ] {
        let answered = Told::by_redirect(&client.get(&scene.wiki.redirect(&request, None)).await);
        check_answer(&scene.server, &answered, &request, &[REQUESTER, UNKNOWN_PRINCIPAL]);
        assert!(is_signed_in(&client).await, "{}", request.xml);
    }
    // The honest twin, and the same again after the next sign-in.
    let request = scene.wiki.redirect(&scene.wiki.request(&scene.slo(), &wiki), None);
    assert_eq!(lines(&client.get(&request).await), ["Notes waiting"]);
    let client = scene.ann().await;
    launch(&client, "wiki").await;
    let replayed = client.get(&request).await;
    assert_eq!(replayed.status, StatusCode::CONFLICT, "{replayed:?}");
    assert!(is_signed_in(&client).await);
}

fn decoded(base64: &str) -> String {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(base64).unwrap()).unwrap()
}

fn encoded(xml: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(xml)
}

#[tokio::test]
async fn only_the_apps_own_answer_to_our_own_request_counts_and_in_the_same_browser() {
    let scene = Scene::start();
    let client = scene.ann().await;
    launch(&client, "wiki").await;
    launch(&client, "notes").await;
    let page = sign_out(&client).await;
    let told = Told::by_post(&client.submit(&page.form("/signout/apps")).await);
    let answer = scene.notes.response(&scene.slo(), &told.id, SUCCESS);
    for (name, path, status) in [
        (
            "of another app",
            scene.wiki.redirect(&scene.wiki.response(&scene.slo(), &told.id, SUCCESS), None),
            StatusCode::CONFLICT,
        ),
        (
            "to something never asked",
            scene.notes.redirect(&scene.notes.response(&scene.slo(), "_1", SUCCESS), None),
            StatusCode::CONFLICT,
        ),
        ("of another key", Provider::new(NOTES).redirect(&answer, None), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(client.get(&path).await.status, status, "{name}");
        assert_eq!(lines(&client.get("/signout/apps").await), ["Notes no answer yet", "Wiki waiting"], "{name}");
    }
    let elsewhere = scene.server.client().get(&scene.notes.redirect(&answer, None)).await;
    assert_eq!(elsewhere.status, StatusCode::CONFLICT, "another browser: {elsewhere:?}");
    let page = client.get(&answer.unsigned()).await;
    assert_eq!(lines(&page), ["Notes was told, but did not confirm", "Wiki waiting"]);
    // The buttons carry the token of this browser.
    let forged = client.submit(&page.form("/signout/apps").set("csrf_token", "00").set("skip", "1")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let again = client.get("/").await;
    assert_eq!(again.url.path(), "/signout/apps", "whoever comes back by hand finds it again");
    let done = client.submit(&again.form("/signout/apps").set("skip", "1")).await;
    assert_eq!(lines(&done), ["Notes was told, but did not confirm", "Wiki could not be reached"]);
    assert_eq!(client.get("/").await.url.path(), "/signin", "afterwards the way in is open again");
}

#[tokio::test]
async fn no_assertion_leaves_on_a_session_that_ended_and_every_one_that_left_is_remembered() {
    let scene = Scene::start();
    let client = scene.ann().await;
    launch(&client, "wiki").await;
    launch(&client, "wiki").await;
    let other_tab = client.clone();
    let page = sign_out(&client).await;
    assert_eq!(lines(&page), ["Wiki waiting"], "told twice by the same names, it is one");
    let launched = other_tab.follow("/launch/notes").await;
    assert!(!launched.body.contains("SAMLResponse"), "{launched:?}");
}

fn judge(scene: &Scene, case: Value) -> Value {
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let mut whole = json!({
        "slo": WIKI_LOGOUT,
        "entity_id": WIKI,
        "key": read(&scene.wiki.key),
        "certificate": read(&scene.wiki.certificate),
        "issuer": scene.server.issuer(),
        "idp_slo": scene.slo(),
        "idp_certificate": read(&scene.server.certificate()),
    });
    whole.as_object_mut().unwrap().extend(case.as_object().unwrap().clone());
    judges::python3_saml_logout(&whole)
}

/// The path and query of an address of ours.
fn path(url: &Value) -> String {
    let url = Url::parse(url.as_str().unwrap()).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap())
}

#[tokio::test]
async fn python3_saml_signs_out_takes_our_answer_and_answers_our_request() {
    let scene = Scene::start();
    let client = scene.ann().await;
    let wiki = launch(&client, "wiki").await;
    let begun = judge(
        &scene,
        json!({
            "act": "begin",
            "name_id": wiki.element("NameID"),
            "name_id_format": wiki.xml_attribute("NameID", "Format"),
            "session_index": wiki.xml_attribute("AuthnStatement", "SessionIndex"),
            "relay_state": "https://wiki.example.com/after sign out?a=b&c=~ü",
        }),
    );
    let answered = Told::by_redirect(&client.get(&path(&begun["url"])).await);
    assert_eq!(answered.status(), [SUCCESS]);
    assert!(!is_signed_in(&client).await);
    let verdict = |query: Option<&str>, request: &Value| {
        judge(&scene, json!({ "act": "receive", "query": query, "request_id": request }))
    };
    let good = verdict(answered.url.query(), &begun["request_id"]);
    assert_eq!(good["errors"], json!([]), "{good}");
    let tampered = answered.url.query().unwrap().replacen("RelayState=https", "RelayState=http", 1);
    assert_ne!(verdict(Some(&tampered), &begun["request_id"])["errors"], json!([]));

    let client = scene.ann().await;
    launch(&client, "wiki").await;
    let page = sign_out(&client).await;
    let told = Told::by_redirect(&client.submit(&page.form("/signout/apps")).await);
    let taken = verdict(told.url.query(), &Value::Null);
    assert_eq!(taken["errors"], json!([]), "{taken}");
    let page = client.get(&path(&taken["url"])).await;
    assert_eq!((page.text("h1").as_str(), lines(&page)), ("You are signed out", vec!["Wiki signed out".to_owned()]));
    assert!(page.body.contains("All apps you had opened are signed out too"), "{page:?}");
}

/// Signs ann in and opens an app from its icon.
async fn open_app(browser: &Browser, server: &Server) {
    browser.open(&server.at("/signin")).await;
    browser.fill("username", "ann").await;
    browser.keys("\u{E007}").await;
    browser.fill("password", PASSWORD).await;
    browser.keys("\u{E007}").await;
    browser.wait_for("input[name=code], a[href^='/launch/wiki']").await;
    if browser.evaluate("return document.querySelector('input[name=code]') !== null").await == json!(true) {
        browser.fill("code", &server.person("ann").code()).await;
        browser.keys("\u{E007}").await;
    }
    browser.wait_for("a[href^='/launch/wiki']").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_apps_that_answer_are_signed_out_without_a_press() {
    let (wiki, notes) = (Party::start(WIKI), Party::start(NOTES));
    let line = "relay_states = { handbook = \"/handbook\" }\n";
    let server = Setup::default()
        .wiki_at(&format!("{}/acs", wiki.url))
        .replace(line, &format!("{line}{}", wiki.provider.config(&format!("\"{}/slo\"", wiki.url))))
        .with_config(&format!(
            "[[apps]]\nid = \"notes\"\nname = \"Notes\"\nentity_id = \"{NOTES}\"\nacs = \"{}/acs\"\n{}",
            notes.url,
            notes.provider.config(&format!("{{ url = \"{}/slo\", binding = \"post\" }}", notes.url))
        ))
        .with_policies(
            "@id(\"test.notes\") @description(\"Everybody may take notes.\")\n\
             permit (principal in Group::\"everyone\", action == Action::\"signIn\", resource == App::\"notes\");\n",
        )
        .start();
    let browser = Browser::start().await;
    open_app(&browser, &server).await;
    for app in ["Wiki", "Notes"] {
        browser.press(app).await;
        browser.wait_for("#app").await;
        browser.open(&server.at("/")).await;
    }
    browser.press("Sign out").await;
    // The notes answer by a cross-site POST, which brings no cookie of ours; the wiki by a redirect.
    browser.wait_for(".ends li:nth-child(2) .note-here").await;
    browser.wait_for("a[href='/signin']").await;
    let text = browser.text().await;
    assert!(text.contains("All apps you had opened are signed out too"), "{text}");
    browser.look("signing-out-everywhere").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_an_app_that_never_answers_holds_up_nobody() {
    let receiver = Receiver::start();
    let slo = receiver.acs.replace("/acs", "/slo");
    let line = "relay_states = { handbook = \"/handbook\" }\n";
    let server = Setup::default().wiki_at(&receiver.acs).replace(line, &format!("{line}logout = \"{slo}\"\n")).start();
    let browser = Browser::start().await;
    open_app(&browser, &server).await;
    // AWS cannot be reached from here, but was told of the session all the same.
    browser.press("AWS Production").await;
    browser.open(&server.at("/")).await;
    browser.press("Wiki").await;
    receiver.delivered();
    browser.open(&server.at("/")).await;
    browser.press("Sign out").await;
    browser.wait_for("#wiki").await;
    browser.open(&server.at("/")).await;
    browser.wait_for("button[name=skip]").await;
    assert_eq!(browser.url().await.path(), "/signout/apps");
    browser.look("signing-out-no-answer").await;
    browser.press("Go on without Wiki").await;
    browser.wait_for("a[href='/signin']").await;
    browser.look("signing-out-done").await;

    let browser = Browser::start().await;
    browser.stop_scripts().await;
    open_app(&browser, &server).await;
    browser.press("Wiki").await;
    browser.press("Continue").await;
    receiver.delivered();
    browser.open(&server.at("/")).await;
    browser.press("Sign out").await;
    browser.wait_for("button[name=skip]").await;
    browser.look("signing-out-without-scripts").await;
    browser.press("Go on").await;
    browser.wait_for("#wiki").await;
    browser.back().await;
    browser.wait_for("button[name=skip]").await;
    browser.press("Go on without Wiki").await;
    browser.wait_for("a[href='/signin']").await;
}
