//! Observed facts: what an address, an instant, a device and earlier failures say about one sign-in. What lives here: the
//! [`Observer`], the reading of addresses, and the counters of wrong answers. What must not: any decision on them (policies;
//! `methods::throttle` only slows down).

mod address;
mod failures;
mod observer;

pub use address::{AddressKind, NetworkPrefix, normalise};
pub(crate) use failures::Span;
pub use failures::{FailureSource, Failures, Guarded, RECENT_SECONDS, Subject};
pub use observer::{Lens, Observation, Observer, Plain};
