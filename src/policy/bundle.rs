//! A checked set of policies.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::digest::{SHA256, digest};
use cedar_policy::{
    ActionConstraint, Effect, Policy, PolicyId as CedarId, PolicySet, Schema, ValidationMode, Validator,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use miette::Diagnostic;

use super::annotations::{self, Annotations};
use super::errors::{BundleError, BundleErrors};
use super::literals::{self, Mentioned};
use super::notify::Outcome;
use super::pilot;
use super::positive;
use super::question::Question;
use super::request::{self, Names, Prepared, RequestError, STEPS, Shown};
use super::vocabulary::Vocabulary;
use crate::clock::Timestamp;
use crate::domain::{
    App, AppId, Country, DeviceFacts, EmailAddress, IdError, MethodSet, PolicyId, Profile, RiskFacts, RoleName,
    SignalSet, Step, User, UserId, UserStatus, Username,
};

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// How messages name it.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// All files of a policies folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySources {
    /// `schema.cedarschema`.
    pub schema: SourceFile,
    /// `*.cedar`.
    pub policies: Vec<SourceFile>,
    /// `tests/*.toml`.
    pub tests: Vec<SourceFile>,
}

/// Whether a policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    InForce,
    /// `@mode("report")`
    Shadow,
    /// `@expires` had come when the set was read.
    Expired,
}

/// One policy of a bundle.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) notes: Annotations,
    pub(super) standing: Standing,
    pub(super) policy: Policy,
    text: String,
    /// The file it stands in, and where.
    file: usize,
    span: (usize, usize),
}

impl Stored {
    /// Whether `@expires` has come by the day of `now`, in UTC.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.standing == Standing::Expired || self.notes.expires.is_some_and(|expires| expires <= day(now))
    }
}

/// The day that `@expires` is compared with.
pub(super) fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// Permits and forbids, kept apart.
#[derive(Debug, Default)]
pub(super) struct Sets {
    pub(super) permits: PolicySet,
    /// The permits with `@expires`, by that day. A set outlives the day of its load while later ones are refused, so each
    /// question looks at its own day.
    pub(super) dated: Vec<(Date, PolicySet)>,
    pub(super) forbids: PolicySet,
}

/// A set of policies that passed every check, ready to decide.
#[derive(Debug)]
pub struct Bundle {
    vocabulary: Vocabulary,
    digest: String,
    names: Names,
    policies: Vec<Stored>,
    places: HashMap<CedarId, usize>,
    /// What is in force, by the step it can apply to: a policy is asked about the steps of its scope only.
    sets: HashMap<Step, Sets>,
    shadow: HashMap<Step, Sets>,
    /// What is in force for the action `notify`.
    notify: Sets,
    mentioned: Mentioned,
}

impl Bundle {
    /// Reads and checks a set. `today` tells which permits have expired already; those that expire later are left out of the
    /// questions of that day and after.
    ///
    /// # Errors
    /// Anything is wrong with it; all problems are told at once.
    pub fn parse(sources: &PolicySources, vocabulary: Vocabulary, today: Date) -> Result<Self, BundleErrors> {
        let at_schema = |message: String| BundleErrors::new(vec![BundleError::new(&sources.schema, (0, 0), message)]);
        let schema = read_schema(&sources.schema)?;
        let names = Names::new(&schema).map_err(|error| at_schema(error.to_string()))?;
        probe(&names, &vocabulary, &schema).map_err(|error| {
            at_schema(format!("the schema does not fit what cedargate tells policies: {}", whole(&error)))
        })?;
        let mut files: Vec<&SourceFile> = sources.policies.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let validator = Validator::new(schema);
        let (mut policies, mut problems) = (Vec::new(), Vec::new());
        for (index, file) in files.iter().enumerate() {
            read_file(index, file, &validator, &vocabulary, today, &mut policies, &mut problems);
        }
        let mut places = HashMap::new();
        for (place, stored) in policies.iter().enumerate() {
            if let (Some(_), Some(file)) = (places.insert(stored.policy.id().clone(), place), files.get(stored.file)) {
                let message = format!("another policy is called `{}`", stored.notes.enforced.id);
                problems.push(BundleError::new(file, stored.span, message).with_help("each `@id` stands once"));
            }
        }
        if !problems.is_empty() {
            return Err(BundleErrors::new(problems));
        }
        pilot::refuse(&vocabulary, &names, &policies).map_err(|(message, help)| {
            BundleErrors::new(vec![BundleError::new(&sources.schema, (0, 0), message).with_help(help)])
        })?;
        let digest = fingerprint(&sources.schema, &files, &vocabulary, &policies);
        let mentioned = policies
            .iter()
            .filter(|stored| stored.standing == Standing::InForce)
            .flat_map(|stored| stored.policy.entity_literals())
            .fold(Mentioned::default(), |mentioned, uid| mentioned.with(&uid));
        let sets = collect(&policies, Standing::InForce, &names).map_err(|error| at_schema(error.to_string()))?;
        let shadow = collect(&policies, Standing::Shadow, &names).map_err(|error| at_schema(error.to_string()))?;
        let notify = sets_of(&policies, Standing::InForce, |scope| names.covers_notify(scope))
            .map_err(|error| at_schema(error.to_string()))?;
        Ok(Self { vocabulary, digest, names, policies, places, sets, shadow, notify, mentioned })
    }

    /// SHA-256 over the schema, the policies and the names they may use, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The names that policies may use.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// A policy as it was written; `None` when there is none of this id.
    #[must_use]
    pub fn policy_text(&self, id: &PolicyId) -> Option<&str> {
        self.policies.iter().find(|stored| stored.notes.enforced.id == *id).map(|stored| stored.text.as_str())
    }

    /// The ids of the policies in force, in the order of files.
    pub fn policy_ids(&self) -> impl Iterator<Item = &PolicyId> {
        let in_force = self.policies.iter().filter(|stored| stored.standing == Standing::InForce);
        in_force.map(|stored| &stored.notes.enforced.id)
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn sets(&self, step: Step) -> Option<&Sets> {
        self.sets.get(&step)
    }

    /// The policies in force that [`Bundle::sets`] leaves out for a step.
    #[cfg(test)]
    pub(super) fn left_out(&self, step: Step) -> PolicySet {
        let out = self.policies.iter().filter(|stored| {
            stored.standing == Standing::InForce && !self.names.covers(step, &stored.policy.action_constraint())
        });
        PolicySet::from_policies(out.map(|stored| stored.policy.clone())).unwrap()
    }

    pub(super) fn shadow_sets(&self, step: Step) -> Option<&Sets> {
        self.shadow.get(&step)
    }

    pub(super) fn notify_sets(&self) -> &Sets {
        &self.notify
    }

    pub(super) fn mentioned(&self) -> Mentioned {
        self.mentioned
    }

    pub(super) fn policies(&self) -> &[Stored] {
        &self.policies
    }

    pub(super) fn stored(&self, place: usize) -> Option<&Stored> {
        self.policies.get(place)
    }

    pub(super) fn place(&self, id: &CedarId) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(super) fn domain_id(&self, id: &CedarId) -> Option<PolicyId> {
        let stored = self.place(id).and_then(|place| self.stored(place));
        stored.map(|stored| stored.notes.enforced.id.clone())
    }
}

fn read_schema(file: &SourceFile) -> Result<Schema, BundleErrors> {
    match Schema::from_cedarschema_str(&file.text) {
        Ok((schema, warnings)) => {
            let problems: Vec<_> = warnings.map(|warning| located(file, &warning)).collect();
            if problems.is_empty() { Ok(schema) } else { Err(BundleErrors::new(problems)) }
        }
        Err(error) => Err(BundleErrors::new(vec![located(file, &error)])),
    }
}

/// An error with what caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// A finding of Cedar at its place.
fn located<E: Diagnostic>(file: &SourceFile, finding: &E) -> BundleError {
    let label = finding.labels().and_then(|mut labels| labels.next());
    let span = label.as_ref().map_or((0, 0), |label| (label.offset(), label.len()));
    let mut message = finding.to_string();
    if let Some(text) = label.as_ref().and_then(|label| label.label()).filter(|text| !message.contains(text)) {
        let _ = write!(message, ": {text}");
    }
    let error = BundleError::new(file, span, message);
    match finding.help() {
        Some(help) => error.with_help(help.to_string()),
        None => error,
    }
}

fn read_file(
    index: usize,
    file: &SourceFile,
    validator: &Validator,
    vocabulary: &Vocabulary,
    today: Date,
    policies: &mut Vec<Stored>,
    problems: &mut Vec<BundleError>,
) {
    let set: PolicySet = match file.text.parse() {
        Ok(set) => set,
        Err(errors) => {
            let errors: cedar_policy::ParseErrors = errors;
            problems.extend(errors.iter().map(|error| located(file, error)));
            return;
        }
    };
    problems.extend(set.templates().map(|template| {
        let span = template.as_ref().loc().map_or((0, 0), |loc| (loc.start(), loc.end() - loc.start()));
        BundleError::new(file, span, "a template (`?principal`, `?resource`) decides nothing")
    }));
    let findings = validator.validate_with_level(&set, ValidationMode::Strict, 1);
    problems.extend(findings.validation_errors().map(|error| located(file, error)));
    problems.extend(findings.validation_warnings().map(|warning| located(file, warning)));
    let mut in_order: Vec<(usize, usize, &Policy)> = set
        .policies()
        .map(|policy| {
            let loc = policy.as_ref().loc();
            (loc.map_or(0, |loc| loc.start()), loc.map_or(0, |loc| loc.end()), policy)
        })
        .collect();
    in_order.sort_by_key(|(start, ..)| *start);
    for (start, end, policy) in in_order {
        let span = (start, end.saturating_sub(start));
        problems.extend(literal_problems(file, span, policy, vocabulary));
        let monotone = policy.to_pst().map(|pst| positive::refuse(&pst));
        match monotone {
            Ok(None) => {}
            Ok(Some(why)) => {
                let text = file.text.get(start..end).unwrap_or_default();
                let read =
                    ["context.proofs", "context.fresh"].map(|read| text.find(read).map(|at| (start + at, read.len())));
                let span = read.into_iter().flatten().min().unwrap_or(span);
                problems.push(BundleError::new(file, span, why).with_help(positive::HELP));
            }
            Err(error) => problems.push(BundleError::new(file, span, error.to_string())),
        }
        match annotations::read(policy.annotations(), policy.effect()) {
            Ok(notes) => {
                let standing = match (notes.report, notes.expires) {
                    (_, Some(expires)) if expires <= today => Standing::Expired,
                    (true, _) => Standing::Shadow,
                    (false, _) => Standing::InForce,
                };
                let policy = policy.new_id(CedarId::new(notes.enforced.id.as_str()));
                let text = file.text.get(start..end).unwrap_or_default().to_owned();
                policies.push(Stored { notes, standing, policy, text, file: index, span });
            }
            Err(wrong) => problems
                .extend(wrong.into_iter().map(|(what, help)| BundleError::new(file, span, what).with_help(help))),
        }
    }
}

fn literal_problems(
    file: &SourceFile,
    span: (usize, usize),
    policy: &Policy,
    vocabulary: &Vocabulary,
) -> Vec<BundleError> {
    let named: BTreeSet<_> = policy.entity_literals().into_iter().collect();
    let text = file.text.get(span.0..span.0 + span.1).unwrap_or_default();
    let refused = named.iter().filter_map(|uid| Some((uid, literals::refuse(uid, vocabulary)?)));
    refused
        .map(|(uid, (message, help))| {
            let written = uid.to_string();
            let span = text.find(&written).map_or(span, |at| (span.0 + at, written.len()));
            let error = BundleError::new(file, span, message);
            if let Some(help) = help { error.with_help(help) } else { error }
        })
        .collect()
}

fn collect(
    policies: &[Stored],
    standing: Standing,
    names: &Names,
) -> Result<HashMap<Step, Sets>, Box<cedar_policy::PolicySetError>> {
    STEPS.into_iter().map(|step| Ok((step, sets_of(policies, standing, |scope| names.covers(step, scope))?))).collect()
}

fn sets_of(
    policies: &[Stored],
    standing: Standing,
    covers: impl Fn(&ActionConstraint) -> bool,
) -> Result<Sets, Box<cedar_policy::PolicySetError>> {
    let chosen: Vec<&Stored> = policies
        .iter()
        .filter(|stored| stored.standing == standing && covers(&stored.policy.action_constraint()))
        .collect();
    let of = |effect: Effect, expires: Option<Date>| {
        let these = chosen.iter().filter(|stored| stored.policy.effect() == effect && stored.notes.expires == expires);
        PolicySet::from_policies(these.map(|stored| stored.policy.clone())).map_err(Box::new)
    };
    let days: BTreeSet<Date> = chosen.iter().filter_map(|stored| stored.notes.expires).collect();
    let mut dated = Vec::with_capacity(days.len());
    for day in days {
        dated.push((day, of(Effect::Permit, Some(day))?));
    }
    // INVARIANT: only a permit has a day, so no forbid is left out here; `annotations` refuses any other.
    Ok(Sets { permits: of(Effect::Permit, None)?, dated, forbids: of(Effect::Forbid, None)? })
}

/// One name for everything that decides: equal digests decide alike on the same day.
fn fingerprint(schema: &SourceFile, files: &[&SourceFile], vocabulary: &Vocabulary, policies: &[Stored]) -> String {
    let mut all = String::new();
    for text in std::iter::once(&schema.text).chain(files.iter().map(|file| &file.text)) {
        let _ = write!(all, "{}:{text}", text.len());
    }
    // Names hold neither spaces nor quotes, so the debug form is unambiguous.
    let _ = write!(all, "{vocabulary:?}");
    for stored in policies.iter().filter(|stored| stored.standing == Standing::Expired) {
        let _ = write!(all, " expired {}", stored.notes.enforced.id);
    }
    let hash = digest(&SHA256, all.as_bytes());
    hash.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A person, an app and signals that stand for all others when the schema is tried.
fn probe(names: &Names, vocabulary: &Vocabulary, schema: &Schema) -> Result<(), ProbeError> {
    let app = App {
        id: AppId::parse("app")?,
        name: String::new(),
        device_limit: 1,
        pilot: None,
        roles: vec![RoleName::parse("role")?],
    };
    let user = User {
        id: UserId::parse("00000000-0000-7000-8000-000000000000").ok_or(ProbeError::Sample)?,
        username: Username::parse("somebody")?,
        email: EmailAddress::parse("somebody@example.com")?,
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: BTreeSet::new(),
        home_country: Country::unknown(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 0,
        devices_since: None,
    };
    let signals = SignalSet {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        country: Country::private(),
        place: None,
        asn: 0,
        networks: BTreeSet::new(),
        anonymous: false,
        now: Timestamp::UNIX_EPOCH,
        hour: 0,
        weekday: 1,
        device: DeviceFacts::default(),
        risk: RiskFacts::default(),
        unknown: crate::domain::UnknownSignal::ALL.into(),
    };
    let all: MethodSet = crate::domain::Method::ALL.into_iter().collect();
    let q = Question {
        user: &user,
        app: &app,
        proofs: all,
        fresh: all,
        signals: &signals,
        sp_initiated: false,
        force_authn: false,
        required: crate::domain::Required::NOTHING,
        profile: Profile::Compat,
    };
    request::visit(names, vocabulary, &app, &signals, Some(schema))?;
    let prepared = Prepared::new(names, vocabulary, &q)?;
    for step in STEPS.into_iter().filter(|step| *step != Step::Visit && names.has(*step)) {
        prepared.ask(step, app.roles.first(), Shown::of(&q), Some(schema))?;
    }
    for outcome in Outcome::ALL {
        prepared.ask_notify(outcome, Shown::of(&q), Some(schema))?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error(transparent)]
    Name(#[from] IdError),
    #[error("the sample user has no id")]
    Sample,
    #[error(transparent)]
    Request(#[from] RequestError),
}

#[cfg(test)]
mod tests;
