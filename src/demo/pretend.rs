//! Facts that the visitor of the demonstration chooses: where they are and what time it is. Everything else is observed as
//! always, and the policies decide on what comes of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Country, SignalSet, UnknownSignal};
use crate::signals::{Lens, Observation, Observer};

/// What is pretended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pretence {
    /// The address to come from.
    pub ip: IpAddr,
    /// The country it is in.
    pub country: Country,
    /// The local hour; `None`: the true one.
    pub hour: Option<u8>,
}

/// The pretence of this demonstration, shared by all its pages.
#[derive(Debug, Clone)]
pub struct Pretended(Arc<Mutex<Pretence>>);

impl Pretended {
    /// Starts with `first`.
    #[must_use]
    pub fn new(first: Pretence) -> Self {
        Self(Arc::new(Mutex::new(first)))
    }

    /// What is pretended now.
    #[must_use]
    pub fn get(&self) -> Pretence {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pretends something else.
    pub fn set(&self, pretence: Pretence) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pretence;
    }
}

/// Sees what there is, but from the pretended place and hour.
pub struct Decorated {
    /// What is pretended.
    pub pretended: Pretended,
}

impl Lens for Decorated {
    fn observe(&self, observer: &Observer, observation: &Observation) -> SignalSet {
        let pretence = self.pretended.get();
        let mut signals = observer.observe(&Observation { ip: pretence.ip, ..*observation });
        signals.country = pretence.country;
        signals.anonymous = false;
        signals.unknown.remove(&UnknownSignal::Country);
        signals.unknown.remove(&UnknownSignal::Anonymous);
        if let Some(hour) = pretence.hour {
            signals.hour = hour;
        }
        signals
    }
}
