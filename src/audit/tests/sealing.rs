//! Nothing personal is in clear, nothing opens with another key or changed, and an erased month stays erased.

use proptest::prelude::*;

use super::*;
use crate::accounts::LogKey;
use crate::audit::codec::Codec;
use crate::audit::keys::{KeyStore, MonthKey, WriterKeys};
use crate::audit::line::{Line, seal};
use crate::clock::Stopwatch;

fn november() -> Month {
    Month::parse("2026-11").unwrap()
}

fn sealed(record: &Record, key: u8) -> String {
    let codec = Codec::new().unwrap();
    seal(record, november(), &MonthKey::derive(&[key; 32]).unwrap(), &codec, &SystemEntropy).unwrap()
}

/// What `keys` has of November, as a reader's keys.
async fn november_keys() -> (LogKeys, Codec) {
    (LogKeys::read(&*MemoryKeys::fixed()).await.unwrap(), Codec::new().unwrap())
}

async fn sealed_by_the_store(record: &Record) -> String {
    let LogKey::Key(key) = MemoryKeys::fixed().key(november()).await.unwrap() else { panic!("erased") };
    seal(record, november(), &MonthKey::derive(&key).unwrap(), &Codec::new().unwrap(), &SystemEntropy).unwrap()
}

#[tokio::test]
async fn a_changed_byte_anywhere_keeps_a_record_closed() {
    let record = Record::from(every_decision().remove(1));
    let line = sealed_by_the_store(&record).await;
    let (keys, codec) = november_keys().await;
    let open = |line: &[u8]| Line::read(line).ok().and_then(|line| line.open(&keys, &codec).ok().flatten());
    assert_eq!(open(line.as_bytes()), Some(record));
    for at in 0..line.len() {
        let mut changed = line.clone().into_bytes();
        changed[at] ^= 1;
        assert_eq!(open(&changed), None, "byte {at}: {}", String::from_utf8_lossy(&changed));
    }
}

#[tokio::test]
async fn neither_another_key_nor_another_line_opens_a_record() {
    let (one, other) = (Record::from(every_decision().remove(0)), Record::from(every_decision().remove(1)));
    let (keys, codec) = november_keys().await;
    let foreign = sealed(&one, 3);
    let error = Line::read(foreign.as_bytes()).unwrap().open(&keys, &codec).unwrap_err();
    assert!(error.to_string().contains("it was sealed with another key than the accounts have"), "{error}");
    let opened = |line: &str| Line::read(line.as_bytes()).unwrap().open(&keys, &codec).unwrap();
    let id = |key| MonthKey::derive(&key).unwrap().id;
    let LogKey::Key(own) = MemoryKeys::fixed().key(november()).await.unwrap() else { panic!("erased") };
    assert_eq!(opened(&foreign.replace(&id([3; 32]), &id(*own))), None, "of another key, passed off as ours");
    let (mine, theirs) = (sealed_by_the_store(&one).await, sealed_by_the_store(&other).await);
    let cut = |line: &str| line.find(",\"sealed\":").unwrap();
    assert_eq!(opened(&format!("{}{}", &mine[..cut(&mine)], &theirs[cut(&theirs)..])), None, "of another line");
    assert_ne!(sealed_by_the_store(&one).await, mine, "nothing is sealed the same way twice");
}

#[tokio::test]
async fn nothing_that_tells_who_or_where_is_in_clear_and_lengths_tell_little() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    for record in every_decision() {
        journal.append(assertion(&record, "_1")).await.unwrap();
        journal.append(record).await.unwrap();
    }
    let written = text(&segments(folder.path())[0]);
    for word in ["ann", "203.0.113.1", "aws-users", "password", "totp", "signin.aws", "Dev", "groups", "signals"] {
        assert!(!written.contains(&format!("\"{word}")), "`{word}` is in clear: {written}");
    }
    let lengths: BTreeSet<usize> = ["a", "annabel", "anna.lena.von-der-heide"]
        .iter()
        .map(|name| {
            let mut record = every_decision().remove(0);
            record.user = Some(Username::parse(name).unwrap());
            sealed(&record.into(), 1).len()
        })
        .collect();
    assert!(lengths.len() <= 2, "{lengths:?}");
}

#[tokio::test]
async fn a_month_whose_key_is_gone_is_told_as_erased_and_the_rest_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, clock) = (MemoryKeys::fixed(), clock());
    let means =
        Means { clock: clock.clone(), entropy: Arc::new(SystemEntropy), keys: keys.clone(), quota: Quota::USUAL };
    let journal = Journal::open(folder.path(), means, &[]).unwrap();
    let mut decisions = every_decision();
    let (new, old) = (decisions.remove(1), decisions.remove(0));
    journal.append(old.clone()).await.unwrap();
    clock.advance(10 * 24 * 60 * 60);
    journal.append(new.clone()).await.unwrap();
    assert!(keys.forget(november()).await.unwrap());

    let log = log_with(folder.path(), &keys).await;
    assert!(matches!(log.find(&old.reference), Err(AuditError::Erased { month, .. }) if month == november()));
    assert_eq!(log.find(&new.reference).unwrap(), Some(new.clone()));
    let mut read = Vec::new();
    let all = |search: &Search, read: &mut Vec<DecisionRecord>| {
        log.decisions(search, |decision| {
            read.push(decision);
            std::ops::ControlFlow::Continue(())
        })
    };
    all(&Search::default(), &mut read).unwrap();
    assert_eq!(read, [new]);
    assert_eq!(log.skipped().lines().collect::<Vec<_>>(), ["1 record of 2026-11, which was erased"]);
    let (found, count) = log.newest(&Search { user: read[0].user.clone(), ..Search::default() }, 10).unwrap();
    assert_eq!(
        (found.len(), count, log.skipped().erased[&november()]),
        (1, 1, 2),
        "who an erased one is about, nobody knows"
    );
    let none = Log::open(vec![folder.path().to_owned()], LogKeys::none("there is no key file")).unwrap();
    let error = none.find(&old.reference).unwrap_err().to_string();
    assert_eq!(error, "what was written in 2026-11 can't be read here: there is no key file");
}

#[tokio::test]
async fn a_writer_forgets_the_key_of_a_month_that_is_over() {
    let keys = WriterKeys::new(MemoryKeys::fixed());
    let december = november().next();
    keys.of(november()).await.unwrap();
    keys.ahead(december).await.unwrap();
    assert_eq!(keys.held(), [november(), december]);
    keys.of(december).await.unwrap();
    assert_eq!(keys.held(), [december]);
}

#[tokio::test]
async fn what_is_put_before_the_bound_part_of_a_line_does_not_pass_for_it() {
    let event = Record::Event(EventRecord {
        event: EventKind::SignedOut,
        at: noon(),
        user: Username::parse("ann").unwrap(),
        sign_in: None,
        method: None,
        about_device: None,
        ip: None,
        device: None,
    });
    let line = sealed_by_the_store(&event).await;
    let (keys, codec) = november_keys().await;
    let open = |line: &str| Line::read(line.as_bytes()).unwrap().open(&keys, &codec).unwrap();
    assert_eq!(open(&line), Some(event));
    for more in ["\"app\":\"aws\",\"outcome\":\"allow\",", "\"who\":null,\"reference\":\"ABCDE23456\","] {
        let forged = line.replacen('{', &format!("{{{more}"), 1);
        assert!(Line::read(forged.as_bytes()).is_err() || open(&forged).is_none(), "{forged}");
    }
}

#[tokio::test]
async fn lines_of_before_records_were_sealed_are_read_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    let record = every_decision().remove(1);
    let line = format!("{}\n", to_json(&record.clone().into()).unwrap());
    std::fs::write(folder.path().join("20261121T110000.000Z-000.jsonl"), line).unwrap();
    let log = Log::open(vec![folder.path().to_owned()], LogKeys::none("none")).unwrap();
    assert_eq!(log.find(&record.reference).unwrap(), Some(record.clone()));
    for (user, count) in [("ann", 1), ("ben", 0)] {
        let search = Search { user: Some(Username::parse(user).unwrap()), ..Search::default() };
        assert_eq!(log.newest(&search, 9).unwrap().1, count, "{user}");
    }
}

#[test]
fn the_dictionary_of_version_1_is_what_it_was() {
    let hash = LineHash::of(include_bytes!("../dictionary.txt")).to_string();
    assert_eq!(hash, "775d023b3bc9c03ba1b2bb157419b3d339a0fc3a360fc00300c19204f79fe323");
}

#[test]
#[allow(clippy::print_stderr, reason = "a figure for whoever asks")]
fn sealing_costs_about_as_much_as_writing_the_record_as_json() {
    let record = Record::from(every_decision().remove(1));
    let (codec, key) = (Codec::new().unwrap(), MonthKey::derive(&[1; 32]).unwrap());
    let rounds = 300;
    let json = Stopwatch::start();
    let mut plain = 0;
    for _ in 0..rounds {
        plain = to_json(&record).unwrap().len();
    }
    let json = json.micros();
    let sealing = Stopwatch::start();
    let mut bytes = 0;
    for _ in 0..rounds {
        bytes = seal(&record, november(), &key, &codec, &SystemEntropy).unwrap().len();
    }
    let sealing = sealing.micros();
    // `cargo test -- --nocapture` shows it; how long each takes is the machine's.
    eprintln!("sealing: {sealing} µs, JSON alone: {json} µs for {rounds}; {bytes} bytes instead of {plain}");
    assert!(bytes < plain, "{bytes} {plain}");
}

fn any_record() -> impl Strategy<Value = Record> {
    let name = "[a-z][a-z0-9.ä-]{0,40}";
    (name, "[ -~\\u{e4}\\u{85}\\u{2028}\"\\\\]{0,80}", 0_usize..7, any::<bool>(), any::<[u8; 4]>()).prop_map(
        |(name, text, which, event, ip)| {
            let user = Username::parse(&name).unwrap();
            if event {
                return EventRecord {
                    event: EventKind::CodeSent,
                    at: noon(),
                    user,
                    sign_in: None,
                    method: Some(Method::Totp),
                    about_device: None,
                    ip: Some(ip.into()),
                    device: None,
                }
                .into();
            }
            let mut record = every_decision().remove(which);
            record.user = Some(user);
            record.signals.place = Some(text);
            record.signals.ip = ip.into();
            record.into()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sealed_opens_as_it_was(record in any_record()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (line, (keys, codec)) = runtime.block_on(async { (sealed_by_the_store(&record).await, november_keys().await) });
        let name = record.user().unwrap().as_str();
        // Short names come about by chance in so many letters.
        prop_assert!(!line.contains('\n') && (name.len() < 8 || !line.contains(name)), "{}", line);
        let read = Line::read(line.as_bytes()).unwrap();
        prop_assert_eq!(&read.clear.reference, &Clear::of(&record).reference);
        prop_assert_eq!(read.open(&keys, &codec).unwrap(), Some(record));
    }

    #[test]
    fn nonsense_is_never_a_record(line in "\\{\"record\":\"event\",\"at\":\"2026-11-21T12:00:00Z\",\"month\":\"2026-11\",\"key\":\"00000000\",\"sealed\":\"[A-Za-z0-9+/=]{0,200}\"\\}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (keys, codec) = runtime.block_on(november_keys());
        let id = keys.key_id(november());
        let line = line.replace("00000000", &id);
        prop_assert_eq!(Line::read(line.as_bytes()).unwrap().open(&keys, &codec).unwrap(), None);
    }
}
