//! What the documents say, and who takes them.

use std::collections::BTreeSet;

use roxmltree::Document;

use super::*;
use crate::clock::{FixedEntropy, ManualClock};
use crate::config::AppConfig;
use crate::saml::fixtures::{Files, IDP, aws_config, build, entropy, now, wiki_config};
use crate::saml::keys::{KeyFolder, KeyStore, NewKey, RsaBits};

/// Of two keys of each kind.
fn rotating() -> IdentityProvider {
    let dir = tempfile::tempdir().unwrap();
    KeyStore::ensure(dir.path(), &ManualClock::at(now()), &entropy()).unwrap();
    let folder = KeyFolder::new(dir.path());
    for (seed, new) in [(1, NewKey::Rsa(RsaBits::B2048)), (2, NewKey::Ecdsa), (3, NewKey::Ecdsa)] {
        folder.make_next(new, now(), &FixedEntropy::seeded(seed)).unwrap();
    }
    IdentityProvider::new("https://login.example.com", KeyStore::open(dir.path()).unwrap().signing_keys())
}

fn texts(xml: &str, name: &str) -> Vec<String> {
    let document = Document::parse(xml).unwrap();
    let descriptor = document.descendants().find(|node| node.has_tag_name((ns::METADATA, "IDPSSODescriptor"))).unwrap();
    let found = descriptor.descendants().filter(|node| node.tag_name().name() == name);
    found.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

#[test]
fn it_is_signed_at_the_root_meets_the_schema_and_what_aws_asks() {
    for validity in [Validity::Week, Validity::Unlimited] {
        let xml = &IDP.metadata(None, validity, now()).unwrap().xml;
        let files = Files::of(xml);
        assert!(files.xmlsec1_verifies("EntityDescriptor"), "{xml}");
        assert_eq!(files.schema_errors("saml-schema-metadata-2.0.xsd"), "", "{xml}");
        assert!(
            !Files::of(&xml.replace("login.example.com/saml/sso", "evil.example/saml/sso"))
                .xmlsec1_verifies("EntityDescriptor")
        );
        assert!(xml.len() >= 1000 && xml.is_ascii() && xml.starts_with("<?xml"), "{xml}");
        let document = Document::parse(xml).unwrap();
        let root = document.root_element();
        assert_eq!(root.first_element_child().unwrap().tag_name().name(), "Signature");
        assert_eq!(root.attribute("entityID"), Some("https://login.example.com/saml/metadata"));
        let services: Vec<_> = document
            .descendants()
            .filter_map(|node| Some((node.tag_name().name(), node.attribute("Binding")?, node.attribute("Location")?)))
            .collect();
        let (slo, sso) = ("https://login.example.com/saml/slo", "https://login.example.com/saml/sso");
        assert_eq!(
            services,
            [
                ("SingleLogoutService", BINDING_REDIRECT, slo),
                ("SingleLogoutService", BINDING_POST, slo),
                ("SingleSignOnService", BINDING_REDIRECT, sso),
                ("SingleSignOnService", BINDING_POST, sso),
            ]
        );
    }
}

#[test]
fn what_is_fetched_again_ends_in_a_week_and_what_is_uploaded_does_not() {
    let of = |validity| IDP.metadata(None, validity, now()).unwrap().xml.clone();
    let week = of(Validity::Week);
    assert!(week.contains(" validUntil=\"2026-11-29T00:00:00Z\" cacheDuration=\"P1D\""), "{week}");
    let unlimited = of(Validity::Unlimited);
    assert!(!unlimited.contains("validUntil") && !unlimited.contains("cacheDuration"), "{unlimited}");
}

#[test]
fn a_document_is_made_once_a_day_and_the_same_on_every_node() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let first = IDP.metadata(None, Validity::Week, at("2026-11-21T00:00:00Z")).unwrap();
    let later = IDP.metadata(None, Validity::Week, at("2026-11-21T23:59:59Z")).unwrap();
    assert!(Arc::ptr_eq(&first, &later), "it is not made again");
    let tomorrow = IDP.metadata(None, Validity::Week, at("2026-11-22T00:00:00Z")).unwrap();
    assert_ne!(tomorrow.etag, first.etag);
    let again = IDP.metadata(None, Validity::Week, at("2026-11-21T12:00:00Z")).unwrap();
    assert_eq!(again, first, "equal input, equal bytes");
    let unlimited = |day| IDP.metadata(None, Validity::Unlimited, at(day)).unwrap();
    assert_eq!(unlimited("2026-11-21T00:00:00Z").etag, unlimited("2026-11-22T00:00:00Z").etag);
}

#[test]
fn all_certificates_are_told_and_an_app_is_told_those_that_sign_for_it() {
    let idp = rotating();
    let certificates = |app: Option<&ServiceProvider>| -> BTreeSet<String> {
        let document = idp.metadata(app, Validity::Week, now()).unwrap();
        assert_eq!(Files::of(&document.xml).schema_errors("saml-schema-metadata-2.0.xsd"), "");
        texts(&document.xml, "X509Certificate").into_iter().collect()
    };
    let ecdsa = AppConfig { signature_algorithm: SignatureAlgorithm::EcdsaSha256, ..wiki_config() };
    let (all, rsa, ecdsa) =
        (certificates(None), certificates(Some(&build(&aws_config()))), certificates(Some(&build(&ecdsa))));
    assert_eq!((all.len(), rsa.len(), ecdsa.len()), (4, 2, 2));
    assert_eq!(rsa.union(&ecdsa).cloned().collect::<BTreeSet<_>>(), all);
}

#[test]
fn an_app_is_told_the_formats_it_may_get() {
    let formats = |app: Option<&AppConfig>| {
        let app = app.map(build);
        texts(&IDP.metadata(app.as_ref(), Validity::Week, now()).unwrap().xml, "NameIDFormat")
    };
    assert_eq!(formats(None).len(), NameIdFormat::ALL.len());
    let email =
        AppConfig { id: AppId::parse("mail").unwrap(), name_id: Some(NameIdFormat::EmailAddress), ..wiki_config() };
    assert_eq!(formats(Some(&email)), [NameIdFormat::EmailAddress.uri()]);
    let any = AppConfig { id: AppId::parse("any").unwrap(), name_id: None, name_id_field: None, ..wiki_config() };
    let any: BTreeSet<_> = formats(Some(&any)).into_iter().collect();
    assert_eq!(any, [NameIdFormat::Persistent, NameIdFormat::Transient].map(|format| format.uri().to_owned()).into());
}

#[test]
fn addresses_with_markup_stay_what_they_are_and_control_characters_are_refused() {
    let with = |url: &str| {
        IdentityProvider::new(url, IDP.keys().clone())
            .metadata(None, Validity::Week, now())
            .map(|made| made.xml.clone())
    };
    let xml = with("https://login.example.com/\"><x a='&").unwrap();
    let document = Document::parse(&xml).unwrap();
    assert_eq!(
        document.root_element().attribute("entityID"),
        Some("https://login.example.com/\"><x a='&/saml/metadata")
    );
    assert!(with("https://login.example.com/\u{1}").is_err());
}

#[test]
fn an_app_whose_requests_have_to_be_signed_reads_so() {
    let certificate = IDP.keys().key(SignatureAlgorithm::RsaSha256).unwrap().certificate().clone();
    let supplied = crate::saml::Supplied { request_certificates: vec![certificate], ..Default::default() };
    for (signed_requests, wanted) in [(SignedRequests::Accepted, "false"), (SignedRequests::Required, "true")] {
        let config = AppConfig { signed_requests, ..wiki_config() };
        let sp = ServiceProvider::build(&config, &supplied).unwrap();
        // Not the cache of `IDP`, which knows an app of this name already.
        let xml = rotating().metadata(Some(&sp), Validity::Week, now()).unwrap().xml.clone();
        let document = Document::parse(&xml).unwrap();
        let descriptor = document.root_element().last_element_child().unwrap();
        assert_eq!(descriptor.attribute("WantAuthnRequestsSigned"), Some(wanted));
    }
}
