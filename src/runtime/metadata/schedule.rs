//! When a source is asked again.

use std::time::Duration;

use crate::clock::{Entropy, Timestamp};

/// However long metadata may be kept, it is looked at each day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// However short a time metadata gives itself, nobody is asked more often.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
/// After the first failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// After so long a good copy is looked at again: as the metadata says (`cacheDuration`), and well before it ends.
pub(super) fn after_success(cache_duration: Option<Duration>, ends: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = ends.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or(Duration::ZERO) / 4 * 3);
    [cache_duration, left].into_iter().flatten().fold(LONGEST, Duration::min).max(SHORTEST)
}

/// After so long a source that failed `times` in a row is asked again.
pub(super) fn after_failure(times: u32) -> Duration {
    FIRST_RETRY.saturating_mul(2_u32.saturating_pow(times.saturating_sub(1))).min(LONGEST_RETRY)
}

/// Up to a tenth sooner, so that not all nodes ask at once. Without randomness it is as it is.
pub(super) fn spread(time: Duration, entropy: &dyn Entropy) -> Duration {
    let part = entropy.bytes::<1>().map_or(0, |[byte]| u32::from(byte));
    time - time / 10 / 256 * part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;

    #[test]
    fn the_metadata_says_when_within_limits() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let end = |text: &str| Some(text.parse().unwrap());
        for (cache, ends, expected) in [
            (None, None, hours(24)),
            (Some(hours(6)), None, hours(6)),
            (Some(hours(24 * 30)), None, hours(24)),
            (Some(Duration::ZERO), None, SHORTEST),
            (None, end("2026-11-22T08:00:00Z"), hours(6)),
            (Some(hours(3)), end("2026-11-22T08:00:00Z"), hours(3)),
            (Some(hours(12)), end("2026-11-22T08:00:00Z"), hours(6)),
            (None, end("2026-11-21T00:00:00Z"), SHORTEST),
            (None, end("2027-11-21T00:00:00Z"), hours(24)),
        ] {
            assert_eq!(after_success(cache, ends, now), expected, "{cache:?} {ends:?}");
        }
    }

    #[test]
    fn failures_are_tried_again_less_and_less_often() {
        let minutes: Vec<u64> = [1, 2, 3, 6, 7, 1000].map(|times| after_failure(times).as_secs() / 60).into();
        assert_eq!(minutes, [1, 2, 4, 32, 60, 60]);
    }

    #[test]
    fn the_spread_is_at_most_a_tenth() {
        let (hour, entropy) = (Duration::from_secs(3600), FixedEntropy::seeded(1));
        let spread: Vec<Duration> = (0..100).map(|_| spread(hour, &entropy)).collect();
        assert!(spread.iter().all(|time| *time <= hour && *time >= hour / 10 * 9), "{spread:?}");
        assert!(spread.iter().any(|time| *time != spread[0]));
    }
}
