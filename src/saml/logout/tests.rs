//! Messages out and in, without a server around them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::config::{AppConfig, LogoutConfig};
use crate::domain::{LogoutBinding, LogoutEndpoint, SignatureAlgorithm};
use crate::saml::encode;
use crate::saml::fixtures::{Files, IDP, aws_config, entropy, now, wiki_config};
use crate::saml::request::Registry;
use crate::saml::service_provider::{ServiceProvider, Supplied};
use crate::saml::sp_metadata::{IndexedAddress, SpMetadata};
use crate::saml::xml::wrong;

const WIKI: &str = "https://wiki.example.com/saml";
const SLO: &str = "https://login.example.com/saml/slo";

/// The wiki. It signs with the key of our fixtures: one key is as good as another here.
fn wiki(certificates: usize) -> Vec<Arc<ServiceProvider>> {
    let logout = LogoutConfig {
        url: "https://wiki.example.com/slo".to_owned(),
        response_url: None,
        binding: LogoutBinding::Redirect,
    };
    let config = AppConfig { logout: Some(logout), ..wiki_config() };
    let request_certificates = IDP.keys().certificates().take(certificates).cloned().collect();
    let supplied = Supplied { request_certificates, ..Supplied::default() };
    vec![Arc::new(ServiceProvider::build(&config, &supplied).unwrap())]
}

fn request_xml() -> String {
    format!(
        "<p:LogoutRequest xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
         ID=\"_q\" Version=\"2.0\" IssueInstant=\"2026-11-21T12:00:00Z\" Destination=\"{SLO}\" \
         NotOnOrAfter=\"2026-11-21T12:05:00Z\"><a:Issuer>{WIKI}</a:Issuer><a:NameID>ann</a:NameID>\
         <p:SessionIndex>_s</p:SessionIndex></p:LogoutRequest>"
    )
}

fn response_xml(code: &str) -> String {
    format!(
        "<p:LogoutResponse xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
         ID=\"_a\" Version=\"2.0\" IssueInstant=\"2026-11-21T12:00:00Z\" Destination=\"{SLO}\" InResponseTo=\"_r\">\
         <a:Issuer>{WIKI}</a:Issuer><p:Status>{code}</p:Status></p:LogoutResponse>"
    )
}

const SUCCESS: &str = "<p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>";

fn signed_query(field: &str, xml: &str) -> String {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let algorithm = SignatureAlgorithm::RsaSha256;
    let query = format!("{field}={}&SigAlg={}", encoded(&encode::redirect(xml).unwrap()), encoded(algorithm.uri()));
    let signature = IDP.keys().key(algorithm).unwrap().sign(algorithm, query.as_bytes()).unwrap();
    format!("{query}&Signature={}", encoded(&STANDARD.encode(signature)))
}

fn signed_form(xml: &str, id: &str) -> String {
    encode::post(&IDP.keys().sign_element(xml, id, SignatureAlgorithm::RsaSha256).unwrap())
}

fn by_query(query: &str) -> Result<LogoutMessage, LogoutError> {
    verify(&receive_redirect(query)?, wiki(1).as_slice(), &IDP, now())
}

fn by_form(field: &str, value: &str) -> Result<LogoutMessage, LogoutError> {
    verify(&receive_post([(field, value)])?, wiki(1).as_slice(), &IDP, now())
}

fn name(value: &str) -> NameId {
    NameId { format: NameIdFormat::Persistent, value: value.to_owned() }
}

#[test]
fn a_signed_request_in_either_binding_means_the_session_it_names_and_no_other() {
    let query = signed_query("SAMLRequest", &request_xml());
    for message in [by_query(&query), by_form("SAMLRequest", &signed_form(&request_xml(), "_q"))] {
        let Ok(LogoutMessage::Request(request)) = message else { panic!("{message:?}") };
        assert_eq!((request.id(), request.app().as_str()), ("_q", "wiki"));
        assert!(request.means(&name("ann"), "_s"));
        for (other, index) in [("Ann", "_s"), ("ann ", "_s"), ("bob", "_s"), ("ann", "_S"), ("ann", "")] {
            assert!(!request.means(&name(other), index), "{other} {index}");
        }
    }
    let without = request_xml().replace("<p:SessionIndex>_s</p:SessionIndex>", "");
    let Ok(LogoutMessage::Request(all)) = by_query(&signed_query("SAMLRequest", &without)) else { panic!() };
    assert!(all.names_no_session());
    assert!(all.means(&name("ann"), "_any") && !all.means(&name("bob"), "_any"));
    let format = |uri: &str| request_xml().replace("<a:NameID>", &format!("<a:NameID Format=\"{uri}\">"));
    for (format, means) in [
        (NameIdFormat::Persistent.uri(), true),
        (NameIdFormat::Unspecified.uri(), true),
        (NameIdFormat::EmailAddress.uri(), false),
    ]
    .map(|(uri, means)| (format(uri), means))
    {
        let Ok(LogoutMessage::Request(request)) = by_query(&signed_query("SAMLRequest", &format)) else { panic!() };
        assert_eq!(request.means(&name("ann"), "_s"), means, "{format}");
    }
}

#[test]
fn an_answer_counts_as_far_as_it_is_signed() {
    let partial = "<p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\">\
                   <p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"/></p:StatusCode>";
    let failed = "<p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"/>";
    for (code, word) in [(SUCCESS, Word::SignedOut), (partial, Word::Failed), (failed, Word::Failed)] {
        let xml = response_xml(code);
        for message in
            [by_query(&signed_query("SAMLResponse", &xml)), by_form("SAMLResponse", &signed_form(&xml, "_a"))]
        {
            let Ok(LogoutMessage::Answer(answer)) = message else { panic!("{message:?}") };
            assert_eq!((answer.word(), answer.in_response_to(), answer.app().as_str()), (word, "_r", "wiki"));
        }
    }
    let unsigned = by_form("SAMLResponse", &encode::post(&response_xml(SUCCESS)));
    assert!(matches!(unsigned, Ok(LogoutMessage::Answer(answer)) if answer.word() == Word::Unsigned));
}

#[test]
fn what_is_not_exactly_right_signs_nobody_out() {
    let is = |found: Result<LogoutMessage, LogoutError>, wanted: &str| {
        let error = found.unwrap_err().to_string();
        assert!(error.contains(wanted), "`{error}` is not about `{wanted}`");
    };
    let changed = |old: &str, new: &str| {
        let xml = request_xml();
        assert!(xml.contains(old), "{old}");
        signed_query("SAMLRequest", &xml.replace(old, new))
    };
    let unsigned = format!("SAMLRequest={}", encode::redirect(&request_xml()).unwrap().replace('+', "%2B"));
    is(by_query(&unsigned), "not signed");
    is(by_form("SAMLRequest", &encode::post(&request_xml())), "not signed");
    is(by_query(&format!("{}&SigAlg=x", signed_query("SAMLRequest", &request_xml()))), "more than once");
    is(by_query(&format!("{}&RelayState=x", signed_query("SAMLRequest", &request_xml()))), "signature");
    is(by_query(&format!("{}&SAMLResponse=x", signed_query("SAMLRequest", &request_xml()))), "and a `SAMLResponse`");
    is(by_query("RelayState=x"), "no `SAMLRequest`");
    is(by_query(&changed(" Destination=\"https://login.example.com/saml/slo\"", "")), "addressed to ``");
    is(by_query(&changed("/saml/slo\"", "/saml/sso\"")), "addressed to `https://login.example.com/saml/sso`");
    is(by_query(&changed("IssueInstant=\"2026-11-21T12:00", "IssueInstant=\"2026-11-21T11:54")), "too old");
    is(by_query(&changed("IssueInstant=\"2026-11-21T12:00", "IssueInstant=\"2026-11-21T12:02")), "too old");
    is(by_query(&changed("NotOnOrAfter=\"2026-11-21T12:05", "NotOnOrAfter=\"2026-11-21T11:59")), "was good until");
    is(by_query(&changed(WIKI, "https://other.example.com")), "no app is registered");
    is(by_query(&changed("<a:NameID>", "<a:NameID NameQualifier=\"https://other.example.com\">")), "qualified");
    is(by_query(&changed("<a:NameID>", "<a:NameID SPNameQualifier=\"https://other.example.com\">")), "qualified");
    is(by_query(&changed("<a:NameID>ann", "<a:NameID>an<!-- -->n")), "no plain text");
    is(by_query(&changed("<a:NameID>ann</a:NameID>", "<a:EncryptedID/>")), "`EncryptedID`");
    is(by_query(&changed("<a:NameID>ann", "<a:NameID>bob</a:NameID><a:NameID>ann")), "more than once");
    is(by_query(&changed("Version=\"2.0\"", "Version=\"1.1\"")), "version 2.0");
    is(
        by_query(&changed("<p:SessionIndex>_s</p:SessionIndex>", &"<p:SessionIndex>_s</p:SessionIndex>".repeat(17))),
        "too many",
    );
    is(by_query(&signed_query("SAMLResponse", &request_xml())), "other kind");
    let doctype = format!("<!DOCTYPE x [<!ENTITY e \"ann\">]>{}", request_xml());
    is(by_query(&signed_query("SAMLRequest", &doctype)), "no logout message");
    let inside = IDP.keys().sign_element(&request_xml(), "_q", SignatureAlgorithm::RsaSha256).unwrap();
    is(by_query(&signed_query("SAMLRequest", &inside)), "belongs into the query");
    is(by_form("SAMLRequest", &encode::post(&inside.replace(">ann<", ">bob<"))), "changed after it was signed");
}

#[test]
fn an_app_without_address_or_certificate_is_not_listened_to() {
    let received = receive_redirect(&signed_query("SAMLRequest", &request_xml())).unwrap();
    let no_certificate = verify(&received, wiki(0).as_slice(), &IDP, now());
    assert_eq!(no_certificate, Err(LogoutError::NoCertificate(AppId::parse("wiki").unwrap())));
    let silent = vec![Arc::new(crate::saml::fixtures::build(&wiki_config()))];
    let no_address = verify(&received, silent.as_slice(), &IDP, now());
    assert_eq!(no_address, Err(LogoutError::NoAddress(AppId::parse("wiki").unwrap())));
    assert_eq!(LogoutError::from(wrong("x")).to_string(), "the message is no logout message: x");
}

fn endpoint(binding: LogoutBinding) -> LogoutEndpoint {
    LogoutEndpoint {
        url: "https://wiki.example.com/slo?tenant=a&b=c".to_owned(),
        response_url: "https://wiki.example.com/done".to_owned(),
        binding,
    }
}

#[test]
fn what_is_sent_is_valid_and_verifies_in_both_bindings() {
    let relay_state = Some(RelayState::parse("state \"<&+%20ü>\"").unwrap());
    for binding in [LogoutBinding::Redirect, LogoutBinding::Post] {
        for algorithm in [SignatureAlgorithm::RsaSha256, SignatureAlgorithm::RsaSha512] {
            let order = RequestOrder {
                endpoint: endpoint(binding),
                name_id: name("a & <b> \"c\" 'd'"),
                session_index: "_1".to_owned(),
                encryption: None,
                algorithm,
            };
            let sent = vec![request(&order, &IDP, now(), &entropy()).unwrap()];
            let answers = [Outcome::Everywhere, Outcome::Partly, Outcome::NobodyHere].map(|outcome| {
                let order = AnswerOrder {
                    endpoint: endpoint(binding),
                    in_response_to: "_q".to_owned(),
                    relay_state: relay_state.clone(),
                    outcome,
                    algorithm,
                };
                answer(&order, &IDP, now(), &entropy()).unwrap()
            });
            for message in sent.into_iter().chain(answers) {
                check_sent(&message, relay_state.as_ref());
            }
        }
    }
}

fn check_sent(message: &SignedMessage, relay_state: Option<&RelayState>) {
    let trusted: Vec<_> = IDP.keys().certificates().cloned().collect();
    let is_answer = message.status.is_some();
    let (element, field) =
        if is_answer { ("LogoutResponse", "SAMLResponse") } else { ("LogoutRequest", "SAMLRequest") };
    let xml = match &message.carrier {
        Carrier::Redirect(address) => {
            let query = address.split_once(&format!("{field}=")).unwrap();
            assert_eq!(
                query.0,
                if is_answer { "https://wiki.example.com/done?" } else { "https://wiki.example.com/slo?tenant=a&b=c&" }
            );
            let query = format!("{field}={}", query.1);
            crate::saml::verify::query(&query, field, &trusted).unwrap();
            let found: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
            let echoed = found.get("RelayState").map(AsRef::as_ref);
            assert_eq!(echoed, relay_state.filter(|_| is_answer).map(RelayState::as_str));
            encode::read_redirect(&found[field], 65_536).unwrap()
        }
        Carrier::Post { field: name, value, relay_state: echoed, .. } => {
            assert_eq!((*name, echoed.as_ref()), (field, relay_state.filter(|_| is_answer)));
            let xml = encode::read_post(value, 65_536).unwrap();
            assert!(Files::of(&xml).xmlsec1_verifies(element), "{xml}");
            xml
        }
    };
    assert_eq!(message.sha256, crate::saml::issuer::sha256_hex(xml.as_bytes()));
    assert_eq!(Files::of(&xml).schema_errors("saml-schema-protocol-2.0.xsd"), "", "{xml}");
    let read = parse::message(&xml).unwrap();
    assert_eq!(
        (read.head.issuer.as_str(), read.head.destination.as_deref()),
        (IDP.entity_id(), Some(&*message.destination))
    );
    if let parse::Content::Request { name, session_indexes, .. } = read.content {
        assert_eq!((name.name.value.as_str(), session_indexes), ("a & <b> \"c\" 'd'", vec!["_1".to_owned()]));
    }
}

#[test]
fn a_name_that_xml_cannot_carry_is_not_sent() {
    let order = RequestOrder {
        endpoint: endpoint(LogoutBinding::Post),
        name_id: name("a\u{0}b"),
        session_index: "_1".to_owned(),
        encryption: None,
        algorithm: SignatureAlgorithm::RsaSha256,
    };
    assert!(request(&order, &IDP, now(), &entropy()).is_err());
}

#[test]
fn addresses_for_logout_messages_are_checked_when_config_loads() {
    let at = |url: &str, response_url: Option<&str>| {
        let response_url = response_url.map(str::to_owned);
        LogoutConfig { url: url.to_owned(), response_url, binding: LogoutBinding::Post }
    };
    let keys = |config: &AppConfig| match ServiceProvider::build(config, &Supplied::default()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>(),
    };
    let wiki = |logout| AppConfig { logout: Some(logout), ..wiki_config() };
    assert!(keys(&wiki(at("https://wiki.example.com/slo", Some("http://127.0.0.1:1/slo")))).is_empty());
    assert_eq!(keys(&wiki(at("http://wiki.example.com/slo", None))), [".logout"]);
    assert_eq!(keys(&wiki(at("https://a.example/slo", Some("https://a.example/#x")))), [".logout.response_url"]);
    let aws = AppConfig { logout: Some(at("https://aws.amazon.com/slo", None)), ..aws_config() };
    assert_eq!(keys(&aws), [".logout"], "AWS takes none");
}

#[test]
fn an_app_whose_metadata_has_ended_signs_nobody_out() {
    let received = receive_redirect(&signed_query("SAMLRequest", &request_xml())).unwrap();
    let until = |end| {
        let metadata = SpMetadata {
            entity_id: WIKI.to_owned(),
            acs: vec![IndexedAddress { index: 0, url: "https://wiki.example.com/acs".to_owned() }],
            signing: IDP.keys().certificates().take(1).cloned().collect(),
            encryption: Vec::new(),
            name_id_formats: Vec::new(),
            signs_requests: false,
            wants_assertions_signed: false,
            logout: Vec::new(),
            valid_until: Some(end),
            cache_duration: None,
            left_out: Vec::new(),
        };
        let request_certificates = metadata.signing.clone();
        let supplied = Supplied { request_certificates, metadata: Some(metadata), ..Supplied::default() };
        let logout = LogoutConfig {
            url: "https://wiki.example.com/slo".to_owned(),
            response_url: None,
            binding: LogoutBinding::Redirect,
        };
        let config = AppConfig { logout: Some(logout), ..wiki_config() };
        let registry = vec![Arc::new(ServiceProvider::build(&config, &supplied).unwrap())];
        verify(&received, registry.as_slice(), &IDP, now())
    };
    let app = AppId::parse("wiki").unwrap();
    assert_eq!(until(now()), Err(LogoutError::MetadataEnded(app)));
    assert!(until(now() + jiff::SignedDuration::from_secs(1)).is_ok());
}

#[test]
fn two_apps_of_one_name_are_none() {
    let twice: Vec<_> = wiki(1).into_iter().chain(wiki(1)).collect();
    assert!(twice.as_slice().by_entity_id(WIKI).is_none());
}

proptest! {
    #[test]
    fn nothing_anybody_sends_panics(text in ".{0,300}", insert in 0usize..600) {
        fuzz_parse(&text);
        let _ = receive_redirect(&text);
        let _ = receive_post([("SAMLRequest", text.as_str())]);
        let mut xml = request_xml();
        let place = xml.char_indices().map(|(at, _)| at).nth(insert).unwrap_or(xml.len());
        xml.insert_str(place, &text);
        fuzz_parse(&xml);
        let _ = by_form("SAMLRequest", &encode::post(&xml));
    }
}
