//! Names and numbers that tell one thing from another. Each is checked once, where it enters, and is its own type after.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

use crate::clock::{Entropy, EntropyError, Timestamp};

/// A name that is not of the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is no {kind}: {rule}")]
pub struct IdError {
    /// What was given, cut to 80 characters.
    pub input: String,
    /// The kind of name in words.
    pub kind: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl IdError {
    pub(crate) fn new(input: &str, kind: &'static str, rule: &'static str) -> Self {
        Self { input: input.chars().take(80).collect(), kind, rule }
    }
}

macro_rules! name_type {
    ($(#[$meta:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads a name.
            ///
            /// # Errors
            /// It is not of the form this kind of name has.
            pub fn parse(input: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(input) { Ok(Self(input.to_owned())) } else { Err(IdError::new(input, $kind, $rule)) }
            }

            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(input: String) -> Result<Self, IdError> {
                Self::parse(&input)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

fn is_slug(input: &str, most: usize, extra: &[char]) -> bool {
    !input.is_empty()
        && input.len() <= most
        && input.starts_with(|c: char| c.is_ascii_alphanumeric())
        && input.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || extra.contains(&c))
}

name_type!(
    /// An app, as `App::"aws"` names it in policies.
    AppId, "app id", "use 1 to 64 letters, digits, `-` or `_`", |s| is_slug(s, 64, &[])
);
name_type!(
    /// A group, as `Group::"aws-users"` names it in policies; a directory's own groups hold a `/`.
    GroupName, "group name", "use 1 to 128 letters, digits, `-`, `_`, `.` or `/`", |s| is_slug(s, 128, &['.', '/'])
);
name_type!(
    /// A named list of address blocks, as `Network::"office"` names it in policies.
    NetworkName, "network name", "use 1 to 64 letters, digits, `-` or `_`", |s| is_slug(s, 64, &[])
);
name_type!(
    /// A named list of countries, as `CountryList::"blocked"` names it in policies.
    CountryListName, "country list name", "use 1 to 64 letters, digits, `-` or `_`", |s| is_slug(s, 64, &[])
);
name_type!(
    /// What an app lets a person become. Policies write app and role: `Role::"aws/Dev"`.
    RoleName, "role name", "use 1 to 64 letters, digits, `-`, `_` or `.`", |s| is_slug(s, 64, &['.'])
);
name_type!(
    /// The `@id` of a policy: dotted, unique in the set.
    PolicyId, "policy id", "use 1 to 128 letters, digits, `-`, `_` or `.`", |s| is_slug(s, 128, &['.'])
);

/// A user's name: NFKC and case-folded, so that two spellings that look the same are the same. Immutable, never reused;
/// it is the Cedar id (`User::"ann"`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

impl Username {
    /// Reads and folds a name: 1 to 64 characters once folded, none of them a control character, white space, `/`, or `@`
    /// at the ends.
    ///
    /// # Errors
    /// It breaks one of these rules.
    pub fn parse(input: &str) -> Result<Self, IdError> {
        const RULE: &str = "use 1 to 64 characters without spaces or control characters";
        if input.len() > 512 {
            return Err(IdError::new(input, "username", RULE));
        }
        let folded = fold(input.trim());
        let good = (1..=64).contains(&folded.chars().count())
            && folded
                .chars()
                .all(|c| !c.is_control() && !c.is_whitespace() && !is_invisible(c) && c != '/' && c != '"');
        if good { Ok(Self(folded)) } else { Err(IdError::new(input, "username", RULE)) }
    }

    /// The folded name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// NFKC, case-folded, NFKC again (folding can leave a string that is not normal).
pub(crate) fn fold(input: &str) -> String {
    let normal: String = input.nfkc().collect();
    caseless::default_case_fold_str(&normal).nfkc().collect()
}

/// Characters that show nothing but make two names differ.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Username {
    type Error = IdError;

    fn try_from(input: String) -> Result<Self, IdError> {
        Self::parse(&input)
    }
}

impl From<Username> for String {
    fn from(name: Username) -> String {
        name.0
    }
}

macro_rules! uuid_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one: a UUIDv7 of this instant (RFC 9562).
            ///
            /// # Errors
            /// The random source failed.
            pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
                let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
                Ok(Self(uuid::Builder::from_unix_timestamp_millis(millis, &entropy.bytes::<10>()?).into_uuid()))
            }

            /// When it was made, to the millisecond; `None` for one that is no UUIDv7.
            #[must_use]
            pub fn created(&self) -> Option<Timestamp> {
                let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
                Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
            }

            /// Reads the hyphenated form; `None` for anything else.
            #[must_use]
            pub fn parse(input: &str) -> Option<Self> {
                Uuid::try_parse(input).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_type!(
    /// A user, inside. Policies and people use the [`Username`].
    UserId
);
uuid_type!(
    /// One attempt, from first page to assertion. An id, not a secret.
    SignInId
);
uuid_type!(
    /// One SSO session, for logs and lists. The secret that opens it is in the cookie.
    SessionId
);
uuid_type!(
    /// One browser on one device.
    DeviceId
);
uuid_type!(
    /// One enrolled instance of a method: this phone's TOTP, that security key.
    AuthenticatorId
);
uuid_type!(
    /// One mail in the outbox.
    MailId
);

/// What a person reads out to the help desk, and an admin types into `policy explain`: ten Crockford base32 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReferenceId(String);

impl ReferenceId {
    const ALPHABET: &'static [u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    /// A new one (50 random bits).
    ///
    /// # Errors
    /// The random source failed.
    pub fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let id = entropy.bytes::<10>()?.iter().map(|byte| Self::letter(byte & 31)).collect();
        Ok(Self(id))
    }

    fn letter(value: u8) -> char {
        Self::ALPHABET.get(usize::from(value)).copied().map_or('0', char::from)
    }

    /// Reads what somebody typed: any case, `O` for `0`, `I` and `L` for `1`, hyphens and spaces left out.
    ///
    /// # Errors
    /// What is left is not ten characters of the alphabet.
    pub fn parse(input: &str) -> Result<Self, IdError> {
        let id: String = input
            .chars()
            .take(64)
            .filter(|c| !matches!(c, '-' | ' '))
            .map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            })
            .collect();
        let good = id.len() == 10 && id.bytes().all(|b| Self::ALPHABET.contains(&b));
        if good { Ok(Self(id)) } else { Err(IdError::new(input, "reference id", "it has ten letters and digits")) }
    }

    /// The ten characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ReferenceId {
    type Error = IdError;

    fn try_from(input: String) -> Result<Self, IdError> {
        Self::parse(&input)
    }
}

impl From<ReferenceId> for String {
    fn from(id: ReferenceId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;

    #[test]
    fn usernames_that_look_the_same_are_the_same() {
        for (one, other) in [("Ann", "ann"), ("ＡＮＮ", "ann"), ("STRASSE", "straße"), (" ann ", "ann")] {
            assert_eq!(Username::parse(one), Username::parse(other), "{one} and {other}");
        }
    }

    #[test]
    fn usernames_with_hidden_or_breaking_characters_are_refused() {
        for input in ["", " ", "a b", "a\nb", "a\u{200b}b", "a/b", "a\"b", "a\u{202e}b", &"x".repeat(65)] {
            assert!(Username::parse(input).is_err(), "{input:?}");
        }
    }

    #[test]
    fn a_reference_id_survives_being_read_out() {
        let id = ReferenceId::new(&FixedEntropy::seeded(1)).unwrap();
        let spoken = format!("{}-{}", &id.as_str()[..5], &id.as_str()[5..]).to_lowercase().replace('0', "o");
        assert_eq!(ReferenceId::parse(&spoken), Ok(id));
        assert!(ReferenceId::parse("123").is_err());
        assert!(ReferenceId::parse("UUUUUUUUUU").is_err(), "U is not of the alphabet");
    }
}
