//! What differs between two sets: what is created, changed and removed, and what only counts from the next start on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::inventory::{Inventory, Values};
use crate::config::acts_at_start;

/// What happens to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It is another than before.
    Changed,
    /// It is gone.
    Removed,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueChange {
    /// The key; empty where a thing has one value only.
    pub key: String,
    /// In force; none when it was not set.
    pub old: Option<Value>,
    /// In the files; none when it is not set any more.
    pub new: Option<Value>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What happens to it.
    pub kind: ChangeKind,
    /// `group`, `network`, `country list`, `app`, `policy`, `setting` or `file`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// What differs in it.
    pub values: Vec<ValueChange>,
    /// What protected before and does not any more.
    pub loss: Option<&'static str>,
    /// What is permitted now and was not before, or for longer than before.
    pub gain: Option<&'static str>,
}

/// Everything that differs between the set in force and another.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Plan {
    /// What a reload brings.
    pub changes: Vec<Change>,
    /// What waits for the next start.
    pub at_start: Vec<Change>,
}

impl Plan {
    /// What is different in `new`.
    #[must_use]
    pub fn between(old: &Inventory, new: &Inventory) -> Self {
        let mut plan = Self::default();
        for change in settings(&old.settings, &new.settings) {
            if acts_at_start(&change.name) || tls_appears(&change) {
                plan.at_start.push(change);
            } else {
                plan.changes.push(change);
            }
        }
        for (what, old, new) in [
            ("group", &old.groups, &new.groups),
            ("network", &old.networks, &new.networks),
            ("country list", &old.country_lists, &new.country_lists),
            ("app", &old.apps, &new.apps),
            ("policy", &old.policies, &new.policies),
            ("file", &old.files, &new.files),
        ] {
            plan.changes.extend(named(what, old, new));
        }
        plan
    }

    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.at_start.is_empty()
    }

    /// How many of the changes a reload brings are of a kind.
    fn count(&self, kind: ChangeKind) -> usize {
        self.changes.iter().filter(|change| change.kind == kind).count()
    }
}

/// Whether https is spoken at all is settled when the port is bound.
fn tls_appears(change: &Change) -> bool {
    ["server.tls_certificate", "server.tls_key"].contains(&change.name.as_str()) && change.kind != ChangeKind::Changed
}

fn settings(old: &Values, new: &Values) -> Vec<Change> {
    let differing = differences(old, new);
    let one = |value: ValueChange| Change {
        kind: kind(value.old.is_some(), value.new.is_some()),
        what: "setting",
        name: value.key.clone(),
        values: vec![ValueChange { key: String::new(), ..value }],
        loss: None,
        gain: None,
    };
    differing.into_iter().map(one).collect()
}

fn named(what: &'static str, old: &BTreeMap<String, Values>, new: &BTreeMap<String, Values>) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = Values::new();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let (before, after) = (old.get(name), new.get(name));
            Change {
                kind: kind(before.is_some(), after.is_some()),
                what,
                name: name.clone(),
                values: differences(before.unwrap_or(&none), after.unwrap_or(&none)),
                loss: before.filter(|_| what == "policy").and_then(|before| loss(before, after)),
                gain: after.filter(|_| what == "policy").and_then(|after| gain(before, after)),
            }
        })
        .collect()
}

fn kind(before: bool, after: bool) -> ChangeKind {
    match (before, after) {
        (false, _) => ChangeKind::Created,
        (true, true) => ChangeKind::Changed,
        (true, false) => ChangeKind::Removed,
    }
}

fn differences(old: &Values, new: &Values) -> Vec<ValueChange> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| ValueChange { key: key.clone(), old: old.get(key).cloned(), new: new.get(key).cloned() })
        .collect()
}

fn is(values: &Values, key: &str, word: &str) -> bool {
    values.get(key).is_some_and(|value| value == word)
}

/// What a forbid in force protected, when it is one no more.
fn loss(before: &Values, after: Option<&Values>) -> Option<&'static str> {
    if !is(before, "effect", "forbid") || !is(before, "standing", "in-force") {
        return None;
    }
    match after {
        None => Some("a forbid is removed"),
        Some(after) if !is(after, "effect", "forbid") => Some("a forbid becomes a permit"),
        Some(after) if is(after, "standing", "report") => Some("a forbid is only reported any more"),
        Some(after) if !is(after, "standing", "in-force") => Some("a forbid is not in force any more"),
        Some(_) => None,
    }
}

/// What a permit in force lets people do that none did before, or that it did not so long.
fn gain(before: Option<&Values>, after: &Values) -> Option<&'static str> {
    if !is(after, "effect", "permit") || !is(after, "standing", "in-force") {
        return None;
    }
    let Some(before) = before else { return Some("a permit is added") };
    if !is(before, "effect", "permit") {
        return Some("a forbid becomes a permit");
    }
    if is(before, "standing", "report") {
        return Some("a permit on trial comes into force");
    }
    // Days are written as 2027-01-31, so their order is that of their letters.
    let day = |values: &Values| values.get("expires").and_then(Value::as_str).map(str::to_owned);
    match (day(before), day(after)) {
        (Some(_), None) => Some("a permit does not expire any more"),
        (Some(before), Some(after)) if before < after => Some("a permit expires later"),
        _ if is(before, "standing", "expired") => Some("an expired permit permits again"),
        _ => None,
    }
}

impl fmt::Display for Plan {
    /// One line for each thing, one for each value below it, and a sum at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            write!(f, "{change}")?;
        }
        if !self.at_start.is_empty() {
            writeln!(f, "takes effect at the next start:")?;
            for change in &self.at_start {
                write!(f, "{change}")?;
            }
        }
        if self.is_empty() {
            return writeln!(f, "no changes");
        }
        let [created, changed, removed] =
            [ChangeKind::Created, ChangeKind::Changed, ChangeKind::Removed].map(|kind| self.count(kind));
        write!(f, "{created} created, {changed} changed, {removed} removed")?;
        if !self.at_start.is_empty() {
            write!(f, "; {} at the next start", self.at_start.len())?;
        }
        writeln!(f)?;
        if self.changes.iter().any(|change| change.loss.is_some() || change.gain.is_some()) {
            writeln!(
                f,
                "who that concerns: `cedargate policy replay` decides what was decided once more, by these policies"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.kind {
            ChangeKind::Created => '+',
            ChangeKind::Changed => '~',
            ChangeKind::Removed => '-',
        };
        write!(f, "{mark} {} {}", self.what, self.name)?;
        if let Some(loss) = self.loss {
            write!(f, "   LOSS: {loss}")?;
        } else if let Some(gain) = self.gain {
            write!(f, "   GAIN: {gain}")?;
        }
        if let [ValueChange { key, old, new }] = self.values.as_slice()
            && key.is_empty()
        {
            return writeln!(f, ": {}", from_to(old.as_ref(), new.as_ref()));
        }
        writeln!(f)?;
        for ValueChange { key, old, new } in &self.values {
            if key == "text" {
                write_text(f, old.as_ref(), new.as_ref())?;
            } else {
                writeln!(f, "    {key}: {}", from_to(old.as_ref(), new.as_ref()))?;
            }
        }
        Ok(())
    }
}

fn from_to(old: Option<&Value>, new: Option<&Value>) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (Some(old), None) => format!("{old}"),
        (None, Some(new)) => format!("{new}"),
        (None, None) => String::new(),
    }
}

/// The lines of a policy that only one side has.
fn write_text(f: &mut fmt::Formatter<'_>, old: Option<&Value>, new: Option<&Value>) -> fmt::Result {
    let lines = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_str).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let (old, new) = (lines(old), lines(new));
    for line in old.iter().filter(|line| !new.contains(line)) {
        writeln!(f, "    - {line}")?;
    }
    for line in new.iter().filter(|line| !old.contains(line)) {
        writeln!(f, "    + {line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(effect: &str, standing: &str) -> Values {
        [("effect", effect), ("standing", standing), ("text", "…")]
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .into()
    }

    fn with(change: impl FnOnce(&mut Inventory)) -> Inventory {
        let mut inventory = Inventory::empty();
        change(&mut inventory);
        inventory
    }

    #[test]
    fn every_way_to_lose_a_forbid_is_told() {
        let forbid = policy("forbid", "in-force");
        for (before, after, loss) in [
            (&forbid, None, Some("a forbid is removed")),
            (&forbid, Some(policy("permit", "in-force")), Some("a forbid becomes a permit")),
            (&forbid, Some(policy("forbid", "report")), Some("a forbid is only reported any more")),
            (&forbid, Some(policy("forbid", "expired")), Some("a forbid is not in force any more")),
            (&policy("forbid", "report"), None, None),
            (&policy("forbid", "report"), Some(forbid.clone()), None),
            (&policy("permit", "in-force"), None, None),
        ] {
            let old = with(|old| drop(old.policies.insert("a.b".to_owned(), before.clone())));
            let new = with(|new| new.policies.extend(after.clone().map(|after| ("a.b".to_owned(), after))));
            let plan = Plan::between(&old, &new);
            assert_eq!(plan.changes.len(), 1, "{before:?} → {after:?}");
            assert_eq!(plan.changes[0].loss, loss, "{before:?} → {after:?}");
            assert_eq!(plan.to_string().contains("LOSS"), loss.is_some(), "{plan}");
        }
    }

    #[test]
    fn every_way_to_permit_more_is_told() {
        let permit = |standing: &str| policy("permit", standing);
        let until = |standing: &str, day: &str| {
            let mut values = permit(standing);
            values.insert("expires".to_owned(), json!(day));
            values
        };
        for (before, after, gain) in [
            (None, Some(permit("in-force")), Some("a permit is added")),
            (None, Some(until("in-force", "2027-01-31")), Some("a permit is added")),
            (None, Some(permit("report")), None),
            (None, Some(until("expired", "2026-01-31")), None),
            (None, Some(policy("forbid", "in-force")), None),
            (Some(policy("forbid", "in-force")), Some(permit("in-force")), Some("a forbid becomes a permit")),
            (Some(permit("report")), Some(permit("in-force")), Some("a permit on trial comes into force")),
            (
                Some(until("in-force", "2027-01-31")),
                Some(permit("in-force")),
                Some("a permit does not expire any more"),
            ),
            (Some(until("expired", "2026-01-31")), Some(permit("in-force")), Some("a permit does not expire any more")),
            (
                Some(until("in-force", "2027-01-31")),
                Some(until("in-force", "2027-02-28")),
                Some("a permit expires later"),
            ),
            (Some(until("in-force", "2027-02-28")), Some(until("in-force", "2027-01-31")), None),
            (Some(permit("in-force")), Some(until("in-force", "2027-01-31")), None),
            (Some(permit("in-force")), Some(permit("report")), None),
            (Some(permit("in-force")), None, None),
        ] {
            let set = |values: &Option<Values>| {
                with(|set| set.policies.extend(values.clone().map(|values| ("a.b".to_owned(), values))))
            };
            let plan = Plan::between(&set(&before), &set(&after));
            assert_eq!(plan.changes.len(), 1, "{before:?} → {after:?}");
            assert_eq!(plan.changes[0].gain, gain, "{before:?} → {after:?}");
            let is_marked = plan.changes[0].loss.is_some() || gain.is_some();
            assert_eq!(plan.to_string().contains("GAIN") || plan.to_string().contains("LOSS"), is_marked, "{plan}");
            assert_eq!(plan.to_string().contains("who that concerns"), is_marked, "{plan}");
        }
    }

    #[test]
    fn what_waits_for_the_start_stands_apart() {
        let setting = |key: &str, value: Value| with(|set| drop(set.settings.insert(key.to_owned(), value)));
        let old = setting("server.listen", json!("127.0.0.1:1"));
        let new = setting("server.listen", json!("127.0.0.1:2"));
        let plan = Plan::between(&old, &new);
        assert!(plan.changes.is_empty() && plan.at_start.len() == 1 && !plan.is_empty());
        assert_eq!(
            plan.to_string(),
            "takes effect at the next start:\n~ setting server.listen: \"127.0.0.1:1\" → \"127.0.0.1:2\"\n\
             0 created, 0 changed, 0 removed; 1 at the next start\n"
        );
        // Another certificate is taken at once; the first one waits until the port speaks https.
        let tls = |path: &str| setting("server.tls_certificate", json!(path));
        assert_eq!(Plan::between(&tls("a"), &tls("b")).changes.len(), 1);
        assert_eq!(Plan::between(&Inventory::empty(), &tls("b")).at_start.len(), 1);
    }

    #[test]
    fn things_are_told_by_name_with_what_differs_in_them() {
        let app =
            |limit: u32| Values::from([("device_limit".to_owned(), json!(limit)), ("name".to_owned(), json!("A"))]);
        let old = with(|set| {
            set.apps.insert("aws".to_owned(), app(3));
            set.groups.insert("gone".to_owned(), [(String::new(), json!("was here"))].into());
        });
        let new = with(|set| {
            set.apps.insert("aws".to_owned(), app(5));
            set.networks.insert("office".to_owned(), [(String::new(), json!(["10.0.0.0/8"]))].into());
        });
        assert_eq!(
            Plan::between(&old, &new).to_string(),
            "- group gone: \"was here\"\n+ network office: [\"10.0.0.0/8\"]\n~ app aws\n    device_limit: 3 → 5\n\
             1 created, 1 changed, 1 removed\n"
        );
        assert_eq!(Plan::between(&old, &old).to_string(), "no changes\n");
        // When it came into force is no difference.
        let later = with(|set| set.since = "2026-11-22T10:00:00Z".parse().unwrap());
        assert!(Plan::between(&Inventory::empty(), &later).is_empty());
    }
}
