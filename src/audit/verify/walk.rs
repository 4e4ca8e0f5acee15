//! Walks along the chain of one node.
//!
//! A line is in its place when its number follows the one before, and it is as it was written when the next line names its hash.
//! Where a hash is not the one named, either line may be the changed one; the line after tells which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::lines::{Opened, Place, Read};
use super::{Finding, FindingKind, MOST_FINDINGS, NodeReport, Report, misnamed};
use crate::audit::chain::{LineHash, Link, Position};
use crate::audit::head::SignedHead;
use crate::audit::journal::AuditError;
use crate::audit::node::NodeId;
use crate::audit::record::SegmentRecord;
use crate::clock::Timestamp;

/// Reads the segments of `node`, lowest number first. Says too when the chain began.
pub(super) fn node(
    node: NodeId,
    segments: &[(u64, PathBuf)],
    heads: Vec<SignedHead>,
    kept_only: bool,
    report: &mut Report,
) -> Result<(NodeReport, Option<Timestamp>), AuditError> {
    let newest = heads.last().cloned();
    let heads = heads.into_iter().map(|signed| (signed.head.position.seq, (signed.head.position.hash, signed.at)));
    let mut walk = Walk {
        node: &node,
        report,
        heads: heads.collect(),
        kept_only,
        last: None,
        suspects: None,
        gaps: Vec::new(),
        damaged: Vec::new(),
    };
    let (mut lines, mut boots, mut begun) = (0, BTreeSet::new(), None);
    let (mut ahead, mut torn) = (None::<Read>, None::<(PathBuf, usize, Option<NodeId>)>);
    for (number, path) in segments {
        let mut opened = Opened::open(path)?;
        let mut boot = None;
        while let Some((read, header)) = opened.next()? {
            lines += 1;
            if read.place.line == 1 {
                walk.header(path, *number, header.as_ref());
                boot = header.as_ref().map(|header| header.boot.clone());
                begun = begun.or(header.map(|header| header.at));
                if let Some(torn) = torn.take() {
                    walk.torn(&torn.0, torn.1, torn.2.is_none() || torn.2 != boot);
                }
            }
            if let Some(line) = ahead.replace(read) {
                walk.line(line, ahead.as_ref());
            }
        }
        boots.extend(boot.clone());
        if let Some(error) = &opened.broken {
            walk.broken(path, error);
        }
        if opened.torn > 0 {
            torn = Some((path.clone(), opened.torn, boot));
        }
    }
    if let Some(line) = ahead {
        walk.line(line, None);
    }
    if let Some((path, bytes, _)) = torn {
        walk.torn(&path, bytes, true);
    }
    let last = walk.end(segments);
    let read = NodeReport {
        node,
        boots: boots.len(),
        segments: segments.len(),
        lines,
        last,
        signed: newest.as_ref().map(|signed| signed.head.position),
        signed_at: newest.map(|signed| signed.at),
    };
    Ok((read, begun))
}

/// The last line in its place.
struct Last {
    seq: u64,
    /// `None` when the lines before it could not be read.
    hash: Option<LineHash>,
    place: Place,
}

/// Numbers that were left out between two lines.
struct Gap {
    numbers: BTreeSet<u64>,
    /// How many more, where there are too many to keep.
    more: u64,
    after: Place,
    before: Place,
}

/// The most missing numbers that are kept one by one, of all gaps together.
const MOST_NUMBERS: u64 = 100_000;

struct Walk<'a> {
    node: &'a NodeId,
    report: &'a mut Report,
    heads: BTreeMap<u64, (LineHash, Timestamp)>,
    kept_only: bool,
    last: Option<Last>,
    /// Two lines of which the second does not name the hash of the first.
    suspects: Option<(Place, Place)>,
    gaps: Vec<Gap>,
    /// Lines that cannot be read, since the last one in its place.
    damaged: Vec<Place>,
}

impl Walk<'_> {
    fn line(&mut self, read: Read, next: Option<&Read>) {
        let Some(link) = read.link else {
            self.settle();
            if let Some(last) = &mut self.last {
                last.hash = None;
            }
            // A file may hold more of them than memory does.
            if self.damaged.len() < MOST_FINDINGS {
                self.damaged.push(read.place)
            } else {
                self.report.more += 1
            }
            return;
        };
        let expected = self.last.as_ref().map_or(0, |last| last.seq.saturating_add(1));
        if !self.damaged.is_empty() && link.seq >= expected {
            self.tell_damaged(expected, Some(link.seq));
            self.accept(&read, link.seq);
            return;
        }
        let Some(last) = &self.last else { return self.first(&read, link) };
        let (last_hash, last_place) = (last.hash, last.place.clone());
        let follows = last_hash == Some(link.prev);
        let next_link = next.map(|next| next.link);
        if link.seq == expected {
            self.check(last_place, &read.place, last_hash, link);
            self.accept(&read, expected);
        } else if follows && next_link.is_none_or(|next| next.is_none_or(|next| next.seq == expected.saturating_add(1)))
        {
            self.altered(&read.place, "its number was changed");
            self.accept(&read, expected);
        } else if link.seq > expected {
            self.settle();
            self.gap(expected..link.seq, last_place, read.place.clone());
            self.accept(&read, link.seq);
        } else {
            self.out_of_place(&read, link.seq);
        }
    }

    /// Lines that were left out: as with all that is found, no more is kept of them than anybody reads.
    fn gap(&mut self, missing: std::ops::Range<u64>, after: Place, before: Place) {
        if self.gaps.len() >= MOST_FINDINGS {
            self.report.more += 1;
            return;
        }
        let kept: u64 = self.gaps.iter().map(|gap| gap.numbers.len() as u64).sum();
        // One at least, as a gap without numbers is filled.
        let most = MOST_NUMBERS.saturating_sub(kept).max(1);
        let count = missing.end.saturating_sub(missing.start);
        let numbers = missing.take(usize::try_from(most).unwrap_or(usize::MAX)).collect();
        self.gaps.push(Gap { numbers, more: count.saturating_sub(most), after, before });
    }

    /// The first line that can be read at all.
    fn first(&mut self, read: &Read, link: Link) {
        match (link.seq, link.prev == LineHash::NONE) {
            (0, true) => {}
            (0, false) | (_, true) => self.altered(&read.place, "its place in the chain was changed"),
            (seq, false) if self.kept_only => {
                let place = read.place.path.display();
                self.report.notes.push(format!("{place}: begins at record {seq}; nothing before was looked at"));
            }
            (seq, false) => {
                let what = format!("begins with record {seq}; the {seq} before are missing");
                self.find(FindingKind::Missing, &read.place, what);
            }
        }
        let seq = if link.prev == LineHash::NONE { 0 } else { link.seq };
        self.accept(read, seq);
    }

    fn out_of_place(&mut self, read: &Read, seq: u64) {
        for gap in &mut self.gaps {
            if gap.numbers.remove(&seq) {
                let what = format!("out of order: record {seq} belongs behind {}", Named(&gap.after));
                return self.find(FindingKind::Reordered, &read.place, what);
            }
        }
        let what = format!("record {seq} was there before: this one was repeated, moved or added");
        self.find(FindingKind::Repeated, &read.place, what);
    }

    /// Whether a line names the hash of the one before.
    fn check(&mut self, before: Place, place: &Place, hash: Option<LineHash>, link: Link) {
        let Some(hash) = hash else { return };
        match (self.suspects.take(), hash == link.prev) {
            (None, true) => {}
            (None, false) => self.suspects = Some((before, place.clone())),
            // The second of them is as the next line says, so the first is not.
            (Some((first, _)), true) => self.altered(&first, "the next line names another hash"),
            (Some((_, second)), false) => self.altered(&second, "the lines before and after do not fit it"),
        }
    }

    /// Takes a line as the one at `seq`.
    fn accept(&mut self, read: &Read, seq: u64) {
        match self.heads.get(&seq) {
            Some((hash, at)) if *hash != read.hash => {
                let what = format!("it is not the line that was signed on {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"));
                self.altered(&read.place, &what);
                self.suspects = self.suspects.take().filter(|(_, second)| *second != read.place);
            }
            Some(_) => {
                if let Some((first, _)) = self.suspects.take_if(|(_, second)| *second == read.place) {
                    self.altered(&first, "the next line, which was signed, names another hash");
                }
            }
            None => {}
        }
        self.last = Some(Last { seq, hash: Some(read.hash), place: read.place.clone() });
    }

    /// Nothing more will tell which of the suspects it was.
    fn settle(&mut self) {
        if let Some((first, second)) = self.suspects.take() {
            let what = format!("altered: this line or {} before it", Named(&first));
            self.find(FindingKind::Altered, &second, what);
        }
    }

    fn tell_damaged(&mut self, expected: u64, next: Option<u64>) {
        let what = match next.map(|next| (next, next.saturating_sub(expected))) {
            Some((_, 0)) => "damaged: this is no line of the journal".to_owned(),
            Some((_, 1)) => format!("damaged: record {expected} can't be read"),
            Some((next, _)) => {
                format!("damaged: records {expected} to {} can't be read", next.saturating_sub(1))
            }
            None => format!("damaged: from record {expected} on nothing can be read"),
        };
        for place in std::mem::take(&mut self.damaged) {
            self.find(FindingKind::Damaged, &place, what.clone());
        }
    }

    /// The first line of a segment says which one it is.
    fn header(&mut self, path: &Path, number: u64, header: Option<&SegmentRecord>) {
        let message = match header {
            Some(header) if header.node == *self.node && header.number == number => return,
            Some(header) => {
                format!("this is segment {} of node {}, which its name does not say", header.number, header.node)
            }
            None => "the first line of the segment is not there".to_owned(),
        };
        self.report.add(misnamed(path, Some(1), self.node, message));
    }

    /// A compressed segment that cannot be expanded to its end.
    fn broken(&mut self, path: &Path, error: &std::io::Error) {
        let message = format!("damaged: from here on the compressed file can't be read: {error}");
        let (file, node) = (Some(path.to_owned()), Some(self.node.clone()));
        self.report.add(Finding { kind: FindingKind::Damaged, file, line: None, node, message });
    }

    /// Bytes without a line end. A process that was killed leaves such, and the next one begins a segment of its own.
    fn torn(&mut self, path: &Path, bytes: usize, ended: bool) {
        if ended {
            let what =
                "without a line end: the process was stopped, or is, while writing. It waited for no such record";
            self.report.notes.push(format!("{}: ends with {bytes} bytes {what}", path.display()));
        } else {
            let what = format!("{bytes} bytes without a line end, although the process went on");
            let (file, node) = (Some(path.to_owned()), Some(self.node.clone()));
            self.report.add(Finding { kind: FindingKind::Damaged, file, line: None, node, message: what });
        }
    }

    fn end(mut self, segments: &[(u64, PathBuf)]) -> Option<Position> {
        self.settle();
        let expected = self.last.as_ref().map_or(0, |last| last.seq.saturating_add(1));
        self.tell_damaged(expected, None);
        for gap in std::mem::take(&mut self.gaps) {
            let (Some(first), Some(last)) = (gap.numbers.first(), gap.numbers.last()) else { continue };
            let count = u64::try_from(gap.numbers.len()).unwrap_or(u64::MAX).saturating_add(gap.more);
            let which =
                if count == 1 { format!("record {first}") } else { format!("records {first} to {last} ({count})") };
            let what = format!("{which} missing here, behind {}", Named(&gap.after));
            self.find(FindingKind::Missing, &gap.before, what);
        }
        if let Some((seq, (_, at))) = self.heads.last_key_value().filter(|(seq, _)| **seq >= expected) {
            let message = format!(
                "cut off: it was signed up to record {seq} on {}, and {}",
                at.strftime("%Y-%m-%d %H:%M:%S UTC"),
                if expected == 0 {
                    "no record is left".to_owned()
                } else {
                    format!("ends with record {}", expected - 1)
                },
            );
            // The last segment, and in it the last line, if it has one.
            let file = segments.last().map(|(_, path)| path.clone());
            let place = self.last.as_ref().map(|last| &last.place).filter(|place| Some(&place.path) == file.as_ref());
            let (line, node) = (place.map(|place| place.line), Some(self.node.clone()));
            self.report.add(Finding { kind: FindingKind::Cut, file, line, node, message });
        }
        self.last.and_then(|last| Some(Position { seq: last.seq, hash: last.hash? }))
    }

    fn altered(&mut self, place: &Place, why: &str) {
        self.find(FindingKind::Altered, place, format!("altered: {why}"));
    }

    fn find(&mut self, kind: FindingKind, place: &Place, message: String) {
        let (file, line) = (Some(place.path.clone()), Some(place.line));
        self.report.add(Finding { kind, file, line, node: Some(self.node.clone()), message });
    }
}

/// A place in a sentence.
struct Named<'a>(&'a Place);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.0.path.file_name().unwrap_or_default().to_string_lossy();
        write!(f, "{file}:{}", self.0.line)
    }
}
