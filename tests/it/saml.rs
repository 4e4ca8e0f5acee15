//! Responses that others accept, and requests that we refuse. Every verdict on a response is of software that is not ours.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use regex::Regex;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::client::{Client, Page};
use crate::harness::judges::{self, Expected};
use crate::harness::saml::{
    AWS, AWS_ACS, AuthnRequest, Delivered, EMAIL, INVALID_NAME_ID_POLICY, NO_PASSIVE, PERSISTENT, REQUEST_DENIED,
    SUCCESS, UNKNOWN_PRINCIPAL, redirect_path, redirect_value,
};
use crate::harness::server::{PROVIDER, ROLE_ADMIN, ROLE_DEV, Server, from};
use crate::harness::tamper;

const AWS_NAMES: &str = "https://aws.amazon.com/SAML/Attributes";
const WIKI: &str = "https://wiki.example.com/saml";
const WIKI_ACS: &str = "https://wiki.example.com/acs";
const ARCHIVE: &str = "https://archive.example.com/saml";

/// A service provider of the tests' config, judging.
struct Judge {
    issuer: String,
    certificate: PathBuf,
    audience: &'static str,
    acs: String,
    sign: &'static str,
    name_id: &'static str,
}

impl Judge {
    fn of(server: &Server, audience: &'static str, acs: &str, sign: &'static str, name_id: &'static str) -> Self {
        Self {
            issuer: server.issuer(),
            certificate: server.certificate(),
            audience,
            acs: acs.to_owned(),
            sign,
            name_id,
        }
    }

    fn aws(server: &Server) -> Self {
        Self::of(server, AWS, AWS_ACS, "assertion", PERSISTENT)
    }

    fn wiki(server: &Server) -> Self {
        Self::of(server, WIKI, WIKI_ACS, "both", PERSISTENT)
    }

    fn python3_saml(&self, response: &str, request_id: Option<&str>) -> Result<Value, String> {
        let expected = Expected {
            issuer: &self.issuer,
            certificate: &self.certificate,
            audience: self.audience,
            acs: &self.acs,
            request_id,
            sign: self.sign,
            name_id: self.name_id,
        };
        judges::python3_saml(response, &expected)
    }

    /// Every judge accepts; what python3-saml read.
    fn accepts(&self, delivered: &Delivered, request_id: Option<&str>) -> Value {
        assert_eq!(delivered.acs, self.acs);
        assert_eq!(delivered.status(), [SUCCESS], "{}", delivered.xml);
        judges::schema_valid(&delivered.xml).unwrap_or_else(|error| panic!("{error}\n{}", delivered.xml));
        judges::xmlsec1_verify(&delivered.xml, &self.certificate)
            .unwrap_or_else(|error| panic!("{error}\n{}", delivered.xml));
        self.python3_saml(&delivered.response, request_id).unwrap_or_else(|error| panic!("{error}\n{}", delivered.xml))
    }

    /// A refusal that says so: valid, signed, with these status codes and no assertion.
    fn accepts_status(&self, delivered: &Delivered, second: &str) {
        assert_eq!(delivered.acs, self.acs);
        assert_eq!(delivered.status().last().map(String::as_str), Some(second), "{}", delivered.xml);
        assert_ne!(delivered.status()[0], SUCCESS);
        assert_eq!(delivered.element("Assertion"), None);
        judges::schema_valid(&delivered.xml).unwrap();
        judges::xmlsec1_verify(&delivered.xml, &self.certificate).unwrap();
    }
}

/// A browser in which `username` has signed in to the portal.
async fn signed_in(server: &Server, username: &str) -> Client {
    let client = server.client();
    client.sign_in(server.person(username)).await;
    client
}

/// The response that the portal's icon of `app` leads to.
async fn launch(client: &Client, app: &str) -> Delivered {
    Delivered::from_page(&client.follow(&format!("/launch/{app}")).await)
}

/// Posts a request from another site.
async fn post_request(client: &Client, request: &AuthnRequest, relay_state: Option<&str>) -> Page {
    let fields = request.post(relay_state);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    client.with_header("sec-fetch-site", "cross-site").post("/saml/sso", &fields).await
}

#[tokio::test]
async fn aws_accepts_a_launch_from_the_portal() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    let delivered = launch(&client, "aws").await;
    let read = Judge::aws(&server).accepts(&delivered, None);
    let attributes = &read["attributes"];
    assert_eq!(attributes[format!("{AWS_NAMES}/Role")], json!([format!("{ROLE_DEV},{PROVIDER}")]));
    assert_eq!(attributes[format!("{AWS_NAMES}/RoleSessionName")], json!(["ann@example.com"]));
    assert_eq!(attributes[format!("{AWS_NAMES}/SessionDuration")], json!(["3600"]));
    assert_eq!(read["audiences"], json!([AWS]));
    assert_eq!(delivered.relay_state.as_deref(), Some("https://console.aws.amazon.com"));
    let credentials = judges::moto_sts(&delivered.response, ROLE_DEV, PROVIDER).unwrap();
    assert_eq!(credentials["assumed_role"], "arn:aws:sts::123456789012:assumed-role/Dev/ann@example.com");
}

#[tokio::test]
async fn a_role_that_needs_more_than_was_shown_does_not_enter_the_assertion() {
    let server = Server::start();
    let client = signed_in(&server, "dora").await;
    let delivered = launch(&client, "aws").await;
    Judge::aws(&server).accepts(&delivered, None);
    assert_eq!(delivered.attribute(&format!("{AWS_NAMES}/Role")), [format!("{ROLE_DEV},{PROVIDER}")]);
    assert!(!delivered.xml.contains(ROLE_ADMIN));
}

#[tokio::test]
async fn whoever_is_in_no_group_of_an_app_gets_no_response() {
    let server = Server::start();
    let client = signed_in(&server, "emil").await;
    let page = client.follow("/launch/aws").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    assert!(!page.body.contains("SAMLResponse"), "nobody asked, so nobody is answered: {page:?}");
    Judge::wiki(&server).accepts(&launch(&client, "wiki").await, None);
}

#[tokio::test]
async fn every_tampered_response_is_refused() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    for (app, judge) in [("aws", Judge::aws(&server)), ("wiki", Judge::wiki(&server))] {
        let delivered = launch(&client, app).await;
        judge.accepts(&delivered, None);
        let tampered = tamper::signed_content(&delivered.xml);
        assert_eq!(tampered.len(), 10);
        for one in tampered {
            assert!(judges::xmlsec1_verify(&one.xml, &judge.certificate).is_err(), "xmlsec1 accepts {}", one.name);
            assert!(judge.python3_saml(&one.encoded(), None).is_err(), "python3-saml accepts {}", one.name);
        }
        for one in tamper::around_the_signature(&delivered.xml) {
            assert!(judge.python3_saml(&one.encoded(), None).is_err(), "python3-saml accepts {}", one.name);
        }
    }
}

#[tokio::test]
async fn a_request_over_either_binding_is_answered_with_its_id_and_relay_state() {
    let server = Server::start();
    let relay_state = "/page?a=1&b=\"<ü>\" +%20";
    for binding in ["redirect", "post"] {
        let client = server.client();
        let request = AuthnRequest::of_wiki(&server);
        let page = match binding {
            "redirect" => client.get(&request.redirect(Some(relay_state))).await,
            _ => post_request(&client, &request, Some(relay_state)).await,
        };
        assert!(page.text("main").contains("Wiki"), "the page names the app: {page:?}");
        let delivered = Delivered::from_page(&client.walk(page, server.person("ann")).await);
        let read = Judge::wiki(&server).accepts(&delivered, Some(&request.id));
        assert_eq!(read["in_response_to"], request.id, "{binding}");
        assert_eq!(delivered.relay_state.as_deref(), Some(relay_state), "{binding}");

        let again = client.get(&request.redirect(Some(relay_state))).await;
        assert!(again.status.is_client_error(), "{binding}: an id is answered once: {again:?}");
    }
}

#[tokio::test]
async fn one_session_opens_a_second_app_without_a_question() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    let request = AuthnRequest::of_wiki(&server);
    let delivered = Delivered::from_page(&client.get(&request.redirect(None)).await);
    Judge::wiki(&server).accepts(&delivered, Some(&request.id));
    assert_eq!(delivered.relay_state, None);
    let archive = AuthnRequest::of(&server, ARCHIVE, "https://archive.example.com/acs2");
    let page = post_request(&client, &archive, None).await;
    let judge = Judge::of(&server, ARCHIVE, "https://archive.example.com/acs2", "response", EMAIL);
    let read = judge.accepts(&Delivered::from_page(&page), Some(&archive.id));
    assert_eq!(read["name_id"], "ann@example.com");
}

#[tokio::test]
async fn forced_authentication_asks_again_and_says_when() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    let request = AuthnRequest::of_wiki(&server).asking("ForceAuthn=\"true\"");
    let page = client.get(&request.redirect(None)).await;
    assert!(page.find_form("/signin").or(page.find_form("/signin/password")).is_some(), "{page:?}");
    let delivered = Delivered::from_page(&client.walk(page, server.person("ann")).await);
    Judge::wiki(&server).accepts(&delivered, Some(&request.id));
    let asked = Regex::new("IssueInstant=\"([^\"]*)").unwrap().captures(&request.xml).unwrap()[1].to_owned();
    let authenticated = delivered.xml_attribute("AuthnStatement", "AuthnInstant").unwrap();
    assert!(authenticated[..19] >= asked[..19], "{authenticated} is before {asked}");
}

#[tokio::test]
async fn what_cannot_be_done_is_answered_in_the_protocol() {
    let server = Server::start();
    let judge = Judge::wiki(&server);
    let passive = AuthnRequest::of_wiki(&server).asking("IsPassive=\"true\"");
    let page = server.client().get(&passive.redirect(Some("state"))).await;
    let delivered = Delivered::from_page(&page);
    judge.accepts_status(&delivered, NO_PASSIVE);
    assert_eq!(delivered.relay_state.as_deref(), Some("state"));
    assert_eq!(delivered.xml_attribute("Response", "InResponseTo"), Some(passive.id));

    let format = "urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos";
    let kerberos = AuthnRequest::of_wiki(&server).saying(&format!("<samlp:NameIDPolicy Format=\"{format}\"/>"));
    let page = server.client().get(&kerberos.redirect(None)).await;
    judge.accepts_status(&Delivered::from_page(&page), INVALID_NAME_ID_POLICY);

    let client = signed_in(&server, "ann").await;
    let passive = AuthnRequest::of_wiki(&server).asking("IsPassive=\"true\"");
    judge.accepts(&Delivered::from_page(&client.get(&passive.redirect(None)).await), Some(&passive.id));
}

#[tokio::test]
async fn a_block_page_leads_back_to_the_app_that_asked() {
    let server = Server::start();
    let client = server.client().at_address(from::ELSEWHERE);
    let request = AuthnRequest::of(&server, AWS, AWS_ACS);
    let page = client.get(&request.redirect(Some("back"))).await;
    let page = client.walk(page, server.person("carl")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    let delivered = Delivered::from_page(&page);
    Judge::aws(&server).accepts_status(&delivered, REQUEST_DENIED);
    assert_eq!(delivered.relay_state.as_deref(), Some("back"));
}

#[tokio::test]
async fn a_subject_in_the_request_has_to_be_who_signs_in() {
    let server = Server::start();
    let subject = "<saml:Subject><saml:NameID>dora@example.com</saml:NameID></saml:Subject>";
    let request = AuthnRequest::of_wiki(&server).saying(subject);
    let client = signed_in(&server, "ann").await;
    let page = client.get(&request.redirect(None)).await;
    Judge::wiki(&server).accepts_status(&Delivered::from_page(&page), UNKNOWN_PRINCIPAL);
}

#[tokio::test]
async fn names_that_look_like_markup_arrive_as_they_are() {
    let server = Server::start();
    let client = signed_in(&server, "mallory").await;
    let delivered = launch(&client, "wiki").await;
    let read = Judge::wiki(&server).accepts(&delivered, None);
    let person = server.person("mallory");
    let name = format!("{} {}", person.first_name, person.last_name);
    assert_eq!(read["attributes"]["name"], json!([name]));
    assert_eq!(delivered.attribute("name"), [name]);
    assert_eq!(delivered.xml.matches("Attribute Name=").count(), 3, "{}", delivered.xml);
    assert!(!client.get("/").await.body.contains("<script>alert"));
}

#[tokio::test]
async fn a_relay_state_is_chosen_by_its_name_in_the_config_only() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    assert_eq!(launch(&client, "wiki?relay_state=handbook").await.relay_state.as_deref(), Some("/handbook"));
    assert_eq!(launch(&client, "wiki").await.relay_state, None);
    for name in ["unknown", "https%3A%2F%2Fevil.example%2F", ""] {
        let page = client.follow(&format!("/launch/wiki?relay_state={name}")).await;
        assert!(page.status.is_client_error(), "`{name}`: {page:?}");
    }
}

#[tokio::test]
async fn the_page_that_posts_a_response_runs_one_static_script_and_is_kept_nowhere() {
    let server = Server::start();
    let page = signed_in(&server, "ann").await.follow("/launch/wiki").await;
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("nonce"), "{policy}");
    assert_eq!((page.header("cache-control"), page.header("x-frame-options")), ("no-store", "DENY"));
    let scripts = page.attributes("script", "src");
    assert!(scripts.iter().all(|script| script.starts_with("/assets/")), "{scripts:?}");
    assert_eq!(page.body.matches("<script").count(), scripts.len(), "a script of the page's own: {page:?}");
    assert!(!page.body.contains("javascript:") && !page.body.contains(" onload"), "{page:?}");
    assert!(
        !page.attributes("form[action='https://wiki.example.com/acs'] button", "type").is_empty(),
        "without script"
    );
}

#[tokio::test]
async fn another_site_cannot_launch_without_asking() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    let elsewhere = client.with_header("sec-fetch-site", "cross-site");
    for page in [elsewhere.get("/launch/wiki").await, client.get("/launch/wiki").await] {
        assert!(!page.body.contains("SAMLResponse"), "{page:?}");
        let delivered = Delivered::from_page(&client.submit(&page.form("/launch/wiki")).await);
        Judge::wiki(&server).accepts(&delivered, None);
    }
    assert!(elsewhere.post("/launch/wiki", &[]).await.status.is_client_error());
}

#[tokio::test]
async fn apps_that_are_unknown_or_start_elsewhere_are_not_launched() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    for app in ["archive", "nothing", "portal", "console", "..%2F..%2Fetc"] {
        let page = client.follow(&format!("/launch/{app}")).await;
        assert!(page.status.is_client_error() && !page.body.contains("SAMLResponse"), "{app}: {page:?}");
    }
}

#[tokio::test]
async fn metadata_is_valid_and_says_where_to_go_and_whose_key_it_is() {
    let server = Server::start();
    for path in ["/saml/metadata", "/saml/metadata/aws", "/saml/metadata/wiki"] {
        let page = server.client().get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(
            page.header("content-type").starts_with("application/samlmetadata+xml"),
            "{}",
            page.header("content-type")
        );
        judges::metadata_valid(&page.body).unwrap();
        // AWS asks for this much.
        assert!(page.body.len() >= 1000 && !page.body.starts_with('\u{feff}'), "{path}");
        let certificate = std::fs::read_to_string(server.certificate()).unwrap();
        let lines: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
        assert!(page.body.split_whitespace().collect::<String>().contains(&lines), "{path}");
        assert!(page.body.contains(&server.sso()) && page.body.contains(&server.issuer()), "{path}");
    }
    assert_eq!(server.client().get("/saml/metadata/nothing").await.status, StatusCode::NOT_FOUND);
}

/// Requests whose text is wrong. Each is refused here, with a page and without a redirect.
fn bad_requests(server: &Server) -> Vec<(&'static str, String)> {
    let request = || AuthnRequest::of_wiki(server);
    let deep = format!("{}{}", "<samlp:Extensions>".repeat(5_000), "</samlp:Extensions>".repeat(5_000));
    let doctype = "<!DOCTYPE r [<!ENTITY e \"https://wiki.example.com/saml\">]>";
    vec![
        ("no xml", "hello".to_owned()),
        ("nothing", String::new()),
        ("cut off", request().xml[..100].to_owned()),
        ("another message", request().xml.replace("AuthnRequest", "LogoutRequest")),
        ("another version", request().with("Version=\"2.0\"", "Version=\"1.1\"").xml),
        ("an unknown issuer", request().with(WIKI, "https://unknown.example").xml),
        ("an unregistered acs", request().with(WIKI_ACS, "https://evil.example/acs").xml),
        ("an acs that only begins like ours", request().with(WIKI_ACS, &format!("{WIKI_ACS}.evil.example")).xml),
        ("another destination", request().with(&server.sso(), "https://other.example/saml/sso").xml),
        ("issued long ago", request().issued(-600).xml),
        ("issued in the future", request().issued(600).xml),
        ("no id", request().with(" ID=\"", " Name=\"").xml),
        ("a dtd", format!("{doctype}{}", request().xml)),
        ("an entity", format!("{doctype}{}", request().with(WIKI, "&e;").xml)),
        ("a comment in the issuer", request().with(WIKI, "https://wiki.example.com<!-- -->/saml").xml),
        ("two issuers", request().saying(&format!("<saml:Issuer>{ARCHIVE}</saml:Issuer>")).xml),
        ("too deep", request().saying(&deep).xml),
        ("too long", request().saying(&format!("<samlp:Extensions>{}</samlp:Extensions>", "x".repeat(1 << 20))).xml),
    ]
}

/// A refusal that stays here and helps.
fn assert_refused_here(name: &str, page: &Page) {
    assert!(page.status.is_client_error(), "{name}: {} {}", page.status, page.body);
    assert!(!page.body.contains("SAMLResponse") && !page.body.contains("evil.example/acs\""), "{name}: {}", page.body);
    assert!(!page.text("h1").is_empty(), "{name}: {}", page.body);
}

#[tokio::test]
async fn malformed_requests_are_refused_here_over_both_bindings() {
    let server = Server::start();
    let client = server.client();
    for (name, xml) in bad_requests(&server) {
        let page = client.get(&redirect_path(&redirect_value(xml.as_bytes()), None)).await;
        assert_refused_here(name, &page);
        let page = client.post("/saml/sso", &[("SAMLRequest", &BASE64.encode(&xml))]).await;
        assert_refused_here(name, &page);
    }
    let good = AuthnRequest::of_wiki(&server).redirect(None);
    assert!(client.get(&good).await.find_form("/signin").is_some(), "a good one is still served");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn malformed_bindings_are_refused_here() {
    let server = Server::start();
    let client = server.client();
    let request = AuthnRequest::of_wiki(&server);
    let good = redirect_path(&redirect_value(request.xml.as_bytes()), Some("state"));
    let bomb = redirect_value(&vec![b' '; 20 << 20]);
    assert!(bomb.len() < 100_000, "it is small on the way");
    for (name, path) in [
        ("no parameter", "/saml/sso".to_owned()),
        ("no base64", redirect_path("!!!!", None)),
        ("no deflate", redirect_path(&BASE64.encode("not deflated at all"), None)),
        ("a deflate bomb", redirect_path(&bomb, None)),
        ("a request twice", format!("{good}&SAMLRequest=AAAA")),
        ("a request twice, once spelt otherwise", format!("{good}&SAMLReques%74=AAAA")),
        ("a relay state twice", format!("{good}&RelayState=other")),
        ("a huge relay state", redirect_path(&redirect_value(request.xml.as_bytes()), Some(&"x".repeat(2_000)))),
        ("a line feed in the relay state", redirect_path(&redirect_value(request.xml.as_bytes()), Some("a\nb"))),
        ("no utf-8", format!("{good}&Other=%ff")),
    ] {
        assert_refused_here(name, &client.get(&path).await);
    }
    let value = BASE64.encode(&request.xml);
    assert_refused_here(
        "a field twice",
        &client.post("/saml/sso", &[("SAMLRequest", &value), ("SAMLRequest", &value)]).await,
    );
    assert_refused_here("no field", &client.post("/saml/sso", &[("RelayState", "x")]).await);
    let huge = format!("SAMLRequest={}", "A".repeat(8 << 20)).into_bytes();
    let page = client.request(Method::POST, "/saml/sso", "application/x-www-form-urlencoded", huge).await;
    assert_refused_here("a huge body", &page);
    let page = client.request(Method::PUT, "/saml/sso", "application/xml", request.xml.into_bytes()).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(client.get(&good).await.find_form("/signin").is_some(), "a good one is still served");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn an_assertion_is_written_to_the_journal_before_it_leaves() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    let delivered = launch(&client, "wiki").await;
    let id = delivered.xml_attribute("Assertion", "ID").unwrap();
    let audit = server.audit();
    let lines: Vec<&str> = audit.lines().filter(|line| line.contains(&id)).collect();
    assert!(lines.len() == 2 && lines[0].contains("intended") && lines[1].contains("released"), "{lines:?}\n{audit}");
    assert!(!audit.contains("<saml"), "the journal holds no XML");
}

#[tokio::test]
async fn an_app_is_named_to_the_launch_page_only() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    for app in ["wiki", "archive"] {
        let page = client.with_header("sec-fetch-site", "cross-site").get(&format!("/signin?app={app}")).await;
        assert!(!page.body.contains("SAMLResponse"), "{app}: {page:?}");
    }
}

#[tokio::test]
async fn strangers_get_only_so_many_signed_refusals_and_people_are_not_hurt_by_it() {
    let server = Server::start();
    let client = signed_in(&server, "ann").await;
    let stranger = server.client();
    let mut signed = 0;
    let refused = loop {
        let passive = AuthnRequest::of_wiki(&server).asking("IsPassive=\"true\"");
        let page = stranger.get(&passive.redirect(None)).await;
        if !page.body.contains("SAMLResponse") {
            break page;
        }
        signed += 1;
        assert!(signed <= 60, "no end to what a stranger has signed");
    };
    assert_eq!((signed, refused.status), (60, StatusCode::TOO_MANY_REQUESTS), "{refused:?}");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{refused:?}");
    Judge::wiki(&server).accepts(&launch(&client, "wiki").await, None);
}

#[tokio::test]
async fn a_passive_request_is_denied_without_a_page() {
    let server = Server::start();
    let client = signed_in(&server, "emil").await;
    let passive = AuthnRequest::of(&server, AWS, AWS_ACS).asking("IsPassive=\"true\"");
    let delivered = Delivered::from_page(&client.get(&passive.redirect(None)).await);
    Judge::aws(&server).accepts_status(&delivered, REQUEST_DENIED);
}
