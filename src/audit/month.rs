//! Months: what records are sealed and forgotten by. In UTC, by the clock of the server that writes.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A month, written `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i16,
    /// 1 to 12.
    month: i8,
}

impl Month {
    /// The one an instant lies in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let date = at.to_zoned(TimeZone::UTC).date();
        Self { year: date.year(), month: date.month() }
    }

    /// Reads `2026-11`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        Date::new(year, month, 1).ok().map(|_| Self { year, month })
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year.saturating_add(1), month: 1 }
        } else {
            Self { month: self.month + 1, ..self }
        }
    }

    /// The one so many months before it.
    #[must_use]
    pub fn before(self, months: u16) -> Self {
        let all = i32::from(self.year) * 12 + i32::from(self.month) - 1 - i32::from(months);
        let year = i16::try_from(all.div_euclid(12)).unwrap_or(0);
        Self { year, month: i8::try_from(all.rem_euclid(12)).unwrap_or(0) + 1 }
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl TryFrom<String> for Month {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a month is written `2026-11`")
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_counted_and_written() {
        let month = |text: &str| Month::parse(text).unwrap();
        assert_eq!(Month::of("2026-11-30T23:59:59.9Z".parse().unwrap()), month("2026-11"));
        assert_eq!(month("2026-12").next(), month("2027-01"));
        for (months, then) in [(0, "2026-02"), (1, "2026-01"), (2, "2025-12"), (14, "2024-12")] {
            assert_eq!(month("2026-02").before(months), month(then));
        }
        for none in ["", "2026", "2026-13", "2026-00", "26-01", "2026-1", "+026-01", "2026-11-01"] {
            assert_eq!(Month::parse(none), None, "{none}");
        }
        assert!(month("2026-11") > month("2026-02") && month("2026-11").to_string() == "2026-11");
    }
}
