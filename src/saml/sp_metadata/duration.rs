//! `xs:duration` (XML Schema part 2, §3.2.6), in which metadata says how long it may be kept.

use std::time::Duration;

/// Longer texts are none that anybody means.
const MAX_BYTES: usize = 64;
/// A year; a month has a twelfth of it. Nobody counts on the day here.
const YEAR: f64 = 365.0 * DAY;
const MONTH: f64 = YEAR / 12.0;
const DAY: f64 = 86_400.0;

/// Reads `PnYnMnDTnHnMnS`; only the seconds may have a fraction. `None`: it is none, is negative, or longer than anybody lives.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P').filter(|_| text.len() <= MAX_BYTES)?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    let date_seconds = sum(date, &[('Y', YEAR), ('M', MONTH), ('D', DAY)])?;
    let time_seconds = sum(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?;
    let said_something = !(date.is_empty() && time.is_empty());
    Duration::try_from_secs_f64(date_seconds + time_seconds).ok().filter(|all| said_something && *all < CENTURY)
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Numbers, each before its letter, letters in this order and each at most once.
fn sum(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut seconds = 0.0;
    for (letter, worth) in units {
        let Some((number, rest)) = text.split_once(*letter) else { continue };
        let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
        let fraction = number.split_once('.').map(|(_, fraction)| fraction);
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || fraction.is_some_and(|fraction| *letter != 'S' || !digits(fraction)) {
            return None;
        }
        seconds += number.parse::<f64>().ok()? * worth;
        text = rest;
    }
    text.is_empty().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, seconds) in [
            ("PT1H", 3600.0),
            ("P1D", DAY),
            ("PT0S", 0.0),
            ("P0Y0M0DT6H0M0.000S", 6.0 * 3600.0),
            ("P1M", MONTH),
            ("P1Y2M3DT4H5M6.5S", YEAR + 2.0 * MONTH + 3.0 * DAY + 4.0 * 3600.0 + 5.0 * 60.0 + 6.5),
            ("PT36H", 36.0 * 3600.0),
            ("PT604800S", 604_800.0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "-P1D",
            "+P1D",
            "1D",
            "P1H",
            "PT1D",
            "P1.5D",
            "PT.5S",
            "PT5.S",
            "PT1.2.3S",
            "P1S",
            "PD",
            "P1D1Y",
            "P1W",
            "P1D ",
            " P1D",
            "PTM",
            "PT1e3S",
            "P1M1M",
            "P999999999Y",
            "PTinfS",
            "PTNaNS",
            "P١D",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&format!("PT{}S", "9".repeat(100))), None);
    }
}
