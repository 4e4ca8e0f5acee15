//! How fresh the metadata of apps is, and whether anybody is left out for want of it.

use super::Check;
use crate::clock::Timestamp;
use crate::config::Loaded;
use crate::runtime::{self, Imported, Unavailable};

/// A source is looked at each day: after so many hours something is wrong with it.
const OLD_HOURS: i64 = 48;
/// So long before metadata ends its publisher should have put out another.
const END_HOURS: i64 = 72;

/// One line for each app whose metadata is not as it should be, and one for all the others.
pub(super) fn checks(loaded: &Loaded, now: Timestamp) -> Vec<Check> {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    match runtime::metadata_of(loaded, today) {
        Ok((imported, unavailable)) => of(&imported, &unavailable, now),
        // What is wrong with the settings is told by another check.
        Err(_) => Vec::new(),
    }
}

pub(super) fn of(imported: &[Imported], unavailable: &[Unavailable], now: Timestamp) -> Vec<Check> {
    let mut checks: Vec<Check> = unavailable.iter().map(left_out).collect();
    let found: Vec<Check> = imported.iter().filter_map(|one| wrong(one, now)).collect();
    let good = imported.len() - found.len();
    checks.extend(found);
    if good > 0 {
        checks.push(Check::ok("metadata", format!("that of {} counts", super::counted(good, "app"))));
    }
    checks
}

fn left_out(one: &Unavailable) -> Check {
    let help = "see whether its source answers; `serve` goes on asking, and at once when it gets SIGHUP";
    Check::problem("metadata", format!("nobody can sign in to `{}`: {}", one.app.id, one.why), help)
}

fn wrong(one: &Imported, now: Timestamp) -> Option<Check> {
    let hours_to = |at: Timestamp| at.duration_since(now).as_hours();
    let (app, source) = (&one.app, &one.source);
    if let Some(end) = one.valid_until.filter(|end| hours_to(*end) < END_HOURS) {
        let told = if end <= now { "ended" } else { "ends" };
        let help = "its publisher has to put out another before; nobody can sign in from then on";
        let message = format!("that of `{app}` (`{source}`) {told} at {end}");
        return Some(if end <= now {
            Check::problem("metadata", message, help)
        } else {
            Check::warning("metadata", message, help)
        });
    }
    let seen = one.seen.filter(|seen| hours_to(*seen) < -OLD_HOURS)?;
    let help = "the log of `serve` says why its source could not be asked since";
    Some(Check::warning("metadata", format!("that of `{app}` was last seen at `{source}` at {seen}"), help))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::Verdict;
    use super::*;
    use crate::config::MetadataSource;
    use crate::domain::AppId;

    fn imported(valid_until: Option<&str>, seen: Option<&str>) -> Imported {
        Imported {
            app: AppId::parse("wiki").unwrap(),
            source: MetadataSource::parse("https://wiki.example.com/metadata").unwrap(),
            file: PathBuf::new(),
            signed: false,
            seen: seen.map(|at| at.parse().unwrap()),
            valid_until: valid_until.map(|at| at.parse().unwrap()),
            cache_duration: None,
            left_out: Vec::new(),
            sha256: String::new(),
            said: crate::runtime::Said::default(),
        }
    }

    #[test]
    fn what_is_old_or_ends_is_told_before_anybody_is_shut_out() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        for (valid_until, seen, verdict, part) in [
            (None, None, Verdict::Ok, "1 app counts"),
            (None, Some("2026-11-21T12:00:00Z"), Verdict::Ok, "1 app counts"),
            (None, Some("2026-11-20T10:00:00Z"), Verdict::Warning, "last seen"),
            (Some("2026-12-22T12:00:00Z"), None, Verdict::Ok, "1 app counts"),
            (Some("2026-11-24T12:00:00Z"), None, Verdict::Warning, "ends at 2026-11-24"),
            (Some("2026-11-22T12:00:00Z"), None, Verdict::Problem, "ended at"),
        ] {
            let checks = of(&[imported(valid_until, seen)], &[], now);
            assert_eq!(checks.len(), 1);
            assert!(checks[0].verdict == verdict && checks[0].message.contains(part), "{checks:?}");
        }
        assert_eq!(of(&[], &[], now), []);
    }
}
