use std::fs;
use std::path::Path;

use super::copies::{Note, Version, sha256, store};
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

/// A copy as it is after it was fetched.
fn keep_copy(loaded: &Loaded, xml: &str) {
    keep_copy_of(loaded, CHAT_URL, xml, []);
}

/// The same, with what was said of apps when they last could work with it.
fn keep_copy_of<const N: usize>(loaded: &Loaded, url: &str, xml: &str, said: [(&str, Said); N]) {
    let url = fetched_urls(&loaded.config).find(|known| known.as_str() == url).unwrap();
    let note = Note {
        url: url.to_string(),
        seen: Timestamp::UNIX_EPOCH,
        again: Timestamp::UNIX_EPOCH,
        sha256: sha256(xml.as_bytes()),
        before: None,
        version: Version::default(),
        apps: said.into_iter().map(|(app, said)| (AppId::parse(app).unwrap(), said)).collect(),
    };
    store(&copy_of(&loaded.config, url), xml, &note).unwrap();
}

fn called(name: &str) -> Said {
    Said { entity_id: format!("https://{name}/saml"), ..Said::default() }
}

fn ids(apps: &Apps) -> Vec<&str> {
    apps.apps.iter().map(|app| app.app().id.as_str()).collect()
}

fn fetched(id: &str, more: &str) -> String {
    format!("[[apps]]\nid = \"{id}\"\nmetadata = \"https://{id}.example.com/metadata\"\n{more}\n")
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

#[test]
fn fetched_metadata_keeps_the_name_an_app_had_even_when_it_ended_and_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let config = loaded(folder.path(), &chat());
    let (url, ended) = (CHAT_URL, metadata("chat.example.com", "validUntil=\"2026-11-21T00:00:00Z\""));
    keep_copy_of(&config, url, &ended, [("chat", called("chat.example.com"))]);
    let tried = |config: &Loaded, name: &str| {
        let url = fetched_urls(&config.config).next().unwrap();
        try_on(&config.config, None, url, &copy_of(&config.config, url), &metadata(name, ""), now)
    };
    let why = tried(&config, "victim.example.com").unwrap_err();
    let said = "app `chat` calls itself `https://victim.example.com/saml` now, and was `https://chat.example.com/saml`";
    assert!(why.starts_with(said) && why.contains("set `entity_id`, or remove the copy `"), "{why}");
    let trial = tried(&config, "chat.example.com").unwrap();
    assert_eq!(trial.said.into_values().collect::<Vec<_>>(), [called("chat.example.com")]);

    let named = loaded(folder.path(), &format!("{}entity_id = \"https://new.example.com/saml\"\n", chat()));
    tried(&named, "new.example.com").unwrap();

    // A copy that says it already, as of an app that did not work when its neighbour's did.
    keep_copy_of(&config, url, &metadata("victim.example.com", ""), [("chat", called("chat.example.com"))]);
    let apps = built(&config).unwrap();
    assert!(apps.apps.is_empty() && apps.unavailable[0].why.contains("calls itself"), "{:?}", apps.unavailable);

    fs::remove_file(copy_of(&config.config, fetched_urls(&config.config).next().unwrap())).unwrap();
    tried(&config, "victim.example.com").unwrap();
}

#[test]
fn of_two_that_fetched_one_name_neither_has_it_unless_config_says_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["https://a.example.com/metadata", "https://b.example.com/metadata"];
    let text = format!("{}{}", fetched("a", ""), fetched("b", ""));
    let config = loaded(folder.path(), &text);
    let same = metadata("same.example.com", "");
    keep_copy_of(&config, a, &same, []);
    keep_copy_of(&config, b, &same, []);
    let apps = built(&config).unwrap();
    assert!(apps.apps.is_empty() && apps.unavailable.len() == 2, "{:?}", apps.unavailable);
    assert!(apps.unavailable.iter().all(|one| one.why.contains("entity id")), "{:?}", apps.unavailable);

    let text = format!("{}{}", fetched("a", ""), fetched("b", "entity_id = \"https://same.example.com/saml\""));
    let apps = built(&loaded(folder.path(), &text)).unwrap();
    assert_eq!((ids(&apps), apps.unavailable.len()), (vec!["b"], 1));

    // A name stays with its app while nobody can sign in to that.
    let ended = metadata("same.example.com", "validUntil=\"2026-11-21T00:00:00Z\"");
    keep_copy_of(&config, b, &ended, [("b", called("same.example.com"))]);
    let apps = built(&config).unwrap();
    assert!(apps.apps.is_empty() && apps.unavailable.len() == 2, "{:?}", apps.unavailable);
}

#[test]
fn what_fetched_metadata_lacks_leaves_out_its_app_and_is_a_problem_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for (key, part) in
        [("encrypt = \"assertion\"", "to encrypt for"), ("signed_requests = \"required\"", "nobody could sign")]
    {
        let config = loaded(folder.path(), &format!("{}{key}\n{}", chat(), fetched("other", "")));
        keep_copy(&config, &metadata("chat.example.com", ""));
        keep_copy_of(&config, "https://other.example.com/metadata", &metadata("other.example.com", ""), []);
        let apps = built(&config).unwrap();
        assert_eq!(ids(&apps), ["other"]);
        assert!(apps.unavailable.len() == 1 && apps.unavailable[0].why.contains(part), "{:?}", apps.unavailable);
        fs::write(folder.path().join("wiki.xml"), metadata("wiki.example.com", "")).unwrap();
        let said = refused(&loaded(folder.path(), &wiki(key)));
        assert!(said.contains(part) && said.contains("config.toml:3:"), "{said}");
    }
}

#[test]
fn fetched_metadata_asks_for_no_less_than_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let strict = Said { signs_requests: true, wants_assertions_signed: true, ..called("chat.example.com") };
    let tried = |more: &str, said: Said| {
        let config = loaded(folder.path(), &format!("{}{more}\n", chat()));
        let (url, xml) = (fetched_urls(&config.config).next().unwrap(), metadata("chat.example.com", ""));
        keep_copy_of(&config, CHAT_URL, "<before/>", [("chat", said)]);
        try_on(&config.config, None, url, &copy_of(&config.config, url), &xml, now).map(|_| ())
    };
    let made = rcgen::generate_simple_self_signed(vec!["chat.example.com".to_owned()]).unwrap();
    fs::write(folder.path().join("chat.pem"), made.cert.pem()).unwrap();
    let required = "signed_requests = \"required\"\nrequest_certificates = [\"chat.pem\"]";
    let less = tried("", strict.clone()).unwrap_err();
    assert!(less.contains("set `signed_requests = \"required\"`, or remove the copy `"), "{less}");
    let less = tried(&format!("{required}\nsign = \"response\""), strict.clone()).unwrap_err();
    assert!(less.contains("set `sign = \"both\"`, or remove the copy `"), "{less}");
    for sign in ["assertion", "both"] {
        tried(&format!("{required}\nsign = \"{sign}\""), strict.clone()).unwrap();
    }
    tried("sign = \"response\"", called("chat.example.com")).unwrap();
}

#[test]
fn a_copy_that_somebody_changed_or_could_have_does_not_count() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let config = loaded(folder.path(), &chat());
    keep_copy(&config, &metadata("chat.example.com", ""));
    assert_eq!(ids(&built(&config).unwrap()), ["chat"]);
    let copy = copy_of(&config.config, fetched_urls(&config.config).next().unwrap());
    fs::write(&copy, metadata("chat.example.com", "").replace("/acs", "/evil")).unwrap();
    let apps = built(&config).unwrap();
    assert!(
        apps.apps.is_empty() && apps.unavailable[0].why.contains("is not what was fetched"),
        "{:?}",
        apps.unavailable
    );
    keep_copy(&config, &metadata("chat.example.com", ""));
    fs::remove_file(copy.with_extension("json")).unwrap();
    assert!(built(&config).unwrap().apps.is_empty(), "nobody knows where it came from");

    keep_copy(&config, &metadata("chat.example.com", ""));
    let cache = &config.config.saml.metadata_cache;
    fs::set_permissions(cache, fs::Permissions::from_mode(0o770)).unwrap();
    let said = refused(&config);
    assert!(said.contains("run `chmod go-w` on it") && said.contains("metadata"), "{said}");
    built(&loaded(folder.path(), "")).unwrap();
}
