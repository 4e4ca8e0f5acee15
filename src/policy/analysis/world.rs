//! What config.toml says of the world: which apps there are, which groups lie in which, which countries a list holds. Without
//! it a proof would be about apps and countries that do not exist.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cedar_policy::EntityUid;
use jiff::civil::Date;
use serde_json::Value;

use super::Broken;
use super::scene::Scene;
use super::statement::expression;
use crate::domain::{App, EVERYONE, GroupName};
use crate::policy::vocabulary::Vocabulary;

/// Later than anything a policy speaks of, and a date that everything can write.
const LAST_DAY: &str = "9000-01-01";

/// The world of one question.
pub(super) struct World<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    /// Whether the schema tells the pilot group of apps.
    pub(super) tells_pilot: bool,
    pub(super) today: Date,
    /// What the policies in question write out; facts about anything else cannot matter.
    pub(super) mentioned: &'a BTreeSet<EntityUid>,
}

impl World<'_> {
    /// True in this world, and nowhere else.
    pub(super) fn condition(&self, scene: &Scene) -> Result<Value, Broken> {
        let facts = scene.facts();
        let mut all = vec![
            format!("{facts}.time.now >= datetime(\"{}\")", self.today),
            format!("{facts}.time.now < datetime(\"{LAST_DAY}\")"),
        ];
        if let Some(app) = &scene.app {
            all.extend(self.resource(scene, app));
        }
        if scene.is_about_people() {
            all.extend(self.groups("principal"));
            all.extend(self.lists("principal.home_country"));
        }
        if scene.app.is_none() && scene.resource().to_string() == "User" {
            all.extend(self.groups("resource"));
        }
        if scene.principal().to_string() == "Anonymous" {
            all.push("principal == Anonymous::\"visitor\"".to_owned());
        }
        let networks: Vec<_> = self.vocabulary.networks.iter().map(|name| format!("Network::\"{name}\"")).collect();
        all.push(if networks.is_empty() {
            format!("{facts}.net.networks.isEmpty()")
        } else {
            format!("[{}].containsAll({facts}.net.networks)", networks.join(", "))
        });
        all.extend(self.lists(&format!("{facts}.net.country")));
        expression(&all.join(" && "))
    }

    fn resource(&self, scene: &Scene, app: &App) -> Vec<String> {
        if scene.resource().to_string() == "Role" {
            let roles: Vec<_> =
                app.roles.iter().map(|role| format!("resource == Role::\"{}\"", app.role_entity_id(role))).collect();
            let mut facts = vec![format!("({})", roles.join(" || ")), format!("resource in App::\"{}\"", app.id)];
            facts.extend(
                self.ids("App").filter(|id| *id != app.id.as_str()).map(|id| format!("!(resource in App::\"{id}\")")),
            );
            return facts;
        }
        let mut facts =
            vec![format!("resource == App::\"{}\"", app.id), format!("resource.device_limit == {}", app.device_limit)];
        if self.tells_pilot {
            let pilot = app.pilot.as_ref().map_or(EVERYONE, GroupName::as_str);
            facts.push(format!("resource.pilot == Group::\"{pilot}\""));
        }
        facts
    }

    /// Everybody is in `everyone`, and whoever is in a group is in those it lies in.
    fn groups(&self, who: &str) -> Vec<String> {
        let mut facts = vec![format!("{who} in Group::\"{EVERYONE}\"")];
        let known = self.ids("Group").filter_map(|id| GroupName::parse(id).ok());
        for group in
            known.chain(self.vocabulary.apps.iter().filter_map(|app| app.pilot.clone())).collect::<BTreeSet<_>>()
        {
            for holds in self.vocabulary.closure(&[group.clone()].into()) {
                if holds != group && holds.as_str() != EVERYONE && self.ids("Group").any(|id| id == holds.as_str()) {
                    facts.push(format!("(!({who} in Group::\"{group}\") || {who} in Group::\"{holds}\")"));
                }
            }
        }
        facts
    }

    /// A country is in a list when config.toml says so.
    fn lists(&self, country: &str) -> Vec<String> {
        let lists = self.vocabulary.country_lists.iter();
        let lists = lists.filter(|(name, _)| self.ids("CountryList").any(|id| id == name.as_str()));
        lists
            .map(|(name, countries)| {
                let each = countries.iter().fold(String::new(), |mut each, code| {
                    let _ =
                        write!(each, "{}{country} == Country::\"{code}\"", if each.is_empty() { "" } else { " || " });
                    each
                });
                let each = if each.is_empty() { "false" } else { &each };
                format!("(({country} in CountryList::\"{name}\") == ({each}))")
            })
            .collect()
    }

    fn ids(&self, kind: &str) -> impl Iterator<Item = &str> {
        let these = self.mentioned.iter().filter(move |uid| uid.type_name().to_string() == kind);
        these.map(|uid| uid.id().as_ref())
    }
}
