//! Questions as Cedar reads them: entities and contexts made from Rust values, a small slice for each question.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression as Expr, Schema,
};

use super::notify::Outcome;
use super::question::Question;
use super::vocabulary::Vocabulary;
use crate::clock::Timestamp;
use crate::domain::{
    App, Class, ClassSet, Country, EVERYONE, GroupName, Method, MethodSet, PORTAL, RoleName, SignalSet, Step,
    UnknownSignal, classes,
};

/// A question could not be put to Cedar. Taken as a policy that failed: nobody is let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Attributes(#[from] Box<cedar_policy::EntityAttrEvaluationError>),
    #[error(transparent)]
    Record(#[from] Box<cedar_policy::ExpressionConstructionError>),
    #[error(transparent)]
    Context(#[from] Box<cedar_policy::ContextCreationError>),
    #[error(transparent)]
    Entities(#[from] Box<cedar_policy::entities_errors::EntitiesError>),
    #[error(transparent)]
    Request(#[from] Box<cedar_policy::RequestValidationError>),
    #[error("the step needs a role")]
    NoRole,
}

/// What was shown: all that counts, and the fresh part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) proofs: MethodSet,
    pub(super) fresh: MethodSet,
}

impl Shown {
    pub(super) fn of(q: &Question<'_>) -> Self {
        Self { proofs: q.counting(), fresh: q.counting_fresh() }
    }

    /// With `more` shown now.
    pub(super) fn with(self, more: MethodSet) -> Self {
        Self { proofs: self.proofs.union(more), fresh: self.fresh.union(more) }
    }
}

/// The type names of the schema and its actions, parsed once.
#[derive(Debug, Clone)]
pub(super) struct Names {
    user: EntityTypeName,
    group: EntityTypeName,
    anonymous: EntityTypeName,
    app: EntityTypeName,
    role: EntityTypeName,
    network: EntityTypeName,
    country: EntityTypeName,
    country_list: EntityTypeName,
    action: EntityTypeName,
    proof: EntityTypeName,
    signal: EntityTypeName,
    /// The action of each step with its ancestors.
    actions: HashMap<Step, Entity>,
    /// The action `notify`, where the schema has it.
    notify: Option<Entity>,
    /// Whether the schema has apps tell their pilot group; one from before it need not.
    tells_pilot: bool,
}

/// The action that is asked after a decision. It is no step: nobody takes it.
const NOTIFY: &str = "notify";

/// The steps there are, for checks over all of them.
pub(super) const STEPS: [Step; 10] = [
    Step::Visit,
    Step::SignIn,
    Step::AssumeRole,
    Step::TrustDevice,
    Step::Enroll,
    Step::RemoveMethod,
    Step::ChangeContact,
    Step::ChangePassword,
    Step::Recover,
    Step::RemoveDevice,
];

/// Steps that a schema from before them may lack: nobody may take them then.
const MAY_LACK: [Step; 1] = [Step::RemoveDevice];

impl Names {
    /// Whether a policy's scope holds the action of `step`. What it does not hold can never apply to that step.
    pub(super) fn covers(&self, step: Step, scope: &ActionConstraint) -> bool {
        self.actions.get(&step).is_some_and(|action| Self::in_scope(action, scope))
    }

    /// Whether a policy's scope holds the action `notify`.
    pub(super) fn covers_notify(&self, scope: &ActionConstraint) -> bool {
        self.notify.as_ref().is_some_and(|action| Self::in_scope(action, scope))
    }

    fn in_scope(action: &Entity, scope: &ActionConstraint) -> bool {
        let (uid, parents) = (action.uid(), action.clone().into_inner().2);
        match scope {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(only) => *only == uid,
            ActionConstraint::In(any) => any.iter().any(|one| *one == uid || parents.contains(one)),
        }
    }

    /// Whether the schema has the step's action. Where it has not, nobody may take the step.
    pub(super) fn has(&self, step: Step) -> bool {
        self.actions.contains_key(&step)
    }

    pub(super) fn new(schema: &Schema) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let action: EntityTypeName = "Action".parse()?;
        // Without it, a forbid over a group of actions would match none of them.
        let hierarchy = schema.action_entities()?;
        let known = |step: &Step| {
            !MAY_LACK.contains(step) || hierarchy.iter().any(|known| known.uid() == uid(&action, step.action()))
        };
        let actions = STEPS
            .into_iter()
            .filter(known)
            .map(|step| {
                let uid = uid(&action, step.action());
                let ancestors = hierarchy.ancestors(&uid).map(|all| all.cloned().collect()).unwrap_or_default();
                (step, Entity::new_no_attrs(uid, ancestors))
            })
            .collect();
        let notify = hierarchy.get(&uid(&action, NOTIFY)).cloned();
        let mut names = Self {
            notify,
            tells_pilot: true,
            user: "User".parse()?,
            group: "Group".parse()?,
            anonymous: "Anonymous".parse()?,
            app: "App".parse()?,
            role: "Role".parse()?,
            network: "Network".parse()?,
            country: "Country".parse()?,
            country_list: "CountryList".parse()?,
            action,
            proof: "Proof".parse()?,
            signal: "Signal".parse()?,
            actions,
        };
        let open = names.app_entity(PORTAL, 0, EVERYONE)?;
        names.tells_pilot = Entities::from_entities([open], Some(schema)).is_ok();
        Ok(names)
    }

    /// Whether policies can read who tries an app out.
    pub(super) fn tells_pilot(&self) -> bool {
        self.tells_pilot
    }

    fn country(&self, country: &Country, vocabulary: &Vocabulary) -> Entity {
        let lists = vocabulary.country_lists.iter().filter(|(_, countries)| countries.contains(country));
        let parents = lists.map(|(list, _)| uid(&self.country_list, list.as_str())).collect();
        Entity::new_no_attrs(uid(&self.country, country.as_str()), parents)
    }

    fn app(&self, app: &App) -> Result<Entity, RequestError> {
        self.app_entity(app.id.as_str(), app.device_limit, app.pilot.as_ref().map_or(EVERYONE, GroupName::as_str))
    }

    fn app_entity(&self, id: &str, device_limit: u32, pilot: &str) -> Result<Entity, RequestError> {
        let mut attrs = HashMap::from([("device_limit".to_owned(), Expr::new_long(i64::from(device_limit)))]);
        if self.tells_pilot {
            attrs.insert("pilot".to_owned(), Expr::new_entity_uid(uid(&self.group, pilot)));
        }
        Ok(Entity::new(uid(&self.app, id), attrs, HashSet::new()).map_err(Box::new)?)
    }

    fn proofs(&self, shown: MethodSet, classes: ClassSet) -> Expr {
        let codes = shown.iter().map(Method::code).chain(classes.iter().map(Class::code));
        Expr::new_set(codes.map(|code| Expr::new_entity_uid(uid(&self.proof, code))))
    }

    /// `net`, `time` and `unknown`: the part of the context that is there before anybody is known.
    fn surroundings(&self, signals: &SignalSet) -> Result<Vec<(String, Expr)>, RequestError> {
        let networks = signals.networks.iter().map(|name| Expr::new_entity_uid(uid(&self.network, name.as_str())));
        let net = record([
            ("ip", Expr::new_ip(signals.ip.to_string())),
            ("country", Expr::new_entity_uid(uid(&self.country, signals.country.as_str()))),
            ("asn", Expr::new_long(i64::from(signals.asn))),
            ("networks", Expr::new_set(networks)),
            ("anonymous", Expr::new_bool(signals.anonymous)),
        ])?;
        let now = signals.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let time = record([
            ("now", Expr::new_datetime(now)),
            ("hour", Expr::new_long(i64::from(signals.hour))),
            ("weekday", Expr::new_long(i64::from(signals.weekday))),
        ])?;
        let unknown = signals.unknown.iter().copied().map(UnknownSignal::code);
        let unknown = Expr::new_set(unknown.map(|code| Expr::new_entity_uid(uid(&self.signal, code))));
        Ok([("net", net), ("time", time), ("unknown", unknown)].map(|(key, value)| (key.to_owned(), value)).into())
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn record<const N: usize>(fields: [(&str, Expr); N]) -> Result<Expr, RequestError> {
    let fields = fields.map(|(key, value)| (key.to_owned(), value));
    // Only a key that is there twice fails, which the callers' literals rule out.
    Ok(Expr::new_record(fields).map_err(Box::new)?)
}

/// A request and the entities it speaks of.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) entities: Entities,
    /// The instant it is about: permits that have expired by then are left out.
    pub(super) now: Timestamp,
}

/// The question "may anybody see the page?".
pub(super) fn visit(
    names: &Names,
    vocabulary: &Vocabulary,
    app: &App,
    signals: &SignalSet,
    schema: Option<&Schema>,
) -> Result<Asked, RequestError> {
    let context = Context::from_pairs(names.surroundings(signals)?).map_err(Box::new)?;
    let entities = [Some(names.app(app)?), Some(names.country(&signals.country, vocabulary))]
        .into_iter()
        .chain([names.actions.get(&Step::Visit).cloned()])
        .flatten();
    let entities = Entities::from_entities(entities, schema).map_err(Box::new)?;
    let action = uid(&names.action, Step::Visit.action());
    let who = uid(&names.anonymous, "visitor");
    let request = Request::new(who, action, uid(&names.app, app.id.as_str()), context, schema).map_err(Box::new)?;
    Ok(Asked { request, entities, now: signals.now })
}

/// What stays the same in all requests about one question.
pub(super) struct Prepared<'a> {
    names: &'a Names,
    vocabulary: &'a Vocabulary,
    q: Question<'a>,
    fixed: Vec<(String, Expr)>,
    people_and_places: Vec<Entity>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(names: &'a Names, vocabulary: &'a Vocabulary, q: &Question<'a>) -> Result<Self, RequestError> {
        let mut fixed = names.surroundings(q.signals)?;
        let risk = record([
            ("failed_attempts", Expr::new_long(i64::from(q.signals.risk.failed_attempts))),
            ("new_country", Expr::new_bool(q.signals.risk.new_country)),
            ("impossible_travel", Expr::new_bool(q.signals.risk.impossible_travel)),
        ])?;
        fixed.push(("risk".to_owned(), risk));
        fixed.push(("sp_initiated".to_owned(), Expr::new_bool(q.sp_initiated)));
        fixed.push(("force_authn".to_owned(), Expr::new_bool(q.force_authn)));
        let home = &q.user.home_country;
        let attrs = HashMap::from([
            ("status".to_owned(), Expr::new_string(q.user.status.code().to_owned())),
            ("home_country".to_owned(), Expr::new_entity_uid(uid(&names.country, home.as_str()))),
        ]);
        let groups = vocabulary.closure(&q.user.groups);
        let parents = groups.iter().map(|group| uid(&names.group, group.as_str())).collect();
        let user = Entity::new(uid(&names.user, q.user.username.as_str()), attrs, parents).map_err(Box::new)?;
        let mut people_and_places = vec![user, names.country(&q.signals.country, vocabulary)];
        if *home != q.signals.country {
            people_and_places.push(names.country(home, vocabulary));
        }
        Ok(Self { names, vocabulary, q: *q, fixed, people_and_places })
    }

    /// The request for one step. Steps of self-service are asked on the portal.
    pub(super) fn ask(
        &self,
        step: Step,
        role: Option<&RoleName>,
        shown: Shown,
        schema: Option<&Schema>,
    ) -> Result<Asked, RequestError> {
        let names = self.names;
        let app = match step {
            Step::Visit | Step::SignIn | Step::AssumeRole | Step::TrustDevice => self.q.app,
            Step::Enroll
            | Step::RemoveMethod
            | Step::ChangeContact
            | Step::ChangePassword
            | Step::Recover
            | Step::RemoveDevice => self.vocabulary.app(PORTAL).unwrap_or(self.q.app),
        };
        let mut entities = self.people_and_places.clone();
        entities.push(names.app(app)?);
        entities.extend(names.actions.get(&step).cloned());
        let mut resource = uid(&names.app, app.id.as_str());
        if step == Step::AssumeRole {
            let role = uid(&names.role, &app.role_entity_id(role.ok_or(RequestError::NoRole)?));
            entities.push(Entity::new_no_attrs(role.clone(), HashSet::from([resource])));
            resource = role;
        }
        let context = Context::from_pairs(self.context(step, shown)?).map_err(Box::new)?;
        let entities = Entities::from_entities(entities, schema).map_err(Box::new)?;
        let user = uid(&names.user, self.q.user.username.as_str());
        let action = uid(&names.action, step.action());
        let request = Request::new(user, action, resource, context, schema).map_err(Box::new)?;
        Ok(Asked { request, entities, now: self.q.signals.now })
    }

    /// The question whether somebody is to be told of how a sign-in came out; `None` when the schema does not know it.
    pub(super) fn ask_notify(
        &self,
        outcome: Outcome,
        shown: Shown,
        schema: Option<&Schema>,
    ) -> Result<Option<Asked>, RequestError> {
        let names = self.names;
        let Some(action) = &names.notify else { return Ok(None) };
        let sign_in = Expr::new_record(self.context(Step::SignIn, shown)?).map_err(Box::new)?;
        let context =
            [("sign_in".to_owned(), sign_in), ("outcome".to_owned(), Expr::new_string(outcome.code().to_owned()))];
        let context = Context::from_pairs(context).map_err(Box::new)?;
        let mut entities = self.people_and_places.clone();
        entities.push(names.app(self.q.app)?);
        entities.push(action.clone());
        let entities = Entities::from_entities(entities, schema).map_err(Box::new)?;
        let user = uid(&names.user, self.q.user.username.as_str());
        let app = uid(&names.app, self.q.app.id.as_str());
        let request = Request::new(user, action.uid(), app, context, schema).map_err(Box::new)?;
        Ok(Some(Asked { request, entities, now: self.q.signals.now }))
    }

    fn context(&self, step: Step, shown: Shown) -> Result<Vec<(String, Expr)>, RequestError> {
        let device = self.q.signals.device;
        // INVARIANT: trust spares a challenge for opening apps and nothing else, and never under ForceAuthn.
        let may_trust = matches!(step, Step::SignIn | Step::AssumeRole) && !self.q.force_authn;
        let device = record([
            ("known", Expr::new_bool(device.known)),
            ("trusted", Expr::new_bool(device.trusted && may_trust)),
            ("registered", Expr::new_long(i64::from(device.registered))),
        ])?;
        let profile = self.q.profile;
        let mut context = self.fixed.clone();
        context.push(("device".to_owned(), device));
        context.push(("proofs".to_owned(), self.names.proofs(shown.proofs, classes(shown.proofs, profile))));
        context.push(("fresh".to_owned(), self.names.proofs(shown.fresh, classes(shown.fresh, profile))));
        Ok(context)
    }
}
