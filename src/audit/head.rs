//! Signed heads: how far a chain had come at some instant, signed and kept apart from the journal. Who cuts the end of the
//! journal off does not reach them.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;

use super::chain::{LineHash, Position};
use super::node::NodeId;
use crate::clock::Timestamp;

/// The head of a node's chain: everything up to here is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose chain.
    pub node: NodeId,
    /// Its last line.
    pub position: Position,
}

/// A [`Head`], when it was signed, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// What is signed.
    pub head: Head,
    /// When.
    pub at: Timestamp,
    /// Ed25519, 64 bytes.
    pub signature: Vec<u8>,
}

impl SignedHead {
    /// A head as it was stored; `None` when its parts are not of the form they have. Says nothing of the signature.
    #[must_use]
    pub fn from_parts(node: &str, seq: u64, hash: &str, at: Timestamp, signature: Vec<u8>) -> Option<Self> {
        let position = Position { seq, hash: LineHash::parse(hash)? };
        Some(Self { head: Head { node: NodeId::parse(node)?, position }, at, signature })
    }
}

/// The key cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the key that signs the heads of the journal can't be made")]
pub struct HeadKeyError;

/// Signs heads, and checks them. Derived from the server's secret, so every node has the same.
pub struct HeadKey(Ed25519KeyPair);

impl HeadKey {
    /// The key of this seed.
    ///
    /// # Errors
    /// The cryptographic library refused.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, HeadKeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| HeadKeyError)
    }

    /// The public half in hexadecimal: with it anybody can check a signature.
    #[must_use]
    pub fn public_key(&self) -> String {
        HEXLOWER.encode(self.0.public_key().as_ref())
    }

    /// Signs a head.
    #[must_use]
    pub fn sign(&self, head: Head, at: Timestamp) -> SignedHead {
        let signature = self.0.sign(message(&head, at).as_bytes()).as_ref().to_vec();
        SignedHead { head, at, signature }
    }

    /// Whether this key signed it.
    #[must_use]
    pub fn verifies(&self, signed: &SignedHead) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0.public_key())
            .verify(message(&signed.head, signed.at).as_bytes(), &signed.signature)
            .is_ok()
    }
}

impl std::fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HeadKey").field(&self.public_key()).finish()
    }
}

/// What is signed; docs/audit.md tells it, so that others can check.
fn message(head: &Head, at: Timestamp) -> String {
    let Position { seq, hash } = head.position;
    format!("cedargate audit head v1\n{}\n{seq}\n{hash}\n{}\n", head.node, at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_head_and_one_key() {
        let key = HeadKey::from_seed(&[1; 32]).unwrap();
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let position = Position { seq: 7, hash: LineHash::of(b"x") };
        let signed = key.sign(Head { node: NodeId::parse("0123456789abcdef").unwrap(), position }, at);
        assert!(key.verifies(&signed));
        assert!(!HeadKey::from_seed(&[2; 32]).unwrap().verifies(&signed));
        let mut others = [signed.clone(), signed.clone(), signed.clone(), signed.clone(), signed];
        others[0].head.node = NodeId::parse("0123456789abcdee").unwrap();
        others[1].head.position.seq = 8;
        others[2].head.position.hash = LineHash::NONE;
        others[3].at = "2026-11-21T12:00:01Z".parse().unwrap();
        others[4].signature[63] ^= 1;
        assert!(others.iter().all(|other| !key.verifies(other)), "{others:?}");
    }
}
