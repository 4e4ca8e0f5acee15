//! The judges, judged: on a response that xmlsec1 signed, not we, each accepts the right one and refuses the wrong ones. A judge
//! that accepts everything would prove nothing.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::browser::Browser;
use crate::harness::judges::{self, Expected};
use crate::harness::receiver::Receiver;
use crate::harness::saml::{self, AWS, AWS_ACS, PERSISTENT};
use crate::harness::server::{PROVIDER, ROLE_DEV};
use crate::harness::tamper;

const ISSUER: &str = "https://login.example.com/saml/metadata";

/// A response of an identity provider that exists in this file only.
struct Handmade {
    _folder: TempDir,
    key: PathBuf,
    certificate: PathBuf,
    xml: String,
}

impl Handmade {
    fn new() -> Self {
        let (folder, key, certificate) = judges::stranger();
        let xml = judges::xmlsec1_sign(&unsigned(), &key);
        Self { _folder: folder, key, certificate, xml }
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            issuer: ISSUER,
            certificate: &self.certificate,
            audience: AWS,
            acs: AWS_ACS,
            request_id: None,
            sign: "assertion",
            name_id: PERSISTENT,
        }
    }

    fn python3_saml(&self, xml: &str) -> Result<(), String> {
        judges::python3_saml(&BASE64.encode(xml), &self.expected()).map(drop)
    }
}

/// The response with an empty signature in its place after the assertion's issuer.
fn unsigned() -> String {
    let (now, before, after) = (saml::instant(0), saml::instant(-30), saml::instant(300));
    let names = "https://aws.amazon.com/SAML/Attributes";
    format!(
        r##"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0" IssueInstant="{now}" Destination="{AWS_ACS}"><saml:Issuer>{ISSUER}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion ID="_assertion" Version="2.0" IssueInstant="{now}"><saml:Issuer>{ISSUER}</saml:Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#_assertion"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature><saml:Subject><saml:NameID Format="{PERSISTENT}">ann</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{after}" Recipient="{AWS_ACS}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{before}" NotOnOrAfter="{after}"><saml:AudienceRestriction><saml:Audience>{AWS}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{now}" SessionIndex="_session"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="{names}/Role"><saml:AttributeValue>{ROLE_DEV},{PROVIDER}</saml:AttributeValue></saml:Attribute><saml:Attribute Name="{names}/RoleSessionName"><saml:AttributeValue>ann@example.com</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"##
    )
}

#[test]
fn a_rightly_signed_response_is_accepted_by_every_judge() {
    let made = Handmade::new();
    judges::schema_valid(&made.xml).unwrap();
    judges::xmlsec1_verify(&made.xml, &made.certificate).unwrap();
    let read = judges::python3_saml(&BASE64.encode(&made.xml), &made.expected()).unwrap();
    assert_eq!(read["name_id"], "ann");
    assert_eq!(
        read["attributes"]["https://aws.amazon.com/SAML/Attributes/Role"],
        json!([format!("{ROLE_DEV},{PROVIDER}")])
    );
    assert_eq!(read["session_index"], "_session");
}

#[test]
fn ten_changes_to_what_is_signed_are_refused_by_both_verifiers() {
    let made = Handmade::new();
    let tampered = tamper::signed_content(&made.xml);
    assert_eq!(tampered.len(), 10);
    for one in tampered {
        assert!(judges::xmlsec1_verify(&one.xml, &made.certificate).is_err(), "xmlsec1 accepts {}", one.name);
        assert!(made.python3_saml(&one.xml).is_err(), "python3-saml accepts {}", one.name);
    }
}

#[test]
fn wrapping_and_missing_signatures_are_refused_by_the_service_provider() {
    let made = Handmade::new();
    for one in tamper::around_the_signature(&made.xml) {
        assert!(made.python3_saml(&one.xml).is_err(), "python3-saml accepts {}", one.name);
    }
}

#[test]
fn a_stranger_s_signature_is_refused_although_it_fits_its_own_key() {
    let (made, stranger) = (Handmade::new(), Handmade::new());
    judges::xmlsec1_verify(&stranger.xml, &stranger.certificate).unwrap();
    assert!(judges::xmlsec1_verify(&stranger.xml, &made.certificate).is_err());
    assert!(made.python3_saml(&stranger.xml).is_err());
    // Neither helps it to bring its certificate along.
    let skeleton =
        unsigned().replace("<ds:SignatureValue/>", "<ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo>");
    let keys = format!("{},{}", stranger.key.display(), stranger.certificate.display());
    let carrying = judges::xmlsec1_sign(&skeleton, Path::new(&keys));
    assert!(carrying.contains("X509Certificate"), "{carrying}");
    judges::xmlsec1_verify(&carrying, &stranger.certificate).unwrap();
    assert!(judges::xmlsec1_verify(&carrying, &made.certificate).is_err());
    assert!(made.python3_saml(&carrying).is_err());
}

#[test]
fn a_response_for_another_address_audience_issuer_or_request_is_refused() {
    let made = Handmade::new();
    let right = made.expected();
    for (name, expected) in [
        ("address", Expected { acs: "https://other.example/acs", ..right.clone() }),
        ("audience", Expected { audience: "https://other.example", ..right.clone() }),
        ("issuer", Expected { issuer: "https://other.example", ..right.clone() }),
        ("request", Expected { request_id: Some("_asked"), ..right.clone() }),
        ("signed part", Expected { sign: "response", ..right.clone() }),
    ] {
        assert!(judges::python3_saml(&BASE64.encode(&made.xml), &expected).is_err(), "another {name} is accepted");
    }
}

#[test]
fn messages_out_of_order_are_refused_by_the_schema() {
    let made = Handmade::new();
    for (name, xml) in [
        ("a signature before the issuer", replace_order(&made.xml)),
        ("an unknown attribute", made.xml.replace("<samlp:Response ", "<samlp:Response Mood=\"good\" ")),
        ("no version", made.xml.replacen(" Version=\"2.0\"", "", 1)),
    ] {
        assert!(judges::schema_valid(&xml).is_err(), "the schema accepts {name}");
    }
    assert!(judges::metadata_valid(&made.xml).is_err(), "a response is no metadata");
}

fn replace_order(xml: &str) -> String {
    let start = xml.find("<ds:Signature ").unwrap();
    let end = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let issuer = format!("<saml:Issuer>{ISSUER}</saml:Issuer>");
    let (before, signature, after) = (&xml[..start], &xml[start..end], &xml[end..]);
    format!("{}{signature}{issuer}{after}", before.strip_suffix(&issuer).unwrap())
}

#[test]
fn metadata_of_an_identity_provider_is_valid_by_its_schema() {
    let metadata = format!(
        r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ISSUER}"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://login.example.com/saml/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>"#
    );
    judges::metadata_valid(&metadata).unwrap();
    assert!(judges::metadata_valid(&metadata.replace("Location=", "Place=")).is_err());
}

#[test]
fn sts_gives_credentials_for_the_role_in_the_response() {
    let made = Handmade::new();
    let credentials = judges::moto_sts(&BASE64.encode(&made.xml), ROLE_DEV, PROVIDER).unwrap();
    let assumed = "arn:aws:sts::123456789012:assumed-role/Dev/ann@example.com";
    assert_eq!(
        (&credentials["assumed_role"], &credentials["caller"]),
        (&json!(assumed), &json!(assumed)),
        "{credentials}"
    );
    assert!(credentials["access_key_id"].as_str().is_some_and(|id| id.starts_with("ASIA")), "{credentials}");
    assert!(judges::moto_sts("bm8geG1s", ROLE_DEV, PROVIDER).is_err(), "no XML, no credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_delivers_forms_across_sites_and_axe_finds_what_is_wrong() {
    let receiver = Receiver::start();
    let browser = Browser::start().await;
    let response = BASE64.encode("<r/>");
    let page = |label: &str| {
        format!(
            "data:text/html,<!doctype html><html lang=en><title>A form</title><main><h1>A form</h1>\
             <form method=post action='{}'>{label}<input id=a name=RelayState value=old>\
             <input type=hidden name=SAMLResponse value='{response}'><button>Continue</button></form></main>",
            receiver.acs
        )
    };
    browser.open(&page("")).await;
    let violations = browser.axe().await;
    assert!(violations.iter().any(|found| found.contains("\"label\"")), "a field without a label: {violations:?}");

    browser.open(&page("<label for=a>Where to</label>")).await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.fill("RelayState", "a b&c").await;
    browser.press("Continue").await;
    let delivered = receiver.delivered();
    assert_eq!((delivered.xml.as_str(), delivered.relay_state.as_deref()), ("<r/>", Some("a b&c")));
    browser.wait_for("h1").await;
    assert_eq!(browser.url().await.as_str(), receiver.acs);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_shows_the_theme_and_the_width_it_is_asked_for() {
    let browser = Browser::start().await;
    browser.open("data:text/html,<!doctype html><html lang=en><title>T</title><h1>T</h1>").await;
    for theme in crate::harness::browser::THEMES {
        browser.theme(theme).await;
        browser.resize(320, 700).await;
        let seen = browser.evaluate("return [matchMedia('(prefers-color-scheme: dark)').matches, innerWidth]").await;
        assert_eq!(seen, json!([theme == "dark", 320]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_runs_no_script_of_a_page_when_told_so_while_axe_still_does() {
    let browser = Browser::start().await;
    let receiver = Receiver::start();
    let page = format!(
        "data:text/html,<!doctype html><html lang=en><title>Before</title><main><h1>T</h1><form method=post action='{}'>\
         <label>Where to <input name=RelayState></label><input type=hidden name=SAMLResponse value=''>\
         <button>Continue</button></form></main><script>document.title='After'</script>",
        receiver.acs
    );
    browser.open(&page).await;
    assert_eq!(browser.title().await, "After");
    browser.stop_scripts().await;
    browser.open(&page).await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    assert_eq!(browser.title().await, "Before");
    browser.fill("RelayState", "typed").await;
    browser.press("Continue").await;
    assert_eq!(receiver.delivered().relay_state.as_deref(), Some("typed"));
}
