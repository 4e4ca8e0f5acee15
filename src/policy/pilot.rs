//! Apps that are tried out by a group first. That nobody else opens them is a policy, like all else; here is made sure that
//! there is one, because a `pilot_group` without it would keep nobody out.

use serde_json::Value;

use super::bundle::{Standing, Stored};
use super::request::Names;
use super::vocabulary::Vocabulary;

/// The attribute of an app.
const ATTRIBUTE: &str = "pilot";
const HELP: &str = "docs/policies.md has both under “Trying an app out”";

/// Why the pilot groups of config.toml would have no effect, and what to do; nothing when they have, or when there are none.
pub(super) fn refuse(
    vocabulary: &Vocabulary,
    names: &Names,
    policies: &[Stored],
) -> Result<(), (String, &'static str)> {
    let Some(app) = vocabulary.apps.iter().find(|app| app.pilot.is_some()) else { return Ok(()) };
    if !names.tells_pilot() {
        let message =
            format!("the app `{}` has a `pilot_group`, but here `App` has no attribute `pilot: Group`", app.id);
        return Err((message, HELP));
    }
    // A name may be written with escapes; what has neither cannot be it, and is not parsed again to see.
    let may_read = |stored: &&Stored| stored.text().contains(ATTRIBUTE) || stored.text().contains('\\');
    let mut in_force = policies.iter().filter(|stored| stored.standing == Standing::InForce).filter(may_read);
    if in_force.any(|stored| stored.policy.to_json().is_ok_and(|policy| reads(&policy))) {
        return Ok(());
    }
    let message = format!("the app `{}` has a `pilot_group`, but no policy in force reads `resource.pilot`", app.id);
    Err((message, HELP))
}

/// Whether a policy in Cedar's JSON form reads the attribute anywhere.
fn reads(policy: &Value) -> bool {
    match policy {
        Value::Object(object) => {
            object.get(".").and_then(|get| get.get("attr")).is_some_and(|attr| attr == ATTRIBUTE)
                || object.values().any(reads)
        }
        Value::Array(items) => items.iter().any(reads),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::samples::{group, shipped_sources, today};
    use crate::policy::{Bundle, BundleErrors, PolicySources, Vocabulary};

    /// The sample apps, the wiki tried out by `contractors`.
    fn vocabulary() -> Vocabulary {
        let mut vocabulary = crate::policy::samples::vocabulary();
        for app in vocabulary.apps.iter_mut().filter(|app| app.id.as_str() == "wiki") {
            app.pilot = Some(group("contractors"));
        }
        vocabulary
    }

    fn load(change: impl Fn(&str) -> String, vocabulary: Vocabulary) -> Result<Bundle, BundleErrors> {
        let mut sources: PolicySources = shipped_sources();
        sources.schema.text = change(&sources.schema.text);
        for file in &mut sources.policies {
            file.text = change(&file.text);
        }
        Bundle::parse(&sources, vocabulary, today())
    }

    /// Schema and policies from before there were pilot groups.
    fn older(text: &str) -> String {
        let text = text.lines().filter(|line| !line.contains("pilot: Group")).collect::<Vec<_>>().join("\n");
        text.split("@id(\"app.pilot\")").next().unwrap().to_owned()
    }

    fn without_policy(text: &str) -> String {
        text.split("@id(\"app.pilot\")").next().unwrap().to_owned()
    }

    fn on_trial(text: &str) -> String {
        text.replace("@id(\"app.pilot\")", "@id(\"app.pilot\") @mode(\"report\")")
    }

    #[test]
    fn files_from_before_pilot_groups_load_as_long_as_there_is_none() {
        load(older, crate::policy::samples::vocabulary()).unwrap();
        let told = load(older, vocabulary()).unwrap_err().to_string();
        assert!(told.contains("`wiki` has a `pilot_group`, but here `App` has no attribute `pilot: Group`"), "{told}");
    }

    #[test]
    fn a_pilot_group_that_would_keep_nobody_out_does_not_load() {
        load(str::to_owned, vocabulary()).unwrap();
        for change in [without_policy as fn(&str) -> String, on_trial] {
            let told = load(change, vocabulary()).unwrap_err().to_string();
            assert!(told.contains("no policy in force reads `resource.pilot`"), "{told}");
        }
    }

    #[test]
    fn a_policy_of_ones_own_will_do() {
        let own = |text: &str| {
            if text.contains("app.pilot") {
                return without_policy(text)
                    + "@id(\"own\") @description(\"d\") forbid (principal is User, action, resource is App)\n\
                       unless { principal in resource[\"pilot\"] || principal in Group::\"contractors\" };";
            }
            text.to_owned()
        };
        load(own, vocabulary()).unwrap();
    }
}
