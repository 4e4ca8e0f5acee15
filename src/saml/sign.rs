//! The signature of an element: RSA-SHA256 over exclusive canonical XML, one reference, placed right after the Issuer as the
//! schema demands.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::c14n::{C14nMode, canonicalize_doc};
use bergshamra::xml::{Document, NodeId, NodeSet, uppsala};

use super::keys::{Certificate, KeyStore};
use super::ns;

/// A signature that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The document is not what the writer makes: a defect of ours.
    #[error("the document to sign is not well-formed: {0}")]
    Document(String),
    /// No element, or more than one, has the id, or it does not begin with an Issuer.
    #[error("no single element that begins with an Issuer has the id `{0}`")]
    NoSuchElement(String),
    /// The private key refused.
    #[error("the private key made no signature")]
    Key,
}

/// Signs elements of XML documents. Behind a trait so that keys may live elsewhere one day.
pub trait XmlSigner: Send + Sync {
    /// The document with the element whose `ID` is `id` signed: a Signature stands right after the element's Issuer.
    ///
    /// # Errors
    /// There is no such element, or the key failed.
    fn sign(&self, document: &str, id: &str) -> Result<String, SignError>;

    /// The certificate service providers check the signatures with.
    fn certificate(&self) -> &Certificate;
}

/// Signs with bergshamra's canonical XML and a key loaded once.
///
/// bergshamra's own `sign` would parse the document three times and its enveloping helper puts the Signature before the
/// Issuer, which no schema allows; so the parts are put together here, over one tree.
pub struct BergshamraSigner {
    keys: KeyStore,
    key_info: String,
}

impl BergshamraSigner {
    /// Signs with the store's current key.
    #[must_use]
    pub fn new(keys: KeyStore) -> Self {
        let key_info = format!(
            "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
            keys.certificate().base64()
        );
        Self { keys, key_info }
    }
}

impl XmlSigner for BergshamraSigner {
    fn sign(&self, document: &str, id: &str) -> Result<String, SignError> {
        let tree = uppsala::parse(document).map_err(|e| SignError::Document(e.to_string()))?;
        let element = only_element(&tree, id).ok_or_else(|| SignError::NoSuchElement(id.to_owned()))?;
        let after_issuer = end_of_issuer(&tree, element).ok_or_else(|| SignError::NoSuchElement(id.to_owned()))?;
        let subtree = NodeSet::tree_without_comments(element, &tree);
        let canonical = canonicalize_doc::<&str>(&tree, C14nMode::Exclusive, Some(&subtree), &[])
            .map_err(|e| SignError::Document(e.to_string()))?;
        let signed_info = signed_info(id, &STANDARD.encode(digest(&SHA256, &canonical)));
        let value = STANDARD.encode(self.keys.sign(signed_info.as_bytes()).map_err(|_| SignError::Key)?);
        let (before, after) =
            document.split_at_checked(after_issuer).ok_or_else(|| SignError::NoSuchElement(id.to_owned()))?;
        Ok(format!(
            "{before}<ds:Signature xmlns:ds=\"{}\">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>{}\
             </ds:Signature>{after}",
            ns::DSIG,
            self.key_info
        ))
    }

    fn certificate(&self) -> &Certificate {
        self.keys.certificate()
    }
}

/// SignedInfo in its canonical form, so that the bytes signed are the bytes sent: namespace declared on it, no empty-element
/// tags, no white space. `id` is one of ours ([`super::issuer`]) and needs no escaping.
fn signed_info(id: &str, digest: &str) -> String {
    format!(
        "<ds:SignedInfo xmlns:ds=\"{}\">\
         <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
         <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        ns::DSIG
    )
}

fn only_element(tree: &Document<'_>, id: &str) -> Option<NodeId> {
    let root = tree.document_element()?;
    let all = std::iter::once(root).chain(tree.descendants(root));
    let mut found = all.filter(|node| tree.get_attribute(*node, "ID") == Some(id));
    let only = found.next()?;
    // `descendants` may or may not begin with the node itself.
    found.all(|other| other == only).then_some(only)
}

fn end_of_issuer(tree: &Document<'_>, element: NodeId) -> Option<usize> {
    let issuer = tree.first_child(element)?;
    let is_issuer = tree.element(issuer)?.matches_name_ns(ns::ASSERTION, "Issuer");
    if is_issuer { Some(tree.node_range(issuer)?.end) } else { None }
}
