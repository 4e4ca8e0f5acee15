//! What the solver found, as a sign-in: read out of its model, asked again of the policies, made as small as it gets.

use std::collections::BTreeMap;

use cedar_policy::{AuthorizationError, Authorizer, Entities, EntityUid, EvalResult, Policy, PolicySet, Request};
use cedar_policy_symcc::Env;

use super::scene::Scene;
use super::solver::Query;
use super::{Analysis, shrink, words};
use crate::clock::Timestamp;
use crate::domain::{
    Country, DecisionKind, EmailAddress, GroupName, Method, MethodSet, NetworkName, Profile, Repertoire, Required,
    RoleName, SignalSet, Step, UnknownSignal, User, UserId, UserStatus, Username,
};
use crate::domain::{DeviceFacts, RiskFacts};
use crate::policy::bundle::{Bundle, Standing};
use crate::policy::request::{self, Asked, Shown};
use crate::policy::situation::{Asks, Situation};

/// A sign-in that could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// In a sentence.
    pub words: String,
    /// What is decided, with every method at hand; `None` for acts that are no step of a sign-in.
    pub decision: Option<DecisionKind>,
    /// The policies behind it.
    pub by: Vec<String>,
    /// The policies that cannot be evaluated.
    pub failed: Vec<String>,
    /// The same, to be pasted into `policies/tests`; `None` where tests cannot say it.
    pub case: Option<String>,
}

impl Analysis {
    /// What was found, once the policies have confirmed that it is decided like this.
    pub(super) fn example(
        &self,
        env: &Env,
        query: &Query<'_>,
        scene: &Scene,
        allowed: bool,
        name: &str,
    ) -> Result<Example, String> {
        let met = |situation: &Situation| {
            is_met(&self.bundle, query, scene, situation) && allows(&self.bundle, situation) == allowed
        };
        let found = confirmed(env, query, scene, &self.bundle, met)?;
        Ok(found.map_or_else(|raw| raw, |situation| words::example(&self.bundle, &situation, name)))
    }

    /// What was found where a policy fails.
    pub(super) fn failing_example(&self, env: &Env, query: &Query<'_>, scene: &Scene) -> Result<Example, String> {
        let met = |situation: &Situation| is_met(&self.bundle, query, scene, situation);
        let found = confirmed(env, query, scene, &self.bundle, met)?;
        let name = "every policy can be evaluated";
        Ok(found.map_or_else(|raw| raw, |situation| words::example(&self.bundle, &situation, name)))
    }
}

/// The smallest sign-in like the one in the model of which `met` is true; the model as it is, where the scene is no step of a
/// sign-in.
pub(super) fn confirmed(
    env: &Env,
    query: &Query<'_>,
    scene: &Scene,
    bundle: &Bundle,
    met: impl Fn(&Situation) -> bool,
) -> Result<Result<Situation, Example>, String> {
    if !query.is_met_by(&env.request, &env.entities) {
        return Err("Cedar's evaluator does not confirm what the solver found".to_owned());
    }
    if scene.step.is_none() {
        return Ok(Err(raw(env, scene, bundle)));
    }
    let found = [Profile::Compat, Profile::L2]
        .into_iter()
        .filter_map(|profile| read(env, query, scene, bundle, profile))
        .find(|situation| met(situation))
        .ok_or_else(|| format!("no sign-in can be like what the solver found ({})", model(env)))?;
    Ok(Ok(shrink::smallest(found, met)))
}

/// Whether it is allowed as it stands.
pub(super) fn allows(bundle: &Bundle, situation: &Situation) -> bool {
    let q = situation.question();
    match &situation.asks {
        Asks::Step(Step::Visit) => bundle.visit(q.app, q.signals).allowed,
        Asks::Role(role) => bundle.evaluate(Step::AssumeRole, Some(role), &q).allowed,
        Asks::Step(step) => bundle.evaluate(*step, None, &q).allowed,
        Asks::Open(_) => bundle.evaluate(Step::SignIn, None, &q).allowed,
    }
}

/// Whether a sign-in like this is what is looked for, in the words in which the policies are really asked.
pub(super) fn is_met(bundle: &Bundle, query: &Query<'_>, scene: &Scene, situation: &Situation) -> bool {
    asked(bundle, scene, situation).is_some_and(|asked| query.is_met_by(&asked.request, &asked.entities))
}

/// As the policies are asked about it; `None` where they are not.
pub(super) fn asked(bundle: &Bundle, scene: &Scene, situation: &Situation) -> Option<Asked> {
    let (step, q) = (scene.step?, situation.question());
    if step == Step::Visit {
        return request::visit(bundle.names(), bundle.vocabulary(), q.app, q.signals, None).ok();
    }
    let role = match &situation.asks {
        Asks::Role(role) => Some(role),
        _ => None,
    };
    bundle.prepare(&q).ok()?.ask(step, role, Shown::of(&q), None).ok()
}

/// The sign-in that the model means. The profile is not in it.
fn read(env: &Env, query: &Query<'_>, scene: &Scene, bundle: &Bundle, profile: Profile) -> Option<Situation> {
    let (request, entities) = (&env.request, &env.entities);
    let context = Facts(request);
    let mut countries = Countries::new(query, bundle);
    let proofs = context.methods("proofs");
    let principal = request.principal()?;
    let user = user(principal, entities, bundle, &mut countries)?;
    let role = match (scene.step?, request.resource()?) {
        (Step::AssumeRole, uid) => Some(RoleName::parse(id(uid).split_once('/')?.1).ok()?),
        _ => None,
    };
    let signals = context.signals(bundle, &mut countries)?;
    let situation = Situation {
        user,
        app: scene.app.clone()?,
        asks: role.map_or(Asks::Step(scene.step?), Asks::Role),
        proofs,
        fresh: context.methods("fresh"),
        signals,
        sp_initiated: context.flag(&["sp_initiated"]).unwrap_or(false),
        force_authn: context.flag(&["force_authn"]).unwrap_or(false),
        required: Required::NOTHING,
        profile,
        repertoire: Repertoire {
            enrolled: Method::ALL.into(),
            lost: Vec::new(),
            enrollable: Vec::new(),
            last_used: None,
        },
    };
    Some(situation)
}

fn user(principal: &EntityUid, entities: &Entities, bundle: &Bundle, countries: &mut Countries) -> Option<User> {
    let entity = entities.get(principal);
    let text = |name: &str| match entity?.attr(name)?.ok()? {
        EvalResult::String(text) => Some(text),
        EvalResult::EntityUid(uid) => Some(id(&uid)),
        _ => None,
    };
    let groups = entities
        .ancestors(principal)
        .into_iter()
        .flatten()
        .filter(|uid| uid.type_name().to_string() == "Group")
        .filter_map(|uid| GroupName::parse(&id(uid)).ok())
        .filter(|group| group.as_str() != crate::domain::EVERYONE && bundle.vocabulary().groups.contains_key(group))
        .collect();
    let status = match text("status").as_deref() {
        Some("pending") => UserStatus::Pending,
        Some("suspended") => UserStatus::Suspended,
        _ => UserStatus::Active,
    };
    Some(User {
        id: UserId::parse("00000000-0000-7000-8000-000000000000")?,
        username: Username::parse(&id(principal)).or_else(|_| Username::parse("somebody")).ok()?,
        email: EmailAddress::parse("somebody@example.com").ok()?,
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups,
        home_country: text("home_country").map_or_else(Country::unknown, |code| countries.of(&code)),
        time_zone: None,
        language: None,
        status,
        session_epoch: 0,
        devices_since: None,
    })
}

fn id(uid: &EntityUid) -> String {
    let id: &str = uid.id().as_ref();
    id.to_owned()
}

/// The context of a request, read by path.
struct Facts<'a>(&'a Request);

impl Facts<'_> {
    fn at(&self, path: &[&str]) -> Option<EvalResult> {
        let (first, rest) = path.split_first()?;
        let mut value = self.0.context()?.get(first)?;
        for key in rest {
            let EvalResult::Record(record) = &value else { return None };
            value = record.get(key)?.clone();
        }
        Some(value)
    }

    fn flag(&self, path: &[&str]) -> Option<bool> {
        match self.at(path)? {
            EvalResult::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    fn number<T: TryFrom<i64>>(&self, path: &[&str]) -> Option<T> {
        match self.at(path)? {
            EvalResult::Long(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    fn set(&self, path: &[&str]) -> Vec<String> {
        match self.at(path) {
            Some(EvalResult::Set(set)) => set
                .iter()
                .filter_map(|one| match one {
                    EvalResult::EntityUid(uid) => Some(id(uid)),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn methods(&self, set: &str) -> MethodSet {
        self.set(&[set]).iter().filter_map(|code| Method::parse(code)).collect()
    }

    fn signals(&self, bundle: &Bundle, countries: &mut Countries) -> Option<SignalSet> {
        let extension = |path: &[&str]| match self.at(path)? {
            EvalResult::ExtensionValue(text) => Some(text),
            _ => None,
        };
        let country = match self.at(&["net", "country"])? {
            EvalResult::EntityUid(uid) => countries.of(&id(&uid)),
            _ => return None,
        };
        // `ip("192.0.2.7/32")`
        let ip = extension(&["net", "ip"]).and_then(|ip| ip.split(['"', '/']).nth(1)?.parse().ok());
        let networks = self.set(&["net", "networks"]);
        let networks = networks.iter().filter_map(|name| NetworkName::parse(name).ok());
        let missing = self.set(&["unknown"]);
        let now = extension(&["time", "now"]).and_then(|now| instant(&now));
        Some(SignalSet {
            ip: ip.unwrap_or_else(|| std::net::IpAddr::from([192, 0, 2, 7])),
            country,
            place: None,
            asn: self.number(&["net", "asn"])?,
            networks: networks.filter(|name| bundle.vocabulary().networks.contains(name)).collect(),
            anonymous: self.flag(&["net", "anonymous"])?,
            now: now.unwrap_or(Timestamp::UNIX_EPOCH),
            hour: self.number(&["time", "hour"])?,
            weekday: self.number(&["time", "weekday"])?,
            device: DeviceFacts {
                known: self.flag(&["device", "known"]).unwrap_or(true),
                trusted: self.flag(&["device", "trusted"]).unwrap_or(false),
                registered: self.number(&["device", "registered"]).unwrap_or(1),
            },
            risk: RiskFacts {
                failed_attempts: self.number(&["risk", "failed_attempts"]).unwrap_or(0),
                new_country: self.flag(&["risk", "new_country"]).unwrap_or(false),
                impossible_travel: self.flag(&["risk", "impossible_travel"]).unwrap_or(false),
            },
            unknown: UnknownSignal::ALL.into_iter().filter(|s| missing.iter().any(|code| code == s.code())).collect(),
        })
    }
}

/// `offset(datetime("1970-01-01"), duration("1795824000000ms"))`
fn instant(text: &str) -> Option<Timestamp> {
    let span = text.split('"').rev().find_map(|part| part.strip_suffix("ms"))?;
    Timestamp::from_millisecond(span.parse().ok()?).ok()
}

/// Countries of a model that are none stand for any other: each gets a code of which nothing in the question speaks.
struct Countries {
    free: Vec<Country>,
    given: BTreeMap<String, Country>,
}

impl Countries {
    fn new(query: &Query<'_>, bundle: &Bundle) -> Self {
        let named: Vec<String> = query
            .first
            .policies()
            .chain(query.second.policies())
            .flat_map(Policy::entity_literals)
            .filter(|uid| uid.type_name().to_string() == "Country")
            .map(|uid| id(&uid))
            .chain(bundle.vocabulary().country_lists.values().flatten().map(ToString::to_string))
            .collect();
        let some = [
            "DE", "FR", "IT", "ES", "PT", "SE", "PL", "NL", "CH", "AT", "IS", "NZ", "JP", "CA", "BR", "KE", "UY", "FJ",
            "TO", "WS", "VU", "PW", "NU",
        ];
        let free = some.into_iter().rev().filter(|code| !named.iter().any(|other| other == code));
        Self { free: free.filter_map(|code| Country::parse(code).ok()).collect(), given: BTreeMap::new() }
    }

    fn of(&mut self, code: &str) -> Country {
        if let Some(given) = self.given.get(code) {
            return given.clone();
        }
        let country = Country::parse(code).ok().or_else(|| self.free.pop()).unwrap_or_else(Country::unknown);
        self.free.retain(|free| *free != country);
        self.given.insert(code.to_owned(), country.clone());
        country
    }
}

/// What no sign-in can be made of, as Cedar writes it.
fn raw(env: &Env, scene: &Scene, bundle: &Bundle) -> Example {
    let who = env.request.principal().map_or_else(|| "Somebody".to_owned(), actor);
    let what = env.request.resource().map_or_else(|| "something".to_owned(), ToString::to_string);
    let words = format!("{who} asks for `{}` on {what}.", AsRef::<str>::as_ref(scene.action().id()));
    let in_force = bundle.policies().iter().filter(|stored| stored.standing == Standing::InForce);
    let set = PolicySet::from_policies(in_force.map(|stored| stored.policy.clone())).unwrap_or_default();
    let response = Authorizer::new().is_authorized(&env.request, &set, &env.entities);
    let by = response.diagnostics().reason().map(ToString::to_string).collect();
    let failed = response.diagnostics().errors().map(|error| {
        let AuthorizationError::PolicyEvaluationError(error) = error;
        error.policy_id().to_string()
    });
    Example { words, decision: None, by, failed: failed.collect(), case: None }
}

/// Who acts, if not by a name then by what they are.
fn actor(uid: &EntityUid) -> String {
    match (uid.type_name().basename(), uid.id().unescaped()) {
        ("User", "") => "Somebody".to_owned(),
        ("ApiToken", "") => "Some API token".to_owned(),
        ("LocalOperator", "") => "Some local operator".to_owned(),
        _ => uid.to_string(),
    }
}

/// The whole model, for whoever has to look into a mistake of ours.
fn model(env: &Env) -> String {
    let context = env.request.context().and_then(|context| context.to_json_value().ok());
    let entities = env.entities.to_json_value().map(|entities| entities.to_string()).unwrap_or_default();
    format!("{}, context {}, entities {entities}", env.request, context.unwrap_or_default())
}
