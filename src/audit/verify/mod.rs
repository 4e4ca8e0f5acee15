//! Proves that a journal is as it was written, up to the last signed head; or says where it is not.

mod lines;
#[cfg(test)]
mod tests;
mod unchained;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::chain::Position;
use super::head::{HeadKey, SignedHead};
use super::journal::AuditError;
use super::node::NodeId;
use super::segment::{self, SegmentName};
use crate::clock::Timestamp;

/// How many findings are told one by one. A journal that was rewritten would give one for each of its lines.
pub const MOST_FINDINGS: usize = 200;

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A line was changed.
    Altered,
    /// A line cannot be read any more.
    Damaged,
    /// Lines are not there.
    Missing,
    /// A line stands elsewhere than it was written.
    Reordered,
    /// A line stands there a second time, or was added.
    Repeated,
    /// The end is not there.
    Cut,
    /// A segment is not the one its name says, or is there twice.
    Misnamed,
    /// Records stand outside the chain, although the chain had begun.
    Unchained,
    /// A stored head is not signed with this server's key.
    BadHead,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// In which file; `None` where there is no file to name.
    pub file: Option<PathBuf>,
    /// In which line of it, from 1.
    pub line: Option<usize>,
    /// Of which node.
    pub node: Option<NodeId>,
    /// The rest of the sentence.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, _) => {}
        }
        f.write_str(&self.message)
    }
}

/// What was read of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// Which.
    pub node: NodeId,
    /// How many starts of the process.
    pub boots: usize,
    /// How many files.
    pub segments: usize,
    /// How many lines.
    pub lines: u64,
    /// The last line that hangs together with those before it.
    pub last: Option<Position>,
    /// The newest signed head.
    pub signed: Option<Position>,
    /// When that was signed.
    pub signed_at: Option<Timestamp>,
}

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was read.
    pub nodes: Vec<NodeReport>,
    /// What is not as it was written; at most [`MOST_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more: usize,
    /// What is worth knowing and no fault.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether everything is as it was written.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, finding: Finding) {
        let same = |other: &Finding| (&other.file, other.line) == (&finding.file, finding.line);
        if finding.line.is_some() && self.findings.iter().any(same) {
            return;
        }
        if self.findings.len() < MOST_FINDINGS { self.findings.push(finding) } else { self.more += 1 }
    }
}

/// What a journal is held against.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The stored heads.
    pub heads: Vec<SignedHead>,
    /// How many rows of the store are no heads at all.
    pub unreadable: usize,
    /// What they are signed with.
    pub key: &'a HeadKey,
}

/// How much is looked at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only these nodes; empty: all that have segments or heads.
    pub nodes: BTreeSet<NodeId>,
    /// The oldest segments were moved elsewhere: begin with the first that is there.
    pub kept_only: bool,
}

impl Scope {
    fn holds(&self, node: &NodeId) -> bool {
        self.nodes.is_empty() || self.nodes.contains(node)
    }
}

/// Reads all segments in `folders` and holds them against the heads.
///
/// # Errors
/// A folder or file cannot be read.
pub fn verify(folders: &[PathBuf], evidence: Evidence<'_>, scope: &Scope) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let mut heads = sort_heads(evidence, scope, &mut report);
    let (chains, outside) = sort_files(folders, scope, &mut report)?;
    let mut begun: Option<Timestamp> = None;
    for (node, segments) in chains {
        let signed = heads.remove(&node).unwrap_or_default();
        let (read, first) = walk::node(node, &segments, signed, scope.kept_only, &mut report)?;
        begun = [begun, first].into_iter().flatten().min();
        report.nodes.push(read);
    }
    for (node, signed) in heads {
        let Some(newest) = signed.last() else { continue };
        let message = format!(
            "the journal of node {node} is missing: it was signed up to record {} on {}. If it is kept in another folder, \
             name that with --folder",
            newest.head.position.seq,
            newest.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        );
        report.add(Finding { kind: FindingKind::Missing, file: None, line: None, node: Some(node), message });
    }
    for path in outside {
        unchained::look(&path, begun, &mut report)?;
    }
    Ok(report)
}

type Heads = BTreeMap<NodeId, Vec<SignedHead>>;

/// The heads of each node in the order of their lines; those that are not signed by us are found out.
fn sort_heads(evidence: Evidence<'_>, scope: &Scope, report: &mut Report) -> Heads {
    let mut heads = Heads::new();
    let bad = |node, message| Finding { kind: FindingKind::BadHead, file: None, line: None, node, message };
    if evidence.unreadable > 0 {
        report.add(bad(None, format!("{} of the stored heads can't be read", evidence.unreadable)));
    }
    for signed in evidence.heads {
        let (node, seq) = (signed.head.node.clone(), signed.head.position.seq);
        if !scope.holds(&node) {
            continue;
        }
        if evidence.key.verifies(&signed) {
            heads.entry(node).or_default().push(signed);
        } else {
            let message = format!(
                "the stored head of node {node} at record {seq} is not signed with this server's key: it was changed, or the \
                 secret was"
            );
            report.add(bad(Some(node), message));
        }
    }
    for signed in heads.values_mut() {
        signed.sort_by_key(|signed| signed.head.position.seq);
    }
    heads
}

type Chains = BTreeMap<NodeId, Vec<(u64, PathBuf)>>;

/// The segments of each node by their numbers, and the files that are none.
fn sort_files(folders: &[PathBuf], scope: &Scope, report: &mut Report) -> Result<(Chains, Vec<PathBuf>), AuditError> {
    let (mut chains, mut outside) = (Chains::new(), Vec::new());
    for folder in folders {
        for path in segment::list(folder)? {
            match SegmentName::parse(&path) {
                Some(name) if scope.holds(&name.node) => {
                    chains.entry(name.node).or_default().push((name.number, path));
                }
                Some(_) => {}
                None => outside.push(path),
            }
        }
    }
    for (node, segments) in &mut chains {
        segments.sort();
        let mut unique: Vec<(u64, PathBuf)> = Vec::new();
        for (number, path) in segments.drain(..) {
            match unique.last() {
                Some((last, first)) if *last == number => {
                    let message =
                        format!("segment {number} of node {node} is there twice, also as {}", first.display());
                    report.add(misnamed(&path, None, node, message));
                }
                _ => unique.push((number, path)),
            }
        }
        *segments = unique;
    }
    Ok((chains, outside))
}

fn misnamed(path: &Path, line: Option<usize>, node: &NodeId, message: String) -> Finding {
    Finding { kind: FindingKind::Misnamed, file: Some(path.to_owned()), line, node: Some(node.clone()), message }
}
