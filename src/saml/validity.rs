//! How long a certificate is valid. Read from the DER by hand: the libraries beneath keep it to themselves.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a certificate: the second time of `validity`, the fourth part of `tbsCertificate` behind its optional version
/// (RFC 5280 §4.1).
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (tbs, _) = element(SEQUENCE, certificate)?;
    let rest = element(VERSION, tbs).map_or(tbs, |(_, rest)| rest);
    let (_, rest) = element(INTEGER, rest)?;
    let (_, rest) = element(SEQUENCE, rest)?;
    let (_, rest) = element(SEQUENCE, rest)?;
    let (validity, _) = element(SEQUENCE, rest)?;
    let (_, end) = time(validity)?;
    time(end).map(|(time, _)| time)
}

/// The content of the first element, which must have this tag, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

/// A time and what follows it. Two digits of a year stand for 1950 to 2049 (RFC 5280 §4.1.2.5.1).
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (digits, rest) = match element(UTC_TIME, bytes) {
        Some((short, rest)) => {
            let short = std::str::from_utf8(short).ok()?;
            let century = if short.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            (format!("{century}{short}"), rest)
        }
        None => {
            let (long, rest) = element(GENERALIZED_TIME, bytes)?;
            (std::str::from_utf8(long).ok()?.to_owned(), rest)
        }
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", digits).ok()?;
    Some((time.to_zoned(TimeZone::UTC).ok()?.timestamp(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        let der = |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        for (tag, text, expected) in [
            (UTC_TIME, "491231235959Z", "2049-12-31T23:59:59Z"),
            (UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z"),
            (GENERALIZED_TIME, "20500101000000Z", "2050-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(&der(tag, text)).map(|(time, _)| time), Some(expected.parse().unwrap()), "{text}");
        }
        for text in ["", "99", "491331235959Z", "4912312359Z"] {
            assert_eq!(time(&der(UTC_TIME, text)), None, "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_has_no_end() {
        let key = rcgen::generate_simple_self_signed(vec!["login.example.com".to_owned()]).unwrap();
        let der = key.cert.der();
        assert!(not_after(der).is_some());
        for length in 0..der.len().min(60) {
            assert_eq!(not_after(&der[..length]), None, "{length}");
        }
    }
}
