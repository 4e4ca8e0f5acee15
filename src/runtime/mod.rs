//! What is in force: config, policies, apps, keys and geo files, read together, checked together, swapped together. The set in force
//! decides, always; nothing is held on to from an earlier one.

mod heads;
mod load;
mod snapshot;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use heads::{Heads, HeadsError, head_key, signed_head};
pub use load::{Checked, LoadError, Parsed, check, check_again, parse, read_sources};
pub use snapshot::{NoPortal, Snapshot};

/// Holds the snapshot in force.
pub struct Runtime {
    current: ArcSwap<Snapshot>,
}

impl Runtime {
    /// Puts a first snapshot in force.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self { current: ArcSwap::from_pointee(snapshot) }
    }

    /// The snapshot in force now. Take it once per step, so that a step is decided by one set.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }
}
