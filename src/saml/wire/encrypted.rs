//! Puts what was encrypted in place of what may not be read. An element is cut out where the strict parser sees it, and the
//! document is read back again before anybody signs it.

use roxmltree::Document;

use super::logout::{self, LogoutRequestParts};
use super::readback::{self, Element, Expected, parse};
use super::response::{self, Hidden, ResponseParts};
use super::{Text, WireError, escape};
use crate::domain::{EncryptionAlgorithm, KeyTransport};
use crate::saml::ns;

/// `EncryptedData` holds an element, not text (XML Encryption §3.1).
const ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";

/// An encrypted element, and its key encrypted for one reader; both in base64.
pub(in crate::saml) struct Sealed {
    pub(in crate::saml) algorithm: EncryptionAlgorithm,
    pub(in crate::saml) key_transport: KeyTransport,
    pub(in crate::saml) key: String,
    pub(in crate::saml) content: String,
}

/// A NameID as an element that stands by itself, read back.
pub(in crate::saml) fn name_id(format: &str, value: &Text) -> Result<String, WireError> {
    let xml = format!(
        "<saml2:NameID xmlns:saml2=\"{}\" Format=\"{}\">{}</saml2:NameID>",
        ns::ASSERTION,
        escape(format),
        value.element()
    );
    readback::compare(&xml, &[response::expected_name_id(0, format, value)])?;
    Ok(xml)
}

/// The Assertion of a response as an element that stands by itself.
pub(in crate::saml) fn assertion(xml: &str) -> Result<String, WireError> {
    let document = parse(xml)?;
    let text = xml.get(only(&document, "Assertion")?).unwrap_or_default();
    // INVARIANT: the writer declares its prefix on the Assertion; the prefix of the signature is declared on the Signature.
    parse(text)?;
    Ok(text.to_owned())
}

/// The response with an EncryptedID in place of its NameID, read back.
pub(in crate::saml) fn hide_name_id(xml: &str, parts: &ResponseParts, sealed: &Sealed) -> Result<String, WireError> {
    let hidden = replaced(xml, "NameID", &written("EncryptedID", sealed))?;
    readback::compare(&hidden, &response::expected(parts, Hidden::NameId(sealed)))?;
    Ok(hidden)
}

/// The LogoutRequest with an EncryptedID in place of its NameID, read back.
pub(in crate::saml) fn hide_logout_name_id(
    xml: &str,
    parts: &LogoutRequestParts,
    sealed: &Sealed,
) -> Result<String, WireError> {
    let hidden = replaced(xml, "NameID", &written("EncryptedID", sealed))?;
    readback::compare(&hidden, &logout::expected_request(parts, Some(sealed)))?;
    Ok(hidden)
}

/// The response with an EncryptedAssertion in place of its Assertion, read back.
pub(in crate::saml) fn hide_assertion(xml: &str, parts: &ResponseParts, sealed: &Sealed) -> Result<String, WireError> {
    let hidden = replaced(xml, "Assertion", &written("EncryptedAssertion", sealed))?;
    readback::compare(&hidden, &response::expected(parts, Hidden::Assertion(sealed)))?;
    Ok(hidden)
}

fn replaced(xml: &str, name: &'static str, with: &str) -> Result<String, WireError> {
    let range = only(&parse(xml)?, name)?;
    let (before, after) = (xml.get(..range.start), xml.get(range.end..));
    Ok([before.unwrap_or_default(), with, after.unwrap_or_default()].concat())
}

/// Where the only element of this name stands.
fn only(document: &Document<'_>, name: &'static str) -> Result<std::ops::Range<usize>, WireError> {
    let mut found = document.descendants().filter(|node| node.has_tag_name((ns::ASSERTION, name)));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.range()),
        _ => Err(WireError::ReadBack(format!("there is not exactly one `{name}`"))),
    }
}

/// The EncryptedKey stands in the KeyInfo of what it opens, where every reader looks. All that is filled in is ours: addresses of
/// algorithms, and base64.
fn written(name: &str, sealed: &Sealed) -> String {
    let oaep = match sealed.key_transport {
        KeyTransport::RsaOaepMgf1p => format!("<ds:DigestMethod Algorithm=\"{SHA1}\"/>"),
        KeyTransport::RsaOaepSha256 => format!(
            "<ds:DigestMethod Algorithm=\"{SHA256}\"/><xenc11:MGF xmlns:xenc11=\"{}\" Algorithm=\"{MGF1_SHA256}\"/>",
            ns::ENCRYPTION11
        ),
    };
    format!(
        "<saml2:{name} xmlns:saml2=\"{saml}\"><xenc:EncryptedData xmlns:xenc=\"{xenc}\" Type=\"{ELEMENT}\">\
         <xenc:EncryptionMethod Algorithm=\"{algorithm}\"/>\
         <ds:KeyInfo xmlns:ds=\"{ds}\"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"{transport}\">{oaep}\
         </xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>{key}</xenc:CipherValue></xenc:CipherData>\
         </xenc:EncryptedKey></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherValue>{content}</xenc:CipherValue></xenc:CipherData>\
         </xenc:EncryptedData></saml2:{name}>",
        saml = ns::ASSERTION,
        xenc = ns::ENCRYPTION,
        ds = ns::DSIG,
        algorithm = sealed.algorithm.uri(),
        transport = sealed.key_transport.uri(),
        key = sealed.key,
        content = sealed.content,
    )
}

/// The elements that [`written`] must have made.
pub(super) fn expected<'a>(depth: usize, name: &'static str, sealed: &'a Sealed, elements: &mut Vec<Element<'a>>) {
    let mut push = |below, namespace, name, attributes: &[(&'static str, &'a str)], text| {
        let attributes = attributes.iter().map(|(name, value)| (*name, Expected::Text(value))).collect();
        elements.push(Element { depth: depth + below, namespace, name, attributes, text });
    };
    let (xenc, ds) = (ns::ENCRYPTION, ns::DSIG);
    push(0, ns::ASSERTION, name, &[], "");
    push(1, xenc, "EncryptedData", &[("Type", ELEMENT)], "");
    push(2, xenc, "EncryptionMethod", &[("Algorithm", sealed.algorithm.uri())], "");
    push(2, ds, "KeyInfo", &[], "");
    push(3, xenc, "EncryptedKey", &[], "");
    push(4, xenc, "EncryptionMethod", &[("Algorithm", sealed.key_transport.uri())], "");
    match sealed.key_transport {
        KeyTransport::RsaOaepMgf1p => push(5, ds, "DigestMethod", &[("Algorithm", SHA1)], ""),
        KeyTransport::RsaOaepSha256 => {
            push(5, ds, "DigestMethod", &[("Algorithm", SHA256)], "");
            push(5, ns::ENCRYPTION11, "MGF", &[("Algorithm", MGF1_SHA256)], "");
        }
    }
    push(4, xenc, "CipherData", &[], "");
    push(5, xenc, "CipherValue", &[], &sealed.key);
    push(2, xenc, "CipherData", &[], "");
    push(3, xenc, "CipherValue", &[], &sealed.content);
}
