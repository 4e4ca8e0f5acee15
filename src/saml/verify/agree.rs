//! Whether two readers saw the same: one checks the limits and finds the signature, the other's tree is made canonical. Where
//! they differ on any name, attribute or text, the message is refused, whoever of them is right.

use bergshamra::xml::{Document, Element, NodeId, NodeKind, QName};
use roxmltree::{Node, NodeType};

/// Whether both elements, with all that is in them, are the same. What is neither element nor text makes them differ. It goes as
/// deep as the strict reader lets a document be.
pub(super) fn same(strict: Node<'_, '_>, tree: &Document<'_>, node: NodeId) -> bool {
    let Some(element) = tree.element(node) else { return false };
    if !same_name(&element.name, strict.tag_name().namespace(), strict.tag_name().name())
        || !same_attributes(strict, element)
    {
        return false;
    }
    let mut theirs = tree.children_iter(node).peekable();
    for child in strict.children() {
        let agreed = match child.node_type() {
            NodeType::Element => theirs.next().is_some_and(|node| same(child, tree, node)),
            NodeType::Text => {
                // A CDATA section is text of its own for one reader only.
                let mut text = String::new();
                while let Some(part) = theirs.peek().and_then(|node| text_of(tree, *node)) {
                    text.push_str(part);
                    theirs.next();
                }
                child.text() == Some(&text)
            }
            NodeType::Comment | NodeType::PI | NodeType::Root => false,
        };
        if !agreed {
            return false;
        }
    }
    theirs.next().is_none()
}

/// No namespace and an empty one are the same (Namespaces in XML §6.2).
fn same_name(name: &QName<'_>, namespace: Option<&str>, local: &str) -> bool {
    name.local_name == local && name.namespace_uri.as_deref().unwrap_or_default() == namespace.unwrap_or_default()
}

fn same_attributes(strict: Node<'_, '_>, element: &Element<'_>) -> bool {
    let found = |attribute: &roxmltree::Attribute<'_, '_>| {
        element
            .attributes
            .iter()
            .any(|a| same_name(&a.name, attribute.namespace(), attribute.name()) && a.value == attribute.value())
    };
    element.attributes.len() == strict.attributes().len() && strict.attributes().all(|a| found(&a))
}

fn text_of<'t>(tree: &'t Document<'_>, node: NodeId) -> Option<&'t str> {
    match tree.node_kind(node)? {
        NodeKind::Text(text) | NodeKind::CData(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bergshamra::xml::uppsala;

    use super::*;

    fn agree(one: &str, other: &str) -> bool {
        let (strict, tree) = (roxmltree::Document::parse(one).unwrap(), uppsala::parse(other).unwrap());
        same(strict.root_element(), &tree, tree.document_element().unwrap())
    }

    #[test]
    fn the_same_text_reads_the_same() {
        for xml in [
            "<a xmlns='u' xmlns:p='v' p:x='1' x=' 2&#10;3 '>t<b/>&lt;<![CDATA[<&]]>u\r\n<p:c>\r</p:c></a>",
            "<a>&#xD;\u{fc}\u{1F600}&amp;&quot;</a>",
            "<p:a xmlns:p='u'><a xmlns='u'><b xmlns=''/></a></p:a>",
        ] {
            assert!(agree(xml, xml), "{xml}");
        }
    }

    #[test]
    fn every_difference_counts() {
        let xml = "<a xmlns:p='u' x='1' p:y='2'>t<b/>u</a>";
        for other in [
            "<A xmlns:p='u' x='1' p:y='2'>t<b/>u</A>",
            "<a xmlns:p='v' x='1' p:y='2'>t<b/>u</a>",
            "<a xmlns='v' xmlns:p='u' x='1' p:y='2'>t<b xmlns=''/>u</a>",
            "<a xmlns:p='u' x='2' p:y='2'>t<b/>u</a>",
            "<a xmlns:p='u' x='1'>t<b/>u</a>",
            "<a xmlns:p='u' x='1' p:y='2' z=''>t<b/>u</a>",
            "<a xmlns:p='u' x='1' p:y='2'>t<b/>v</a>",
            "<a xmlns:p='u' x='1' p:y='2'>t<b/></a>",
            "<a xmlns:p='u' x='1' p:y='2'>t<b/>u<b/></a>",
            "<a xmlns:p='u' x='1' p:y='2'>t<b/><!-- -->u</a>",
        ] {
            assert!(!agree(xml, other) && !agree(other, xml), "{other}");
        }
    }
}
