//! What is in force: config, policies, apps, keys and geo files, read together, checked together, swapped together. The set in force
//! decides, always; nothing is held on to from an earlier one.

mod apps;
mod archive;
mod candidate;
mod files;
mod heads;
mod inventory;
mod load;
mod lockout;
mod metadata;
mod plan;
mod reload;
mod setting;
mod snapshot;
mod source;
mod supplied;
pub mod tls;
pub mod watch;

pub use archive::{Archive, ArchiveError, Archived};
pub use candidate::{Candidate, CandidateError};
pub use heads::{Heads, HeadsError, head_key, signed_head};
pub use inventory::{Inventory, InventoryError, in_force_file};
pub use load::{
    Checked, LoadError, Parsed, Unavailable, build_apps, check, check_again, check_apps, metadata_of, parse,
    read_sources,
};
pub use metadata::{Imported, NoFetching, Refresher, Said, fetch_missing};
pub use plan::{Change, ChangeKind, Plan, ValueChange};
pub use reload::{InForce, Refusal, ReloadOutcome, Runtime, Trigger};
pub use setting::{geo_for, setting};
pub use snapshot::{NoPortal, Snapshot};
pub use source::{Set, Source, offline, written_down};
