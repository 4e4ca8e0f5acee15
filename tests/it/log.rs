//! The decision log from outside: sealed on disk, searched, handed on, forgotten month by month.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cedargate::accounts::{Accounts, Envelope};
use cedargate::audit::{EventKind, EventRecord, Journal, Means, Quota, Record};
use cedargate::clock::{Clock as _, ManualClock, SystemClock, SystemEntropy, Timestamp};
use cedargate::config;
use cedargate::config::secret::ensure_key_file;
use cedargate::domain::{Method, Username};
use serde_json::Value;

use crate::harness::judges;
use crate::harness::process::Said;
use crate::harness::saml::{AuthnRequest, Delivered, SUCCESS};
use crate::harness::server::{Server, from};

/// A server on which ann opened the wiki, mallory signed in, and somebody was refused from a blocked address.
async fn used() -> Server {
    let server = Server::start();
    let ann = server.client().at_address(from::OFFICE);
    ann.sign_in(server.person("ann")).await;
    ann.follow("/launch/wiki").await;
    server.client().sign_in(server.person("mallory")).await;
    server.client().at_address(from::BLOCKED).get("/").await;
    server
}

fn search(server: &Server, arguments: &[&str]) -> Value {
    let said = server.cli(&[&["audit", "search", "--json"], arguments].concat());
    assert!(said.ok, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

fn export(server: &Server, arguments: &[&str]) -> Vec<Value> {
    let said = server.cli(&[&["audit", "export"], arguments].concat());
    assert!(said.ok, "{said:?}");
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The bytes of all files of the journal; what is compressed, expanded.
fn on_disk(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let text = |path: std::path::PathBuf| {
        let bytes = fs::read(&path).unwrap();
        let expanded =
            path.extension().is_some_and(|ending| ending == "zst").then(|| zstd::decode_all(&*bytes).unwrap());
        String::from_utf8_lossy(&expanded.unwrap_or(bytes)).into_owned()
    };
    files.map(text).collect()
}

/// Writes these records into the server's journal as if it were then.
async fn written_at(server: &Server, at: Timestamp, records: Vec<Record>) {
    let config = config::load(&server.path("config.toml"), []).unwrap().config;
    let secret = ensure_key_file(&config.server.secret_file, None, &SystemEntropy).unwrap();
    let envelope = Arc::new(Envelope::from_secret(secret.expose()).unwrap());
    let (clock, entropy) = (Arc::new(ManualClock::at(at)), Arc::new(SystemEntropy));
    let accounts = Accounts::open(&config.accounts, envelope, clock.clone(), entropy.clone()).await.unwrap();
    let means = Means { clock, entropy, keys: Arc::new(accounts.clone()), quota: Quota::USUAL };
    let journal = Journal::open(&config.audit.path, means, &[]).unwrap();
    for record in records {
        journal.append(record).await.unwrap();
    }
    accounts.close().await;
}

fn event(event: EventKind, at: Timestamp, user: &str) -> Record {
    let (user, ip) = (Username::parse(user).unwrap(), Some("203.0.113.5".parse().unwrap()));
    let method = Some(Method::Totp);
    EventRecord { event, at, user, sign_in: None, method, about_device: None, ip, device: None }.into()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A decision that the server made, as if it had been then.
fn decided_at(server: &Server, at: Timestamp, arguments: &[&str]) -> Record {
    let mut record = search(server, arguments)["records"][0].clone();
    record["at"] = at.to_string().into();
    serde_json::from_value(record).unwrap()
}

#[tokio::test]
async fn no_name_address_device_group_or_signal_is_in_clear_on_disk() {
    let mut server = used().await;
    let records = server.audit();
    server.terminate();
    // Closed by now, and compressed by the next start.
    server.restart();
    let disk = on_disk(&server.path("var/audit"));
    let device = records.split("\"device\":\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let personal = [
        "\"ann\"",
        "mallory",
        from::OFFICE,
        from::BLOCKED,
        "aws-users",
        "contractors",
        "\"totp\"",
        "\"password\"",
        "signals",
        "\"ip\"",
    ];
    for word in personal.into_iter().map(str::to_owned).chain(device) {
        assert!(records.contains(&word) || word == "contractors", "`{word}` is on record");
        assert!(!disk.contains(&word), "`{word}` is in clear:\n{disk}");
    }
    assert!(disk.contains("\"sealed\":\"") && disk.contains("\"outcome\":\"allow\"") && disk.contains("\"month\":\""));
    let said = server.cli(&["audit", "verify"]);
    assert!(said.ok, "{said:?}");
}

#[tokio::test]
async fn decisions_are_found_by_who_what_when_and_how_they_ended() {
    let server = used().await;
    let all = search(&server, &[])["found"].as_u64().unwrap();
    let of_ann = search(&server, &["--user", "Ann"]);
    let records = of_ann["records"].as_array().unwrap();
    assert!(!records.is_empty() && records.iter().all(|record| record["user"] == "ann"), "{of_ann:#}");
    assert!(of_ann["found"].as_u64().unwrap() < all);
    let wiki = search(&server, &["--user", "ann", "--app", "wiki", "--outcome", "allow"]);
    assert_eq!(wiki["found"], 1, "{wiki:#}");
    let reference = wiki["records"][0]["reference"].as_str().unwrap();
    let resting = search(&server, &["--reference", reference]);
    let kinds: Vec<_> = resting["records"].as_array().unwrap().iter().map(|record| record["record"].as_str()).collect();
    assert_eq!(kinds, [Some("decision"), Some("assertion"), Some("assertion")], "{resting:#}");
    let denied = search(&server, &["--outcome", "deny"]);
    assert_eq!((&denied["found"], &denied["records"][0]["user"]), (&1.into(), &Value::Null), "{denied:#}");
    assert_eq!(search(&server, &["--until", "1d"])["found"], 0);
    assert_eq!(search(&server, &["--since", "1d"])["found"], all);
    assert_eq!(search(&server, &["--limit", "2"])["records"].as_array().unwrap().len(), 2);

    let said = server.cli(&["audit", "search", "--app", "wiki"]);
    let heads: Vec<&str> = said.out.lines().next().unwrap().split("  ").filter(|head| !head.is_empty()).collect();
    assert_eq!(
        heads.iter().map(|head| head.trim()).collect::<Vec<_>>(),
        ["when (UTC)", "who", "what", "app", "outcome", "reference", "because of"]
    );
    assert!(said.out.contains(reference) && said.out.contains("assertion left"), "{}", said.out);
    let said = server.cli(&["audit", "search", "--user", "nobody"]);
    assert!(said.ok && said.out.contains("nothing in the journal fits"), "{said:?}");
    for (wrong, told) in [
        (["--outcome", "maybe"], "is no outcome: one of allow, challenge, enrol, deny"),
        (["--since", "yesterday"], "cannot read `--since`"),
        (["--reference", "x"], "`x`"),
    ] {
        let said = server.cli(&[&["audit", "search"], &wrong[..]].concat());
        assert!(said.code == Some(2) && said.err.contains(told), "{wrong:?}: {said:?}");
    }
}

#[tokio::test]
async fn an_export_masks_people_and_addresses_and_speaks_ocsf() {
    let mut server = used().await;
    fs::write(server.path("mask.key"), [7; 32]).unwrap();
    let masked = |arguments: &[&str]| server.cli(&[&["audit", "export"], arguments].concat()).out;
    let one = masked(&["--mask-key", "mask.key"]);
    for word in ["\"ann\"", "mallory", from::OFFICE, from::BLOCKED] {
        assert!(!one.contains(word), "`{word}`: {one}");
    }
    assert_eq!(one, masked(&["--mask-key", "mask.key"]), "the same key, the same pseudonyms");
    assert_ne!(one, masked(&["--mask"]), "without one they are made anew");
    assert_eq!(one.lines().count(), export(&server, &[]).len());

    server.terminate();
    let at = SystemClock.now();
    let kinds = [EventKind::ProofFailed, EventKind::SignedOut, EventKind::PasswordSet, EventKind::MethodAdded];
    written_at(&server, at, kinds.map(|kind| event(kind, at, "emil")).to_vec()).await;
    let events = export(&server, &["--as", "ocsf"]);
    let types: BTreeSet<u64> = events.iter().filter_map(|event| event["type_uid"].as_u64()).collect();
    assert_eq!(types, BTreeSet::from([300_103, 300_110, 300_201, 300_202]));
    let masked = export(&server, &["--as", "ocsf", "--mask"]);
    let events_and_masked = [&events[..], &masked[..]].concat();
    for (event, wrong) in events_and_masked.iter().zip(judges::ocsf(&events_and_masked)) {
        assert_eq!(wrong, [""; 0], "{event:#}");
    }
    // The judge sees what is wrong.
    let mut spoiled = events[0].clone();
    spoiled["severity_id"] = "low".into();
    spoiled["auth_factors"] = serde_json::json!([{ "factor": "password" }]);
    assert!(judges::ocsf(&[spoiled])[0].len() >= 3);
    let logons: Vec<&Value> = events.iter().filter(|event| event["class_uid"] == 3002).collect();
    let ended = |status: u64| logons.iter().filter(|event| event["status_id"] == status).count();
    assert!(ended(1) >= 2 && ended(2) == 2 && ended(99) >= 1, "{events:#?}");
    let refused = logons.iter().find(|event| event["status_id"] == 2).unwrap();
    assert_eq!(refused["src_endpoint"]["ip"], from::BLOCKED);
    assert_eq!(refused["user"]["type"], "Unknown");
}

#[tokio::test]
async fn a_month_that_is_forgotten_can_never_be_read_again_and_is_proved_all_the_same() {
    let mut server = used().await;
    server.terminate();
    let (august, september) = (instant("2026-08-15T10:00:00Z"), instant("2026-09-15T10:00:00Z"));
    let wiki = decided_at(&server, august, &["--user", "ann", "--app", "wiki", "--outcome", "allow"]);
    let signed_out = |at, user| event(EventKind::SignedOut, at, user);
    written_at(&server, august, vec![signed_out(august, "ann"), signed_out(august, "bob"), wiki]).await;
    written_at(&server, september, vec![signed_out(september, "ann")]).await;
    let forget = |arguments: &[&str]| -> Said { server.cli(&[&["audit", "forget"], arguments].concat()) };
    let in_august = |server: &Server| search(server, &["--since", "2026-08-01", "--until", "2026-09-01"]);
    assert_eq!(in_august(&server)["records"][0]["user"], "ann");
    for (arguments, told) in [
        (&["--month", "2026-08"][..], "say so with --yes"),
        (&["--month", "august", "--yes"], "is no month: write 2026-08"),
        (&["--month", "2099-01", "--yes"], "is not over yet"),
        (&["--month", &SystemClock.now().strftime("%Y-%m").to_string(), "--yes"], "is not over yet"),
        (&["--month", "2020-01", "--yes"], "there is no key of 2020-01"),
    ] {
        let said = forget(arguments);
        assert!(said.code == Some(2) && said.err.contains(told), "{arguments:?}: {said:?}");
    }
    assert_eq!(in_august(&server)["erased"], 0);
    let budget = ["policy", "replay", "--since", "2026-08-01", "--budget", "denied=0,roles=0"];
    let said = server.cli(&budget);
    assert!(said.ok && said.out.contains("0 locked out"), "{said:?}");

    let said = forget(&["--month", "2026-08", "--yes"]);
    assert!(said.ok && said.out.contains("2026-08 is erased"), "{said:?}");
    let erased = in_august(&server);
    assert_eq!(
        (&erased["found"], &erased["erased"], &erased["records"][0]["user"]),
        (&3.into(), &3.into(), &Value::Null)
    );
    let said = server.cli(&["audit", "search"]);
    assert!(said.out.contains("note: 3 records of 2026-08, which was erased"), "{said:?}");
    assert!(said.out.contains("2026-08 forgotten by command"), "that it was is on record: {said:?}");

    // What nobody can read any more may have been about somebody who is locked out now.
    let said = server.cli(&budget);
    assert!(
        said.code == Some(2)
            && said.out.contains("the budget is not shown to hold: nobody knows what would come of 1 record"),
        "{said:?}"
    );
    let said = server.cli(&[&budget[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (said.code, &told["ok"], &told["unknown"], &told["erased"]),
        (Some(2), &false.into(), &1.into(), &1.into())
    );
    assert_eq!(told["over"], Value::Array(vec![]), "{told:#}");
    assert!(server.cli(&budget[..4]).ok, "without a budget there is nothing to hold");
    let others = search(&server, &["--user", "ann", "--since", "2026-09-01"]);
    assert!(others["found"].as_u64().unwrap() > 1 && others["erased"] == 0, "{others:#}");
    let said = forget(&["--month", "2026-08", "--yes"]);
    assert!(said.ok && said.out.contains("2026-08 was erased on"), "{said:?}");
    let said = server.cli(&["audit", "verify"]);
    assert!(said.ok, "{said:?}");

    // By number, as the running server does it: not before it is sure that this month has begun, which takes days.
    let this_month = SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    let last_month = instant(&this_month.yesterday().unwrap().strftime("%Y-%m-15T10:00:00Z").to_string());
    written_at(&server, last_month, vec![signed_out(last_month, "ann")]).await;
    let config = fs::read_to_string(server.path("config.toml")).unwrap();
    fs::write(server.path("config.toml"), format!("{config}\n[audit]\nkeep_months = 1\n")).unwrap();
    server.restart();
    server.wait_for("is erased before something was written on 3 days of this month");
    assert_eq!(search(&server, &["--since", "2026-09-01", "--until", "2026-10-01"])["erased"], 0);
}

#[tokio::test]
async fn a_damaged_line_is_told_with_its_place_and_the_rest_is_read() {
    let mut server = used().await;
    let reference = search(&server, &["--app", "wiki", "--outcome", "allow"])["records"][0]["reference"].clone();
    let before = search(&server, &[])["found"].as_u64().unwrap();
    server.terminate();
    let folder = server.path("var/audit");
    let segments = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).max().unwrap();
    let text = fs::read_to_string(&segment).unwrap();
    let lines = text.lines().count();
    fs::write(&segment, text.replacen("\"outcome\":\"deny\"", "\"outcome\":\"allow\"", 1) + "what is this\n").unwrap();
    let changed = text.lines().position(|line| line.contains("\"outcome\":\"deny\"")).unwrap() + 1;

    let places = [(lines + 1, "it is no record"), (changed, "it does not open with the key of its month")];
    let reference = reference.as_str().unwrap();
    for (command, code) in [
        (&["audit", "search"][..], 1),
        (&["audit", "export"], 1),
        (&["policy", "shadow"], 1),
        (&["policy", "replay"], 1),
        (&["policy", "replay", "--budget", "denied=9"], 2),
    ] {
        let said = server.cli(command);
        assert_eq!(said.code, Some(code), "{command:?}: {said:?}");
        for (line, why) in places {
            let told = format!("{}:{line}: {why}", segment.file_name().unwrap().to_str().unwrap());
            assert!(said.err.contains("damaged: ") && said.err.contains(&told), "{command:?}: {told}: {said:?}");
        }
        assert!(!said.out.is_empty() && said.err.contains("`cedargate audit verify` tells more"), "{said:?}");
    }
    for command in [&["audit", "search"][..], &["policy", "shadow"], &["policy", "replay"]] {
        let told: Value = serde_json::from_str(&server.cli(&[command, &["--json"]].concat()).out).unwrap();
        let damaged = told["damaged"].as_array().unwrap();
        assert_eq!((&told["ok"], damaged.len(), &told["more_damaged"]), (&false.into(), 2, &0.into()), "{told:#}");
        assert!(damaged.iter().any(|damage| damage["line"] == lines + 1), "{told:#}");
        assert!(command[0] == "policy" || told["found"] == before - 1, "{told:#}");
    }
    let said = server.cli(&["policy", "explain", reference]);
    assert!(said.ok && !said.err.contains("damaged"), "no other line passes for this decision: {said:?}");
    let said = server.cli(&["audit", "verify"]);
    assert_eq!(said.code, Some(1), "the proof is strict: {said:?}");
}

#[tokio::test]
async fn without_the_secret_the_journal_is_proved_no_more_and_says_so_instead_of_a_record() {
    let mut server = used().await;
    let reference = search(&server, &["--outcome", "deny"])["records"][0]["reference"].as_str().unwrap().to_owned();
    server.terminate();
    fs::rename(server.path("var/secret"), server.path("var/away")).unwrap();
    let said = server.cli(&["audit", "search"]);
    assert!(said.ok && said.out.contains("can't be read here: there is no key file"), "{said:?}");
    let said = server.cli(&["policy", "explain", &reference]);
    assert!(said.code == Some(2) && said.err.contains("there is no key file"), "{said:?}");
    assert!(!server.path("var/secret").exists(), "reading makes no secret");
}

#[tokio::test]
async fn strangers_fill_no_disk_and_evidence_is_written_on_one_that_is_nearly_full() {
    let mut server = Server::start();
    let ann = server.client();
    ann.sign_in(server.person("ann")).await;
    server.restart_with_little_room("var/audit", "1m");
    let stranger = server.client().at_address(from::BLOCKED);
    for _ in 0..50 {
        let page = stranger.get("/").await;
        assert!(page.status.is_client_error() && !page.text("h1").is_empty(), "refused, and told so: {page:?}");
    }
    assert!(server.log().contains("a record that a stranger caused was left out of the journal"), "{}", server.log());
    let page = ann.get(&AuthnRequest::of_wiki(&server).redirect(None)).await;
    assert_eq!(Delivered::from_page(&page).status(), [SUCCESS]);
}
