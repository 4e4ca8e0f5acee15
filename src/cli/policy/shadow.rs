//! `cedargate policy shadow`: what the policies on trial would have done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::parsed;
use crate::audit::{DecisionRecord, Search, Skipped, WouldTell};
use crate::cli::progress::Progress;
use crate::cli::since::since;
use crate::cli::{EXIT_PROBLEMS, damage, open_log};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::domain::{AppId, DecisionKind, PolicyId, Username};
use crate::policy::{Bundle, Example};

/// How many examples are told of each policy: the latest.
const MOST_EXAMPLES: usize = 3;
/// How many people the text names of each policy; `--json` names all.
const MOST_NAMED: usize = 10;

/// The flags of `policy shadow`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The decisions made since then: `30d`, `12h`, `2026-11-01` or `2026-11-01T08:00Z`.
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    since: String,

    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let (loaded, parsed) = parsed(config)?;
    let bundle = match parsed {
        Ok(parsed) => parsed.bundle,
        Err(errors) => return super::problems(&errors, args.json),
    };
    let since = since(&args.since, SystemClock.now())?;
    let mut sum = Sum::of(&bundle);
    let progress = Progress::new("decisions read", 0);
    let search = Search { since: Some(since), ..Search::default() };
    let log = open_log(&loaded.config)?;
    log.decisions(&search, |record| {
        progress.step();
        sum.count(&record);
        ControlFlow::Continue(())
    })?;
    drop(progress);
    sum.skipped = log.skipped();
    let out = &mut io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", sum.value(since))?;
    } else {
        sum.write(out, since)?;
    }
    damage::tell(&sum.skipped)?;
    Ok(if sum.skipped.is_damaged() { ExitCode::from(EXIT_PROBLEMS) } else { ExitCode::SUCCESS })
}

/// All decisions, by policy on trial.
struct Sum {
    decisions: u64,
    policies: BTreeMap<PolicyId, Tried>,
    /// What the log could not read.
    skipped: Skipped,
}

/// What one policy would have done, together with the others on trial then.
#[derive(Default)]
struct Tried {
    /// What it is for; `None` when it is on trial no more.
    description: Option<String>,
    decisions: u64,
    /// In how many of them it could not be evaluated: in force, it would refuse, or tell nobody.
    failed: u64,
    /// In how many of them it would have told the person, and the security team.
    would_tell: [u64; 2],
    /// How the decisions would have come out; what was written without that is left out.
    would: BTreeMap<DecisionKind, u64>,
    /// Those that would have come out otherwise, by what they were and would have been.
    changed: BTreeMap<(DecisionKind, DecisionKind), u64>,
    people: BTreeMap<Option<Username>, u64>,
    apps: BTreeMap<AppId, u64>,
    span: Option<(Timestamp, Timestamp)>,
    examples: Vec<Example>,
}

impl Sum {
    fn of(bundle: &Bundle) -> Self {
        let on_trial = bundle.on_trial().map(|(id, description)| {
            (id.clone(), Tried { description: Some(description.to_owned()), ..Tried::default() })
        });
        Self { decisions: 0, policies: on_trial.collect(), skipped: Skipped::default() }
    }

    fn count(&mut self, record: &DecisionRecord) {
        self.decisions += 1;
        let WouldTell { user, security } = &record.would_tell;
        let all: BTreeSet<&PolicyId> =
            record.shadow.iter().chain(&record.shadow_failed).chain(user).chain(security).collect();
        for id in all {
            let tried = self.policies.entry(id.clone()).or_default();
            // One that would tell alone would change nothing.
            let would = if record.shadow.contains(id) { record.would } else { Some(record.decision.kind()) };
            tried.count(record, would);
            tried.failed += u64::from(record.shadow_failed.contains(id));
            for (count, told) in tried.would_tell.iter_mut().zip([user, security]) {
                *count += u64::from(told.contains(id));
            }
        }
    }

    fn write(&self, out: &mut impl Write, since: Timestamp) -> io::Result<()> {
        let on_trial = self.policies.values().filter(|tried| tried.description.is_some()).count();
        let policies = match on_trial {
            0 => "no policy".to_owned(),
            1 => "1 policy".to_owned(),
            many => format!("{many} policies"),
        };
        writeln!(out, "{policies} on trial; decisions since {}: {}", day(since), self.decisions)?;
        for (id, tried) in &self.policies {
            writeln!(out, "\n{id}: {}", tried.description.as_deref().unwrap_or("(on trial no more)"))?;
            tried.write(out, since)?;
        }
        for (at, line) in self.skipped.lines().enumerate() {
            writeln!(out, "{}left out: {line}", if at == 0 { "\n" } else { "" })?;
        }
        Ok(())
    }

    fn value(&self, since: Timestamp) -> Value {
        let policies = self.policies.iter().map(|(id, tried)| tried.value(id));
        let (erased, no_key) = self.skipped.counts();
        json!({
            "ok": !self.skipped.is_damaged(),
            "since": since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "decisions": self.decisions,
            "erased": erased,
            "no_key": no_key,
            "damaged": self.skipped.damaged,
            "more_damaged": self.skipped.more_damaged,
            "policies": policies.collect::<Vec<_>>(),
        })
    }
}

impl Tried {
    fn count(&mut self, record: &DecisionRecord, would: Option<DecisionKind>) {
        let was = record.decision.kind();
        self.decisions += 1;
        *self.people.entry(record.user.clone()).or_default() += 1;
        *self.apps.entry(record.app.clone()).or_default() += 1;
        let (first, last) = self.span.unwrap_or((record.at, record.at));
        self.span = Some((first.min(record.at), last.max(record.at)));
        let Some(would) = would else { return };
        *self.would.entry(would).or_default() += 1;
        if would != was {
            *self.changed.entry((was, would)).or_default() += 1;
        }
        self.examples.push(Example {
            at: record.at,
            reference: record.reference.clone(),
            user: record.user.clone(),
            app: record.app.clone(),
            step: record.step,
            was,
            now: would,
        });
        // Those that would have come out otherwise first, and the latest of them.
        self.examples.sort_by(|a, b| (b.was != b.now, b).cmp(&(a.was != a.now, a)));
        self.examples.truncate(MOST_EXAMPLES);
    }

    fn write(&self, out: &mut impl Write, since: Timestamp) -> io::Result<()> {
        let Some((first, last)) = self.span else {
            return writeln!(out, "  no decision since {}", day(since));
        };
        let apps: Vec<String> = self.apps.iter().map(|(app, count)| format!("{app} {count}")).collect();
        let span = if day(first) == day(last) { day(first) } else { format!("{} to {}", day(first), day(last)) };
        writeln!(out, "  decisions      {}, {span}: {}", self.decisions, apps.join(", "))?;
        let would: Vec<String> = self.would.iter().map(|(kind, count)| format!("{} {count}", kind.code())).collect();
        if !would.is_empty() {
            writeln!(out, "  would          {}", would.join(", "))?;
        }
        if self.failed > 0 {
            writeln!(
                out,
                "  failed         {}: it could not be evaluated; in force it would refuse, or tell nobody",
                self.failed
            )?;
        }
        match self.would_tell {
            [0, 0] => {}
            [user, security] => writeln!(out, "  would tell     the person {user}, security {security}")?,
        }
        let changed = self.changed.iter();
        let changed: Vec<String> =
            changed.map(|((was, would), count)| format!("{} → {} {count}", was.code(), would.code())).collect();
        let none = || "nothing: each came out as it would have".to_owned();
        writeln!(out, "  changes        {}", if changed.is_empty() { none() } else { changed.join(", ") })?;
        let mut people: Vec<_> = self.people.iter().collect();
        people.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        let named = people.iter().take(MOST_NAMED).map(|(user, count)| {
            format!("{} {count}", user.as_ref().map_or("(before a first factor)", Username::as_str))
        });
        let more = people.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out, "  about          {}{more}", named.collect::<Vec<_>>().join(", "))?;
        for (at, example) in self.examples.iter().enumerate() {
            let title = if at == 0 { "as in" } else { "" };
            let user = example.user.as_ref().map_or("somebody", Username::as_str);
            writeln!(
                out,
                "  {title:<14} {} {user} at {}: {} → {}",
                example.reference,
                example.app,
                example.was.code(),
                example.now.code()
            )?;
        }
        Ok(())
    }

    fn value(&self, id: &PolicyId) -> Value {
        let would = DecisionKind::ALL.iter().map(|kind| (kind.code(), self.would.get(kind).copied().unwrap_or(0)));
        let changed =
            self.changed.iter().map(|((was, would), count)| json!({ "was": was, "would": would, "decisions": count }));
        let people = self.people.iter().map(|(user, count)| json!({ "user": user, "decisions": count }));
        let apps = self.apps.iter().map(|(app, count)| json!({ "app": app, "decisions": count }));
        let [user, security] = self.would_tell;
        json!({
            "policy": id,
            "on_trial": self.description.is_some(),
            "decisions": self.decisions,
            "failed": self.failed,
            "would_tell": { "user": user, "security": security },
            "would": would.collect::<BTreeMap<_, _>>(),
            "changed": changed.collect::<Vec<_>>(),
            "people": people.collect::<Vec<_>>(),
            "apps": apps.collect::<Vec<_>>(),
            "first": self.span.map(|(first, _)| first),
            "last": self.span.map(|(_, last)| last),
            "examples": self.examples,
        })
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
