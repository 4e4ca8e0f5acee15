use std::fs;
use std::path::Path;

use super::refresh::try_on;
use super::*;
use crate::config::Loaded;
use crate::runtime::apps::Apps;
use crate::runtime::{LoadError, Unavailable};

const NAMESPACE: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const CHAT_URL: &str = "https://chat.example.com/metadata";

/// The metadata of one service provider; `attributes` are those of the entity.
pub(super) fn metadata(host: &str, attributes: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"{NAMESPACE}\" entityID=\"https://{host}/saml\" {attributes}><md:SPSSODescriptor \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:AssertionConsumerService index=\"1\" \
         Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://{host}/acs\"/></md:SPSSODescriptor>\
         </md:EntityDescriptor>"
    )
}

pub(super) fn loaded(folder: &Path, text: &str) -> Loaded {
    fs::write(folder.join("config.toml"), text).unwrap();
    crate::config::load(&folder.join("config.toml"), []).unwrap_or_else(|error| panic!("{error}"))
}

fn built(loaded: &Loaded) -> Result<Apps, LoadError> {
    Apps::build(loaded, "2026-11-22".parse().unwrap())
}

fn refused(loaded: &Loaded) -> String {
    built(loaded).err().expect("a problem").to_string()
}

fn wiki(more: &str) -> String {
    format!("[[apps]]\nid = \"wiki\"\nmetadata = \"wiki.xml\"\n{more}\n")
}

fn chat() -> String {
    format!("[[apps]]\nid = \"chat\"\nmetadata = \"{CHAT_URL}\"\n")
}

fn keep_copy(loaded: &Loaded, xml: &str) {
    let copy = copy_of(&loaded.config, fetched_urls(&loaded.config).next().unwrap());
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::write(copy, xml).unwrap();
}

fn why(unavailable: &[Unavailable]) -> Vec<(&str, &str)> {
    unavailable.iter().map(|one| (one.app.id.as_str(), one.why.as_str())).collect()
}

#[test]
fn an_app_is_built_from_a_file_of_metadata() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wiki.xml"), metadata("wiki.example.com", "")).unwrap();
    let apps = built(&loaded(folder.path(), &wiki(""))).unwrap();
    assert_eq!(apps.apps[0].entity_id(), "https://wiki.example.com/saml");
    assert_eq!(apps.apps[0].acs(), ["https://wiki.example.com/acs"]);
    assert_eq!((apps.imported.len(), apps.imported[0].signed, apps.imported[0].seen), (1, false, None));
}

#[test]
fn a_file_that_is_no_metadata_is_a_problem_at_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wiki.xml");
    let config = loaded(folder.path(), &wiki(""));
    let place = format!("{}:3:12: `{}`: ", folder.path().join("config.toml").display(), path.display());
    assert!(refused(&config).starts_with(&place) && refused(&config).contains("can't be read"), "{}", refused(&config));
    for (content, part) in [
        ("<a/>".to_owned(), "root"),
        ("x".repeat(2 * 1024 * 1024 + 1), "larger than"),
        (format!("<md:EntitiesDescriptor xmlns:md=\"{NAMESPACE}\"/>"), "no service provider"),
        (
            metadata("wiki.example.com", "").replace("https://wiki.example.com/acs", "http://wiki.example.com/acs"),
            "https",
        ),
    ] {
        fs::write(&path, content).unwrap();
        assert!(refused(&config).starts_with(&place) && refused(&config).contains(part), "{}", refused(&config));
    }
    fs::write(&path, metadata("wiki.example.com", "")).unwrap();
    let other = loaded(folder.path(), &wiki("entity_id = \"https://other.example.com\""));
    assert!(refused(&other).contains("no service provider `https://other.example.com`"), "{}", refused(&other));
}

#[test]
fn with_a_certificate_only_what_is_signed_by_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wiki.xml"), metadata("wiki.example.com", "")).unwrap();
    let config = loaded(folder.path(), &wiki("metadata_certificate = \"federation.pem\""));
    assert!(refused(&config).contains("federation.pem` can't be read"), "{}", refused(&config));
    let made = rcgen::generate_simple_self_signed(vec!["federation.example.com".to_owned()]).unwrap();
    fs::write(folder.path().join("federation.pem"), made.cert.pem()).unwrap();
    assert!(refused(&config).contains("it is not signed"), "{}", refused(&config));
}

#[test]
fn metadata_that_is_over_or_missing_leaves_out_its_app_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wiki.xml"), metadata("wiki.example.com", "")).unwrap();
    let config = loaded(folder.path(), &format!("{}{}", wiki(""), chat()));
    let apps = built(&config).unwrap();
    assert_eq!(apps.apps.len(), 1);
    assert_eq!(
        why(&apps.unavailable),
        [("chat", "its metadata at `https://chat.example.com/metadata` was never fetched")]
    );

    for (copy, part) in [
        ("no XML".to_owned(), "no metadata"),
        (metadata("chat.example.com", "validUntil=\"2026-11-21T00:00:00Z\""), "ended at 2026-11-21"),
        (metadata("wiki.example.com", ""), "has the entity id of app `wiki`"),
    ] {
        keep_copy(&config, &copy);
        let apps = built(&config).unwrap();
        assert_eq!(apps.apps[0].app().id.as_str(), "wiki");
        assert!(apps.apps.len() == 1 && apps.unavailable[0].why.contains(part), "{:?}", apps.unavailable);
    }
    keep_copy(&config, &metadata("chat.example.com", "validUntil=\"2026-11-22T00:00:01Z\""));
    let apps = built(&config).unwrap();
    assert_eq!((apps.apps.len(), apps.unavailable.len()), (2, 0), "it ends later today");

    fs::write(folder.path().join("wiki.xml"), metadata("wiki.example.com", "validUntil=\"2026-11-21T00:00:00Z\""))
        .unwrap();
    assert_eq!(built(&config).unwrap().unavailable[0].app.id.as_str(), "wiki", "so it is with files");
}

#[test]
fn what_was_fetched_takes_no_name_from_an_app_that_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let own =
        "[[apps]]\nid = \"own\"\nentity_id = \"https://own.example.com/saml\"\nacs = \"https://own.example.com/\"\n";
    let config = loaded(folder.path(), &format!("{}{own}", chat()));
    keep_copy(&config, &metadata("own.example.com", ""));
    let apps = built(&config).unwrap();
    assert_eq!(apps.apps.iter().map(|app| app.app().id.as_str()).collect::<Vec<_>>(), ["own"]);
    assert!(apps.unavailable[0].why.contains("has the entity id of app `own`"), "{:?}", apps.unavailable);
}

#[test]
fn one_file_may_describe_many_apps() {
    let folder = tempfile::tempdir().unwrap();
    let hosts: Vec<String> = (0..50).map(|n| format!("app{n}.example.com")).collect();
    let all: String = hosts.iter().map(|host| metadata(host, "")).collect();
    let group = format!("<md:EntitiesDescriptor xmlns:md=\"{NAMESPACE}\">{all}</md:EntitiesDescriptor>");
    fs::write(folder.path().join("all.xml"), group).unwrap();
    let apps: String = (0..50)
        .map(|n| {
            let host = &hosts[n];
            format!("[[apps]]\nid = \"app{n}\"\nmetadata = \"all.xml\"\nentity_id = \"https://{host}/saml\"\n")
        })
        .collect();
    let apps = built(&loaded(folder.path(), &apps)).unwrap();
    assert_eq!(apps.apps.len(), 50);
    assert_eq!(apps.apps[49].acs(), ["https://app49.example.com/acs"]);
    let without = loaded(folder.path(), "[[apps]]\nid = \"app\"\nmetadata = \"all.xml\"\n");
    assert!(refused(&without).contains("holds 50 service providers"), "{}", refused(&without));
}

#[test]
fn what_is_fetched_is_tried_on_the_apps_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let tried = |text: &str, xml: &str| {
        let config = loaded(folder.path(), text).config;
        let url = fetched_urls(&config).next().unwrap();
        try_on(&config, None, url, &copy_of(&config, url), xml, now).map(|trial| (trial.cache, trial.ends))
    };
    let ends = "2026-12-01T00:00:00Z";
    let good = metadata("chat.example.com", &format!("validUntil=\"{ends}\" cacheDuration=\"PT1H\""));
    let hour = Some(Duration::from_secs(3600));
    assert_eq!(tried(&chat(), &good), Ok((hour, Some(ends.parse().unwrap()))));
    for (xml, part) in [
        ("<a/>".to_owned(), "root"),
        (metadata("chat.example.com", "validUntil=\"2026-11-22T12:00:00Z\""), "ended"),
        (good.replace("https://chat.example.com/acs", "http://chat.example.com/acs"), "use https"),
    ] {
        let why = tried(&chat(), &xml).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    // Of two apps of one address, one that does not work yet stops no other.
    let two = format!(
        "{}[[apps]]\nid = \"other\"\nmetadata = \"{CHAT_URL}\"\nentity_id = \"https://other.example.com/saml\"\n",
        chat().replace("metadata =", "entity_id = \"https://chat.example.com/saml\"\nmetadata =")
    );
    assert!(tried(&two, &good).is_ok());
    assert!(tried(&two, &metadata("third.example.com", "")).is_err());
}

#[test]
fn keys_of_the_metadata_count_where_config_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let made = |algorithm| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        rcgen::CertificateParams::new(vec!["wiki.example.com".to_owned()]).unwrap().self_signed(&key).unwrap().pem()
    };
    let [ec, rsa, own] = [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_RSA_SHA256].map(made);
    let [ec, rsa, own_certificate] = [&ec, &rsa, &own].map(|pem| crate::saml::Certificate::from_pem(pem).unwrap());
    let keys: String = [&ec, &rsa]
        .map(|certificate| {
            format!(
                "<md:KeyDescriptor><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
                 <ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
                certificate.base64()
            )
        })
        .concat();
    let xml = metadata("wiki.example.com", "").replace("<md:Assertion", &format!("{keys}<md:Assertion"));
    fs::write(folder.path().join("wiki.xml"), xml).unwrap();
    fs::write(folder.path().join("own.pem"), own).unwrap();
    let supplied = |more: &str| {
        let config = loaded(folder.path(), &wiki(more)).config;
        let mut reader = Reader::new(&config, crate::clock::Timestamp::UNIX_EPOCH);
        match crate::runtime::supplied::read(&config.apps[0], &mut reader) {
            Ok((supplied, _)) => supplied,
            Err(error) => panic!("{}", error.in_words()),
        }
    };
    let imported = supplied("");
    assert_eq!(imported.request_certificates, [ec, rsa.clone()]);
    assert_eq!(imported.encryption_certificate, Some(rsa.clone()), "keys are transported by RSA");
    let named = supplied("request_certificates = [\"own.pem\"]\nencryption_certificate = \"own.pem\"");
    assert_eq!(named.request_certificates, std::slice::from_ref(&own_certificate));
    assert_eq!(named.encryption_certificate, Some(own_certificate));
}
