//! What policies can tell of a question. Two questions of one essence are answered alike, so one of them is asked.
//!
//! Which facts those are depends on who asks for what: only policies whose scope holds them can matter, and of those only what
//! their conditions read.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use cedar_policy::pst::{Expr, Var};
use jiff::civil::Date;

use super::{begins_with_a_visit, set};
use crate::audit::DecisionRecord;
use crate::clock::Timestamp;
use crate::domain::{
    App, AppId, ClassSet, Country, GroupName, Method, MethodSet, NetworkName, Profile, RoleName, Step, UnknownSignal,
    Username,
};
use crate::policy::bundle::{Bundle, Standing, Stored, day};
use crate::policy::planner::Goal;
use crate::policy::request::STEPS;
use crate::policy::scope::Asker;

/// Somebody who wants something of an app, as far as scopes tell people apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    app: AppId,
    step: Step,
    role: Option<RoleName>,
    /// Whether policies about visits have a part in it.
    visits: bool,
    /// Where a policy names this very person.
    user: Option<Username>,
    /// Those of the closure that policies name.
    groups: Vec<GroupName>,
}

/// All that the policies about somebody can tell.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Essence {
    kind: usize,
    status: Option<&'static str>,
    home_country: Option<Country>,
    shown: (MethodSet, MethodSet),
    force_authn: bool,
    strict: bool,
    required: (MethodSet, ClassSet),
    repertoire: (MethodSet, MethodSet, MethodSet, Option<Method>),
    read: Facts,
}

/// The facts that are read; `None` for any that is not.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Facts {
    ip: Option<IpAddr>,
    country: Option<Country>,
    asn: Option<u32>,
    networks: Option<BTreeSet<NetworkName>>,
    anonymous: Option<bool>,
    now: Option<Timestamp>,
    day: Option<Date>,
    hour: Option<u8>,
    weekday: Option<u8>,
    known: Option<bool>,
    trusted: Option<bool>,
    registered: Option<u32>,
    failed_attempts: Option<u32>,
    new_country: Option<bool>,
    impossible_travel: Option<bool>,
    unknown: Option<BTreeSet<UnknownSignal>>,
    sp_initiated: Option<bool>,
}

/// Which facts the conditions of some policies read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reads(u32);

/// The leaves of `context`, each a bit.
const LEAVES: [&str; 16] = [
    "net.ip",
    "net.country",
    "net.asn",
    "net.networks",
    "net.anonymous",
    "time.now",
    "time.hour",
    "time.weekday",
    "device.known",
    "device.trusted",
    "device.registered",
    "risk.failed_attempts",
    "risk.new_country",
    "risk.impossible_travel",
    "unknown",
    "sp_initiated",
];
/// A permit has its last day.
const DAY: Reads = Reads(1 << 16);
const EVERYTHING: Reads = Reads(u32::MAX);
/// What is part of every essence.
const ALWAYS: [&str; 3] = ["proofs", "fresh", "force_authn"];

impl Reads {
    fn of(stored: &Stored) -> Self {
        let dated = if stored.notes.expires.is_some() { DAY } else { Self::default() };
        let Ok(policy) = stored.policy.to_pst() else { return EVERYTHING };
        let clauses = policy.body().clauses().iter().map(|clause| match clause {
            cedar_policy::pst::Clause::When(expr) | cedar_policy::pst::Clause::Unless(expr) => read_by(expr),
        });
        clauses.fold(dated, Self::and)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, leaf: &str) -> bool {
        LEAVES.iter().position(|known| *known == leaf).is_none_or(|bit| self.0 & (1 << bit) != 0)
    }

    /// What the attribute at `path` of the context holds: itself, or all that is below it.
    fn at(path: &str) -> Self {
        if ALWAYS.contains(&path) {
            return Self::default();
        }
        let below = |leaf: &str| leaf.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let bits =
            LEAVES.iter().enumerate().filter(|(_, leaf)| below(leaf)).fold(0, |bits, (bit, _)| bits | (1 << bit));
        // An attribute that this file does not know could be any.
        if bits == 0 { EVERYTHING } else { Self(bits) }
    }
}

fn read_by(expr: &Expr) -> Reads {
    if let Some(path) = path_of(expr) {
        return if path.is_empty() { EVERYTHING } else { Reads::at(&path) };
    }
    match expr {
        Expr::Literal(_) | Expr::Var(_) => Reads::default(),
        Expr::UnaryOp { expr, .. }
        | Expr::Like { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. } => read_by(expr),
        Expr::BinaryOp { left, right, .. } => read_by(left).and(read_by(right)),
        Expr::Is { expr, in_expr, .. } => in_expr.iter().fold(read_by(expr), |reads, expr| reads.and(read_by(expr))),
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            read_by(cond).and(read_by(then_expr)).and(read_by(else_expr))
        }
        Expr::Set(items) => items.iter().fold(Reads::default(), |reads, item| reads.and(read_by(item))),
        Expr::Record(fields) => fields.values().fold(Reads::default(), |reads, field| reads.and(read_by(field))),
        // A construct that this version of the crate does not know could read anything.
        _ => EVERYTHING,
    }
}

/// `net.country` of `context.net.country`; `None` of what does not start at the context.
fn path_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Var(Var::Context) => Some(String::new()),
        Expr::GetAttr { expr, attr } => {
            let before = path_of(expr)?;
            Some(if before.is_empty() { attr.to_string() } else { format!("{before}.{attr}") })
        }
        _ => None,
    }
}

/// Finds essences, and remembers which policies are about whom.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bundle: &'a Bundle,
    /// The groups that policies name, or apps that are tried out.
    groups: BTreeSet<GroupName>,
    /// The people whom policies name.
    users: BTreeSet<Username>,
    /// The policies that decide steps, and what they read.
    policies: Vec<(&'a Stored, Reads)>,
    closures: HashMap<BTreeSet<GroupName>, Vec<GroupName>>,
    kinds: HashMap<Kind, (usize, Reads)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bundle: &'a Bundle) -> Self {
        let decides = |stored: &&Stored| {
            let action = stored.policy.action_constraint();
            stored.standing == Standing::InForce && STEPS.iter().any(|step| bundle.names().covers(*step, &action))
        };
        let stored: Vec<&Stored> = bundle.policies().iter().filter(decides).collect();
        let named = |kind: &'static str| {
            let uids = stored.iter().flat_map(|stored| stored.policy.entity_literals());
            uids.filter(move |uid| uid.type_name().to_string() == kind).map(|uid| uid.id().unescaped().to_owned())
        };
        let pilots = bundle.vocabulary().apps.iter().filter_map(|app| app.pilot.clone());
        let groups = named("Group").filter_map(|name| GroupName::parse(&name).ok()).chain(pilots).collect();
        let users = named("User").filter_map(|name| Username::parse(&name).ok()).collect();
        let policies = stored.into_iter().map(|stored| (stored, Reads::of(stored))).collect();
        Self { bundle, groups, users, policies, closures: HashMap::new(), kinds: HashMap::new() }
    }

    pub(super) fn essence(&mut self, record: &DecisionRecord, app: &App) -> Essence {
        let (kind, reads) = self.kind(record, app);
        let (repertoire, required) = (&record.repertoire, record.required);
        Essence {
            kind,
            status: record.status.map(crate::domain::UserStatus::code),
            home_country: record.home_country.clone(),
            shown: (record.proofs, record.fresh),
            force_authn: record.force_authn,
            strict: record.profile != Profile::default(),
            required: (required.methods(), required.classes()),
            repertoire: (
                set(&repertoire.enrolled),
                set(&repertoire.lost),
                set(&repertoire.enrollable),
                repertoire.last_used,
            ),
            read: facts(record, reads),
        }
    }

    fn kind(&mut self, record: &DecisionRecord, app: &App) -> (usize, Reads) {
        let vocabulary = self.bundle.vocabulary();
        let groups = match self.closures.get(&record.groups) {
            Some(groups) => groups.clone(),
            None => {
                let closure = vocabulary.closure(&record.groups);
                let named: Vec<GroupName> = closure.into_iter().filter(|group| self.groups.contains(group)).collect();
                self.closures.insert(record.groups.clone(), named.clone());
                named
            }
        };
        let user = record.user.clone().filter(|user| self.users.contains(user));
        let (step, role, visits) = (record.step, record.role.clone(), begins_with_a_visit(record));
        let kind = Kind { app: app.id.clone(), step, role, visits, user, groups };
        if let Some(found) = self.kinds.get(&kind) {
            return *found;
        }
        let found = (self.kinds.len(), self.reads(&kind, record, app));
        self.kinds.insert(kind, found);
        found
    }

    fn reads(&self, kind: &Kind, record: &DecisionRecord, app: &App) -> Reads {
        let (names, groups) = (self.bundle.names(), kind.groups.iter().cloned().collect());
        let chosen: Vec<RoleName> = kind.role.iter().cloned().collect();
        let roles = if chosen.is_empty() { &app.roles } else { &chosen };
        let asker = match (&record.user, kind.step, &kind.role) {
            (Some(user), Step::AssumeRole, Some(role)) => Asker::of_role(names, user, &groups, app, role),
            (Some(user), Step::SignIn, _) => Asker::person(names, user, &groups, app, Goal::App { roles }),
            (Some(user), step, _) => Asker::person(names, user, &groups, app, Goal::Step(step)),
            (None, ..) => Asker::visitor(names, &groups, app),
        };
        let visitor = kind.visits.then(|| Asker::visitor(names, &groups, app));
        let concerned = |policy| {
            asker.is_concerned_by(policy) || visitor.as_ref().is_some_and(|visitor| visitor.is_concerned_by(policy))
        };
        let about = self.policies.iter().filter(|(stored, _)| concerned(&stored.policy));
        about.fold(Reads::default(), |reads, (_, more)| reads.and(*more))
    }
}

fn facts(record: &DecisionRecord, reads: Reads) -> Facts {
    let signals = &record.signals;
    let (device, risk) = (signals.device, signals.risk);
    Facts {
        ip: reads.has("net.ip").then_some(signals.ip),
        country: reads.has("net.country").then(|| signals.country.clone()),
        asn: reads.has("net.asn").then_some(signals.asn),
        networks: reads.has("net.networks").then(|| signals.networks.clone()),
        anonymous: reads.has("net.anonymous").then_some(signals.anonymous),
        now: reads.has("time.now").then_some(signals.now),
        day: (reads.0 & DAY.0 != 0).then(|| day(signals.now)),
        hour: reads.has("time.hour").then_some(signals.hour),
        weekday: reads.has("time.weekday").then_some(signals.weekday),
        known: reads.has("device.known").then_some(device.known),
        trusted: reads.has("device.trusted").then_some(device.trusted),
        registered: reads.has("device.registered").then_some(device.registered),
        failed_attempts: reads.has("risk.failed_attempts").then_some(risk.failed_attempts),
        new_country: reads.has("risk.new_country").then_some(risk.new_country),
        impossible_travel: reads.has("risk.impossible_travel").then_some(risk.impossible_travel),
        unknown: reads.has("unknown").then(|| signals.unknown.clone()),
        sp_initiated: reads.has("sp_initiated").then_some(record.sp_initiated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_condition_reads_is_found_however_it_is_written() {
        for (condition, reads) in [
            (r#"context.net.country == Country::"DE""#, &["net.country"][..]),
            (r#"context["net"]["asn"] == 1 || context.time.hour < 5"#, &["net.asn", "time.hour"]),
            ("context.risk == context.risk", &["risk.failed_attempts", "risk.new_country", "risk.impossible_travel"]),
            (r#"context.proofs.contains(Proof::"totp") && principal.status == "x""#, &[]),
            ("context has net && (if context.sp_initiated then true else false)", &LEAVES),
            ("(if true then context else context).sp_initiated", &LEAVES),
            ("[{\"a\": context.unknown.isEmpty()}].isEmpty()", &["unknown"]),
            ("context.weather == 3", &LEAVES),
            (r#"context.net.ip.isInRange(ip("10.0.0.0/8"))"#, &["net.ip"]),
            (r#"context.time.now.toDate() < datetime("2027-01-01") "#, &["time.now"]),
        ] {
            let text = format!("permit (principal, action, resource) when {{ {condition} }};");
            let policy = cedar_policy::Policy::parse(None, &text).unwrap().to_pst().unwrap();
            let found = policy.body().clauses().iter().fold(Reads::default(), |all, clause| match clause {
                cedar_policy::pst::Clause::When(expr) | cedar_policy::pst::Clause::Unless(expr) => {
                    all.and(read_by(expr))
                }
            });
            let found: Vec<&str> = LEAVES.into_iter().filter(|leaf| found.has(leaf)).collect();
            assert_eq!(found, reads, "{condition}");
        }
    }
}
