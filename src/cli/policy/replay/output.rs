//! What a replay came to, for people and for programs.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::audit::Skipped;
use crate::clock::Timestamp;
use crate::domain::{AppId, RoleName, Username};
use crate::policy::{Budget, Change, Example, Hit, Side, Tally};

/// How many people and policies the text names of each kind; `--json` names all.
const MOST_NAMED: usize = 10;

/// All there is to tell.
pub(super) struct Told<'a> {
    pub(super) since: Timestamp,
    /// The candidate.
    pub(super) by: &'a str,
    pub(super) with_trials: bool,
    pub(super) digest: &'a str,
    pub(super) tally: &'a Tally,
    /// What the log could not read.
    pub(super) skipped: Skipped,
    pub(super) budget: Option<&'a Budget>,
}

impl Told<'_> {
    /// What is over the budget, with what it had.
    pub(super) fn over(&self) -> Vec<(Change, usize)> {
        self.budget.map(|budget| self.tally.over(budget)).unwrap_or_default()
    }

    /// Of how many decisions that the budget is about nobody knows how they would come out. All that was left out counts when
    /// nothing was made again.
    fn unknown(&self) -> u64 {
        let left_out = self.tally.left_out.values().sum();
        let unknown = if self.tally.made_again() == 0 { left_out } else { self.tally.unknown() };
        unknown.saturating_add(self.skipped.count())
    }

    /// Whether the budget is shown to hold; true where there is none.
    pub(super) fn is_held(&self) -> bool {
        self.budget.is_none() || (self.over().is_empty() && self.unknown() == 0)
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let tally = self.tally;
        let trials = if self.with_trials { " with the policies on trial in force" } else { "" };
        let since = self.since.strftime("%Y-%m-%d %H:%M UTC");
        let (decisions, people) = (count(tally.decisions, "decision"), count(tally.people.len(), "person"));
        writeln!(out, "{decisions} about {people} since {since}, made again by `{}`{trials}", self.by)?;
        if tally.decisions == 0 {
            return self.write_skipped(out);
        }
        self.write_sides(out)?;
        writeln!(out)?;
        let others = match tally.other_offers {
            0 => String::new(),
            others => format!("; {} by other methods than then", count(others, "challenge")),
        };
        writeln!(out, "{} as then{others}", count(tally.same, "decision"))?;
        for ((why, app), left_out) in &tally.left_out {
            writeln!(out, "{} about {app} not made again: {why}", count(*left_out, "decision"))?;
        }
        self.write_skipped(out)
    }

    fn write_sides(&self, out: &mut impl Write) -> io::Result<()> {
        let tally = self.tally;
        let of = |change| tally.people_of(change);
        let roles = match of(Change::Roles) {
            0 => String::new(),
            some => format!(", {some} with other roles"),
        };
        writeln!(
            out,
            "{} newly challenged, {} locked out, {} let in{roles}",
            count(of(Change::Challenged), "person"),
            of(Change::Denied),
            of(Change::Freed)
        )?;
        for (change, title) in [
            (Change::Challenged, "newly challenged: allowed then, asked for more now"),
            (Change::Denied, "locked out: refused now, and not then"),
            (Change::Freed, "let in: asked for less than then, or nothing"),
            (Change::Roles, "other roles: allowed then and now; - is lost, + is gained"),
        ] {
            if let Some(side) = tally.sides.get(&change) {
                writeln!(out, "\n{title}")?;
                write_side(out, side)?;
            }
        }
        Ok(())
    }

    fn write_skipped(&self, out: &mut impl Write) -> io::Result<()> {
        self.skipped.lines().try_for_each(|line| writeln!(out, "not made again: {line}"))?;
        if self.skipped.is_damaged() {
            writeln!(out, "not made again: {} of the journal", count(self.skipped.damaged_count(), "damaged line"))?;
        }
        for (change, most) in self.over() {
            let people = count(self.tally.people_of(change), "person");
            writeln!(out, "over the budget: {people} {}, at most {most}", change.code())?;
        }
        if self.budget.is_some() && self.unknown() > 0 {
            let unknown = count(self.unknown(), "record");
            writeln!(out, "the budget is not shown to hold: nobody knows what would come of {unknown}")?;
        }
        Ok(())
    }

    /// As one JSON object.
    pub(super) fn value(&self) -> Value {
        let tally = self.tally;
        let sides = Change::COUNTED.into_iter().map(|change| {
            let none = Side::default();
            let value = side_value(tally.sides.get(&change).unwrap_or(&none), change);
            (change.code().to_owned(), value)
        });
        let left_out = tally
            .left_out
            .iter()
            .map(|((why, app), decisions)| json!({ "why": why, "app": app, "decisions": decisions }));
        let (erased, no_key) = self.skipped.counts();
        let mut value = json!({
            "ok": self.is_held() && !self.skipped.is_damaged(),
            "since": in_seconds(self.since),
            "by": self.by,
            "with_trials": self.with_trials,
            "policy_digest": self.digest,
            "decisions": tally.decisions,
            "people": tally.people.len(),
            "same": tally.same,
            "other_offers": tally.other_offers,
            "not_replayed": left_out.collect::<Vec<_>>(),
            "erased": erased,
            "no_key": no_key,
            "damaged": self.skipped.damaged,
            "more_damaged": self.skipped.more_damaged,
            "unknown": self.unknown(),
            "over": self.over().into_iter().map(|(change, most)| {
                json!({ "change": change.code(), "people": tally.people_of(change), "budget": most })
            }).collect::<Vec<_>>(),
        });
        if let Value::Object(fields) = &mut value {
            fields.extend(sides);
        }
        value
    }
}

/// Two small tables: by policy and by person.
fn write_side(out: &mut impl Write, side: &Side) -> io::Result<()> {
    let policies = side.by_policy.iter().map(|(id, hit)| Row {
        name: id.as_ref().map_or_else(|| "(no policy permits it)".to_owned(), ToString::to_string),
        hit,
        about: hit.people.len().to_string(),
    });
    let people = side.by_person.iter().map(|(user, hit)| Row { name: name(user.as_ref()), hit, about: about(hit) });
    let (policies, people): (Vec<Row>, Vec<Row>) = (policies.collect(), people.collect());
    write_rows(out, ["by policy", "people"], policies)?;
    write_rows(out, ["who", "apps"], people)
}

struct Row<'a> {
    name: String,
    hit: &'a Hit,
    about: String,
}

/// Those with most decisions first.
fn write_rows(out: &mut impl Write, [what, about]: [&str; 2], mut rows: Vec<Row<'_>>) -> io::Result<()> {
    rows.sort_by(|a, b| (b.hit.decisions, &a.name).cmp(&(a.hit.decisions, &b.name)));
    let more = rows.len().saturating_sub(MOST_NAMED);
    rows.truncate(MOST_NAMED);
    let width = |of: fn(&Row) -> usize, title: &str| rows.iter().map(of).chain([title.len()]).max().unwrap_or(0);
    let (name, detail) = (width(|row| row.name.chars().count(), what), width(|row| row.about.len(), about));
    writeln!(out, "  {what:<name$}  decisions  {about}")?;
    for Row { name: who, hit, about } in &rows {
        let example = hit.examples.first().map(in_short).unwrap_or_default();
        writeln!(out, "  {who:<name$}  {:>9}  {about:<detail$}  {example}", hit.decisions)?;
    }
    if more > 0 {
        writeln!(out, "  and {more} more; `--json` names all")?;
    }
    Ok(())
}

fn in_short(example: &Example) -> String {
    format!("{} {} → {}", example.reference, example.was.code(), example.now.code())
}

/// The apps; of changed roles those.
fn about(hit: &Hit) -> String {
    let signed = |sign: char, roles: &BTreeSet<(AppId, RoleName)>| -> Vec<String> {
        roles.iter().map(|(app, role)| format!("{sign}{app}/{role}")).collect()
    };
    let roles = [signed('-', &hit.lost), signed('+', &hit.gained)].concat();
    if roles.is_empty() { hit.apps.iter().map(AppId::as_str).collect::<Vec<_>>().join(", ") } else { roles.join(", ") }
}

fn name(user: Option<&Username>) -> String {
    user.map_or_else(|| "(before a first factor)".to_owned(), ToString::to_string)
}

fn in_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `1 person`, `2 people`.
fn count(count: impl TryInto<u64>, what: &str) -> String {
    let count: u64 = count.try_into().unwrap_or(u64::MAX);
    match (count, what) {
        (1, what) => format!("1 {what}"),
        (count, "person") => format!("{count} people"),
        (count, what) => format!("{count} {what}s"),
    }
}

fn side_value(side: &Side, change: Change) -> Value {
    let with_roles = |mut value: Value, hit: &Hit| {
        let roles = |roles: &BTreeSet<(AppId, RoleName)>| -> Vec<Value> {
            roles.iter().map(|(app, role)| json!({ "app": app, "role": role })).collect()
        };
        if let (Value::Object(fields), Change::Roles) = (&mut value, change) {
            fields.insert("lost".to_owned(), roles(&hit.lost).into());
            fields.insert("gained".to_owned(), roles(&hit.gained).into());
        }
        value
    };
    let policies = side.by_policy.iter().map(|(id, hit)| {
        let people: Vec<_> = hit.people.iter().flatten().collect();
        let value = json!({ "policy": id, "people": people, "decisions": hit.decisions, "examples": hit.examples });
        with_roles(value, hit)
    });
    let people = side.by_person.iter().map(|(user, hit)| {
        let value = json!({ "user": user, "apps": hit.apps, "decisions": hit.decisions, "examples": hit.examples });
        with_roles(value, hit)
    });
    json!({
        "people": side.all.people.len(),
        "decisions": side.all.decisions,
        "by_policy": policies.collect::<Vec<_>>(),
        "by_person": people.collect::<Vec<_>>(),
    })
}
