use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::chain::to_json;
use super::keys::memory::MemoryKeys;
use super::*;
use crate::clock::{FixedEntropy, ManualClock, SystemEntropy, Timestamp};
use crate::domain::{
    AppId, Country, Decision, DenyReason, DeviceFacts, EnforcedPolicy, GroupName, Method, MethodSet, Offer, PolicyId,
    ReferenceId, RiskFacts, RoleName, SignInId, SignalSet, Step, UnknownSignal, UserStatus, Username,
};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()))
}

fn means(keys: &Arc<MemoryKeys>) -> Means {
    Means { clock: clock(), entropy: Arc::new(SystemEntropy), keys: keys.clone(), quota: Quota::USUAL }
}

fn open(folder: &Path) -> Journal {
    open_with(folder, &MemoryKeys::fixed(), &[]).unwrap()
}

fn open_with(folder: &Path, keys: &Arc<MemoryKeys>, signed: &[SignedHead]) -> Result<Journal, AuditError> {
    Journal::open(folder, means(keys), signed)
}

/// The log with the keys that every journal here is written with.
async fn log(folder: &Path) -> Log {
    log_with(folder, &MemoryKeys::fixed()).await
}

async fn log_with(folder: &Path, keys: &Arc<MemoryKeys>) -> Log {
    Log::open(vec![folder.to_owned()], LogKeys::read(&**keys).await.unwrap()).unwrap()
}

async fn find(folder: &Path, reference: &ReferenceId) -> Result<Option<DecisionRecord>, AuditError> {
    log(folder).await.find(reference)
}

/// All records, as they were written.
async fn records(folder: &Path) -> Vec<Record> {
    let mut all = Vec::new();
    log(folder)
        .await
        .records(&Search::default(), |found| {
            all.push(found.record.unwrap());
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    all
}

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn signals() -> SignalSet {
    SignalSet {
        ip: "203.0.113.1".parse().unwrap(),
        country: Country::unknown(),
        place: None,
        asn: 0,
        networks: BTreeSet::new(),
        anonymous: true,
        now: noon(),
        hour: 13,
        weekday: 6,
        device: DeviceFacts::default(),
        risk: RiskFacts { failed_attempts: 0, new_country: true, impossible_travel: true },
        unknown: BTreeSet::from([UnknownSignal::Country, UnknownSignal::NewCountry]),
    }
}

fn decision(seed: i64, decision: Decision) -> DecisionRecord {
    let entropy = FixedEntropy::seeded(seed);
    let policy = EnforcedPolicy {
        id: PolicyId::parse("aws.second-factor").unwrap(),
        message: Some("second-factor.required".to_owned()),
        alerts_user: true,
        alerts_security: false,
    };
    DecisionRecord {
        reference: ReferenceId::new(&entropy).unwrap(),
        at: noon(),
        sign_in: Some(SignInId::new(noon(), &entropy).unwrap()),
        session: None,
        user: Some(Username::parse("ann").unwrap()),
        app: AppId::parse("aws").unwrap(),
        step: Step::AssumeRole,
        role: Some(RoleName::parse("Dev").unwrap()),
        groups: BTreeSet::from([GroupName::parse("aws-users").unwrap()]),
        home_country: None,
        status: Some(UserStatus::Active),
        proofs: MethodSet::EMPTY.with(Method::Password),
        fresh: MethodSet::EMPTY,
        signals: signals(),
        sp_initiated: true,
        force_authn: false,
        required: crate::domain::Required::NOTHING,
        profile: crate::domain::Profile::default(),
        roles: Vec::new(),
        repertoire: crate::domain::Repertoire { enrolled: vec![Method::Totp], ..Default::default() },
        decision,
        at_permit: false,
        determining: vec![policy],
        shadow: vec![PolicyId::parse("risk.travel").unwrap()],
        shadow_failed: Vec::new(),
        would: Some(crate::domain::DecisionKind::Deny),
        would_tell: WouldTell::default(),
        policy_digest: "5e".repeat(32),
        evaluations: 4,
        micros: 123,
    }
}

fn every_decision() -> Vec<DecisionRecord> {
    let policies = || decision(0, Decision::Allow).determining;
    let failed = vec![PolicyId::parse("broken").unwrap()];
    [
        Decision::Allow,
        Decision::Challenge { offers: vec![Offer { method: Method::Totp }], policies: policies() },
        Decision::Enrol { methods: vec![Method::Totp], permitted: false, policies: policies() },
        Decision::Deny(DenyReason::Forbidden { policies: policies() }),
        Decision::Deny(DenyReason::NoPermit),
        Decision::Deny(DenyReason::NoRole),
        Decision::Deny(DenyReason::EvaluationError { policies: failed }),
    ]
    .into_iter()
    .zip(1..)
    .map(|(outcome, seed)| decision(seed * 1000, outcome))
    .collect()
}

fn assertion(decision: &DecisionRecord, id: &str) -> AssertionRecord {
    AssertionRecord {
        stage: AssertionStage::Intended,
        at: noon(),
        assertion: id.to_owned(),
        app: decision.app.clone(),
        user: Username::parse("ann").unwrap(),
        policy_digest: decision.policy_digest.clone(),
        decision: decision.reference.clone(),
        sha256: "ab".repeat(32),
        roles: vec![RoleName::parse("Dev").unwrap()],
        acs: "https://signin.aws.amazon.com/saml".to_owned(),
    }
}

/// What a segment says, compressed or not.
fn text(path: &Path) -> String {
    let (mut lines, mut line, mut text) = (super::lines::Lines::open(path).unwrap(), Vec::new(), String::new());
    while lines.next(&mut line).unwrap() {
        text.push_str(std::str::from_utf8(&line).unwrap());
        text.push('\n');
    }
    text
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    super::segment::list(folder).unwrap()
}

#[tokio::test]
async fn every_decision_is_found_again_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    for record in every_decision() {
        // An assertion that names the decision comes first: it is not the decision.
        journal.append(assertion(&record, "_1")).await.unwrap();
        journal.append(record.clone()).await.unwrap();
    }
    for record in every_decision() {
        assert_eq!(find(folder.path(), &record.reference).await.unwrap(), Some(record));
    }
    assert_eq!(find(folder.path(), &ReferenceId::parse("0000000000").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_is_on_disk_when_append_returns_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let records = every_decision();
    for record in &records {
        let journal = open(folder.path());
        journal.append(record.clone()).await.unwrap();
        let written = segments(folder.path()).into_iter().map(|path| text(&path));
        let written = written.filter(|text| text.ends_with('\n') && text.contains(record.reference.as_str()));
        assert_eq!(written.count(), 1);
    }
    assert_eq!(segments(folder.path()).len(), records.len(), "a segment per start, even within one millisecond");
    for record in records {
        assert_eq!(find(folder.path(), &record.reference).await.unwrap(), Some(record));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_written_at_once_are_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let tasks: Vec<_> = (0..300)
        .map(|number| {
            let journal = journal.clone();
            let record = assertion(&decision(1, Decision::Allow), &format!("_{number}"));
            tokio::spawn(async move { journal.append(record).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let ids: BTreeSet<String> = records(folder.path())
        .await
        .into_iter()
        .map(|record| match record {
            Record::Assertion(record) => record.assertion,
            other => panic!("{other:?}"),
        })
        .collect();
    let written = std::fs::read_to_string(&segments(folder.path())[0]).unwrap();
    assert_eq!((written.lines().count(), ids.len()), (301, 300));
}

#[test]
fn nothing_in_a_record_breaks_or_reorders_a_line() {
    let record = assertion(&decision(1, Decision::Allow), "a\nb\r\u{0}\u{7f}\u{85}\u{9b}31m\u{2028}\u{202e}ä\"\\");
    let line = to_json(&record.clone().into()).unwrap();
    let body = line.as_str();
    assert!(!body.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}')), "{body:?}");
    assert_eq!(serde_json::from_str::<Record>(body).unwrap(), Record::Assertion(record));
}

#[test]
fn a_line_reads_as_documented() {
    let event = EventRecord {
        event: EventKind::MethodLost,
        at: noon(),
        user: Username::parse("ann").unwrap(),
        sign_in: None,
        method: Some(Method::Totp),
        about_device: None,
        ip: Some("203.0.113.1".parse().unwrap()),
        device: None,
    };
    let lines: Vec<serde_json::Value> =
        [Record::from(every_decision().remove(1)), assertion(&every_decision()[0], "_a1").into(), event.into()]
            .iter()
            .map(|record| serde_json::from_str(&to_json(record).unwrap()).unwrap())
            .collect();
    insta::assert_json_snapshot!("lines", lines);
}

#[tokio::test]
async fn a_damaged_record_is_told_and_an_unfinished_line_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let record = decision(1, Decision::Allow);
    let line = format!("{}\n", to_json(&record.clone().into()).unwrap());
    let path = folder.path().join("20261121T110000.000Z-000.jsonl");
    std::fs::write(&path, line.trim_end()).unwrap();
    assert_eq!(find(folder.path(), &record.reference).await.unwrap(), None, "a power cut left half a line");
    std::fs::write(&path, format!("{{}}\n{}", line.replace("\"step\"", "\"stop\""))).unwrap();
    let log = log(folder.path()).await;
    assert_eq!(log.find(&record.reference).unwrap(), None);
    let told = log.skipped().damaged;
    assert_eq!((told.len(), told[0].line, &told[0].file), (1, 2, &path), "{told:?}");
    assert!(told[0].to_string().contains("000.jsonl:2: it is no record: "), "{}", told[0]);
}

#[tokio::test]
async fn without_its_folder_there_is_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(open_with(&file, &MemoryKeys::fixed(), &[]), Err(AuditError::Io { .. })));
    assert!(matches!(find(&file, &decision(1, Decision::Allow).reference).await, Err(AuditError::Io { .. })));
}

/// Waits until the thread of a journal has let go of its node.
fn close(journal: Journal, folder: &Path) {
    drop(journal);
    let watch = crate::clock::Stopwatch::start();
    while std::fs::File::open(folder.join("0.node")).unwrap().try_lock().is_err() {
        assert!(watch.micros() < 10_000_000, "the writer goes on");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_chain_and_a_cut_chain_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let key = HeadKey::from_seed(&[7; 32]).unwrap();
    let journal = open(folder.path());
    journal.append(every_decision().remove(0)).await.unwrap();
    let signed = key.sign(journal.head(), noon());
    close(journal, folder.path());

    let journal = open_with(folder.path(), &MemoryKeys::fixed(), std::slice::from_ref(&signed)).unwrap();
    assert_eq!((journal.head().node, journal.head().position.seq), (signed.head.node.clone(), 2));
    close(journal, folder.path());
    for path in segments(folder.path()) {
        let text = text(&path);
        std::fs::write(
            path.with_file_name(path.file_name().unwrap().to_str().unwrap().trim_end_matches(".zst")),
            text.split_inclusive('\n').take(1).filter(|line| line.contains("\"seq\":0")).collect::<String>(),
        )
        .unwrap();
    }
    let journal = open_with(folder.path(), &MemoryKeys::fixed(), std::slice::from_ref(&signed)).unwrap();
    let head = journal.head();
    assert_ne!(head.node, signed.head.node);
    assert_eq!(head.position.seq, 0);
    let newest = segments(folder.path()).into_iter().map(|path| text(&path));
    let left = format!("\"left\":\"{}\"", signed.head.node);
    assert_eq!(newest.filter(|text| text.contains(&left)).count(), 1);
    close(journal, folder.path());
    assert_eq!(open(folder.path()).head().node, head.node, "the new id stays");
}

#[tokio::test]
async fn a_folder_that_is_gone_stops_the_journal_until_it_can_be_made_again() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, away) = (outer.path().join("audit"), outer.path().join("away"));
    let journal = open(&folder);
    let mut records = every_decision().into_iter();
    journal.append(records.next().unwrap()).await.unwrap();
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let lost = records.next().unwrap();
    for _ in 0..2 {
        assert!(matches!(journal.append(lost.clone()).await, Err(AuditError::Io { .. })));
    }
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    let kept = records.next().unwrap();
    journal.append(kept.clone()).await.unwrap();
    assert_eq!(find(&folder, &kept.reference).await.unwrap(), Some(kept));
    assert_eq!(find(&folder, &lost.reference).await.unwrap(), None);
    let key = HeadKey::from_seed(&[7; 32]).unwrap();
    let heads = vec![key.sign(journal.head(), noon())];
    let evidence = verify::Evidence { heads, unreadable: 0, key: &key };
    let report = verify::verify(&[folder], evidence, &verify::Scope::default()).unwrap();
    assert!(report.is_ok() && report.nodes[0].lines == 3, "{report:?}");
}

#[tokio::test]
async fn nobody_else_may_read_a_segment() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let _journal = open(folder.path());
    let mode = segments(folder.path())[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test]
async fn the_files_belong_to_who_owns_the_folder_also_when_root_writes_them() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let folder = tempfile::tempdir().unwrap();
    // Anybody but root owns it all.
    let own = std::fs::metadata(folder.path()).unwrap().uid();
    let owner = if own == 0 { 4711 } else { own };
    if own == 0 {
        chown(folder.path(), Some(owner), Some(owner)).unwrap();
    }
    let path = folder.path().join("audit");
    let _journal = open(&path);
    let owners: Vec<u32> =
        std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().uid()).collect();
    assert_eq!(owners, [owner, owner]);
    assert_eq!(std::fs::metadata(&path).unwrap().uid(), owner);
}

mod damage;
mod forgetting;
mod packing;
mod sealing;
mod strangers;
