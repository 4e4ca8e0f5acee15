//! What is in force: config, policies, apps and keys, read together, checked together, swapped together. The set in force
//! decides, always; nothing is held on to from an earlier one.

mod files;
mod inventory;
mod load;
mod lockout;
mod plan;
mod reload;
mod snapshot;
mod source;
pub mod tls;
pub mod watch;

pub use inventory::{Inventory, InventoryError, in_force_file};
pub use load::{Checked, LoadError, Parsed, check, parse, read_sources};
pub use plan::{Change, ChangeKind, Plan, ValueChange};
pub use reload::{InForce, Refusal, ReloadOutcome, Runtime, Trigger};
pub use snapshot::{NoPortal, Snapshot};
pub use source::{Set, Source, written_down};
