//! What config.toml said before, where it says something else now. A comparison takes place in the world of today, so what the
//! earlier policies read of their own is written into them.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;
use serde_json::{Value, json};

use crate::domain::{App, Country, EVERYONE, GroupName};
use crate::policy::vocabulary::Vocabulary;

/// What differs for one app.
pub(super) struct Earlier<'a> {
    was: Option<&'a App>,
    is: Option<&'a App>,
    before: &'a Vocabulary,
    after: &'a Vocabulary,
}

impl<'a> Earlier<'a> {
    pub(super) fn new(before: &'a Vocabulary, after: &'a Vocabulary, app: Option<&App>) -> Self {
        let find = |vocabulary: &'a Vocabulary| vocabulary.app(app?.id.as_str());
        Self { was: find(before), is: find(after), before, after }
    }

    /// `condition` as it was meant before.
    pub(super) fn meant(&self, condition: Value) -> Value {
        match condition {
            Value::Object(object) => self.told(&object).unwrap_or_else(|| {
                Value::Object(object.into_iter().map(|(key, value)| (key, self.meant(value))).collect())
            }),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.meant(item)).collect()),
            other => other,
        }
    }

    fn told(&self, object: &serde_json::Map<String, Value>) -> Option<Value> {
        if let Some(get) = object.get(".") {
            let (was, is) = (self.was?, self.is?);
            (get.get("left")? == &json!({ "Var": "resource" })).then_some(())?;
            return match get.get("attr")?.as_str()? {
                "device_limit" if was.device_limit != is.device_limit => Some(json!({ "Value": was.device_limit })),
                "pilot" if was.pilot != is.pilot => {
                    let group = was.pilot.as_ref().map_or(EVERYONE, GroupName::as_str);
                    Some(entity("Group", group))
                }
                _ => None,
            };
        }
        let within = object.get("in")?;
        let list = within
            .pointer("/right/Value/__entity")
            .filter(|list| list.get("type").is_some_and(|kind| kind == "CountryList"))?;
        let name = list.get("id")?.as_str()?;
        let countries = |vocabulary: &'a Vocabulary| {
            vocabulary.country_lists.iter().find(|(list, _)| list.as_str() == name).map(|(_, countries)| countries)
        };
        let (was, is): (&BTreeSet<Country>, _) = (countries(self.before)?, countries(self.after)?);
        (was != is).then_some(())?;
        let country = self.meant(within.get("left")?.clone());
        if was.is_empty() {
            return Some(json!({ "Value": false }));
        }
        let each: Vec<Value> = was.iter().map(|country| entity("Country", country.as_str())).collect();
        Some(json!({ "contains": { "left": { "Set": each }, "right": country } }))
    }
}

fn entity(kind: &str, id: &str) -> Value {
    json!({ "Value": { "__entity": { "type": kind, "id": id } } })
}

/// The apps of which the two say something different: none of them stands for another.
pub(super) fn changed_apps(before: &Vocabulary, after: &Vocabulary) -> impl Iterator<Item = EntityUid> {
    let differs = |app: &&App| {
        before.app(app.id.as_str()).is_none_or(|was| was.device_limit != app.device_limit || was.pilot != app.pilot)
    };
    let ids = after.apps.iter().filter(differs).map(|app| format!("App::\"{}\"", app.id));
    ids.filter_map(|id| id.parse().ok()).collect::<Vec<_>>().into_iter()
}
