//! Encrypts for one service provider: the text with a fresh AES key, the key with the service provider's RSA key (XML Encryption
//! 1.1). What becomes of it in XML is `wire`'s business.
//!
//! Not by bergshamra: it fills in templates, parses the document once per step and takes its own randomness.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::wire::Sealed;
use crate::clock::{Entropy, EntropyError};
use crate::domain::{Encryption, EncryptionAlgorithm, KeyTransport};

/// Something that could not be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum EncryptError {
    /// The service provider's key is no RSA key that encrypts.
    #[error("the service provider's certificate holds no RSA key to encrypt for")]
    PublicKey,
    /// The cipher refused.
    #[error("nothing could be encrypted")]
    Cipher,
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Encrypts `plain`, an element that stands by itself, with a key that exists for it alone.
///
/// # Errors
/// The reader's key cannot be used, or the cipher or the random source failed.
pub(super) fn seal(plain: &str, encryption: &Encryption, entropy: &dyn Entropy) -> Result<Sealed, EncryptError> {
    let (cipher, length) = match encryption.algorithm {
        EncryptionAlgorithm::Aes256Gcm => (&AES_256_GCM, 32),
        EncryptionAlgorithm::Aes128Gcm => (&AES_128_GCM, 16),
    };
    let bytes = Zeroizing::new(entropy.bytes::<32>()?);
    let key = bytes.get(..length).ok_or(EncryptError::Cipher)?;
    // XML Encryption 1.1 §5.2.4: 96 bits of nonce, the ciphertext, 128 bits of tag. A key that is used once repeats no nonce.
    let nonce = entropy.bytes::<12>()?;
    let unbound = UnboundKey::new(cipher, key).map_err(|_| EncryptError::Cipher)?;
    let mut sealed = plain.as_bytes().to_vec();
    LessSafeKey::new(unbound)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .map_err(|_| EncryptError::Cipher)?;
    Ok(Sealed {
        algorithm: encryption.algorithm,
        key_transport: encryption.key_transport,
        key: STANDARD.encode(wrap(key, encryption)?),
        content: STANDARD.encode([nonce.as_slice(), &sealed].concat()),
    })
}

fn wrap(key: &[u8], encryption: &Encryption) -> Result<Vec<u8>, EncryptError> {
    let algorithm = match encryption.key_transport {
        KeyTransport::RsaOaepMgf1p => &OAEP_SHA1_MGF1SHA1,
        KeyTransport::RsaOaepSha256 => &OAEP_SHA256_MGF1SHA256,
    };
    let reader = PublicEncryptingKey::from_der(&encryption.public_key)
        .map_err(|_| EncryptError::PublicKey)
        .and_then(|key| OaepPublicEncryptingKey::new(key).map_err(|_| EncryptError::PublicKey))?;
    let mut wrapped = vec![0; reader.ciphertext_size()];
    reader.encrypt(algorithm, key, &mut wrapped, None).map_err(|_| EncryptError::Cipher)?;
    Ok(wrapped)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};

    use super::*;
    use crate::clock::FixedEntropy;
    use crate::domain::EncryptedPart;

    fn encryption(algorithm: EncryptionAlgorithm, key_transport: KeyTransport, public_key: Vec<u8>) -> Encryption {
        Encryption { part: EncryptedPart::Assertion, algorithm, key_transport, public_key }
    }

    #[test]
    fn only_the_holder_of_the_key_reads_it_and_only_unchanged() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let spki =
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&private.public_key());
        let spki = spki.unwrap().as_ref().to_vec();
        let reader = OaepPrivateDecryptingKey::new(private).unwrap();
        for (algorithm, cipher) in
            [(EncryptionAlgorithm::Aes256Gcm, &AES_256_GCM), (EncryptionAlgorithm::Aes128Gcm, &AES_128_GCM)]
        {
            for (transport, oaep) in [
                (KeyTransport::RsaOaepMgf1p, &OAEP_SHA1_MGF1SHA1),
                (KeyTransport::RsaOaepSha256, &OAEP_SHA256_MGF1SHA256),
            ] {
                let sealed =
                    seal("<a>\u{fc}</a>", &encryption(algorithm, transport, spki.clone()), &FixedEntropy::seeded(3));
                let sealed = sealed.unwrap();
                let mut key = vec![0; 256];
                let wrapped = STANDARD.decode(&sealed.key).unwrap();
                let key = reader.decrypt(oaep, &wrapped, &mut key, None).unwrap();
                let key = LessSafeKey::new(UnboundKey::new(cipher, key).unwrap());
                let content = STANDARD.decode(&sealed.content).unwrap();
                let open = |content: &[u8]| {
                    let nonce = Nonce::try_assume_unique_for_key(&content[..12]).unwrap();
                    let mut rest = content[12..].to_vec();
                    key.open_in_place(nonce, Aad::empty(), &mut rest).map(|plain| plain.to_vec())
                };
                assert_eq!(open(&content).unwrap(), "<a>\u{fc}</a>".as_bytes());
                for at in 0..content.len() {
                    let mut changed = content.clone();
                    changed[at] ^= 1;
                    assert!(open(&changed).is_err(), "{at}");
                }
            }
        }
    }

    #[test]
    fn no_key_and_no_nonce_comes_twice() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let spki =
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&private.public_key());
        let how = encryption(EncryptionAlgorithm::Aes256Gcm, KeyTransport::default(), spki.unwrap().as_ref().to_vec());
        let entropy = FixedEntropy::seeded(3);
        let (one, two) = (seal("<a/>", &how, &entropy).unwrap(), seal("<a/>", &how, &entropy).unwrap());
        assert_ne!(one.content, two.content);
        assert_ne!(one.content.get(..16), two.content.get(..16));
        assert_ne!(one.key, two.key);
    }

    #[test]
    fn what_is_no_rsa_key_is_no_reader() {
        let ec = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        for key in [Vec::new(), vec![0; 300], rcgen::PublicKeyData::subject_public_key_info(&ec)] {
            let how = encryption(EncryptionAlgorithm::Aes256Gcm, KeyTransport::RsaOaepMgf1p, key);
            let refused = seal("<a/>", &how, &FixedEntropy::seeded(3));
            assert!(matches!(refused, Err(EncryptError::PublicKey)));
        }
    }
}
