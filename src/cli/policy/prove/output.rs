//! What was proved and what was not, for people and machines.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::work::{Work, over};
use super::{Args, EXIT_NO_SOLVER};
use crate::cli::check::counted;
use crate::cli::{EXIT_PROBLEMS, load_config, today};
use crate::policy::analysis::{About, Analysis, Answer, Example, Finding};
use crate::runtime::Candidate;

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let loaded = load_config(config)?;
    let candidate = match &args.policies {
        Some(name) => Candidate::read(&loaded, name)?,
        None => Candidate::current(&loaded)?,
    };
    let analysis = match Analysis::new(&candidate.sources, candidate.vocabulary.clone(), today()) {
        Ok(analysis) => analysis,
        Err(errors) => return crate::cli::policy::problems(&errors, args.json),
    };
    if let Some(only) = args.only.as_deref().filter(|only| analysis.invariants().all(|(id, _)| id != *only)) {
        let ids: Vec<&str> = analysis.invariants().map(|(id, _)| id).collect();
        let nearest = ids.iter().min_by_key(|id| strsim::damerau_levenshtein(id, only));
        let nearest = nearest.with_context(|| format!("there are no invariants in `{}/invariants`", candidate.name))?;
        anyhow::bail!("no invariant is called `{only}`; the nearest is `{nearest}`");
    }
    let tasks = analysis.tasks(args.only.as_deref());
    let work = over(&tasks, &args.effort, "proving", async |task, reasoner| analysis.answer(*task, reasoner).await)?;
    let out = &mut io::stdout().lock();
    match work {
        Work::Done(findings, questions) => {
            let report = Report::new(&analysis, args, &candidate.name, &findings, questions);
            if args.json {
                writeln!(out, "{:#}", report.json())?;
            } else {
                report.write(out)?;
            }
            Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
        }
        Work::NoSolver(help) => no_solver(args.json, &help),
    }
}

/// Tells that there is no solver.
fn no_solver(json: bool, help: &str) -> anyhow::Result<ExitCode> {
    if json {
        writeln!(io::stdout().lock(), "{:#}", json!({ "ok": false, "problem": help }))?;
    } else {
        writeln!(io::stderr().lock(), "cedargate: {help}")?;
    }
    Ok(ExitCode::from(EXIT_NO_SOLVER))
}

/// One line of the report: everything that was found about one thing.
struct Line<'a> {
    what: &'a About,
    /// What it says, of an invariant.
    description: &'a str,
    findings: Vec<&'a Finding>,
}

/// How a line came out: the worst of its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    Proved,
    Vacuous,
    Assumed,
    Unknown,
    Refuted,
    Failed,
}

impl Came {
    fn word(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Vacuous => "vacuous",
            Self::Assumed => "assumed",
            Self::Unknown => "unknown",
            Self::Refuted => "refuted",
            Self::Failed => "failed",
        }
    }
}

impl Line<'_> {
    fn came(&self) -> Came {
        let worst = self.findings.iter().map(|finding| match (&finding.about, &finding.answer) {
            (_, Answer::Proved) => Came::Proved,
            (About::Premise(_), Answer::Refuted(_)) => Came::Vacuous,
            (_, Answer::Refuted(_)) => Came::Refuted,
            (_, Answer::Assumed(_) | Answer::AssumedAway(_)) => Came::Assumed,
            (_, Answer::Unknown) => Came::Unknown,
            (_, Answer::Failed(_)) => Came::Failed,
        });
        worst.max().unwrap_or(Came::Vacuous)
    }

    fn name(&self) -> &str {
        match self.what {
            About::Invariant(id) | About::Premise(id) | About::Dead(id) | About::Redundant(id) => id,
            About::NeverFails => "every policy can be evaluated",
            About::Monotone => "showing more never costs anything",
        }
    }

    fn examples(&self) -> impl Iterator<Item = (&Finding, &Example)> {
        self.findings.iter().filter_map(|finding| match &finding.answer {
            Answer::Refuted(Some(example)) => Some((*finding, &**example)),
            _ => None,
        })
    }

    /// The assumptions without which it does not hold, and whether they leave anything of which it could hold.
    fn assumed(&self) -> (BTreeSet<&str>, bool) {
        let (mut ids, mut empty) = (BTreeSet::new(), false);
        for finding in &self.findings {
            if let Answer::Assumed(by) | Answer::AssumedAway(by) = &finding.answer {
                ids.extend(by.iter().map(String::as_str));
                empty |= matches!(finding.answer, Answer::AssumedAway(_));
            }
        }
        (ids, empty)
    }

    /// One example of each kind, those first that are sign-ins.
    fn telling(&self) -> Vec<(&Finding, &Example)> {
        let mut examples: Vec<(&Finding, &Example)> = Vec::new();
        let (steps, acts): (Vec<_>, Vec<_>) = self.examples().partition(|(_, example)| example.decision.is_some());
        for (finding, example) in steps.into_iter().chain(acts) {
            let alike = |other: &Example| {
                if example.failed.is_empty() { other.by == example.by } else { other.failed == example.failed }
            };
            if !examples.iter().any(|(_, other)| alike(other)) {
                examples.push((finding, example));
            }
        }
        examples
    }
}

struct Report<'a> {
    invariants: Vec<Line<'a>>,
    always: Vec<Line<'a>>,
    /// Policies that never apply, and those without which all is the same.
    dead: Vec<&'a str>,
    redundant: Vec<&'a str>,
    undecided: Vec<&'a str>,
    /// The assumptions that are not those shipped.
    own: Vec<&'a str>,
    trust: bool,
    /// Where the policies are from.
    from: &'a str,
    policies: usize,
    scenes: usize,
    questions: u32,
}

impl<'a> Report<'a> {
    fn new(analysis: &'a Analysis, args: &Args, from: &'a str, findings: &'a [Finding], questions: u32) -> Self {
        let only = args.only.as_deref();
        let wanted = analysis.invariants().filter(|(id, _)| only.is_none_or(|only| only == *id));
        let invariants = wanted.filter_map(|(id, description)| {
            let about =
                |finding: &&Finding| matches!(&finding.about, About::Invariant(one) | About::Premise(one) if one == id);
            let findings: Vec<&Finding> = findings.iter().filter(about).collect();
            let what = &findings.first()?.about;
            Some(Line { what, description, findings })
        });
        let always = [About::NeverFails, About::Monotone].into_iter().filter_map(|about| {
            let findings: Vec<&Finding> = findings.iter().filter(|finding| finding.about == about).collect();
            Some(Line { what: &findings.first()?.about, description: "", findings })
        });
        let mut report = Self {
            invariants: invariants.collect(),
            always: always.collect(),
            dead: Vec::new(),
            redundant: Vec::new(),
            undecided: Vec::new(),
            own: analysis.own_assumptions().collect(),
            trust: args.trust_assumptions,
            from,
            policies: analysis.policies(),
            scenes: analysis.scenes().len(),
            questions,
        };
        for finding in findings {
            match (&finding.about, &finding.answer) {
                (About::Dead(id), Answer::Proved) => report.dead.push(id),
                // One that never applies is redundant too: told once.
                (About::Redundant(id), Answer::Proved) if !report.dead.contains(&id.as_str()) => {
                    report.redundant.push(id)
                }
                (About::Dead(id) | About::Redundant(id), Answer::Unknown | Answer::Failed(_)) => {
                    report.undecided.push(id)
                }
                _ => {}
            }
        }
        report.undecided.dedup();
        report
    }

    fn lines(&self) -> impl Iterator<Item = &Line<'a>> {
        self.invariants.iter().chain(&self.always)
    }

    fn is_good(&self) -> bool {
        self.lines().all(|line| match line.came() {
            Came::Proved | Came::Vacuous => true,
            Came::Assumed => self.trust && !line.assumed().1,
            Came::Unknown | Came::Refuted | Came::Failed => false,
        })
    }

    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let width = self.lines().map(|line| line.name().len()).max().unwrap_or(0);
        for line in self.lines() {
            let description =
                if line.description.is_empty() { String::new() } else { format!("  {}", line.description) };
            let text = format!("{:8} {:width$}{description}", line.came().word(), line.name());
            writeln!(out, "{}", text.trim_end())?;
            write_why(out, line)?;
        }
        for (id, why) in
            [(&self.dead, "never applies"), (&self.redundant, "changes nothing: the others decide the same without it")]
                .into_iter()
                .flat_map(|(ids, why)| ids.iter().map(move |id| (id, why)))
        {
            writeln!(out, "note     {id} {why}")?;
        }
        for id in &self.undecided {
            writeln!(out, "note     {id}: whether it matters could not be told")?;
        }
        for id in &self.own {
            writeln!(out, "note     {id} is an assumption of your own: cedargate does not see to it")?;
        }
        if self.invariants.is_empty() {
            writeln!(out, "note     there are no invariants in `{}/invariants`", self.from)?;
        }
        writeln!(out, "{}", self.summary())
    }

    fn summary(&self) -> String {
        let came = |wanted: Came| self.invariants.iter().filter(|line| line.came() == wanted).count();
        let told = |wanted: Came, what: &str| match came(wanted) {
            0 => String::new(),
            number => format!(", {number} {what}"),
        };
        let (assumed, vacuous) = (told(Came::Assumed, "assumed"), told(Came::Vacuous, "about nothing"));
        format!(
            "{} of {} proved{assumed}{vacuous}, over {} in {} ({})",
            came(Came::Proved),
            counted(self.invariants.len(), "invariant"),
            if self.policies == 1 { "1 policy".to_owned() } else { format!("{} policies", self.policies) },
            counted(self.scenes, "scene"),
            counted(usize::try_from(self.questions).unwrap_or(usize::MAX), "question"),
        )
    }

    fn json(&self) -> Value {
        let line = |line: &Line<'_>| {
            let examples: Vec<Value> = line
                .examples()
                .map(|(finding, example)| {
                    json!({
                        "scene": finding.scene, "words": example.words, "decision": example.decision.map(|kind| kind.code()),
                        "by": example.by, "failed": example.failed, "case": example.case,
                    })
                })
                .collect();
            let problems: Vec<&str> = line
                .findings
                .iter()
                .filter_map(|finding| match &finding.answer {
                    Answer::Failed(why) => Some(why.as_str()),
                    _ => None,
                })
                .collect();
            let (assumptions, contradicted) = line.assumed();
            json!({
                "name": line.name(), "description": line.description, "result": line.came().word(),
                "assumptions": assumptions, "contradicted": contradicted, "examples": examples, "problems": problems,
            })
        };
        json!({
            "ok": self.is_good(),
            "invariants": self.invariants.iter().map(line).collect::<Vec<_>>(),
            "always": self.always.iter().map(line).collect::<Vec<_>>(),
            "never_apply": self.dead,
            "redundant": self.redundant,
            "undecided": self.undecided,
            "own_assumptions": self.own,
            "policies": self.policies, "scenes": self.scenes, "questions": self.questions,
        })
    }
}

/// Why a line is not proved: at most three examples, and what to do.
fn write_why(out: &mut dyn io::Write, line: &Line<'_>) -> io::Result<()> {
    let came = line.came();
    if came == Came::Vacuous {
        return writeln!(
            out,
            "         it holds, but nothing that can be here is like this: is it written as it is meant?"
        );
    }
    let (assumed, contradicted) = line.assumed();
    if !assumed.is_empty() {
        let ids = assumed.into_iter().collect::<Vec<_>>().join(", ");
        let what = if contradicted {
            "your own assumptions rule out everything that could be here, so nothing is proved"
        } else {
            "it does not hold without assumptions of your own, which cedargate does not see to"
        };
        writeln!(out, "         {what}: {ids}")?;
    }
    let telling = line.telling();
    for (finding, example) in telling.iter().take(3) {
        write_example(out, finding.scene.as_deref().unwrap_or_default(), example)?;
    }
    if let Some(more) = line.examples().count().checked_sub(telling.len().min(3)).filter(|more| *more > 0) {
        writeln!(out, "         and {} like it; --json tells all", counted(more, "more example"))?;
    }
    let unknown: Vec<&str> = line
        .findings
        .iter()
        .filter(|finding| finding.answer == Answer::Unknown)
        .map(|finding| finding.scene.as_deref().unwrap_or("whether anything is like this"))
        .collect();
    if !unknown.is_empty() {
        writeln!(out, "         no answer in time about {}: try a longer --time-limit", unknown.join(", "))?;
    }
    let failed = line.findings.iter().find_map(|finding| match &finding.answer {
        Answer::Failed(why) => Some((finding.scene.as_deref().unwrap_or("anywhere"), why)),
        _ => None,
    });
    match failed {
        Some((scene, why)) => {
            // What the solver found may take pages.
            let (some, more) = why.char_indices().nth(300).map_or((why.as_str(), ""), |(at, _)| why.split_at(at));
            let more = if more.is_empty() { "" } else { "… (--json tells all)" };
            writeln!(out, "         {scene}: this is a mistake of cedargate, not of the policies: {some}{more}")
        }
        None => Ok(()),
    }
}

fn write_example(out: &mut dyn io::Write, scene: &str, example: &Example) -> io::Result<()> {
    writeln!(out, "\n  {}", example.words)?;
    if !example.failed.is_empty() {
        writeln!(out, "  These cannot be evaluated: {}", example.failed.join(", "))?;
    } else if let Some(kind) = example.decision {
        let by = if example.by.is_empty() { "no policy".to_owned() } else { example.by.join(", ") };
        writeln!(out, "  {scene}: {} by {by}", kind.code())?;
    }
    match &example.case {
        Some(case) => {
            writeln!(out, "\n  To keep in policies/tests, with what is wanted in `expect`:\n")?;
            for line in case.lines() {
                writeln!(out, "    {line}")?;
            }
            writeln!(out)
        }
        None => writeln!(out),
    }
}
