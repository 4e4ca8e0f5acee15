//! What is known of a person that apps may be told, and who says it. One table: whatever takes a field asks here.

use super::{Country, Language, User};

/// A field of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the fields of `User`; the names say what they are")]
pub enum UserField {
    Id,
    Username,
    Email,
    FirstName,
    LastName,
    DisplayName,
    Phone,
    Groups,
    Language,
    HomeCountry,
    TimeZone,
}

/// Who says what a field holds. What people write about themselves decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldSource {
    /// This server gave it once and for all.
    System,
    /// An administrator.
    Administrator,
    /// The person.
    Person,
}

/// What a field may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// One value that no two people share.
    Name,
    /// One value at most.
    One,
    /// Any number of values.
    Many,
}

use FieldSource::{Administrator, Person, System};
use Holds::{Many, Name, One};

/// Name in config, who says it, what it holds; in the order of the enum.
const TABLE: [(&str, UserField, FieldSource, Holds); 11] = [
    ("id", UserField::Id, System, Name),
    ("username", UserField::Username, Administrator, Name),
    ("email", UserField::Email, Administrator, Name),
    ("first_name", UserField::FirstName, Person, One),
    ("last_name", UserField::LastName, Person, One),
    ("display_name", UserField::DisplayName, Person, One),
    ("phone", UserField::Phone, Person, One),
    ("groups", UserField::Groups, Administrator, Many),
    ("language", UserField::Language, Person, One),
    ("home_country", UserField::HomeCountry, Administrator, One),
    ("time_zone", UserField::TimeZone, Administrator, One),
];

impl UserField {
    /// The field of this name in config.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TABLE.into_iter().find(|(known, ..)| *known == name).map(|(_, field, ..)| field)
    }

    /// The names in config.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.into_iter().map(|(name, ..)| name)
    }

    /// The name that was probably meant.
    #[must_use]
    pub fn nearest(name: &str) -> Option<&'static str> {
        let name = name.to_lowercase();
        Self::names()
            .map(|known| (strsim::damerau_levenshtein(known, &name), known))
            .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
            .min()
            .map(|(_, known)| known)
    }

    /// What to do about a name that is no field: the nearest, or all of them.
    #[must_use]
    pub fn help(name: &str) -> String {
        match Self::nearest(name) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => {
                format!("fields are {}", Self::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The name in config.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Who says it.
    #[must_use]
    pub fn source(self) -> FieldSource {
        self.row().2
    }

    /// Whether people write it themselves.
    #[must_use]
    pub fn is_self_edited(self) -> bool {
        self.source() == FieldSource::Person
    }

    /// Whether it tells one person from every other, and they cannot change it.
    #[must_use]
    pub fn names_a_person(self) -> bool {
        self.row().3 == Holds::Name && !self.is_self_edited()
    }

    /// Whether it may have several values.
    #[must_use]
    pub fn is_list(self) -> bool {
        self.row().3 == Holds::Many
    }

    /// Its values; an empty field has none.
    #[must_use]
    pub fn of(self, user: &User) -> Vec<String> {
        let one = match self {
            Self::Id => user.id.to_string(),
            Self::Username => user.username.to_string(),
            Self::Email => user.email.to_string(),
            Self::FirstName => user.first_name.clone(),
            Self::LastName => user.last_name.clone(),
            Self::DisplayName => user.display_name(),
            Self::Phone => user.phone.clone().unwrap_or_default(),
            Self::Groups => return user.groups.iter().map(ToString::to_string).collect(),
            Self::Language => user.language.map(Language::tag).unwrap_or_default().to_owned(),
            Self::HomeCountry if user.home_country.as_str() == Country::UNKNOWN => String::new(),
            Self::HomeCountry => user.home_country.to_string(),
            Self::TimeZone => user.time_zone.clone().unwrap_or_default(),
        };
        if one.is_empty() { Vec::new() } else { vec![one] }
    }

    fn row(self) -> (&'static str, Self, FieldSource, Holds) {
        // INVARIANT: TABLE is in the order of the enum, which a test checks.
        let [first, ..] = TABLE;
        TABLE.get(self as usize).copied().unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_fields_and_reads_back() {
        for (place, (name, field, source, _)) in TABLE.into_iter().enumerate() {
            assert_eq!(field as usize, place);
            assert_eq!((field.name(), field.source()), (name, source));
            assert_eq!(UserField::parse(name), Some(field));
        }
    }

    #[test]
    fn names_are_what_nobody_shares_and_nobody_changes_themselves() {
        let names: Vec<&str> =
            UserField::names().filter(|name| UserField::parse(name).unwrap().names_a_person()).collect();
        assert_eq!(names, ["id", "username", "email"]);
        let own: Vec<&str> =
            UserField::names().filter(|name| UserField::parse(name).unwrap().is_self_edited()).collect();
        assert_eq!(own, ["first_name", "last_name", "display_name", "phone", "language"]);
    }

    #[test]
    fn a_misspelt_field_is_told_the_nearest_or_all() {
        for (typed, help) in [
            ("emial", "did you mean `email`?"),
            ("Display_Name", "did you mean `display_name`?"),
            ("timezone", "did you mean `time_zone`?"),
        ] {
            assert_eq!(UserField::help(typed), help);
        }
        assert!(UserField::help("cn").starts_with("fields are `id`, `username`"));
    }
}
