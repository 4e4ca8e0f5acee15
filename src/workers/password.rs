//! Passwords and their hashes as types.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Params};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// A password as somebody gave it, in Unicode normal form C (two keyboards may write `é` differently). Wiped on drop,
/// never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The most characters a password may have.
    pub const MAX_CHARACTERS: usize = 256;

    /// Takes what was typed.
    #[must_use]
    pub fn new(typed: String) -> Self {
        let typed = Zeroizing::new(typed);
        Self(Zeroizing::new(typed.nfc().collect()))
    }

    /// Whether it is longer than any password can be, so that it is never hashed.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.0.len() > Self::MAX_CHARACTERS * 4 || self.0.chars().count() > Self::MAX_CHARACTERS
    }

    /// The text, for hashing and for the rules.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A hash that is not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// No PHC string with salt and output.
    #[error("a password hash is written in PHC form: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`")]
    NotPhc,
    /// Another algorithm or version than Argon2id 1.3.
    #[error("only Argon2id hashes of version 19 are taken over")]
    Algorithm,
    /// Parameters that make a hash too weak, or too dear to verify.
    #[error(
        "the cost of a hash must lie within m=7168…131072 (KiB), t=1…8 and p=1…4, with m·t at most 524288, a salt of at \
         least 8 and a hash of 16 to 64 bytes"
    )]
    Cost,
}

/// An Argon2id hash as a PHC string, checked to be cheap enough to verify and strong enough to keep. Not serialisable and
/// never printed: a hash is a secret too.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// Reads a PHC string. The smallest memory cost is the smallest OWASP names (7 MiB); the largest keep one check below
    /// about a second.
    ///
    /// # Errors
    /// See [`PasswordHashError`].
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > 512 {
            return Err(PasswordHashError::NotPhc);
        }
        let hash = phc::PasswordHash::new(text.trim()).map_err(|_| PasswordHashError::NotPhc)?;
        if Algorithm::try_from(hash.algorithm.as_str()) != Ok(Algorithm::Argon2id) || hash.version != Some(0x13) {
            return Err(PasswordHashError::Algorithm);
        }
        let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else { return Err(PasswordHashError::NotPhc) };
        let params = Params::try_from(&hash).map_err(|_| PasswordHashError::Cost)?;
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        let good = (7_168..=131_072).contains(&params.m_cost())
            && (1..=8).contains(&params.t_cost())
            && (1..=4).contains(&params.p_cost())
            && work <= 524_288
            && salt.len() >= 8
            && (16..=64).contains(&output.len())
            && params.keyid().is_empty()
            && params.data().is_empty();
        if good { Ok(Self(Zeroizing::new(hash.to_string()))) } else { Err(PasswordHashError::Cost) }
    }

    pub(super) fn of(hash: &phc::PasswordHash) -> Self {
        Self(Zeroizing::new(hash.to_string()))
    }

    /// The PHC string, for the database.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "c29tZXNhbHRzb21lc2FsdA";
    const HASH: &str = "k7dGXpp0GbUUFnFPZ2zhFhfGnwhbK0Mh4sYGbFcvRFA";

    #[test]
    fn only_argon2id_of_sane_cost_is_taken_over() {
        let phc = |head: &str| format!("${head}${SALT}${HASH}");
        for (text, answer) in [
            (phc("argon2id$v=19$m=19456,t=2,p=1"), Ok(())),
            (phc("argon2id$v=19$m=65536,t=3,p=4"), Ok(())),
            (phc("argon2i$v=19$m=19456,t=2,p=1"), Err(PasswordHashError::Algorithm)),
            (phc("argon2id$v=16$m=19456,t=2,p=1"), Err(PasswordHashError::Algorithm)),
            (phc("argon2id$m=19456,t=2,p=1"), Err(PasswordHashError::Algorithm)),
            (phc("scrypt$ln=17,r=8,p=1"), Err(PasswordHashError::Algorithm)),
            (phc("argon2id$v=19$m=64,t=2,p=1"), Err(PasswordHashError::Cost)),
            (phc("argon2id$v=19$m=4194304,t=1,p=1"), Err(PasswordHashError::Cost)),
            (phc("argon2id$v=19$m=19456,t=4000,p=1"), Err(PasswordHashError::Cost)),
            (phc("argon2id$v=19$m=131072,t=8,p=1"), Err(PasswordHashError::Cost)),
            ("$argon2id$v=19$m=19456,t=2,p=1".to_owned(), Err(PasswordHashError::NotPhc)),
            ("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned(), Err(PasswordHashError::NotPhc)),
            ("hunter2".to_owned(), Err(PasswordHashError::NotPhc)),
            ("x".repeat(600), Err(PasswordHashError::NotPhc)),
        ] {
            assert_eq!(PasswordHash::parse(&text).map(|_| ()), answer, "{text}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let hash = PasswordHash::parse(&format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${HASH}")).unwrap();
        assert_eq!(format!("{hash:?} {:?}", Password::new("hunter2".into())), "PasswordHash(…) Password(…)");
    }

    #[test]
    fn one_password_typed_in_two_normal_forms_is_one() {
        assert_eq!(Password::new("e\u{301}".into()).expose(), Password::new("é".into()).expose());
    }
}
