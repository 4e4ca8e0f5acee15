//! What differs in config.toml, as far as policies speak of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use ipnet::IpNet;

use super::text::What;
use crate::domain::{App, EVERYONE, GroupName, NetworkName};
use crate::policy::{Bundle, networks};
use crate::runtime::Candidate;

/// One name that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) what: What,
    /// What of it, where it is on both sides.
    pub(super) detail: String,
}

/// A network that holds other addresses than before, and who speaks of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) name: NetworkName,
    pub(super) added: Vec<IpNet>,
    pub(super) removed: Vec<IpNet>,
    /// The policies of either side that name it.
    pub(super) policies: BTreeSet<String>,
    /// The invariants of either side that name it.
    pub(super) invariants: BTreeSet<String>,
}

/// Every network of which the addresses differ: it may be written otherwise and hold the same.
pub(super) fn moved(before: (&Candidate, &Bundle), after: (&Candidate, &Bundle)) -> Vec<Moved> {
    let (old, new) = (&before.0.config.networks, &after.0.config.networks);
    let names: BTreeSet<&NetworkName> = old.keys().chain(new.keys()).collect();
    let nothing = Vec::new();
    let moved = names.into_iter().map(|name| {
        let (was, is) = (old.get(name).unwrap_or(&nothing), new.get(name).unwrap_or(&nothing));
        let sides = || [before, after].into_iter();
        Moved {
            name: name.clone(),
            added: networks::difference(is, was),
            removed: networks::difference(was, is),
            policies: sides().flat_map(|(_, bundle)| networks::policies_naming(bundle, name)).collect(),
            invariants: sides().flat_map(|(of, _)| networks::invariants_naming(&of.sources, name)).collect(),
        }
    });
    moved.filter(|moved| !moved.added.is_empty() || !moved.removed.is_empty()).collect()
}

/// Every name that differs.
pub(super) fn changes(before: &Candidate, after: &Candidate) -> Vec<Name> {
    let (old, new) = (&before.vocabulary, &after.vocabulary);
    let groups = |groups: &BTreeMap<GroupName, BTreeSet<GroupName>>| {
        groups.iter().map(|(name, within)| (name.to_string(), vec![listed(within)])).collect()
    };
    let apps = |apps: &[App]| apps.iter().map(|app| (app.id.to_string(), facts(app))).collect();
    let blocks = |candidate: &Candidate| {
        let told = candidate.config.networks.iter().map(|(name, blocks)| (name.to_string(), vec![listed(blocks)]));
        told.collect()
    };
    let lists = |of: &Candidate| {
        let lists = of.vocabulary.country_lists.iter();
        lists.map(|(name, countries)| (name.to_string(), vec![listed(countries)])).collect()
    };
    // The clock that hours and weekdays are told by.
    let zones = |of: &Candidate| {
        let apps = of.config.apps.iter().filter_map(|app| Some((app.id.to_string(), app.time_zone.as_ref()?)));
        let all = apps.chain([("organisation".to_owned(), &of.config.organisation.time_zone)]);
        all.map(|(name, zone)| (name, vec![zone.to_string()])).collect()
    };
    let mut names = differing("app", apps(&old.apps), apps(&new.apps));
    names.extend(differing("group", groups(&old.groups), groups(&new.groups)));
    names.extend(differing("network", blocks(before), blocks(after)));
    names.extend(differing("country list", lists(before), lists(after)));
    names.extend(differing("time zone", zones(before), zones(after)));
    names
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(" ") }
}

fn facts(app: &App) -> Vec<String> {
    let pilot = app.pilot.as_ref().map_or(EVERYONE, GroupName::as_str);
    vec![
        format!("device_limit = {}", app.device_limit),
        format!("for {pilot}"),
        format!("roles: {}", listed(&app.roles)),
    ]
}

/// Names with what is said of each, fact by fact.
type Told = BTreeMap<String, Vec<String>>;

fn differing(kind: &'static str, before: Told, mut after: Told) -> Vec<Name> {
    let mut names = Vec::new();
    for (name, was) in before {
        let (what, detail) = match after.remove(&name) {
            None => (What::Removed, String::new()),
            Some(is) if is == was => continue,
            Some(is) => {
                let pairs = was.iter().zip(&is).filter(|(was, is)| was != is);
                let pairs: Vec<String> = pairs.map(|(was, is)| format!("{was} → {is}")).collect();
                (What::Changed, pairs.join("; "))
            }
        };
        names.push(Name { kind, name, what, detail });
    }
    let created = after.into_iter().map(|(name, is)| Name { kind, name, what: What::Created, detail: is.join(", ") });
    names.extend(created);
    names
}
