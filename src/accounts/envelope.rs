//! Envelope encryption of what must be readable again (TOTP seeds, mails), and MACs of what must only be compared (links,
//! codes). Every key is derived from the one server secret, so a database alone gives nothing away.
//!
//! A sealed value is `salt (24 bytes) ‖ AES-256-GCM ciphertext ‖ tag`. Key and nonce of each value are derived from its
//! salt, so the number of values under one secret is not limited by the 96 bits of a GCM nonce.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hkdf, hmac};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use crate::clock::{Entropy, EntropyError};

const SALT_LEN: usize = 24;
const KEY_LEN: usize = 32;

/// Where a sealed value belongs. It opens nowhere else, so a row copied onto another person is worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Table and column, or another name of the purpose: `authenticators.secret`.
    pub column: &'static str,
    /// The user's id, or what else owns the value (a browser's cookie).
    pub owner: &'a str,
}

/// A sealed value with the id of the key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which secret it was sealed under.
    pub key_id: String,
    /// Salt, ciphertext and tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Sealed under a secret this server does not have.
    #[error("sealed under key `{key_id}`, which is not the server secret")]
    UnknownKey {
        /// The key's id.
        key_id: String,
    },
    /// Changed, cut, or moved to another owner or column.
    #[error("a sealed value does not open: it was changed, or belongs elsewhere")]
    Broken,
    /// The cryptographic library refused.
    #[error("sealing failed")]
    Crypto,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// The keys derived from one server secret.
struct Keys {
    id: String,
    prk: hkdf::Prk,
    mac: hmac::Key,
}

impl Keys {
    fn derive(secret: &[u8; KEY_LEN]) -> Result<Self, EnvelopeError> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"cedargate server secret v1").extract(secret);
        let id: Zeroizing<[u8; 8]> = expand(&prk, &[b"key id"])?;
        let mac: Zeroizing<[u8; KEY_LEN]> = expand(&prk, &[b"mac"])?;
        Ok(Self { id: HEXLOWER.encode(id.as_slice()), mac: hmac::Key::new(hmac::HMAC_SHA256, mac.as_slice()), prk })
    }

    fn value_key(&self, column: &str, salt: &[u8]) -> Result<(LessSafeKey, Nonce), EnvelopeError> {
        let key: Zeroizing<[u8; KEY_LEN]> = expand(&self.prk, &[b"value key", salt, column.as_bytes()])?;
        let nonce: Zeroizing<[u8; NONCE_LEN]> = expand(&self.prk, &[b"value nonce", salt, column.as_bytes()])?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| EnvelopeError::Crypto)?;
        Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(*nonce)))
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(prk: &hkdf::Prk, info: &[&[u8]]) -> Result<Zeroizing<[u8; N]>, EnvelopeError> {
    let mut out = Zeroizing::new([0; N]);
    prk.expand(info, Length(N)).and_then(|okm| okm.fill(out.as_mut_slice())).map_err(|_| EnvelopeError::Crypto)?;
    Ok(out)
}

/// Seals, opens and makes MACs under keys derived from the server secret.
pub struct Envelope {
    current: Keys,
    previous: Vec<Keys>,
}

impl Envelope {
    /// Derives all keys from the server secret.
    ///
    /// # Errors
    /// The cryptographic library refused.
    pub fn from_secret(secret: &[u8; KEY_LEN]) -> Result<Self, EnvelopeError> {
        Ok(Self { current: Keys::derive(secret)?, previous: Vec::new() })
    }

    /// Also opens what was sealed under an earlier secret; new values use the current one.
    ///
    /// # Errors
    /// The cryptographic library refused.
    pub fn accepting(mut self, earlier: &[u8; KEY_LEN]) -> Result<Self, EnvelopeError> {
        self.previous.push(Keys::derive(earlier)?);
        Ok(self)
    }

    /// The id of the secret that new values are sealed under.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.current.id
    }

    /// Seals a value for one owner and column.
    ///
    /// # Errors
    /// There are no random bytes, or the library refused.
    pub fn seal(&self, binding: Binding<'_>, value: &[u8], entropy: &dyn Entropy) -> Result<Sealed, EnvelopeError> {
        let salt: [u8; SALT_LEN] = entropy.bytes()?;
        let (key, nonce) = self.current.value_key(binding.column, &salt)?;
        let mut bytes = Vec::with_capacity(SALT_LEN + value.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(&salt);
        let mut body = value.to_vec();
        key.seal_in_place_append_tag(nonce, Aad::from(additional_data(binding)), &mut body)
            .map_err(|_| EnvelopeError::Crypto)?;
        bytes.append(&mut body);
        Ok(Sealed { key_id: self.current.id.clone(), bytes })
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// The key is not known, or the value was changed or belongs elsewhere.
    pub fn open(&self, binding: Binding<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let keys = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|keys| keys.id == sealed.key_id)
            .ok_or_else(|| EnvelopeError::UnknownKey { key_id: sealed.key_id.chars().take(16).collect() })?;
        let (salt, body) = sealed.bytes.split_at_checked(SALT_LEN).ok_or(EnvelopeError::Broken)?;
        let (key, nonce) = keys.value_key(binding.column, salt)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = key
            .open_in_place(nonce, Aad::from(additional_data(binding)), body.as_mut_slice())
            .map_err(|_| EnvelopeError::Broken)?
            .len();
        body.truncate(opened);
        Ok(body)
    }

    /// [`Envelope::seal`] as one text that fits into a form field: `key id.base64url`.
    ///
    /// # Errors
    /// As for [`Envelope::seal`].
    pub fn seal_text(
        &self,
        binding: Binding<'_>,
        value: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<String, EnvelopeError> {
        let sealed = self.seal(binding, value, entropy)?;
        Ok(format!("{}.{}", sealed.key_id, BASE64URL_NOPAD.encode(&sealed.bytes)))
    }

    /// Opens what [`Envelope::seal_text`] made. The caller limits the length of `text`.
    ///
    /// # Errors
    /// As for [`Envelope::open`].
    pub fn open_text(&self, binding: Binding<'_>, text: &str) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let (key_id, body) = text.split_once('.').ok_or(EnvelopeError::Broken)?;
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| EnvelopeError::Broken)?;
        self.open(binding, &Sealed { key_id: key_id.to_owned(), bytes })
    }

    /// HMAC-SHA-256 of `data` for one purpose. Equal data under two labels gives two values.
    #[must_use]
    pub fn mac(&self, label: &str, data: &[u8]) -> [u8; 32] {
        mac_with(&self.current, label, data)
    }

    /// Whether `mac` is that of `data`, in constant time, under the current or an earlier secret.
    #[must_use]
    pub fn verify_mac(&self, label: &str, data: &[u8], mac: &[u8]) -> bool {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .any(|keys| constant_time::verify_slices_are_equal(&mac_with(keys, label, data), mac).is_ok())
    }

    /// A key of its own for another module (persistent NameIDs, CSRF tokens), named by its purpose.
    ///
    /// # Errors
    /// The cryptographic library refused.
    pub fn derive_key(&self, label: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, EnvelopeError> {
        expand(&self.current.prk, &[b"derived key", label.as_bytes()])
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("key_id", &self.current.id).finish_non_exhaustive()
    }
}

fn mac_with(keys: &Keys, label: &str, data: &[u8]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&keys.mac);
    // The length keeps label and data apart.
    context.update(&length(label));
    context.update(label.as_bytes());
    context.update(data);
    let mut out = [0; 32];
    for (byte, tag) in out.iter_mut().zip(context.sign().as_ref()) {
        *byte = *tag;
    }
    out
}

fn additional_data(binding: Binding<'_>) -> Vec<u8> {
    let mut data = length(binding.column).to_vec();
    data.extend_from_slice(binding.column.as_bytes());
    data.extend_from_slice(binding.owner.as_bytes());
    data
}

fn length(text: &str) -> [u8; 8] {
    u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;

    const HERE: Binding<'_> = Binding { column: "authenticators.secret", owner: "ann" };

    fn envelope(byte: u8) -> Envelope {
        Envelope::from_secret(&[byte; 32]).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_only_where_it_belongs() {
        let (envelope, entropy) = (envelope(1), FixedEntropy::seeded(1));
        let sealed = envelope.seal(HERE, b"seed", &entropy).unwrap();
        assert_eq!(envelope.open(HERE, &sealed).unwrap().as_slice(), b"seed");
        for elsewhere in [Binding { owner: "ben", ..HERE }, Binding { column: "outbox.body", ..HERE }] {
            assert!(matches!(envelope.open(elsewhere, &sealed), Err(EnvelopeError::Broken)), "{elsewhere:?}");
        }
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let (envelope, entropy) = (envelope(1), FixedEntropy::seeded(1));
        let sealed = envelope.seal(HERE, b"seed", &entropy).unwrap();
        for at in 0..sealed.bytes.len() {
            let mut broken = sealed.clone();
            broken.bytes[at] ^= 1;
            assert!(matches!(envelope.open(HERE, &broken), Err(EnvelopeError::Broken)), "byte {at}");
            broken.bytes.truncate(at);
            assert!(matches!(envelope.open(HERE, &broken), Err(EnvelopeError::Broken)), "cut at {at}");
        }
    }

    #[test]
    fn one_value_is_never_sealed_the_same_way_twice() {
        let (envelope, entropy) = (envelope(1), FixedEntropy::seeded(1));
        assert_ne!(envelope.seal(HERE, b"seed", &entropy).unwrap(), envelope.seal(HERE, b"seed", &entropy).unwrap());
    }

    #[test]
    fn after_a_change_of_the_secret_old_values_open_only_with_the_old_one() {
        let entropy = FixedEntropy::seeded(1);
        let sealed = envelope(1).seal(HERE, b"seed", &entropy).unwrap();
        assert!(matches!(envelope(2).open(HERE, &sealed), Err(EnvelopeError::UnknownKey { .. })));
        let rotated = envelope(2).accepting(&[1; 32]).unwrap();
        assert_eq!(rotated.open(HERE, &sealed).unwrap().as_slice(), b"seed");
        assert_eq!(rotated.seal(HERE, b"seed", &entropy).unwrap().key_id, envelope(2).key_id());
    }

    #[test]
    fn text_for_forms_opens_again_and_nonsense_does_not() {
        let (envelope, entropy) = (envelope(1), FixedEntropy::seeded(1));
        let text = envelope.seal_text(HERE, b"form", &entropy).unwrap();
        assert_eq!(envelope.open_text(HERE, &text).unwrap().as_slice(), b"form");
        for broken in ["", ".", "x.y", &text[1..], &text[..text.len() - 1], &format!("{text}=")] {
            assert!(envelope.open_text(HERE, broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_mac_depends_on_secret_label_and_data() {
        let one = envelope(1).mac("link", b"token");
        assert!(envelope(1).verify_mac("link", b"token", &one));
        assert!(envelope(2).accepting(&[1; 32]).unwrap().verify_mac("link", b"token", &one));
        for (secret, label, data) in [(2, "link", "token"), (1, "lin", "ktoken"), (1, "link", "Token")] {
            assert!(!envelope(secret).verify_mac(label, data.as_bytes(), &one), "{secret} {label} {data}");
        }
    }

    #[test]
    fn derived_keys_differ_by_label_and_do_not_print() {
        let envelope = envelope(1);
        assert_ne!(envelope.derive_key("csrf").unwrap(), envelope.derive_key("name-id").unwrap());
        assert!(!format!("{envelope:?}").contains("prk"));
    }
}
