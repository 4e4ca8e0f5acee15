//! The signature within a message, over the message.

use aws_lc_rs::digest::digest;
use bergshamra::c14n::canonicalize_doc;
use bergshamra::xml::uppsala::Parser;
use bergshamra::xml::{Document, NodeId, NodeSet};

use super::algorithm::Points;
use super::form::{self, Canonical};
use super::{VerifyError, agree};
use crate::saml::certificate::Certificate;
use crate::saml::ns;
use crate::saml::xml::{self, Limits};

/// Verifies the one signature on the root against `trusted`, any of them, and gives back the canonical XML of exactly what
/// was digested: the root without its Signature. Read that and nothing else.
///
/// # Errors
/// There is no such signature, it is of a form that is not accepted, or it is wrong.
pub(in crate::saml) fn enveloped(xml: &str, trusted: &[Certificate], limits: Limits) -> Result<String, VerifyError> {
    let strict = xml::parse(xml, limits)?;
    if !form::is_signed(&strict)? {
        return Err(VerifyError::Unsigned);
    }
    form::only_elements_and_text(&strict)?;
    form::unique_ids(&strict)?;
    let tree = second_reading(xml, &strict, limits)?;
    let root = tree.document_element().ok_or(DIFFER)?;

    let root_id = strict.root_element().attribute("ID");
    let signature = child(&tree, root, "Signature")?;
    let found = strict.root_element().children().find(|node| xml::is(*node, ns::DSIG, "Signature")).ok_or(DIFFER)?;
    let unchecked = form::signature(found)?;
    let info = child(&tree, signature, "SignedInfo")?;
    let signed = canonical(&tree, &NodeSet::tree_without_comments(info, &tree), &unchecked.canonical)?;
    unchecked.method.check(signed.as_bytes(), &unchecked.value, Points::Fixed, trusted)?;

    // From here on SignedInfo is read as it was signed, not as it came.
    let info = xml::parse(&signed, xml::MESSAGE)?;
    let reference = form::reference(info.root_element(), root_id)?;
    let message = canonical(&tree, &without(&tree, root, signature), &reference.canonical)?;
    if digest(reference.digest, message.as_bytes()).as_ref() != reference.value.as_slice() {
        return Err(VerifyError::Digest);
    }
    Ok(message)
}

const DIFFER: VerifyError = VerifyError::Form("two readers of XML differ on the message");

/// The tree that is made canonical, once the other reader saw the same in it.
fn second_reading<'a>(
    xml: &'a str,
    strict: &roxmltree::Document<'_>,
    limits: Limits,
) -> Result<Document<'a>, VerifyError> {
    let depth = u32::try_from(limits.depth).unwrap_or(u32::MAX);
    let tree = Parser::new().with_forbid_dtd(true).with_max_depth(depth).parse(xml).map_err(|_| DIFFER)?;
    let same = tree.document_element().is_some_and(|root| agree::same(strict.root_element(), &tree, root));
    if same { Ok(tree) } else { Err(DIFFER) }
}

fn child(tree: &Document<'_>, parent: NodeId, name: &str) -> Result<NodeId, VerifyError> {
    let is = |node: &NodeId| tree.element(*node).is_some_and(|element| element.matches_name_ns(ns::DSIG, name));
    tree.children_iter(parent).find(is).ok_or(DIFFER)
}

/// All of the message but the signature: what the transform enveloped-signature leaves.
fn without(tree: &Document<'_>, root: NodeId, signature: NodeId) -> NodeSet {
    let mut nodes = NodeSet::tree_without_comments(root, tree);
    nodes.remove_id(signature);
    for node in tree.descendants(signature) {
        nodes.remove_id(node);
    }
    nodes
}

fn canonical(tree: &Document<'_>, nodes: &NodeSet, how: &Canonical) -> Result<String, VerifyError> {
    let octets = canonicalize_doc(tree, how.mode, Some(nodes), &how.prefixes)
        .map_err(|_| VerifyError::Form("the message has no canonical form"))?;
    String::from_utf8(octets).map_err(|_| VerifyError::Form("the message has no canonical form"))
}
