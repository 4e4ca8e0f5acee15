//! Reads what was written with a strict parser that is not the writer, and compares every element, attribute and text with
//! what was meant. Whatever slipped through the writer, be it by its defect or by hostile input, is not signed.

use roxmltree::{Document, Node, NodeType, ParsingOptions};

use super::WireError;
use crate::clock::Timestamp;

/// What an attribute or text must say.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::saml) enum Expected<'a> {
    /// Exactly this.
    Text(&'a str),
    /// This instant, however written.
    Instant(Timestamp),
}

impl Expected<'_> {
    fn is(&self, found: &str) -> bool {
        match self {
            Self::Text(text) => *text == found,
            Self::Instant(at) => found.parse::<Timestamp>().is_ok_and(|found| found == *at),
        }
    }
}

/// One element that must be there, in document order.
#[derive(Debug, Clone)]
pub(in crate::saml) struct Element<'a> {
    /// 0 = the root.
    pub(in crate::saml) depth: usize,
    pub(in crate::saml) namespace: &'static str,
    pub(in crate::saml) name: &'static str,
    /// All attributes, in any order.
    pub(in crate::saml) attributes: Vec<(&'static str, Expected<'a>)>,
    /// The text of an element without children.
    pub(in crate::saml) text: &'a str,
}

/// Parses what was written.
pub(super) fn parse(xml: &str) -> Result<Document<'_>, WireError> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 100_000, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).map_err(|e| WireError::ReadBack(e.to_string()))
}

/// Compares the whole document.
pub(in crate::saml) fn compare(xml: &str, expected: &[Element<'_>]) -> Result<(), WireError> {
    let document = parse(xml)?;
    let mut expected = expected.iter();
    walk(document.root_element(), 0, &mut expected)?;
    match expected.next() {
        Some(missing) => Err(WireError::ReadBack(format!("`{}` is missing", missing.name))),
        None => Ok(()),
    }
}

fn walk(node: Node<'_, '_>, depth: usize, expected: &mut std::slice::Iter<'_, Element<'_>>) -> Result<(), WireError> {
    let name = node.tag_name();
    let wrong = |what: &str| WireError::ReadBack(format!("`{}` {what}", name.name()));
    let element = expected.next().ok_or_else(|| wrong("is one too many"))?;
    if (depth, name.namespace(), name.name()) != (element.depth, Some(element.namespace), element.name) {
        return Err(wrong(&format!("stands where `{}` should", element.name)));
    }
    if node.attributes().len() != element.attributes.len() {
        return Err(wrong("has other attributes"));
    }
    for (attribute, value) in &element.attributes {
        if !node.attribute(*attribute).is_some_and(|found| value.is(found)) {
            return Err(wrong(&format!("says something else in `{attribute}`")));
        }
    }
    let mut text = String::new();
    for child in node.children() {
        match child.node_type() {
            NodeType::Element => walk(child, depth + 1, expected)?,
            NodeType::Text => text.push_str(child.text().unwrap_or_default()),
            NodeType::Comment | NodeType::PI | NodeType::Root => return Err(wrong("holds a comment")),
        }
    }
    if text == element.text { Ok(()) } else { Err(wrong("says something else")) }
}
