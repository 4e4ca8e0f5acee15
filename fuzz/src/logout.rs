//! Logout messages over both bindings.

use std::sync::{Arc, LazyLock};

use cedargate::config::{AppConfig, LogoutConfig};
use cedargate::domain::{AppId, LogoutBinding, SignatureAlgorithm};
use cedargate::saml::logout::{self, LogoutError, LogoutMessage, Received, Word};
use cedargate::saml::{
    Certificate, IdentityProvider, KeyFailed, ServiceProvider, SigningKey, SigningKeys, Supplied, encode,
};

use crate::requests::{certificates, now, packed};

/// Nothing is signed here.
struct NoKey(Certificate);

impl SigningKey for NoKey {
    fn certificate(&self) -> &Certificate {
        &self.0
    }

    fn sign(&self, _: SignatureAlgorithm, _: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        Err(KeyFailed)
    }
}

static IDP: LazyLock<IdentityProvider> = LazyLock::new(|| {
    let certificate = certificates().swap_remove(0);
    IdentityProvider::new("https://login.example.com", SigningKeys::new(Arc::new(NoKey(certificate)), None, Vec::new()))
});

static APPS: LazyLock<Vec<Arc<ServiceProvider>>> = LazyLock::new(|| vec![Arc::new(app())]);

/// What was signed is believed: were it not, nothing could be seen to be forged.
static HONEST: LazyLock<()> = LazyLock::new(|| {
    let believed = |received: Result<Received, LogoutError>| {
        logout::verify(&received.expect("a message"), APPS.as_slice(), &IDP, now()).expect("signed by the app");
    };
    let post = |name, xml| believed(logout::receive_post([(name, encode::post(xml).as_str())]));
    post("SAMLRequest", include_str!("../corpus/logout_request/request-signed-rsa"));
    post("SAMLRequest", include_str!("../corpus/logout_request/request-signed-ecdsa"));
    post("SAMLResponse", include_str!("../corpus/logout_request/response-signed-rsa"));
    believed(logout::receive_redirect(include_str!("../corpus/logout_request/query-request-rsa")));
    believed(logout::receive_redirect(include_str!("../corpus/logout_request/query-request-ecdsa")));
    believed(logout::receive_redirect(include_str!("../corpus/logout_request/query-response-rsa")));
});

fn app() -> ServiceProvider {
    let logout = LogoutConfig {
        url: "https://signed.example.com/slo".into(),
        response_url: None,
        binding: LogoutBinding::default(),
    };
    let config = AppConfig {
        entity_id: Some("https://signed.example.com/saml".into()),
        acs: vec!["https://signed.example.com/acs".into()],
        logout: Some(logout),
        ..AppConfig::new(AppId::parse("signed").expect("an app id"))
    };
    let supplied = Supplied { request_certificates: certificates(), ..Supplied::default() };
    ServiceProvider::build(&config, &supplied).expect("a good app")
}

/// The query of an address, or the XML of a message, which then goes through both bindings.
pub fn logout_request(input: &str) {
    *HONEST;
    if input.starts_with('<') {
        logout::fuzz_parse(input);
        for name in ["SAMLRequest", "SAMLResponse"] {
            check(logout::receive_post([(name, encode::post(input).as_str())]));
            check(logout::receive_redirect(&format!("{name}={}", packed(input))));
        }
    } else {
        check(logout::receive_redirect(input));
    }
}

/// Nobody but those who made the corpora ever signed for the app: what is believed of it is what they signed.
fn check(received: Result<Received, LogoutError>) {
    let Ok(received) = received else { return };
    match logout::verify(&received, APPS.as_slice(), &IDP, now()) {
        Ok(LogoutMessage::Request(request)) => {
            assert_eq!((request.id(), request.app().as_str()), ("_l1", "signed"), "forged");
            let sealed = serde_json::to_value(&request).expect("it is written");
            assert_eq!(sealed["name"]["value"], "_ann", "forged");
            assert_eq!(sealed["session_indexes"], serde_json::json!(["_s1"]), "forged");
        }
        Ok(LogoutMessage::Answer(answer)) => match answer.word() {
            Word::SignedOut => assert_eq!(answer.in_response_to(), "_q1", "forged"),
            Word::Failed => panic!("forged"),
            Word::Unsigned => {}
        },
        Err(_) => {}
    }
}
