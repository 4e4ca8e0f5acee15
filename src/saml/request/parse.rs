//! Reading the XML of an AuthnRequest: one strict parser, one tree, and what it says is taken from that tree alone.

use roxmltree::Node;

use super::contexts::Comparison;
use super::signed::Carried;
use super::{AcsChoice, Contexts, Parsed, RequestError, Subject};
use crate::clock::Timestamp;
use crate::domain::RelayState;
use crate::saml::issuer::sha256_hex;
use crate::saml::xml::{self, ReadError, attribute, flag, is, is_xml_id, only_child, plain_text, wrong as malformed};
use crate::saml::{ns, verify};

/// Reads a request.
pub(super) fn authn_request(xml: &str, relay_state: Option<RelayState>) -> Result<Parsed, RequestError> {
    let document = xml::parse(xml, xml::MESSAGE)?;
    let root = document.root_element();
    if !is(root, ns::PROTOCOL, "AuthnRequest") {
        return Err(malformed("its root is another element").into());
    }
    if attribute(root, "Version")? != Some("2.0") {
        return Err(malformed("it is not of version 2.0").into());
    }
    let id = attribute(root, "ID")?.filter(|id| is_xml_id(id)).ok_or_else(|| malformed("its `ID` is no XML name"))?;
    let issue_instant = attribute(root, "IssueInstant")?
        .and_then(|at| at.parse::<Timestamp>().ok())
        .ok_or_else(|| malformed("its `IssueInstant` is no time in UTC"))?;
    let issuer = only_child(root, ns::ASSERTION, "Issuer")?.ok_or_else(|| malformed("it has no `Issuer`"))?;
    let signed = verify::is_signed(&document)?;
    let policy = only_child(root, ns::PROTOCOL, "NameIDPolicy")?;
    // Our names are derived, never created, so leave to create one changes nothing; what is no flag is refused all the same.
    policy.map(|policy| flag(policy, "AllowCreate")).transpose()?;
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
        idp_list: idp_list(root)?,
        subject: subject(root)?,
        relay_state,
        digest: sha256_hex(xml.as_bytes()),
        carried: if signed { Carried::Message(xml.to_owned()) } else { Carried::Nothing },
    })
}

fn acs_choice(root: Node<'_, '_>) -> Result<AcsChoice, ReadError> {
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

fn contexts(root: Node<'_, '_>) -> Result<Option<Contexts>, ReadError> {
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

/// The identity providers a Scoping names (SAML core §3.4.1.2). Its ProxyCount is met always: nobody is asked further.
fn idp_list(root: Node<'_, '_>) -> Result<Option<Vec<String>>, ReadError> {
    let Some(scoping) = only_child(root, ns::PROTOCOL, "Scoping")? else { return Ok(None) };
    let Some(list) = only_child(scoping, ns::PROTOCOL, "IDPList")? else { return Ok(None) };
    let entries = list.children().filter(|child| is(*child, ns::PROTOCOL, "IDPEntry"));
    let provider =
        |entry| attribute(entry, "ProviderID")?.ok_or_else(|| malformed("an `IDPEntry` has no `ProviderID`"));
    entries.map(|entry| provider(entry).map(str::to_owned)).collect::<Result<_, _>>().map(Some)
}

fn subject(root: Node<'_, '_>) -> Result<Option<Subject>, ReadError> {
    let Some(node) = only_child(root, ns::ASSERTION, "Subject")? else { return Ok(None) };
    let name_id = only_child(node, ns::ASSERTION, "NameID")?
        .ok_or_else(|| malformed("its `Subject` has no `NameID` in the clear"))?;
    Ok(Some(Subject {
        format: attribute(name_id, "Format")?.map(str::to_owned),
        value: plain_text(name_id)?.to_owned(),
    }))
}
