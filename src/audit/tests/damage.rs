//! A line that is damaged, changed or added keeps nobody from the others, and is told with its place.

use std::io::Read as _;
use std::ops::ControlFlow;

use super::*;

/// The decisions that can be read, and what is told of the other lines.
async fn read(folder: &Path) -> (Vec<DecisionRecord>, Vec<String>) {
    let (log, mut decisions) = (log(folder).await, Vec::new());
    log.decisions(&Search::default(), |decision| {
        decisions.push(decision);
        ControlFlow::Continue(())
    })
    .unwrap();
    let told = log.skipped();
    (decisions, told.damaged.iter().map(|damage| format!("{}: {}", damage.line, damage.why)).collect())
}

async fn written(folder: &Path) -> (Journal, std::path::PathBuf) {
    let journal = open(folder);
    for record in every_decision() {
        journal.append(record).await.unwrap();
    }
    (journal, segments(folder).remove(0))
}

#[tokio::test]
async fn what_stands_around_a_damaged_line_is_read_on() {
    for (what, why) in [
        (&(|_: &str| "{}".to_owned()) as &dyn Fn(&str) -> String, "3: it is no record: "),
        (&|line| line.replace("\"signIn\"", "\"sign\"").replace("\"assumeRole\"", "\"role\""), "3: it is no record: "),
        (&|line| line.replace("\"app\":\"aws\"", "\"app\":\"awt\""), "3: it does not open with the key of its month"),
        (&|line| format!("{}\u{0}", &line[..40]), "3: it is no record: "),
        (
            &|_| format!("{{\"record\":\"\\u001b{}\"}}", "x".repeat(1 << 20)),
            "3: it is no record: unknown variant `\u{fffd}x",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (_journal, path) = written(folder.path()).await;
        let lines: Vec<String> = text(&path)
            .lines()
            .enumerate()
            .map(|(at, line)| if at == 2 { what(line) } else { line.to_owned() } + "\n")
            .collect();
        std::fs::write(&path, lines.concat()).unwrap();
        let (decisions, told) = read(folder.path()).await;
        let mut others = every_decision();
        let lost = others.remove(1);
        assert_eq!(decisions, others, "{told:?}");
        assert!(told.len() == 1 && told[0].starts_with(why) && told[0].len() < 300, "{told:?}");

        let log = log(folder.path()).await;
        assert_eq!(log.find(&lost.reference).unwrap(), None);
        assert_eq!(log.find(&others[2].reference).unwrap(), Some(others.remove(2)));
        let (found, count) = log.newest(&Search::default(), 100).unwrap();
        assert_eq!((found.len(), count), (6, 6));
        assert_eq!(log.skipped().damaged_count(), 1, "told once, however often it is read");
    }
}

#[tokio::test]
async fn a_line_that_does_not_open_takes_no_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (_journal, path) = written(folder.path()).await;
    let text = text(&path);
    let own = text.lines().next().unwrap();
    let from = own.find("\"at\":\"").unwrap() + 6;
    let forged = format!("{}9999{}\n", &own[..from], &own[from + 4..]);
    std::fs::write(&path, format!("{text}{}", forged.repeat(9))).unwrap();
    let (found, _) = log(folder.path()).await.newest(&Search::default(), 5).unwrap();
    assert_eq!(found.iter().filter(|found| found.record.is_ok()).count(), 5, "{found:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_does_not_hide_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (_journal, _) = written(folder.path()).await;
    let name = "20201121T110000.000Z-0123456789abcdef-000001.jsonl.zst";
    std::fs::write(folder.path().join(name), b"no zstd at all").unwrap();
    // A line that was made to fill the memory of who reads it.
    let long = zstd::encode_all(std::io::repeat(b'x').take(9 << 20), 1).unwrap();
    std::fs::write(folder.path().join(name.replace("000001", "000002")), long).unwrap();
    let (decisions, told) = read(folder.path()).await;
    assert_eq!(decisions, every_decision());
    assert!(told.len() == 2 && told.iter().all(|told| told.starts_with("1: the file can't be read from here on")));
    assert!(told[1].contains("a line is longer than any record"), "{told:?}");
}

#[tokio::test]
async fn of_many_damaged_lines_some_are_kept_and_all_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("20261121T110000.000Z-000.jsonl"), "x\n".repeat(250)).unwrap();
    let log = log(folder.path()).await;
    log.decisions(&Search::default(), |_| ControlFlow::Continue(())).unwrap();
    let told = log.skipped();
    assert_eq!((told.damaged.len(), told.damaged_count(), told.count()), (100, 250, 250));
}

/// Whoever can write files and has no key writes lines as they were before records were sealed.
#[tokio::test]
async fn a_record_in_clear_is_believed_only_before_the_first_sealed_one_of_its_chain() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, path) = written(folder.path()).await;
    let node = journal.head().node;
    let forged = decision(77, Decision::Allow);
    let line = format!("{}\n", to_json(&forged.clone().into()).unwrap());
    let header = |format: u32, number: u64| {
        let header = SegmentRecord { at: noon(), format, node: node.clone(), boot: node.clone(), number, left: None };
        format!("{}\n", to_json(&Record::Segment(header)).unwrap())
    };
    let segment = |number: u64, text: &str| {
        let path = folder.path().join(format!("20261121T130000.000Z-{node}-{number:06}.jsonl"));
        std::fs::write(&path, text).unwrap();
        path
    };
    // Before: a chain that goes back to that time.
    let old = segment(0, &format!("{}{line}", header(1, 0)));
    assert_eq!(find(folder.path(), &forged.reference).await.unwrap(), Some(forged.clone()));
    std::fs::remove_file(old).unwrap();
    // In the sealed segment; in a new one that says it is of then; in one that says nothing.
    std::fs::write(&path, text(&path) + &line).unwrap();
    for text in [format!("{}{line}", header(1, 2)), line.clone()] {
        let path = segment(2, &text);
        let (decisions, told) = read(folder.path()).await;
        assert_eq!(decisions, every_decision());
        assert!(told.len() == 2 && told.iter().all(|told| told.ends_with("it was added")), "{told:?}");
        assert_eq!(find(folder.path(), &forged.reference).await.unwrap(), None);
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test]
async fn decisions_come_with_the_roles_that_were_issued_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let opens = |seed: i64| DecisionRecord {
        step: Step::SignIn,
        role: None,
        roles: vec![RoleName::parse("Dev").unwrap(), RoleName::parse("Admin").unwrap()],
        ..decision(seed * 1000, Decision::Allow)
    };
    let (one, two, none) = (opens(1), opens(2), opens(3));
    let denied = every_decision().remove(3);
    journal.append(one.clone()).await.unwrap();
    journal.append(two.clone()).await.unwrap();
    for record in [&two, &one] {
        let released = AssertionRecord { stage: AssertionStage::Released, ..assertion(record, "_1") };
        journal.append(assertion(record, "_1")).await.unwrap();
        journal.append(released).await.unwrap();
    }
    journal.append(none.clone()).await.unwrap();
    journal.append(denied.clone()).await.unwrap();
    let mut read = Vec::new();
    log(folder.path())
        .await
        .decisions_issued(&Search::default(), |issued| {
            read.push((issued.decision.reference, issued.roles));
            ControlFlow::Continue(())
        })
        .unwrap();
    let dev = Some(vec![RoleName::parse("Dev").unwrap()]);
    let expected = [(two, dev.clone()), (one, dev), (denied, None), (none, None)];
    assert_eq!(read, expected.map(|(record, roles)| (record.reference, roles)));
}
