//! From a situation back to the case that says it, as somebody would paste it into the tests.

use toml::Value;

use super::{Case, Signals, StepName};
use crate::domain::{DecisionKind, Step};
use crate::policy::situation::{Asks, Situation};

/// The keys of a case in the order in which they are read.
const KEYS: [&str; 29] = [
    "name",
    "app",
    "step",
    "role",
    "pilot",
    "user",
    "groups",
    "status",
    "shown",
    "earlier",
    "enrolled",
    "lost",
    "enrollable",
    "address",
    "country",
    "time",
    "device",
    "devices",
    "signals",
    "sp_initiated",
    "force_authn",
    "requested",
    "profile",
    "expect",
    "offers",
    "by",
    "message",
    "roles",
    "alerts",
];

impl Case {
    /// The case of a situation, fact by fact: it needs no settings to be understood. It says no moment, only the hour and the
    /// weekday.
    #[must_use]
    pub fn of(name: impl Into<String>, situation: &Situation, expect: DecisionKind) -> Self {
        let Situation { user, app, signals, repertoire, .. } = situation;
        let (step, role) = match &situation.asks {
            Asks::Step(step) => (StepName::Step(*step), None),
            Asks::Role(role) => (StepName::Step(Step::AssumeRole), Some(role)),
            Asks::Open(roles) => (StepName::default(), roles.first().filter(|_| *roles != app.roles)),
        };
        let user_name = Some(user.username.to_string()).filter(|name| name != super::SOMEBODY);
        Self {
            step,
            role: role.map(ToString::to_string),
            user: user_name,
            groups: user.groups.clone(),
            status: user.status,
            shown: situation.fresh.iter().collect(),
            earlier: situation.proofs.difference(situation.fresh).iter().collect(),
            enrolled: repertoire.enrolled.clone(),
            lost: repertoire.lost.clone(),
            enrollable: repertoire.enrollable.clone(),
            signals: Signals {
                ip: signals.ip,
                home: user.home_country.clone(),
                country: signals.country.clone(),
                asn: signals.asn,
                networks: signals.networks.clone(),
                anonymous: signals.anonymous,
                hour: signals.hour,
                weekday: signals.weekday,
                device_known: signals.device.known,
                device_trusted: signals.device.trusted,
                devices: signals.device.registered,
                failed_attempts: signals.risk.failed_attempts,
                new_country: signals.risk.new_country,
                impossible_travel: signals.risk.impossible_travel,
                unknown: signals.unknown.clone(),
            },
            sp_initiated: situation.sp_initiated,
            force_authn: situation.force_authn,
            requested: if situation.asks.is_opening() { situation.required.contexts() } else { Vec::new() },
            profile: situation.profile,
            ..Self::new(name, app.id.to_string(), expect)
        }
    }

    /// As TOML, without what is as usual.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let Ok(Value::Table(table)) = Value::try_from(self) else { return String::new() };
        let usual = Value::try_from(Signals::default()).ok();
        let mut text = "[[case]]\n".to_owned();
        for key in KEYS {
            let value = match (key, table.get(key)) {
                ("signals", Some(Value::Table(signals))) => {
                    let is_odd = |name: &str, value| usual.as_ref().and_then(|usual| usual.get(name)) != Some(value);
                    let odd = signals.iter().filter(|(name, value)| is_odd(name, value));
                    let odd: toml::Table = odd.map(|(name, value)| (name.clone(), value.clone())).collect();
                    (!odd.is_empty()).then_some(Value::Table(odd))
                }
                (_, value) => value.cloned(),
            };
            if let Some(value) = value {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AuthnContextClass, Required};
    use crate::policy::case::Table;
    use crate::policy::samples::{shipped, shipped_sources};

    #[test]
    fn every_shipped_case_can_be_written_again_from_its_situation_and_means_the_same() {
        let bundle = shipped();
        let (mut count, sources) = (0, shipped_sources());
        for case in sources.tests.iter().flat_map(|file| toml::from_str::<Table>(&file.text).unwrap().case) {
            // What takes settings to be understood, and a group that tries the app out, is said otherwise.
            let Ok(situation) = case.situation(&bundle) else { continue };
            if case.pilot.is_some() {
                continue;
            }
            // What an app requests is said of every third, each time something else.
            let mut situation = situation;
            if count % 3 == 0 && situation.asks.is_opening() {
                let class = AuthnContextClass::ALL[count / 3 % AuthnContextClass::ALL.len()];
                situation.required = Required::any_of(&[class]);
            }
            let text = Case::of(case.name.get_ref(), &situation, case.expect).to_toml();
            let again = toml::from_str::<Table>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let mut again = again.case.first().unwrap().situation(&bundle).unwrap();
            again.signals.now = situation.signals.now;
            again.user.email = situation.user.email.clone();
            assert_eq!(again, situation, "{text}");
            count += 1;
        }
        assert!(count > 50, "{count}");
    }
}
