//! The result for people: passes are quiet.

use std::io::{self, Write};
use std::path::Path;

use super::{Args, Run};
use crate::cli::check::counted;
use crate::cli::plain;
use crate::policy::testing::{Covered, Report, Sightings};

/// So many policies that no case shows are told without `--coverage`.
const MOST_GAPS: usize = 10;

/// Each failure, expected and got side by side. Tables come from whoever proposes a change.
pub(super) fn failures(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let mut text = Vec::new();
    side_by_side(&mut text, report)?;
    out.write_all(plain(&String::from_utf8_lossy(&text)).as_bytes())
}

fn side_by_side(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    for failure in &report.failures {
        let place = format!("{}:{}", failure.file, failure.line);
        if failure.case.is_empty() {
            writeln!(out, "{place}: {}\n", failure.message)?;
            continue;
        }
        writeln!(out, "{place}: {}", failure.case)?;
        if failure.differences.is_empty() {
            writeln!(out, "  {}\n", failure.message)?;
            continue;
        }
        let width = |of: &dyn Fn(&crate::policy::testing::Difference) -> usize, least: usize| {
            failure.differences.iter().map(of).max().unwrap_or(0).max(least)
        };
        let (what, expected) = (width(&|one| one.what.len(), 8), width(&|one| one.expected.chars().count(), 8));
        writeln!(out, "  {:what$}  {:expected$}  got", "", "expected")?;
        for one in &failure.differences {
            writeln!(out, "  {:what$}  {:expected$}  {}", one.what, one.expected, one.got)?;
        }
        if failure.differences.iter().all(|one| one.what != "by") {
            let by = if failure.by.is_empty() { "no policy".to_owned() } else { failure.by.join(", ") };
            writeln!(out, "  decided by {by}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Every policy with the cases that see it. Of a part of the cases only what they see: what they don't, others may.
pub(super) fn coverage(out: &mut dyn Write, args: &Args, run: &Run) -> io::Result<()> {
    let is_seen = |one: &&Covered| one.applies.count > 0 || one.stays_out.as_ref().is_some_and(|seen| seen.count > 0);
    let shown: Vec<&Covered> = run.coverage.policies.iter().filter(|one| args.only.is_none() || is_seen(one)).collect();
    let gap = if args.only.is_none() { "MISSING" } else { "-" };
    let width = shown.iter().map(|one| one.policy.as_str().len()).max().unwrap_or(0).max(6);
    let cases: Vec<String> = shown.iter().map(|one| cell(&one.applies, gap)).collect();
    let middle = cases.iter().map(|cell| cell.chars().count()).max().unwrap_or(0).max(7);
    if let Some(only) = &args.only {
        let ran = run.report.passed + run.report.failures.len();
        let (ran, sees) = (counted(ran, "case"), if ran == 1 { "sees" } else { "see" });
        writeln!(out, "what the {ran} with `{}` {sees}; other cases may see more", plain(only))?;
    }
    writeln!(out, "{:width$}  {:middle$}  stays out", "policy", "applies")?;
    for (one, applies) in shown.iter().zip(cases) {
        let (applies, stays_out) = match (one.is_unasked, &one.stays_out) {
            (true, _) => ("not asked by this version".to_owned(), String::new()),
            (false, None) => (applies, "no condition".to_owned()),
            (false, Some(seen)) => (applies, cell(seen, gap)),
        };
        let line = format!("{:width$}  {applies:middle$}  {stays_out}", one.policy.as_str());
        writeln!(out, "{}", line.trim_end())?;
    }
    match run.coverage.policies.len() - shown.len() {
        0 => {}
        1 => writeln!(out, "1 more policy is in none of them")?,
        others => writeln!(out, "{others} more policies are in none of them")?,
    }
    writeln!(out)
}

/// How many cases see it, and where the first of them stands.
fn cell(seen: &Sightings, gap: &str) -> String {
    match &seen.first {
        None => gap.to_owned(),
        Some(first) => {
            let file = Path::new(&first.file)
                .file_name()
                .map_or_else(|| first.file.clone(), |name| name.to_string_lossy().into_owned());
            format!("{:>4}  {file}:{}", seen.count, first.line)
        }
    }
}

/// What was exported, and how to have Cedar judge it.
pub(super) fn exported(out: &mut dyn Write, folder: &Path, questions: usize, left_out: usize) -> io::Result<()> {
    let at = |name: &str| folder.join(name).display().to_string();
    writeln!(out, "{} for Cedar; ask it with", counted(questions, "question"))?;
    let (policies, tests, schema) = (at("policies.cedar"), at("tests.json"), at("schema.cedarschema"));
    writeln!(out, "  cedar run-tests --policies {policies} --tests {tests} --schema {schema}")?;
    if left_out > 0 {
        writeln!(out, "{} that can't be asked left out", counted(left_out, "case"))?;
    }
    writeln!(out)
}

/// What no case shows, and the last line.
pub(super) fn summary(out: &mut dyn Write, args: &Args, run: &Run) -> io::Result<()> {
    if args.only.is_none() && !args.coverage {
        let gaps =
            run.coverage.policies.iter().flat_map(|one| one.missing().into_iter().map(move |gap| (gap, &one.policy)));
        let gaps: Vec<_> = gaps.collect();
        for (gap, policy) in gaps.iter().take(MOST_GAPS) {
            match *gap {
                "applies" => writeln!(out, "no case sees `{policy}` apply")?,
                _ => writeln!(out, "no case that `{policy}` is about sees it stay out")?,
            }
        }
        if let Some(more @ 1..) = gaps.len().checked_sub(MOST_GAPS) {
            writeln!(out, "and {more} more: `--coverage` lists them")?;
        }
    }
    writeln!(out, "{}", line(args, run))
}

/// All in one line.
pub(super) fn line(args: &Args, run: &Run) -> String {
    let (passed, failed) = (run.report.passed, run.report.failures.len());
    let counts = format!("{passed} passed, {failed} failed");
    // A part of the cases shows a part only.
    if args.only.is_some() {
        return counts;
    }
    let asked: Vec<_> = run.coverage.policies.iter().filter(|one| !one.is_unasked).collect();
    let seen = asked.iter().filter(|one| one.missing().is_empty()).count();
    format!("{counts}; {seen} of {} policies seen both ways", asked.len())
}
