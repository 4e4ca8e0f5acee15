//! AuthnRequests over both bindings, held against what is registered.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cedargate::clock::Timestamp;
use cedargate::config::{AppConfig, Preset, RoleConfig, SignedRequests};
use cedargate::domain::{AppId, NameIdFormat, RelayState, RoleName};
use cedargate::saml::request::{self, Parsed, RequestError};
use cedargate::saml::{Certificate, Refusal, ServiceProvider, Supplied, VerifiedAuthnRequest, encode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Where the requests of the corpora are addressed to.
const SSO: &str = "https://login.example.com/saml/sso";

static APPS: LazyLock<Vec<Arc<ServiceProvider>>> =
    LazyLock::new(|| vec![Arc::new(wiki()), Arc::new(aws()), Arc::new(signed())]);

fn app(id: &str) -> AppConfig {
    AppConfig::new(AppId::parse(id).expect("an app id"))
}

fn wiki() -> ServiceProvider {
    let config = AppConfig {
        entity_id: Some("https://wiki.example.com/saml".into()),
        acs: vec!["https://wiki.example.com/acs".into(), "https://wiki.example.com/acs2?a=1&b=2".into()],
        relay_states: BTreeMap::from([("home".to_owned(), "https://wiki.example.com/home".to_owned())]),
        ..app("wiki")
    };
    ServiceProvider::build(&config, &Supplied::default()).expect("a good app")
}

fn aws() -> ServiceProvider {
    let role = RoleConfig {
        name: RoleName::parse("Dev").expect("a role name"),
        role_arn: "arn:aws:iam::123456789012:role/Dev".into(),
        provider_arn: "arn:aws:iam::123456789012:saml-provider/cedargate".into(),
    };
    let config = AppConfig { preset: Some(Preset::Aws), roles: vec![role], ..app("aws") };
    ServiceProvider::build(&config, &Supplied::default()).expect("a good app")
}

/// An app that signs everything, by keys that nobody has any more: what gets through in its name is in the corpora.
fn signed() -> ServiceProvider {
    let config = AppConfig {
        entity_id: Some("https://signed.example.com/saml".into()),
        acs: vec!["https://signed.example.com/acs".into()],
        signed_requests: SignedRequests::Required,
        ..app("signed")
    };
    let supplied = Supplied { request_certificates: certificates(), ..Supplied::default() };
    ServiceProvider::build(&config, &supplied).expect("a good app")
}

/// RSA-2048 and P-256.
pub(crate) fn certificates() -> Vec<Certificate> {
    [include_str!("../certificates/rsa.pem"), include_str!("../certificates/ec.pem")]
        .map(|pem| Certificate::from_pem(pem).expect("a certificate"))
        .into()
}

/// When the requests of the corpora were issued.
pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

/// What was signed is believed: were it not, nothing could be seen to be forged.
static HONEST: LazyLock<()> = LazyLock::new(|| {
    let signed = [
        include_str!("../corpus/post_binding/signed-rsa"),
        include_str!("../corpus/post_binding/signed-ecdsa"),
        include_str!("../corpus/post_binding/signed-c14n10"),
    ];
    for xml in signed {
        check(request::parse_post([("SAMLRequest", encode::post(xml).as_str())])).expect("posted, and signed");
    }
    let signed = [
        include_str!("../corpus/redirect_binding/query-signed-rsa"),
        include_str!("../corpus/redirect_binding/query-signed-ecdsa"),
    ];
    for query in signed {
        let verified = check(request::parse_redirect(query)).expect("a query, and signed");
        assert_eq!(verified.app().as_str(), "signed");
    }
});

/// The query of an address. What begins with `<` is the XML of a request, which is packed first, so that mutations reach the
/// reader and do not all end in the decompressor.
pub fn redirect_binding(input: &str) {
    *HONEST;
    if input.starts_with('<') {
        check(request::parse_redirect(&packed_query(input)));
    } else {
        check(request::parse_redirect(input));
    }
}

/// The body of a posted form. What begins with `<` is the XML of a request, read through both bindings, which have to agree
/// on it: only the way it travels differs.
pub fn post_binding(input: &[u8]) {
    *HONEST;
    match std::str::from_utf8(input) {
        Ok(xml) if xml.starts_with('<') => {
            let posted =
                check(request::parse_post([("SAMLRequest", encode::post(xml).as_str()), ("RelayState", "home")]));
            // A signature stands in the XML in one binding and beside it in the other.
            if !xml.contains("Signature") {
                assert_eq!(posted, check(request::parse_redirect(&packed_query(xml))), "the bindings disagree");
            }
        }
        _ => {
            let Ok(fields) = serde_urlencoded::from_bytes::<Vec<(String, String)>>(input) else { return };
            check(request::parse_post(fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
        }
    }
}

/// A message as a value of the Redirect binding.
pub(crate) fn packed(xml: &str) -> String {
    let packed = encode::redirect(xml).expect("deflate works on memory");
    utf8_percent_encode(&packed, NON_ALPHANUMERIC).to_string()
}

fn packed_query(xml: &str) -> String {
    format!("SAMLRequest={}&RelayState=home", packed(xml))
}

/// Goes on with what was parsed as the server does.
fn check(parsed: Result<Parsed, RequestError>) -> Option<VerifiedAuthnRequest> {
    match request::verify(&parsed.ok()?, APPS.as_slice(), SSO, now()) {
        Ok(verified) => {
            promises(&verified);
            Some(verified)
        }
        Err(Refusal::Status { app, reply }) => {
            assert!(is_registered(&app, &reply.acs), "a status goes to an address of the app alone");
            assert!(reply.relay_state.as_ref().is_none_or(is_harmless));
            None
        }
        Err(Refusal::Local(_)) => None,
    }
}

/// What is true of every request that may be acted on.
fn promises(verified: &VerifiedAuthnRequest) {
    assert!(is_registered(verified.app(), verified.acs()), "answers go to registered addresses alone");
    let id = verified.id();
    let is_name = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    assert!(is_name && (1..=256).contains(&id.len()), "`{id}` goes back in InResponseTo");
    assert!(verified.relay_state().is_none_or(is_harmless));
    if let Some(subject) = verified.subject() {
        assert!(subject.value.len() <= 1024 && !subject.value.chars().any(char::is_control));
    }
    assert_eq!(verified.digest().len(), 64);
    let age = now().as_second() - verified.issue_instant().as_second();
    assert!((-request::MAX_AHEAD_SECONDS..=request::MAX_AGE_SECONDS).contains(&age), "{age} seconds old");
    if verified.app().as_str() == "signed" {
        // Nobody but those who made the corpora ever signed for it, and they signed nothing else: anything else is forged.
        assert_eq!((verified.id(), verified.acs()), ("_r1", "https://signed.example.com/acs"), "forged");
        assert!(!verified.force_authn() && !verified.is_passive() && verified.subject().is_none(), "forged");
        assert!(matches!(verified.name_id_format(), None | Some(NameIdFormat::Transient)), "forged");
    }
    // It is sealed into an address and opened again.
    let sealed = serde_json::to_string(verified).expect("it is written");
    let opened: VerifiedAuthnRequest = serde_json::from_str(&sealed).expect("it is read back");
    assert_eq!(&opened, verified);
}

fn is_registered(app: &AppId, acs: &str) -> bool {
    APPS.iter().any(|sp| sp.app().id == *app && sp.acs().iter().any(|known| known == acs))
}

/// It can be sent back as it is.
fn is_harmless(relay_state: &RelayState) -> bool {
    RelayState::parse(relay_state.as_str()).is_ok() && !relay_state.as_str().chars().any(char::is_control)
}
