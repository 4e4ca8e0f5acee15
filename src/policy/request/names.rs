//! The words of the schema, made ready once for each set of policies.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{ActionConstraint, Entities, EntityUid, RestrictedExpression as Expr, Schema};
use cedar_policy_core::ast::{Eid, Entity, EntityType, EntityUID, Literal, PartialValue, Value};
use cedar_policy_core::evaluator::RestrictedEvaluator;
use cedar_policy_core::extensions::Extensions;

use super::{RequestError, STEPS};
use crate::clock::Timestamp;
use crate::domain::{
    App, Class, ClassSet, Country, EVERYONE, GroupName, Method, MethodSet, PORTAL, SignalSet, Step, UnknownSignal,
};
use crate::policy::vocabulary::Vocabulary;

/// The action that is asked after a decision. It is no step: nobody takes it.
const NOTIFY: &str = "notify";

/// Steps that a schema from before them may lack: nobody may take them then.
const MAY_LACK: [Step; 1] = [Step::RemoveDevice];

/// The names of the schema as Cedar holds them, with the actions, proofs and groups that questions speak of.
#[derive(Debug)]
pub(in crate::policy) struct Names {
    pub(super) user: EntityType,
    group: EntityType,
    pub(super) anonymous: EntityType,
    app: EntityType,
    pub(super) role: EntityType,
    network: EntityType,
    country: EntityType,
    country_list: EntityType,
    /// What a proof or a fact that could not be had is called in sets, by its code.
    proofs: HashMap<&'static str, Literal>,
    signals: HashMap<&'static str, Literal>,
    /// The action of each step with its ancestors.
    actions: HashMap<Step, Arc<Entity>>,
    /// The steps whose action the schema lacks.
    lacking: Vec<Step>,
    /// The action `notify`, where the schema has it.
    notify: Option<Arc<Entity>>,
    /// Each declared group with all that hold it.
    closures: HashMap<GroupName, Vec<EntityUID>>,
    /// Whether the schema has apps tell their pilot group; one from before it need not.
    tells_pilot: bool,
}

impl Names {
    pub(in crate::policy) fn new(
        schema: &Schema,
        vocabulary: &Vocabulary,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let kind = |name: &str| EntityType::from_normalized_str(name).map_err(Box::new);
        let (action, proof, signal, group) = (kind("Action")?, kind("Proof")?, kind("Signal")?, kind("Group")?);
        // Without it, a forbid over a group of actions would match none of them.
        let hierarchy = schema.action_entities()?;
        let uid_of = |name: &str| EntityUid::from(uid(&action, name));
        let known = |step: &Step| {
            !MAY_LACK.contains(step) || hierarchy.iter().any(|known| known.uid() == uid_of(step.action()))
        };
        let entity_of = |name: &str| {
            let ancestors = hierarchy.ancestors(&uid_of(name));
            let ancestors = ancestors.map(|all| all.map(|one| one.as_ref().clone()).collect()).unwrap_or_default();
            Arc::new(entity(uid(&action, name), [], ancestors))
        };
        let actions = STEPS.into_iter().map(|step| (step, entity_of(step.action()))).collect();
        let literal = |kind: &EntityType, code: &'static str| (code, Literal::EntityUID(Arc::new(uid(kind, code))));
        let codes = Method::ALL.into_iter().map(Method::code).chain(Class::ALL.into_iter().map(Class::code));
        let unknown = UnknownSignal::ALL.into_iter().map(UnknownSignal::code);
        let closure = |direct: &GroupName| {
            let all = vocabulary.closure(&BTreeSet::from([direct.clone()]));
            all.iter().map(|name| uid(&group, name.as_str())).collect()
        };
        let mut names = Self {
            notify: hierarchy.get(&uid_of(NOTIFY)).is_some().then(|| entity_of(NOTIFY)),
            tells_pilot: true,
            user: kind("User")?,
            anonymous: kind("Anonymous")?,
            app: kind("App")?,
            role: kind("Role")?,
            network: kind("Network")?,
            country: kind("Country")?,
            country_list: kind("CountryList")?,
            proofs: codes.map(|code| literal(&proof, code)).collect(),
            signals: unknown.map(|code| literal(&signal, code)).collect(),
            actions,
            lacking: STEPS.into_iter().filter(|step| !known(step)).collect(),
            closures: vocabulary.groups.keys().map(|name| (name.clone(), closure(name))).collect(),
            group,
        };
        let open = names.app_entity(PORTAL, 0, EVERYONE);
        names.tells_pilot = Entities::from_entities([open.into()], Some(schema)).is_ok();
        Ok(names)
    }

    /// Whether a policy's scope holds the action of `step`. What it does not hold can never apply to that step.
    pub(in crate::policy) fn covers(&self, step: Step, scope: &ActionConstraint) -> bool {
        self.has(step) && self.actions.get(&step).is_some_and(|action| in_scope(action, scope))
    }

    /// Whether a policy's scope holds the action `notify`.
    pub(in crate::policy) fn covers_notify(&self, scope: &ActionConstraint) -> bool {
        self.notify.as_ref().is_some_and(|action| in_scope(action, scope))
    }

    /// Whether the schema has the step's action. Where it has not, nobody may take the step.
    pub(in crate::policy) fn has(&self, step: Step) -> bool {
        !self.lacking.contains(&step)
    }

    /// Whether policies can read who tries an app out.
    pub(in crate::policy) fn tells_pilot(&self) -> bool {
        self.tells_pilot
    }

    pub(super) fn notify(&self) -> Option<&Arc<Entity>> {
        self.notify.as_ref()
    }

    pub(super) fn action(&self, step: Step) -> Result<&Arc<Entity>, RequestError> {
        self.actions.get(&step).ok_or(RequestError::NoAction(step))
    }

    pub(super) fn country(&self, country: &Country, vocabulary: &Vocabulary) -> Entity {
        let lists = vocabulary.country_lists.iter().filter(|(_, countries)| countries.contains(country));
        let parents = lists.map(|(list, _)| uid(&self.country_list, list.as_str())).collect();
        entity(uid(&self.country, country.as_str()), [], parents)
    }

    pub(super) fn country_uid(&self, country: &Country) -> Value {
        Value::from(uid(&self.country, country.as_str()))
    }

    pub(super) fn app_uid(&self, app: &App) -> EntityUID {
        uid(&self.app, app.id.as_str())
    }

    pub(super) fn app(&self, app: &App) -> Entity {
        self.app_entity(app.id.as_str(), app.device_limit, app.pilot.as_ref().map_or(EVERYONE, GroupName::as_str))
    }

    fn app_entity(&self, id: &str, device_limit: u32, pilot: &str) -> Entity {
        let limit = ("device_limit", Value::from(i64::from(device_limit)));
        let pilot = self.tells_pilot.then(|| ("pilot", Value::from(uid(&self.group, pilot))));
        entity(uid(&self.app, id), [limit].into_iter().chain(pilot), HashSet::new())
    }

    /// The groups somebody is in who was put into `direct`: those, what holds them, and everyone.
    pub(super) fn groups(&self, direct: &BTreeSet<GroupName>) -> HashSet<EntityUID> {
        let everyone = [uid(&self.group, EVERYONE)];
        let mut all = HashSet::from(everyone);
        for name in direct {
            match self.closures.get(name) {
                Some(closure) => all.extend(closure.iter().cloned()),
                // Nobody declared it, so nothing holds it.
                None => {
                    all.insert(uid(&self.group, name.as_str()));
                }
            }
        }
        all
    }

    pub(super) fn proofs(&self, shown: MethodSet, classes: ClassSet) -> Value {
        let codes = shown.iter().map(Method::code).chain(classes.iter().map(Class::code));
        Value::set_of_lits(codes.filter_map(|code| self.proofs.get(code).cloned()), None)
    }

    /// `net`, `time` and `unknown`: the part of the context that is there before anybody is known.
    pub(super) fn surroundings(&self, signals: &SignalSet) -> Result<Vec<(&'static str, Value)>, RequestError> {
        let networks =
            signals.networks.iter().map(|name| Literal::EntityUID(Arc::new(uid(&self.network, name.as_str()))));
        let net = Value::record(
            [
                ("ip", computed(&Expr::new_ip(signals.ip.to_string()))?),
                ("country", self.country_uid(&signals.country)),
                ("asn", Value::from(i64::from(signals.asn))),
                ("networks", Value::set_of_lits(networks, None)),
                ("anonymous", Value::from(signals.anonymous)),
            ],
            None,
        );
        let time = Value::record(
            [
                ("now", instant(signals.now)?),
                ("hour", Value::from(i64::from(signals.hour))),
                ("weekday", Value::from(i64::from(signals.weekday))),
            ],
            None,
        );
        let codes = signals.unknown.iter().copied().map(UnknownSignal::code);
        let unknown = Value::set_of_lits(codes.filter_map(|code| self.signals.get(code).cloned()), None);
        Ok(vec![("net", net), ("time", time), ("unknown", unknown)])
    }
}

fn in_scope(action: &Entity, scope: &ActionConstraint) -> bool {
    let holds = |one: &EntityUid| one.as_ref() == action.uid() || action.is_descendant_of(one.as_ref());
    match scope {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(only) => only.as_ref() == action.uid(),
        ActionConstraint::In(any) => any.iter().any(holds),
    }
}

/// A value of a type that Cedar computes from a text.
fn computed(expr: &Expr) -> Result<Value, RequestError> {
    let value = RestrictedEvaluator::new(Extensions::all_available()).interpret(expr.as_ref().as_borrowed());
    value.map_err(|error| RequestError::Value(Box::new(error)))
}

/// An instant to the second, as Cedar reads it.
fn instant(now: Timestamp) -> Result<Value, RequestError> {
    computed(&Expr::new_datetime(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

pub(super) fn uid(kind: &EntityType, id: &str) -> EntityUID {
    EntityUID::from_components(kind.clone(), Eid::new(id), None)
}

/// An entity with these attributes that lies in `ancestors`: all of them, so that nothing is left to compute.
pub(super) fn entity(
    uid: EntityUID,
    attrs: impl IntoIterator<Item = (&'static str, Value)>,
    ancestors: HashSet<EntityUID>,
) -> Entity {
    let attrs = attrs.into_iter().map(|(key, value)| (key.into(), PartialValue::Value(value)));
    Entity::new_with_attr_partial_value(uid, attrs, HashSet::new(), ancestors, [])
}
