//! What a bundle holds, policy by policy: for lists, and for comparing two of them.

use std::fmt;

use cedar_policy::Effect;
use jiff::civil::Date;
use serde::Serialize;

use super::bundle::{Bundle, Standing, Stored};
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
    /// As it was written.
    pub text: String,
    /// `@description`
    pub description: String,
    owner: Option<String>,
    severity: Option<&'static str>,
    expires: Option<Date>,
}

impl PolicyNote {
    fn of(stored: &Stored) -> Self {
        Self {
            id: stored.notes.enforced.id.clone(),
            text: stored.text().to_owned(),
            description: stored.notes.description.clone(),
            owner: stored.notes.owner().map(ToOwned::to_owned),
            severity: stored.notes.severity(),
            expires: stored.notes.expires(),
            effect: match stored.policy.effect() {
                Effect::Permit => "permit",
                Effect::Forbid => "forbid",
            },
            standing: match stored.standing {
                Standing::InForce => "in-force",
                Standing::Shadow => "report",
                Standing::Expired => "expired",
            },
        }
    }

    /// Whom to ask, by `@owner`.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// `low`, `medium` or `high`, by `@severity`.
    #[must_use]
    pub fn severity(&self) -> Option<&'static str> {
        self.severity
    }

    /// The first day on which a permit permits nothing any more, by `@expires`.
    #[must_use]
    pub fn expires(&self) -> Option<Date> {
        self.expires
    }

    /// `in force`, `on trial` or `expired`: the words for people.
    #[must_use]
    pub fn standing_in_words(&self) -> &'static str {
        match self.standing {
            "report" => "on trial",
            "in-force" => "in force",
            other => other,
        }
    }
}

/// How many policies a bundle holds, by their standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// They decide.
    pub in_force: usize,
    /// `@mode("report")`: what they would do is recorded.
    pub on_trial: usize,
    /// Their `@expires` has come.
    pub expired: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} policies", self.in_force)?;
        for (count, what) in [(self.on_trial, "on trial"), (self.expired, "expired")] {
            if count > 0 {
                write!(f, " and {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl Bundle {
    /// Every policy, those on trial and the expired ones too, in the order of files.
    pub fn inventory(&self) -> impl Iterator<Item = PolicyNote> {
        self.policies().iter().map(PolicyNote::of)
    }

    /// How many policies there are, by their standing.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let of = |standing| self.policies().iter().filter(|stored| stored.standing == standing).count();
        Counts { in_force: of(Standing::InForce), on_trial: of(Standing::Shadow), expired: of(Standing::Expired) }
    }
}
