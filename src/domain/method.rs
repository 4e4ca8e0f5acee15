//! Methods of authentication and the classes that follow from what was shown.

use serde::{Deserialize, Serialize};

/// A kind of authentication. The code is its name in config, policies (`Proof::"totp"`), forms and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "product.md FAC-1 to FAC-22 describe each; the names say what they are")]
pub enum Method {
    Passkey,
    SecurityKey,
    HardwareToken,
    YubikeyOtp,
    Totp,
    Push,
    QrApproval,
    RadiusOtp,
    UpstreamMfa,
    SmsEmailOtp,
    SmsOtp,
    VoiceCall,
    SmsApproval,
    EmailOtp,
    EmailApproval,
    AlternateEmailOtp,
    GridCard,
    BackupCode,
    Password,
    DirectoryPassword,
    ExternalIdp,
    MagicLink,
    AccessPass,
    SecurityQuestions,
    ActivationLink,
    RecoveryLink,
}

/// What a set of shown methods amounts to; policies ask for classes where the exact method does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Somebody proved who they are.
    FirstFactor,
    /// They proved it in a second way, over another channel.
    SecondFactor,
    /// A proof no look-alike page can take.
    PhishingResistant,
    /// The last resort; never enough alone.
    Fallback,
}

/// How strict the classes are (FAC-33).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Mailed codes count as second factor.
    #[default]
    Compat,
    /// Mailed codes do not.
    L2,
}

impl Method {
    /// All methods, strongest first: the order in which they are offered.
    pub const ALL: [Self; 26] = [
        Self::Passkey,
        Self::SecurityKey,
        Self::HardwareToken,
        Self::YubikeyOtp,
        Self::Totp,
        Self::Push,
        Self::QrApproval,
        Self::RadiusOtp,
        Self::UpstreamMfa,
        Self::SmsEmailOtp,
        Self::SmsOtp,
        Self::VoiceCall,
        Self::SmsApproval,
        Self::EmailOtp,
        Self::EmailApproval,
        Self::AlternateEmailOtp,
        Self::GridCard,
        Self::BackupCode,
        Self::Password,
        Self::DirectoryPassword,
        Self::ExternalIdp,
        Self::MagicLink,
        Self::AccessPass,
        Self::SecurityQuestions,
        Self::ActivationLink,
        Self::RecoveryLink,
    ];

    /// The name in config, policies, forms and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::SecurityKey => "security_key",
            Self::HardwareToken => "hardware_token",
            Self::YubikeyOtp => "yubikey_otp",
            Self::Totp => "totp",
            Self::Push => "push",
            Self::QrApproval => "qr_approval",
            Self::RadiusOtp => "radius_otp",
            Self::UpstreamMfa => "upstream_mfa",
            Self::SmsEmailOtp => "sms_email_otp",
            Self::SmsOtp => "sms_otp",
            Self::VoiceCall => "voice_call",
            Self::SmsApproval => "sms_approval",
            Self::EmailOtp => "email_otp",
            Self::EmailApproval => "email_approval",
            Self::AlternateEmailOtp => "alternate_email_otp",
            Self::GridCard => "grid_card",
            Self::BackupCode => "backup_code",
            Self::Password => "password",
            Self::DirectoryPassword => "directory_password",
            Self::ExternalIdp => "external_idp",
            Self::MagicLink => "magic_link",
            Self::AccessPass => "access_pass",
            Self::SecurityQuestions => "security_questions",
            Self::ActivationLink => "activation_link",
            Self::RecoveryLink => "recovery_link",
        }
    }

    /// Reads a code; `None` for any other word.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.code() == code)
    }

    /// Whether whoever has a mail address here can be asked for it, without having set anything up.
    #[must_use]
    pub fn comes_with_the_address(self) -> bool {
        matches!(self, Self::EmailOtp | Self::EmailApproval)
    }

    fn is_first_factor(self) -> bool {
        matches!(
            self,
            Self::Password
                | Self::DirectoryPassword
                | Self::Passkey
                | Self::MagicLink
                | Self::ExternalIdp
                | Self::AccessPass
        )
    }

    /// Whether `self` is a second factor beside the first factor `first`: another kind, and another channel.
    fn is_second_factor_beside(self, first: Self, profile: Profile) -> bool {
        if !first.is_first_factor() || self == first {
            return false;
        }
        match self {
            Self::Totp
            | Self::HardwareToken
            | Self::YubikeyOtp
            | Self::RadiusOtp
            | Self::Push
            | Self::QrApproval
            | Self::SecurityKey
            | Self::GridCard
            | Self::BackupCode
            | Self::SmsOtp
            | Self::SmsEmailOtp
            | Self::VoiceCall
            | Self::SmsApproval => true,
            // The upstream vouches for both factors or for none: beside a password of ours it says nothing.
            Self::UpstreamMfa => first == Self::ExternalIdp,
            // A mailed code after a mailed link is the same channel twice.
            Self::EmailOtp | Self::EmailApproval | Self::AlternateEmailOtp => {
                profile == Profile::Compat && first != Self::MagicLink
            }
            _ => false,
        }
    }
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FirstFactor, Self::SecondFactor, Self::PhishingResistant, Self::Fallback];

    /// The name in policies.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::FirstFactor => "first_factor",
            Self::SecondFactor => "second_factor",
            Self::PhishingResistant => "phishing_resistant",
            Self::Fallback => "fallback",
        }
    }
}

macro_rules! bit_set {
    ($(#[$meta:meta])* $set:ident of $item:ident, $list:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(from = $list, into = $list)]
        pub struct $set(u32);

        impl $set {
            /// Holds nothing.
            pub const EMPTY: Self = Self(0);

            /// The set with `item` besides.
            #[must_use]
            pub fn with(self, item: $item) -> Self {
                Self(self.0 | 1 << item as u32)
            }

            /// The set without `item`.
            #[must_use]
            pub fn without(self, item: $item) -> Self {
                Self(self.0 & !(1 << item as u32))
            }

            /// Whether `item` is in it.
            #[must_use]
            pub fn contains(self, item: $item) -> bool {
                self.0 & (1 << item as u32) != 0
            }

            /// What is in either.
            #[must_use]
            pub fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// What is in `self` but not in `other`.
            #[must_use]
            pub fn difference(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether everything in it is in `other`.
            #[must_use]
            pub fn is_subset(self, other: Self) -> bool {
                self.0 & !other.0 == 0
            }

            /// Whether it holds nothing.
            #[must_use]
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// How many are in it.
            #[must_use]
            pub fn len(self) -> usize {
                self.0.count_ones() as usize
            }

            /// What is in it, in the order of `ALL`.
            pub fn iter(self) -> impl Iterator<Item = $item> {
                $item::ALL.into_iter().filter(move |item| self.contains(*item))
            }
        }

        impl FromIterator<$item> for $set {
            fn from_iter<I: IntoIterator<Item = $item>>(items: I) -> Self {
                items.into_iter().fold(Self::EMPTY, Self::with)
            }
        }

        impl From<Vec<$item>> for $set {
            fn from(items: Vec<$item>) -> Self {
                items.into_iter().collect()
            }
        }

        impl From<$set> for Vec<$item> {
            fn from(set: $set) -> Self {
                set.iter().collect()
            }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.iter().map($item::code)).finish()
            }
        }
    };
}

bit_set!(
    /// A set of methods, small enough to copy.
    MethodSet of Method, "Vec<Method>"
);
bit_set!(
    /// A set of classes.
    ClassSet of Class, "Vec<Class>"
);

/// The classes that `shown` amounts to. Pure, and monotone: showing more never takes a class away.
#[must_use]
pub fn classes(shown: MethodSet, profile: Profile) -> ClassSet {
    let mut classes = ClassSet::EMPTY;
    if shown.iter().any(Method::is_first_factor) {
        classes = classes.with(Class::FirstFactor);
    }
    // A passkey is user-verified here: something the person has, opened by something they know or are.
    let pair = shown.iter().any(|first| shown.iter().any(|second| second.is_second_factor_beside(first, profile)));
    if pair || shown.contains(Method::Passkey) {
        classes = classes.with(Class::SecondFactor);
    }
    if shown.contains(Method::Passkey) || shown.contains(Method::SecurityKey) {
        classes = classes.with(Class::PhishingResistant);
    }
    if shown.contains(Method::SecurityQuestions) {
        classes = classes.with(Class::Fallback);
    }
    classes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_set() -> impl Strategy<Value = MethodSet> {
        (0_u32..1 << Method::ALL.len()).prop_map(MethodSet)
    }

    fn any_profile() -> impl Strategy<Value = Profile> {
        prop_oneof![Just(Profile::Compat), Just(Profile::L2)]
    }

    proptest! {
        #[test]
        fn showing_more_never_takes_a_class_away(less in any_set(), more in any_set(), profile in any_profile()) {
            prop_assert!(classes(less, profile).is_subset(classes(less.union(more), profile)));
        }

        #[test]
        fn no_second_factor_without_a_first(shown in any_set(), profile in any_profile()) {
            let classes = classes(shown, profile);
            prop_assert!(!classes.contains(Class::SecondFactor) || classes.contains(Class::FirstFactor));
        }
    }

    #[test]
    fn codes_read_back_as_the_method_they_came_from() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.code()), Some(method));
        }
        assert_eq!(Method::ALL.map(|m| m as usize), core::array::from_fn(|i| i), "ALL is in the order of declaration");
    }

    #[test]
    fn the_classes_of_each_method_and_pair_are_the_golden_ones() {
        let mut table = String::new();
        for profile in [Profile::Compat, Profile::L2] {
            for one in Method::ALL {
                for other in Method::ALL.into_iter().filter(|other| *other >= one) {
                    let shown = MethodSet::EMPTY.with(one).with(other);
                    table += &format!("{profile:?} {shown:?} -> {:?}\n", classes(shown, profile));
                }
            }
        }
        insta::assert_snapshot!("classes", table);
    }
}
