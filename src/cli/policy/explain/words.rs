//! Facts, answers and decisions in words.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::domain::{
    Class, Decision, DecisionKind, DenyReason, EnforcedPolicy, Method, MethodSet, NetworkName, Profile, classes,
};
use crate::policy::explain::branch::{Answer, Choice};
use crate::policy::explain::{Fact, Value};

pub(super) fn listed(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

pub(super) fn codes(methods: impl IntoIterator<Item = Method>) -> String {
    listed(methods.into_iter().map(Method::code))
}

pub(super) fn ids(policies: &[EnforcedPolicy]) -> Vec<&str> {
    policies.iter().map(|policy| policy.id.as_str()).collect()
}

/// A decision in a few words.
pub(super) fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "allowed".to_owned(),
        Decision::Challenge { offers, .. } => {
            format!("challenged, offering {}", codes(offers.iter().map(|offer| offer.method)))
        }
        Decision::Enrol { permitted: true, .. } => "to enrol a method".to_owned(),
        Decision::Enrol { permitted: false, .. } => "to enrol a method, after opening a link".to_owned(),
        Decision::Deny(DenyReason::Forbidden { .. }) => "denied: forbidden".to_owned(),
        Decision::Deny(DenyReason::NoPermit) => "denied: no policy grants it".to_owned(),
        Decision::Deny(DenyReason::NoRole) => "denied: no role is granted".to_owned(),
        Decision::Deny(DenyReason::CannotShow) => "denied: the app wants shown what the person cannot show".to_owned(),
        Decision::Deny(DenyReason::EvaluationError { .. }) => "denied: a policy could not be evaluated".to_owned(),
    }
}

/// A set of proofs in the order in which people show them: `password + totp`; of methods that no policy tells apart, all are
/// named.
pub(super) fn way(groups: &[MethodSet]) -> String {
    let is_first = |methods: &MethodSet| {
        let alone = methods.iter().next().map(|method| MethodSet::EMPTY.with(method));
        alone.is_some_and(|alone| classes(alone, Profile::default()).contains(Class::FirstFactor))
    };
    let mut groups: Vec<MethodSet> = groups.to_vec();
    groups.sort_by_key(|group| !is_first(group));
    let group = |methods: &MethodSet| {
        let codes: Vec<&str> = methods.iter().map(Method::code).collect();
        if codes.len() > 1 && groups.len() > 1 { format!("({})", codes.join(" or ")) } else { codes.join(" or ") }
    };
    groups.iter().map(group).collect::<Vec<_>>().join(" + ")
}

/// What is answered to each way of being equipped, the first without a word about it: `challenged: totp`, `with password alone:
/// to enrol totp`.
pub(super) fn answers(answers: &[Answer], equipped: &[Value]) -> (String, Vec<String>) {
    let words: Vec<String> = answers.iter().map(answer).collect();
    let others = words.iter().zip(equipped).skip(1).filter(|(other, _)| words.first() != Some(other));
    let others = others.map(|(other, equipped)| format!("{}: {other}", value(Fact::Enrolled, equipped))).collect();
    (words.first().cloned().unwrap_or_default(), others)
}

/// An answer in a few words.
fn answer(answer: &Answer) -> String {
    match answer.decision {
        Some(DecisionKind::Allow) => "allowed".to_owned(),
        Some(DecisionKind::Deny) => "denied".to_owned(),
        Some(DecisionKind::Enrol) => {
            let link = if answer.after_link { ", after a link" } else { "" };
            format!("to enrol {}{link}", codes(answer.methods.iter().copied()))
        }
        Some(DecisionKind::Challenge) if answer.ways.iter().all(|way| way.len() == 1) => {
            format!("challenged: {}", codes(answer.methods.iter().copied()))
        }
        Some(DecisionKind::Challenge) => {
            let ways: Vec<String> = answer.ways.iter().map(|groups| way(groups)).collect();
            format!("challenged: {}", ways.join(" or "))
        }
        None => "not decided".to_owned(),
    }
}

/// A fact in a word or two.
pub(super) fn fact(fact: Fact) -> &'static str {
    match fact {
        Fact::Address => "the address",
        Fact::Network => "the network",
        Fact::Country => "the country",
        Fact::Home => "the home country",
        Fact::Asn => "the autonomous system",
        Fact::Anonymous => "anonymisers",
        Fact::Device => "the device",
        Fact::Devices => "the number of devices",
        Fact::FailedAttempts => "failed attempts",
        Fact::NewCountry => "a new country",
        Fact::ImpossibleTravel => "impossible travel",
        Fact::Directory => "the directory",
        Fact::Hour => "the hour",
        Fact::Weekday => "the weekday",
        Fact::Instant => "the day",
        Fact::SpInitiated => "who begins",
        Fact::Enrolled => "what they have",
    }
}

/// The flag that states a fact.
pub(super) fn flag(fact: Fact) -> &'static str {
    match fact {
        Fact::Address => "--address",
        Fact::Network => "--network",
        Fact::Country => "--country",
        Fact::Home => "--home",
        Fact::Asn => "--asn",
        Fact::Anonymous => "--anonymous",
        Fact::Device | Fact::Directory => "--device",
        Fact::Devices => "--devices",
        Fact::FailedAttempts => "--failed-attempts",
        Fact::NewCountry => "--new-country",
        Fact::ImpossibleTravel => "--impossible-travel",
        Fact::Hour | Fact::Weekday | Fact::Instant => "--time",
        Fact::SpInitiated => "--sp-initiated",
        Fact::Enrolled => "--enrolled",
    }
}

/// Some values of a choice in words.
pub(super) fn values(choice: &Choice, classes: &[usize]) -> String {
    let chosen: Vec<&Value> = classes.iter().filter_map(|class| choice.classes.get(*class)).flatten().collect();
    let has = |value: &Value| chosen.contains(&value);
    let numbers = || numbers(choice, &chosen);
    match choice.fact {
        Fact::Devices => format!("{} on record", counted(&numbers(), "device")),
        Fact::FailedAttempts => counted(&numbers(), "failed attempt"),
        Fact::Hour => format!("at hour {}", numbers()),
        Fact::Weekday => format!("on {}", numbers()),
        Fact::Asn => format!("in AS {}", numbers()),
        Fact::Network => networks(choice, classes, &chosen),
        Fact::Instant => instants(choice, &chosen),
        Fact::Device if chosen.len() > 1 => devices(choice, &chosen),
        _ => {
            let countries = |value: &&&Value| !(has(&Value::Abroad) && matches!(value, Value::Country(_)));
            let words: Vec<String> = chosen.iter().filter(countries).map(|one| value(choice.fact, one)).collect();
            words.join(" or ")
        }
    }
}

/// Several kinds of devices by what they have in common.
fn devices(choice: &Choice, chosen: &[&Value]) -> String {
    let all = |values: &[Value]| {
        let tried = choice.classes.iter().flatten().filter(|value| values.contains(value));
        tried.clone().count() == chosen.len() && tried.clone().all(|value| chosen.contains(&value))
    };
    let words = if all(&[Value::NewDevice, Value::Unknown]) {
        "on a device that is not known"
    } else if all(&[Value::TrustedDevice, Value::KnownDevice]) {
        "on a known device"
    } else if all(&[Value::KnownDevice, Value::NewDevice, Value::Unknown]) {
        "on a device that is not trusted"
    } else {
        let words: Vec<String> = chosen.iter().map(|one| value(Fact::Device, one)).collect();
        return words.join(" or ");
    };
    words.to_owned()
}

/// Sets of networks: by one network, where they are all that it is in; else one by one. What is in no network is told by what it
/// is not, unless no policy tells it apart from any other that is meant.
fn networks(choice: &Choice, classes: &[usize], chosen: &[&Value]) -> String {
    let is_nowhere = |value: &&Value| matches!(value, Value::Networks(set) if set.is_empty());
    if !chosen.iter().any(is_nowhere) {
        return format!("from {}", holding(choice, chosen));
    }
    let others: Vec<&Value> = choice.classes.iter().flatten().filter(|value| !chosen.contains(value)).collect();
    match (classes.len(), others.is_empty()) {
        (0 | 1, _) => "from elsewhere".to_owned(),
        (_, true) => "from anywhere".to_owned(),
        (_, false) => format!("not from {}", holding(choice, &others)),
    }
}

/// The networks that hold an address.
fn holding(choice: &Choice, chosen: &[&Value]) -> String {
    fn set(value: &Value) -> Option<&BTreeSet<NetworkName>> {
        if let Value::Networks(set) = value { Some(set) } else { None }
    }
    let all: Vec<&BTreeSet<NetworkName>> = choice.classes.iter().flatten().filter_map(set).collect();
    let mut left: Vec<&BTreeSet<NetworkName>> = chosen.iter().copied().filter_map(set).collect();
    let in_all = |name: &NetworkName| all.iter().filter(|set| set.contains(name)).count();
    let in_chosen = |name: &NetworkName| left.iter().filter(|set| set.contains(name)).count();
    let names: BTreeSet<&NetworkName> = left.iter().copied().flatten().collect();
    let mut whole: Vec<&NetworkName> = names.into_iter().filter(|name| in_all(name) == in_chosen(name)).collect();
    whole.sort_by_key(|name| std::cmp::Reverse(in_all(name)));
    let mut words = Vec::new();
    for name in whole {
        // A network that lies in those that are named already adds nothing.
        if left.iter().any(|set| set.contains(name)) {
            left.retain(|set| !set.contains(name));
            words.push(format!("`{name}`"));
        }
    }
    words.extend(left.iter().map(|set| {
        let alone = if set.len() == 1 { " alone" } else { "" };
        format!("{}{alone}", quoted(set).join(" and "))
    }));
    words.join(" or ")
}

fn quoted(networks: &BTreeSet<NetworkName>) -> Vec<String> {
    networks.iter().map(|name| format!("`{name}`")).collect()
}

/// `before 2027-01-31`, `from 2027-01-31 on`. Time begins now.
fn instants(choice: &Choice, chosen: &[&Value]) -> String {
    let begins = |value: &Value| if let Value::Instants { from, .. } = value { Some(*from) } else { None };
    let now = choice.classes.iter().flatten().filter_map(begins).min();
    let mut runs: Vec<(Timestamp, Option<Timestamp>)> = Vec::new();
    for value in chosen {
        let Value::Instants { from, until } = value else { continue };
        match runs.last_mut() {
            Some((_, end)) if *end == Some(*from) => *end = *until,
            _ => runs.push((*from, *until)),
        }
    }
    let run = |(from, until): &(Timestamp, Option<Timestamp>)| match until {
        Some(until) if Some(*from) == now => format!("before {}", day(*until)),
        Some(until) => format!("from {} and before {}", day(*from), day(*until)),
        None => format!("from {} on", day(*from)),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(" or ")
}

/// As policies write it, where it is a whole day.
fn day(at: Timestamp) -> String {
    let text = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let text = text.replace(" 00:00:00 UTC", "");
    text.replace(":00 UTC", " UTC")
}

fn counted(number: &str, noun: &str) -> String {
    match number {
        "0" => format!("no {noun}"),
        "1" => format!("1 {noun}"),
        "1 or more" => format!("1 {noun} or more"),
        number => match number.strip_suffix(" or more") {
            Some(number) => format!("{number} {noun}s or more"),
            None => format!("{number} {noun}s"),
        },
    }
}

/// `0–2`, `5 or more`, `Mon–Fri`.
fn numbers(choice: &Choice, chosen: &[&Value]) -> String {
    let number = |value: &&Value| if let Value::Number(number) = value { Some(*number) } else { None };
    let sorted = |values: &[&Value]| {
        let mut numbers: Vec<u32> = values.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    };
    let all = sorted(&choice.classes.iter().flatten().collect::<Vec<_>>());
    let is_open = !matches!(choice.fact, Fact::Hour | Fact::Weekday);
    let word = |number: u32| match (choice.fact, usize::try_from(number)) {
        (Fact::Weekday, Ok(day)) => {
            let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
            day.checked_sub(1).and_then(|day| days.get(day)).map_or_else(|| number.to_string(), |day| (*day).to_owned())
        }
        _ => number.to_string(),
    };
    // Runs of values that follow each other among those that were tried.
    let (mut runs, chosen): (Vec<(u32, u32)>, Vec<u32>) = (Vec::new(), sorted(chosen));
    let next = |number: u32| all.iter().copied().find(|other| *other > number);
    for number in chosen {
        match runs.last_mut() {
            Some((_, end)) if next(*end) == Some(number) => *end = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(from, to): &(u32, u32)| match next(*to) {
        None if is_open => format!("{} or more", word(*from)),
        _ if from == to => word(*from),
        _ => format!("{}–{}", word(*from), word(*to)),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

/// One value in words.
pub(super) fn value(fact: Fact, value: &Value) -> String {
    let words = match (fact, value) {
        (_, Value::Address(ip)) => return format!("from {ip}"),
        (_, Value::Networks(networks)) if networks.is_empty() => "from elsewhere",
        (_, Value::Networks(networks)) => return format!("from {}", quoted(networks).join(" and ")),
        (_, Value::Instants { from, .. }) => return format!("from {} on", day(*from)),
        (_, Value::Country(country)) => return format!("in {country}"),
        (_, Value::Number(number)) => return number.to_string(),
        (_, Value::Enrolled { enrolled, .. }) => {
            let alone = if enrolled.len() == 1 { " alone" } else { "" };
            return format!("with {}{alone}", codes(enrolled.iter().copied()));
        }
        (_, Value::Home) => "at home",
        (_, Value::Abroad) => "abroad",
        (_, Value::NewDevice) => "on a new device",
        (_, Value::KnownDevice) => "on a known device",
        (_, Value::TrustedDevice) => "on a trusted device",
        (Fact::Country, Value::Unknown) => "in a country nobody knows",
        (Fact::Device, Value::Unknown) => "with their devices forgotten",
        (Fact::Anonymous, Value::Yes) => "through an anonymiser",
        (Fact::Anonymous, Value::No) => "through no anonymiser",
        (Fact::Anonymous, _) => "perhaps through an anonymiser",
        (Fact::NewCountry, Value::Yes) => "for the first time from there",
        (Fact::NewCountry, Value::No) => "from a country they were in",
        (Fact::NewCountry, _) => "perhaps for the first time from there",
        (Fact::ImpossibleTravel, Value::Yes) => "after a travel nobody can make",
        (Fact::ImpossibleTravel, Value::No) => "after a travel that is possible",
        (Fact::ImpossibleTravel, _) => "after who knows what travel",
        (Fact::Directory, Value::Unknown) => "while the directory is away",
        (Fact::Directory, _) => "while the directory answers",
        (Fact::SpInitiated, Value::Yes) => "sent by the app",
        (Fact::SpInitiated, _) => "from the portal",
        (_, Value::Yes) => "yes",
        (_, Value::No) => "no",
        (_, Value::Unknown) => "not known",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sets_of_networks_are_told_by_the_networks_that_make_the_difference() {
        let set = |names: &str| {
            let names = names.split('+').filter(|name| !name.is_empty());
            Value::Networks(names.map(|name| NetworkName::parse(name).unwrap()).collect())
        };
        let choice = |classes: &[&[&str]]| Choice {
            fact: Fact::Network,
            classes: classes.iter().map(|class| class.iter().map(|names| set(names)).collect()).collect(),
            policies: BTreeSet::new(),
        };
        let apart = choice(&[&["", "guest"], &["office"], &["vpn"]]);
        let nested = choice(&[&[""], &["office"], &["vpn"], &["blocked+office"], &["blocked"]]);
        let within = choice(&[&[""], &["office"], &["lab+office"]]);
        for (choice, classes, expected) in [
            (&apart, &[0][..], "from elsewhere"),
            (&apart, &[1, 2], "from `office` or `vpn`"),
            (&apart, &[0, 1], "not from `vpn`"),
            (&apart, &[0, 1, 2], "from anywhere"),
            (&nested, &[3, 4], "from `blocked`"),
            (&nested, &[1], "from `office` alone"),
            (&nested, &[1, 3], "from `office`"),
            (&nested, &[3], "from `blocked` and `office`"),
            (&nested, &[0, 2, 3, 4], "not from `office` alone"),
            (&within, &[1, 2], "from `office`"),
            (&within, &[2], "from `lab`"),
        ] {
            assert_eq!(values(choice, classes), expected);
        }
    }

    #[test]
    fn days_are_told_as_policies_write_them() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let stretch =
            |from: &str, until: &str| Value::Instants { from: at(from), until: (!until.is_empty()).then(|| at(until)) };
        let (first, second, rest) = (
            stretch("2026-11-22T10:00:00Z", "2027-01-31T00:00:00Z"),
            stretch("2027-01-31T00:00:00Z", "2027-03-01T08:30:00Z"),
            stretch("2027-03-01T08:30:00Z", ""),
        );
        let classes = vec![vec![first], vec![second], vec![rest]];
        let choice = Choice { fact: Fact::Instant, classes, policies: BTreeSet::new() };
        for (classes, expected) in [
            (&[0][..], "before 2027-01-31"),
            (&[1], "from 2027-01-31 and before 2027-03-01 08:30 UTC"),
            (&[1, 2], "from 2027-01-31 on"),
            (&[0, 1], "before 2027-03-01 08:30 UTC"),
            (&[0, 2], "before 2027-01-31 or from 2027-03-01 08:30 UTC on"),
        ] {
            assert_eq!(values(&choice, classes), expected);
        }
    }
}
