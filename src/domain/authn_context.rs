//! How a person authenticated, in the words of SAML: which proofs each class stands for, and what has to be shown when one of
//! several is asked for.

use serde::{Deserialize, Serialize};

use super::{Class, ClassSet, Method, MethodSet, Profile, classes};

/// How the person authenticated, as `AuthnContextClassRef` says it; derived from proofs shown, never from a trusted device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthnContextClass {
    /// None of the classes SAML names.
    Unspecified,
    /// A password.
    Password,
    /// A password over TLS.
    PasswordProtectedTransport,
    /// Two factors, in Microsoft's words.
    MultipleAuthn,
    /// Two factors, in the words of research and education (REFEDS MFA profile).
    RefedsMfa,
    /// A code of an authenticator app or token besides a password.
    TimeSyncToken,
}

impl AuthnContextClass {
    /// All of them, weakest first.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::Password,
        Self::PasswordProtectedTransport,
        Self::MultipleAuthn,
        Self::RefedsMfa,
        Self::TimeSyncToken,
    ];

    /// The URI on the wire (SAML authn-context §3.4; the others by whoever coined them).
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Unspecified => "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified",
            Self::Password => "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
            Self::PasswordProtectedTransport => "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            Self::MultipleAuthn => "http://schemas.microsoft.com/claims/multipleauthn",
            Self::RefedsMfa => "https://refeds.org/profile/mfa",
            Self::TimeSyncToken => "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
        }
    }

    /// The class of a URI; `None` for every other text.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.uri() == uri)
    }

    /// The last part of its URI, which tells it from the others: the word in cases and flags.
    #[must_use]
    pub fn word(self) -> &'static str {
        let uri = self.uri();
        uri.rsplit([':', '/']).next().unwrap_or(uri)
    }

    /// The class of a word, or of a whole URI; `None` for every other text.
    #[must_use]
    pub fn of_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == text || class.uri() == text)
    }

    /// How strong it is beside others, for `Comparison`. Two words for one thing are as strong as each other.
    #[must_use]
    pub fn strength(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Password | Self::PasswordProtectedTransport => 1,
            Self::MultipleAuthn | Self::RefedsMfa => 2,
            Self::TimeSyncToken => 3,
        }
    }

    /// What has to be shown before it may be stated.
    #[must_use]
    pub fn required(self) -> Required {
        let class = |class| Required { methods: MethodSet::EMPTY, classes: ClassSet::EMPTY.with(class) };
        match self {
            Self::Unspecified => Required::NOTHING,
            Self::Password | Self::PasswordProtectedTransport => class(Class::FirstFactor),
            Self::MultipleAuthn | Self::RefedsMfa => class(Class::SecondFactor),
            Self::TimeSyncToken => Required {
                methods: MethodSet::EMPTY.with(Method::Totp).with(Method::HardwareToken),
                classes: ClassSet::EMPTY,
            },
        }
    }

    /// What is stated of these proofs when nobody asked for certain words.
    #[must_use]
    pub fn of(proofs: MethodSet, profile: Profile) -> Self {
        let asked_for_by_few = |class: &Self| matches!(class, Self::Password | Self::MultipleAuthn | Self::RefedsMfa);
        let shown = |class: &Self| class.required().is_met_by(proofs, profile);
        Self::ALL.into_iter().rev().filter(|class| !asked_for_by_few(class)).find(shown).unwrap_or(Self::Unspecified)
    }
}

/// What a service provider wants shown, on top of what policies ask for: any one of these. It can refuse and never permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Required {
    methods: MethodSet,
    classes: ClassSet,
}

impl Required {
    /// Nothing but what policies ask for.
    pub const NOTHING: Self = Self { methods: MethodSet::EMPTY, classes: ClassSet::EMPTY };

    /// What has to be shown before one of `alternatives` may be stated.
    #[must_use]
    pub fn any_of(alternatives: &[AuthnContextClass]) -> Self {
        let each = || alternatives.iter().map(|class| class.required());
        if each().any(Self::is_nothing) {
            return Self::NOTHING;
        }
        each().fold(Self::NOTHING, |all, one| Self {
            methods: all.methods.union(one.methods),
            classes: all.classes.union(one.classes),
        })
    }

    /// The classes that ask for this when any one of them will do; none when nothing is wanted.
    #[must_use]
    pub fn contexts(self) -> Vec<AuthnContextClass> {
        use AuthnContextClass::{PasswordProtectedTransport, RefedsMfa, TimeSyncToken};
        let is_part = |class: &AuthnContextClass| {
            let one = class.required();
            one.methods.iter().all(|method| self.methods.contains(method))
                && one.classes.iter().all(|class| self.classes.contains(class))
        };
        [PasswordProtectedTransport, RefedsMfa, TimeSyncToken].into_iter().filter(is_part).collect()
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::NOTHING
    }

    /// [`Required::is_nothing`], as serde calls it.
    #[must_use]
    pub fn is_nothing_ref(&self) -> bool {
        self.is_nothing()
    }

    /// Whether these proofs are enough.
    #[must_use]
    pub fn is_met_by(self, proofs: MethodSet, profile: Profile) -> bool {
        self.is_nothing()
            || self.methods.iter().any(|method| proofs.contains(method))
            || self.classes.iter().any(|class| classes(proofs, profile).contains(class))
    }

    /// The methods each of which is enough.
    #[must_use]
    pub fn methods(self) -> MethodSet {
        self.methods
    }

    /// The classes each of which is enough.
    #[must_use]
    pub fn classes(self) -> ClassSet {
        self.classes
    }
}

#[cfg(test)]
mod tests {
    use super::AuthnContextClass::*;
    use super::*;

    fn set(methods: &[Method]) -> MethodSet {
        methods.iter().copied().collect()
    }

    #[test]
    fn each_class_stands_for_proofs() {
        use Method::{EmailOtp, Password as Word, Totp};
        for (proofs, shown, stated) in [
            (set(&[]), vec![Unspecified], Unspecified),
            (set(&[Word]), vec![Unspecified, Password, PasswordProtectedTransport], PasswordProtectedTransport),
            (
                set(&[Word, EmailOtp]),
                vec![Unspecified, Password, PasswordProtectedTransport, MultipleAuthn, RefedsMfa],
                PasswordProtectedTransport,
            ),
            (set(&[Word, Totp]), AuthnContextClass::ALL.to_vec(), TimeSyncToken),
            (set(&[Totp]), vec![Unspecified, TimeSyncToken], TimeSyncToken),
        ] {
            let all: Vec<_> = AuthnContextClass::ALL
                .into_iter()
                .filter(|class| class.required().is_met_by(proofs, Profile::Compat))
                .collect();
            assert_eq!(all, shown, "{proofs:?}");
            assert_eq!(AuthnContextClass::of(proofs, Profile::Compat), stated, "{proofs:?}");
        }
    }

    #[test]
    fn any_of_several_is_enough_and_one_that_asks_nothing_asks_nothing() {
        let asked = Required::any_of(&[TimeSyncToken, RefedsMfa]);
        assert!(asked.is_met_by(set(&[Method::Password, Method::EmailOtp]), Profile::Compat));
        assert!(!asked.is_met_by(set(&[Method::Password, Method::EmailOtp]), Profile::L2));
        assert!(asked.is_met_by(set(&[Method::Password, Method::Totp]), Profile::L2));
        assert!(!asked.is_met_by(set(&[Method::Password]), Profile::Compat));
        assert!(Required::any_of(&[TimeSyncToken, Unspecified]).is_nothing());
        assert!(Required::NOTHING.is_met_by(MethodSet::EMPTY, Profile::L2));
        for some in [&[][..], &[Password], &[RefedsMfa], &[TimeSyncToken, Password], &[MultipleAuthn, TimeSyncToken]] {
            let asked = Required::any_of(some);
            assert_eq!(Required::any_of(&asked.contexts()), asked, "{some:?}");
        }
    }

    #[test]
    fn classes_are_known_by_their_uris() {
        for class in AuthnContextClass::ALL {
            assert_eq!(AuthnContextClass::parse(class.uri()), Some(class));
            for word in [class.word(), class.uri()] {
                assert_eq!(AuthnContextClass::of_word(word), Some(class));
            }
        }
        assert!(AuthnContextClass::ALL.is_sorted_by_key(|class| class.strength()));
        assert_eq!(AuthnContextClass::parse("urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos"), None);
    }
}
