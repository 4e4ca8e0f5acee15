//! Apps that nobody may open, and roles that nobody may become. Declared in config.toml, and forgotten in the policies.

use cedar_policy::{Effect, EntityUid, ResourceConstraint};

use crate::domain::{App, AppId, CONSOLE, PORTAL, RoleName, Step};
use crate::policy::bundle::{Bundle, Standing};

/// What no policy in force permits anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The app.
    pub app: AppId,
    /// Its role; `None` = the app itself.
    pub role: Option<RoleName>,
}

/// The apps and roles that no permit in force is about. The portal and the console have checks of their own.
pub(super) fn find(bundle: &Bundle) -> Vec<Closed> {
    let apps = bundle.vocabulary().apps.iter().filter(|app| ![PORTAL, CONSOLE].contains(&app.id.as_str()));
    let mut found = Vec::new();
    for app in apps {
        let closed = |role: Option<&RoleName>| Closed { app: app.id.clone(), role: role.cloned() };
        if !is_permitted(bundle, Step::SignIn, app, None) {
            found.push(closed(None));
            continue;
        }
        let roles = app.roles.iter().filter(|role| !is_permitted(bundle, Step::AssumeRole, app, Some(role)));
        found.extend(roles.map(|role| closed(Some(role))));
    }
    found
}

fn is_permitted(bundle: &Bundle, step: Step, app: &App, role: Option<&RoleName>) -> bool {
    let is = |uid: &EntityUid, kind: &str, id: &str| {
        uid.type_name().to_string() == kind && AsRef::<str>::as_ref(uid.id()) == id
    };
    let the_app = |uid: &EntityUid| is(uid, "App", app.id.as_str());
    let itself = |uid: &EntityUid| role.map_or_else(|| the_app(uid), |role| is(uid, "Role", &app.role_entity_id(role)));
    let kind = if role.is_some() { "Role" } else { "App" };
    bundle.policies().iter().any(|stored| {
        stored.standing == Standing::InForce
            && stored.policy.effect() == Effect::Permit
            && bundle.names().covers(step, &stored.policy.action_constraint())
            && match stored.policy.resource_constraint() {
                ResourceConstraint::Any => true,
                ResourceConstraint::Eq(uid) => itself(&uid),
                ResourceConstraint::In(uid) => itself(&uid) || the_app(&uid),
                ResourceConstraint::Is(only) => only.to_string() == kind,
                ResourceConstraint::IsIn(only, uid) => only.to_string() == kind && (itself(&uid) || the_app(&uid)),
            }
    })
}
