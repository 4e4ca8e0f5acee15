//! How far two places are apart, and whether somebody could have come from one to the other.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Mean radius of the earth.
const EARTH_KM: f64 = 6371.0;
/// Faster than airliners fly, ways to the airport left out.
const FASTEST_KM_PER_HOUR: f64 = 900.0;
/// Nearer places are often one: cities of addresses are off by that much.
const NEAR_KM: f64 = 500.0;

/// A place on the globe, as exact as cities are: in hundredths of a degree, about a kilometre.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
}

impl Coordinates {
    /// `None` when there is no such place.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let hundredths = |degrees: f64| (degrees * 100.0).round() / 100.0;
        let there = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        there.then(|| Self { latitude: hundredths(latitude), longitude: hundredths(longitude) })
    }

    /// Degrees north and east.
    #[must_use]
    pub fn degrees(self) -> (f64, f64) {
        (self.latitude, self.longitude)
    }

    /// The distance along the surface (haversine formula).
    #[must_use]
    pub fn km_to(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_latitude = (to - from) / 2.0;
        let half_longitude = (other.longitude - self.longitude).to_radians() / 2.0;
        let chord = half_latitude.sin().powi(2) + from.cos() * to.cos() * half_longitude.sin().powi(2);
        2.0 * EARTH_KM * chord.sqrt().min(1.0).asin()
    }
}

/// Somewhere, sometime.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Where.
    pub place: Coordinates,
    /// When.
    pub at: Timestamp,
}

impl Stop {
    /// Whether nobody gets from the one to the other: more than 500 km at more than 900 km/h. Time that runs backwards counts
    /// as none.
    #[must_use]
    pub fn is_out_of_reach_of(self, earlier: Self) -> bool {
        let km = self.place.km_to(earlier.place);
        let seconds = u32::try_from(self.at.as_second().saturating_sub(earlier.at.as_second()).max(0));
        let hours = f64::from(seconds.unwrap_or(u32::MAX)) / 3600.0;
        km > NEAR_KM && km > FASTEST_KM_PER_HOUR * hours
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64) -> Coordinates {
        Coordinates::new(latitude, longitude).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_map() {
        let (london, new_york, sydney) = (at(51.51, -0.13), at(40.71, -74.01), at(-33.87, 151.21));
        for (from, to, km) in [(london, new_york, 5570.0), (london, sydney, 16993.0), (london, london, 0.0)] {
            let found = from.km_to(to);
            assert!((found - km).abs() < 20.0, "{found} instead of {km}");
        }
        // Across the date line it is not around the world.
        assert!(at(0.0, 179.5).km_to(at(0.0, -179.5)) < 120.0);
    }

    #[test]
    fn nobody_is_faster_than_an_airliner() {
        let (london, new_york, paris) = (at(51.51, -0.13), at(40.71, -74.01), at(48.86, 2.35));
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let after = |place, hours: i64| Stop { place, at: noon + jiff::SignedDuration::from_hours(hours) };
        let start = after(london, 0);
        for (stop, expected) in [
            (after(new_york, 6), true),
            (after(new_york, 7), false),
            (after(new_york, -3), true),
            (after(paris, 0), false),
            (after(london, 0), false),
        ] {
            assert_eq!(stop.is_out_of_reach_of(start), expected, "{stop:?}");
        }
    }

    #[test]
    fn places_off_the_globe_are_none() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.5), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Coordinates::new(latitude, longitude), None);
        }
    }

    proptest! {
        #[test]
        fn distance_is_the_same_both_ways_and_never_more_than_half_around(
            a in (-90.0..=90.0f64, -180.0..=180.0f64), b in (-90.0..=90.0f64, -180.0..=180.0f64)
        ) {
            let (a, b) = (at(a.0, a.1), at(b.0, b.1));
            prop_assert!((a.km_to(b) - b.km_to(a)).abs() < 1e-6);
            prop_assert!((0.0..=20_016.0).contains(&a.km_to(b)));
        }
    }
}
