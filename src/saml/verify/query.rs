//! The signature beside a message in a query (SAML bindings §3.4.4.1): over the parameters as they stood there, still encoded.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::VerifyError;
use super::algorithm::{Method, Points, unknown};
use crate::saml::certificate::Certificate;

/// The most parameters that are looked at.
const MAX_PARAMETERS: usize = 32;

/// The parameters that a signature is about, as they stood in the query.
#[derive(Default)]
struct Raw<'a> {
    message: Option<&'a str>,
    relay_state: Option<&'a str>,
    algorithm: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Raw<'a> {
    fn read(query: &'a str, message: &'static str) -> Result<Self, VerifyError> {
        let mut raw = Self::default();
        for (position, pair) in query.split('&').enumerate() {
            if position >= MAX_PARAMETERS {
                return Err(VerifyError::Form("the query has too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = percent_decode_str(name).decode_utf8_lossy();
            let slot = match &*decoded {
                "SAMLRequest" | "SAMLResponse" if decoded != message => {
                    return Err(VerifyError::Form("the query holds a request and a response"));
                }
                "SAMLRequest" | "SAMLResponse" => &mut raw.message,
                "RelayState" => &mut raw.relay_state,
                "SigAlg" => &mut raw.algorithm,
                "Signature" => &mut raw.signature,
                _ => continue,
            };
            // The octets signed begin with the name in the clear: another spelling is another parameter.
            if decoded != name || slot.replace(value).is_some() {
                return Err(VerifyError::Form("a parameter stands there twice, or with its name encoded"));
            }
        }
        Ok(raw)
    }
}

/// Verifies the signature of a query in the HTTP-Redirect binding, by any of `trusted`. `message` is `SAMLRequest` or
/// `SAMLResponse`. The signed octets have one order, whatever the order in the query is.
///
/// # Errors
/// There is none, it is of a form that is not accepted, or it is wrong.
pub(in crate::saml) fn query(
    raw_query: &str,
    message: &'static str,
    trusted: &[Certificate],
) -> Result<(), VerifyError> {
    let raw = Raw::read(raw_query, message)?;
    let (algorithm, signature) = match (raw.algorithm, raw.signature) {
        (Some(algorithm), Some(signature)) => (algorithm, signature),
        (None, None) => return Err(VerifyError::Unsigned),
        _ => return Err(VerifyError::Form("of `SigAlg` and `Signature` there is only one")),
    };
    let value = raw.message.ok_or(VerifyError::Form("there is no message in the query"))?;
    let mut octets = format!("{message}={value}");
    if let Some(relay_state) = raw.relay_state {
        octets.push_str("&RelayState=");
        octets.push_str(relay_state);
    }
    octets.push_str("&SigAlg=");
    octets.push_str(algorithm);
    let method = Method::of(&decoded(algorithm).map_err(|_| unknown(algorithm))?)?;
    let letters: Vec<u8> = decoded(signature)?.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let signature = STANDARD.decode(letters).map_err(|_| NOT_BASE64)?;
    method.check(octets.as_bytes(), &signature, Points::FixedOrDer, trusted)
}

const NOT_BASE64: VerifyError = VerifyError::Form("its `Signature` is not base64");

/// A `+` that was not encoded stays one: neither base64 nor a URI holds blanks.
fn decoded(value: &str) -> Result<Cow<'_, str>, VerifyError> {
    percent_decode_str(value).decode_utf8().map_err(|_| NOT_BASE64)
}
