//! How long does it take to read and verify a request, next to the bare verification of its signature? Each row is one whole
//! request: decoded, parsed, verified and checked against what is registered.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedargate::clock::{Clock as _, SystemClock, Timestamp};
use cedargate::config::AppConfig;
use cedargate::domain::{AppId, SignatureAlgorithm};
use cedargate::saml::request::{self, Parsed, RequestError};
use cedargate::saml::{Certificate, Refusal, ServiceProvider, SigningKeys, Supplied, VerifiedAuthnRequest, encode};
use criterion::{Criterion, criterion_group, criterion_main};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[path = "keys/mod.rs"]
mod keys;

const SSO: &str = "https://login.example.com/saml/sso";
const ENTITY: &str = "https://wiki.example.com/saml";

fn wiki(certificates: &[Certificate]) -> Arc<ServiceProvider> {
    let config = AppConfig {
        entity_id: Some(ENTITY.to_owned()),
        acs: vec!["https://wiki.example.com/acs".to_owned()],
        ..AppConfig::new(AppId::parse("wiki").expect("an app id"))
    };
    let supplied = Supplied { request_certificates: certificates.to_vec(), ..Supplied::default() };
    Arc::new(ServiceProvider::build(&config, &supplied).unwrap_or_else(|problems| panic!("{problems:?}")))
}

fn authn_request(now: Timestamp) -> String {
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_0123456789abcdef0123456789abcdef\" Version=\"2.0\" \
         IssueInstant=\"{now}\" Destination=\"{SSO}\" AssertionConsumerServiceURL=\"https://wiki.example.com/acs\" \
         ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"><saml:Issuer>{ENTITY}</saml:Issuer>\
         <samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\" AllowCreate=\"true\"/>\
         <samlp:RequestedAuthnContext Comparison=\"exact\"><saml:AuthnContextClassRef>\
         urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>\
         </samlp:RequestedAuthnContext></samlp:AuthnRequest>"
    )
}

fn escaped(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

/// The query of the Redirect binding, signed over its octets (SAML bindings §3.4.4.1).
fn query(xml: &str, signed: Option<(&SigningKeys, SignatureAlgorithm)>) -> String {
    let query = format!("SAMLRequest={}&RelayState=here", escaped(&encode::redirect(xml).expect("deflated")));
    let Some((keys, algorithm)) = signed else { return query };
    let octets = format!("{query}&SigAlg={}", escaped(algorithm.uri()));
    let key = keys.key(algorithm).expect("a key of this kind");
    let signature = key.sign(algorithm, octets.as_bytes()).expect("a signature");
    format!("{octets}&Signature={}", escaped(&STANDARD.encode(signature)))
}

/// The form value of the POST binding, with the signature inside.
fn form(xml: &str, signed: Option<(&SigningKeys, SignatureAlgorithm)>) -> String {
    let Some((keys, algorithm)) = signed else { return encode::post(xml) };
    encode::post(&keys.sign_element(xml, "_0123456789abcdef0123456789abcdef", algorithm).expect("signed"))
}

struct Door {
    apps: Vec<Arc<ServiceProvider>>,
    now: Timestamp,
}

impl Door {
    fn take(&self, parsed: Result<Parsed, RequestError>) -> Result<VerifiedAuthnRequest, Refusal> {
        request::verify(&parsed?, self.apps.as_slice(), SSO, self.now)
    }

    fn query(&self, query: &str) -> Result<VerifiedAuthnRequest, Refusal> {
        self.take(request::parse_redirect(black_box(query)))
    }

    fn form(&self, value: &str) -> Result<VerifiedAuthnRequest, Refusal> {
        self.take(request::parse_post([("SAMLRequest", black_box(value)), ("RelayState", "here")]))
    }
}

/// The signature alone, over as many octets as SignedInfo has.
fn bare(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    (keys, algorithm): (&SigningKeys, SignatureAlgorithm),
    method: &'static dyn VerificationAlgorithm,
) {
    let key = keys.key(algorithm).expect("a key of this kind");
    let octets = [7; 800];
    let signature = key.sign(algorithm, &octets).expect("a signature");
    let public = UnparsedPublicKey::new(method, key.certificate().public_key().to_vec());
    group.bench_function(name, |b| {
        b.iter(|| public.verify(black_box(&octets), black_box(&signature)).expect("it is right"));
    });
}

fn saml_request(criterion: &mut Criterion) {
    let (keys, certificates) = keys::both();
    let now = SystemClock.now();
    let (strangers, known) = (Door { apps: vec![wiki(&[])], now }, Door { apps: vec![wiki(&certificates)], now });
    let xml = authn_request(now);
    let (rsa, ecdsa) = (SignatureAlgorithm::RsaSha256, SignatureAlgorithm::EcdsaSha256);

    let mut group = criterion.benchmark_group("saml_request");
    bare(&mut group, "bare RSA-2048 verification", (&keys, rsa), &RSA_PKCS1_2048_8192_SHA256);
    bare(&mut group, "bare P-256 verification", (&keys, ecdsa), &ECDSA_P256_SHA256_FIXED);
    for (kind, signed) in [("unsigned", None), ("RSA-2048", Some((&keys, rsa))), ("P-256", Some((&keys, ecdsa)))] {
        let door = if signed.is_some() { &known } else { &strangers };
        let (query, form) = (query(&xml, signed), form(&xml, signed));
        if signed.is_some() {
            refuses_others(door, &query, &form);
        }
        group.bench_function(format!("Redirect, {kind}"), |b| b.iter(|| door.query(&query).expect("a good request")));
        group.bench_function(format!("POST, {kind}"), |b| b.iter(|| door.form(&form).expect("a good request")));
    }
    group.finish();
}

/// What is measured is a verification only if a changed message fails it.
fn refuses_others(door: &Door, query: &str, form: &str) {
    assert!(door.query(&query.replace("RelayState=here", "RelayState=there")).is_err(), "another query");
    let xml = encode::read_post(form, 64 * 1024).expect("our own");
    let other = encode::post(&xml.replace("AllowCreate=\"true\"", "AllowCreate=\"false\""));
    assert!(door.form(&other).is_err(), "another message");
}

criterion_group!(benches, saml_request);
criterion_main!(benches);
