//! What a bundle holds, policy by policy, for comparing two of them.

use cedar_policy::Effect;

use super::bundle::{Bundle, Standing};
use crate::domain::PolicyId;

/// One policy, as far as a comparison needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyNote {
    /// Its `@id`.
    pub id: PolicyId,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// `in-force`, `report` or `expired`.
    pub standing: &'static str,
    /// The first day on which a permit is inert.
    pub expires: Option<jiff::civil::Date>,
    /// As it was written.
    pub text: String,
}

impl Bundle {
    /// Every policy, those on trial and the expired ones too, in the order of files.
    pub fn inventory(&self) -> impl Iterator<Item = PolicyNote> {
        self.policies().iter().map(|stored| {
            let id = stored.notes.enforced.id.clone();
            PolicyNote {
                text: self.policy_text(&id).unwrap_or_default().to_owned(),
                expires: stored.notes.expires,
                effect: match stored.policy.effect() {
                    Effect::Permit => "permit",
                    Effect::Forbid => "forbid",
                },
                standing: match stored.standing {
                    Standing::InForce => "in-force",
                    Standing::Shadow => "report",
                    Standing::Expired => "expired",
                },
                id,
            }
        })
    }
}
