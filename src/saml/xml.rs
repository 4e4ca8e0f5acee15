//! The strict reader: whatever others send is read by these functions and no others. One parser, one tree, limits on
//! everything, and text only from elements that hold nothing but text.

use std::collections::HashSet;

use roxmltree::{Document, Node, ParsingOptions};

/// The longest attribute or text of a message that is read.
pub(super) const MAX_VALUE_BYTES: usize = 1_024;

/// How much XML is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) nodes: u32,
    pub(super) depth: usize,
}

/// For messages: AuthnRequests, LogoutRequests and their like.
pub(super) const MESSAGE: Limits = Limits { nodes: 2_000, depth: 24 };

/// For metadata, which may describe many service providers.
pub(super) const METADATA: Limits = Limits { nodes: 200_000, depth: 24 };

/// XML that is not what it should be; the text says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(String);

/// An error that says `why`.
pub(super) fn wrong(why: impl Into<String>) -> ReadError {
    ReadError(why.into())
}

/// The most attributes and namespaces of one element: readers compare each with each.
const MAX_ATTRIBUTES: usize = 256;

/// Parses. A DTD is refused, and with it every entity that is not built into XML.
pub(super) fn parse(xml: &str, limits: Limits) -> Result<Document<'_>, ReadError> {
    // Counted before anybody parses. A `<` never stands within a tag, so none has more attributes than its piece has `=`.
    if xml.split('<').any(|piece| piece.bytes().filter(|byte| *byte == b'=').nth(MAX_ATTRIBUTES).is_some()) {
        return Err(wrong("an element has too many attributes"));
    }
    // roxmltree refuses a DTD by default; it is said here because everything depends on it.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: limits.nodes, ..ParsingOptions::default() };
    few_prefixes(xml)?;
    let document = Document::parse_with_options(xml, options).map_err(|e| wrong(e.to_string()))?;
    if document.descendants().any(|node| node.ancestors().nth(limits.depth).is_some()) {
        return Err(wrong("it is nested too deeply"));
    }
    Ok(document)
}

/// Whether `node` is this element.
pub(super) fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.tag_name().namespace() == Some(namespace) && node.tag_name().name() == name
}

/// The child element of this name; more than one is an error.
pub(super) fn only_child<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: &str,
    name: &'static str,
) -> Result<Option<Node<'a, 'i>>, ReadError> {
    let mut found = parent.children().filter(|child| is(*child, namespace, name));
    let only = found.next();
    match found.next() {
        Some(_) => Err(wrong(format!("it holds `{name}` more than once"))),
        None => Ok(only),
    }
}

/// The text of an element that holds nothing but text: a comment within would split it, and readers differ on what is left.
pub(super) fn plain_text<'a>(node: Node<'a, '_>) -> Result<&'a str, ReadError> {
    let no_text = || wrong(format!("its `{}` holds no plain text", node.tag_name().name()));
    let mut children = node.children();
    let text = children.next().filter(Node::is_text).and_then(|text| text.text()).ok_or_else(no_text)?.trim();
    if children.next().is_some()
        || text.is_empty()
        || text.len() > MAX_VALUE_BYTES
        || text.chars().any(char::is_control)
    {
        return Err(no_text());
    }
    Ok(text)
}

/// The text of an element that holds nothing but text, which may be long and go over several lines: base64.
pub(super) fn long_text<'a>(node: Node<'a, '_>, most: usize) -> Result<&'a str, ReadError> {
    let mut children = node.children();
    let text = children.next().filter(Node::is_text).and_then(|text| text.text()).filter(|text| text.len() <= most);
    match (text, children.next()) {
        (Some(text), None) => Ok(text),
        _ => Err(wrong(format!("its `{}` holds no plain text, or too much", node.tag_name().name()))),
    }
}

/// The value of an attribute that stands in no namespace.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &'static str) -> Result<Option<&'a str>, ReadError> {
    match node.attribute(name) {
        Some(value) if value.len() > MAX_VALUE_BYTES || value.chars().any(char::is_control) => {
            Err(wrong(format!("its `{name}` is too long or holds control characters")))
        }
        value => Ok(value),
    }
}

/// An `xs:boolean`; `false` when it is not there.
pub(super) fn flag(node: Node<'_, '_>, name: &'static str) -> Result<bool, ReadError> {
    match attribute(node, name)? {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(wrong(format!("its `{name}` is neither true nor false"))),
    }
}

/// An NCName of ASCII (XML names §4), which is what everybody sends as `ID`; it goes back in `InResponseTo`.
pub(super) fn is_xml_id(id: &str) -> bool {
    id.len() <= 256
        && id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The most prefixes that a document may declare, wherever and however often; of default namespaces there is one at a time.
const MAX_PREFIXES: usize = 64;

/// Refuses a document that declares more different prefixes than anybody needs. The reader compares all that are in force with each
/// other at every element that declares one: a thousand of them, inherited by a thousand elements, would keep it busy for
/// half a minute, out of a query of a kilobyte. An attribute's name has one spelling only, so looking at the text is enough.
fn few_prefixes(xml: &str) -> Result<(), ReadError> {
    let mut prefixes = HashSet::new();
    for declared in xml.split("xmlns:").skip(1) {
        let ends = |c: char| c == '=' || c.is_ascii_whitespace();
        prefixes.insert(declared.split(ends).next().unwrap_or_default());
        if prefixes.len() > MAX_PREFIXES {
            return Err(wrong("it declares too many prefixes of namespaces"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements within each other that declare `prefixes`, around many that declare one more namespace.
    fn declaring(prefixes: usize) -> String {
        let open: String = (0..prefixes).map(|number| format!(" xmlns:n{number}='u'")).collect();
        let leaves = "<b xmlns='u'/>".repeat(1_500);
        format!("<a{open}><a xmlns:n0='v'\n xmlns:n1 ='v'>{leaves}</a></a>")
    }

    #[test]
    fn prefixes_that_would_keep_the_reader_busy_are_refused() {
        assert!(parse(&declaring(MAX_PREFIXES), MESSAGE).is_ok(), "said again, a prefix is none more");
        let error = parse(&declaring(MAX_PREFIXES + 1), MESSAGE).err().unwrap();
        assert_eq!(error, wrong("it declares too many prefixes of namespaces"));
        let spread: String = (0..=MAX_PREFIXES).map(|number| format!("<a\txmlns:n{number}\n=\r'u'/>")).collect();
        assert!(parse(&format!("<a>{spread}</a>"), MESSAGE).is_err(), "wherever they stand");
    }
}
