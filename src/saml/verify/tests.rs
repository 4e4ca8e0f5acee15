use std::fs;
use std::process::{Command, Stdio};
use std::slice::from_ref;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::domain::SignatureAlgorithm;
use crate::saml::certificate::Certificate;
use crate::saml::fixtures::IDP;
use crate::saml::sign::{KeyFailed, SigningKey, SigningKeys};
use crate::saml::xml::MESSAGE;

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";

/// A key as a service provider would have it, in the forms the tools want.
struct Key {
    pem: String,
    certificate: Certificate,
    pair: rcgen::KeyPair,
}

fn key(algorithm: &'static rcgen::SignatureAlgorithm) -> Key {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let certified =
        rcgen::CertificateParams::new(vec!["wiki.example.com".to_owned()]).unwrap().self_signed(&pair).unwrap();
    Key { pem: pair.serialize_pem(), certificate: Certificate::from_pem(&certified.pem()).unwrap(), pair }
}

static P256: LazyLock<Key> = LazyLock::new(|| key(&rcgen::PKCS_ECDSA_P256_SHA256));
static P384: LazyLock<Key> = LazyLock::new(|| key(&rcgen::PKCS_ECDSA_P384_SHA384));
static RSA: LazyLock<Key> = LazyLock::new(|| key(&rcgen::PKCS_RSA_SHA256));

impl SigningKey for Key {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, _: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        Ok(self.ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, octets))
    }
}

impl Key {
    fn ecdsa(&self, how: &'static EcdsaSigningAlgorithm, octets: &[u8]) -> Vec<u8> {
        let pair = EcdsaKeyPair::from_pkcs8(how, &self.pair.serialize_der()).unwrap();
        pair.sign(&SystemRandom::new(), octets).unwrap().as_ref().to_vec()
    }
}

fn idp() -> Certificate {
    IDP.keys().key(SignatureAlgorithm::RsaSha256).unwrap().certificate().clone()
}

const REQUEST: &str = "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
    xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" xmlns:unused=\"urn:unused\" ID=\"_r1\" Version=\"2.0\" \
    IssueInstant=\"2026-11-21T12:00:00Z\" ProviderName=\"R&amp;D &#10; &lt;x>\">\
    <saml:Issuer>https://wiki.example.com/saml</saml:Issuer>\n  \
    <samlp:NameIDPolicy AllowCreate='true'/><saml:Subject><saml:NameID>\u{fc} &gt; <![CDATA[&]]></saml:NameID>\
    </saml:Subject></samlp:AuthnRequest>";

fn signed() -> String {
    IDP.keys().sign_element(REQUEST, "_r1", SignatureAlgorithm::RsaSha256).unwrap()
}

fn read(xml: &str, trusted: &[Certificate]) -> Result<String, VerifyError> {
    enveloped(xml, trusted, MESSAGE)
}

#[test]
fn what_our_own_keys_sign_is_verified_and_comes_back_without_its_signature() {
    let keys = SigningKeys::new(
        Arc::new(key(&rcgen::PKCS_ECDSA_P256_SHA256)),
        Some(Arc::new(key(&rcgen::PKCS_ECDSA_P256_SHA256))),
        vec![],
    );
    let ecdsa = keys.key(SignatureAlgorithm::EcdsaSha256).unwrap().certificate().clone();
    for (keys, algorithm, certificate) in [
        (IDP.keys(), SignatureAlgorithm::RsaSha256, idp()),
        (IDP.keys(), SignatureAlgorithm::RsaSha384, idp()),
        (IDP.keys(), SignatureAlgorithm::RsaSha512, idp()),
        (&keys, SignatureAlgorithm::EcdsaSha256, ecdsa),
    ] {
        let xml = keys.sign_element(REQUEST, "_r1", algorithm).unwrap();
        let trusted = [RSA.certificate.clone(), P256.certificate.clone(), certificate];
        let message = read(&xml, &trusted).unwrap();
        assert!(
            message.contains("ID=\"_r1\"") && message.contains("ProviderName=\"R&amp;D &#xA; &lt;x>\""),
            "{message}"
        );
        assert!(message.contains("<saml:NameID>\u{fc} &gt; &amp;</saml:NameID>"), "{message}");
        assert!(!message.contains("Signature") && !message.contains("unused"), "{message}");
        assert_eq!(read(&xml, &trusted[..2]), Err(VerifyError::Signature), "{algorithm:?}");
        assert_eq!(read(&xml, &[]), Err(VerifyError::Signature), "{algorithm:?}");
    }
    assert_eq!(read(REQUEST, &[idp()]), Err(VerifyError::Unsigned));
}

/// A template that xmlsec1 fills in.
fn template(method: &str, canonical: &str, digest: &str, uri: &str, transforms: &str) -> String {
    let signature = format!(
        "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo>\n\
         <CanonicalizationMethod Algorithm=\"{canonical}\"/>\n<SignatureMethod Algorithm=\"{method}\"/>\n\
         <Reference URI=\"{uri}\"><Transforms><Transform \
         Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>{transforms}</Transforms>\
         <DigestMethod Algorithm=\"{digest}\"/><DigestValue/></Reference>\n</SignedInfo><SignatureValue/>\
         <KeyInfo><X509Data/></KeyInfo></Signature>"
    );
    REQUEST.replace("</saml:Issuer>", &format!("</saml:Issuer>{signature}"))
}

/// The template signed by xmlsec1.
fn xmlsec1(key: &Key, template: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", key.certificate.base64());
    for (name, content) in [("in.xml", template), ("key.pem", &key.pem), ("crt.pem", &certificate)] {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let output = Command::new("xmlsec1")
        .args(["--sign", "--privkey-pem", "key.pem,crt.pem", "--output", "out.xml"])
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:AuthnRequest", "in.xml"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("the tests need xmlsec1: apt-get install xmlsec1");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(dir.path().join("out.xml")).unwrap()
}

#[test]
fn what_xmlsec1_signs_is_verified() {
    let exclusive = format!("<Transform Algorithm=\"{EXCLUSIVE}\"/>");
    let inclusive = format!("<Transform Algorithm=\"{INCLUSIVE}\"/>");
    let prefixes = format!(
        "<Transform Algorithm=\"{EXCLUSIVE}\"><InclusiveNamespaces xmlns=\"{EXCLUSIVE}\" PrefixList=\"unused #default\"/>\
         </Transform>"
    );
    let more = "http://www.w3.org/2001/04/xmldsig-more#";
    let enc = "http://www.w3.org/2001/04/xmlenc#";
    for (key, method, canonical, digest, uri, transforms) in [
        (&RSA, "rsa-sha256", EXCLUSIVE, format!("{enc}sha256"), "#_r1", exclusive.as_str()),
        (&RSA, "rsa-sha384", INCLUSIVE, format!("{more}sha384"), "", &inclusive),
        (&RSA, "rsa-sha512", EXCLUSIVE, format!("{enc}sha512"), "#_r1", ""),
        (&RSA, "rsa-sha256", INCLUSIVE, format!("{enc}sha256"), "#_r1", &prefixes),
        (&P256, "ecdsa-sha256", EXCLUSIVE, format!("{enc}sha256"), "#_r1", &exclusive),
        (&P384, "ecdsa-sha384", INCLUSIVE, format!("{enc}sha256"), "#_r1", &exclusive),
        (&P384, "ecdsa-sha256", EXCLUSIVE, format!("{enc}sha512"), "", &exclusive),
    ] {
        let xml = xmlsec1(key, &template(&format!("{more}{method}"), canonical, &digest, uri, transforms));
        let message = read(&xml, from_ref(&key.certificate)).unwrap_or_else(|e| panic!("{method}: {e}: {xml}"));
        assert!(!message.contains("Signature") && message.contains("<saml:Subject"), "{message}");
        let changed = xml.replace("AllowCreate=\"true\"", "AllowCreate=\"false\"");
        assert_ne!(changed, xml);
        assert_eq!(read(&changed, from_ref(&key.certificate)), Err(VerifyError::Digest));
        let embedded = xml.contains("X509Certificate");
        assert!(embedded, "the key is in the message");
        assert_eq!(read(&xml, &[idp()]), Err(VerifyError::Signature), "and is not looked at");
    }
}

#[test]
fn algorithms_that_are_not_accepted_are_refused_though_the_signature_is_right() {
    let enc = "http://www.w3.org/2001/04/xmlenc#sha256";
    let sha1 = "http://www.w3.org/2000/09/xmldsig#sha1";
    let exclusive = format!("<Transform Algorithm=\"{EXCLUSIVE}\"/>");
    let comments = format!("<Transform Algorithm=\"{EXCLUSIVE}WithComments\"/>");
    for (method, canonical, digest, transforms, named) in [
        ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", EXCLUSIVE, enc, exclusive.as_str(), "#rsa-sha1"),
        (RSA_SHA256, EXCLUSIVE, sha1, &exclusive, "#sha1"),
        (RSA_SHA256, EXCLUSIVE, enc, &comments, "WithComments"),
        (RSA_SHA256, "http://www.w3.org/2006/12/xml-c14n11", enc, &exclusive, "xml-c14n11"),
    ] {
        let xml = xmlsec1(&RSA, &template(method, canonical, digest, "#_r1", transforms));
        match read(&xml, from_ref(&RSA.certificate)) {
            Err(VerifyError::Algorithm(uri)) => assert!(uri.ends_with(named), "{uri}"),
            other => panic!("{named}: {other:?}"),
        }
    }
}

#[test]
fn transforms_that_choose_what_is_signed_are_refused() {
    let xpath = "<Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><XPath \
                 xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">not(ancestor-or-self::saml:Subject)</XPath></Transform>";
    let enc = "http://www.w3.org/2001/04/xmlenc#sha256";
    let exclusive = format!("<Transform Algorithm=\"{EXCLUSIVE}\"/>");
    let xml = xmlsec1(&RSA, &template(RSA_SHA256, EXCLUSIVE, enc, "#_r1", xpath));
    assert!(matches!(read(&xml, from_ref(&RSA.certificate)), Err(VerifyError::Algorithm(_))));
    let twice = format!("{exclusive}{exclusive}");
    let xml = xmlsec1(&RSA, &template(RSA_SHA256, EXCLUSIVE, enc, "#_r1", &exclusive));
    let xml = xml.replace(&exclusive, &twice);
    // The signature over SignedInfo is looked at first: what is not signed is not even read.
    assert_eq!(read(&xml, from_ref(&RSA.certificate)), Err(VerifyError::Signature));
}

#[test]
fn what_stands_anywhere_else_is_no_signature() {
    let xml = signed();
    let start = xml.find("<ds:Signature ").unwrap();
    let end = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let signature = &xml[start..end];
    let bare = format!("{}{}", &xml[..start], &xml[end..]);
    for (changed, why) in [
        (bare.replace("<saml:Subject>", &format!("{signature}<saml:Subject>")), "further down"),
        (bare.replace("<saml:Subject>", &format!("<saml:Subject>{signature}")), "in another element"),
        (xml.replace(signature, &format!("{signature}{signature}")), "twice"),
        (xml.replace("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object><x/></ds:Object>"), "with an object in the signature"),
        (xml.replace("<ds:SignatureValue>", "<ds:SignatureValue>!"), "not base64"),
        (xml.replace("<saml:Subject>", "<saml:Subject ID=\"_r1\">"), "an id twice"),
        (xml.replace("<saml:Subject>", "<saml:Subject xml:id=\"_r1\">"), "an id twice, of XML"),
        (xml.replace("<saml:Subject>", "<saml:Subject AssertionID=\"_r1\">"), "an id twice, of SAML 1"),
        (xml.replace("<saml:Subject>", "<saml:Subject Id=\"a\"><a id=\"a\"/>"), "another id twice"),
        (xml.replace("wiki.example", "wiki<!-- -->.example"), "a comment"),
        (xml.replace("<saml:Subject>", "<saml:Subject><?a b?>"), "a processing instruction"),
        (format!("<!-- x -->{xml}"), "a comment before it all"),
    ] {
        assert_ne!(changed, xml, "{why}");
        assert!(matches!(read(&changed, &[idp()]), Err(VerifyError::Form(_))), "{why}: {:?}", read(&changed, &[idp()]));
    }
    assert!(matches!(read(&format!("<!DOCTYPE a>{xml}"), &[idp()]), Err(VerifyError::Xml(_))), "a DTD");
}

#[test]
fn each_changed_letter_is_noticed() {
    let xml = signed();
    let trusted = [idp()];
    let original = read(&xml, &trusted).unwrap();
    for (position, letter) in xml.char_indices().filter(|(at, c)| c.is_ascii_alphanumeric() && at % 3 == 0) {
        let other = if letter == 'e' { "f" } else { "e" };
        let changed = format!("{}{other}{}", &xml[..position], &xml[position + 1..]);
        // Not signed is what says whose key it is, and how a namespace that is not used there is called.
        if let Ok(message) = read(&changed, &trusted) {
            assert_eq!(message, original, "{position}: {changed}");
        }
    }
}

fn signature(key: &Key, how: &'static EcdsaSigningAlgorithm, octets: &str) -> String {
    utf8_percent_encode(&STANDARD.encode(key.ecdsa(how, octets.as_bytes())), NON_ALPHANUMERIC).to_string()
}

#[test]
fn queries_are_verified_as_they_stood_there() {
    let encoded = utf8_percent_encode(RSA_SHA256, NON_ALPHANUMERIC).to_string();
    for (octets, query) in [
        (format!("SAMLRequest=a%2bb%2B&RelayState=x+y%20z&SigAlg={encoded}"), None),
        (format!("SAMLRequest=a%2bb&SigAlg={encoded}"), None),
        (format!("SAMLRequest=a&RelayState=&SigAlg={encoded}"), None),
        (format!("SAMLRequest=a&SigAlg={RSA_SHA256}"), None),
        (
            format!("SAMLRequest=a&RelayState=b&SigAlg={encoded}"),
            Some(format!("other=1&RelayState=b&SigAlg={encoded}&SAMLRequest=a")),
        ),
    ] {
        let value = IDP.keys().key(SignatureAlgorithm::RsaSha256).unwrap();
        let value = STANDARD.encode(value.sign(SignatureAlgorithm::RsaSha256, octets.as_bytes()).unwrap());
        let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
        let query = format!("{}&Signature={value}", query.unwrap_or(octets));
        assert_eq!(super::query(&query, "SAMLRequest", &[RSA.certificate.clone(), idp()]), Ok(()), "{query}");
        assert_eq!(super::query(&query, "SAMLRequest", from_ref(&RSA.certificate)), Err(VerifyError::Signature));
        for (from, to) in
            [("SAMLRequest=a", "SAMLRequest=b"), ("%2b", "%2B"), ("x+y", "x%20y"), ("&RelayState=", "&Other=")]
        {
            let changed = query.replacen(from, to, 1);
            let result = super::query(&changed, "SAMLRequest", &[idp()]);
            assert!(changed == query || result == Err(VerifyError::Signature), "{changed}: {result:?}");
        }
    }
}

#[test]
fn both_forms_of_ecdsa_are_read_in_queries_and_one_in_xml() {
    let octets = "SAMLResponse=a&SigAlg=http://www.w3.org/2001/04/xmldsig-more%23ecdsa-sha256";
    for how in [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_ASN1_SIGNING] {
        let query = format!("{octets}&Signature={}", signature(&P256, how, octets));
        assert_eq!(super::query(&query, "SAMLResponse", from_ref(&P256.certificate)), Ok(()));
        assert_eq!(super::query(&query, "SAMLResponse", from_ref(&P384.certificate)), Err(VerifyError::Signature));
        assert!(matches!(super::query(&query, "SAMLRequest", from_ref(&P256.certificate)), Err(VerifyError::Form(_))));
    }
    let der = P256.ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, b"x");
    let check = |points| algorithm::Method::EcdsaSha256.check(b"x", &der, points, from_ref(&P256.certificate));
    assert_eq!(check(algorithm::Points::FixedOrDer), Ok(()));
    assert_eq!(check(algorithm::Points::Fixed), Err(VerifyError::Signature));
}

#[test]
fn queries_of_another_form_are_refused() {
    let sig = "SigAlg=http://www.w3.org/2001/04/xmldsig-more%23rsa-sha256&Signature=AAAA";
    for (query, expected) in [
        ("SAMLRequest=a".to_owned(), VerifyError::Unsigned),
        ("SAMLRequest=a&SigAlg=b".to_owned(), VerifyError::Form("of `SigAlg` and `Signature` there is only one")),
        ("SAMLRequest=a&Signature=b".to_owned(), VerifyError::Form("of `SigAlg` and `Signature` there is only one")),
        (sig.to_owned(), VerifyError::Form("there is no message in the query")),
        (
            format!("SAMLRequest=a&SAMLRequest=b&{sig}"),
            VerifyError::Form("a parameter stands there twice, or with its name encoded"),
        ),
        (
            format!("SAML%52equest=a&{sig}"),
            VerifyError::Form("a parameter stands there twice, or with its name encoded"),
        ),
        (format!("SAMLRequest=a&SAMLResponse=b&{sig}"), VerifyError::Form("the query holds a request and a response")),
        (format!("{}SAMLRequest=a&{sig}", "x&".repeat(40)), VerifyError::Form("the query has too many parameters")),
        (
            format!("SAMLRequest=a&{}", sig.replace("rsa-sha256", "hmac-sha256")),
            VerifyError::Algorithm("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256".into()),
        ),
        (format!("SAMLRequest=a&{}", sig.replace("AAAA", "!")), NOT_BASE64),
        (format!("SAMLRequest=a&{sig}"), VerifyError::Signature),
    ] {
        assert_eq!(super::query(&query, "SAMLRequest", &[idp()]), Err(expected), "{query}");
    }
}

const NOT_BASE64: VerifyError = VerifyError::Form("its `Signature` is not base64");

#[test]
fn a_key_of_one_kind_never_serves_another() {
    // The classic confusion: what is public about an RSA key, taken for the secret of a MAC.
    let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, RSA.certificate.public_key());
    let xml = signed().replace(RSA_SHA256, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256");
    let value = STANDARD.encode(aws_lc_rs::hmac::sign(&hmac, b"anything").as_ref());
    let start = xml.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
    let end = xml.find("</ds:SignatureValue>").unwrap();
    let forged = format!("{}{value}{}", &xml[..start], &xml[end..]);
    assert!(matches!(read(&forged, from_ref(&RSA.certificate)), Err(VerifyError::Algorithm(_))));
    let mixed = signed().replace("rsa-sha256", "ecdsa-sha256");
    assert_eq!(read(&mixed, &[idp()]), Err(VerifyError::Signature));
    assert_eq!(read(&mixed, from_ref(&P256.certificate)), Err(VerifyError::Signature));
}

proptest! {
    #[test]
    fn whatever_is_cut_out_or_put_in_nothing_else_is_read(
        at in 0_usize..4000, cut in 0_usize..40, put in "[<>/a-zA-Z:=\"' &;!?#\\[\\]-]{0,30}",
    ) {
        let xml = signed();
        let changed: String = xml.chars().take(at).chain(put.chars()).chain(xml.chars().skip(at + cut)).collect();
        if let Ok(message) = read(&changed, &[idp()]) {
            prop_assert_eq!(message, read(&xml, &[idp()]).unwrap());
        }
    }

    #[test]
    fn nothing_a_stranger_sends_panics(text in ".{0,200}", query in "(SAMLRequest|SigAlg|Signature|RelayState|[=&%+a-f0-9]){0,30}") {
        let _ = read(&text, &[idp()]);
        let _ = super::query(&text, "SAMLRequest", &[idp()]);
        let _ = super::query(&query, "SAMLRequest", &[idp(), P256.certificate.clone()]);
    }
}
