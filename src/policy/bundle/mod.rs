//! A checked set of policies.

#[cfg(test)]
mod equal;
mod index;
mod limits;
mod load;
mod pieces;
mod probe;
mod read;
mod scan;

pub(super) use limits::on_a_deep_stack;
pub(super) use read::{cedar, located, undeclared};

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use cedar_policy::{Policy, Validator};
use cedar_policy_core::ast::Expr;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub(super) use index::{Buckets, Index};
pub use scan::Scan;

use super::annotations::Annotations;
use super::planner::needs::Need;
use super::request::Names;
use super::vocabulary::Vocabulary;
use crate::clock::Timestamp;
use crate::domain::PolicyId;

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

impl Standing {
    fn of(notes: &Annotations, today: Date) -> Self {
        match (notes.report, notes.expires) {
            (_, Some(expires)) if expires <= today => Self::Expired,
            (true, _) => Self::Shadow,
            (false, _) => Self::InForce,
        }
    }
}

/// One policy of a bundle. Cheap to copy: a second bundle may hold the same policies, each in another standing.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) notes: Arc<Annotations>,
    pub(super) standing: Standing,
    pub(super) policy: Policy,
    text: Arc<str>,
    /// The file it stands in, and where.
    file: usize,
    span: (usize, usize),
    /// When it applies, of a question that the index asks it.
    condition: Expr,
    /// What it needs shown, from its text.
    pub(super) needs: Arc<[Need]>,
}

impl Stored {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn condition(&self) -> &Expr {
        &self.condition
    }

    /// Whether `@expires` has come by the day of `now`, in UTC.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.standing == Standing::Expired || self.notes.expires.is_some_and(|expires| expires <= day(now))
    }
}

/// The day that `@expires` is compared with.
pub(super) fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// A set of policies that passed every check, ready to decide.
#[derive(Debug)]
pub struct Bundle {
    vocabulary: Vocabulary,
    digest: String,
    /// The schema as it was written, and what it makes of names: the same for a set that has the same schema and names.
    schema: Arc<str>,
    validator: Arc<Validator>,
    names: Arc<Names>,
    policies: Vec<Stored>,
    index: Index,
    /// The same set with the policies on trial in force; `None` when none is on trial.
    trial: Option<Box<Bundle>>,
}

impl Bundle {
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
        self.policies.iter().find(|stored| stored.notes.enforced.id == *id).map(Stored::text)
    }

    /// The ids of the policies in force, in the order of files.
    pub fn policy_ids(&self) -> impl Iterator<Item = &PolicyId> {
        let in_force = self.policies.iter().filter(|stored| stored.standing == Standing::InForce);
        in_force.map(|stored| &stored.notes.enforced.id)
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn policies(&self) -> &[Stored] {
        &self.policies
    }

    pub(super) fn stored(&self, place: usize) -> Option<&Stored> {
        self.policies.get(place)
    }
}

/// One name for everything that decides: equal digests decide alike on the same day.
fn fingerprint(schema: &SourceFile, files: &[&SourceFile], vocabulary: &Vocabulary, policies: &[Stored]) -> String {
    let mut hash = Context::new(&SHA256);
    let mut add = |text: &str| hash.update(text.as_bytes());
    for text in std::iter::once(&schema.text).chain(files.iter().map(|file| &file.text)) {
        add(&format!("{}:", text.len()));
        add(text);
    }
    // Names hold neither spaces nor quotes, so the debug form is unambiguous.
    add(&format!("{vocabulary:?}"));
    for stored in policies.iter().filter(|stored| stored.standing == Standing::Expired) {
        add(&format!(" expired {}", stored.notes.enforced.id));
    }
    let hash = hash.finish();
    hash.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests;
