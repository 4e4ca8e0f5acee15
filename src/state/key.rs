//! Names of entries: `cg:{owner}:kind:id`. The braces are a Redis Cluster hash tag, so that all entries of one owner live on
//! one node.

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::digest;

/// What an entry is. Each kind holds values, or counters, or sets, never two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value: a sign-in after its first factor.
    SignIn,
    /// A value: a session, under the hash of its token.
    Session,
    /// A value: a browser, under the hash of its token.
    Device,
    /// A value: what a user's list says of a browser they were allowed from.
    UserDevice,
    /// A value: a browser on which a user was allowed with a second factor.
    KnownDevice,
    /// A value: a user trusts a browser for an app.
    Trust,
    /// A set: the browsers on which a user was allowed into an app.
    AppDevices,
    /// A counter: wrong answers.
    Failures,
    /// A value: the next try is not yet due.
    Pause,
    /// A value: a request id that was answered.
    ConsumedRequest,
    /// A value: the MAC of a code that was mailed in a sign-in.
    MailedCode,
    /// A value: somebody was told of something.
    Told,
    /// A counter: mails about one person, or visits to be told of.
    AlertCount,
    /// A set: the networks from which visitors were refused within one hour.
    RefusedNetworks,
    /// A value: an app that was told of a session, and how.
    Participant,
    /// A set: the names of a session's participants, to bound them.
    Participants,
    /// A value: a sign-out that goes from app to app.
    Logout,
    /// A value: what is usual for a user; and when the store began to hold these.
    Baseline,
}

impl Kind {
    /// The word in the key.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SignIn => "signin",
            Self::Session => "session",
            Self::Device => "device",
            Self::UserDevice => "user-device",
            Self::KnownDevice => "known-device",
            Self::Trust => "trust",
            Self::AppDevices => "app-devices",
            Self::Failures => "failures",
            Self::Pause => "pause",
            Self::ConsumedRequest => "request",
            Self::MailedCode => "mailed-code",
            Self::Told => "told",
            Self::AlertCount => "alerts",
            Self::RefusedNetworks => "refused-networks",
            Self::Participant => "participant",
            Self::Participants => "participants",
            Self::Logout => "logout",
            Self::Baseline => "baseline",
        }
    }

    /// Whether values of this kind are void once the store has lost or may have lost something: it was restarted, emptied or
    /// replaced. What one person may use once is void, or a lost write would let it be used twice; what only narrows, or is
    /// checked against the accounts each time, is not.
    #[must_use]
    pub fn is_volatile(self) -> bool {
        match self {
            Self::SignIn | Self::MailedCode | Self::Logout => true,
            Self::Session
            | Self::Device
            | Self::UserDevice
            | Self::KnownDevice
            | Self::Trust
            | Self::AppDevices
            | Self::Failures
            | Self::Pause
            | Self::ConsumedRequest
            | Self::Told
            | Self::AlertCount
            | Self::RefusedNetworks
            | Self::Participant
            | Self::Participants
            | Self::Baseline => false,
        }
    }
}

/// The name of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    kind: Kind,
    text: String,
    /// Where the id begins.
    id: usize,
}

impl Key {
    /// The entry `id` of this kind and owner. Two different pairs of owner and id never give the same key: anything but
    /// letters, digits, `-`, `_` and `.` is escaped, and a part of more than 128 bytes stands as its SHA-256.
    #[must_use]
    pub fn new(kind: Kind, owner: &str, id: &str) -> Self {
        let mut text = Self::prefix(kind, owner);
        let start = text.len();
        push_part(&mut text, id);
        Self { kind, text, id: start }
    }

    /// What it names.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The part that names the entry among those of its kind and owner, as it is written; may be empty.
    pub(crate) fn id(&self) -> &str {
        self.text.get(self.id..).unwrap_or_default()
    }

    /// The part that all keys of its kind and owner start with.
    pub(crate) fn family(&self) -> &str {
        self.text.get(..self.id).unwrap_or_default()
    }

    /// What the keys of this kind and owner start with.
    pub(crate) fn prefix(kind: Kind, owner: &str) -> String {
        let mut prefix = String::from("cg:{");
        push_part(&mut prefix, owner);
        prefix.push_str("}:");
        prefix.push_str(kind.code());
        prefix.push(':');
        prefix
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn push_part(key: &mut String, part: &str) {
    const MAX_BYTES: usize = 128;
    if part.len() > MAX_BYTES {
        // `~` is escaped in parts that stand for themselves, so these cannot be mistaken for one.
        key.push('~');
        key.push_str(&hex(digest::digest(&digest::SHA256, part.as_bytes()).as_ref()));
        return;
    }
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            key.push(char::from(byte));
        } else {
            // INVARIANT: writing into a String does not fail.
            let _ = write!(key, "%{byte:02x}");
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_shows_owner_kind_and_id() {
        assert_eq!(Key::new(Kind::SignIn, "ann", "0190").as_str(), "cg:{ann}:signin:0190");
        let key = Key::new(Kind::Session, "a}b:c", "x y");
        assert_eq!(key.as_str(), "cg:{a%7db%3ac}:session:x%20y");
        assert_eq!((key.kind(), key.family(), key.id()), (Kind::Session, "cg:{a%7db%3ac}:session:", "x%20y"));
    }

    #[test]
    fn long_parts_stand_as_their_hash() {
        let long = "x".repeat(5000);
        let key = Key::new(Kind::ConsumedRequest, "wiki", &long);
        assert!(key.as_str().len() < 200, "{key}");
        assert_ne!(key, Key::new(Kind::ConsumedRequest, "wiki", &(long + "y")));
    }

    proptest! {
        #[test]
        fn different_pairs_never_give_the_same_key(a in ".{0,12}", b in ".{0,12}", c in ".{0,12}", d in ".{0,12}") {
            let same = (&a, &b) == (&c, &d);
            prop_assert_eq!(Key::new(Kind::Device, &a, &b) == Key::new(Kind::Device, &c, &d), same);
        }
    }
}
