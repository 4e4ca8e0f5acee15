use std::path::Path;

use super::super::LinkPurpose;
use super::super::contract::{mail, new_user};
use super::super::postgres_server::{PASSWORD, Postgres, write_certificates};
use super::*;
use crate::clock::{FixedEntropy, ManualClock, Stopwatch, Timestamp};
use crate::domain::TotpSecret;

fn sqlite(folder: &tempfile::TempDir) -> Settings {
    Settings::sqlite(&folder.path().join("var/accounts.db"))
}

fn postgres(url: &str) -> Settings {
    Settings { url: AccountsUrl::parse(url).unwrap(), ..Settings::default() }
}

async fn open(settings: &Settings) -> Result<Accounts, AccountsError> {
    let envelope = Arc::new(Envelope::from_secret(&[1; 32]).unwrap());
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    Accounts::open(settings, envelope, clock, Arc::new(FixedEntropy::seeded(1))).await
}

async fn on_sqlite() -> (Accounts, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(&sqlite(&folder)).await.unwrap(), folder)
}

/// An error with all its causes, as the command line and the log show it.
fn told(error: &AccountsError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn the_database_file_holds_no_seed_no_link_and_no_mail_in_clear() {
    let (accounts, folder) = on_sqlite().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    accounts
        .add_totp(ann, &TotpSecret::from_bytes(b"seed-in-clear-seed-in-clear".to_vec()).unwrap(), 1, "x")
        .await
        .unwrap();
    let token = accounts.new_link(ann, LinkPurpose::Activation, 60).await.unwrap();
    accounts.enqueue(mail(ann, "body-in-clear")).await.unwrap();
    accounts.close().await;
    let mut everything = Vec::new();
    for file in std::fs::read_dir(folder.path().join("var")).unwrap() {
        everything.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |text: &str| everything.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("ann@example.com"), "the search works");
    for secret in ["seed-in-clear", token.expose(), "body-in-clear"] {
        assert!(!holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_database_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (accounts, folder) = on_sqlite().await;
    accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    for file in std::fs::read_dir(folder.path().join("var")).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("var")).unwrap();
    std::fs::write(folder.path().join("var/accounts.db"), "this is a text file, and long enough to be looked at")
        .unwrap();
    let error = open(&sqlite(&folder)).await.unwrap_err();
    assert!(matches!(error, AccountsError::Open { .. } | AccountsError::Migrate { .. }), "{error}");
}

#[tokio::test]
async fn paths_with_signs_that_mean_something_in_addresses_are_files_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b%20c?mode=memory#ä/people.db");
    open(&Settings::sqlite(&path)).await.unwrap().close().await;
    assert!(path.exists() && std::fs::metadata(path).unwrap().len() > 0);
}

#[tokio::test]
async fn a_database_is_known_to_hold_people_before_a_secret_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let own = Postgres::shared().database();
    for settings in [sqlite(&folder), postgres(&own.url())] {
        assert_eq!(Accounts::existing(&settings).await.unwrap(), None);
        let accounts = open(&settings).await.unwrap();
        accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
        accounts.close().await;
        let name = Accounts::existing(&settings).await.unwrap().unwrap();
        assert!(name == settings.url.to_string() && !name.contains(PASSWORD), "{name}");
    }
}

#[tokio::test]
async fn several_nodes_that_open_an_empty_database_at_once_all_get_in() {
    let own = Postgres::shared().database();
    let settings = postgres(&own.url());
    let nodes: Vec<_> = (0..6)
        .map(|_| {
            let settings = settings.clone();
            async move { open(&settings).await.map(drop) }
        })
        .collect::<tokio::task::JoinSet<_>>()
        .join_all()
        .await;
    assert!(nodes.iter().all(Result::is_ok), "{nodes:?}");
    assert_eq!(own.sql("SELECT count(*) = max(version) FROM _sqlx_migrations"), "t");
}

#[tokio::test]
async fn a_server_that_lets_us_not_in_is_told_and_the_password_is_not() {
    let own = Postgres::shared().database();
    let wrong_password = own.url().replace("p%40ss", "other");
    let wrong_database = own.url().replace("people", "nothing");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("postgres://u:other@127.0.0.1:{closed}/people");
    for (url, reason) in
        [(wrong_password, "authentication failed"), (wrong_database, "does not exist"), (nobody, "refused")]
    {
        let text = told(&open(&postgres(&url)).await.map(drop).unwrap_err());
        assert!(text.contains(reason) && text.contains("postgres://"), "{text}");
        for secret in [PASSWORD, "other", "p%40ss"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn the_password_may_stand_in_a_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let own = Postgres::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (scheme, rest) = own.url().split_once("cedargate:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    let mut settings = postgres(&format!("{scheme}cedargate@{place}"));
    assert!(open(&settings).await.is_err(), "the server wants one");
    settings.password_file = Some(file.clone());
    open(&settings).await.unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = told(&open(&settings).await.map(drop).unwrap_err());
    assert!(text.contains("mode 0644"), "{text}");
}

#[tokio::test]
async fn over_tls_the_server_must_prove_its_name_by_an_authority_we_know() {
    let settings = ["ssl=on", "ssl_cert_file={folder}/server.pem", "ssl_key_file={folder}/server.key"];
    let server = Postgres::start_with(&settings, |folder| write_certificates(folder, "localhost"));
    let own = server.database();
    let at = |host: &str, ca_file: Option<&Path>| Settings {
        tls: Some(AccountsTls::Required),
        ca_file: ca_file.map(Path::to_owned),
        ..postgres(&own.url().replace("127.0.0.1", host))
    };
    let ours = server.folder().join("ca.pem");
    let accounts = open(&at("localhost", Some(&ours))).await.unwrap();
    let is_encrypted: (bool,) = sqlx::query_as("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .fetch_one(&accounts.pool)
        .await
        .unwrap();
    assert!(is_encrypted.0);
    let other = tempfile::tempdir().unwrap();
    write_certificates(other.path(), "localhost");
    let others = other.path().join("ca.pem");
    for (what, settings) in [
        ("another name", at("127.0.0.1", Some(&ours))),
        ("another authority", at("localhost", Some(&others))),
        ("the public authorities", at("localhost", None)),
    ] {
        let text = told(&open(&settings).await.map(drop).unwrap_err());
        assert!(text.contains("certificate"), "{what}: {text}");
    }
    let plain = Postgres::shared().database();
    let unencrypted = Settings { tls: Some(AccountsTls::Required), ..postgres(&plain.url()) };
    let text = told(&open(&unencrypted).await.map(drop).unwrap_err());
    assert!(text.contains("TLS"), "a server without TLS: {text}");
}

#[tokio::test]
async fn a_server_that_falls_silent_costs_a_limited_wait_and_one_that_returns_is_used_again() {
    let server = Postgres::start(&[]);
    let own = server.database();
    let settings = postgres(&own.url());
    let accounts = open(&settings).await.unwrap();
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();

    let frozen = server.freeze();
    let waited = Stopwatch::start();
    let silent = accounts.user(ann).await;
    assert!(matches!(silent, Err(AccountsError::Database(_))), "{silent:?}");
    let silent = open(&settings).await.map(drop);
    assert!(matches!(silent, Err(AccountsError::Open { .. })), "{silent:?}");
    assert!(waited.micros() < 20_000_000, "{}", waited.micros());
    drop(frozen);
    eventually(&accounts, ann).await;

    server.stop();
    let waited = Stopwatch::start();
    let gone = accounts.user(ann).await;
    assert!(matches!(gone, Err(AccountsError::Database(_))), "{gone:?}");
    assert!(waited.micros() < 10_000_000, "{}", waited.micros());
    server.resume();
    eventually(&accounts, ann).await;
    accounts.end_sessions(ann).await.unwrap();
}

/// Asks until there is an answer; each question waits for a connection by itself.
async fn eventually(accounts: &Accounts, user: crate::domain::UserId) {
    let waited = Stopwatch::start();
    loop {
        match accounts.user(user).await {
            Ok(found) => return assert!(found.is_some()),
            Err(error) => assert!(waited.micros() < 30_000_000, "{}", told(&error)),
        }
    }
}

#[tokio::test]
async fn a_lock_that_somebody_holds_is_waited_for_a_limited_time() {
    let own = Postgres::shared().database();
    let accounts = open(&postgres(&own.url())).await.unwrap();
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let mut held = accounts.write().await.unwrap();
    // Whoever holds it does nothing for longer than the server lets others do nothing.
    let forever = "SET LOCAL idle_in_transaction_session_timeout = 0";
    sqlx::query(forever).execute(&mut *held).await.unwrap();
    let waited = Stopwatch::start();
    let error = accounts.end_sessions(ann).await.unwrap_err();
    assert!(told(&error).contains("statement timeout"), "{}", told(&error));
    assert!(waited.micros() < 15_000_000, "{}", waited.micros());
    drop(held);
    accounts.end_sessions(ann).await.unwrap();
}

#[test]
fn both_databases_get_the_same_tables() {
    let plain = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        lines.collect::<Vec<_>>().join("\n").replace(" COLLATE \"C\"", "").replace("BYTEA", "BLOB")
    };
    let all = |migrations: &Migrator| -> Vec<(i64, String)> {
        migrations.iter().map(|one| (one.version, plain(one.sql.as_str()))).collect()
    };
    let spaces = |found: Vec<(i64, String)>| -> Vec<(i64, String)> {
        found
            .into_iter()
            .map(|(version, sql)| (version, sql.split_whitespace().collect::<Vec<_>>().join(" ")))
            .collect()
    };
    assert_eq!(spaces(all(&POSTGRES)), spaces(all(&SQLITE)));
    for one in POSTGRES.iter() {
        for line in one.sql.as_str().lines().filter(|line| line.contains(" TEXT")) {
            assert!(line.contains("TEXT COLLATE \"C\""), "names are compared byte by byte: {line}");
        }
    }
}
