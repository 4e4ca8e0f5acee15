//! What came of policies, for people.

use std::io;

use super::words::{codes, decision, ids, listed, way};
use crate::domain::{
    AuthnContextClass, Decision, DenyReason, IssueRequest, MethodSet, NetworkName, Required, RoleName, SignalSet, Step,
};
use crate::policy::explain::{ExplainedPolicy, ExplainedStep, Outcome, WhatIf};
use crate::policy::{Asks, Situation, Verdict};

/// Who asks for what, from where.
pub(super) fn situation(out: &mut impl io::Write, situation: &Situation) -> io::Result<()> {
    let user = &situation.user;
    let groups = listed(user.groups.iter().map(|group| group.as_str()));
    let asks = match &situation.asks {
        Asks::Open(roles) if roles.len() == 1 && situation.app.roles.len() > 1 => {
            format!("opens {} as {}", situation.app.id, listed(roles.iter().map(RoleName::as_str)))
        }
        Asks::Open(_) => format!("opens {}", situation.app.id),
        Asks::Role(role) => format!("becomes {role} in {}", situation.app.id),
        Asks::Step(Step::Visit) => return writeln!(out, "somebody not known yet visits {}", situation.app.id),
        Asks::Step(step) => format!("asks for {} at {}", step.action(), situation.app.id),
    };
    writeln!(out, "{} {asks}", user.username)?;
    writeln!(out, "  groups: {groups}; {}", user.status.code())?;
    let earlier = situation.proofs.difference(situation.fresh);
    let earlier = if earlier.is_empty() { String::new() } else { format!("; earlier: {}", codes(earlier.iter())) };
    writeln!(out, "  shown: {}{earlier}", codes(situation.fresh.iter()))?;
    if situation.force_authn {
        writeln!(out, "  the app wants everything shown anew")?;
    }
    requested(out, situation.required)
}

/// What the app asks for.
pub(super) fn requested(out: &mut impl io::Write, required: Required) -> io::Result<()> {
    let contexts: Vec<&str> = required.contexts().into_iter().map(AuthnContextClass::word).collect();
    match contexts.as_slice() {
        [] => Ok(()),
        contexts => writeln!(out, "  the app asks for: {}", contexts.join(" or ")),
    }
}

/// The facts, as policies see them.
pub(super) fn signals(out: &mut impl io::Write, signals: &SignalSet) -> io::Result<()> {
    let networks = listed(signals.networks.iter().map(NetworkName::as_str));
    let place = signals.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    writeln!(out, "  from {} in {}{place}, AS {}, networks: {networks}", signals.ip, signals.country, signals.asn)?;
    writeln!(out, "  hour {}, weekday {}", signals.hour, signals.weekday)?;
    let (device, risk) = (signals.device, signals.risk);
    writeln!(
        out,
        "  device known: {}, trusted: {}, {} registered; failed attempts: {}",
        device.known, device.trusted, device.registered, risk.failed_attempts
    )?;
    writeln!(
        out,
        "  anonymous: {}, new country: {}, impossible travel: {}",
        signals.anonymous, risk.new_country, risk.impossible_travel
    )?;
    writeln!(out, "  not known: {}", listed(signals.unknown.iter().map(|signal| signal.code())))
}

/// What was decided, and why: the policies, the roles, the search, and whom it is told.
pub(super) fn what_if(out: &mut impl io::Write, what_if: &WhatIf, situation: &Situation, all: bool) -> io::Result<()> {
    writeln!(out, "\n{}", decision(what_if.decision()))?;
    for step in what_if.steps.iter().filter(|step| is_of_interest(step, what_if)) {
        writeln!(out)?;
        self::step(out, step, all)?;
    }
    for (role, verdict) in &what_if.roles {
        let step = what_if.steps.iter().find(|step| step.role.as_ref() == Some(role));
        writeln!(out, "  role {role}: {}", said_of(verdict, step.is_some_and(is_granted)))?;
    }
    search(out, what_if, situation)?;
    alerts(out, what_if)
}

/// The roles that nobody grants are told in a line; those that something stands before are explained.
fn is_of_interest(step: &ExplainedStep, what_if: &WhatIf) -> bool {
    let is_only = what_if.steps.len() == 1;
    let is_about_a_role = step.role.is_some() && !is_only;
    let stands_before =
        |policy: &ExplainedPolicy| policy.forbids && policy.outcome == Outcome::Matched && !policy.shadow;
    !is_about_a_role || (is_granted(step) && step.explanation.policies.iter().any(stands_before))
}

fn is_granted(step: &ExplainedStep) -> bool {
    let grants = |policy: &ExplainedPolicy| !policy.forbids && !policy.shadow && policy.outcome == Outcome::Matched;
    step.explanation.policies.iter().any(grants)
}

fn said_of(verdict: &Verdict, is_granted: bool) -> String {
    let policies = listed(ids(&verdict.determining));
    match verdict.allowed {
        true => format!("permitted by {policies}"),
        false if !verdict.errors.is_empty() => {
            format!("refused, as policies failed: {}", listed(verdict.errors.iter().map(|id| id.as_str())))
        }
        false if !is_granted => "granted by no policy".to_owned(),
        false => format!("refused by {policies}, on what is shown"),
    }
}

/// Every policy that is about the step, those that apply first.
pub(super) fn step(out: &mut impl io::Write, step: &ExplainedStep, all: bool) -> io::Result<()> {
    let answer = if step.explanation.allowed { "allow" } else { "deny" };
    let role = step.role.as_ref().map(|role| format!(" {role}")).unwrap_or_default();
    writeln!(out, "{}{role}, on what is shown: {answer}", step.step.action())?;
    let order = |policy: &ExplainedPolicy| match policy.outcome {
        Outcome::Error { .. } => 0,
        Outcome::Matched => 1,
        Outcome::NotMatched { .. } => 2,
        Outcome::Expired => 3,
        Outcome::OtherScope => 4,
    };
    let mut policies: Vec<&ExplainedPolicy> = step.explanation.policies.iter().collect();
    policies.sort_by_key(|policy| (order(policy), !policy.forbids));
    for policy in policies.iter().filter(|policy| policy.outcome != Outcome::OtherScope) {
        self::policy(out, policy)?;
    }
    let others: Vec<&str> = policies
        .iter()
        .filter(|policy| policy.outcome == Outcome::OtherScope)
        .map(|policy| policy.id.as_str())
        .collect();
    match (others.len(), all) {
        (0, _) => Ok(()),
        (_, true) => writeln!(out, "  about other people, steps or apps: {}", others.join(", ")),
        (1, false) => writeln!(out, "  1 more policy is about other people, steps or apps"),
        (count, false) => writeln!(out, "  {count} more policies are about other people, steps or apps"),
    }
}

fn policy(out: &mut impl io::Write, policy: &ExplainedPolicy) -> io::Result<()> {
    let effect = if policy.forbids { "forbid" } else { "permit" };
    let trial = if policy.shadow { " (on trial)" } else { "" };
    let (word, text) = match &policy.outcome {
        Outcome::Matched => ("matched", policy.description.as_str()),
        Outcome::NotMatched { condition } => ("not matched", condition.as_str()),
        Outcome::Error { message } => ("error", message.as_str()),
        Outcome::Expired => ("expired", policy.description.as_str()),
        Outcome::OtherScope => ("not about this", policy.description.as_str()),
    };
    let place = policy.place.as_ref().map(|place| format!("  ({place})")).unwrap_or_default();
    writeln!(out, "  {effect}  {word:<11}  {}{trial}: {text}{place}", policy.id)
}

/// How the planner found what to ask for.
fn search(out: &mut impl io::Write, what_if: &WhatIf, situation: &Situation) -> io::Result<()> {
    let trace = &what_if.trace;
    if *what_if.decision() == Decision::Allow || trace.tried.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nwhat else could be shown")?;
    let has: MethodSet = situation.repertoire.enrolled.iter().copied().collect();
    for (place, tried) in trace.tried.iter().enumerate() {
        // Who has nothing else to show is asked about twice: as it is, and with all they have.
        let before = trace.tried.get(..place).unwrap_or_default();
        if before.contains(tried) {
            continue;
        }
        let with = match tried.with {
            none if none.is_empty() => "nothing more".to_owned(),
            with if with.len() > 1 && has.difference(situation.fresh).is_subset(with) && with.is_subset(has) => {
                format!("all they have ({})", codes(with.iter()))
            }
            with => codes(with.iter()),
        };
        let step = tried.role.as_ref().map_or_else(|| tried.step.action().to_owned(), |role| format!("role {role}"));
        let answer = match (tried.allowed, tried.forbids.as_slice()) {
            (true, _) => "yes".to_owned(),
            (false, []) if !tried.permitted => "no: no permit".to_owned(),
            (false, []) => "no: a policy failed".to_owned(),
            (false, forbids) => format!("no: {}", listed(forbids.iter().map(|id| id.as_str()))),
        };
        writeln!(out, "  {step:<10}  with {with}: {answer}")?;
    }
    if !trace.smallest.is_empty() {
        let ways: Vec<String> = trace.smallest.iter().map(|groups| way(groups)).collect();
        writeln!(out, "  the smallest that do: {}", ways.join("; "))?;
    }
    match what_if.decision() {
        Decision::Challenge { offers, .. } => {
            writeln!(out, "  offered, in this order: {}", codes(offers.iter().map(|offer| offer.method)))
        }
        Decision::Enrol { methods, permitted, .. } => {
            let how = if *permitted { "now" } else { "after opening a link" };
            writeln!(out, "  could be added, {how}: {}", codes(methods.iter().copied()))
        }
        Decision::Deny(DenyReason::Forbidden { policies }) => {
            writeln!(out, "  nothing they can show lifts {}", listed(ids(policies)))
        }
        _ => Ok(()),
    }
}

fn alerts(out: &mut impl io::Write, what_if: &WhatIf) -> io::Result<()> {
    let alerts = &what_if.alerts;
    for (whom, policies) in [("the person", &alerts.user), ("the security team", &alerts.security)] {
        if !policies.is_empty() {
            writeln!(out, "\na mail to {whom}, by {}", listed(ids(policies)))?;
        }
    }
    if !alerts.failed.is_empty() {
        writeln!(
            out,
            "\nthe operator is told that policies failed: {}",
            listed(alerts.failed.iter().map(|id| id.as_str()))
        )?;
    }
    if !what_if.shadow.is_empty() {
        writeln!(out, "\non trial, and would apply: {}", listed(what_if.shadow.iter().map(|id| id.as_str())))?;
    }
    Ok(())
}

/// What the app would be told.
pub(super) fn assertion(out: &mut impl io::Write, told: &Result<IssueRequest, String>) -> io::Result<()> {
    match told {
        Ok(request) => {
            writeln!(out, "\nthe app would be told")?;
            writeln!(out, "  NameID: {}", plain(&request.name_id.value))?;
            for attribute in &request.attributes {
                let values = listed(attribute.values.iter().map(|value| plain(value)));
                writeln!(out, "  {}: {values}", plain(&attribute.name))?;
            }
            for role in &request.roles {
                writeln!(out, "  role {}: {}", role.name, plain(&role.value))?;
            }
            Ok(())
        }
        Err(why) => writeln!(out, "\nwhat the app would be told can't be said: {}", plain(why)),
    }
}

/// Without what could steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '�' } else { c }).collect()
}
