//! Questions as Cedar reads them: entities and contexts made from Rust values, a small slice for each question.
//!
//! They are made of Cedar's own values, not of expressions that it would have to evaluate first: that costs more than
//! the policies themselves. What stays the same is made once: for a set of policies in [`Names`], for a question in
//! [`Prepared`].

mod names;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::{Entities, Request, Schema};
use cedar_policy_core::ast::{self, Entity, EntityUID, EntityUIDEntry, Value};
use cedar_policy_core::entities::{self, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::CoreSchema;

pub(super) use names::Names;
use names::{entity, uid};

use super::notify::Outcome;
use super::question::Question;
use super::vocabulary::Vocabulary;
use crate::clock::Timestamp;
use crate::domain::{App, MethodSet, PORTAL, RoleName, SignalSet, Step, classes};

/// A question could not be put to Cedar. Taken as a policy that failed: nobody is let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Value(#[from] Box<cedar_policy::EvaluationError>),
    #[error(transparent)]
    Entities(#[from] Box<cedar_policy::entities_errors::EntitiesError>),
    #[error(transparent)]
    Request(#[from] Box<cedar_policy::RequestValidationError>),
    #[error("the step needs a role")]
    NoRole,
    #[error("the schema has no action `{}`", .0.action())]
    NoAction(Step),
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

/// A request and the entities it speaks of.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) entities: Arc<Entities>,
    /// The instant it is about: permits that have expired by then are left out.
    pub(super) now: Timestamp,
}

/// What is told of a question under one name each.
type Facts = Vec<(&'static str, Value)>;

impl Asked {
    fn new(
        (who, action, what): (EntityUIDEntry, &Entity, EntityUID),
        facts: Facts,
        entities: Arc<Entities>,
        now: Timestamp,
    ) -> Self {
        let action = EntityUIDEntry::known(action.uid().clone(), None);
        let what = EntityUIDEntry::known(what, None);
        let context = facts.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let context = Some(ast::Context::Value(Arc::new(context)));
        Self { request: ast::Request::new_unchecked(who, action, what, context).into(), entities, now }
    }

    /// Tries it against the schema, where there is one; the question of a sign-in goes without.
    fn checked(self, schema: Option<&Schema>) -> Result<Self, RequestError> {
        let Some(schema) = schema else { return Ok(self) };
        Entities::from_entities(self.entities.iter().cloned(), Some(schema)).map_err(Box::new)?;
        let request = &self.request;
        if let (Some(who), Some(action), Some(what), Some(context)) =
            (request.principal(), request.action(), request.resource(), request.context())
        {
            let (who, action, what) = (who.clone(), action.clone(), what.clone());
            Request::new(who, action, what, context.clone(), Some(schema)).map_err(Box::new)?;
        }
        Ok(self)
    }
}

/// Entities that know all that holds them, so that Cedar has nothing to complete.
fn closed(all: impl IntoIterator<Item = Arc<Entity>>) -> Result<Arc<Entities>, RequestError> {
    let (schema, extensions) = (None::<&CoreSchema<'_>>, Extensions::all_available());
    let known = TCComputation::AssumeAlreadyComputed;
    let made = entities::Entities::new().add_entities(all, schema, known, extensions);
    Ok(Arc::new(made.map_err(Box::new)?.into()))
}

/// The question "may anybody see the page?".
pub(super) fn visit(
    names: &Names,
    vocabulary: &Vocabulary,
    app: &App,
    signals: &SignalSet,
    schema: Option<&Schema>,
) -> Result<Asked, RequestError> {
    let action = names.action(Step::Visit)?;
    let (place, what) = (names.country(&signals.country, vocabulary), names.app(app));
    let resource = what.uid().clone();
    let entities = closed([Arc::new(place), Arc::new(what), Arc::clone(action)])?;
    let who = EntityUIDEntry::known(uid(&names.anonymous, "visitor"), None);
    Asked::new((who, action, resource), names.surroundings(signals)?, entities, signals.now).checked(schema)
}

/// What stays the same in all requests about one question.
pub(super) struct Prepared<'a> {
    names: &'a Names,
    vocabulary: &'a Vocabulary,
    q: Question<'a>,
    who: Arc<EntityUID>,
    fixed: Facts,
    people_and_places: Vec<Arc<Entity>>,
    /// The entities of each action that was asked about, made at the first question about it. They differ in nothing else:
    /// whoever plans asks often, with other proofs.
    made: RefCell<Vec<(EntityUID, Arc<Entities>)>>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(names: &'a Names, vocabulary: &'a Vocabulary, q: &Question<'a>) -> Result<Self, RequestError> {
        let risk = [
            ("failed_attempts", Value::from(i64::from(q.signals.risk.failed_attempts))),
            ("new_country", Value::from(q.signals.risk.new_country)),
            ("impossible_travel", Value::from(q.signals.risk.impossible_travel)),
        ];
        let mut fixed = names.surroundings(q.signals)?;
        fixed.push(("risk", Value::record(risk, None)));
        fixed.push(("sp_initiated", Value::from(q.sp_initiated)));
        fixed.push(("force_authn", Value::from(q.force_authn)));
        let home = &q.user.home_country;
        let attrs = [("status", Value::from(q.user.status.code())), ("home_country", names.country_uid(home))];
        let who = uid(&names.user, q.user.username.as_str());
        let user = entity(who.clone(), attrs, names.groups(&q.user.groups));
        let mut people_and_places = vec![Arc::new(user), Arc::new(names.country(&q.signals.country, vocabulary))];
        if *home != q.signals.country {
            people_and_places.push(Arc::new(names.country(home, vocabulary)));
        }
        Ok(Self { names, vocabulary, q: *q, who: Arc::new(who), fixed, people_and_places, made: RefCell::default() })
    }

    /// The request for one step. Steps of self-service are asked on the portal.
    pub(super) fn ask(
        &self,
        step: Step,
        role: Option<&RoleName>,
        shown: Shown,
        schema: Option<&Schema>,
    ) -> Result<Asked, RequestError> {
        let action = self.names.action(step)?;
        let app = match step {
            Step::Visit | Step::SignIn | Step::AssumeRole | Step::TrustDevice => self.q.app,
            Step::Enroll
            | Step::RemoveMethod
            | Step::ChangeContact
            | Step::ChangePassword
            | Step::Recover
            | Step::RemoveDevice => self.vocabulary.app(PORTAL).unwrap_or(self.q.app),
        };
        let (resource, entities) = match (step, role) {
            (Step::AssumeRole, Some(role)) => {
                let role_entity = self.role(app, role);
                let (resource, entities) = (role_entity.uid().clone(), self.entities(action, app, &app.roles)?);
                let known = app.roles.contains(role);
                (resource, if known { entities } else { Self::closed_with(&entities, role_entity)? })
            }
            (Step::AssumeRole, None) => return Err(RequestError::NoRole),
            _ => (self.names.app_uid(app), self.entities(action, app, &[])?),
        };
        let (who, facts) = (self.who(), self.facts(step, shown));
        Asked::new((who, action, resource), facts, entities, self.q.signals.now).checked(schema)
    }

    /// The question whether somebody is to be told of how a sign-in came out; `None` when the schema does not know it.
    pub(super) fn ask_notify(
        &self,
        outcome: Outcome,
        shown: Shown,
        schema: Option<&Schema>,
    ) -> Result<Option<Asked>, RequestError> {
        let Some(action) = self.names.notify() else { return Ok(None) };
        let sign_in = Value::record(self.facts(Step::SignIn, shown), None);
        let facts = vec![("sign_in", sign_in), ("outcome", Value::from(outcome.code()))];
        let resource = self.names.app_uid(self.q.app);
        let entities = self.entities(action, self.q.app, &[])?;
        let asked = Asked::new((self.who(), action, resource), facts, entities, self.q.signals.now);
        asked.checked(schema).map(Some)
    }

    fn who(&self) -> EntityUIDEntry {
        EntityUIDEntry::Known { euid: Arc::clone(&self.who), loc: None }
    }

    /// The entities of all questions about an action.
    fn entities(&self, action: &Arc<Entity>, app: &App, roles: &[RoleName]) -> Result<Arc<Entities>, RequestError> {
        if let Some((_, made)) = self.made.borrow().iter().find(|(uid, _)| uid == action.uid()) {
            return Ok(Arc::clone(made));
        }
        let things = [Arc::clone(action), Arc::new(self.names.app(app))];
        let roles = roles.iter().map(|role| self.role(app, role));
        let entities = closed(self.people_and_places.iter().cloned().chain(things).chain(roles))?;
        self.made.borrow_mut().push((action.uid().clone(), Arc::clone(&entities)));
        Ok(entities)
    }

    /// With a role that the app does not have; policies may speak of it all the same.
    fn closed_with(entities: &Entities, role: Arc<Entity>) -> Result<Arc<Entities>, RequestError> {
        closed(entities.iter().map(|one| Arc::new(one.as_ref().clone())).chain([role]))
    }

    fn role(&self, app: &App, role: &RoleName) -> Arc<Entity> {
        let role = uid(&self.names.role, &app.role_entity_id(role));
        Arc::new(entity(role, [], HashSet::from([self.names.app_uid(app)])))
    }

    fn facts(&self, step: Step, shown: Shown) -> Facts {
        let device = self.q.signals.device;
        // INVARIANT: trust spares a challenge for opening apps and nothing else, and never under ForceAuthn.
        let may_trust = matches!(step, Step::SignIn | Step::AssumeRole) && !self.q.force_authn;
        let device = [
            ("known", Value::from(device.known)),
            ("trusted", Value::from(device.trusted && may_trust)),
            ("registered", Value::from(i64::from(device.registered))),
        ];
        let of = |methods: MethodSet| self.names.proofs(methods, classes(methods, self.q.profile));
        let proofs = of(shown.proofs);
        let fresh = if shown.fresh == shown.proofs { proofs.clone() } else { of(shown.fresh) };
        let mut facts = Vec::with_capacity(self.fixed.len() + 3);
        facts.extend(self.fixed.iter().cloned());
        facts.extend([("device", Value::record(device, None)), ("proofs", proofs), ("fresh", fresh)]);
        facts
    }
}
