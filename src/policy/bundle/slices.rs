//! Which policies are asked about which step.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{ActionConstraint, Effect, PolicySet};
use jiff::civil::Date;

use super::{Sets, Standing, Stored};
use crate::domain::Step;
use crate::policy::request::{Names, STEPS};

pub(super) fn collect(
    policies: &[Stored],
    standing: Standing,
    names: &Names,
) -> Result<HashMap<Step, Sets>, Box<cedar_policy::PolicySetError>> {
    STEPS.into_iter().map(|step| Ok((step, sets_of(policies, standing, |scope| names.covers(step, scope))?))).collect()
}

pub(super) fn sets_of(
    policies: &[Stored],
    standing: Standing,
    covers: impl Fn(&ActionConstraint) -> bool,
) -> Result<Sets, Box<cedar_policy::PolicySetError>> {
    let chosen: Vec<&Stored> = policies
        .iter()
        .filter(|stored| stored.standing == standing && covers(&stored.policy.action_constraint()))
        .collect();
    let of = |effect: Effect, expires: Option<Date>| {
        let these = chosen.iter().filter(|stored| stored.policy.effect() == effect && stored.notes.expires == expires);
        PolicySet::from_policies(these.map(|stored| stored.policy.clone())).map_err(Box::new)
    };
    let days: BTreeSet<Date> = chosen.iter().filter_map(|stored| stored.notes.expires).collect();
    let mut dated = Vec::with_capacity(days.len());
    for day in days {
        dated.push((day, of(Effect::Permit, Some(day))?));
    }
    // INVARIANT: only a permit has a day, so no forbid is left out here; `annotations` refuses any other.
    Ok(Sets { permits: of(Effect::Permit, None)?, dated, forbids: of(Effect::Forbid, None)? })
}
