//! A decision that could be made: explained when its facts are settled, and as a table when they are not.

use std::io;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value as Json, json};

use super::person::{self, Found, Person};
use super::situation::{Posed, pose};
use super::{Args, Asked, branches, case, text, words};
use crate::domain::{AppId, AuthnContextClass, Decision, IssueRequest, PolicyId};
use crate::policy::case::Case;
use crate::policy::explain::branch::{Branches, MOST_EVALUATIONS};
use crate::policy::explain::{Fact, WhatIf};
use crate::policy::testing::{Row, Tables};
use crate::policy::{Asks, Bundle, Situation};
use crate::runtime;

/// Explains what `--app` and its companions say.
pub(super) fn run(args: &Args, app: &AppId, asked: &Asked) -> anyhow::Result<ExitCode> {
    let found = match &args.facts.user {
        Some(name) => Some(person::find(name, asked)?),
        None => None,
    };
    let (person, missing) = match found {
        Some(Found::Person(person)) => (Some(*person), None),
        Some(Found::Nobody(why)) => (None, Some(why)),
        None => (None, None),
    };
    let mut posed = pose(&args.facts, app, asked, person.as_ref())?;
    if let Some(why) = missing.filter(|_| args.facts.groups.is_empty()) {
        posed.notes.push(format!("{why}: say their groups with --group"));
    }
    let Posed { situation, open, equipped, networks, notes } = posed;
    let branches = Branches::of(&asked.bundle, &situation, &open, &equipped, &networks)?;
    let out = &mut io::stdout().lock();
    if branches.answers.len() > 1 {
        write_table(out, args, asked, &situation, &branches, &notes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let situation = branches.example(&situation);
    let explained = Explained { situation, person, notes, branches: Some(branches), case: None };
    explained.write(out, args, asked, &asked.bundle)?;
    Ok(ExitCode::SUCCESS)
}

/// Explains a case of the tests, as `policy test` understands it.
pub(super) fn of_case(args: &Args, name: &str, asked: &Asked) -> anyhow::Result<ExitCode> {
    let candidate = &asked.candidate;
    let mut tables = Tables::read(&candidate.sources.tests);
    let place = find_case(name, &tables.rows)?;
    tables.rows = vec![tables.rows.swap_remove(place)];
    let geo = runtime::geo_for(&asked.loaded, &tables)?;
    let setting = runtime::setting(&candidate.config, &asked.bundle, &candidate.sources, &tables, &geo);
    let Some(Row { case, file, line }) = tables.rows.first() else { bail!("no case is called `{name}`") };
    let situation = setting.situation(case).map_err(|message| anyhow::anyhow!("{file}:{line}: {message}"))?;
    let notes = vec![format!("{file}:{line}: “{}” expects: {}", case.name.get_ref(), case.expect.code())];
    let explained = Explained { situation, person: None, notes, branches: None, case: Some(case.clone()) };
    explained.write(&mut io::stdout().lock(), args, asked, setting.bundle_of(case))?;
    Ok(ExitCode::SUCCESS)
}

/// The place of the case of this name; else of the one whose name holds these words.
fn find_case(name: &str, rows: &[Row]) -> anyhow::Result<usize> {
    let named = |row: &Row| row.case.name.get_ref().as_str() == name;
    if let Some(place) = rows.iter().position(named) {
        return Ok(place);
    }
    let holding = rows.iter().enumerate().filter(|(_, row)| row.case.name.get_ref().contains(name));
    let holding: Vec<(usize, &Row)> = holding.collect();
    match holding.as_slice() {
        [(only, _)] => Ok(*only),
        [] => bail!("no case of policies/tests is called `{name}`"),
        many => {
            let names = many.iter().take(10).map(|(_, row)| row.case.name.get_ref().as_str());
            bail!("{} cases hold `{name}`:\n  {}", many.len(), names.collect::<Vec<_>>().join("\n  "))
        }
    }
}

fn write_table(
    out: &mut impl io::Write,
    args: &Args,
    asked: &Asked,
    situation: &Situation,
    found: &Branches,
    notes: &[String],
) -> anyhow::Result<()> {
    if args.json {
        let mut value = about(situation, asked, notes);
        merge(&mut value, branches::value(found));
        writeln!(out, "{value:#}")?;
        return Ok(());
    }
    text::situation(out, situation)?;
    for note in notes {
        writeln!(out, "  {note}")?;
    }
    writeln!(out)?;
    branches::write(out, found)?;
    let mut flags: Vec<&str> = found.choices.iter().map(|choice| words::flag(choice.fact)).collect();
    if !found.equipped.is_empty() {
        flags.push(words::flag(Fact::Enrolled));
    }
    writeln!(
        out,
        "\n{} combinations of what the policies read, {} evaluations. To see every policy, settle: {}",
        found.combinations,
        found.evaluations,
        words::listed(dedup(flags))
    )?;
    if found.cut {
        writeln!(out, "cut off at {MOST_EVALUATIONS} evaluations: state more facts")?;
    }
    for choice in &found.fixed {
        let (fact, value) = (words::fact(choice.fact), words::values(choice, &[0]));
        writeln!(out, "too many combinations: for {fact}, only this was tried: {value}")?;
    }
    Ok(now_alone(out, found)?)
}

/// What was looked at as of now, as it cannot be taken apart.
fn now_alone(out: &mut impl io::Write, found: &Branches) -> io::Result<()> {
    if found.now_alone.is_empty() {
        return Ok(());
    }
    let policies = words::listed(found.now_alone.iter().map(PolicyId::as_str));
    writeln!(out, "asked as of now alone, as these reckon with the instant: {policies}; say --time for another one")
}

fn dedup(mut words: Vec<&str>) -> Vec<&str> {
    words.dedup();
    words
}

/// A situation whose answer is settled.
struct Explained {
    situation: Situation,
    person: Option<Person>,
    notes: Vec<String>,
    /// The facts that were open and made no difference.
    branches: Option<Branches>,
    /// The case that says it, where there is one already.
    case: Option<Case>,
}

impl Explained {
    fn write(&self, out: &mut impl io::Write, args: &Args, asked: &Asked, bundle: &Bundle) -> anyhow::Result<()> {
        let what_if = WhatIf::of(bundle, &asked.candidate.sources, &self.situation)?;
        let told = self.told(&what_if, asked);
        let case = match self.case {
            Some(_) => None,
            None => case::of(&self.situation, &what_if, asked),
        };
        let open = self.branches.iter().flat_map(|branches| &branches.choices).map(|choice| choice.fact);
        if args.json {
            let now_alone = self.branches.as_ref().map(|branches| &branches.now_alone);
            let mut value = about(&self.situation, asked, &self.notes);
            merge(&mut value, explained_value(&what_if, told.as_ref()));
            let case = case.or_else(|| self.case.as_ref().map(Case::to_toml));
            merge(&mut value, json!({ "no_matter": open.collect::<Vec<_>>(), "case": case, "as_of_now": now_alone }));
            writeln!(out, "{value:#}")?;
            return Ok(());
        }
        text::situation(out, &self.situation)?;
        text::signals(out, &self.situation.signals)?;
        for note in &self.notes {
            writeln!(out, "  {note}")?;
        }
        let open: Vec<&str> = open.map(words::fact).collect();
        if !open.is_empty() {
            writeln!(out, "  the decision is the same whatever these are: {}", open.join(", "))?;
        }
        if let Some(branches) = &self.branches {
            now_alone(out, branches)?;
        }
        text::what_if(out, &what_if, &self.situation, args.all)?;
        match told {
            Some(told) => text::assertion(out, &told)?,
            None if *what_if.decision() == Decision::Allow && matches!(self.situation.asks, Asks::Open(_)) => {
                writeln!(out, "\nwhat the app would be told takes the accounts: say --user where they are")?;
            }
            None => {}
        }
        if let Some(case) = case {
            writeln!(out, "\nas a case for policies/tests:\n\n{}", case.trim_end())?;
        }
        Ok(())
    }

    /// What the app would be told, where that is to be had.
    fn told(&self, what_if: &WhatIf, asked: &Asked) -> Option<Result<IssueRequest, String>> {
        let Asks::Open(roles) = &self.situation.asks else { return None };
        let person = self.person.as_ref().filter(|_| *what_if.decision() == Decision::Allow)?;
        let role = roles.first().filter(|_| roles.len() == 1 && self.situation.app.roles.len() > 1);
        Some(person::told(person, asked, &self.situation, role))
    }
}

/// Who asks for what.
fn about(situation: &Situation, asked: &Asked, notes: &[String]) -> Json {
    let (step, role) = match &situation.asks {
        Asks::Open(roles) => ("open".to_owned(), roles.first().filter(|_| roles.len() == 1)),
        Asks::Role(role) => ("assumeRole".to_owned(), Some(role)),
        Asks::Step(step) => (step.action().to_owned(), None),
    };
    json!({
        "ok": true,
        "policies": asked.candidate.name,
        "policy_digest": asked.bundle.digest(),
        "user": situation.user.username,
        "groups": situation.user.groups,
        "status": situation.user.status.code(),
        "app": situation.app.id,
        "step": step,
        "role": role,
        "shown": situation.fresh,
        "earlier": situation.proofs.difference(situation.fresh),
        "requested": contexts(situation),
        "notes": notes,
    })
}

/// What the app wants shown, in the words of cases.
fn contexts(situation: &Situation) -> Vec<&'static str> {
    situation.required.contexts().into_iter().map(AuthnContextClass::word).collect()
}

/// What was decided, and why.
pub(super) fn explained_value(what_if: &WhatIf, told: Option<&Result<IssueRequest, String>>) -> Json {
    let roles = what_if.roles.iter().map(|(role, verdict)| {
        json!({ "role": role, "permitted": verdict.allowed, "policies": words::ids(&verdict.determining) })
    });
    let attributes = |request: &IssueRequest| {
        let attributes = request.attributes.iter().map(|one| json!({ "name": one.name, "values": one.values }));
        let roles = request.roles.iter().map(|role| json!({ "role": role.name, "value": role.value }));
        json!({
            "name_id": request.name_id.value,
            "attributes": attributes.collect::<Vec<_>>(),
            "roles": roles.collect::<Vec<_>>(),
        })
    };
    json!({
        "decision": what_if.plan.decision,
        "determining": words::ids(&what_if.plan.determining),
        "evaluations": what_if.plan.evaluations,
        "steps": what_if.steps,
        "roles": roles.collect::<Vec<_>>(),
        "tried": what_if.trace.tried,
        "smallest": what_if.trace.smallest,
        "alerts": {
            "user": words::ids(&what_if.alerts.user),
            "security": words::ids(&what_if.alerts.security),
            "failed": what_if.alerts.failed,
        },
        "on_trial": what_if.shadow,
        "assertion": told.and_then(|told| told.as_ref().ok()).map(attributes),
    })
}

/// Adds the fields of one object to another.
pub(super) fn merge(into: &mut Json, from: Json) {
    if let (Some(into), Json::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}
