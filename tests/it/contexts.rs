//! What a service provider wants shown, and what it is told was shown.

use reqwest::StatusCode;

use crate::harness::client::{Client, Page};
use crate::harness::judges;
use crate::harness::saml::{AuthnRequest, Delivered, NO_PASSIVE, SUCCESS};
use crate::harness::server::{Server, Setup};

const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
const TOKEN: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken";
const REFEDS: &str = "https://refeds.org/profile/mfa";
const MICROSOFT: &str = "http://schemas.microsoft.com/claims/multipleauthn";
const KERBEROS: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos";
const NO_AUTHN_CONTEXT: &str = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext";

/// A password is enough for everything, but administrators of AWS show a second factor or have the device remembered.
const POLICIES: &str = r#"
@id("t.visit") @description("Anybody sees the pages.")
permit (principal is Anonymous, action == Action::"visit", resource);
@id("t.open") @description("Everybody opens everything.")
permit (principal is User, action in [Action::"signIn", Action::"trustDevice", Action::"selfService"], resource);
@id("t.first-factor") @description("Not without a first factor.")
forbid (principal is User, action == Action::"signIn", resource) unless { context.proofs.contains(Proof::"first_factor") };
@id("t.proof") @description("Remembering takes a second factor shown now.")
forbid (principal is User, action == Action::"trustDevice", resource) unless { context.fresh.contains(Proof::"second_factor") };
@id("t.second-factor") @description("Administrators show a second factor, or have the device remembered.")
forbid (principal in Group::"aws-admins", action == Action::"signIn", resource == App::"wiki")
unless { context.proofs.contains(Proof::"second_factor") || context.device.trusted };
"#;

fn server() -> Server {
    Setup::default().policies(POLICIES).start()
}

/// The request, wanting `class`.
fn wanting(request: AuthnRequest, comparison: &str, class: &str) -> AuthnRequest {
    request.saying(&format!(
        "<samlp:RequestedAuthnContext Comparison=\"{comparison}\"><saml:AuthnContextClassRef>{class}\
         </saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
    ))
}

async fn ask(server: &Server, client: &Client, comparison: &str, class: &str) -> Page {
    client.get(&wanting(AuthnRequest::of_wiki(server), comparison, class).redirect(None)).await
}

fn asks_for_a_code(page: &Page) -> bool {
    page.find_form("/signin/totp").is_some()
}

/// The context that a response states, which others find right.
fn stated(server: &Server, page: &Page) -> String {
    let delivered = Delivered::from_page(page);
    assert_eq!(delivered.status(), [SUCCESS], "{}", delivered.xml);
    judges::schema_valid(&delivered.xml).unwrap();
    judges::xmlsec1_verify(&delivered.xml, &server.certificate()).unwrap();
    delivered.element("AuthnContextClassRef").unwrap()
}

fn status(page: &Page) -> String {
    Delivered::from_page(page).status().last().unwrap().clone()
}

#[tokio::test]
async fn what_an_app_wants_shown_is_asked_for_and_stated_in_its_own_words() {
    let server = server();
    let (client, ann) = (server.client(), server.person("ann"));
    let portal = client.sign_in(ann).await;
    assert!(!asks_for_a_code(&portal));
    assert_eq!(stated(&server, &ask(&server, &client, "exact", PASSWORD).await), PASSWORD);
    assert_eq!(status(&ask(&server, &client, "exact", KERBEROS).await), NO_AUTHN_CONTEXT, "nobody could");
    assert_eq!(status(&ask(&server, &client, "better", TOKEN).await), NO_AUTHN_CONTEXT, "nobody could");

    let page = ask(&server, &client, "minimum", REFEDS).await;
    assert!(asks_for_a_code(&page), "no policy asks for it at the wiki, the app does: {page:?}");
    assert_eq!(stated(&server, &client.walk(page, ann).await), REFEDS);
    // The session has shown it now.
    for (comparison, class, expected) in [
        ("exact", TOKEN, TOKEN),
        ("exact", REFEDS, REFEDS),
        ("exact", MICROSOFT, MICROSOFT),
        ("exact", PASSWORD, PASSWORD),
        ("better", PASSWORD, TOKEN),
        ("maximum", PASSWORD, PASSWORD),
    ] {
        let page = ask(&server, &client, comparison, class).await;
        assert_eq!(stated(&server, &page), expected, "{comparison} {class}");
    }
    assert_eq!(stated(&server, &client.get(&AuthnRequest::of_wiki(&server).redirect(None)).await), TOKEN);
}

#[tokio::test]
async fn a_remembered_device_is_no_proof_to_an_app_that_wants_one() {
    let server = server();
    let (client, dora) = (server.client(), server.person("dora"));
    let plain = || AuthnRequest::of_wiki(&server).redirect(None);
    let page = client.get(&plain()).await;
    let page = client.submit(&page.form("/signin").set("username", "dora")).await;
    let page = client.submit(&page.form("/signin/password").set("password", crate::harness::people::PASSWORD)).await;
    let code = page.form("/signin/totp").set("code", &dora.code());
    assert_eq!(stated(&server, &client.submit(&code.set("remember_device", "yes")).await), TOKEN);
    client.submit(&client.get("/").await.form("/signout")).await;

    client.sign_in(dora).await;
    let page = client.get(&plain()).await;
    assert_eq!(stated(&server, &page), PASSWORD, "the device spares the code, and says nothing of one");
    let page = ask(&server, &client, "exact", TOKEN).await;
    assert!(asks_for_a_code(&page), "{page:?}");
    assert_eq!(stated(&server, &client.walk(page, dora).await), TOKEN);
}

#[tokio::test]
async fn who_cannot_be_asked_or_cannot_show_it_gets_no_less_told() {
    let server = server();
    let (client, ann) = (server.client(), server.person("ann"));
    client.sign_in(ann).await;
    let passive = wanting(AuthnRequest::of_wiki(&server), "exact", TOKEN).asking("IsPassive=\"true\"");
    assert_eq!(status(&client.get(&passive.redirect(None)).await), NO_PASSIVE);

    let page = ask(&server, &client, "exact", TOKEN).await;
    let page = client.submit(&page.form("/signin/methods")).await;
    let page = client.submit(&page.form("/signin/lost")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    assert!(page.text("main").contains("a way to sign in that you do not have"), "{page:?}");
    assert_eq!(status(&page), NO_AUTHN_CONTEXT, "the way back to the app says why");

    let client = server.client();
    client.sign_in(server.person("bob")).await;
    let page = ask(&server, &client, "exact", TOKEN).await;
    assert!(!page.body.contains("SAMLResponse"), "who has no app yet is led to adding one: {page:?}");
}
