//! Policies in a form that can be put together anew: what each does, and under which one condition.

use std::collections::BTreeSet;

use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityUid, Policy, PolicyId as CedarId, PolicySet, PrincipalConstraint,
    ResourceConstraint,
};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::scene::Scene;
use super::total::always_works;
use super::{Broken, broken};

/// One policy: its effect, and its scope and conditions as one expression.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) permits: bool,
    /// The first day on which it is inert.
    pub(super) expires: Option<Date>,
    condition: Value,
    /// Whether the condition can be evaluated whatever it is asked about.
    works: bool,
    policy: Policy,
}

impl Statement {
    /// Takes a policy apart.
    pub(super) fn new(id: &str, policy: &Policy, expires: Option<Date>) -> Result<Self, Broken> {
        let form = policy.to_json().map_err(broken)?;
        let mut parts: Vec<Value> =
            ["principal", "resource"].into_iter().filter_map(|var| scope(var, form.get(var)?)).collect();
        for clause in form.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            let body = clause.get("body").cloned().unwrap_or_else(yes);
            let unless = clause.get("kind").is_some_and(|kind| kind == "unless");
            parts.push(if unless { json!({ "!": { "arg": body } }) } else { body });
        }
        let condition = all(parts);
        let permits = policy.effect() == Effect::Permit;
        let works = always_works(&condition);
        Ok(Self { id: id.to_owned(), permits, expires, condition, works, policy: policy.clone() })
    }

    /// The same with another condition.
    pub(super) fn changed(&self, change: impl Fn(Value) -> Value) -> Self {
        let condition = change(self.condition.clone());
        let works = always_works(&condition);
        Self { condition, works, ..self.clone() }
    }

    /// Whether it may be that it cannot be evaluated.
    pub(super) fn may_fail(&self) -> bool {
        !self.works
    }

    /// Whether its condition tells acts apart, beyond what its scope says.
    pub(super) fn looks_at_the_action(&self) -> bool {
        mentions_var(&self.condition, "action")
    }

    /// When it applies in this scene: on the days of which it speaks, too.
    pub(super) fn condition(&self, scene: &Scene) -> Value {
        match self.expires {
            Some(day) => {
                let before =
                    json!({ "<": { "left": scene.now(), "right": { "datetime": [{ "Value": day.to_string() }] } } });
                and(before, self.condition.clone())
            }
            None => self.condition.clone(),
        }
    }

    /// The entities it writes out.
    pub(super) fn mentions(&self) -> BTreeSet<EntityUid> {
        self.policy.entity_literals().into_iter().collect()
    }

    /// Whether it does the same as `other`, whatever each is called and however it is laid out.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let scope = |statement: &Self| format!("{:?}", statement.policy.action_constraint());
        self.permits == other.permits
            && self.expires == other.expires
            && self.condition == other.condition
            && scope(self) == scope(other)
    }

    /// Whether it can apply in `scene`, as far as its scope tells. `actions` are those of the schema, with what they lie in.
    pub(super) fn matters(&self, scene: &Scene, actions: &Entities) -> bool {
        let action = scene.action();
        let within = |one: &EntityUid| one == action || actions.is_ancestor_of(one, action);
        let asked = match self.policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(only) => only == *action,
            ActionConstraint::In(any) => any.iter().any(within),
        };
        let who = match self.policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => kind == *scene.principal(),
            PrincipalConstraint::Eq(one) => one.type_name() == scene.principal(),
            // Only people lie in anything.
            PrincipalConstraint::In(_) => scene.is_about_people(),
        };
        let what = match self.policy.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::Is(kind) => kind == *scene.resource(),
            ResourceConstraint::IsIn(kind, one) => kind == *scene.resource() && scene.may_lie_in(&one),
            ResourceConstraint::Eq(one) => scene.may_be(&one),
            ResourceConstraint::In(one) => scene.may_be(&one) || scene.may_lie_in(&one),
        };
        asked && who && what
    }
}

fn mentions_var(expression: &Value, name: &str) -> bool {
    match expression {
        Value::Object(object) => {
            object.get("Var").is_some_and(|var| var == name) || object.values().any(|value| mentions_var(value, name))
        }
        Value::Array(items) => items.iter().any(|item| mentions_var(item, name)),
        _ => false,
    }
}

/// The part of a scope as an expression; `None` where it is open.
fn scope(var: &str, scope: &Value) -> Option<Value> {
    let var = json!({ "Var": var });
    let entity = |of: &Value| of.get("entity").map(|entity| json!({ "Value": { "__entity": entity } }));
    match scope.get("op").and_then(Value::as_str)? {
        "==" => Some(json!({ "==": { "left": var, "right": entity(scope)? } })),
        "in" => Some(json!({ "in": { "left": var, "right": entity(scope)? } })),
        "is" => {
            let mut is = json!({ "left": var, "entity_type": scope.get("entity_type")? });
            if let (Some(within), Some(is)) = (scope.get("in").and_then(entity), is.as_object_mut()) {
                is.insert("in".to_owned(), within);
            }
            Some(json!({ "is": is }))
        }
        _ => None,
    }
}

pub(super) fn yes() -> Value {
    json!({ "Value": true })
}

pub(super) fn and(left: Value, right: Value) -> Value {
    json!({ "&&": { "left": left, "right": right } })
}

fn or(left: Value, right: Value) -> Value {
    json!({ "||": { "left": left, "right": right } })
}

/// All of them hold, in this order.
pub(super) fn all(conditions: Vec<Value>) -> Value {
    balanced(conditions, and).unwrap_or_else(yes)
}

/// One of them holds.
pub(super) fn any(conditions: Vec<Value>) -> Value {
    balanced(conditions, or).unwrap_or_else(|| json!({ "Value": false }))
}

/// A thousand policies joined one after the other would be nested a thousand deep; halves of halves are not.
fn balanced(mut some: Vec<Value>, join: fn(Value, Value) -> Value) -> Option<Value> {
    if some.len() < 2 {
        return some.pop();
    }
    let rest = some.split_off(some.len() / 2);
    Some(join(balanced(some, join)?, balanced(rest, join)?))
}

/// An expression that is true unless `condition` cannot be evaluated.
pub(super) fn if_it_works(condition: Value) -> Value {
    or(condition, yes())
}

/// Reads an expression in Cedar.
pub(super) fn expression(text: &str) -> Result<Value, Broken> {
    let policy =
        Policy::parse(None, format!("permit (principal, action, resource) when {{ {text} }};")).map_err(broken)?;
    let form = policy.to_json().map_err(broken)?;
    form.pointer("/conditions/0/body").cloned().ok_or_else(|| Broken("an expression without a body".to_owned()))
}

/// Policies put together for one question.
#[derive(Debug, Default)]
pub(super) struct Put(PolicySet);

impl Put {
    /// One more: `permits` or forbids, under this condition.
    pub(super) fn with(mut self, permits: bool, condition: &Value) -> Result<Self, Broken> {
        let all = json!({ "op": "All" });
        let form = json!({
            "effect": if permits { "permit" } else { "forbid" },
            "principal": all, "action": all, "resource": all,
            "conditions": [{ "kind": "when", "body": condition }],
        });
        let id = CedarId::new(format!("p{}", self.0.policies().count()));
        self.0.add(Policy::from_json(Some(id), form).map_err(broken)?).map_err(broken)?;
        Ok(self)
    }

    /// These statements, their conditions changed.
    pub(super) fn all<'a>(
        self,
        statements: impl IntoIterator<Item = &'a Statement>,
        scene: &Scene,
        change: impl Fn(Value) -> Value,
    ) -> Result<Self, Broken> {
        statements
            .into_iter()
            .try_fold(self, |put, statement| put.with(statement.permits, &change(statement.condition(scene))))
    }

    /// What production makes of these statements, their conditions changed: allowed by a permit, refused by a forbid, and
    /// refused when any of them cannot be evaluated. Cedar alone would skip that one; here it takes the only permit along.
    pub(super) fn decide(
        self,
        statements: &[&Statement],
        scene: &Scene,
        change: impl Fn(Value) -> Value,
    ) -> Result<Self, Broken> {
        let condition = permission(statements, scene, &change);
        let forbids = statements.iter().copied().filter(|statement| !statement.permits);
        self.with(true, &condition)?.all(forbids, scene, change)
    }

    /// As Cedar takes them.
    pub(super) fn set(self) -> PolicySet {
        self.0
    }
}

/// True where all of these statements can be evaluated and one of them permits; otherwise false, or not to be evaluated.
pub(super) fn permission(statements: &[&Statement], scene: &Scene, change: &impl Fn(Value) -> Value) -> Value {
    let conditions = |wanted: fn(&Statement) -> bool| {
        let these = statements.iter().filter(move |one| wanted(one));
        these.map(|one| change(one.condition(scene))).collect::<Vec<_>>()
    };
    let permitted = any(conditions(|one| one.permits));
    let unsure = conditions(Statement::may_fail);
    if unsure.is_empty() {
        return permitted;
    }
    and(all(unsure.into_iter().map(if_it_works).collect()), permitted)
}

/// `condition` where all that can be shown is shown.
pub(super) fn with_everything_shown(condition: Value) -> Value {
    over_proofs(condition, &|op, _, _, wanted| {
        let none = wanted.get("Set").and_then(Value::as_array).is_some_and(Vec::is_empty);
        json!({ "Value": op != "containsAny" || !none })
    })
}

/// The attribute by which [`with_more_shown`] tells what else is shown.
pub(super) const MORE: &str = "more";

/// `condition` where the proofs in `context.more` are shown besides.
pub(super) fn with_more_shown(condition: Value) -> Value {
    over_proofs(condition, &|op, record, shown, wanted| {
        let more = json!({ ".": { "left": record, "attr": MORE } });
        let either = |op: &str, wanted: &Value| {
            or(json!({ op: { "left": shown, "right": wanted } }), json!({ op: { "left": more, "right": wanted } }))
        };
        match wanted.get("Set").and_then(Value::as_array).filter(|_| op == "containsAll") {
            Some(each) => all(each.iter().map(|one| either("contains", one)).collect()),
            None => either(op, wanted),
        }
    })
}

/// Changes each `….proofs.contains(…)`: told are the word, the record, the set of proofs in it, and what is looked for.
fn over_proofs(value: Value, change: &impl Fn(&str, &Value, &Value, &Value) -> Value) -> Value {
    match value {
        Value::Object(object) => {
            let found = object.iter().next().filter(|_| object.len() == 1).and_then(|(op, sides)| {
                ["contains", "containsAll", "containsAny"].contains(&op.as_str()).then_some(())?;
                let (left, right) = (sides.get("left")?, sides.get("right")?);
                let get = left.get(".")?;
                let attr = get.get("attr")?.as_str()?;
                ["proofs", "fresh"].contains(&attr).then(|| change(op, get.get("left").unwrap_or(left), left, right))
            });
            found.unwrap_or_else(|| {
                Value::Object(object.into_iter().map(|(key, value)| (key, over_proofs(value, change))).collect())
            })
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| over_proofs(item, change)).collect()),
        other => other,
    }
}
