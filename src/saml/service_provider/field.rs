//! User fields that assertions are made of.

use crate::domain::User;

/// A field of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Email,
    Username,
    FirstName,
    LastName,
    DisplayName,
    Phone,
    Groups,
}

impl Field {
    const ALL: [(&'static str, Self); 7] = [
        ("email", Self::Email),
        ("username", Self::Username),
        ("first_name", Self::FirstName),
        ("last_name", Self::LastName),
        ("display_name", Self::DisplayName),
        ("phone", Self::Phone),
        ("groups", Self::Groups),
    ];

    /// The field of this name in config.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    /// The names, nearest first.
    pub(super) fn nearest(name: &str) -> Option<&'static str> {
        Self::ALL
            .into_iter()
            .map(|(known, _)| (strsim::damerau_levenshtein(known, name), known))
            .filter(|(distance, _)| *distance <= 3)
            .min()
            .map(|(_, known)| known)
    }

    /// The names as a list for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(|(name, _)| format!("`{name}`")).join(", ")
    }

    /// Whether only administrators and verification by mail change it. What people write about themselves decides nothing.
    pub(super) fn names_a_person(self) -> bool {
        matches!(self, Self::Email | Self::Username)
    }

    /// Its values; an empty field has none.
    pub(super) fn of(self, user: &User) -> Vec<String> {
        let one = match self {
            Self::Email => user.email.to_string(),
            Self::Username => user.username.to_string(),
            Self::FirstName => user.first_name.clone(),
            Self::LastName => user.last_name.clone(),
            Self::DisplayName => user.display_name(),
            Self::Phone => user.phone.clone().unwrap_or_default(),
            Self::Groups => return user.groups.iter().map(ToString::to_string).collect(),
        };
        if one.is_empty() { Vec::new() } else { vec![one] }
    }
}
