//! `[devices]`: what becomes of browsers that people were allowed from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most days a device may be trusted: a year.
pub const MOST_TRUST_DAYS: u16 = 365;

/// `[devices]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Devices {
    /// How many days "Remember this browser" lasts, 0 to 365. 0: it is not offered, and no trust given before counts.
    pub trust_days: u16,
}

impl Default for Devices {
    fn default() -> Self {
        Self { trust_days: 30 }
    }
}
