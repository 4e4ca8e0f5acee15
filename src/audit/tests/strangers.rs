//! A flood of strangers takes neither the room nor the place of evidence.

use std::future::poll_fn;
use std::task::Poll;

use super::*;

fn visit(seed: i64) -> DecisionRecord {
    DecisionRecord { user: None, step: Step::Visit, ..decision(seed, Decision::Deny(DenyReason::NoPermit)) }
}

fn with_quota(folder: &Path, quota: Quota) -> (Journal, Arc<ManualClock>) {
    let clock = clock();
    let means = Means { clock: clock.clone(), entropy: Arc::new(SystemEntropy), keys: MemoryKeys::fixed(), quota };
    (Journal::open(folder, means, &[]).unwrap(), clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_keeps_no_evidence_from_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Quota { waiting: 16, bytes_per_day: 64 * 1024, free_bytes: 0 };
    let (journal, clock) = with_quota(folder.path(), quota);
    let flood: Vec<_> = (0..3000)
        .map(|seed| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.append_of_stranger(visit(seed * 10)).await.unwrap() })
        })
        .collect();
    let mut evidence = 0;
    for _ in 0..40 {
        for record in every_decision() {
            journal.append(record).await.unwrap();
            evidence += 1;
        }
    }
    let mut kept = Vec::new();
    for one in flood {
        kept.push(one.await.unwrap());
    }
    let left_out = kept.iter().filter(|kept| **kept != Kept::Written).count();
    assert!(left_out > 2000, "{left_out} of {}", kept.len());
    // Those that come one after the other find the day's bytes used up some time.
    for seed in 0..200 {
        kept.push(journal.append_of_stranger(visit(100_000 + seed * 10)).await.unwrap());
    }
    let written = kept.iter().filter(|kept| **kept == Kept::Written).count();
    assert!((1..200).contains(&written) && kept.last() == Some(&Kept::LeftOut(LeftOut::Day)), "{written}");
    let all = records(folder.path()).await;
    let strangers = all.iter().filter(|record| record.user().is_none()).count();
    assert_eq!((strangers, all.len() - strangers), (written, evidence));
    assert_eq!(journal.append_of_stranger(visit(1)).await.unwrap(), Kept::LeftOut(LeftOut::Day), "for today");
    clock.advance(24 * 60 * 60);
    assert_eq!(journal.append_of_stranger(visit(2)).await.unwrap(), Kept::Written, "a new day");
}

#[tokio::test]
async fn with_the_share_of_the_queue_taken_or_the_disk_nearly_full_strangers_wait_for_nobody() {
    for (quota, why) in [
        (Quota { waiting: 0, ..Quota::USUAL }, LeftOut::Queue),
        (Quota { free_bytes: u64::MAX, ..Quota::USUAL }, LeftOut::Disk),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = with_quota(folder.path(), quota);
        assert_eq!(journal.append_of_stranger(visit(1)).await.unwrap(), Kept::LeftOut(why));
        journal.append(decision(1, Decision::Allow)).await.unwrap();
        assert_eq!(records(folder.path()).await.len(), 1, "{why:?}: what is no stranger's is written");
    }
}

#[test]
fn a_stranger_who_goes_away_keeps_the_place_until_the_record_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = with_quota(folder.path(), Quota { waiting: 1, ..Quota::USUAL });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Somebody asks once, and hangs up.
    let hang_up = |seed| {
        let mut waiting = Box::pin(journal.append_of_stranger(visit(seed)));
        runtime.block_on(poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))))
    };
    let halted = journal.halted();
    assert!(hang_up(1).is_pending());
    assert!(matches!(hang_up(2), Poll::Ready(Ok(Kept::LeftOut(LeftOut::Queue)))), "the queue is not theirs to fill");
    drop(halted);
    runtime.block_on(journal.append(decision(1, Decision::Allow))).unwrap();
    assert_eq!(runtime.block_on(journal.append_of_stranger(visit(3))).unwrap(), Kept::Written);
    assert_eq!(runtime.block_on(records(folder.path())).len(), 3);
}
