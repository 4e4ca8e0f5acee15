//! Facts that the visitor of the demonstration chooses: where they are and what time it is. Everything else is observed as
//! always, and the policies decide on what comes of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Country, SignalSet, UnknownSignal};
use crate::signals::{Observation, SignalSource};

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

/// Observes as `inner` does, but from the pretended place and hour.
pub struct Decorated<S> {
    /// The true source.
    pub inner: S,
    /// What is pretended.
    pub pretended: Pretended,
}

impl<S: SignalSource> SignalSource for Decorated<S> {
    fn observe(&self, observation: &Observation) -> SignalSet {
        let pretence = self.pretended.get();
        let mut signals = self.inner.observe(&Observation { ip: pretence.ip, ..*observation });
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
