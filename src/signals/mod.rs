//! Observed facts: what an address, an instant, a device and earlier failures say about one sign-in. What lives here: the
//! [`Observer`], the reading of addresses and of geo files, the counters of wrong answers, and what is usual for somebody. What
//! must not: any decision on them (policies; `methods::throttle` only slows down).

mod address;
mod baseline;
mod failures;
pub mod geo;
mod observer;
mod travel;

pub use address::{AddressKind, NetworkPrefix, normalise};
pub use baseline::{BASELINE_SECONDS, Baseline, Baselines, MAX_COUNTRIES, Past};
pub use failures::{FailureSource, Failures, Guarded, RECENT_SECONDS, Subject};
pub(crate) use failures::{Pause, Span};
pub use geo::Geo;
pub use observer::{Lens, Observation, Observer, Plain, Whereabouts, ZoneSource};
pub use travel::{Coordinates, Stop};
