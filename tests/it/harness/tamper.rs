//! What somebody between the identity provider and the service provider could try.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use regex::{Captures, Regex};

/// One changed response.
pub(crate) struct Tampered {
    pub(crate) name: &'static str,
    pub(crate) xml: String,
}

impl Tampered {
    /// As it would be posted.
    pub(crate) fn encoded(&self) -> String {
        BASE64.encode(&self.xml)
    }
}

/// Changes to what is signed, or to the signature. Every verifier has to refuse each.
pub(crate) fn signed_content(xml: &str) -> Vec<Tampered> {
    let changes: [(&'static str, &str, &str); 10] = [
        ("another subject", r"(<(?:\w+:)?NameID\b[^>]*>)[^<]*", "${1}mallory@example.com"),
        ("another attribute value", r"(<(?:\w+:)?AttributeValue\b[^>]*>)[^<]*", "${1}changed"),
        (
            "a further attribute value",
            r"(<(?:\w+:)?AttributeValue\b[^>]*>)([^<]*)(</[^>]*>)",
            "${1}${2}${3}${1}more${3}",
        ),
        ("another audience", r"(<(?:\w+:)?Audience\b[^>]*>)[^<]*", "${1}https://evil.example/saml"),
        ("a longer validity", r#"(<(?:\w+:)?Conditions\b[^>]*\bNotOnOrAfter=")[^"]*"#, "${1}2099-01-01T00:00:00Z"),
        (
            "another recipient",
            r#"(<(?:\w+:)?SubjectConfirmationData\b[^>]*\bRecipient=")[^"]*"#,
            "${1}https://evil.example/acs",
        ),
        (
            "another authentication",
            r"(<(?:\w+:)?AuthnContextClassRef\b[^>]*>)[^<]*",
            "${1}urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI",
        ),
        ("no audience at all", r"(?s)<(?:\w+:)?AudienceRestriction\b.*?</(?:\w+:)?AudienceRestriction>", ""),
        ("a changed digest", r"(<(?:\w+:)?DigestValue\b[^>]*>\s*)[^<]{4}", "${1}AAAA"),
        ("a changed signature", r"(<(?:\w+:)?SignatureValue\b[^>]*>\s*)[^<]{4}", "${1}AAAA"),
    ];
    changes.into_iter().map(|(name, pattern, with)| Tampered { name, xml: replace_all(xml, pattern, with) }).collect()
}

/// Changes that leave some signature intact and hope that the verifier looks elsewhere. A service provider has to refuse each.
pub(crate) fn around_the_signature(xml: &str) -> Vec<Tampered> {
    let assertion = first(xml, r"(?s)<(?:\w+:)?Assertion\b.*</(?:\w+:)?Assertion>");
    let unsigned = replace_all(&assertion, SIGNATURE, "");
    let forged = replace_all(&unsigned, r"(<(?:\w+:)?NameID\b[^>]*>)[^<]*", "${1}mallory@example.com");
    let renamed = replace_first(&forged, r#"\bID="[^"]*""#, "ID=\"_forged\"");
    let status_end = r"(?s)(</(?:\w+:)?Status>)";
    let in_extensions =
        "<samlp:Extensions xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">ORIGINAL</samlp:Extensions>";
    let mut tampered = vec![
        Tampered { name: "no signature", xml: replace_all(xml, SIGNATURE, "") },
        Tampered {
            name: "a forged assertion before the signed one",
            xml: replace_first(xml, status_end, &format!("${{1}}{}", escape(&renamed))),
        },
        Tampered {
            name: "a forged assertion after the signed one",
            xml: xml.replace(&assertion, &format!("{assertion}{renamed}")),
        },
        Tampered {
            name: "a forged assertion with the same id",
            xml: replace_first(xml, status_end, &format!("${{1}}{}", escape(&forged))),
        },
        Tampered {
            name: "the signed assertion moved into extensions",
            xml: xml.replace(&assertion, &format!("{}{renamed}", in_extensions.replace("ORIGINAL", &assertion))),
        },
        Tampered {
            name: "the signed assertion inside the forged one",
            xml: xml.replace(&assertion, &replace_first(&renamed, "(</[^>]*>)$", &format!("{}$1", escape(&assertion)))),
        },
        Tampered {
            name: "another destination",
            xml: replace_first(xml, r#"\bDestination="[^"]*""#, "Destination=\"https://evil.example/acs\""),
        },
    ];
    tampered.iter_mut().for_each(|one| assert_ne!(one.xml, xml, "{} changed nothing", one.name));
    tampered
}

const SIGNATURE: &str = r"(?s)<(?:\w+:)?Signature\b.*?</(?:\w+:)?Signature>";

fn first(text: &str, pattern: &str) -> String {
    Regex::new(pattern)
        .unwrap()
        .find(text)
        .unwrap_or_else(|| panic!("`{pattern}` is not in {text}"))
        .as_str()
        .to_owned()
}

/// Text that stands for itself in a replacement.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

fn replace_first(text: &str, pattern: &str, with: &str) -> String {
    let pattern = Regex::new(pattern).unwrap();
    assert!(pattern.is_match(text), "`{pattern}` is not in {text}");
    pattern.replace(text, with).into_owned()
}

/// Replaces every match, so that no intact copy stays.
fn replace_all(text: &str, pattern: &str, with: &str) -> String {
    let pattern = Regex::new(pattern).unwrap();
    let mut changed = false;
    let result = pattern.replace_all(text, |found: &Captures<'_>| {
        let mut new = String::new();
        found.expand(with, &mut new);
        changed |= new != found[0];
        new
    });
    assert!(changed, "`{pattern}` changes nothing in {text}");
    result.into_owned()
}
