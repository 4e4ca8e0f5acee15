//! A checked set of policies.

mod probe;
mod read;
mod slices;

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use cedar_policy::{Policy, PolicyId as CedarId, PolicySet, Validator};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::annotations::Annotations;
use super::errors::{BundleError, BundleErrors, Rule};
use super::literals::Mentioned;
use super::pilot;
use super::request::Names;
use super::vocabulary::Vocabulary;
use crate::clock::Timestamp;
use crate::domain::{PolicyId, Step};

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
    /// `invariants/*.cedar`.
    pub invariants: Vec<SourceFile>,
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
#[derive(Debug, Clone)]
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
    /// The same set with the policies on trial in force; `None` when none is on trial.
    trial: Option<Box<Bundle>>,
}

impl Bundle {
    /// Reads and checks a set. `today` tells which permits have expired already; those that expire later are left out of the
    /// questions of that day and after.
    ///
    /// # Errors
    /// Anything is wrong with it; all problems are told at once.
    pub fn parse(sources: &PolicySources, vocabulary: Vocabulary, today: Date) -> Result<Self, BundleErrors> {
        let at_schema =
            |message: String| BundleErrors::new(vec![BundleError::new(Rule::Schema, &sources.schema, (0, 0), message)]);
        let schema = read::schema(&sources.schema)?;
        let names = Names::new(&schema).map_err(|error| at_schema(error.to_string()))?;
        probe::probe(&names, &vocabulary, &schema).map_err(|error| {
            at_schema(format!("the schema does not fit what cedargate tells policies: {}", read::whole(&error)))
        })?;
        let mut files: Vec<&SourceFile> = sources.policies.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let validator = Validator::new(schema);
        let (mut policies, mut problems) = (Vec::new(), Vec::new());
        for (index, file) in files.iter().enumerate() {
            read::file(index, file, &validator, &vocabulary, today, &mut policies, &mut problems);
        }
        let mut ids = HashSet::new();
        for stored in &policies {
            if let (false, Some(file)) = (ids.insert(stored.policy.id()), files.get(stored.file)) {
                let message = format!("another policy is called `{}`", stored.notes.enforced.id);
                problems.push(
                    BundleError::new(Rule::Duplicate, file, stored.span, message).with_help("each `@id` stands once"),
                );
            }
        }
        if !problems.is_empty() {
            return Err(BundleErrors::new(problems));
        }
        pilot::refuse(&vocabulary, &names, &policies).map_err(|(message, help)| {
            BundleErrors::new(vec![BundleError::new(Rule::Pilot, &sources.schema, (0, 0), message).with_help(help)])
        })?;
        let digest = fingerprint(&sources.schema, &files, &vocabulary, &policies);
        let in_trial = Self::trial_policies(&policies);
        let at_schema = |error: Box<cedar_policy::PolicySetError>| at_schema(error.to_string());
        let trial = in_trial
            .map(|policies| Self::assemble(vocabulary.clone(), digest.clone(), names.clone(), policies))
            .transpose()
            .map_err(at_schema)?;
        let bundle = Self::assemble(vocabulary, digest, names, policies).map_err(at_schema)?;
        Ok(Self { trial: trial.map(Box::new), ..bundle })
    }

    /// Sorts checked policies by what they are asked about.
    fn assemble(
        vocabulary: Vocabulary,
        digest: String,
        names: Names,
        policies: Vec<Stored>,
    ) -> Result<Self, Box<cedar_policy::PolicySetError>> {
        let places = policies.iter().enumerate().map(|(place, stored)| (stored.policy.id().clone(), place)).collect();
        let mentioned = policies
            .iter()
            .filter(|stored| stored.standing == Standing::InForce)
            .flat_map(|stored| stored.policy.entity_literals())
            .fold(Mentioned::default(), |mentioned, uid| mentioned.with(&uid));
        let sets = slices::collect(&policies, Standing::InForce, &names)?;
        let shadow = slices::collect(&policies, Standing::Shadow, &names)?;
        let notify = slices::sets_of(&policies, Standing::InForce, |scope| names.covers_notify(scope))?;
        Ok(Self { vocabulary, digest, names, policies, places, sets, shadow, notify, mentioned, trial: None })
    }

    /// The policies as they would stand with those on trial in force, each at the same place; `None` when none is on trial.
    fn trial_policies(policies: &[Stored]) -> Option<Vec<Stored>> {
        let on_trial = policies.iter().any(|stored| stored.standing == Standing::Shadow);
        on_trial.then(|| {
            let enforced = |stored: &Stored| {
                let is_inert = stored.standing == Standing::Expired;
                Stored { standing: if is_inert { Standing::Expired } else { Standing::InForce }, ..stored.clone() }
            };
            policies.iter().map(enforced).collect()
        })
    }

    /// SHA-256 over the schema, the policies and the names they may use, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The same set with the policies on trial (`@mode("report")`) in force; `None` when none is on trial. Nothing may act on
    /// what it says.
    #[must_use]
    pub fn trial(&self) -> Option<&Self> {
        self.trial.as_deref()
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

#[cfg(test)]
mod tests;
