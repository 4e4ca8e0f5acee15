//! A store and a clock for the tests of modules that build on the state.

use std::sync::Arc;

use super::{EmbeddedStore, StateStore};
use crate::clock::{Clock, Entropy, FixedEntropy, ManualClock};

/// An empty store in a folder of its own, at noon of 21 November 2026.
pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) embedded: Arc<EmbeddedStore>,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
        let as_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let embedded = Arc::new(EmbeddedStore::open(&folder.path().join("state.db"), as_clock).await.unwrap());
        Self { clock, embedded, _folder: folder }
    }

    pub(crate) fn store(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.embedded) as Arc<dyn StateStore>
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    pub(crate) fn entropy(&self) -> Arc<dyn Entropy> {
        Arc::new(FixedEntropy::seeded(7))
    }
}
