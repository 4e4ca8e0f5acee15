//! Since when the lines of a chain are sealed. A node that once sealed never goes back, so whoever appends a line in clear behind
//! that appends no record of ours: without the key of a month nobody writes a sealed one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::lines::Lines;
use super::node::NodeId;
use super::record::Record;
use super::segment::SegmentName;

/// The first format whose records are sealed.
const SEALED: u32 = 2;

/// The number of the first segment of each node whose records are sealed; looked up when a line in clear is met, which is seldom.
#[derive(Debug, Default)]
pub(super) struct Formats(HashMap<NodeId, Option<u64>>);

impl Formats {
    /// Whether a record in clear may stand in this segment, one of `all`. In a file of before the chain it may; what is wrong with
    /// such files is for [`super::verify`] to say.
    pub(super) fn may_be_in_clear(&mut self, path: &Path, all: &[PathBuf]) -> bool {
        let Some(name) = SegmentName::parse(path) else { return true };
        let first = self.0.entry(name.node.clone()).or_insert_with(|| first_sealed(&name.node, all));
        first.is_none_or(|first| name.number < first)
    }
}

fn first_sealed(node: &NodeId, all: &[PathBuf]) -> Option<u64> {
    let own = all.iter().filter_map(|path| SegmentName::parse(path).map(|name| (name, path)));
    let mut own: Vec<(u64, &PathBuf)> =
        own.filter(|(name, _)| name.node == *node).map(|(name, path)| (name.number, path)).collect();
    own.sort_unstable();
    own.into_iter().find(|(_, path)| is_sealed(path)).map(|(number, _)| number)
}

/// Whether the first line of a segment says so. One that cannot be read says nothing.
fn is_sealed(path: &Path) -> bool {
    let mut line = Vec::new();
    let read = Lines::open(path).is_ok_and(|mut lines| matches!(lines.next(&mut line), Ok(true)));
    read && matches!(serde_json::from_slice(&line), Ok(Record::Segment(header)) if header.format >= SEALED)
}
