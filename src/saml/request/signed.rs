//! The signature of a request: whether one is wanted, whether it is right, and what it covers.

use std::borrow::Cow;

use super::{Parsed, RequestError, parse};
use crate::config::SignedRequests;
use crate::saml::service_provider::ServiceProvider;
use crate::saml::{verify, xml};

/// The signature that came with a request, unchecked: whose it has to be is known only once the sender is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// None.
    Nothing,
    /// Beside the message, in this query.
    Query(String),
    /// Within the message, which is this.
    Message(String),
}

/// What may be believed of the request. With a signature inside, what it covers is read anew and all else is forgotten. A
/// signature of an app whose certificates are not known counts for nothing.
pub(super) fn believed<'a>(parsed: &'a Parsed, sp: &ServiceProvider) -> Result<Cow<'a, Parsed>, RequestError> {
    let certificates = sp.request_certificates();
    if parsed.carried == Carried::Nothing || certificates.is_empty() {
        return match sp.signed_requests() {
            SignedRequests::Required => Err(RequestError::Unsigned),
            SignedRequests::Accepted => Ok(Cow::Borrowed(parsed)),
        };
    }
    let believed = match &parsed.carried {
        Carried::Nothing => return Err(RequestError::Unsigned),
        Carried::Query(query) => {
            verify::query(query, "SAMLRequest", certificates)?;
            Cow::Borrowed(parsed)
        }
        Carried::Message(message) => {
            let covered = verify::enveloped(message, certificates, xml::MESSAGE)?;
            Cow::Owned(parse::authn_request(&covered, parsed.relay_state.clone())?)
        }
    };
    // What was covered must be about the app whose certificates were taken, and meant for us (SAML bindings §3.4.5.2, §3.5.5.2).
    match &believed.destination {
        _ if believed.issuer != parsed.issuer => Err(RequestError::UnknownIssuer(believed.issuer.clone())),
        None => Err(RequestError::NoDestination),
        Some(_) => Ok(believed),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::super::{Refusal, VerifiedAuthnRequest, parse_post, parse_redirect, verify};
    use super::*;
    use crate::config::AppConfig;
    use crate::domain::SignatureAlgorithm;
    use crate::saml::certificate::Certificate;
    use crate::saml::fixtures::{IDP, now, wiki_config};
    use crate::saml::verify::VerifyError;
    use crate::saml::{Supplied, encode};

    /// The wiki, which signs with the key of the tests' identity provider.
    fn wiki(signed_requests: SignedRequests, certificates: Vec<Certificate>) -> Vec<Arc<ServiceProvider>> {
        let config = AppConfig { signed_requests, ..wiki_config() };
        let supplied = Supplied { request_certificates: certificates, ..Supplied::default() };
        vec![Arc::new(ServiceProvider::build(&config, &supplied).unwrap())]
    }

    fn its_own() -> Vec<Certificate> {
        IDP.keys().certificates().cloned().collect()
    }

    fn request(attributes: &str) -> String {
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_r1\" Version=\"2.0\" \
             IssueInstant=\"2026-11-21T12:00:00Z\" {attributes}><saml:Issuer \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://wiki.example.com/saml</saml:Issuer>\
             </samlp:AuthnRequest>"
        )
    }

    fn addressed() -> String {
        request(&format!("Destination=\"{}\" ForceAuthn=\"true\"", IDP.sso_url()))
    }

    fn signed(xml: &str) -> String {
        IDP.keys().sign_element(xml, "_r1", SignatureAlgorithm::RsaSha256).unwrap()
    }

    fn posted(xml: &str, apps: &[Arc<ServiceProvider>]) -> Result<VerifiedAuthnRequest, Refusal> {
        verify(&parse_post([("SAMLRequest", encode::post(xml).as_str())])?, apps, IDP.sso_url(), now())
    }

    fn query(xml: &str) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let algorithm = SignatureAlgorithm::RsaSha256;
        let octets =
            format!("SAMLRequest={}&SigAlg={}", encoded(&encode::redirect(xml).unwrap()), encoded(algorithm.uri()));
        let value = IDP.keys().key(algorithm).unwrap().sign(algorithm, octets.as_bytes()).unwrap();
        format!("{octets}&Signature={}", encoded(&STANDARD.encode(value)))
    }

    fn redirected(query: &str, apps: &[Arc<ServiceProvider>]) -> Result<VerifiedAuthnRequest, Refusal> {
        verify(&parse_redirect(query)?, apps, IDP.sso_url(), now())
    }

    #[test]
    fn a_right_signature_is_taken_whether_wanted_or_not() {
        for apps in [wiki(SignedRequests::Required, its_own()), wiki(SignedRequests::Accepted, its_own())] {
            for result in [posted(&signed(&addressed()), &apps), redirected(&query(&addressed()), &apps)] {
                assert!(result.unwrap().force_authn());
            }
        }
    }

    #[test]
    fn no_signature_is_refused_only_where_one_is_wanted() {
        let refused = Err(Refusal::Local(RequestError::Unsigned));
        assert_eq!(posted(&addressed(), &wiki(SignedRequests::Required, its_own())), refused);
        assert!(posted(&addressed(), &wiki(SignedRequests::Accepted, its_own())).is_ok());
        let plain = query(&addressed()).split('&').next().unwrap().to_owned();
        assert_eq!(redirected(&plain, &wiki(SignedRequests::Required, its_own())), refused);
    }

    #[test]
    fn a_wrong_signature_is_refused_even_where_none_is_wanted() {
        let apps = wiki(SignedRequests::Accepted, its_own());
        let changed = signed(&addressed()).replace("ForceAuthn=\"true\"", "ForceAuthn=\"false\"");
        assert_eq!(posted(&changed, &apps), Err(RequestError::Signature(VerifyError::Digest).into()));
        let changed = query(&addressed()).replace("&SigAlg", "&RelayState=x&SigAlg");
        assert_eq!(redirected(&changed, &apps), Err(RequestError::Signature(VerifyError::Signature).into()));
        let cut = query(&addressed());
        let (cut, _) = cut.split_once("&Signature=").unwrap();
        assert!(matches!(redirected(cut, &apps), Err(Refusal::Local(RequestError::Signature(VerifyError::Form(_))))));
    }

    #[test]
    fn a_signature_nobody_can_check_counts_for_nothing() {
        let apps = wiki(SignedRequests::Accepted, Vec::new());
        assert!(posted(&signed(&addressed()), &apps).is_ok());
        assert!(redirected(&query(&addressed()), &apps).is_ok());
    }

    #[test]
    fn a_signed_request_says_whom_it_is_for() {
        let apps = wiki(SignedRequests::Required, its_own());
        let nobody = Err(Refusal::Local(RequestError::NoDestination));
        assert_eq!(posted(&signed(&request("")), &apps), nobody);
        assert_eq!(redirected(&query(&request("")), &apps), nobody);
        let other = signed(&request("Destination=\"https://other.example.com/saml/sso\""));
        assert!(matches!(posted(&other, &apps), Err(Refusal::Local(RequestError::Destination(_)))));
    }

    #[test]
    fn a_signature_inside_a_redirected_message_is_refused() {
        let value = encode::redirect(&signed(&addressed())).unwrap();
        let query = format!("SAMLRequest={}", utf8_percent_encode(&value, NON_ALPHANUMERIC));
        assert!(matches!(parse_redirect(&query), Err(RequestError::Signature(VerifyError::Form(_)))));
    }

    #[test]
    fn signatures_cannot_be_wanted_of_an_app_without_certificates() {
        let config = AppConfig { signed_requests: SignedRequests::Required, ..wiki_config() };
        let problems = ServiceProvider::build(&config, &Supplied::default()).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].key, ".signed_requests");
    }
}
