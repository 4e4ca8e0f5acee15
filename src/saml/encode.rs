//! How messages travel: base64 in a form (HTTP-POST) or deflated in a query (HTTP-Redirect; SAML bindings §3.4.4.1).
//! Reading them back is [`super::request`]'s business, apart from the two halves below that mirror the writers.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// A message that is not encoded as its binding asks for, or larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Not base64.
    #[error("the message is not base64")]
    NotBase64,
    /// Not raw deflate.
    #[error("the message does not inflate")]
    NotDeflate,
    /// Larger than the caller's limit, before or after inflating.
    #[error("the message is larger than allowed")]
    TooLarge,
    /// Not UTF-8.
    #[error("the message is not UTF-8")]
    NotUtf8,
}

/// The form value of the HTTP-POST binding.
#[must_use]
pub fn post(xml: &str) -> String {
    STANDARD.encode(xml)
}

/// Reads the form value of the HTTP-POST binding; line breaks and blanks in it are left out, as senders wrap lines.
///
/// # Errors
/// It is not base64 of UTF-8, or longer than `limit` bytes once decoded.
pub fn read_post(value: &str, limit: usize) -> Result<String, EncodingError> {
    String::from_utf8(base64(value, limit)?).map_err(|_| EncodingError::NotUtf8)
}

/// The query value of the HTTP-Redirect binding, before percent-encoding: raw deflate, then base64.
///
/// # Errors
/// The compressor failed, which it does not on memory.
pub fn redirect(xml: &str) -> std::io::Result<String> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(xml.as_bytes())?;
    Ok(STANDARD.encode(encoder.finish()?))
}

/// Reads the query value of the HTTP-Redirect binding, after percent-decoding.
///
/// # Errors
/// It is not base64 of raw deflate of UTF-8, or larger than `limit` bytes before or after inflating.
pub fn read_redirect(value: &str, limit: usize) -> Result<String, EncodingError> {
    let deflated = base64(value, limit)?;
    let mut xml = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    DeflateDecoder::new(deflated.as_slice()).take(most).read_to_end(&mut xml).map_err(|_| EncodingError::NotDeflate)?;
    if xml.len() > limit {
        return Err(EncodingError::TooLarge);
    }
    String::from_utf8(xml).map_err(|_| EncodingError::NotUtf8)
}

fn base64(value: &str, limit: usize) -> Result<Vec<u8>, EncodingError> {
    // Twice the limit leaves room for base64's third and for wrapped lines.
    if value.len() > limit.saturating_mul(2) {
        return Err(EncodingError::TooLarge);
    }
    let letters: Vec<u8> = value.bytes().filter(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')).collect();
    let bytes = STANDARD.decode(letters).map_err(|_| EncodingError::NotBase64)?;
    if bytes.len() > limit { Err(EncodingError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_for_a_binding_comes_out_again(xml in ".{0,400}") {
            prop_assert_eq!(read_post(&post(&xml), 4096), Ok(xml.clone()));
            prop_assert_eq!(read_redirect(&redirect(&xml).unwrap(), 4096), Ok(xml));
        }

        #[test]
        fn anything_else_is_an_error_and_no_panic(value in ".{0,400}") {
            let _ = read_post(&value, 64);
            let _ = read_redirect(&value, 64);
        }
    }

    #[test]
    fn wrapped_base64_is_read() {
        assert_eq!(read_post("PGEv\r\nPg= =\n", 16), Ok("<a/>".to_owned()));
    }

    #[test]
    fn a_deflate_bomb_stops_at_the_limit() {
        let bomb = redirect(&"A".repeat(10_000_000)).unwrap();
        assert!(bomb.len() < 20_000, "it is small on the wire");
        assert_eq!(read_redirect(&bomb, 65_536), Err(EncodingError::TooLarge));
    }
}
