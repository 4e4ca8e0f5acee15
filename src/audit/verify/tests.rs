use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::audit::keys::memory::MemoryKeys;
use crate::audit::{EventKind, EventRecord, Journal, Means, Quota};
use crate::clock::{Clock as _, FixedEntropy, ManualClock};
use crate::domain::Username;

/// A folder with a journal of two nodes, one of which was started twice, and what was signed of it.
struct World {
    folder: tempfile::TempDir,
    key: HeadKey,
    heads: Vec<SignedHead>,
}

fn event(name: &str) -> EventRecord {
    EventRecord {
        event: EventKind::SignedOut,
        at: "2026-11-21T12:00:00Z".parse().unwrap(),
        user: Username::parse(name).unwrap(),
        sign_in: None,
        method: None,
        ip: None,
        device: None,
        about_device: None,
    }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
        let key = HeadKey::from_seed(&[7; 32]).unwrap();
        let mut heads = Vec::new();
        let open = |seed, heads: &[SignedHead]| {
            let (entropy, keys) = (Arc::new(FixedEntropy::seeded(seed)), MemoryKeys::fixed());
            let means = Means { clock: clock.clone(), entropy, keys, quota: Quota::USUAL };
            Journal::open(folder.path(), means, heads).unwrap()
        };
        // Two that live at the same time are two nodes; the third takes the id of the first.
        let first = open(1, &[]);
        let second = open(2, &[]);
        for (journal, names) in [(&first, ["ann", "ben"]), (&second, ["carl", "dora"])] {
            for name in names {
                journal.append(event(name)).await.unwrap();
                heads.push(key.sign(journal.head(), clock.now()));
            }
        }
        let id = first.head().node;
        close(first, folder.path());
        let third = open(3, &heads);
        assert_eq!(third.head().node, id);
        third.append(event("emil")).await.unwrap();
        third.append(event("fay")).await.unwrap();
        heads.push(key.sign(third.head(), clock.now()));
        close(third, folder.path());
        drop(second);
        wait_for(&folder.path().join("1.node"));
        unpack(folder.path());
        Self { folder, key, heads }
    }

    fn verify_with(&self, heads: Vec<SignedHead>, scope: &Scope) -> Report {
        let evidence = Evidence { heads, unreadable: 0, key: &self.key };
        verify(&[self.folder.path().to_owned()], evidence, scope).unwrap()
    }

    fn verify(&self) -> Report {
        self.verify_with(self.heads.clone(), &Scope::default())
    }

    /// The segments of the node that was started twice, then that of the other.
    fn files(&self) -> Vec<PathBuf> {
        let own = |path: &PathBuf| SegmentName::parse(path).is_some_and(|name| name.node == self.heads[0].head.node);
        let named =
            segment::list(self.folder.path()).unwrap().into_iter().filter(|path| SegmentName::parse(path).is_some());
        let (mut files, others): (Vec<_>, Vec<_>) = named.partition(own);
        files.sort_by_key(|path| SegmentName::parse(path).unwrap().number);
        files.extend(others);
        files
    }
}

/// Waits until the thread of a journal has let go of its node.
fn close(journal: Journal, folder: &Path) {
    drop(journal);
    wait_for(&folder.join("0.node"));
}

fn wait_for(node: &Path) {
    let watch = crate::clock::Stopwatch::start();
    while fs::File::open(node).unwrap().try_lock().is_err() {
        assert!(watch.micros() < 10_000_000, "the writer goes on");
        std::thread::yield_now();
    }
}

/// Undoes what was compressed meanwhile: whether there was time for it is up to the machine.
fn unpack(folder: &Path) {
    for path in segment::list(folder).unwrap().into_iter().filter(|path| segment::is_packed(path)) {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut crate::audit::lines::reader(&path).unwrap(), &mut text).unwrap();
        fs::write(path.with_extension(""), text).unwrap();
        fs::remove_file(path).unwrap();
    }
}

/// What is done to one file in turn, and the line it is done at.
fn changes(text: &[u8]) -> Vec<(String, usize, Vec<u8>)> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut all = Vec::new();
    let joined = |lines: Vec<&[u8]>| lines.concat();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        all.push((format!("without line {}", at + 1), at + 1, joined(without)));
        for to in [at, lines.len() - 1, 0] {
            let mut twice = lines.clone();
            twice.insert(to, lines[at]);
            all.push((format!("line {} again at {}", at + 1, to + 1), to + 1, joined(twice)));
        }
        for with in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, with);
            all.push((format!("lines {} and {} swapped", at + 1, with + 1), at + 1, joined(swapped)));
        }
    }
    let mut line = 1;
    for at in 0..text.len() {
        for bit in [0, 5] {
            let mut flipped = text.to_vec();
            flipped[at] ^= 1 << bit;
            all.push((format!("byte {at} bit {bit}"), line, flipped));
        }
        line += usize::from(text[at] == b'\n');
    }
    for at in 0..text.len() {
        let cut = text[..at].iter().filter(|byte| **byte == b'\n').count();
        all.push((format!("cut at byte {at}"), cut + 1, text[..at].to_vec()));
    }
    all
}

#[tokio::test]
async fn an_untouched_journal_is_proved_over_nodes_and_boots() {
    let world = World::new().await;
    let report = world.verify();
    assert!(report.is_ok() && report.notes.is_empty(), "{report:#?}");
    let read: Vec<_> = report.nodes.iter().map(|node| (node.boots, node.segments, node.lines)).collect();
    assert_eq!(read.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([(2, 2, 6), (1, 1, 3)]));
    assert!(report.nodes.iter().all(|node| node.last == node.signed), "{report:#?}");
}

#[tokio::test]
async fn a_file_that_was_made_to_fill_the_memory_fills_none() {
    let world = World::new().await;
    let file = &world.files()[2];
    let text = fs::read_to_string(file).unwrap();
    let last = text.lines().last().unwrap();
    let with_number = |number: u64| last.replacen("\"seq\":2", &format!("\"seq\":{number}"), 1) + "\n";
    let gaps: String = (1..=1_000).map(|at| with_number(at * 1_000_000)).collect();
    for (what, more, least) in [("gaps", gaps, 700), ("no lines", "x\n".repeat(50_000), 49_000)] {
        fs::write(file, format!("{text}{more}")).unwrap();
        let report = world.verify();
        assert!(report.findings.len() <= MOST_FINDINGS && report.more > least, "{what}: {}", report.more);
    }
}

#[tokio::test]
async fn whatever_is_done_to_a_line_or_byte_is_found_with_its_place() {
    let world = World::new().await;
    let files = world.files();
    let mut tried = 0;
    for (number, file) in files.iter().enumerate() {
        let text = fs::read(file).unwrap();
        for (what, line, changed) in changes(&text) {
            fs::write(file, &changed).unwrap();
            let report = world.verify();
            let name = file.file_name().unwrap().to_string_lossy();
            // What is missing at the end of a file shows at the beginning of the next.
            let next = (number == 0).then(|| files[1].clone());
            let near = |finding: &Finding| match (&finding.file, finding.line) {
                (Some(path), Some(found)) if path == file => found.abs_diff(line) <= 1,
                (Some(path), Some(1)) => Some(path) == next.as_ref(),
                (Some(path), None) => path == file,
                _ => false,
            };
            assert!(report.findings.iter().any(near), "{name}: {what} in line {line}: {report:#?}");
            assert!(report.findings.len() <= 4, "{name}: {what}: told at length: {report:#?}");
            tried += 1;
        }
        fs::write(file, &text).unwrap();
    }
    assert!(tried > 5000, "{tried}");
    assert!(world.verify().is_ok());
}

#[tokio::test]
async fn each_kind_of_change_is_called_by_its_name() {
    let world = World::new().await;
    let file = world.files().remove(0);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let cases: [(&str, String, FindingKind, usize); 7] = [
        ("altered", text.replacen("\"record\":\"event\"", "\"record\":\"evant\"", 1), FindingKind::Altered, 2),
        ("number", text.replace("\"seq\":1,", "\"seq\":7,"), FindingKind::Altered, 2),
        ("link", text.replacen("\"prev\":\"0", "\"prev\":\"1", 1), FindingKind::Altered, 1),
        ("damaged", text.replacen("\"sealed\":\"", "\"sealed\":", 1), FindingKind::Damaged, 2),
        ("missing", [lines[0], lines[2]].concat(), FindingKind::Missing, 2),
        ("swapped", [lines[0], lines[2], lines[1]].concat(), FindingKind::Reordered, 3),
        ("twice", [lines[0], lines[1], lines[1], lines[2]].concat(), FindingKind::Repeated, 3),
    ];
    for (name, changed, kind, line) in cases {
        assert_ne!(changed, text, "{name}");
        fs::write(&file, changed).unwrap();
        let report = world.verify();
        let found: Vec<_> = report.findings.iter().map(|finding| (finding.kind, finding.line)).collect();
        assert_eq!(found, [(kind, Some(line))], "{name}: {report:#?}");
    }
}

#[tokio::test]
async fn a_cut_end_a_missing_file_and_a_missing_node_are_found_by_what_was_signed() {
    let world = World::new().await;
    let files = world.files();
    let (first, last, other) = (&files[0], &files[1], &files[2]);
    let text = fs::read_to_string(last).unwrap();
    let kinds = |report: &Report| report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>();

    fs::write(last, text.split_inclusive('\n').take(2).collect::<String>()).unwrap();
    assert_eq!(kinds(&world.verify()), [FindingKind::Cut]);
    assert!(world.verify_with(world.heads[..4].to_vec(), &Scope::default()).is_ok(), "nothing tells without the head");
    fs::remove_file(last).unwrap();
    assert_eq!(kinds(&world.verify()), [FindingKind::Cut]);
    fs::write(last, &text).unwrap();

    let moved = world.folder.path().join("first");
    fs::rename(first, &moved).unwrap();
    assert_eq!(kinds(&world.verify()), [FindingKind::Missing]);
    let kept = world.verify_with(world.heads.clone(), &Scope { kept_only: true, ..Scope::default() });
    assert!(kept.is_ok() && kept.notes.len() == 1, "{kept:#?}");
    fs::rename(&moved, first).unwrap();

    fs::rename(other, &moved).unwrap();
    let report = world.verify();
    assert_eq!(kinds(&report), [FindingKind::Missing]);
    assert!(report.findings[0].message.contains(world.heads[2].head.node.as_str()), "{report:#?}");
    let only = BTreeSet::from([world.heads[0].head.node.clone()]);
    assert!(world.verify_with(world.heads.clone(), &Scope { nodes: only, kept_only: false }).is_ok());
}

#[tokio::test]
async fn a_journal_that_was_written_anew_is_not_the_one_that_was_signed() {
    let world = World::new().await;
    let other = World::new().await;
    // The same nodes, the same lines but one, and every hash right.
    let file = other.files().remove(1);
    let mut chainer = crate::audit::chain::Chainer::after(Some(world.heads[1].head.position));
    let bodies: Vec<String> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| {
            format!("{{{}", line.split_once("\",").unwrap().1.replace("\"month\":\"2026-11\"", "\"month\":\"2026-10\""))
        })
        .collect();
    for body in bodies {
        chainer.push(&body);
    }
    fs::write(world.files().remove(1), &chainer.bytes).unwrap();
    let report = world.verify();
    assert!(report.findings.iter().all(|finding| finding.kind == FindingKind::Altered), "{report:#?}");
    assert!(report.findings[0].message.contains("signed on 2026-11-21 12:00:00 UTC"), "{report:#?}");
}

#[tokio::test]
async fn a_head_that_somebody_else_signed_counts_for_nothing() {
    let world = World::new().await;
    let mut heads = world.heads.clone();
    heads[0].signature[3] ^= 1;
    let report = world.verify_with(heads, &Scope::default());
    assert_eq!(report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [FindingKind::BadHead]);
}

#[tokio::test]
async fn a_torn_end_is_no_fault_and_the_next_boot_goes_on() {
    let world = World::new().await;
    let files = world.files();
    for file in [&files[0], &files[1]] {
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, format!("{text}{{\"seq\":99,\"prev\":\"")).unwrap();
        let report = world.verify();
        assert!(report.is_ok() && report.notes.len() == 1, "{report:#?}");
        fs::write(file, text).unwrap();
    }
}

#[tokio::test]
async fn records_of_before_the_chain_are_told_and_later_ones_are_found() {
    let world = World::new().await;
    let before = world.folder.path().join("20261120T120000.000Z-000.jsonl");
    fs::write(&before, "{\"record\":\"event\",\"at\":\"2026-11-20T12:00:00Z\"}\n").unwrap();
    let report = world.verify();
    assert!(report.is_ok() && report.notes[0].contains("1 records of before the chain"), "{report:#?}");
    fs::write(&before, "{\"record\":\"event\",\"at\":\"2026-11-22T12:00:00Z\"}\n").unwrap();
    assert_eq!(world.verify().findings[0].kind, FindingKind::Unchained);
    fs::copy(&world.files()[0], &before).unwrap();
    assert_eq!(world.verify().findings[0].kind, FindingKind::Misnamed);
}

#[tokio::test]
async fn compressed_segments_are_proved_like_others_and_damage_in_them_is_found() {
    let world = World::new().await;
    let file = world.files().remove(0);
    let whole = world.verify();
    crate::audit::pack::pack(&file, &std::sync::atomic::AtomicBool::new(false)).unwrap();
    let packed = segment::packed(&file);
    assert!(packed.exists() && !file.exists());
    assert_eq!(world.verify(), whole);
    let bytes = fs::read(&packed).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&packed, &changed).unwrap();
        // What changes nothing of what is read, as an unused bit of the format, changes nothing of the proof.
        let report = world.verify();
        assert!(!report.is_ok() || report == whole, "byte {at}: {report:#?}");
        fs::write(&packed, &bytes[..at]).unwrap();
        assert!(!world.verify().is_ok(), "cut at {at}");
    }
}
