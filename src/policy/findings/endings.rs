//! What ends by itself: permits with `@expires`, and dated exceptions written into a policy.

use std::fmt;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use crate::domain::PolicyId;
use crate::policy::bundle::Bundle;

/// So many days before something ends, whoever looks after the policies is told.
const WARN_DAYS: i32 = 14;

/// Something that ends, or has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// The policy.
    pub id: PolicyId,
    /// The first day without it.
    pub on: Date,
    /// How many days away that is; none or less: it has come.
    pub days: i32,
    /// It is an exception within the policy, not the policy itself.
    pub exception: bool,
    /// How the policy says so.
    #[serde(skip)]
    pub(super) written: String,
}

impl Ending {
    /// Whether it is time to tell: it ends within 14 days, or has ended.
    #[must_use]
    pub fn is_soon(&self) -> bool {
        self.days <= WARN_DAYS
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match (self.exception, self.days > 0) {
            (true, true) => "write a later date, or take the exception out when it is over",
            (true, false) => "take the exception out; it lets nobody through any more",
            (false, true) => "give it a later `@expires`, or take it and the tests that rest on it out when it is over",
            (false, false) => "take it out, or give it a later `@expires`",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, on, days, exception, .. } = self;
        match (exception, days) {
            (true, ..=0) => write!(f, "an exception of `{id}` ended on {on}"),
            (false, ..=0) => write!(f, "`{id}` expired on {on} and permits nothing any more"),
            (true, 1) => write!(f, "an exception of `{id}` ends tomorrow, on {on}"),
            (false, 1) => write!(f, "`{id}` expires tomorrow, on {on}"),
            (true, _) => write!(f, "an exception of `{id}` ends on {on}, in {days} days"),
            (false, _) => write!(f, "`{id}` expires on {on}, in {days} days"),
        }
    }
}

impl Bundle {
    /// All that ends by itself, seen from `today`, the soonest first. Policies on trial too: their end is one as well.
    #[must_use]
    pub fn endings(&self, today: Date) -> Vec<Ending> {
        let mut all = Vec::new();
        for stored in self.policies() {
            let ending = |on: Date, exception: bool, written: String| Ending {
                id: stored.notes.enforced.id.clone(),
                on,
                days: today.until(on).map_or(i32::MAX, |span| span.get_days()),
                exception,
                written,
            };
            all.extend(stored.notes.expires().map(|on| ending(on, false, format!("@expires(\"{on}\")"))));
            // The JSON form of all policies would take long; few of them speak of dates.
            if stored.policy.to_string().contains("datetime(") {
                let bounds = stored.policy.to_json().map(|json| bounds(&json)).unwrap_or_default();
                let dates = bounds.into_iter().filter_map(|written| Some((date(&written)?, written)));
                all.extend(dates.map(|(on, written)| ending(on, true, format!("datetime(\"{written}\")"))));
            }
        }
        all.sort_by(|a, b| (a.on, &a.id).cmp(&(b.on, &b.id)));
        all
    }
}

/// The day of a date or an instant, as Cedar writes both.
fn date(written: &str) -> Option<Date> {
    written.get(..10)?.parse().ok()
}

/// The dates of every `context.time.now < datetime("…")` in a policy's JSON form.
fn bounds(policy: &Value) -> Vec<String> {
    match policy {
        Value::Object(object) => {
            let compared = object.get("<").or_else(|| object.get("<="));
            let here = compared
                .and_then(|both| is_now(both.get("left")?).then(|| both.get("right"))?)
                .and_then(|right| Some(right.get("datetime")?.get(0)?.get("Value")?.as_str()?.to_owned()));
            here.into_iter().chain(object.values().flat_map(bounds)).collect()
        }
        Value::Array(items) => items.iter().flat_map(bounds).collect(),
        _ => Vec::new(),
    }
}

fn is_now(expr: &Value) -> bool {
    let attr = |expr: &Value, name: &str| -> Option<Value> {
        let get = expr.get(".")?;
        (get.get("attr")? == name).then(|| get.get("left").cloned())?
    };
    attr(expr, "now")
        .and_then(|time| attr(&time, "time"))
        .is_some_and(|context| context.get("Var").is_some_and(|var| var == "context"))
}
