//! LogoutRequests and LogoutResponses (SAML core §3.7). samael's own structs for them leave out what the profile asks for, so
//! they are put together here, of [`Text`] alone, and read back like everything else.

use super::encrypted::{self, Sealed};
use super::readback::{self, Element, Expected};
use super::{Text, WireError, response};
use crate::clock::Timestamp;
use crate::saml::ns;

/// A LogoutRequest.
pub(in crate::saml) struct LogoutRequestParts {
    pub(in crate::saml) id: String,
    pub(in crate::saml) issue_instant: Timestamp,
    pub(in crate::saml) not_on_or_after: Timestamp,
    pub(in crate::saml) destination: Text,
    pub(in crate::saml) issuer: Text,
    pub(in crate::saml) name_id_format: &'static str,
    pub(in crate::saml) name_id: Text,
    pub(in crate::saml) session_index: Text,
}

/// A LogoutResponse.
pub(in crate::saml) struct LogoutResponseParts {
    pub(in crate::saml) id: String,
    pub(in crate::saml) issue_instant: Timestamp,
    pub(in crate::saml) destination: Text,
    pub(in crate::saml) in_response_to: Text,
    pub(in crate::saml) issuer: Text,
    pub(in crate::saml) status: &'static str,
    pub(in crate::saml) second: Option<&'static str>,
}

/// Writes a LogoutRequest and proves by reading that it says what `parts` say.
pub(in crate::saml) fn logout_request(parts: &LogoutRequestParts) -> Result<String, WireError> {
    let xml = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\" NotOnOrAfter=\"{}\"><saml:Issuer>{}</saml:Issuer><saml:NameID Format=\"{}\">{}</saml:NameID>\
         <samlp:SessionIndex>{}</samlp:SessionIndex></samlp:LogoutRequest>",
        ns::PROTOCOL,
        ns::ASSERTION,
        parts.id,
        instant(parts.issue_instant),
        parts.destination.element(),
        instant(parts.not_on_or_after),
        parts.issuer.element(),
        parts.name_id_format,
        parts.name_id.element(),
        parts.session_index.element(),
    );
    readback::compare(&xml, &expected_request(parts, None))?;
    Ok(xml)
}

/// The elements of a LogoutRequest, its NameID hidden in `sealed` or not.
pub(super) fn expected_request<'a>(parts: &'a LogoutRequestParts, sealed: Option<&'a Sealed>) -> Vec<Element<'a>> {
    use Expected::{Instant, Text as Is};
    let root = vec![
        ("ID", Is(parts.id.as_str())),
        ("Version", Is("2.0")),
        ("IssueInstant", Instant(whole_seconds(parts.issue_instant))),
        ("Destination", Is(parts.destination.raw())),
        ("NotOnOrAfter", Instant(whole_seconds(parts.not_on_or_after))),
    ];
    let protocol = |depth, name, attributes, text| Element { depth, namespace: ns::PROTOCOL, name, attributes, text };
    let mut expected = vec![protocol(0, "LogoutRequest", root, ""), issuer(&parts.issuer)];
    match sealed {
        Some(sealed) => encrypted::expected(1, "EncryptedID", sealed, &mut expected),
        None => expected.push(response::expected_name_id(1, parts.name_id_format, &parts.name_id)),
    }
    expected.push(protocol(1, "SessionIndex", Vec::new(), parts.session_index.raw()));
    expected
}

/// Writes a LogoutResponse and proves by reading that it says what `parts` say.
pub(in crate::saml) fn logout_response(parts: &LogoutResponseParts) -> Result<String, WireError> {
    use Expected::{Instant, Text as Is};
    // The status codes are ours and need no escaping.
    let code = match parts.second {
        None => format!("<samlp:StatusCode Value=\"{}\"/>", parts.status),
        Some(second) => format!(
            "<samlp:StatusCode Value=\"{}\"><samlp:StatusCode Value=\"{second}\"/></samlp:StatusCode>",
            parts.status
        ),
    };
    let xml = format!(
        "<samlp:LogoutResponse xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\" InResponseTo=\"{}\"><saml:Issuer>{}</saml:Issuer><samlp:Status>{code}</samlp:Status>\
         </samlp:LogoutResponse>",
        ns::PROTOCOL,
        ns::ASSERTION,
        parts.id,
        instant(parts.issue_instant),
        parts.destination.element(),
        parts.in_response_to.element(),
        parts.issuer.element(),
    );
    let protocol = |depth, name, attributes| Element { depth, namespace: ns::PROTOCOL, name, attributes, text: "" };
    let root = vec![
        ("ID", Is(parts.id.as_str())),
        ("Version", Is("2.0")),
        ("IssueInstant", Instant(whole_seconds(parts.issue_instant))),
        ("Destination", Is(parts.destination.raw())),
        ("InResponseTo", Is(parts.in_response_to.raw())),
    ];
    let mut expected = vec![
        protocol(0, "LogoutResponse", root),
        issuer(&parts.issuer),
        protocol(1, "Status", Vec::new()),
        protocol(2, "StatusCode", vec![("Value", Is(parts.status))]),
    ];
    expected.extend(parts.second.map(|second| protocol(3, "StatusCode", vec![("Value", Is(second))])));
    readback::compare(&xml, &expected)?;
    Ok(xml)
}

fn issuer(entity_id: &Text) -> Element<'_> {
    Element { depth: 1, namespace: ns::ASSERTION, name: "Issuer", attributes: Vec::new(), text: entity_id.raw() }
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
