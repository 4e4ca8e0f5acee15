use proptest::prelude::*;
use roxmltree::Document;

use super::*;
use crate::domain::User;
use crate::saml::fixtures::{Files, IDP, ann, aws_config, build, context, entropy, now, wiki_config};
use crate::saml::ns;

fn issue_for(user: &User, config: &crate::config::AppConfig) -> SignedResponse {
    let request = build(config).issue_request(user, &context()).unwrap();
    issue_permitted(&request, &IDP, now(), &entropy()).unwrap()
}

/// Name and values of all attributes, read by a parser that has nothing to do with the writer.
fn attributes(xml: &str) -> Vec<(String, Vec<String>)> {
    let document = Document::parse(xml).unwrap();
    let attributes = document.descendants().filter(|node| node.has_tag_name((ns::ASSERTION, "Attribute")));
    attributes
        .map(|attribute| {
            let values = attribute.children().map(|value| value.text().unwrap_or_default().to_owned()).collect();
            (attribute.attribute("Name").unwrap().to_owned(), values)
        })
        .collect()
}

#[test]
fn xmlsec1_verifies_each_way_of_signing_and_the_schema_is_met() {
    for (sign, signed) in [
        (SignMode::Assertion, vec!["Assertion"]),
        (SignMode::Response, vec!["Response"]),
        (SignMode::Both, vec!["Assertion", "Response"]),
    ] {
        for config in [aws_config(), wiki_config()] {
            let response = issue_for(&ann(), &crate::config::AppConfig { sign, ..config });
            let files = Files::of(&response.xml);
            for parent in &signed {
                assert!(files.xmlsec1_verifies(parent), "{sign:?}: {parent}\n{}", response.xml);
            }
            assert_eq!(files.schema_errors("saml-schema-protocol-2.0.xsd"), "", "{sign:?}\n{}", response.xml);
        }
    }
}

#[test]
fn a_changed_word_is_noticed() {
    let response = issue_for(&ann(), &aws_config());
    let tampered = response.xml.replace("role/Dev,", "role/Own,");
    assert_ne!(tampered, response.xml);
    assert!(!Files::of(&tampered).xmlsec1_verifies("Assertion"));
}

#[test]
fn error_statuses_are_signed_and_meet_the_schema() {
    for status in SecondLevel::ALL {
        let reply = StatusReply {
            acs: "https://wiki.example.com/acs?a=1&b=\"2\"".into(),
            in_response_to: Some("_r1".into()),
            relay_state: RelayState::parse("back").ok(),
            status,
            signature_algorithm: crate::domain::SignatureAlgorithm::RsaSha256,
        };
        let response = status_response(&reply, &IDP, now(), &entropy()).unwrap();
        let files = Files::of(&response.xml);
        assert!(files.xmlsec1_verifies("Response"), "{}", response.xml);
        assert_eq!(files.schema_errors("saml-schema-protocol-2.0.xsd"), "", "{}", response.xml);
        assert!(response.xml.contains(status.uri()) && !response.xml.contains("Assertion>"), "{}", response.xml);
    }
}

#[test]
fn a_response_says_when_where_and_for_whom() {
    let response = issue_for(&ann(), &aws_config());
    let document = Document::parse(&response.xml).unwrap();
    let one = |name: &'static str| {
        let mut found = document.descendants().filter(move |node| node.tag_name().name() == name);
        let only = found.next().unwrap();
        assert!(found.next().is_none(), "{name}");
        only
    };
    let data = one("SubjectConfirmationData");
    assert_eq!(data.attribute("Recipient"), Some("https://signin.aws.amazon.com/saml"));
    assert_eq!(data.attribute("NotOnOrAfter"), Some("2026-11-21T12:05:00.000Z"));
    assert_eq!(data.attribute("NotBefore"), None);
    assert_eq!(one("Conditions").attribute("NotBefore"), Some("2026-11-21T11:59:30Z"));
    assert_eq!(one("Audience").text(), Some("urn:amazon:webservices"));
    assert_eq!(one("Response").attribute("InResponseTo"), None);
    assert_eq!(response.sha256, sha256_hex(response.xml.as_bytes()));
    let pair =
        |role: &str| format!("arn:aws:iam::123456789012:role/{role},arn:aws:iam::123456789012:saml-provider/cedargate");
    let aws = |name: &str| format!("https://aws.amazon.com/SAML/Attributes/{name}");
    assert_eq!(
        attributes(&response.xml),
        [
            (aws("Role"), vec![pair("Dev"), pair("Admin")]),
            (aws("RoleSessionName"), vec!["ann@example.com".into()]),
            (aws("SessionDuration"), vec!["3600".into()]),
        ]
    );
}

#[test]
fn a_response_larger_than_service_providers_take_does_not_leave() {
    let mut request = build(&wiki_config()).issue_request(&ann(), &context()).unwrap();
    request.attributes[0].values = vec!["x".repeat(80_000)];
    assert!(matches!(issue_permitted(&request, &IDP, now(), &entropy()), Err(IssueError::TooLarge { .. })));
}

#[test]
fn what_aws_would_refuse_is_not_signed_and_names_person_app_and_rule() {
    let request = build(&aws_config()).issue_request(&ann(), &context()).unwrap();
    let issued = |request: &IssueRequest| issue_checked(request, &ann().username, &IDP, now(), &entropy());
    assert!(issued(&request).is_ok());
    // As if something between the settings and the signature had let it through.
    let mut spoiled = request.clone();
    spoiled.roles.first_mut().unwrap().value.push_str(",more");
    let error = issued(&spoiled).unwrap_err();
    assert!(matches!(error, IssueError::Mapping(_)));
    let said = error.to_string();
    assert!(said.starts_with("no assertion for user `ann` and app `aws`: the role `Dev` must be"), "{said}");
}

#[test]
fn a_control_character_stops_the_response_and_is_named() {
    let mut request = build(&wiki_config()).issue_request(&ann(), &context()).unwrap();
    request.attributes[0].values = vec!["Bob\u{0}by".into()];
    let error = issue_permitted(&request, &IDP, now(), &entropy()).unwrap_err();
    assert!(error.to_string().contains("holds the character U+0000"), "{error}");
}

/// Names that would break out of XML if anything let them, and any others XML can carry.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "</saml2:AttributeValue>",
        "<saml2:AttributeValue>arn:aws:iam::1:role/Admin",
        "<!--",
        "-->",
        "]]>",
        "<![CDATA[",
        "&amp;",
        "&#60;",
        "&",
        "\" Name=\"x",
        "'",
        " xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"",
        "<?pi?>",
        "\u{2028}",
        "ü",
    ]);
    prop::collection::vec(prop_oneof![pieces.prop_map(str::to_owned), "[^\\p{Cc}\\u{fffe}\\u{ffff}]{0,8}"], 0..8)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hostile_names_leave_the_attributes_and_their_values_as_they_are(first in hostile(), last in hostile()) {
        let user = User { first_name: first, last_name: last.clone(), ..ann() };
        let response = issue_for(&user, &wiki_config());
        let mut expected: Vec<(String, Vec<String>)> = vec![
            ("cn".into(), vec![user.display_name()]),
            ("groups".into(), vec!["aws-users".into(), "staff".into()]),
            ("mail".into(), vec!["ann@example.com".into()]),
        ];
        if !last.is_empty() {
            expected.push(("sn".into(), vec![last]));
        }
        prop_assert_eq!(attributes(&response.xml), expected);
        prop_assert!(Document::parse(&response.xml).unwrap().descendants().all(|node| !node.is_comment()));
    }
}

#[test]
fn hostile_names_still_verify_elsewhere() {
    for name in [
        "]]><!--",
        "&#x41;<b a='1'>\"",
        "R&D \u{2028}\u{1f332} é e\u{301}",
        " xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"",
    ] {
        let response = issue_for(&User { last_name: name.into(), ..ann() }, &wiki_config());
        assert!(Files::of(&response.xml).xmlsec1_verifies("Assertion"), "{name}\n{}", response.xml);
    }
}
