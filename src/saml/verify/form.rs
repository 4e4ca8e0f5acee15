//! Where a signature may stand and what may stand in it. Everything else is refused before anything is computed: each
//! wrapping attack needs a second signature, a second id, or a signature over something else than the root.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::c14n::C14nMode;
use roxmltree::{Document, Node};

use super::VerifyError;
use super::algorithm::{Method, unknown};
use crate::saml::ns;
use crate::saml::xml::{attribute, is, is_xml_id};

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// RSA of 8192 bits takes 1,366 letters; lines are wrapped.
const MAX_BASE64_BYTES: usize = 4_096;
/// More prefixes than anybody declares.
const MAX_PREFIXES: usize = 32;

/// Whether the root is signed: it has a Signature right after its Issuer, or as its first child. This says nothing on whether
/// the signature is right.
///
/// # Errors
/// A Signature stands anywhere else, or there are two.
pub(in crate::saml) fn is_signed(document: &Document<'_>) -> Result<bool, VerifyError> {
    let mut all = document.descendants().filter(|node| is_ds(*node, "Signature"));
    let Some(signature) = all.next() else { return Ok(false) };
    if all.next().is_some() {
        return Err(VerifyError::Form("it holds more than one signature"));
    }
    let first = document.root_element().first_element_child();
    let after_issuer = first.filter(|first| is(*first, ns::ASSERTION, "Issuer")).and_then(|i| i.next_sibling_element());
    if [first, after_issuer].contains(&Some(signature)) {
        Ok(true)
    } else {
        Err(VerifyError::Form("it stands elsewhere than right after the Issuer of the message, or first in it"))
    }
}

/// No comments and no processing instructions: readers differ on what is left around them.
pub(super) fn only_elements_and_text(document: &Document<'_>) -> Result<(), VerifyError> {
    match document.descendants().any(|node| node.is_comment() || node.is_pi()) {
        true => Err(VerifyError::Form("the message holds a comment or a processing instruction")),
        false => Ok(()),
    }
}

/// No two elements may go by one id, whatever the attribute's name is taken for; nobody but the root may go by the root's.
pub(super) fn unique_ids(document: &Document<'_>) -> Result<(), VerifyError> {
    let root = document.root_element();
    let root_id = root.attribute("ID");
    let mut seen = std::collections::HashSet::new();
    for node in document.descendants() {
        for attribute in node.attributes() {
            let name = attribute.name().to_ascii_lowercase();
            let roots_own = node == root && attribute.namespace().is_none() && attribute.name() == "ID";
            let twice = name == "id" && !seen.insert(attribute.value());
            if twice || name.ends_with("id") && !roots_own && Some(attribute.value()) == root_id {
                return Err(VerifyError::Form("two elements go by the same id"));
            }
        }
    }
    Ok(())
}

/// A way to make XML canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Canonical {
    pub(super) mode: C14nMode,
    /// Prefixes that exclusive canonical XML treats as inclusive does.
    pub(super) prefixes: Vec<String>,
}

/// What the children of a Signature say, before anything is believed.
pub(super) struct Unchecked {
    pub(super) canonical: Canonical,
    pub(super) method: Method,
    pub(super) value: Vec<u8>,
}

/// Reads a `ds:Signature`.
pub(super) fn signature(node: Node<'_, '_>) -> Result<Unchecked, VerifyError> {
    let mut children = node.children().filter(Node::is_element);
    let info = next(&mut children, "SignedInfo")?;
    let value = base64(next(&mut children, "SignatureValue")?)?;
    if !children.all(|child| is_ds(child, "KeyInfo")) {
        return Err(VerifyError::Form(
            "its Signature holds something else than SignedInfo, SignatureValue and KeyInfo",
        ));
    }
    let mut parts = info.children().filter(Node::is_element);
    let canonical = canonical(next(&mut parts, "CanonicalizationMethod")?)?;
    let method = next(&mut parts, "SignatureMethod")?;
    if method.has_children() {
        return Err(VerifyError::Form("its SignatureMethod has parameters"));
    }
    Ok(Unchecked { canonical, method: Method::of(algorithm(method)?)?, value })
}

/// What the one Reference of a SignedInfo says.
pub(super) struct Reference {
    pub(super) canonical: Canonical,
    pub(super) digest: &'static aws_lc_rs::digest::Algorithm,
    pub(super) value: Vec<u8>,
}

/// Reads the Reference of a `ds:SignedInfo`, which must be the only one and point at the root, whose id is `root_id`.
pub(super) fn reference(info: Node<'_, '_>, root_id: Option<&str>) -> Result<Reference, VerifyError> {
    let mut parts = info.children().filter(Node::is_element);
    next(&mut parts, "CanonicalizationMethod")?;
    next(&mut parts, "SignatureMethod")?;
    let reference = next(&mut parts, "Reference")?;
    if parts.next().is_some() {
        return Err(VerifyError::Form("it has more than one Reference"));
    }
    let to_root = match attribute(reference, "URI")? {
        Some("") => true,
        Some(uri) => uri.strip_prefix('#').is_some_and(|id| is_xml_id(id) && Some(id) == root_id),
        None => false,
    };
    if !to_root || reference.attribute("Type").is_some() {
        return Err(VerifyError::Form("its Reference is not to the message"));
    }
    let mut parts = reference.children().filter(Node::is_element);
    let canonical = transforms(next(&mut parts, "Transforms")?)?;
    let method = next(&mut parts, "DigestMethod")?;
    let value = base64(next(&mut parts, "DigestValue")?)?;
    if parts.next().is_some() || method.has_children() {
        return Err(VerifyError::Form("its Reference holds something else than transforms and a digest"));
    }
    Ok(Reference { canonical, digest: super::algorithm::digest_method(algorithm(method)?)?, value })
}

/// First the signature itself is taken out, then what is left is made canonical; nothing else may happen to it.
fn transforms(node: Node<'_, '_>) -> Result<Canonical, VerifyError> {
    let mut steps = node.children().filter(Node::is_element);
    let enveloped = next(&mut steps, "Transform")?;
    if algorithm(enveloped)? != ENVELOPED || enveloped.has_children() {
        return Err(VerifyError::Form("its first transform is not enveloped-signature"));
    }
    let canonical = match steps.next() {
        // What is digested without a word on it is canonical XML 1.0 (XML-DSig §4.4.3.2).
        None => Canonical { mode: C14nMode::Inclusive, prefixes: Vec::new() },
        Some(step) if is_ds(step, "Transform") => canonical(step)?,
        Some(_) => return Err(VerifyError::Form("its Transforms hold something else")),
    };
    match steps.next() {
        Some(_) => Err(VerifyError::Form("it has more transforms than two")),
        None => Ok(canonical),
    }
}

fn canonical(node: Node<'_, '_>) -> Result<Canonical, VerifyError> {
    let mode = match algorithm(node)? {
        EXCLUSIVE => C14nMode::Exclusive,
        INCLUSIVE => C14nMode::Inclusive,
        other => return Err(unknown(other)),
    };
    let mut children = node.children().filter(Node::is_element);
    let prefixes = match children.next() {
        None => Vec::new(),
        Some(list) if mode == C14nMode::Exclusive && is(list, EXCLUSIVE, "InclusiveNamespaces") => {
            attribute(list, "PrefixList")?.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
        }
        Some(_) => return Err(VerifyError::Form("a transform has parameters that are not known")),
    };
    if children.next().is_some() || prefixes.len() > MAX_PREFIXES {
        return Err(VerifyError::Form("a transform has too many parameters"));
    }
    Ok(Canonical { mode, prefixes })
}

fn is_ds(node: Node<'_, '_>, name: &str) -> bool {
    is(node, ns::DSIG, name)
}

fn next<'a, 'i>(
    children: &mut impl Iterator<Item = Node<'a, 'i>>,
    name: &'static str,
) -> Result<Node<'a, 'i>, VerifyError> {
    children
        .next()
        .filter(|child| is_ds(*child, name))
        .ok_or(VerifyError::Form("a part of its Signature is missing or out of order"))
}

fn algorithm<'a>(node: Node<'a, '_>) -> Result<&'a str, VerifyError> {
    attribute(node, "Algorithm")?.ok_or(VerifyError::Form("a part of its Signature names no algorithm"))
}

fn base64(node: Node<'_, '_>) -> Result<Vec<u8>, VerifyError> {
    let wrong = VerifyError::Form("a value in its Signature is not base64");
    let mut children = node.children();
    let text = children.next().filter(Node::is_text).and_then(|text| text.text());
    match (text, children.next()) {
        (Some(text), None) if text.len() <= MAX_BASE64_BYTES => {
            let letters: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
            STANDARD.decode(letters).map_err(|_| wrong)
        }
        _ => Err(wrong),
    }
}
