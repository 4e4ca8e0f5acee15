use super::*;
use crate::domain::NameIdFormat;
use crate::saml::{BINDING_POST, BINDING_REDIRECT};

/// What AWS published (see the README beside it).
const AWS: &str = include_str!("../../../tests/data/saml/aws-sp-metadata.xml");

const NAMESPACES: &str = "xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
                          xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
const SPEAKS: &str = "protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"";

fn acs(index: u16, more: &str, url: &str) -> String {
    format!("<md:AssertionConsumerService index=\"{index}\" {more} Binding=\"{BINDING_POST}\" Location=\"{url}\"/>")
}

/// An entity with one service provider: `attributes` of the role, `content` before its addresses.
fn entity(id: &str, attributes: &str, content: &str) -> String {
    let acs = acs(0, "", &format!("{id}/acs"));
    format!(
        "<md:EntityDescriptor {NAMESPACES} entityID=\"{id}\"><md:SPSSODescriptor {SPEAKS} {attributes}>{content}{acs}\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

fn with(content: &str) -> String {
    format!(
        "<md:EntityDescriptor {NAMESPACES} entityID=\"https://wiki.example.com\"><md:SPSSODescriptor {SPEAKS}>{content}\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

fn refused(xml: &str) -> String {
    SpMetadata::parse(xml).expect_err(xml).to_string()
}

fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Certificate {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let params = rcgen::CertificateParams::new(vec!["wiki.example.com".to_owned()]).unwrap();
    Certificate::from_pem(&params.self_signed(&key).unwrap().pem()).unwrap()
}

fn key(used_for: &str, base64: &str) -> String {
    format!(
        "<md:KeyDescriptor{used_for}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n{base64}\n</ds:X509Certificate>\
         </ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
    )
}

#[test]
fn what_aws_publishes_is_read_although_its_certificate_expired() {
    let aws = SpMetadata::parse(AWS).unwrap();
    assert_eq!(aws.entity_id, "urn:amazon:webservices");
    assert_eq!(aws.acs, [IndexedAddress { index: 1, url: "https://signin.aws.amazon.com/saml".into() }]);
    assert_eq!((aws.signs_requests, aws.wants_assertions_signed), (false, true));
    assert_eq!((aws.signing.len(), aws.encryption.len()), (1, 0));
    assert!(aws.signing[0].not_after() < "2022-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(aws.name_id_formats.len(), 8);
    assert!(aws.name_id_formats.contains(&NameIdFormat::Persistent.uri().to_owned()));
    assert_eq!((aws.valid_until, aws.cache_duration, aws.logout.len()), (None, None, 0));
    assert_eq!(aws.left_out, [""; 0]);
    assert_eq!(SpMetadata::parse(&format!("\u{feff}{AWS}")).unwrap(), aws, "a byte order mark says nothing");
}

#[test]
fn the_default_address_stands_first_as_the_standard_chooses_it() {
    let first = |list: &[(u16, &str)]| {
        let content: String =
            list.iter().map(|(index, more)| acs(*index, more, &format!("https://wiki.example.com/{index}"))).collect();
        let read = SpMetadata::parse(&with(&content)).unwrap();
        assert_eq!(read.acs.len(), list.len());
        read.acs[0].index
    };
    let (yes, no) = ("isDefault=\"true\"", "isDefault=\"false\"");
    assert_eq!(first(&[(5, ""), (6, yes), (7, yes)]), 6);
    assert_eq!(first(&[(5, no), (6, ""), (7, "")]), 6);
    assert_eq!(first(&[(5, no), (6, no)]), 5);
    assert_eq!(first(&[(9, ""), (1, "")]), 9);
}

#[test]
fn only_post_over_https_takes_responses() {
    let artifact = "<md:AssertionConsumerService index=\"0\" isDefault=\"true\" \
                    Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact\" Location=\"https://wiki.example.com/a\"/>";
    let plain = acs(1, "", "http://wiki.example.com/acs");
    let good = acs(2, "", "https://wiki.example.com/acs");
    let read = SpMetadata::parse(&with(&format!("{artifact}{plain}{good}"))).unwrap();
    assert_eq!(read.acs, [IndexedAddress { index: 2, url: "https://wiki.example.com/acs".into() }]);
    assert_eq!(read.left_out, ["address `http://wiki.example.com/acs`: use https (http only on this machine)"]);
    let none = refused(&with(&format!("{artifact}{plain}")));
    assert!(none.contains("no address that takes responses by HTTP-POST") && none.contains("use https"), "{none}");
    for url in
        ["javascript:alert(1)", "https://a:b@wiki.example.com/", "/acs", "https://wiki.example.com/#x", "file:///x"]
    {
        assert!(refused(&with(&acs(0, "", url))).contains("no address"), "{url}");
    }
    SpMetadata::parse(&with(&acs(0, "", "http://127.0.0.1:8081/acs"))).unwrap();
}

#[test]
fn an_address_named_twice_keeps_both_of_its_numbers() {
    let url = "https://wiki.example.com/acs";
    let read = SpMetadata::parse(&with(&format!("{}{}", acs(1, "", url), acs(2, "", url)))).unwrap();
    assert_eq!(read.acs.iter().map(|address| address.index).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn keys_are_for_what_their_use_says() {
    let [rsa, ec] = [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256].map(certificate);
    let content = [
        key(" use=\"signing\"", &rsa.base64()),
        key(" use=\"encryption\"", &ec.base64()),
        key("", &rsa.base64()),
        "<md:KeyDescriptor><ds:KeyInfo><ds:KeyName>k</ds:KeyName></ds:KeyInfo></md:KeyDescriptor>".to_owned(),
        key(" use=\"signing\"", "AAAA"),
    ];
    let read = SpMetadata::parse(&entity("https://wiki.example.com", "", &content.concat())).unwrap();
    assert_eq!(read.signing, std::slice::from_ref(&rsa));
    assert_eq!(read.encryption, [ec, rsa]);
    assert_eq!(read.left_out.len(), 2, "{:?}", read.left_out);
    let other = entity("https://wiki.example.com", "", &key(" use=\"both\"", "AAAA"));
    assert!(refused(&other).contains("is for `both`"));
}

#[test]
fn no_request_is_tried_on_more_than_a_few_certificates() {
    let made: Vec<_> = (0..9).map(|_| certificate(&rcgen::PKCS_ECDSA_P256_SHA256)).collect();
    let read = |made: &[Certificate]| {
        let keys: String = made.iter().chain(made).map(|one| key("", &one.base64())).collect();
        SpMetadata::parse(&entity("https://wiki.example.com", "", &keys))
    };
    assert_eq!(read(&made[..8]).unwrap().signing, made[..8]);
    let refused = read(&made).unwrap_err().to_string();
    assert!(refused.contains("more than 8 certificates"), "{refused}");
}

#[test]
fn logout_addresses_are_read_with_binding_and_response_location() {
    let content = format!(
        "<md:SingleLogoutService Binding=\"{BINDING_REDIRECT}\" Location=\"https://wiki.example.com/slo\" \
         ResponseLocation=\"https://wiki.example.com/slo/done\"/><md:SingleLogoutService Binding=\"{BINDING_POST}\" \
         Location=\"https://wiki.example.com/slo\"/><md:SingleLogoutService Binding=\"{BINDING_POST}\" \
         Location=\"http://wiki.example.com/slo\"/>"
    );
    let read = SpMetadata::parse(&entity("https://wiki.example.com", "", &content)).unwrap();
    let slo = "https://wiki.example.com/slo".to_owned();
    assert_eq!(
        read.logout,
        [
            Endpoint {
                binding: BINDING_REDIRECT.to_owned(),
                location: slo.clone(),
                response_location: Some("https://wiki.example.com/slo/done".to_owned()),
            },
            Endpoint { binding: BINDING_POST.to_owned(), location: slo, response_location: None },
        ]
    );
    assert_eq!(read.left_out.len(), 1);
}

#[test]
fn of_several_ends_the_earliest_counts() {
    let role = "validUntil=\"2027-01-01T00:00:00Z\" cacheDuration=\"P1D\"";
    let one = entity("https://wiki.example.com", role, "");
    let group = format!(
        "<md:EntitiesDescriptor {NAMESPACES} validUntil=\"2026-12-01T00:00:00.5Z\" cacheDuration=\"PT6H\">{one}\
         </md:EntitiesDescriptor>"
    );
    let alone = SpMetadata::parse(&one).unwrap();
    assert_eq!(alone.valid_until, Some("2027-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(alone.cache_duration, Some(Duration::from_secs(86_400)));
    let grouped = SpMetadata::parse(&group).unwrap();
    let end: Timestamp = "2026-12-01T00:00:00.5Z".parse().unwrap();
    assert_eq!(grouped.valid_until, Some(end));
    assert_eq!(grouped.cache_duration, Some(Duration::from_secs(6 * 3600)));
    assert!(grouped.has_ended(end) && !grouped.has_ended("2026-12-01T00:00:00Z".parse().unwrap()));
    assert!(!SpMetadata::parse(AWS).unwrap().has_ended(end));
    for bad in ["validUntil=\"tomorrow\"", "validUntil=\"2027-01-01T00:00:00\"", "cacheDuration=\"1 day\""] {
        assert!(refused(&entity("https://wiki.example.com", bad, "")).contains("` in `"), "{bad}");
    }
}

#[test]
fn of_a_group_the_one_that_config_names_is_taken() {
    let [wiki, chat] = ["https://wiki.example.com", "https://chat.example.com"].map(|id| entity(id, "", ""));
    let broken = wiki.replace("https://wiki.example.com", "https://broken.example.com").replace(BINDING_POST, "urn:x");
    let idp = format!("<md:EntityDescriptor {NAMESPACES} entityID=\"https://idp.example.com\"/>");
    let inner = format!("<md:EntitiesDescriptor>{chat}</md:EntitiesDescriptor>");
    let group = format!("<md:EntitiesDescriptor {NAMESPACES}>{idp}{wiki}{inner}{broken}</md:EntitiesDescriptor>");
    let entities = Entities::parse(&group).unwrap();
    for id in ["https://wiki.example.com", "https://chat.example.com"] {
        assert_eq!(entities.choose(Some(id)).unwrap().entity_id, id);
    }
    assert!(matches!(entities.choose(Some("https://broken.example.com")), Err(SpMetadataError::Malformed(_))));
    for missing in ["https://idp.example.com", "https://x.example.com", "https://wiki.example.com/"] {
        assert_eq!(entities.choose(Some(missing)), Err(SpMetadataError::Unknown(missing.to_owned())));
    }
    assert_eq!(entities.choose(None), Err(SpMetadataError::Several(3)));
    let only_idp = format!("<md:EntitiesDescriptor {NAMESPACES}>{idp}</md:EntitiesDescriptor>");
    assert_eq!(Entities::parse(&only_idp).unwrap().choose(None), Err(SpMetadataError::NoServiceProvider));
    let twice = format!("<md:EntitiesDescriptor {NAMESPACES}>{wiki}{wiki}{wiki}</md:EntitiesDescriptor>");
    let id = "https://wiki.example.com".to_owned();
    assert_eq!(Entities::parse(&twice).unwrap().choose(Some(&id)), Err(SpMetadataError::Twice(id)));
}

#[test]
fn what_is_no_metadata_is_refused() {
    let good = entity("https://wiki.example.com", "", "");
    SpMetadata::parse(&good).unwrap();
    let dtd = format!("<!DOCTYPE x [<!ENTITY e \"x\">]>{good}");
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    for (xml, part) in [
        (String::new(), "no metadata"),
        ("{\"entityID\": \"x\"}".to_owned(), "no metadata"),
        (dtd, "no metadata"),
        (good.replace("md:EntityDescriptor", "md:Entity"), "its root"),
        (good.replace("SAML:2.0:metadata", "SAML:1.0:metadata"), "its root"),
        (good.replace("SAML:2.0:protocol", "SAML:1.1:protocol"), "no service provider"),
        (good.replace("entityID=", "entityId="), "entityID"),
        (good.replace("entityID=\"https://wiki", "entityID=\"https:// wiki"), "entityID"),
        (good.replace("entityID=\"", &format!("entityID=\"{}", "x".repeat(1025))), "entityID"),
        (good.replace("index=\"0\"", ""), "`index`"),
        (good.replace("index=\"0\"", "index=\"70000\""), "`index`"),
        (entity("https://wiki.example.com", "", &acs(0, "", "https://wiki.example.com/2")), "have the index 0"),
        (entity("https://wiki.example.com", "AuthnRequestsSigned=\"maybe\"", ""), "neither true nor false"),
        (entity("https://wiki.example.com", "", "<md:NameIDFormat>a<!-- -->b</md:NameIDFormat>"), "plain text"),
        (entity("https://wiki.example.com", "", &"<md:NameIDFormat>a</md:NameIDFormat>".repeat(65)), "more than 64"),
        (entity("https://wiki.example.com", "", &deep), "too deeply"),
        (
            with(&format!("{}</md:SPSSODescriptor><md:SPSSODescriptor {SPEAKS}>", acs(0, "", "https://a.example.com"))),
            "more than one",
        ),
    ] {
        let why = refused(&xml);
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(SpMetadata::parse(&" ".repeat(MAX_XML_BYTES + 1)), Err(SpMetadataError::TooLarge));
}

/// Signed by xmlsec1 with a key made here, as the first child of the root; and the certificate of that key.
fn signed(xml: &str) -> (String, Certificate) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["federation.example.com".to_owned()]).unwrap();
    let certificate = params.self_signed(&pair).unwrap().pem();
    let c14n = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let template = format!(
        "<ds:Signature><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{c14n}\"/><ds:SignatureMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/><ds:Reference URI=\"#_m\"><ds:Transforms>\
         <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/><ds:Transform \
         Algorithm=\"{c14n}\"/></ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
         <ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo>\
         </ds:Signature>"
    );
    let (root, rest) = xml.split_once('>').unwrap();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("in.xml", &format!("{root} ID=\"_m\">{template}{rest}"));
    write("key.pem", &pair.serialize_pem());
    write("crt.pem", &certificate);
    let output = std::process::Command::new("xmlsec1")
        .args(["--sign", "--privkey-pem", "key.pem,crt.pem", "--output", "out.xml"])
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor"])
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor", "in.xml"])
        .current_dir(dir.path())
        .output()
        .expect("the tests need xmlsec1: apt-get install xmlsec1");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let out = std::fs::read_to_string(dir.path().join("out.xml")).unwrap();
    let (declaration, root) = out.split_once("?>").unwrap();
    assert!(declaration.starts_with("<?xml"));
    (root.trim().to_owned(), Certificate::from_pem(&certificate).unwrap())
}

#[test]
fn signed_metadata_is_what_was_signed_and_by_whom_config_says() {
    let wiki = entity("https://wiki.example.com", "", "");
    let group = format!("<md:EntitiesDescriptor {NAMESPACES}>{wiki}</md:EntitiesDescriptor>");
    for xml in [&wiki, &group] {
        let (good, certificate) = signed(xml);
        let trusted = [certificate];
        let read = Entities::verified(&good, &trusted).unwrap();
        assert_eq!(read.choose(None).unwrap().acs[0].url, "https://wiki.example.com/acs");
        let refused = |xml: &str, trusted: &[Certificate]| match Entities::verified(xml, trusted) {
            Err(SpMetadataError::Signature(error)) => error,
            other => panic!("{other:?}"),
        };
        let moved = good.replace("https://wiki.example.com/acs", "https://evil.example.com/acs");
        assert_eq!(refused(&moved, &trusted), VerifyError::Digest);
        assert_eq!(
            refused(&good, &[certificate_of_another()]),
            VerifyError::Signature,
            "the key in it is not looked at"
        );
        assert_eq!(refused(xml, &trusted), VerifyError::Unsigned);
        // The signed document as a part of another, with an entity of the attacker's beside it.
        let evil = entity("https://wiki.example.com", "", "").replace("/acs", "/evil");
        let wrapped = format!("<md:EntitiesDescriptor {NAMESPACES}>{evil}{good}</md:EntitiesDescriptor>");
        assert!(matches!(refused(&wrapped, &trusted), VerifyError::Form(_)));
        let spliced = good.replace("</md:EntityDescriptor>", &format!("</md:EntityDescriptor>{evil}"));
        assert!(Entities::verified(&spliced, &trusted).is_err());
    }
}

fn certificate_of_another() -> Certificate {
    certificate(&rcgen::PKCS_RSA_SHA256)
}
