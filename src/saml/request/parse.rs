//! Reading the XML of an AuthnRequest: one strict parser, one tree, and what it says is taken from that tree alone.

use roxmltree::{Document, Node, ParsingOptions};

use super::contexts::Comparison;
use super::{AcsChoice, Contexts, Parsed, RequestError, Subject};
use crate::clock::Timestamp;
use crate::domain::RelayState;
use crate::saml::issuer::sha256_hex;
use crate::saml::ns;

/// What an AuthnRequest may measure; real ones have some thousand bytes.
pub(super) const MAX_XML_BYTES: usize = 64 * 1024;
const MAX_NODES: u32 = 2_000;
const MAX_DEPTH: usize = 24;
const MAX_VALUE_BYTES: usize = 1_024;

fn malformed(why: impl Into<String>) -> RequestError {
    RequestError::Malformed(why.into())
}

/// Reads a request.
pub(super) fn authn_request(xml: &str, relay_state: Option<RelayState>) -> Result<Parsed, RequestError> {
    // roxmltree refuses a DTD by default; it is said here because everything depends on it.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml, options).map_err(|e| malformed(e.to_string()))?;
    if document.descendants().any(|node| node.ancestors().nth(MAX_DEPTH).is_some()) {
        return Err(malformed("it is nested too deeply"));
    }
    let root = document.root_element();
    if !is(root, ns::PROTOCOL, "AuthnRequest") {
        return Err(malformed("its root is another element"));
    }
    if attribute(root, "Version")? != Some("2.0") {
        return Err(malformed("it is not of version 2.0"));
    }
    let id = attribute(root, "ID")?.filter(|id| is_xml_id(id)).ok_or_else(|| malformed("its `ID` is no XML name"))?;
    let issue_instant = attribute(root, "IssueInstant")?
        .and_then(|at| at.parse::<Timestamp>().ok())
        .ok_or_else(|| malformed("its `IssueInstant` is no time in UTC"))?;
    let issuer = only_child(root, ns::ASSERTION, "Issuer")?.ok_or_else(|| malformed("it has no `Issuer`"))?;
    let policy = only_child(root, ns::PROTOCOL, "NameIDPolicy")?;
    Ok(Parsed {
        id: id.to_owned(),
        issuer: plain_text(issuer)?.to_owned(),
        issue_instant,
        destination: attribute(root, "Destination")?.map(str::to_owned),
        acs: acs_choice(root)?,
        protocol_binding: attribute(root, "ProtocolBinding")?.map(str::to_owned),
        force_authn: flag(root, "ForceAuthn")?,
        is_passive: flag(root, "IsPassive")?,
        name_id_format: policy.map(|p| attribute(p, "Format")).transpose()?.flatten().map(str::to_owned),
        sp_name_qualifier: policy.map(|p| attribute(p, "SPNameQualifier")).transpose()?.flatten().map(str::to_owned),
        contexts: contexts(root)?,
        subject: subject(root)?,
        relay_state,
        digest: sha256_hex(xml.as_bytes()),
    })
}

fn acs_choice(root: Node<'_, '_>) -> Result<AcsChoice, RequestError> {
    let url = attribute(root, "AssertionConsumerServiceURL")?;
    let index = attribute(root, "AssertionConsumerServiceIndex")?;
    match (url, index) {
        (Some(_), Some(_)) => Err(malformed("it names its address both by URL and by index")),
        (Some(url), None) => Ok(AcsChoice::Url(url.to_owned())),
        (None, Some(index)) => {
            index.parse().map(AcsChoice::Index).map_err(|_| malformed("its address index is no number"))
        }
        (None, None) => Ok(AcsChoice::Default),
    }
}

fn contexts(root: Node<'_, '_>) -> Result<Option<Contexts>, RequestError> {
    let Some(node) = only_child(root, ns::PROTOCOL, "RequestedAuthnContext")? else { return Ok(None) };
    let comparison =
        Comparison::parse(attribute(node, "Comparison")?).ok_or_else(|| malformed("unknown `Comparison`"))?;
    let mut asked = Vec::new();
    for child in node.children().filter(Node::is_element) {
        if is(child, ns::ASSERTION, "AuthnContextClassRef") {
            asked.push(plain_text(child)?.to_owned());
        } else if !is(child, ns::ASSERTION, "AuthnContextDeclRef") {
            return Err(malformed("its `RequestedAuthnContext` holds another element"));
        }
    }
    Ok(Some(Contexts { comparison, asked }))
}

fn subject(root: Node<'_, '_>) -> Result<Option<Subject>, RequestError> {
    let Some(node) = only_child(root, ns::ASSERTION, "Subject")? else { return Ok(None) };
    let name_id = only_child(node, ns::ASSERTION, "NameID")?
        .ok_or_else(|| malformed("its `Subject` has no `NameID` in the clear"))?;
    Ok(Some(Subject {
        format: attribute(name_id, "Format")?.map(str::to_owned),
        value: plain_text(name_id)?.to_owned(),
    }))
}

fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.tag_name().namespace() == Some(namespace) && node.tag_name().name() == name
}

fn only_child<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: &str,
    name: &'static str,
) -> Result<Option<Node<'a, 'i>>, RequestError> {
    let mut found = parent.children().filter(|child| is(*child, namespace, name));
    let only = found.next();
    match found.next() {
        Some(_) => Err(malformed(format!("it holds `{name}` more than once"))),
        None => Ok(only),
    }
}

/// The text of an element that holds nothing but text: a comment within would split it, and readers differ on what is left.
fn plain_text<'a>(node: Node<'a, '_>) -> Result<&'a str, RequestError> {
    let wrong = || malformed(format!("its `{}` holds no plain text", node.tag_name().name()));
    let mut children = node.children();
    let text = children.next().filter(Node::is_text).and_then(|text| text.text()).ok_or_else(wrong)?.trim();
    if children.next().is_some()
        || text.is_empty()
        || text.len() > MAX_VALUE_BYTES
        || text.chars().any(char::is_control)
    {
        return Err(wrong());
    }
    Ok(text)
}

fn attribute<'a>(node: Node<'a, '_>, name: &'static str) -> Result<Option<&'a str>, RequestError> {
    match node.attribute(name) {
        Some(value) if value.len() > MAX_VALUE_BYTES || value.chars().any(char::is_control) => {
            Err(malformed(format!("its `{name}` is too long or holds control characters")))
        }
        value => Ok(value),
    }
}

fn flag(node: Node<'_, '_>, name: &'static str) -> Result<bool, RequestError> {
    match attribute(node, name)? {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(malformed(format!("its `{name}` is neither true nor false"))),
    }
}

/// An NCName of ASCII (XML names §4), which is what everybody sends; it goes back in `InResponseTo`.
fn is_xml_id(id: &str) -> bool {
    id.len() <= 256
        && id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}
