//! An example in words, and as the `[[case]]` that tests it.

use std::fmt::Write as _;

use super::example::Example;
use crate::domain::{Decision, Method, MethodSet, Profile, Repertoire, Step, UserStatus};
use crate::policy::bundle::Bundle;
use crate::policy::case::{Case, Signals};
use crate::policy::situation::{Asks, Situation};

/// What is decided about `situation`, told in full. `name` is what the case is called.
pub(super) fn example(bundle: &Bundle, situation: &Situation, name: &str) -> Example {
    let (situation, decision, by) = decided(bundle, situation);
    let failed = match &decision {
        Some(Decision::Deny(crate::domain::DenyReason::EvaluationError { policies })) => {
            policies.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    };
    let kind = decision.as_ref().map(Decision::kind);
    let case = kind.filter(|_| failed.is_empty()).map(|kind| {
        let by = (!by.is_empty()).then(|| by.iter().cloned().collect());
        Case { by, ..Case::of(name, &situation, kind) }.to_toml()
    });
    Example { words: sentence(&situation), decision: kind, by, failed, case }
}

/// With no more methods at hand than it takes to come to the same decision.
pub(super) fn decided(bundle: &Bundle, situation: &Situation) -> (Situation, Option<Decision>, Vec<String>) {
    let decide = |situation: &Situation| situation.decide(bundle).ok();
    let mut situation = situation.clone();
    let Some(plan) = decide(&situation) else { return (situation, None, Vec::new()) };
    let enough: Vec<Method> = match &plan.decision {
        Decision::Challenge { offers, .. } => offers.iter().map(|offer| offer.method).take(1).collect(),
        _ => Vec::new(),
    };
    let mut fewer = situation.clone();
    fewer.repertoire = Repertoire { enrolled: enough, lost: Vec::new(), enrollable: Vec::new(), last_used: None };
    let plan = match decide(&fewer).filter(|other| other.decision.kind() == plan.decision.kind()) {
        Some(other) => {
            situation = fewer;
            other
        }
        None => plan,
    };
    let by = plan.determining.iter().map(|policy| policy.id.to_string()).collect();
    (situation, Some(plan.decision), by)
}

fn sentence(situation: &Situation) -> String {
    let (user, app) = (&situation.user, &situation.app.id);
    let visits = situation.asks == Asks::Step(Step::Visit);
    let mut words = if visits { "Somebody".to_owned() } else { who(situation) };
    let _ = match &situation.asks {
        Asks::Step(Step::Visit) => write!(words, " sees the sign-in page of `{app}`"),
        Asks::Step(Step::SignIn) | Asks::Open(_) => write!(words, " opens `{app}`"),
        Asks::Role(role) => write!(words, " becomes `{role}` of `{app}`"),
        Asks::Step(Step::TrustDevice) => write!(words, " has this device trusted for `{app}`"),
        Asks::Step(step) => write!(words, " asks for `{}`", step.action()),
    };
    let mut more: Vec<String> = Vec::new();
    if !visits {
        more.push(shown(situation));
        match user.status {
            UserStatus::Active => {}
            UserStatus::Pending => more.push("not registered completely".to_owned()),
            UserStatus::Suspended => more.push("suspended".to_owned()),
        }
    }
    more.extend(surroundings(situation));
    if situation.force_authn {
        more.push("the app wanting a new authentication".to_owned());
    }
    if situation.profile != Profile::default() {
        more.push(format!("under the profile {:?}", situation.profile).to_lowercase());
    }
    for part in more {
        let _ = write!(words, ", {part}");
    }
    words.push('.');
    words
}

fn who(situation: &Situation) -> String {
    let groups: Vec<String> = situation.user.groups.iter().map(|group| format!("`{group}`")).collect();
    let name = match situation.user.username.as_str() {
        "somebody" => "Somebody".to_owned(),
        name => format!("`{name}`"),
    };
    if groups.is_empty() { format!("{name} in no group") } else { format!("{name} of {}", groups.join(" and ")) }
}

fn shown(situation: &Situation) -> String {
    let list = |methods: MethodSet| methods.iter().map(Method::code).collect::<Vec<_>>().join(" and ");
    let earlier = situation.proofs.difference(situation.fresh);
    match (situation.fresh.is_empty(), earlier.is_empty()) {
        (true, true) => "having shown nothing".to_owned(),
        (false, true) => format!("having shown {}", list(situation.fresh)),
        (true, false) => format!("having shown {} a while ago", list(earlier)),
        (false, false) => format!("having shown {}, and {} a while ago", list(situation.fresh), list(earlier)),
    }
}

fn surroundings(situation: &Situation) -> Vec<String> {
    let (signals, usual, mut words) = (&situation.signals, Signals::default(), Vec::new());
    let home = &situation.user.home_country;
    if signals.country != usual.country || *home != usual.home {
        words.push(if signals.country == *home {
            format!("at home in {home}")
        } else {
            format!("from {} with a home in {home}", signals.country)
        });
    }
    let networks: Vec<String> = signals.networks.iter().map(|name| format!("`{name}`")).collect();
    if !networks.is_empty() {
        words.push(format!("from the network {}", networks.join(" and ")));
    }
    if signals.anonymous {
        words.push("through an anonymiser".to_owned());
    }
    if signals.ip != usual.ip {
        words.push(format!("from {}", signals.ip));
    }
    let device = signals.device;
    match (device.trusted, device.known) {
        (true, true) => words.push("on a trusted device".to_owned()),
        (true, false) => words.push("on a trusted device that is not known".to_owned()),
        (false, false) => words.push("on a device not known".to_owned()),
        (false, true) => {}
    }
    if device.registered != usual.devices && !signals.unknown.contains(&crate::domain::UnknownSignal::DeviceHistory) {
        words.push(match device.registered {
            0 => "no device registered".to_owned(),
            number => format!("{number} devices registered"),
        });
    }
    match signals.risk.failed_attempts {
        0 => {}
        1 => words.push("after a failed attempt".to_owned()),
        number => words.push(format!("after {number} failed attempts")),
    }
    if signals.risk.new_country {
        words.push("in a new country".to_owned());
    }
    if signals.risk.impossible_travel {
        words.push("after an impossible journey".to_owned());
    }
    if (signals.hour, signals.weekday) != (usual.hour, usual.weekday) {
        let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let day = days.get(usize::from(signals.weekday).wrapping_sub(1)).copied().unwrap_or("some day");
        words.push(format!("on {day} at {:02}:00", signals.hour));
    }
    let unknown: Vec<&str> = signals.unknown.iter().map(|signal| signal.code()).collect();
    if !unknown.is_empty() {
        words.push(format!("not knowing {}", unknown.join(" and ")));
    }
    words
}
