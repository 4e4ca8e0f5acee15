//! The kinds of questions that policies are asked: a step, by a kind of principal, before an app.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Entities, EntityTypeName, EntityUid, RequestEnv, Schema};
use serde_json::{Value, json};

use super::statement::Statement;
use crate::domain::{App, CONSOLE, PORTAL, Step};
use crate::policy::request::STEPS;
use crate::policy::vocabulary::Vocabulary;

/// One kind of question. What is proved, is proved for each of them.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The action, the kinds of principal and resource.
    pub(super) asked: RequestEnv,
    /// The step, where cedargate asks for it; acts of the console and `notify` are none.
    pub(super) step: Option<Step>,
    /// The app that is opened, or whose role is taken on; `None` where somebody is acted upon.
    pub(super) app: Option<App>,
    /// How many more apps or acts there are of which the policies say the same.
    pub(super) alike: usize,
}

impl Scene {
    /// All there are. Apps that no policy names, and that config.toml tells the same of, are one.
    pub(super) fn all(schema: &Schema, vocabulary: &Vocabulary, mentioned: &BTreeSet<EntityUid>) -> Vec<Self> {
        let mut asked: Vec<RequestEnv> = schema.request_envs().collect();
        let order = |action: &str| STEPS.iter().position(|step| step.action() == action).unwrap_or(STEPS.len());
        asked.sort_by_cached_key(|env| {
            let action: &str = env.action().id().as_ref();
            (order(action), action.to_owned(), env.principal().to_string(), env.resource().to_string())
        });
        asked.into_iter().flat_map(|env| Self::of(&env, vocabulary, mentioned)).collect()
    }

    fn of(env: &RequestEnv, vocabulary: &Vocabulary, mentioned: &BTreeSet<EntityUid>) -> Vec<Self> {
        let action: &str = env.action().id().as_ref();
        let step = STEPS.into_iter().find(|step| step.action() == action);
        let kind = env.resource().to_string();
        let only = |id: &str| vocabulary.apps.iter().filter(|app| app.id.as_str() == id).cloned().collect::<Vec<_>>();
        let apps = match (kind.as_str(), step) {
            ("Role", _) => vocabulary.apps.iter().filter(|app| !app.roles.is_empty()).cloned().collect(),
            ("App", Some(Step::Visit | Step::SignIn | Step::TrustDevice | Step::AssumeRole)) => vocabulary.apps.clone(),
            ("App", None) if action == "notify" => vocabulary.apps.clone(),
            // People look after their own on the portal, and after others in the console.
            ("App", Some(_)) => only(PORTAL),
            ("App", None) => only(CONSOLE),
            _ => return vec![Self { asked: env.clone(), step, app: None, alike: 0 }],
        };
        let named = |app: &App| {
            mentioned.iter().any(|uid| {
                let (kind, id): (String, &str) = (uid.type_name().to_string(), uid.id().as_ref());
                (kind == "App" && id == app.id.as_str())
                    || (kind == "Role" && id.split('/').next() == Some(app.id.as_str()))
            })
        };
        let mut scenes: Vec<Self> = Vec::new();
        // The reserved apps come first in the vocabulary, and last here: an app that people know stands for the others.
        for app in apps.iter().rev() {
            let same = |scene: &&mut Self| {
                let other = scene.app.as_ref();
                other.is_some_and(|other| {
                    !named(other) && other.device_limit == app.device_limit && other.pilot == app.pilot
                })
            };
            match scenes.iter_mut().find(same).filter(|_| !named(app)) {
                Some(scene) => scene.alike += 1,
                None => scenes.push(Self { asked: env.clone(), step, app: Some(app.clone()), alike: 0 }),
            }
        }
        scenes.reverse();
        scenes
    }

    /// Of acts in the console of which the policies say the same, one stands for all.
    pub(super) fn told_apart(
        scenes: Vec<Self>,
        statements: &[&Statement],
        actions: &Entities,
        contexts: &BTreeMap<String, Value>,
    ) -> Vec<Self> {
        let matter = |scene: &Self| -> Vec<bool> { statements.iter().map(|one| one.matters(scene, actions)).collect() };
        if statements.iter().any(|one| one.looks_at_the_action()) {
            return scenes;
        }
        let mut apart: Vec<(Vec<bool>, Self)> = Vec::new();
        for scene in scenes {
            let matter = matter(&scene);
            let same = |(others, other): &&mut (Vec<bool>, Self)| {
                let context = |scene: &Self| contexts.get::<str>(scene.action().id().as_ref());
                other.step.is_none()
                    && !other.is_notify()
                    && scene.step.is_none()
                    && *others == matter
                    && (other.principal(), other.resource()) == (scene.principal(), scene.resource())
                    && other.app == scene.app
                    && context(other).is_some()
                    && context(other) == context(&scene)
            };
            match apart.iter_mut().find(same) {
                Some((_, other)) => other.alike += 1 + scene.alike,
                None => apart.push((matter, scene)),
            }
        }
        apart.into_iter().map(|(_, scene)| scene).collect()
    }

    pub(super) fn action(&self) -> &EntityUid {
        self.asked.action()
    }

    pub(super) fn principal(&self) -> &EntityTypeName {
        self.asked.principal()
    }

    pub(super) fn resource(&self) -> &EntityTypeName {
        self.asked.resource()
    }

    pub(super) fn is_about_people(&self) -> bool {
        self.principal().to_string() == "User"
    }

    pub(super) fn is_notify(&self) -> bool {
        let action: &str = self.action().id().as_ref();
        action == "notify"
    }

    /// `context.time.now`
    pub(super) fn now(&self) -> Value {
        let get = |left: Value, attr: &str| json!({ ".": { "left": left, "attr": attr } });
        let context = json!({ "Var": "context" });
        let context = if self.is_notify() { get(context, "sign_in") } else { context };
        get(get(context, "time"), "now")
    }

    /// Where in the context the facts are.
    pub(super) fn facts(&self) -> &'static str {
        if self.is_notify() { "context.sign_in" } else { "context" }
    }

    /// Whether the resource can be this one.
    pub(super) fn may_be(&self, uid: &EntityUid) -> bool {
        let id: &str = uid.id().as_ref();
        uid.type_name() == self.resource()
            && self.app.as_ref().is_none_or(|app| match self.resource().to_string().as_str() {
                "App" => id == app.id.as_str(),
                "Role" => app.roles.iter().any(|role| id == app.role_entity_id(role)),
                _ => true,
            })
    }

    /// Whether the resource can lie in this one: roles lie in their app, people in groups.
    pub(super) fn may_lie_in(&self, uid: &EntityUid) -> bool {
        let id: &str = uid.id().as_ref();
        match (self.resource().to_string().as_str(), uid.type_name().to_string().as_str()) {
            ("Role", "App") => self.app.as_ref().is_some_and(|app| id == app.id.as_str()),
            ("User", "Group") => true,
            _ => self.may_be(uid),
        }
    }
}

impl std::fmt::Display for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let action: &str = self.action().id().as_ref();
        write!(f, "{action}")?;
        match &self.app {
            Some(app) => write!(f, " {}", app.id)?,
            None => write!(f, " {}", self.resource())?,
        }
        if self.alike > 0 {
            write!(f, " (and {} like it)", self.alike)?;
        }
        if !self.is_about_people() && self.step != Some(Step::Visit) {
            write!(f, " by {}", self.principal())?;
        }
        Ok(())
    }
}
