//! What a person has shown, and how long it counts.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSet};
use crate::clock::Timestamp;

/// One method shown successfully.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How.
    pub method: Method,
    /// When.
    pub at: Timestamp,
    /// The authenticator it was shown with (the id in accounts); `None` for methods without one.
    pub authenticator: Option<String>,
}

impl Proof {
    /// How long a proof counts within a session.
    pub const MAX_AGE_SECONDS: i64 = 12 * 60 * 60;
    /// How long a proof shown in this sign-in counts as fresh.
    pub const FRESH_SECONDS: i64 = 10 * 60;

    /// Whether it was shown at most `seconds` before `now`. A proof from the future counts for nothing: clocks jumped.
    #[must_use]
    pub fn is_within(&self, seconds: i64, now: Timestamp) -> bool {
        (0..=seconds).contains(&(now.as_second() - self.at.as_second()))
    }

    /// The methods among `proofs` that were shown at most `seconds` before `now`.
    #[must_use]
    pub fn methods_within(proofs: &[Self], seconds: i64, now: Timestamp) -> MethodSet {
        proofs.iter().filter(|proof| proof.is_within(seconds, now)).map(|proof| proof.method).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_counts_from_its_second_to_its_last() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (age, counts) in [(0, true), (600, true), (601, false), (-1, false)] {
            let at = Timestamp::from_second(1_000_000 - age).unwrap();
            let proof = Proof { method: Method::Totp, at, authenticator: None };
            assert_eq!(proof.is_within(Proof::FRESH_SECONDS, now), counts, "age {age}");
        }
    }
}
