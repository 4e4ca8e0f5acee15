use proptest::prelude::*;

use super::*;
use crate::config::AppConfig;
use crate::domain::Method;
use crate::saml::encode::{self, EncodingError};
use crate::saml::fixtures::{IDP, aws_config, build, now, wiki_config};

const ACS: &str = "https://wiki.example.com/acs";

/// A request of the wiki with `attributes` on its root and `children` after its Issuer.
fn request(attributes: &str, children: &str) -> String {
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_r1\" Version=\"2.0\" \
         IssueInstant=\"2026-11-21T12:00:00Z\" {attributes}>\
         <saml:Issuer>https://wiki.example.com/saml</saml:Issuer>{children}</samlp:AuthnRequest>"
    )
}

fn post(xml: &str) -> Result<Parsed, RequestError> {
    parse_post([("SAMLRequest", encode::post(xml).as_str()), ("RelayState", "a b&c")])
}

fn apps() -> Vec<Arc<ServiceProvider>> {
    vec![Arc::new(build(&wiki_config())), Arc::new(build(&aws_config()))]
}

fn verified(xml: &str) -> Result<VerifiedAuthnRequest, Refusal> {
    verify(&post(xml)?, apps().as_slice(), IDP.sso_url(), now())
}

#[test]
fn both_bindings_read_the_same() {
    let xml = request("ForceAuthn=\"true\" IsPassive=\"0\"", "");
    let query = format!(
        "SAMLRequest={}&RelayState=a+b%26c&SigAlg=x&Signature=y",
        percent_encoding::utf8_percent_encode(&encode::redirect(&xml).unwrap(), percent_encoding::NON_ALPHANUMERIC)
    );
    let parsed = parse_redirect(&query).unwrap();
    let verified = verify(&parsed, apps().as_slice(), IDP.sso_url(), now()).unwrap();
    assert_eq!(Ok(&verified), super::verify(&post(&xml).unwrap(), apps().as_slice(), IDP.sso_url(), now()).as_ref());
    assert_eq!((verified.id(), verified.app().as_str(), verified.acs()), ("_r1", "wiki", ACS));
    assert_eq!(verified.relay_state().map(RelayState::as_str), Some("a b&c"));
    assert!(verified.force_authn() && !verified.is_passive());
    let sealed = serde_json::to_string(&verified).unwrap();
    assert_eq!(serde_json::from_str::<VerifiedAuthnRequest>(&sealed).unwrap(), verified);
}

#[test]
fn base64_whose_plus_was_not_encoded_is_read() {
    let xml = request("", "<saml:Subject><saml:NameID>~~~~ÿÿÿÿ</saml:NameID></saml:Subject>");
    let value = encode::redirect(&xml).unwrap();
    assert_eq!(parse_redirect(&format!("SAMLRequest={value}")).unwrap().id, "_r1");
}

#[test]
fn parameters_that_stand_there_twice_are_refused() {
    let value = encode::redirect(&request("", "")).unwrap();
    for (query, name) in [
        (format!("SAMLRequest={value}&SAMLRequest={value}"), "SAMLRequest"),
        (format!("SAMLRequest={value}&SAML%52equest={value}"), "SAMLRequest"),
        (format!("SAMLRequest={value}&RelayState=a&RelayState=a"), "RelayState"),
        (format!("SAMLRequest={value}&Signature=a&Signature=b"), "Signature"),
    ] {
        assert_eq!(parse_redirect(&query), Err(BindingError::Duplicate(name).into()), "{query}");
    }
    let fields = [("SAMLRequest", value.as_str()), ("SAMLRequest", value.as_str())];
    assert_eq!(parse_post(fields), Err(BindingError::Duplicate("SAMLRequest").into()));
}

#[test]
fn huge_and_broken_messages_are_refused() {
    let bomb = encode::redirect(&" ".repeat(20_000_000)).unwrap();
    let bomb = percent_encoding::utf8_percent_encode(&bomb, percent_encoding::NON_ALPHANUMERIC).to_string();
    for (query, expected) in [
        (format!("SAMLRequest={bomb}"), BindingError::Encoding(EncodingError::TooLarge).into()),
        ("x".repeat(200_000), BindingError::TooLarge.into()),
        ("a&".repeat(40), BindingError::TooLarge.into()),
        (String::new(), RequestError::Missing),
        ("SAMLRequest=%ff".into(), BindingError::Encoding(EncodingError::NotUtf8).into()),
        ("SAMLRequest=!".into(), BindingError::Encoding(EncodingError::NotBase64).into()),
        ("SAMLRequest=AAAA".into(), BindingError::Encoding(EncodingError::NotDeflate).into()),
        (
            format!("SAMLRequest={}&RelayState={}", "AAAA", "x".repeat(2000)),
            BindingError::Encoding(EncodingError::NotDeflate).into(),
        ),
    ] {
        assert_eq!(parse_redirect(&query), Err(expected), "{}", query.chars().take(60).collect::<String>());
    }
    let long = request("", &format!("<saml:Subject><saml:NameID>{}</saml:NameID></saml:Subject>", "x".repeat(2000)));
    assert!(matches!(post(&long), Err(RequestError::Malformed(_))));
}

#[test]
fn xml_that_readers_would_differ_on_is_refused() {
    let good = request("", "");
    let deep = format!("{}{}", "<saml:Advice>".repeat(30), "</saml:Advice>".repeat(30));
    let very_deep = format!("{}{}", "<a>".repeat(1900), "</a>".repeat(1900));
    for (xml, why) in [
        (format!("<!DOCTYPE a [<!ENTITY e \"x\">]>{good}"), "a DTD"),
        (format!("<!DOCTYPE a SYSTEM \"file:///etc/passwd\">{good}"), "an external DTD"),
        (good.replace("com/saml<", "com<!-- -->/saml<"), "a comment in the issuer"),
        (good.replace("com/saml<", "com<b/>/saml<"), "an element in the issuer"),
        (good.replace("<saml:Issuer>", "<saml:Issuer>a</saml:Issuer><saml:Issuer>"), "two issuers"),
        (good.replace("saml:Issuer", "saml:Other"), "no issuer"),
        (good.replace("\"2.0\"", "\"1.1\""), "another version"),
        (good.replace("\"_r1\"", "\"1 r\""), "an id that is no name"),
        (good.replace("2026-11-21T12:00:00Z", "yesterday"), "a time that is none"),
        (good.replace("AuthnRequest", "LogoutRequest"), "another message"),
        (good.replace("SAML:2.0:protocol", "SAML:1.1:protocol"), "another namespace"),
        (request("IsPassive=\"yes\"", ""), "a flag that is none"),
        (
            request(&format!("AssertionConsumerServiceURL=\"{ACS}\" AssertionConsumerServiceIndex=\"0\""), ""),
            "two addresses",
        ),
        (request("", &deep), "deep nesting"),
        (request("", &very_deep), "very deep nesting"),
        (request("", &"<a/>".repeat(3000)), "many elements"),
        (request("", "<saml:Subject><saml:EncryptedID/></saml:Subject>"), "an encrypted subject"),
        (format!("{good}{good}"), "two roots"),
        ("<a".to_owned(), "half an element"),
    ] {
        assert!(matches!(post(&xml), Err(RequestError::Malformed(_))), "{why}: {:?}", post(&xml));
    }
}

#[test]
fn strangers_get_an_answer_here() {
    let sso = IDP.sso_url();
    for (xml, expected) in [
        (
            request("", "").replace("wiki.example.com/saml", "evil.example.com"),
            RequestError::UnknownIssuer("https://evil.example.com".into()),
        ),
        (
            request("AssertionConsumerServiceURL=\"https://evil.example.com/acs\"", ""),
            RequestError::UnknownAcs("https://evil.example.com/acs".into()),
        ),
        (request(&format!("AssertionConsumerServiceURL=\"{ACS}/\""), ""), RequestError::UnknownAcs(format!("{ACS}/"))),
        (request("AssertionConsumerServiceIndex=\"2\"", ""), RequestError::UnknownAcs("number 2".into())),
        (request(&format!("Destination=\"{sso}/\""), ""), RequestError::Destination(format!("{sso}/"))),
    ] {
        assert_eq!(verified(&xml), Err(Refusal::Local(expected)), "{xml}");
    }
}

#[test]
fn requests_count_for_five_minutes() {
    for (second, good) in [(300, true), (301, false), (-60, true), (-61, false)] {
        let at = Timestamp::from_second(now().as_second() - second).unwrap();
        let result = verified(&request("", "").replace("2026-11-21T12:00:00Z", &at.to_string()));
        assert_eq!(result.is_ok(), good, "{second} seconds old: {result:?}");
    }
}

#[test]
fn registered_addresses_are_found_by_url_and_by_position() {
    let second = "https://wiki.example.com/acs2?a=1&b=2";
    for (attributes, expected) in [
        ("", ACS),
        ("AssertionConsumerServiceIndex=\"1\"", second),
        ("AssertionConsumerServiceURL=\"https://wiki.example.com/acs2?a=1&amp;b=2\"", second),
        (&format!("Destination=\"{}\"", IDP.sso_url()), ACS),
    ] {
        assert_eq!(verified(&request(attributes, "")).unwrap().acs(), expected);
    }
}

#[test]
fn wishes_that_cannot_be_met_are_answered_with_a_status() {
    let policy = |format: &str| format!("<samlp:NameIDPolicy Format=\"{format}\"/>");
    let scoping = |entity_id: &str| {
        format!(
            "<samlp:Scoping ProxyCount=\"0\"><samlp:IDPList><samlp:IDPEntry ProviderID=\"{entity_id}\"/></samlp:IDPList></samlp:Scoping>"
        )
    };
    let context = |class: &str| {
        format!(
            "<samlp:RequestedAuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:{class}\
             </saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
        )
    };
    for (attributes, children, expected) in [
        (
            "ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:PAOS\"",
            String::new(),
            SecondLevel::UnsupportedBinding,
        ),
        ("", policy(NameIdFormat::EmailAddress.uri()), SecondLevel::InvalidNameIdPolicy),
        ("", policy("urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos"), SecondLevel::InvalidNameIdPolicy),
        ("", "<samlp:NameIDPolicy SPNameQualifier=\"other\"/>".into(), SecondLevel::InvalidNameIdPolicy),
        ("", context("Kerberos"), SecondLevel::NoAuthnContext),
        ("", scoping("https://other.example.com/saml/metadata"), SecondLevel::NoSupportedIdp),
    ] {
        match verified(&request(attributes, &children)) {
            Err(Refusal::Status { app, reply }) => {
                assert_eq!((app.as_str(), reply.status), ("wiki", expected));
                assert_eq!((reply.acs.as_str(), reply.in_response_to.as_deref()), (ACS, Some("_r1")));
                assert_eq!(reply.relay_state.as_ref().map(RelayState::as_str), Some("a b&c"));
            }
            other => panic!("{children}: {other:?}"),
        }
    }
    let transient = verified(&request("", &policy(NameIdFormat::Transient.uri()))).unwrap();
    assert_eq!(transient.name_id_format(), Some(NameIdFormat::Transient));
    assert!(verified(&request("", &scoping(IDP.entity_id()))).is_ok());
    let unspecified = verified(&request("", &policy(NameIdFormat::Unspecified.uri()))).unwrap();
    assert_eq!(unspecified.name_id_format(), None);
}

#[test]
fn contexts_ask_for_proofs_and_are_stated_as_asked_for() {
    use AuthnContextClass::{PasswordProtectedTransport as Password, TimeSyncToken as Token, Unspecified};
    let asked = |class: AuthnContextClass| {
        let context = format!(
            "<samlp:RequestedAuthnContext Comparison=\"exact\"><saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef>\
             </samlp:RequestedAuthnContext>",
            class.uri()
        );
        verified(&request("", &context)).unwrap()
    };
    let one = MethodSet::EMPTY.with(Method::Password);
    let two = one.with(Method::Totp);
    for (class, proofs, stated) in [
        (Password, two, Some(Password)),
        (Password, one, Some(Password)),
        (Token, one, None),
        (Token, two, Some(Token)),
        (Password, MethodSet::EMPTY, None),
        (Unspecified, MethodSet::EMPTY, Some(Unspecified)),
    ] {
        let request = asked(class);
        assert_eq!(request.context_to_state(proofs, Profile::Compat), stated, "{class:?} {proofs:?}");
        assert_eq!(request.required().is_met_by(proofs, Profile::Compat), stated.is_some(), "{class:?} {proofs:?}");
    }
    let free = verified(&request("", "")).unwrap();
    assert_eq!(free.context_to_state(two, Profile::Compat), Some(Token));
    assert!(free.required().is_nothing());
}

#[test]
fn two_apps_with_one_entity_id_are_no_answer() {
    let twice = vec![Arc::new(build(&aws_config())), Arc::new(build(&AppConfig { ..aws_config() }))];
    assert_eq!(twice.as_slice().by_entity_id("urn:amazon:webservices"), None);
    assert!(twice[..1].by_entity_id("urn:amazon:webservices").is_some());
}

proptest! {
    #[test]
    fn nothing_a_stranger_sends_panics(query in ".{0,200}", xml in "[<>/a-zA-Z:=\"' &;!?\\[\\]-]{0,200}") {
        let _ = parse_redirect(&query);
        let _ = post(&xml);
        let _ = post(&request(&xml, ""));
        let _ = post(&request("", &xml));
    }
}
