//! Responses and the assertion in them.

use chrono::{DateTime, Utc};
use samael::attribute::{Attribute, AttributeValue};
use samael::schema::{
    Assertion, AttributeStatement, AudienceRestriction, AuthnContext, AuthnContextClassRef, AuthnStatement, Conditions,
    Issuer, Response, Status, StatusCode, Subject, SubjectConfirmation, SubjectConfirmationData, SubjectNameID,
};
use samael::traits::ToXml as _;

use super::encrypted::{self, Sealed};
use super::readback::{self, Element, Expected};
use super::{Text, WireError};
use crate::clock::Timestamp;
use crate::saml::ns;

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// Declarations samael writes into every attribute value although nothing uses them: a hundred bytes per role. In escaped
/// text no `"` stands, so these cannot be anything but markup.
const UNUSED: [&str; 3] = [
    " xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"",
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
    " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"",
];

/// A Response, with an assertion or an error status.
pub(in crate::saml) struct ResponseParts {
    pub(in crate::saml) id: String,
    pub(in crate::saml) issue_instant: Timestamp,
    pub(in crate::saml) destination: Text,
    pub(in crate::saml) in_response_to: Option<Text>,
    pub(in crate::saml) issuer: Text,
    pub(in crate::saml) content: Result<AssertionParts, StatusParts>,
}

/// Two status URIs.
pub(in crate::saml) struct StatusParts {
    pub(in crate::saml) top: &'static str,
    pub(in crate::saml) second: &'static str,
}

/// The assertion of a successful Response. Recipient, InResponseTo and Issuer are the Response's.
pub(in crate::saml) struct AssertionParts {
    pub(in crate::saml) id: String,
    pub(in crate::saml) name_id_format: &'static str,
    pub(in crate::saml) name_id: Text,
    pub(in crate::saml) not_before: Timestamp,
    pub(in crate::saml) not_on_or_after: Timestamp,
    pub(in crate::saml) audience: Text,
    pub(in crate::saml) authn_instant: Timestamp,
    pub(in crate::saml) session_index: Text,
    pub(in crate::saml) session_not_on_or_after: Option<Timestamp>,
    pub(in crate::saml) authn_context: &'static str,
    pub(in crate::saml) attributes: Vec<AttributeParts>,
}

/// One attribute of an assertion.
pub(in crate::saml) struct AttributeParts {
    pub(in crate::saml) name: Text,
    pub(in crate::saml) name_format: &'static str,
    pub(in crate::saml) friendly_name: Option<Text>,
    /// At least one.
    pub(in crate::saml) values: Vec<Text>,
}

/// What of a Response is encrypted already.
#[derive(Clone, Copy)]
pub(super) enum Hidden<'a> {
    Nothing,
    NameId(&'a Sealed),
    Assertion(&'a Sealed),
}

/// Writes a Response and proves by reading that it says what `parts` say.
pub(in crate::saml) fn response(parts: &ResponseParts) -> Result<String, WireError> {
    let (status, assertion) = match &parts.content {
        Ok(assertion) => (SUCCESS, Some(model(parts, assertion)?)),
        Err(status) => (status.top, None),
    };
    let response = Response {
        id: parts.id.clone(),
        in_response_to: parts.in_response_to.as_ref().map(Text::attribute),
        version: "2.0".to_owned(),
        issue_instant: instant(parts.issue_instant)?,
        destination: Some(parts.destination.attribute()),
        consent: None,
        issuer: Some(issuer(&parts.issuer)),
        signature: None,
        status: Some(Status {
            status_code: StatusCode { value: Some(status.to_owned()) },
            status_message: None,
            status_detail: None,
        }),
        encrypted_assertion: None,
        assertion,
    };
    let mut xml = response.to_string().map_err(|e| WireError::Write(e.to_string()))?;
    for unused in UNUSED {
        xml = xml.replace(unused, "");
    }
    if let Err(status) = &parts.content {
        // samael's model has no second-level code. Both URIs are ours and need no escaping.
        let flat = format!("<saml2p:StatusCode Value=\"{}\"/>", status.top);
        let nested = format!(
            "<saml2p:StatusCode Value=\"{}\"><saml2p:StatusCode Value=\"{}\"/></saml2p:StatusCode>",
            status.top, status.second
        );
        xml = xml.replacen(&flat, &nested, 1);
    }
    readback::compare(&xml, &expected(parts, Hidden::Nothing))?;
    Ok(xml)
}

fn instant(at: Timestamp) -> Result<DateTime<Utc>, WireError> {
    DateTime::from_timestamp(at.as_second(), 0).ok_or(WireError::Instant(at))
}

fn issuer(entity_id: &Text) -> Issuer {
    Issuer { value: Some(entity_id.element()), ..Issuer::default() }
}

fn model(parts: &ResponseParts, assertion: &AssertionParts) -> Result<Assertion, WireError> {
    let attributes: Vec<Attribute> = assertion
        .attributes
        .iter()
        .map(|attribute| Attribute {
            friendly_name: attribute.friendly_name.as_ref().map(Text::attribute),
            name: Some(attribute.name.attribute()),
            name_format: Some(attribute.name_format.to_owned()),
            values: attribute
                .values
                .iter()
                .map(|value| AttributeValue { attribute_type: None, value: Some(value.element()) })
                .collect(),
        })
        .collect();
    Ok(Assertion {
        id: assertion.id.clone(),
        issue_instant: instant(parts.issue_instant)?,
        version: "2.0".to_owned(),
        issuer: issuer(&parts.issuer),
        signature: None,
        subject: Some(subject(parts, assertion)?),
        conditions: Some(Conditions {
            not_before: Some(instant(assertion.not_before)?),
            not_on_or_after: Some(instant(assertion.not_on_or_after)?),
            audience_restrictions: Some(vec![AudienceRestriction { audience: vec![assertion.audience.element()] }]),
            one_time_use: None,
            proxy_restriction: None,
        }),
        authn_statements: Some(vec![AuthnStatement {
            authn_instant: Some(instant(assertion.authn_instant)?),
            session_index: Some(assertion.session_index.attribute()),
            session_not_on_or_after: assertion.session_not_on_or_after.map(instant).transpose()?,
            subject_locality: None,
            authn_context: Some(AuthnContext {
                value: Some(AuthnContextClassRef { value: Some(assertion.authn_context.to_owned()) }),
            }),
        }]),
        attribute_statements: (!attributes.is_empty()).then(|| vec![AttributeStatement { attributes }]),
    })
}

fn subject(parts: &ResponseParts, assertion: &AssertionParts) -> Result<Subject, WireError> {
    Ok(Subject {
        name_id: Some(SubjectNameID {
            format: Some(assertion.name_id_format.to_owned()),
            value: assertion.name_id.element(),
        }),
        subject_confirmations: Some(vec![SubjectConfirmation {
            method: Some(BEARER.to_owned()),
            name_id: None,
            subject_confirmation_data: Some(SubjectConfirmationData {
                // A bearer confirmation must not say NotBefore (SAML profiles §4.1.4.2).
                not_before: None,
                not_on_or_after: Some(instant(assertion.not_on_or_after)?),
                recipient: Some(parts.destination.attribute()),
                in_response_to: parts.in_response_to.as_ref().map(Text::attribute),
                address: None,
                content: None,
            }),
        }]),
    })
}

/// The list of elements in document order, built apart from the model above so that a slip in one shows.
pub(super) fn expected<'a>(parts: &'a ResponseParts, hidden: Hidden<'a>) -> Vec<Element<'a>> {
    use Expected::{Instant, Text as Is};
    let mut root = vec![
        ("ID", Is(&parts.id)),
        ("Version", Is("2.0")),
        ("IssueInstant", Instant(whole_seconds(parts.issue_instant))),
        ("Destination", Is(parts.destination.raw())),
    ];
    root.extend(parts.in_response_to.as_ref().map(|id| ("InResponseTo", Is(id.raw()))));
    let mut elements = vec![
        Element { depth: 0, namespace: ns::PROTOCOL, name: "Response", attributes: root, text: "" },
        Element {
            depth: 1,
            namespace: ns::ASSERTION,
            name: "Issuer",
            attributes: Vec::new(),
            text: parts.issuer.raw(),
        },
        protocol(1, "Status", Vec::new()),
    ];
    match &parts.content {
        Ok(assertion) => {
            elements.push(protocol(2, "StatusCode", vec![("Value", Is(SUCCESS))]));
            match hidden {
                Hidden::Assertion(sealed) => encrypted::expected(1, "EncryptedAssertion", sealed, &mut elements),
                Hidden::Nothing | Hidden::NameId(_) => expected_assertion(parts, assertion, hidden, &mut elements),
            }
        }
        Err(status) => {
            elements.push(protocol(2, "StatusCode", vec![("Value", Is(status.top))]));
            elements.push(protocol(3, "StatusCode", vec![("Value", Is(status.second))]));
        }
    }
    elements
}

fn protocol(depth: usize, name: &'static str, attributes: Vec<(&'static str, Expected<'static>)>) -> Element<'static> {
    Element { depth, namespace: ns::PROTOCOL, name, attributes, text: "" }
}

/// The NameID at this depth.
pub(super) fn expected_name_id<'a>(depth: usize, format: &'a str, value: &'a Text) -> Element<'a> {
    let attributes = vec![("Format", Expected::Text(format))];
    Element { depth, namespace: ns::ASSERTION, name: "NameID", attributes, text: value.raw() }
}

fn expected_assertion<'a>(
    parts: &'a ResponseParts,
    assertion: &'a AssertionParts,
    hidden: Hidden<'a>,
    elements: &mut Vec<Element<'a>>,
) {
    expected_subject(parts, assertion, hidden, elements);
    expected_statements(assertion, elements);
}

fn expected_subject<'a>(
    parts: &'a ResponseParts,
    assertion: &'a AssertionParts,
    hidden: Hidden<'a>,
    elements: &mut Vec<Element<'a>>,
) {
    use Expected::{Instant, Text as Is};
    let mut push = |depth, name, attributes, text| {
        elements.push(Element { depth, namespace: ns::ASSERTION, name, attributes, text });
    };
    push(
        1,
        "Assertion",
        vec![
            ("ID", Is(&assertion.id)),
            ("Version", Is("2.0")),
            ("IssueInstant", Instant(whole_seconds(parts.issue_instant))),
        ],
        "",
    );
    push(2, "Issuer", vec![], parts.issuer.raw());
    push(2, "Subject", vec![], "");
    match hidden {
        Hidden::NameId(sealed) => encrypted::expected(3, "EncryptedID", sealed, elements),
        Hidden::Nothing | Hidden::Assertion(_) => {
            elements.push(expected_name_id(3, assertion.name_id_format, &assertion.name_id))
        }
    }
    let mut push = |depth, name, attributes, text| {
        elements.push(Element { depth, namespace: ns::ASSERTION, name, attributes, text });
    };
    push(3, "SubjectConfirmation", vec![("Method", Is(BEARER))], "");
    let end = Instant(whole_seconds(assertion.not_on_or_after));
    let mut data = vec![("NotOnOrAfter", end), ("Recipient", Is(parts.destination.raw()))];
    data.extend(parts.in_response_to.as_ref().map(|id| ("InResponseTo", Is(id.raw()))));
    push(4, "SubjectConfirmationData", data, "");
}

fn expected_statements<'a>(assertion: &'a AssertionParts, elements: &mut Vec<Element<'a>>) {
    use Expected::{Instant, Text as Is};
    let mut push = |depth, name, attributes, text| {
        elements.push(Element { depth, namespace: ns::ASSERTION, name, attributes, text });
    };
    let end = Instant(whole_seconds(assertion.not_on_or_after));
    let from = Instant(whole_seconds(assertion.not_before));
    push(2, "Conditions", vec![("NotBefore", from), ("NotOnOrAfter", end)], "");
    push(3, "AudienceRestriction", vec![], "");
    push(4, "Audience", vec![], assertion.audience.raw());
    let mut statement = vec![
        ("AuthnInstant", Instant(whole_seconds(assertion.authn_instant))),
        ("SessionIndex", Is(assertion.session_index.raw())),
    ];
    let session_end = assertion.session_not_on_or_after.map(whole_seconds);
    statement.extend(session_end.map(|at| ("SessionNotOnOrAfter", Instant(at))));
    push(2, "AuthnStatement", statement, "");
    push(3, "AuthnContext", vec![], "");
    push(4, "AuthnContextClassRef", vec![], assertion.authn_context);
    if !assertion.attributes.is_empty() {
        push(2, "AttributeStatement", vec![], "");
    }
    for attribute in &assertion.attributes {
        let mut named = vec![("Name", Is(attribute.name.raw())), ("NameFormat", Is(attribute.name_format))];
        named.extend(attribute.friendly_name.as_ref().map(|name| ("FriendlyName", Is(name.raw()))));
        push(3, "Attribute", named, "");
        for value in &attribute.values {
            push(4, "AttributeValue", vec![], value.raw());
        }
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
