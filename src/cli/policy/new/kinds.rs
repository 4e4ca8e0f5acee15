//! The policies of each kind, in words.

use anyhow::{Context as _, bail};

use super::values::Proofs;
use super::{Args, Kind, Then};
use crate::domain::{Country, PolicyId};
use crate::policy::{Bundle, SourceFile, laid_out};

/// What is to be written.
#[derive(Debug)]
pub(super) enum Proposal {
    /// Policies of their own.
    Policies {
        /// Laid out.
        text: String,
        /// In their order.
        ids: Vec<PolicyId>,
    },
    /// An exception from a forbid that is there.
    Exception {
        /// The forbid as it stands.
        forbid: String,
        /// The forbid with the exception.
        text: String,
        /// Its id.
        id: PolicyId,
    },
}

/// One policy before it is written out.
struct Part<'a> {
    /// Behind the id of the whole: `.second-factor`.
    ending: &'a str,
    description: String,
    message: Option<&'a str>,
    effect: &'a str,
    action: &'a str,
    when: Option<String>,
    unless: Option<String>,
}

impl Proposal {
    /// What `args` ask for.
    ///
    /// # Errors
    /// A flag is missing, or there is no such forbid.
    pub(super) fn of(args: &Args, bundle: &Bundle) -> anyhow::Result<Self> {
        if let Some(to) = &args.to {
            return exception_to(args, to, bundle);
        }
        let parts = parts(args)?;
        let base = match &args.id {
            Some(id) => id.to_string(),
            None => default_id(args, bundle),
        };
        let (mut text, mut ids) = (String::new(), Vec::new());
        for part in &parts {
            ids.push(PolicyId::parse(&format!("{base}{}", part.ending))?);
            text.push_str(&written(args, part, &base)?);
        }
        let raw = SourceFile { path: "the new policy".to_owned(), text };
        Ok(Self::Policies { text: laid_out(&raw)?, ids })
    }

    /// As it is to be read.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Policies { text, .. } | Self::Exception { text, .. } => text,
        }
    }

    /// The policies that are new or changed.
    pub(super) fn ids(&self) -> Vec<&PolicyId> {
        match self {
            Self::Policies { ids, .. } => ids.iter().collect(),
            Self::Exception { id, .. } => vec![id],
        }
    }
}

/// `forbid … unless { a } unless { b }` forbids unless a or b: an exception stands beside what is there, and takes one clause
/// out again when it is over.
fn exception_to(args: &Args, to: &PolicyId, bundle: &Bundle) -> anyhow::Result<Proposal> {
    let expires = args.expires.context("an exception ends: give it `--expires DATE`")?;
    let who = match (&args.user, &args.group) {
        (Some(user), _) => format!("principal == User::{}", quoted(user.as_str())?),
        (None, Some(group)) => format!("principal in Group::{}", quoted(group.as_str())?),
        (None, None) => bail!("an exception is for somebody: give it `--user` or `--group`"),
    };
    let note = bundle.inventory().find(|note| note.id == *to).with_context(|| format!("no policy is called `{to}`"))?;
    if note.effect == "permit" {
        bail!("`{to}` is a permit: leave `--to` out, and an exception is a permit of its own with `@expires`");
    }
    let body = note.text.strip_suffix(';').context("the policy ends with `;`")?;
    let text = format!("{body}\nunless {{ {who} && context.time.now < datetime(\"{expires}\") }};");
    let text = laid_out(&SourceFile { path: to.to_string(), text })?;
    Ok(Proposal::Exception { forbid: note.text, text, id: to.clone() })
}

fn parts(args: &Args) -> anyhow::Result<Vec<Part<'static>>> {
    let about = About::of(args);
    let forbid = |description: String, message| Part {
        ending: "",
        description,
        message: Some(message),
        effect: "forbid",
        action: "== Action::\"signIn\"",
        when: None,
        unless: None,
    };
    Ok(match args.kind {
        Kind::Access => access(args)?,
        Kind::OfficeOnly => {
            let mut networks: Vec<String> = args.network.iter().map(ToString::to_string).collect();
            if networks.is_empty() {
                networks.push("office".to_owned());
            }
            let inside = any(&networks, |name| format!("context.net.networks.contains(Network::\"{name}\")"));
            let description = format!("{} only from {}.", about.sentence("open", "opens"), networks.join(" or "));
            vec![Part { unless: Some(inside), ..forbid(description, "network.not-allowed") }]
        }
        Kind::CountryBlock => vec![country_block(args, &about, forbid)?],
        Kind::Hours => vec![hours(args, &about, forbid)?],
        Kind::DeviceLimit => {
            let many = match args.limit {
                Some(limit) => format!("context.device.registered >= {limit}"),
                None => "(resource.device_limit > 0 && context.device.registered >= resource.device_limit)".to_owned(),
            };
            let lost = "context.unknown.contains(Signal::\"device_history\")";
            let number = args.limit.map_or_else(|| "the app's limit".to_owned(), |limit| format!("{limit} devices"));
            let description = format!("{}: more than {number}, {}.", about.words(), then(args).words());
            let when = Some(format!("!context.device.known && ({lost} || {many})"));
            vec![Part { when, unless: then(args).unless(), ..forbid(description, "device.limit") }]
        }
        Kind::NewDevice => {
            let description = format!("{} on a device not seen before: {}.", about.words(), then(args).words());
            let when = Some("!context.device.known".to_owned());
            vec![Part { when, unless: then(args).unless(), ..forbid(description, "device.unknown") }]
        }
        Kind::Exception => {
            let app =
                args.app.as_ref().context("an exception is from a forbid, `--to ID`, or a permit for `--app ID`")?;
            let who = match (&args.user, &args.group) {
                (Some(user), _) => user.to_string(),
                (None, Some(group)) => format!("the group {group}"),
                (None, None) => bail!("an exception is for somebody: give it `--user` or `--group`"),
            };
            let until = args.expires.context("an exception ends: give it `--expires DATE`")?;
            let description = format!("For a while: {who} may open {app}, until {until}.");
            vec![Part { effect: "permit", message: None, ..forbid(description, "") }]
        }
    })
}

fn access(args: &Args) -> anyhow::Result<Vec<Part<'static>>> {
    let (Some(app), Some(group)) = (&args.app, &args.group) else {
        bail!("`access` lets a group into an app: give it `--group NAME` and `--app ID`");
    };
    let mut parts = vec![Part {
        ending: "",
        description: format!("The group {group} may open {app}."),
        message: None,
        effect: "permit",
        action: "== Action::\"signIn\"",
        when: None,
        unless: None,
    }];
    let shows = |Proofs(codes): &Proofs| any(codes, |code| format!("context.proofs.contains(Proof::\"{code}\")"));
    if let Some(first) = &args.first_factor {
        parts.push(Part {
            ending: ".first-factor",
            description: format!("The first factor of {group} for {app}: {}.", first.0.join(" or ")),
            message: None,
            effect: "forbid",
            action: "== Action::\"signIn\"",
            when: None,
            unless: Some(shows(first)),
        });
    }
    if let Some(second) = &args.second_factor {
        let trusted = if args.trust { " || context.device.trusted" } else { "" };
        let spared = if args.trust { "; a trusted device spares it" } else { "" };
        let what = match second.0.as_slice() {
            ["second_factor"] => "a second factor".to_owned(),
            codes => codes.join(" or "),
        };
        parts.push(Part {
            ending: ".second-factor",
            description: format!("The group {group} needs {what} for {app}{spared}."),
            message: Some("second-factor.required"),
            effect: "forbid",
            action: "== Action::\"signIn\"",
            when: None,
            unless: Some(format!("{}{trusted}", shows(second))),
        });
    }
    Ok(parts)
}

fn country_block(
    args: &Args,
    about: &About,
    forbid: impl Fn(String, &'static str) -> Part<'static>,
) -> anyhow::Result<Part<'static>> {
    let (when, what) = match (&args.list, args.country.as_slice()) {
        (Some(list), _) => (format!("context.net.country in CountryList::\"{list}\""), format!("the list {list}")),
        (None, []) => bail!("which countries? `--list NAME` of config.toml, or `--country KP`"),
        (None, countries) => {
            if let Some(odd) = countries.iter().find(|one| **one == Country::unknown() || **one == Country::private()) {
                bail!("`{odd}` is no country: it would shut out everybody of whom none is known");
            }
            let codes: Vec<String> = countries.iter().map(ToString::to_string).collect();
            let literals: Vec<String> = codes.iter().map(|code| format!("Country::\"{code}\"")).collect();
            (format!("[{}].contains(context.net.country)", literals.join(", ")), codes.join(", "))
        }
    };
    let everywhere = about.group.is_none() && about.app.is_none();
    let description = match everywhere {
        true => format!("Nobody comes from {what}."),
        false => format!("{} not from {what}.", about.sentence("open", "opens")),
    };
    let action = if everywhere { "in Action::\"step\"" } else { "== Action::\"signIn\"" };
    Ok(Part { when: Some(when), action, ..forbid(description, "network.country") })
}

fn hours(
    args: &Args,
    about: &About,
    forbid: impl Fn(String, &'static str) -> Part<'static>,
) -> anyhow::Result<Part<'static>> {
    let (Some(from), Some(until)) = (args.from, args.until) else {
        bail!("when is it open? `--from 8 --until 18`");
    };
    let hours = match from < until {
        true => format!("context.time.hour >= {from} && context.time.hour < {until}"),
        false if args.days.is_none() => format!("context.time.hour >= {from} || context.time.hour < {until}"),
        false => format!("(context.time.hour >= {from} || context.time.hour < {until})"),
    };
    let days = args.days.as_ref().map(|days| format!("{} && ", days.condition())).unwrap_or_default();
    let named = args.days.as_ref().map(|days| format!("{}, ", days.words())).unwrap_or_default();
    let description = format!("{} only {named}{from:02}:00 to {until:02}:00.", about.sentence("open", "opens"));
    Ok(Part { unless: Some(format!("{days}{hours}")), ..forbid(description, "time.outside-hours") })
}

/// Whom and what a policy is about.
struct About {
    group: Option<String>,
    app: Option<String>,
}

impl About {
    fn of(args: &Args) -> Self {
        Self { group: args.group.as_ref().map(ToString::to_string), app: args.app.as_ref().map(ToString::to_string) }
    }

    fn words(&self) -> String {
        match (&self.group, &self.app) {
            (Some(group), Some(app)) => format!("The group {group} at {app}"),
            (Some(group), None) => format!("The group {group}"),
            (None, Some(app)) => format!("Everybody at {app}"),
            (None, None) => "Everybody".to_owned(),
        }
    }

    fn sentence(&self, many: &str, one: &str) -> String {
        match (&self.group, &self.app) {
            (Some(group), Some(app)) => format!("The group {group} {one} {app}"),
            (Some(group), None) => format!("The group {group} {one} apps"),
            (None, Some(app)) => format!("The app {app} {one}"),
            (None, None) => format!("Apps {many}"),
        }
    }
}

fn then(args: &Args) -> Then {
    args.then.unwrap_or_default()
}

impl Then {
    fn words(self) -> &'static str {
        match self {
            Self::Challenge => "a second factor now",
            Self::Deny => "refused",
        }
    }

    fn unless(self) -> Option<String> {
        (self == Self::Challenge).then(|| "context.fresh.contains(Proof::\"second_factor\")".to_owned())
    }
}

fn any<T>(items: &[T], condition: impl Fn(&T) -> String) -> String {
    items.iter().map(condition).collect::<Vec<_>>().join(" || ")
}

fn default_id(args: &Args, bundle: &Bundle) -> String {
    let of = |about: Option<String>| about.unwrap_or_else(|| "all".to_owned());
    let (app, group) = (args.app.as_ref().map(ToString::to_string), args.group.as_ref().map(ToString::to_string));
    match args.kind {
        Kind::Access => format!("{}.{}", of(app), of(group)),
        Kind::Exception => {
            // Ids stand in clear in the journal, so no name of a person is part of one.
            let (Some(until), None) = (args.expires, &group) else {
                let plain: String =
                    of(group).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                return format!("{}.exception-{plain}", of(app));
            };
            let id = format!("{}.exception-until-{until}", of(app));
            let is_free = |id: &String| bundle.inventory().all(|note| note.id.as_str() != id);
            let more = (2..1000).map(|number| format!("{id}-{number}"));
            std::iter::once(id.clone()).chain(more).find(is_free).unwrap_or(id)
        }
        kind => {
            let about = [app, group].into_iter().flatten().collect::<Vec<_>>().join(".");
            if about.is_empty() { format!("all.{}", kind.name()) } else { format!("{about}.{}", kind.name()) }
        }
    }
}

/// One policy as Cedar; the layout comes later.
fn written(args: &Args, part: &Part<'_>, base: &str) -> anyhow::Result<String> {
    let description = match (&args.description, part.ending) {
        (Some(description), "") => description,
        _ => &part.description,
    };
    let mut text =
        format!("@id({}) @description({})", quoted(&format!("{base}{}", part.ending))?, quoted(description)?);
    let mut annotate = |name: &str, value: &str| -> anyhow::Result<()> {
        text.push_str(&format!(" @{name}({})", quoted(value)?));
        Ok(())
    };
    if let Some(message) = part.message {
        annotate("message", message)?;
    }
    for (name, value) in [("alert", &args.alert), ("owner", &args.owner)] {
        value.as_ref().map_or(Ok(()), |value| annotate(name, value))?;
    }
    if args.on_trial {
        annotate("mode", "report")?;
    }
    if let Some(expires) = args.expires.filter(|_| part.effect == "permit") {
        annotate("expires", &expires.to_string())?;
    }
    let everybody = if part.action.starts_with("in") { "principal" } else { "principal is User" };
    let who = match (&args.user, &args.group) {
        (Some(user), _) => format!("principal == User::{}", quoted(user.as_str())?),
        (None, Some(group)) => format!("principal in Group::{}", quoted(group.as_str())?),
        (None, None) => everybody.to_owned(),
    };
    let what = match &args.app {
        Some(app) => format!("resource == App::{}", quoted(app.as_str())?),
        None if part.action.starts_with("in") => "resource".to_owned(),
        None => "resource is App".to_owned(),
    };
    text.push_str(&format!("\n{} ({who}, action {}, {what})", part.effect, part.action));
    for (word, condition) in [("when", &part.when), ("unless", &part.unless)] {
        if let Some(condition) = condition {
            text.push_str(&format!("\n{word} {{ {condition} }}"));
        }
    }
    text.push_str(";\n\n");
    Ok(text)
}

/// A string of Cedar.
fn quoted(text: &str) -> anyhow::Result<String> {
    if text.chars().any(char::is_control) {
        bail!("a line break or another control character can't stand in `{}`", text.escape_debug());
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
