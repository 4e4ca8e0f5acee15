//! Secrets that open an entry: 256 random bits in a cookie, their SHA-256 in the store.

/// Declares a token type: made from entropy, read from a cookie, stored by its hash only.
macro_rules! token_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(zeroize::Zeroizing<[u8; 32]>);

        impl $name {
            /// A new one.
            ///
            /// # Errors
            /// The random source failed.
            pub(crate) fn new(
                entropy: &dyn $crate::clock::Entropy,
            ) -> Result<Self, $crate::clock::EntropyError> {
                Ok(Self(zeroize::Zeroizing::new(entropy.bytes::<32>()?)))
            }

            /// Reads what a cookie holds (base64url without padding); `None` for anything that is no token.
            #[must_use]
            pub fn parse(cookie: &str) -> Option<Self> {
                if cookie.len() != 43 {
                    return None;
                }
                let bytes = data_encoding::BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?;
                Some(Self(zeroize::Zeroizing::new(bytes.try_into().ok()?)))
            }

            /// The secret, for the cookie and nothing else.
            #[must_use]
            pub fn expose(&self) -> zeroize::Zeroizing<String> {
                zeroize::Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(self.0.as_ref()))
            }

            /// What the store knows of it.
            pub(crate) fn hash(&self) -> String {
                let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.0.as_ref());
                data_encoding::HEXLOWER.encode(hash.as_ref())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

pub(crate) use token_type;
