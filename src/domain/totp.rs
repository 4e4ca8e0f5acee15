//! The shared secret of an authenticator app.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// A TOTP seed (RFC 6238): 16 to 64 bytes. RFC 4226 §4 R6 asks for 128 bits at least. Not serialisable, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret(Zeroizing<Vec<u8>>);

/// A seed of the wrong length or spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TotpSecretError {
    /// Shorter than 128 bits.
    #[error("a TOTP secret needs at least 16 bytes (26 base32 characters)")]
    TooShort,
    /// Longer than 512 bits.
    #[error("a TOTP secret has at most 64 bytes (103 base32 characters)")]
    TooLong,
    /// Something else than A–Z and 2–7.
    #[error("a TOTP secret is written in base32: the letters A to Z and the digits 2 to 7")]
    NotBase32,
}

impl TotpSecret {
    /// Takes raw bytes.
    ///
    /// # Errors
    /// There are too few or too many.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TotpSecretError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0..16 => Err(TotpSecretError::TooShort),
            16..=64 => Ok(Self(bytes)),
            _ => Err(TotpSecretError::TooLong),
        }
    }

    /// Reads the text form: any case, spaces, hyphens and padding left out.
    ///
    /// # Errors
    /// It is no base32, or too short or too long.
    pub fn from_base32(text: &str) -> Result<Self, TotpSecretError> {
        if text.len() > 256 {
            return Err(TotpSecretError::TooLong);
        }
        let letters: Zeroizing<String> = Zeroizing::new(
            text.chars().filter(|c| !matches!(c, ' ' | '-' | '=')).map(|c| c.to_ascii_uppercase()).collect(),
        );
        Self::from_bytes(BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| TotpSecretError::NotBase32)?)
    }

    /// The raw bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text form, unpadded.
    #[must_use]
    pub fn to_base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_as_people_paste_it_reads_back() {
        let secret = TotpSecret::from_bytes((0..20).collect()).unwrap();
        let pasted = format!(" {} ", secret.to_base32().to_lowercase()).replace("aa", "aa-");
        assert_eq!(TotpSecret::from_base32(&pasted), Ok(secret));
    }

    #[test]
    fn weak_or_misspelt_secrets_are_refused() {
        for (text, error) in [
            ("GEZDGNBVGY3TQOJQ", TotpSecretError::TooShort),
            ("0189", TotpSecretError::NotBase32),
            (&"A".repeat(257), TotpSecretError::TooLong),
        ] {
            assert_eq!(TotpSecret::from_base32(text), Err(error), "{text}");
        }
    }
}
