//! Whom a policy is about at all: its scope, held against somebody who asks. What a scope leaves out can never apply to them,
//! whatever they show and wherever they are.

use std::collections::BTreeSet;

use cedar_policy::{EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

use super::planner::Goal;
use super::request::{Names, STEPS};
use crate::domain::{App, GroupName, PORTAL, RoleName, Step, Username};

/// Somebody who asks, as far as scopes can tell.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    names: &'a Names,
    /// `None`: nobody is known yet.
    user: Option<&'a Username>,
    /// With the groups that hold those of the user.
    groups: &'a BTreeSet<GroupName>,
    app: &'a App,
    roles: &'a [RoleName],
    /// What a plan for them may ask about.
    steps: &'a [Step],
}

impl<'a> Asker<'a> {
    /// A person who asks for `asks`; `groups` are those of the closure.
    pub(super) fn person(
        names: &'a Names,
        user: &'a Username,
        groups: &'a BTreeSet<GroupName>,
        app: &'a App,
        asks: Goal<'a>,
    ) -> Self {
        let (roles, steps): (&[RoleName], &[Step]) = match asks {
            Goal::App { roles } => (roles, &[Step::SignIn, Step::AssumeRole, Step::Enroll]),
            // Who could open an app with one more method is asked whether they may add it.
            Goal::Step(Step::SignIn) => (&[], &[Step::SignIn, Step::Enroll]),
            Goal::Step(Step::TrustDevice) => (&[], &[Step::TrustDevice, Step::Enroll]),
            Goal::Step(step) => (&[], one(step)),
        };
        Self { names, user: Some(user), groups, app, roles, steps }
    }

    /// A person who asks to become `role`.
    pub(super) fn of_role(
        names: &'a Names,
        user: &'a Username,
        groups: &'a BTreeSet<GroupName>,
        app: &'a App,
        role: &'a RoleName,
    ) -> Self {
        Self { names, user: Some(user), groups, app, roles: std::slice::from_ref(role), steps: &[Step::AssumeRole] }
    }

    /// Anybody, before a first factor.
    pub(super) fn visitor(names: &'a Names, groups: &'a BTreeSet<GroupName>, app: &'a App) -> Self {
        Self { names, user: None, groups, app, roles: &[], steps: &[Step::Visit] }
    }

    /// Whether `policy` could apply to any question of theirs.
    pub(super) fn is_concerned_by(&self, policy: &Policy) -> bool {
        let action = policy.action_constraint();
        let mut steps = self.steps.iter().filter(|step| self.names.covers(**step, &action)).peekable();
        steps.peek().is_some()
            && self.is_principal(&policy.principal_constraint())
            && steps.any(|step| self.is_resource(*step, &policy.resource_constraint()))
    }

    fn is_principal(&self, scope: &PrincipalConstraint) -> bool {
        match scope {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => self.is_user(uid),
            PrincipalConstraint::In(uid) => self.is_user(uid) || self.is_member(uid),
            PrincipalConstraint::Is(kind) => self.is_kind(kind),
            PrincipalConstraint::IsIn(kind, uid) => self.is_kind(kind) && (self.is_user(uid) || self.is_member(uid)),
        }
    }

    fn is_kind(&self, kind: &EntityTypeName) -> bool {
        kind.to_string() == if self.user.is_some() { "User" } else { "Anonymous" }
    }

    fn is_user(&self, uid: &EntityUid) -> bool {
        // Of visitors there is one: its name says nothing.
        let is_name = self.user.is_none_or(|user| user.as_str() == id(uid));
        self.is_kind(uid.type_name()) && is_name
    }

    fn is_member(&self, uid: &EntityUid) -> bool {
        uid.type_name().to_string() == "Group" && self.groups.iter().any(|group| group.as_str() == id(uid))
    }

    fn is_resource(&self, step: Step, scope: &ResourceConstraint) -> bool {
        let of_app = |uid: &EntityUid| self.is_app(step, uid);
        let of_role = |uid: &EntityUid| step == Step::AssumeRole && self.is_role(uid);
        let kind = if step == Step::AssumeRole { "Role" } else { "App" };
        match scope {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) if step == Step::AssumeRole => of_role(uid),
            ResourceConstraint::Eq(uid) => of_app(uid),
            ResourceConstraint::In(uid) => of_app(uid) || of_role(uid),
            ResourceConstraint::Is(is) => is.to_string() == kind,
            ResourceConstraint::IsIn(is, uid) => is.to_string() == kind && (of_app(uid) || of_role(uid)),
        }
    }

    /// Self-service is asked on the portal, whatever was to be opened.
    fn is_app(&self, step: Step, uid: &EntityUid) -> bool {
        let on_the_app = matches!(step, Step::Visit | Step::SignIn | Step::AssumeRole | Step::TrustDevice);
        let name = id(uid);
        uid.type_name().to_string() == "App" && (self.app.id.as_str() == name || (!on_the_app && name == PORTAL))
    }

    fn is_role(&self, uid: &EntityUid) -> bool {
        uid.type_name().to_string() == "Role"
            && self.roles.iter().any(|role| self.app.role_entity_id(role).as_str() == id(uid))
    }
}

fn id(uid: &EntityUid) -> &str {
    uid.id().as_ref()
}

/// A step as a slice that lives for ever.
fn one(step: Step) -> &'static [Step] {
    STEPS.iter().position(|known| *known == step).and_then(|at| STEPS.get(at..=at)).unwrap_or_default()
}
