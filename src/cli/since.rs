//! How the command line says "since when": `30d`, `12h`, `2026-11-01`, `2026-11-01T08:00Z`.

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};

use crate::clock::Timestamp;

/// Reads an instant: a span before `now`, the beginning of a day in UTC, or a time with its zone.
///
/// # Errors
/// It is none of them.
pub(super) fn since(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(span) = text.parse::<Span>() {
        let duration = span.abs().to_duration(SpanRelativeTo::days_are_24_hours());
        let duration = duration.with_context(|| format!("`{text}` is no span of days, hours or minutes"))?;
        return now.checked_sub(duration).with_context(|| format!("`{text}` is too long ago"));
    }
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    // A time without a zone would be read as a day, and lose its hours.
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-01".len());
    let midnight = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    midnight
        .map(|midnight| midnight.timestamp())
        .with_context(|| format!("`{text}` is no time: write `30d`, `12h`, `2026-11-01` or `2026-11-01T08:00Z`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_span_a_day_or_an_instant() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (text, meant) in [
            ("30d", "2026-10-23T10:00:00Z"),
            ("12h", "2026-11-21T22:00:00Z"),
            ("1d 2h", "2026-11-21T08:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T08:00+01:00", "2026-11-01T07:00:00Z"),
        ] {
            assert_eq!(since(text, now).unwrap(), meant.parse::<Timestamp>().unwrap(), "{text}");
        }
        for text in ["", "yesterday", "30", "2026-13-01", "3 months", "9999999d"] {
            assert!(since(text, now).is_err(), "{text}");
        }
    }
}
