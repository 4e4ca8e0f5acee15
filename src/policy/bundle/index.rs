//! Which policies a question needs to ask: those whose scope can hold its action, principal and resource.
//!
//! A policy that is left out here could not have applied, and could not have failed either: a scope that does not hold is
//! false before any condition is looked at. What is not left out is still evaluated with the principal and the resource
//! of its scope; the action alone is settled here, since a set of actions costs more to evaluate than most conditions.

use std::collections::HashMap;

use cedar_policy::{ActionConstraint, EntityUid, PrincipalConstraint, ResourceConstraint};
use cedar_policy_core::ast::{EntityUID, Expr, Policy};
use cedar_policy_core::entities::Dereference;

use super::{Standing, Stored};
use crate::domain::Step;
use crate::policy::request::{Asked, Names, STEPS};

/// A name that stands in the scope of a policy. Scopes name few of all users, groups and apps.
type Named = u32;

/// Stands for a scope that names nobody, or nothing: whoever it is, it has to be asked.
const ANY: Named = 0;

/// The policies that may apply to one action, by the names in their scopes (whom, on what).
pub(in crate::policy) type Buckets = HashMap<(Named, Named), Vec<usize>>;

/// The policies of one standing, by action.
#[derive(Debug, Default)]
pub(in crate::policy) struct Actions {
    pub(in crate::policy) steps: HashMap<Step, Buckets>,
    pub(in crate::policy) notify: Buckets,
}

/// Finds the policies to ask.
#[derive(Debug, Default)]
pub(in crate::policy) struct Index {
    named: HashMap<EntityUID, Named>,
    pub(in crate::policy) in_force: Actions,
    pub(in crate::policy) shadow: Actions,
}

impl Index {
    pub(super) fn new(policies: &[Stored], names: &Names) -> Self {
        let mut index = Self::default();
        for (place, stored) in policies.iter().enumerate() {
            let key = (
                index.name(whom(&stored.policy.principal_constraint())),
                index.name(on_what(&stored.policy.resource_constraint())),
            );
            let actions = match stored.standing {
                Standing::InForce => &mut index.in_force,
                Standing::Shadow => &mut index.shadow,
                Standing::Expired => continue,
            };
            let scope: ActionConstraint = stored.policy.action_constraint();
            for step in STEPS.into_iter().filter(|step| names.covers(*step, &scope)) {
                actions.steps.entry(step).or_default().entry(key).or_default().push(place);
            }
            if names.covers_notify(&scope) {
                actions.notify.entry(key).or_default().push(place);
            }
        }
        index
    }

    fn name(&mut self, uid: Option<&EntityUid>) -> Named {
        let Some(uid) = uid else { return ANY };
        // Names are counted from one: zero is taken.
        let next = Named::try_from(self.named.len() + 1).unwrap_or(ANY);
        *self.named.entry(uid.as_ref().clone()).or_insert(next)
    }

    /// The places of all policies of `among` that may apply, in the order of files.
    pub(in crate::policy) fn candidates(&self, among: &Buckets, asked: &Asked) -> Vec<usize> {
        let request = asked.request.as_ref();
        let (whom, what) =
            (self.names_of(request.principal().uid(), asked), self.names_of(request.resource().uid(), asked));
        let keys = whom.iter().flat_map(|whom| what.iter().map(|what| (*whom, *what)));
        let mut places: Vec<usize> = keys.filter_map(|key| among.get(&key)).flatten().copied().collect();
        places.sort_unstable();
        places
    }

    /// The names that hold an entity, as far as scopes use them: its own, and those of all it lies in.
    fn names_of(&self, uid: Option<&EntityUID>, asked: &Asked) -> Vec<Named> {
        let mut names = vec![ANY];
        let Some(uid) = uid else { return names };
        names.extend(self.named.get(uid));
        let entities: &cedar_policy_core::entities::Entities = asked.entities.as_ref().as_ref();
        if let Dereference::Data(entity) = entities.entity(uid) {
            names.extend(entity.ancestors().filter_map(|ancestor| self.named.get(ancestor)));
        }
        names
    }
}

/// The one entity that a scope names, which the principal is or lies in.
fn whom(scope: &PrincipalConstraint) -> Option<&EntityUid> {
    match scope {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => Some(uid),
    }
}

fn on_what(scope: &ResourceConstraint) -> Option<&EntityUid> {
    match scope {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => Some(uid),
    }
}

/// When a policy applies, of a question whose action its scope holds.
pub(super) fn condition(policy: &Policy) -> Expr {
    let template = policy.template();
    let conditions = template.non_scope_constraints().cloned().unwrap_or_else(|| Expr::val(true));
    Expr::and(
        template.principal_constraint().as_expr(),
        Expr::and(template.resource_constraint().as_expr(), conditions),
    )
}
