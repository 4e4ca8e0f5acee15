//! Attacks on requests (tests/attacks/requests.toml), each beside an honest message that differs in nothing else; all through a
//! real server. The signatures are made by xmlsec1, and those of queries by the bare primitives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;
use tempfile::TempDir;

use crate::harness::client::{Client, Page};
use crate::harness::judges;
use crate::harness::repository;
use crate::harness::saml::{AuthnRequest, Delivered, redirect_value};
use crate::harness::server::{Server, Setup};

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    honest: bool,
    /// The rule that refuses it.
    rule: Option<String>,
    /// The honest case beside it.
    twin: Option<String>,
    #[serde(default)]
    sign: Sign,
    /// What is sent; left out, what was signed.
    message: Option<String>,
    /// Changed in the plain request, before anything is signed.
    replace: Option<[String; 2]>,
    /// Changed in what is sent, after it was signed.
    change: Option<[String; 2]>,
    filler: Option<Filler>,
    /// Of the Redirect binding; left out, the message is posted.
    query: Option<String>,
    octets: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filler {
    text: String,
    times: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sign {
    key: String,
    method: String,
    digest: String,
    canonical: String,
    uri: Option<String>,
    transforms: String,
    key_info: String,
    text: String,
}

impl Default for Sign {
    fn default() -> Self {
        Self {
            key: "rsa".into(),
            method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256".into(),
            digest: "http://www.w3.org/2001/04/xmlenc#sha256".into(),
            canonical: EXCLUSIVE.into(),
            uri: None,
            transforms: String::new(),
            key_info: String::new(),
            text: "{start}{issuer}{skeleton}{rest}{end}".into(),
        }
    }
}

/// The wiki's two keys, and those of somebody else.
struct Keys {
    folders: Vec<TempDir>,
    rsa: (PathBuf, PathBuf),
    stranger: (PathBuf, PathBuf),
    ec: (PathBuf, PathBuf),
}

impl Keys {
    fn make() -> Self {
        let (one, key, certificate) = judges::stranger();
        let (two, strange_key, strange_certificate) = judges::stranger();
        let three = tempfile::tempdir().unwrap();
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certified =
            rcgen::CertificateParams::new(vec!["wiki.example.com".to_owned()]).unwrap().self_signed(&pair).unwrap();
        let ec = (three.path().join("key.pem"), three.path().join("crt.pem"));
        fs::write(&ec.0, pair.serialize_pem()).unwrap();
        fs::write(&ec.1, certified.pem()).unwrap();
        Self {
            folders: vec![one, two, three],
            rsa: (key, certificate),
            stranger: (strange_key, strange_certificate),
            ec,
        }
    }

    /// A server whose wiki signs, and has to.
    fn server(&self) -> Server {
        assert_eq!(self.folders.len(), 3);
        let (rsa, ec) = (self.rsa.1.display(), self.ec.1.display());
        let certificates = format!("request_certificates = [\"{rsa}\", \"{ec}\"]");
        Setup::default()
            .replace("sign = \"both\"", &format!("sign = \"both\"\nsigned_requests = \"required\"\n{certificates}"))
            .replace("sign = \"response\"", &format!("sign = \"response\"\nrequest_certificates = [\"{rsa}\"]"))
            .start()
    }

    fn file(&self, key: &str) -> &Path {
        match key {
            "rsa" => &self.rsa.0,
            "stranger" => &self.stranger.0,
            "ec" | "ec-der" => &self.ec.0,
            "certificate" => &self.rsa.1,
            other => panic!("no key is called `{other}`"),
        }
    }

    fn sign(&self, key: &str, octets: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let der = |path: &Path| pem(&fs::read_to_string(path).unwrap());
        match key {
            "rsa" | "stranger" => {
                let pair = RsaKeyPair::from_pkcs8(&der(self.file(key))).unwrap();
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, octets, &mut signature).unwrap();
                signature
            }
            "certificate" => {
                let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &der(&self.rsa.1));
                aws_lc_rs::hmac::sign(&secret, octets).as_ref().to_vec()
            }
            _ => {
                let how = if key == "ec" { &ECDSA_P256_SHA256_FIXED_SIGNING } else { &ECDSA_P256_SHA256_ASN1_SIGNING };
                let pair = EcdsaKeyPair::from_pkcs8(how, &der(&self.ec.0)).unwrap();
                pair.sign(&random, octets).unwrap().as_ref().to_vec()
            }
        }
    }
}

fn pem(text: &str) -> Vec<u8> {
    BASE64.decode(text.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap()
}

/// The words in braces of `template` exchanged; whatever is none of them stays.
fn filled(template: &str, parts: &BTreeMap<&str, String>) -> String {
    // Parts may hold parts.
    let once = |text: String| parts.iter().fold(text, |text, (name, part)| text.replace(&format!("{{{name}}}"), part));
    once(once(template.to_owned()))
}

impl Case {
    /// The parts of a plain request, new for each case.
    fn parts(&self, server: &Server, keys: &Keys) -> BTreeMap<&'static str, String> {
        let mut request = AuthnRequest::of_wiki(server);
        if let Some([old, new]) = &self.replace {
            request = request.with(&old.replace("{sso}", &server.sso()), new);
        }
        let (start, rest) = request.xml.split_once("<saml:Issuer>").unwrap();
        let (issuer, end) = rest.split_once("</saml:Issuer>").unwrap();
        let stranger = fs::read_to_string(&keys.stranger.1).unwrap();
        let filler = self
            .filler
            .as_ref()
            .map(|filler| (0..filler.times).map(|i| filler.text.replace("{i}", &i.to_string())).collect::<String>());
        let rest = "<samlp:NameIDPolicy AllowCreate=\"true\"/>";
        let issuer = format!("<saml:Issuer>{issuer}</saml:Issuer>");
        BTreeMap::from([
            ("evil", start.replace(&request.id, "_evil").replace(" Version", " ForceAuthn=\"false\" Version")),
            ("unsigned", format!("{start}{issuer}{rest}{end}")),
            ("start", start.to_owned()),
            ("issuer", issuer),
            ("rest", rest.to_owned()),
            ("end", end.to_owned()),
            ("id", request.id.clone()),
            ("stranger", BASE64.encode(pem(&stranger))),
            ("filler", filler.unwrap_or_default()),
        ])
    }

    fn skeleton(&self, parts: &BTreeMap<&str, String>) -> String {
        let sign = &self.sign;
        let uri = sign.uri.clone().unwrap_or_else(|| format!("#{}", parts["id"]));
        let canonical = &sign.canonical;
        let key_info = filled(&sign.key_info, parts);
        format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm=\"{canonical}\"/><ds:SignatureMethod Algorithm=\"{}\"/>\
             <ds:Reference URI=\"{uri}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>{}\
             <ds:Transform Algorithm=\"{canonical}\"/></ds:Transforms><ds:DigestMethod Algorithm=\"{}\"/>\
             <ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>{key_info}</ds:Signature>",
            sign.method, sign.transforms, sign.digest
        )
    }

    /// The message in XML.
    fn xml(&self, server: &Server, keys: &Keys) -> String {
        let mut parts = self.parts(server, keys);
        let plain = self.query.is_some() && self.message.is_none();
        if plain {
            return parts["unsigned"].clone();
        }
        parts.insert("skeleton", self.skeleton(&parts));
        let text = filled(&self.sign.text, &parts);
        let key = keys.file(&self.sign.key);
        let signed = match self.sign.key.as_str() {
            "certificate" => judges::xmlsec1_mac(&text, key),
            _ => judges::xmlsec1_sign(&text, key),
        };
        // xmlsec1 writes a declaration, which may stand nowhere but first.
        let signed = signed.split_once("?>").map_or(signed.as_str(), |(_, message)| message).trim().to_owned();
        let start = signed.find("<ds:Signature ").unwrap();
        let close = signed.find("</ds:Signature>").unwrap();
        parts.insert("open", signed[start..close].to_owned());
        parts.insert("close", "</ds:Signature>".to_owned());
        parts.insert("signature", format!("{}</ds:Signature>", &signed[start..close]));
        parts.insert("signed", signed);
        let message = filled(self.message.as_deref().unwrap_or("{signed}"), &parts);
        match &self.change {
            None => message,
            Some([old, new]) => {
                assert!(message.contains(old), "{}: `{old}` is not in {message}", self.name);
                message.replace(old, new)
            }
        }
    }

    fn path(&self, query: &str, xml: &str, parts: &BTreeMap<&'static str, String>, keys: &Keys) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut values = BTreeMap::from([
            ("request", encoded(&redirect_value(xml.as_bytes()))),
            ("relay_state", encoded("/page?a=b c")),
            ("algorithm", encoded(&self.sign.method)),
            // In a query it belongs to the RelayState.
            ("filler", if self.octets.is_some() { parts["filler"].clone() } else { String::new() }),
        ]);
        let octets = filled(self.octets.as_deref().unwrap_or("SAMLRequest={request}&SigAlg={algorithm}"), &values);
        values.insert("signature", encoded(&BASE64.encode(keys.sign(&self.sign.key, octets.as_bytes()))));
        format!("/saml/sso?{}", filled(query, &values))
    }

    /// Sends it as a browser would that another site leads here.
    async fn send(&self, client: &Client, server: &Server, keys: &Keys) -> Page {
        let xml = self.xml(server, keys);
        match &self.query {
            Some(query) => client.get(&self.path(query, &xml, &self.parts(server, keys), keys)).await,
            None => client.post("/saml/sso", &[("SAMLRequest", &BASE64.encode(xml))]).await,
        }
    }
}

fn corpus() -> Vec<Case> {
    let text = fs::read_to_string(repository("tests/attacks/requests.toml")).unwrap();
    toml::from_str::<Corpus>(&text).unwrap().case
}

fn is_served(page: &Page) -> bool {
    page.status == StatusCode::OK && page.find_form("/signin").is_some() && page.text("main").contains("Wiki")
}

fn is_refused(page: &Page) -> bool {
    page.status == StatusCode::BAD_REQUEST
        && !page.body.contains("SAMLResponse")
        && page.find_form("/signin").is_none()
        && !page.text("h1").is_empty()
}

#[test]
fn every_attack_names_its_rule_and_has_an_honest_twin() {
    let cases = corpus();
    let honest: Vec<&str> = cases.iter().filter(|case| case.honest).map(|case| case.name.as_str()).collect();
    for case in &cases {
        let rule = case.rule.as_deref().map(|rule| rule.trim_start_matches('X').parse::<u8>());
        match case.honest {
            true => assert!(rule.is_none() && case.twin.is_none(), "{}", case.name),
            false => {
                assert!(matches!(rule, Some(Ok(1..=13))), "{}", case.name);
                assert!(case.twin.as_deref().is_some_and(|twin| honest.contains(&twin)), "{}", case.name);
            }
        }
        assert_eq!(cases.iter().filter(|other| other.name == case.name).count(), 1, "{}", case.name);
    }
}

#[tokio::test]
async fn every_attack_on_a_request_is_refused_and_its_honest_twin_is_served() {
    let keys = Keys::make();
    let server = keys.server();
    let client = server.client();
    let mut wrong = Vec::new();
    for case in corpus() {
        let page = case.send(&client, &server, &keys).await;
        let right = if case.honest { is_served(&page) } else { is_refused(&page) };
        if !right {
            wrong.push(format!("{}: {} {}", case.name, page.status, page.text("main")));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn a_signed_request_is_answered_once() {
    let keys = Keys::make();
    let server = keys.server();
    let client = server.client();
    let case = corpus().into_iter().find(|case| case.name == "a request signed with RSA").unwrap();
    let xml = case.xml(&server, &keys);
    let value = BASE64.encode(&xml);
    let markup = "\"><script>alert(1)</script>&#x22;'";
    let fields = [("SAMLRequest", value.as_str()), ("RelayState", markup)];
    let page = client.post("/saml/sso", &fields).await;
    let page = client.walk(page, server.person("ann")).await;
    let delivered = Delivered::from_page(&page);
    let id = xml.split_once("ID=\"").unwrap().1.split('"').next().unwrap();
    assert_eq!(delivered.xml_attribute("Response", "InResponseTo").as_deref(), Some(id));
    assert_eq!(delivered.relay_state.as_deref(), Some(markup), "it goes back as it came");
    assert!(!page.body.contains("<script>alert"), "and is no markup of ours: {}", page.body);
    let again = client.post("/saml/sso", &fields).await;
    assert!(again.status.is_client_error() && !again.body.contains("SAMLResponse"), "X6: {again:?}");
}

#[tokio::test]
async fn where_signatures_are_only_accepted_a_wrong_one_is_refused_and_none_is_fine() {
    let keys = Keys::make();
    let server = keys.server();
    let client = server.client();
    let plain = AuthnRequest::of(&server, "https://archive.example.com/saml", "https://archive.example.com/acs");
    let page = client.get(&plain.redirect(None)).await;
    assert!(page.find_form("/signin").is_some(), "{page:?}");
    for (key, served) in [("rsa", true), ("stranger", false)] {
        let case = Case {
            name: key.to_owned(),
            honest: served,
            rule: None,
            twin: None,
            sign: Sign { key: key.to_owned(), ..Sign::default() },
            message: None,
            replace: None,
            change: None,
            filler: None,
            query: None,
            octets: None,
        };
        let query = "SAMLRequest={request}&SigAlg={algorithm}&Signature={signature}";
        let path = case.path(query, &plain.xml, &case.parts(&server, &keys), &keys);
        let page = client.get(&path).await;
        assert_eq!(page.find_form("/signin").is_some(), served, "{key}: {page:?}");
        assert_eq!(page.status == StatusCode::BAD_REQUEST, !served, "{key}: {page:?}");
    }
}
