//! Months are forgotten by number or by command; never by a clock that is wrong for a day, and never without a record of it.

use super::*;
use crate::accounts::{Accounts, LogKey, StoredHead};
use crate::audit::keys::KeyStore;
use crate::clock::Clock as _;

const DAY: i64 = 24 * 60 * 60;

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

fn journal(folder: &Path, keys: &Arc<MemoryKeys>, clock: &Arc<ManualClock>) -> Journal {
    let (clock, entropy) = (clock.clone(), Arc::new(SystemEntropy));
    Journal::open(folder, Means { clock, entropy, keys: keys.clone(), quota: Quota::USUAL }, &[]).unwrap()
}

async fn erased(keys: &MemoryKeys) -> Vec<Month> {
    let all = keys.keys().await.unwrap();
    all.iter().filter(|(_, key)| matches!(key, LogKey::Erased(_))).map(|(month, _)| *month).collect()
}

#[tokio::test]
async fn the_next_months_key_is_there_before_it_begins_and_old_ones_go_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, clock) = (MemoryKeys::fixed(), clock());
    let journal = journal(folder.path(), &keys, &clock);
    journal.look_after_keys(None).await.unwrap();
    assert_eq!(keys.asked(), ["2026-11"]);
    clock.advance(9 * DAY);
    journal.look_after_keys(None).await.unwrap();
    assert_eq!(keys.asked(), ["2026-11", "2026-12"]);
    journal.look_after_keys(Some(2)).await.unwrap();
    let erased = erased(&keys).await;
    assert!(erased.len() == 8 && erased.iter().all(|old| *old < month("2026-09")), "{erased:?}");
}

#[tokio::test]
async fn what_is_forgotten_is_written_down_before_the_key_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, clock) = (MemoryKeys::fixed(), clock());
    let journal = journal(folder.path(), &keys, &clock);
    assert!(journal.forget(month("2026-08"), ForgottenBy::Command).await.unwrap());
    journal.look_after_keys(Some(9)).await.unwrap();
    let forgot = |forgot: &str, by| Record::from(ForgottenRecord { at: noon(), forgot: month(forgot), by });
    let expected = [forgot("2026-08", ForgottenBy::Command), forgot("2026-01", ForgottenBy::KeepMonths)];
    assert_eq!(records(folder.path()).await, expected);
    assert_eq!(erased(&keys).await, [month("2026-08"), month("2026-01")]);

    // That it was is in clear, and outlives the month it was done in.
    keys.forget(month("2026-11")).await.unwrap();
    let (found, _) = log_with(folder.path(), &keys).await.newest(&Search::default(), 9).unwrap();
    assert!(found.iter().all(|found| found.record.is_err()));
    assert_eq!(
        found.iter().map(|found| found.clear.forgot).collect::<Vec<_>>(),
        [Some(month("2026-08")), Some(month("2026-01"))]
    );

    // What cannot be written down does not happen.
    std::fs::rename(folder.path(), folder.path().with_extension("away")).unwrap();
    std::fs::write(folder.path(), "in the way").unwrap();
    assert!(journal.forget(month("2026-07"), ForgottenBy::Command).await.is_err());
    assert!(!erased(&keys).await.contains(&month("2026-07")));
    std::fs::remove_file(folder.path()).unwrap();
    std::fs::rename(folder.path().with_extension("away"), folder.path()).unwrap();
}

#[tokio::test]
async fn a_clock_that_is_ahead_for_a_day_erases_nothing() {
    for ahead in [10 * DAY, 41 * DAY, 4 * 365 * DAY] {
        let folder = tempfile::tempdir().unwrap();
        let (keys, clock) = (MemoryKeys::fixed(), clock());
        let journal = journal(folder.path(), &keys, &clock);
        keys.written_on(clock.now());
        clock.advance(ahead);
        // A day's length touches two dates.
        for hours in 0..24 {
            clock.advance(60 * 60);
            keys.written_on(clock.now());
            journal.look_after_keys(Some(1)).await.unwrap();
            assert!(erased(&keys).await.is_empty(), "{hours} hours, {ahead} s ahead");
        }
    }
}

#[tokio::test]
async fn days_of_a_clock_that_was_ahead_and_is_right_again_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::config::Accounts::sqlite(&folder.path().join("accounts.db"));
    let envelope = Arc::new(crate::accounts::Envelope::from_secret(&[9; 32]).unwrap());
    let accounts = Accounts::open(&settings, envelope, clock(), Arc::new(SystemEntropy)).await.unwrap();
    for (node, seq, at, days) in [
        ("a", 1, "2026-12-01", 1),
        ("a", 2, "2026-12-02", 2),
        ("a", 3, "2026-11-02", 0),
        ("b", 1, "2026-12-02", 1),
        ("a", 4, "2026-12-02", 1),
        ("b", 2, "2026-12-03", 2),
        ("b", 3, "2026-12-04", 3),
    ] {
        let at = format!("{at}T12:00:00Z").parse().unwrap();
        let (hash, signature) = ("00".to_owned(), Vec::new());
        accounts.store_audit_head(&StoredHead { node: node.to_owned(), seq, hash, at, signature }).await.unwrap();
        assert_eq!(KeyStore::days(&accounts, month("2026-12")).await.unwrap(), days, "{node} {seq}");
    }
}

#[tokio::test]
async fn what_is_old_goes_once_the_new_month_has_three_days_with_records() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, clock) = (MemoryKeys::fixed(), clock());
    let journal = journal(folder.path(), &keys, &clock);
    clock.advance(11 * DAY);
    // October and all before it that have a key, which is those since January.
    for (days, gone) in [(0, 0), (1, 0), (9, 10)] {
        clock.advance(days * DAY);
        keys.written_on(clock.now());
        journal.look_after_keys(Some(1)).await.unwrap();
        assert_eq!(erased(&keys).await.len(), gone, "{days}");
    }
}
