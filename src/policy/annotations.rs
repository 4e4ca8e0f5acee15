//! What policies say about themselves. Metadata: it never decides, but a misspelt one stops the load.

use jiff::civil::Date;

use crate::domain::{EnforcedPolicy, PolicyId};

/// The annotations of one policy, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Annotations {
    pub(super) enforced: EnforcedPolicy,
    pub(super) description: String,
    /// `@severity("high")`
    pub(super) is_severe: bool,
    /// `low`, `medium` or `high`, where it says so.
    pub(super) severity: Option<&'static str>,
    /// Whom to ask.
    pub(super) owner: Option<String>,
    /// `@mode("report")`: on trial, never enforced.
    pub(super) report: bool,
    /// The first day on which a permit is inert.
    pub(super) expires: Option<Date>,
}

impl Annotations {
    /// Whom to ask, by `@owner`.
    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// The first day on which it permits nothing any more, by `@expires`.
    pub(super) fn expires(&self) -> Option<Date> {
        self.expires
    }

    /// `low`, `medium` or `high`, by `@severity`.
    pub(super) fn severity(&self) -> Option<&'static str> {
        self.severity
    }
}

/// What is wrong, and what to do about it.
pub(super) type Wrong = (String, &'static str);

/// Reads all annotations of one policy; tells everything that is wrong with them.
pub(super) fn read<'a>(
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
    effect: cedar_policy::Effect,
) -> Result<Annotations, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let (mut id, mut description, mut message, mut alerts, mut severity, mut owner) =
        (None, None, None, (false, false), None, None);
    let (mut report, mut expires) = (false, None);
    for (key, value) in annotations {
        let read = match key {
            "id" => PolicyId::parse(value)
                .map(|parsed| id = Some(parsed))
                .map_err(|e| (e.to_string(), "name it as in `aws.second-factor`")),
            "description" => text(value).map(|text| description = Some(text)),
            "message" => message_key(value).map(|key| message = Some(key)),
            "alert" => alert(value).map(|both| alerts = both),
            "severity" => one_of(value, &["low", "medium", "high"]).map(|known| severity = Some(known)),
            "owner" => text(value).map(|text| owner = Some(text)),
            "mode" => one_of(value, &["report"]).map(|_| report = true),
            "expires" => expiry(value, effect).map(|date| expires = Some(date)),
            _ => Err((
                format!("unknown annotation `@{key}`"),
                "known are @id, @description, @message, @alert, @severity, @owner, @mode and @expires",
            )),
        };
        wrong.extend(read.err().map(|(what, help)| (format!("`@{key}`: {what}"), help)));
    }
    let has = |key: &str| wrong.iter().any(|(what, _)| what.starts_with(&format!("`@{key}`")));
    let (no_id, no_description) = (id.is_none() && !has("id"), description.is_none() && !has("description"));
    if no_id {
        wrong.push(("a policy without `@id`".to_owned(), "name it, as in @id(\"aws.second-factor\")"));
    }
    if no_description {
        wrong.push(("a policy without `@description`".to_owned(), "say in one sentence what it is for"));
    }
    match (id, description) {
        (Some(id), Some(description)) if wrong.is_empty() => {
            let enforced = EnforcedPolicy { id, message, alerts_user: alerts.0, alerts_security: alerts.1 };
            let is_severe = severity == Some("high");
            Ok(Annotations { enforced, description, is_severe, severity, owner, report, expires })
        }
        _ => Err(wrong),
    }
}

/// Reads the annotations of an invariant or an assumption. Each counts as long as it stands there: what would put it on trial,
/// end it or send a mail does nothing, so it is refused.
pub(super) fn read_invariant<'a>(
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
    effect: cedar_policy::Effect,
) -> Result<Annotations, Vec<Wrong>> {
    let idle = |key: &str| ["mode", "expires", "alert", "message"].contains(&key);
    let (idle, read_on): (Vec<_>, Vec<_>) = annotations.partition(|(key, _)| idle(key));
    let said = |(key, _): (&str, &str)| {
        let help = "an invariant has @id and @description, and may have @owner and @severity";
        (format!("`@{key}`: an invariant counts as long as it stands here, and tells nobody"), help)
    };
    let mut wrong: Vec<Wrong> = idle.into_iter().map(said).collect();
    match read(read_on.into_iter(), effect) {
        Ok(notes) if wrong.is_empty() => return Ok(notes),
        Ok(_) => {}
        Err(more) => {
            wrong.extend(
                more.into_iter().map(|(what, help)| (what.replace("a policy without", "an invariant without"), help)),
            );
        }
    }
    Err(wrong)
}

fn text(value: &str) -> Result<String, Wrong> {
    if value.trim().is_empty() {
        return Err(("it is empty".to_owned(), "write something or leave it out"));
    }
    if value.chars().any(char::is_control) {
        return Err(("it has a line break or another control character".to_owned(), "write it on one line"));
    }
    Ok(value.to_owned())
}

fn message_key(value: &str) -> Result<String, Wrong> {
    let good = !value.is_empty()
        && value.len() <= 128
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'));
    if good {
        Ok(value.to_owned())
    } else {
        Err((format!("`{value}` is no message key"), "use lower-case letters, digits, `-` and `.`"))
    }
}

/// Whether the user and the security team are to be told.
fn alert(value: &str) -> Result<(bool, bool), Wrong> {
    value.split(',').try_fold((false, false), |(user, security), name| match name.trim() {
        "user" => Ok((true, security)),
        "security" => Ok((user, true)),
        other => Err((format!("nobody is called `{other}`"), "use `user`, `security` or `user,security`")),
    })
}

fn one_of(value: &str, known: &[&'static str]) -> Result<&'static str, Wrong> {
    if let Some(known) = known.iter().find(|known| **known == value) {
        return Ok(known);
    }
    Err((format!("`{value}` is none of {}", known.join(", ")), "use one of these"))
}

fn expiry(value: &str, effect: cedar_policy::Effect) -> Result<Date, Wrong> {
    if effect == cedar_policy::Effect::Forbid {
        return Err(("a forbid cannot expire".to_owned(), "an expired forbid would let people in; remove it by hand"));
    }
    value.parse().map_err(|_| (format!("`{value}` is no date"), "write it as 2027-01-31"))
}

#[cfg(test)]
mod tests {
    use cedar_policy::Effect::{Forbid, Permit};

    use super::*;

    const NAMED: [(&str, &str); 2] = [("id", "a.b"), ("description", "x")];

    #[test]
    fn alerts_and_messages_are_read() {
        let all =
            NAMED.into_iter().chain([("alert", "user, security"), ("message", "network.blocked"), ("mode", "report")]);
        let read = read(all, Forbid).unwrap();
        assert!(read.enforced.alerts_user && read.enforced.alerts_security && read.report);
        assert_eq!(read.enforced.message.as_deref(), Some("network.blocked"));
    }

    #[test]
    fn owner_severity_and_end_are_read() {
        let all = NAMED.into_iter().chain([("owner", "Kim"), ("severity", "high"), ("expires", "2027-01-31")]);
        let read = read(all, Permit).unwrap();
        assert_eq!((read.owner(), read.severity(), read.is_severe), (Some("Kim"), Some("high"), true));
        assert_eq!(read.expires(), Some(jiff::civil::date(2027, 1, 31)));
    }

    #[test]
    fn each_misspelling_is_told() {
        for (pair, effect, told) in [
            (("alarm", "user"), Forbid, "unknown annotation `@alarm`"),
            (("alert", "usr"), Forbid, "`usr`"),
            (("severity", "urgent"), Forbid, "`urgent`"),
            (("mode", "off"), Forbid, "`off`"),
            (("expires", "31.1.2027"), Permit, "is no date"),
            (("expires", "2027-01-31"), Forbid, "a forbid cannot expire"),
            (("message", "Hello there"), Forbid, "is no message key"),
            (("owner", " "), Forbid, "empty"),
        ] {
            let wrong = read(NAMED.into_iter().chain([pair]), effect).unwrap_err();
            assert!(wrong.len() == 1 && wrong[0].0.contains(told), "{pair:?}: {wrong:?}");
        }
    }

    #[test]
    fn what_is_shown_to_people_steers_no_terminal() {
        for (key, value) in [("description", "fine\u{1b}[2K"), ("description", "two\nlines"), ("owner", "me\u{7}")] {
            let wrong = read([("id", "a.b"), (key, value)].into_iter(), Permit).unwrap_err();
            assert!(wrong[0].0.contains("control character"), "{wrong:?}");
        }
    }

    #[test]
    fn an_invariant_is_neither_on_trial_nor_does_it_end() {
        assert!(read_invariant(NAMED.into_iter(), Permit).is_ok());
        for pair in [("mode", "report"), ("expires", "2027-01-31"), ("alert", "user"), ("message", "network.blocked")] {
            let wrong = read_invariant(NAMED.into_iter().chain([pair]), Permit).unwrap_err();
            assert!(wrong.len() == 1 && wrong[0].0.contains("counts as long as it stands here"), "{pair:?}: {wrong:?}");
        }
        let wrong = read_invariant([("mode", "off"), ("id", "two words")].into_iter(), Forbid).unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong.iter().any(|(what, _)| what == "an invariant without `@description`"), "{wrong:?}");
    }

    #[test]
    fn a_policy_needs_a_name_and_a_description() {
        assert_eq!(read([].into_iter(), Permit).unwrap_err().len(), 2);
        assert_eq!(read([("id", "two words"), ("description", "")].into_iter(), Permit).unwrap_err().len(), 2);
    }
}
