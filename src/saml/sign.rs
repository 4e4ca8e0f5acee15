//! What signs, and the signature of an element: over exclusive canonical XML, one reference, placed right after the Issuer as the
//! schema demands.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::c14n::{C14nMode, canonicalize_doc};
use bergshamra::xml::{Document, NodeId, NodeSet, uppsala};

use super::certificate::Certificate;
use super::ns;
use crate::domain::SignatureAlgorithm;

/// A signature that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The document is not what the writer makes: a defect of ours.
    #[error("the document to sign is not well-formed: {0}")]
    Document(String),
    /// No element, or more than one, has the id, or it does not begin with an Issuer.
    #[error("no single element with the content it should have has the id `{0}`")]
    NoSuchElement(String),
    /// No key is of the kind that the algorithm takes.
    #[error("there is no key for this signature algorithm: `cedargate keys new --kind ecdsa` makes one")]
    NoKey,
    /// The private key refused.
    #[error("the private key made no signature")]
    Key,
}

/// The key made no signature: it is of another kind than the algorithm, or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key made no signature")]
pub struct KeyFailed;

/// A private key, wherever it lives.
pub trait SigningKey: Send + Sync {
    /// The certificate its signatures are checked with.
    fn certificate(&self) -> &Certificate;

    /// The signature over `octets`, which this hashes. RSA: PKCS#1 v1.5. ECDSA: `r` and `s` side by side, as XML signatures
    /// want it (XML-DSig 1.1 §6.4.3).
    ///
    /// # Errors
    /// The key is of another kind, or failed.
    fn sign(&self, algorithm: SignatureAlgorithm, octets: &[u8]) -> Result<Vec<u8>, KeyFailed>;
}

/// The keys that sign, and the certificates that are published with them.
#[derive(Clone)]
pub struct SigningKeys {
    rsa: Arc<dyn SigningKey>,
    ecdsa: Option<Arc<dyn SigningKey>>,
    others: Vec<Certificate>,
}

impl SigningKeys {
    /// `others` are published too: of keys that will sign, or did until lately.
    #[must_use]
    pub fn new(rsa: Arc<dyn SigningKey>, ecdsa: Option<Arc<dyn SigningKey>>, others: Vec<Certificate>) -> Self {
        Self { rsa, ecdsa, others }
    }

    /// All certificates to publish, those in use first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        let in_use = std::iter::once(&self.rsa).chain(&self.ecdsa).map(|key| key.certificate());
        in_use.chain(&self.others)
    }

    /// The key for an algorithm.
    ///
    /// # Errors
    /// There is none of its kind.
    pub fn key(&self, algorithm: SignatureAlgorithm) -> Result<&dyn SigningKey, SignError> {
        match algorithm {
            SignatureAlgorithm::EcdsaSha256 => self.ecdsa.as_deref().ok_or(SignError::NoKey),
            SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::RsaSha512 => {
                Ok(&*self.rsa)
            }
        }
    }

    /// The document with the element whose `ID` is `id` signed: a Signature stands right after the element's Issuer.
    ///
    /// bergshamra's own `sign` would parse the document three times and its enveloping helper puts the Signature before the
    /// Issuer, which no schema allows; so the parts are put together here, over one tree.
    ///
    /// # Errors
    /// There is no such element, no such key, or the key failed.
    pub fn sign_element(&self, document: &str, id: &str, algorithm: SignatureAlgorithm) -> Result<String, SignError> {
        self.sign_at(document, id, algorithm, end_of_issuer)
    }

    /// The document with its root signed, whose `ID` is `id`: the Signature is the first child, as metadata has it (SAML
    /// metadata §2.3.2).
    ///
    /// # Errors
    /// As [`SigningKeys::sign_element`].
    pub fn sign_root(&self, document: &str, id: &str, algorithm: SignatureAlgorithm) -> Result<String, SignError> {
        self.sign_at(document, id, algorithm, start_of_content)
    }

    /// `place` finds where in an element the Signature stands.
    fn sign_at(
        &self,
        document: &str,
        id: &str,
        algorithm: SignatureAlgorithm,
        place: fn(&Document<'_>, NodeId) -> Option<usize>,
    ) -> Result<String, SignError> {
        let key = self.key(algorithm)?;
        let tree = uppsala::parse(document).map_err(|e| SignError::Document(e.to_string()))?;
        let element = only_element(&tree, id).ok_or_else(|| SignError::NoSuchElement(id.to_owned()))?;
        let place = place(&tree, element).ok_or_else(|| SignError::NoSuchElement(id.to_owned()))?;
        let subtree = NodeSet::tree_without_comments(element, &tree);
        let canonical = canonicalize_doc::<&str>(&tree, C14nMode::Exclusive, Some(&subtree), &[])
            .map_err(|e| SignError::Document(e.to_string()))?;
        let signed_info = signed_info(id, algorithm, &canonical);
        let value = STANDARD.encode(key.sign(algorithm, signed_info.as_bytes()).map_err(|_| SignError::Key)?);
        let (before, after) =
            document.split_at_checked(place).ok_or_else(|| SignError::NoSuchElement(id.to_owned()))?;
        Ok(format!(
            "{before}<ds:Signature xmlns:ds=\"{}\">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>\
             <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
             </ds:Signature>{after}",
            ns::DSIG,
            key.certificate().base64()
        ))
    }
}

/// SignedInfo in its canonical form, so that the bytes signed are the bytes sent: namespace declared on it, no empty-element
/// tags, no white space. `id` is one of ours ([`super::issuer`]) and needs no escaping.
fn signed_info(id: &str, algorithm: SignatureAlgorithm, canonical: &[u8]) -> String {
    let (hash, digest_uri) = match algorithm {
        SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::EcdsaSha256 => {
            (&SHA256, "http://www.w3.org/2001/04/xmlenc#sha256")
        }
        SignatureAlgorithm::RsaSha384 => (&SHA384, "http://www.w3.org/2001/04/xmldsig-more#sha384"),
        SignatureAlgorithm::RsaSha512 => (&SHA512, "http://www.w3.org/2001/04/xmlenc#sha512"),
    };
    let digest = STANDARD.encode(digest(hash, canonical));
    format!(
        "<ds:SignedInfo xmlns:ds=\"{}\">\
         <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{method}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
         <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{digest_uri}\"></ds:DigestMethod>\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        ns::DSIG,
        method = algorithm.uri()
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

fn start_of_content(tree: &Document<'_>, element: NodeId) -> Option<usize> {
    Some(tree.node_range(tree.first_child(element)?)?.start)
}

fn end_of_issuer(tree: &Document<'_>, element: NodeId) -> Option<usize> {
    let issuer = tree.first_child(element)?;
    let is_issuer = tree.element(issuer)?.matches_name_ns(ns::ASSERTION, "Issuer");
    if is_issuer { Some(tree.node_range(issuer)?.end) } else { None }
}
