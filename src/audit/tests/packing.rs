//! Closed segments: compressed without a loss wherever the process is stopped, and found by their index.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::audit::index::{self, Index};
use crate::audit::keys::index_key;
use crate::audit::pack::{Packed, pack};
use crate::audit::segment;

/// A closed segment with the decisions of `people`.
async fn closed(folder: &Path, people: &[&str]) -> std::path::PathBuf {
    let before = segments(folder);
    let journal = open(folder);
    for (number, name) in people.iter().enumerate() {
        let mut record = every_decision().remove(number % 7);
        record.user = Some(Username::parse(name).unwrap());
        journal.append(record).await.unwrap();
    }
    close(journal, folder);
    segments(folder).into_iter().find(|path| !before.contains(path) && !segment::is_packed(path)).unwrap()
}

fn key() -> aws_lc_rs::hmac::Key {
    index_key(&*MemoryKeys::fixed()).unwrap()
}

#[tokio::test]
async fn wherever_compressing_stops_nothing_is_lost_and_the_next_time_ends_it() {
    let never = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let path = closed(folder.path(), &["ann", "ben"]).await;
    let (whole, packed) = (std::fs::read(&path).unwrap(), segment::packed(&path));
    let beside = |ending: &str| std::path::PathBuf::from(format!("{}{ending}", path.display()));
    let states = [
        ("before it began", Vec::new()),
        ("half written", vec![(beside(".part"), vec![1, 2, 3])]),
        ("read back, not renamed", vec![(beside(".part.zst"), vec![1, 2, 3])]),
        ("renamed, the other not removed", vec![(packed.clone(), vec![1, 2, 3])]),
    ];
    for (name, files) in states {
        for (file, bytes) in files {
            std::fs::write(file, bytes).unwrap();
        }
        assert_eq!(segments(folder.path()), std::slice::from_ref(&path), "{name}: the whole one counts");
        assert_eq!(records(folder.path()).await.len(), 2, "{name}");
        assert_eq!(pack(&path, &never).unwrap(), Packed::Done, "{name}");
        assert_eq!(segments(folder.path()), std::slice::from_ref(&packed), "{name}");
        assert_eq!(text(&packed).into_bytes(), whole, "{name}: byte for byte");
        assert_eq!(records(folder.path()).await.len(), 2, "{name}");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "{name}: the node and the segment");
        std::fs::write(&path, &whole).unwrap();
        std::fs::remove_file(&packed).unwrap();
    }
    assert_eq!(pack(&path, &AtomicBool::new(true)).unwrap(), Packed::Stopped);
    assert_eq!((segments(folder.path()), std::fs::read(&path).unwrap()), (vec![path], whole));
}

#[tokio::test]
async fn what_cannot_be_compressed_leaves_its_room_to_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = closed(folder.path(), &["ann"]).await;
    let whole = std::fs::read(&path).unwrap();
    // The last step fails, as every other can on a full disk.
    let in_the_way = segment::packed(&path).join("in the way");
    std::fs::create_dir_all(&in_the_way).unwrap();
    assert!(pack(&path, &AtomicBool::new(false)).is_err());
    let left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[tokio::test]
async fn a_restart_compresses_what_is_closed_and_the_chain_and_the_search_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = closed(folder.path(), &["ann", "ben"]).await;
    let head = {
        let journal = open(folder.path());
        let watch = crate::clock::Stopwatch::start();
        while !index::path(&segment::packed(&first)).exists() {
            assert!(watch.micros() < 20_000_000, "it is not compressed");
            std::thread::yield_now();
        }
        journal.append(every_decision().remove(3)).await.unwrap();
        let head = journal.head();
        close(journal, folder.path());
        head
    };
    assert!(segment::is_packed(&segments(folder.path())[0]) && !first.exists());
    let key = HeadKey::from_seed(&[7; 32]).unwrap();
    let evidence = verify::Evidence { heads: vec![key.sign(head, noon())], unreadable: 0, key: &key };
    let report = verify::verify(&[folder.path().to_owned()], evidence, &verify::Scope::default()).unwrap();
    assert!(report.is_ok() && report.nodes[0].lines == 5, "{report:?}");
    for (user, count) in [("ann", 2), ("ben", 1), ("carl", 0)] {
        let search = Search { user: Some(Username::parse(user).unwrap()), ..Search::default() };
        assert_eq!(log(folder.path()).await.newest(&search, 9).unwrap().1, count, "{user}");
    }
}

#[tokio::test]
async fn an_index_spares_reading_and_a_forged_one_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [closed(folder.path(), &["ann"]).await, closed(folder.path(), &["ben"]).await].map(|path| {
        pack(&path, &AtomicBool::new(false)).ok();
        segment::packed(&path)
    });
    for path in [&one, &other] {
        Index::make(path, &key()).unwrap();
    }
    let ann = Search { user: Some(Username::parse("ann").unwrap()), ..Search::default() };
    // How many fit, and whether what was read is damaged.
    let count = async |search: &Search| {
        let log = log(folder.path()).await;
        let (_, count) = log.newest(search, 9).unwrap();
        (count, log.skipped().is_damaged())
    };
    assert_eq!(count(&ann).await, (1, false));

    // What is not read cannot fail: damaged to the same length, as the index knows it.
    let whole = std::fs::read(&other).unwrap();
    std::fs::write(&other, vec![0; whole.len()]).unwrap();
    assert_eq!(count(&ann).await, (1, false), "ben's segment is not read for ann");
    assert_eq!(count(&Search::default()).await, (1, true));
    let early = Search { until: Some("2026-11-01T00:00:00Z".parse().unwrap()), ..Search::default() };
    assert_eq!(count(&early).await, (0, false), "nor for an earlier month");
    std::fs::write(&other, &whole).unwrap();

    for (name, forged) in [
        ("another segment's", std::fs::read(index::path(&other)).unwrap()),
        ("nonsense", b"{}".to_vec()),
        ("empty", Vec::new()),
    ] {
        std::fs::write(index::path(&one), forged).unwrap();
        assert_eq!(Index::read(&one, &key()), None, "{name}");
        assert_eq!(count(&ann).await, (1, false), "{name}");
    }
    std::fs::remove_file(index::path(&one)).unwrap();
    assert_eq!(count(&ann).await, (1, false));
}
