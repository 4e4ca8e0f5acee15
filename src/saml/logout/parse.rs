//! Reading the XML of logout messages: one strict parser, one tree, and what they say is taken from that tree alone.

use roxmltree::{Document, Node};

use super::Name;
use crate::clock::Timestamp;
use crate::saml::issuer::sha256_hex;
use crate::saml::ns;
use crate::saml::xml::{self, ReadError, attribute, is, is_xml_id, only_child, plain_text, wrong};

/// The most session indexes of one request: it is sealed into an address.
const MAX_INDEXES: usize = 16;
/// The longest session index; ours have 33 characters.
const MAX_INDEX_BYTES: usize = 256;

/// What requests and responses share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) issuer: String,
    pub(super) issue_instant: Timestamp,
    pub(super) destination: Option<String>,
    pub(super) digest: String,
}

/// A message as it was sent, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) head: Head,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Request { not_on_or_after: Option<Timestamp>, name: Qualified, session_indexes: Vec<String> },
    Response { in_response_to: String, success: bool },
}

/// A name, and in whose words it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Qualified {
    pub(super) name: Name,
    pub(super) qualifier: Option<String>,
    pub(super) sp_qualifier: Option<String>,
}

/// Reads a message.
pub(super) fn message(text: &str) -> Result<Message, ReadError> {
    let document = xml::parse(text, xml::MESSAGE)?;
    read(&document, text)
}

/// Reads a message that is parsed already.
pub(super) fn read(document: &Document<'_>, text: &str) -> Result<Message, ReadError> {
    let root = document.root_element();
    let content = if is(root, ns::PROTOCOL, "LogoutRequest") {
        request(root)?
    } else if is(root, ns::PROTOCOL, "LogoutResponse") {
        response(root)?
    } else {
        return Err(wrong("its root is another element"));
    };
    if attribute(root, "Version")? != Some("2.0") {
        return Err(wrong("it is not of version 2.0"));
    }
    let id = attribute(root, "ID")?.filter(|id| is_xml_id(id)).ok_or_else(|| wrong("its `ID` is no XML name"))?;
    let issuer = only_child(root, ns::ASSERTION, "Issuer")?.ok_or_else(|| wrong("it has no `Issuer`"))?;
    let head = Head {
        id: id.to_owned(),
        issuer: plain_text(issuer)?.to_owned(),
        issue_instant: time(root, "IssueInstant")?.ok_or_else(|| wrong("it has no `IssueInstant`"))?,
        destination: attribute(root, "Destination")?.map(str::to_owned),
        digest: sha256_hex(text.as_bytes()),
    };
    Ok(Message { head, content })
}

fn request(root: Node<'_, '_>) -> Result<Content, ReadError> {
    for other in ["BaseID", "EncryptedID"] {
        if only_child(root, ns::ASSERTION, other)?.is_some() {
            return Err(wrong(format!("it names the person by `{other}`: only a `NameID` in the clear is read")));
        }
    }
    let name_id = only_child(root, ns::ASSERTION, "NameID")?.ok_or_else(|| wrong("it has no `NameID`"))?;
    let mut session_indexes = Vec::new();
    for index in root.children().filter(|child| is(*child, ns::PROTOCOL, "SessionIndex")) {
        let index = plain_text(index)?;
        if session_indexes.len() >= MAX_INDEXES || index.len() > MAX_INDEX_BYTES {
            return Err(wrong("it names too many sessions, or one by a name that is too long"));
        }
        session_indexes.push(index.to_owned());
    }
    Ok(Content::Request {
        not_on_or_after: time(root, "NotOnOrAfter")?,
        name: Qualified {
            name: Name {
                format: attribute(name_id, "Format")?.map(str::to_owned),
                value: plain_text(name_id)?.to_owned(),
            },
            qualifier: attribute(name_id, "NameQualifier")?.map(str::to_owned),
            sp_qualifier: attribute(name_id, "SPNameQualifier")?.map(str::to_owned),
        },
        session_indexes,
    })
}

fn response(root: Node<'_, '_>) -> Result<Content, ReadError> {
    let in_response_to = attribute(root, "InResponseTo")?
        .filter(|id| is_xml_id(id))
        .ok_or_else(|| wrong("its `InResponseTo` is no XML name"))?;
    let status = only_child(root, ns::PROTOCOL, "Status")?.ok_or_else(|| wrong("it has no `Status`"))?;
    let code = only_child(status, ns::PROTOCOL, "StatusCode")?.ok_or_else(|| wrong("it has no `StatusCode`"))?;
    let second = only_child(code, ns::PROTOCOL, "StatusCode")?;
    let top = attribute(code, "Value")?;
    // Success with a second code is PartialLogout or something like it: somebody is still signed in somewhere.
    let success = top == Some("urn:oasis:names:tc:SAML:2.0:status:Success") && second.is_none();
    Ok(Content::Response { in_response_to: in_response_to.to_owned(), success })
}

fn time(node: Node<'_, '_>, name: &'static str) -> Result<Option<Timestamp>, ReadError> {
    let read = |text: &str| text.parse().map_err(|_| wrong(format!("its `{name}` is no time in UTC")));
    attribute(node, name)?.map(read).transpose()
}
