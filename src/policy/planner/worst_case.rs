//! What a plan can cost at worst, from the needs of the policies alone. A set that could ask too often does not load, so nobody
//! finds out while signing in.
//!
//! A plan asks about the least and about the most. Of a policy with one need, both answers together tell all; of one with `n`
//! needs they leave `2ⁿ − 2` cases open. One answer settles a case of every policy, so policies with the same needs cost
//! nothing more, and neither do those whose needs are among another's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cedar_policy::{EntityUid, ResourceConstraint};

use super::combinations::Combinations;
use super::groups;
use super::needs::Need;
use super::{MOST_EVALUATIONS, MOST_SETS};
use crate::domain::{App, AuthnContextClass, Class, Method, MethodSet, PORTAL, Profile, Required, Step};
use crate::policy::bundle::{Standing, Stored};
use crate::policy::request::{Names, STEPS};
use crate::policy::vocabulary::Vocabulary;

/// What to do about it.
pub(in crate::policy) const HELP: &str = "join proofs by `||` or in one `containsAny`, which count as one, name the same groups of \
     proofs in all policies, or ask for a class such as `second_factor`";

/// What is asked besides the search: the least, the most, the most with what could be added, everything there is, and twice
/// whether something may be added.
const ALWAYS: u64 = 6;

/// Above it, needs are not compared with each other any more.
const MANY: usize = 1_000;

/// A policy in force that has needs.
struct Asking<'a> {
    place: usize,
    stored: &'a Stored,
    /// The one thing its scope is about, when it is one.
    about: Option<EntityUid>,
}

/// Why planning by `policies` could cost too much, and the place of the policy that costs most.
pub(in crate::policy) fn refuse(
    vocabulary: &Vocabulary,
    names: &Names,
    policies: &[Stored],
) -> Result<(), (usize, String)> {
    // Nobody is challenged before the page.
    for step in STEPS.into_iter().filter(|step| *step != Step::Visit) {
        let asking: Vec<Asking<'_>> = policies
            .iter()
            .enumerate()
            .filter(|(_, stored)| stored.standing == Standing::InForce && !stored.needs.is_empty())
            .filter(|(_, stored)| names.covers(step, &stored.policy.action_constraint()))
            .map(|(place, stored)| Asking { place, stored, about: about(&stored.policy.resource_constraint()) })
            .collect();
        // Mostly all of them together are cheap already.
        if too_much(step, &asking.iter().collect::<Vec<_>>()).is_none() {
            continue;
        }
        for (name, its) in resources(step, vocabulary) {
            let about_it = |asking: &&Asking<'_>| asking.about.as_ref().is_none_or(|uid| its.contains(&key(uid)));
            let asking: Vec<&Asking<'_>> = asking.iter().filter(about_it).collect();
            if let Some(what) = too_much(step, &asking) {
                return Err(told(step, &name, &what, &asking));
            }
        }
    }
    Ok(())
}

fn about(scope: &ResourceConstraint) -> Option<EntityUid> {
    match scope {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
            Some(uid.clone())
        }
    }
}

fn key(uid: &EntityUid) -> (String, String) {
    let id: &str = uid.id().as_ref();
    (uid.type_name().to_string(), id.to_owned())
}

/// What a step can be asked on, each with what it is and lies in.
fn resources(step: Step, vocabulary: &Vocabulary) -> Vec<(String, Vec<(String, String)>)> {
    let app_key = |app: &App| ("App".to_owned(), app.id.to_string());
    let app = |app: &App| (format!("App::\"{}\"", app.id), vec![app_key(app)]);
    match step {
        Step::SignIn | Step::TrustDevice => vocabulary.apps.iter().map(app).collect(),
        Step::AssumeRole => {
            let roles = vocabulary.apps.iter().flat_map(|app| app.roles.iter().map(move |role| (app, role)));
            let role = |(app, role): (&App, _)| {
                let id = app.role_entity_id(role);
                (format!("Role::\"{id}\""), vec![("Role".to_owned(), id), app_key(app)])
            };
            roles.map(role).collect()
        }
        _ => vocabulary.app(PORTAL).map(app).into_iter().collect(),
    }
}

/// What there is too much of.
enum TooMuch {
    Evaluations(u64),
    Sets(u64),
}

fn too_much(step: Step, asking: &[&Asking<'_>]) -> Option<TooMuch> {
    let evaluations = ALWAYS + open_cases(asking);
    if evaluations > u64::from(MOST_EVALUATIONS) {
        return Some(TooMuch::Evaluations(evaluations));
    }
    let sets = sets(step, asking);
    (sets > MOST_SETS as u64).then_some(TooMuch::Sets(sets))
}

fn open_cases(asking: &[&Asking<'_>]) -> u64 {
    let kinds: BTreeSet<&[Need]> = asking.iter().map(|asking| &*asking.stored.needs).collect();
    let needs: BTreeSet<Need> = kinds.iter().flat_map(|kind| kind.iter()).copied().collect();
    let is_within = |one: &[Need], other: &[Need]| one != other && one.iter().all(|need| other.contains(need));
    let is_covered = |kind: &&&[Need]| kinds.len() <= MANY && kinds.iter().any(|other| is_within(kind, other));
    let apart = kinds.iter().filter(|kind| !is_covered(kind)).map(|kind| cases(kind.len()));
    apart.fold(0, u64::saturating_add).min(cases(needs.len()))
}

/// What the least and the most leave open of `needs` needs.
fn cases(needs: usize) -> u64 {
    let all = u32::try_from(needs).ok().and_then(|needs| 1_u64.checked_shl(needs));
    all.filter(|all| *all > 1).map_or(if needs == 0 { 0 } else { u64::MAX }, |all| all - 2)
}

/// How many sets of proofs may have to be looked at: up to as many proofs as can be needed, of all methods there are.
fn sets(step: Step, asking: &[&Asking<'_>]) -> u64 {
    let mut needs: BTreeSet<Need> = asking.iter().flat_map(|asking| asking.stored.needs.iter()).copied().collect();
    if step == Step::SignIn {
        let required = AuthnContextClass::ALL.map(|class| Required::any_of(&[class]));
        needs.extend(required.into_iter().filter_map(Need::of_required));
    }
    let needs: Vec<Need> = needs.into_iter().collect();
    let all = MethodSet::from_iter(Method::ALL);
    // A proof that is not fresh any more is another than one that was never shown.
    let kinds = if needs.iter().any(|need| need.fresh()) { 2 } else { 1 };
    let count = |profile| -> usize {
        groups::of(&needs, profile, MethodSet::EMPTY, all).iter().map(|group| group.len().min(kinds)).sum()
    };
    let groups = [Profile::Compat, Profile::L2].map(count).into_iter().max().unwrap_or(0);
    // What takes one method and nothing else is found out beforehand, and stands in every set then.
    let is_fixed = |need: &Need| {
        let alone = asking.iter().filter(|asking| asking.stored.needs.contains(need));
        need.classes().is_empty() && need.methods().len() == 1 && alone.into_iter().all(|a| a.stored.needs.len() == 1)
    };
    let open: Vec<Need> = needs.iter().filter(|need| !is_fixed(need)).copied().collect();
    Combinations::up_to(groups, most_needed(&open))
}

/// The most proofs that a smallest set can hold: one for each need, where fresh or not is the same, and a class takes as many as
/// it takes wherever it stands.
fn most_needed(needs: &[Need]) -> usize {
    let of_methods: BTreeSet<MethodSet> =
        needs.iter().filter(|need| need.classes().is_empty()).map(|need| need.methods()).collect();
    let has = |class: Class| needs.iter().any(|need| need.classes().contains(class));
    let factors = if has(Class::SecondFactor) { 2 } else { usize::from(has(Class::FirstFactor)) };
    let mixed: BTreeSet<MethodSet> = needs
        .iter()
        .filter(|need| !need.classes().is_empty() && !need.methods().is_empty())
        .map(|need| need.methods())
        .collect();
    let others = [Class::PhishingResistant, Class::Fallback].into_iter().filter(|class| has(*class)).count();
    of_methods.len() + factors.max(mixed.len()) + others
}

/// The message, and the place of the policy with the most needs.
fn told(step: Step, resource: &str, what: &TooMuch, asking: &[&Asking<'_>]) -> (usize, String) {
    let mut message = format!("finding out what somebody could show for `{}` on `{resource}` may take ", step.action());
    let _ = match what {
        TooMuch::Evaluations(count) => write!(message, "{count} evaluations, more than {MOST_EVALUATIONS}"),
        TooMuch::Sets(count) => write!(message, "{count} sets of proofs, more than {MOST_SETS}"),
    };
    let mut by_needs: BTreeMap<&[Need], &Asking<'_>> = BTreeMap::new();
    for one in asking {
        by_needs.entry(&*one.stored.needs).or_insert(one);
    }
    let mut worst: Vec<(&[Need], &Asking<'_>)> = by_needs.into_iter().collect();
    worst.sort_by_key(|(needs, one)| (std::cmp::Reverse(needs.len()), one.place));
    let named =
        worst.iter().take(5).map(|(needs, one)| format!("`{}` ({})", one.stored.notes.enforced.id, needs.len()));
    let _ = write!(message, "; the policies with the most groups of proofs: {}", named.collect::<Vec<_>>().join(", "));
    (worst.first().map_or(0, |(_, one)| one.place), message)
}
