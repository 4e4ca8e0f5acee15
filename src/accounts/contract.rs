//! What any accounts database must do, whatever is underneath. Each test takes a fresh one. The file is two modules: one runs
//! all of it on SQLite, one on PostgreSQL.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::postgres_server::{OwnDatabase, Postgres};
use super::*;
use crate::clock::{Clock as _, FixedEntropy, ManualClock, Timestamp};
use crate::config::{self, AccountsUrl};
use crate::domain::{
    AuthenticatorId, Country, EmailAddress, GroupName, Language, Method, TotpSecret, User, UserId, UserStatus, Username,
};

#[path = "contract/races.rs"]
mod races;

#[path = "outbox_contract.rs"]
mod outbox;

const SALT_AND_HASH: &str = "c29tZXNhbHRzb21lc2FsdA$k7dGXpp0GbUUFnFPZ2zhFhfGnwhbK0Mh4sYGbFcvRFA";

/// A database that goes away with the test, and the clock that it goes by.
pub(super) struct Fresh {
    pub(super) accounts: Accounts,
    pub(super) clock: Arc<ManualClock>,
    pub(super) folder: Home,
}

/// Where the database is.
pub(super) enum Home {
    Sqlite(tempfile::TempDir),
    Postgres(OwnDatabase<'static>),
}

impl Home {
    fn new() -> Self {
        if module_path!().ends_with("on_postgres") {
            Self::Postgres(Postgres::shared().database())
        } else {
            Self::Sqlite(tempfile::tempdir().unwrap())
        }
    }

    fn settings(&self) -> config::Accounts {
        match self {
            Self::Sqlite(folder) => config::Accounts::sqlite(&folder.path().join("var/accounts.db")),
            Self::Postgres(own) => {
                config::Accounts { url: AccountsUrl::parse(&own.url()).unwrap(), ..config::Accounts::default() }
            }
        }
    }
}

pub(super) async fn fresh() -> Fresh {
    let folder = Home::new();
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    let accounts = open(&folder, &clock, 1).await.unwrap();
    Fresh { accounts, clock, folder }
}

pub(super) async fn open(home: &Home, clock: &Arc<ManualClock>, secret: u8) -> Result<Accounts, AccountsError> {
    let envelope = Arc::new(Envelope::from_secret(&[secret; 32]).unwrap());
    let entropy = Arc::new(FixedEntropy::seeded(i64::from(secret)));
    Accounts::open(&home.settings(), envelope, Arc::clone(clock) as _, entropy).await
}

pub(super) fn new_user(username: &str, email: &str) -> NewUser {
    NewUser::pending(Username::parse(username).unwrap(), EmailAddress::parse(email).unwrap())
}

fn hash(memory: u32) -> PasswordHash {
    PasswordHash::parse(&format!("$argon2id$v=19$m={memory},t=2,p=1${SALT_AND_HASH}")).unwrap()
}

fn seed(byte: u8) -> TotpSecret {
    TotpSecret::from_bytes(vec![byte; 20]).unwrap()
}

async fn epoch(accounts: &Accounts, id: UserId) -> i64 {
    accounts.user(id).await.unwrap().unwrap().session_epoch
}

#[tokio::test]
async fn a_user_reads_back_as_created() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let groups: BTreeSet<_> = ["staff", "aws-users"].map(|name| GroupName::parse(name).unwrap()).into();
    let new = NewUser {
        first_name: "Änn; DROP TABLE users".into(),
        last_name: "O'Neil \"x\"".into(),
        phone: Some("+491701234567".into()),
        groups: groups.clone(),
        home_country: Country::parse("DE").unwrap(),
        time_zone: Some("Europe/Berlin".into()),
        language: Some(Language::De),
        status: UserStatus::Active,
        password: Some(hash(19_456)),
        ..new_user("Ann", "Ann@Example.com")
    };
    let id = accounts.create(&new).await.unwrap();
    let login = accounts.find_by_login("ann").await.unwrap().unwrap();
    let expected = User {
        id,
        username: new.username,
        email: new.email,
        first_name: new.first_name,
        last_name: new.last_name,
        phone: new.phone,
        groups,
        home_country: new.home_country,
        time_zone: new.time_zone,
        language: new.language,
        status: new.status,
        session_epoch: 0,
        devices_since: None,
    };
    assert_eq!(login, Login { user: expected, password: new.password });
    assert_eq!(accounts.user(id).await.unwrap().as_ref(), Some(&login.user));
    assert_eq!(accounts.user_by_name(&login.user.username).await.unwrap().as_ref(), Some(&login.user));
}

#[tokio::test]
async fn it_is_known_which_store_holds_the_devices_of_somebody() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let ben = accounts.create(&new_user("ben", "ben@example.com")).await.unwrap();
    let at = |millis| Some(Timestamp::from_millisecond(millis).unwrap());
    let since = async |id| accounts.user(id).await.unwrap().unwrap().devices_since;
    let set = async |before, born: Option<Timestamp>| {
        accounts.set_devices_since(ann, before, born.unwrap()).await.unwrap();
        since(ann).await
    };
    assert_eq!(since(ann).await, None, "nobody has devices at first");
    assert_eq!(set(None, at(1_800_000_000_123)).await, at(1_800_000_000_123));
    assert_eq!(set(None, at(2)).await, at(1_800_000_000_123), "another sign-in was first");
    assert_eq!(set(at(3), at(2)).await, at(1_800_000_000_123), "it is another store meanwhile");
    assert_eq!(set(at(1_800_000_000_123), at(2)).await, at(2), "an older store is another one, too");
    assert_eq!(since(ben).await, None, "everybody has their own");
    let epoch_before = epoch(&accounts, ann).await;
    accounts.forget_device_history(ann).await.unwrap();
    assert_eq!(since(ann).await, None);
    assert_eq!(set(at(2), at(4)).await, at(4), "forgotten between reading and recording");
    assert_eq!(epoch(&accounts, ann).await, epoch_before, "no session ends by it");
}

#[tokio::test]
async fn people_are_found_by_any_spelling_of_name_or_address_and_by_nothing_else() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    accounts.create(&new_user("strasser", "Straße.Ann+x@Example.com")).await.unwrap();
    for typed in ["STRASSER", " strasser ", "ｓtrasser", "strasse.ann+x@example.com", "STRAßE.ANN+X@EXAMPLE.COM "] {
        assert!(accounts.find_by_login(typed).await.unwrap().is_some(), "{typed}");
    }
    for typed in ["", " ", "%", "stras%", "_trasser", "strasser'--", "strasser\0", "x@", &"x".repeat(100_000)] {
        assert!(accounts.find_by_login(typed).await.unwrap().is_none(), "{typed:.20}");
    }
}

#[tokio::test]
async fn nobody_gets_a_name_that_somebody_else_signs_in_with() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    for (username, email) in
        [("ANN", "other@example.com"), ("other", "ANN@example.com"), ("ann@example.com", "other@example.com")]
    {
        let error = accounts.create(&new_user(username, email)).await.unwrap_err();
        assert!(matches!(error, AccountsError::Taken { .. }), "{username} {email}: {error}");
    }
    assert_eq!(accounts.list(None, 10).await.unwrap().len(), 1, "a refused user leaves nothing behind");
    accounts.create(&new_user("ben@example.com", "ben@example.com")).await.unwrap();
}

#[tokio::test]
async fn lists_go_on_where_the_page_before_ended() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    for name in ["cid", "ann", "dan", "ben", "eve"] {
        let mut user = new_user(name, &format!("{name}@example.com"));
        user.groups = ["a", "b", "c"].map(|group| GroupName::parse(group).unwrap()).into();
        accounts.create(&user).await.unwrap();
    }
    let mut seen: Vec<User> = Vec::new();
    loop {
        let page = accounts.list(seen.last().map(|user| &user.username), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2 && page.iter().all(|user| user.groups.len() == 3));
        seen.extend(page);
    }
    let names: Vec<&str> = seen.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["ann", "ben", "cid", "dan", "eve"]);
}

#[tokio::test]
async fn whatever_ends_sessions_raises_the_epoch_and_nothing_else_does() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let mut expected = 0;
    let mut rises = async |rises: i64, what: &str| {
        expected += rises;
        assert_eq!(epoch(&accounts, id).await, expected, "after {what}");
    };
    accounts.set_password(id, &hash(19_456)).await.unwrap();
    rises(1, "a new password").await;
    assert!(accounts.upgrade_password_hash(id, &hash(19_456), &hash(20_000)).await.unwrap());
    rises(0, "a stronger hash").await;
    let totp = accounts.add_totp(id, &seed(1), 5, "phone").await.unwrap();
    rises(1, "a new authenticator").await;
    assert!(accounts.use_totp_step(totp, 6).await.unwrap());
    rises(0, "a code").await;
    assert!(accounts.remove_authenticator(id, totp).await.unwrap());
    rises(1, "a removed authenticator").await;
    assert!(!accounts.remove_authenticator(id, totp).await.unwrap());
    rises(0, "removing what is not there").await;
    accounts.set_status(id, UserStatus::Suspended).await.unwrap();
    rises(1, "shutting out").await;
    accounts.set_status(id, UserStatus::Active).await.unwrap();
    rises(1, "letting in again").await;
    accounts.end_sessions(id).await.unwrap();
    rises(1, "this wasn't me").await;
}

#[tokio::test]
async fn a_sign_in_changes_only_the_person_it_read() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    for (before, changes, after) in [
        (UserStatus::Pending, true, UserStatus::Active),
        (UserStatus::Active, true, UserStatus::Active),
        (UserStatus::Suspended, false, UserStatus::Suspended),
    ] {
        let name = before.code();
        let new = NewUser { status: before, ..new_user(name, &format!("{name}@example.com")) };
        let id = accounts.create(&new).await.unwrap();
        let enrolled = accounts.enrol_totp(id, 0, &seed(1), 5).await.unwrap();
        assert_eq!(enrolled.map(|(_, epoch)| epoch), changes.then_some(1), "{name}");
        let user = accounts.user(id).await.unwrap().unwrap();
        assert_eq!((user.status, user.session_epoch), (after, i64::from(changes)), "{name}");
        assert!(accounts.enrol_totp(id, 0, &seed(1), 5).await.unwrap().is_none(), "{name}: read before the change");
        assert_eq!(accounts.authenticators(id).await.unwrap().len(), usize::from(changes), "{name}");
        assert!(accounts.choose_password(id, 0, &hash(19_456)).await.unwrap().is_none(), "{name}");
        let chosen = accounts.choose_password(id, 1, &hash(19_456)).await.unwrap();
        assert_eq!(chosen, changes.then_some(2), "{name}");
    }
}

#[tokio::test]
async fn a_hash_is_only_upgraded_while_the_password_is_the_same() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    accounts.set_password(id, &hash(19_456)).await.unwrap();
    assert!(!accounts.upgrade_password_hash(id, &hash(8_000), &hash(30_000)).await.unwrap());
    let stored = accounts.find_by_login("ann").await.unwrap().unwrap().password;
    assert_eq!(stored, Some(hash(19_456)));
}

#[tokio::test]
async fn changes_to_nobody_are_refused() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    let nobody = UserId::new(crate::clock::Clock::now(clock.as_ref()), &FixedEntropy::seeded(9)).unwrap();
    let mail = mail(nobody, "");
    for (what, result) in [
        ("password", accounts.set_password(nobody, &hash(19_456)).await),
        ("status", accounts.set_status(nobody, UserStatus::Active).await),
        ("sessions", accounts.end_sessions(nobody).await),
        ("totp", accounts.add_totp(nobody, &seed(1), 1, "x").await.map(drop)),
        ("link", accounts.new_link(nobody, LinkPurpose::Activation, 60).await.map(drop)),
        ("mail", accounts.enqueue(mail).await.map(drop)),
    ] {
        assert!(matches!(result, Err(AccountsError::NoSuchUser)), "{what}: {result:?}");
    }
}

#[tokio::test]
async fn totp_seeds_come_back_and_belong_to_one_person_and_one_secret() {
    let Fresh { accounts, clock, folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let ben = accounts.create(&new_user("ben", "ben@example.com")).await.unwrap();
    let id = accounts.add_totp(ann, &seed(7), 100, "my\n phone").await.unwrap();
    assert_eq!(accounts.totp_secrets(ann).await.unwrap(), [TotpRecord { id, secret: seed(7) }]);
    let listed = accounts.authenticators(ann).await.unwrap();
    assert_eq!((listed[0].method, listed[0].name.as_str()), (Method::Totp, "my phone"));
    assert!(accounts.authenticators(ben).await.unwrap().is_empty());
    assert!(!accounts.remove_authenticator(ben, id).await.unwrap(), "somebody else's authenticator");

    let other_secret = open(&folder, &clock, 2).await.unwrap();
    let error = other_secret.totp_secrets(ann).await.unwrap_err();
    assert!(matches!(error, AccountsError::Envelope(EnvelopeError::UnknownKey { .. })), "{error}");

    sqlx::query("UPDATE authenticators SET user_id = $1").bind(ben.to_string()).execute(&accounts.pool).await.unwrap();
    let error = accounts.totp_secrets(ben).await.unwrap_err();
    assert!(matches!(error, AccountsError::Envelope(EnvelopeError::Broken)), "a seed moved to another row: {error}");
}

#[tokio::test]
async fn a_time_step_is_accepted_once_even_by_many_at_once() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let id = accounts.add_totp(ann, &seed(1), 100, "phone").await.unwrap();
    for (step, accepted) in
        [(100, false), (99, false), (101, true), (101, false), (100, false), (103, true), (102, false)]
    {
        assert_eq!(accounts.use_totp_step(id, step).await.unwrap(), accepted, "step {step}");
    }
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let accounts = accounts.clone();
        tasks.spawn(async move { accounts.use_totp_step(id, 200).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    let nobody = AuthenticatorId::parse("00000000-0000-7000-8000-000000000000").unwrap();
    assert!(!accounts.use_totp_step(nobody, 300).await.unwrap());
}

#[tokio::test]
async fn a_person_has_a_limited_number_of_authenticators() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    for _ in 0..MAX_AUTHENTICATORS {
        accounts.add_totp(ann, &seed(1), 1, "phone").await.unwrap();
    }
    let before = epoch(&accounts, ann).await;
    let error = accounts.add_totp(ann, &seed(1), 1, "phone").await.unwrap_err();
    assert!(matches!(error, AccountsError::TooManyAuthenticators), "{error}");
    assert_eq!(epoch(&accounts, ann).await, before, "a refused change ends no session");
}

#[tokio::test]
async fn a_link_works_once_and_until_it_expires() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let token = accounts.new_link(ann, LinkPurpose::Activation, 60).await.unwrap();
    let parsed = LinkToken::parse(token.expose()).unwrap();
    let link = accounts.peek_link(&parsed).await.unwrap().unwrap();
    assert_eq!((link.user, link.purpose, link.expires.as_second()), (ann, LinkPurpose::Activation, 1_800_000_060));
    assert_eq!(accounts.peek_link(&token).await.unwrap(), Some(link.clone()), "looking does not use it up");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (accounts, token) = (accounts.clone(), token.clone());
        tasks.spawn(async move { accounts.take_link(&token).await.unwrap() });
    }
    let taken: Vec<Link> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, [link]);
    assert_eq!(accounts.peek_link(&token).await.unwrap(), None);

    let late = accounts.new_link(ann, LinkPurpose::Activation, 60).await.unwrap();
    clock.advance(60);
    assert_eq!(accounts.peek_link(&late).await.unwrap(), None);
    assert_eq!(accounts.take_link(&late).await.unwrap(), None);
}

#[tokio::test]
async fn only_the_newest_link_of_a_purpose_works_and_changes_void_all() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let first = accounts.new_link(ann, LinkPurpose::Activation, 60).await.unwrap();
    let recovery = accounts.new_link(ann, LinkPurpose::Recovery, 60).await.unwrap();
    let second = accounts.new_link(ann, LinkPurpose::Activation, 60).await.unwrap();
    for (token, works) in [(&first, false), (&recovery, true), (&second, true)] {
        assert_eq!(accounts.peek_link(token).await.unwrap().is_some(), works);
    }
    accounts.set_password(ann, &hash(19_456)).await.unwrap();
    for token in [&recovery, &second] {
        assert_eq!(accounts.peek_link(token).await.unwrap(), None);
    }
    let third = accounts.new_link(ann, LinkPurpose::Activation, 60).await.unwrap();
    accounts.set_status(ann, UserStatus::Suspended).await.unwrap();
    assert_eq!(accounts.take_link(&third).await.unwrap(), None);
}

#[test]
fn what_cannot_be_a_link_token_is_not_looked_up() {
    for text in ["", "x", &"x".repeat(42), &"x".repeat(44), &"!".repeat(43), &"a/".repeat(21)] {
        assert_eq!(LinkToken::parse(text), None, "{text}");
    }
}

pub(super) fn mail(user: UserId, text: &str) -> OutboxMail {
    OutboxMail {
        user: Some(user),
        to: EmailAddress::parse("ann@example.com").unwrap(),
        subject: "Hello".into(),
        text: text.into(),
        html: Some(format!("<p>{text}</p>")),
        urgency: Urgency::Ordinary,
        expires: None,
    }
}

#[tokio::test]
async fn mails_come_back_newest_first() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    for text in ["one", "two", "three"] {
        accounts.enqueue(mail(ann, text)).await.unwrap();
        clock.advance(1);
    }
    let mails = accounts.mails(2).await.unwrap();
    assert_eq!(mails.iter().map(|stored| stored.mail.text.as_str()).collect::<Vec<_>>(), ["three", "two"]);
    let three = OutboxMail { expires: mails[0].mail.expires, ..mail(ann, "three") };
    assert_eq!((&mails[0].mail, mails[0].dispatch.sent, mails[0].dispatch.attempts), (&three, None, 0));
}

#[tokio::test]
async fn old_mails_leave_the_outbox() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    accounts.enqueue(mail(ann, "old")).await.unwrap();
    clock.advance(31 * 24 * 60 * 60);
    accounts.enqueue(mail(ann, "new")).await.unwrap();
    let mails = accounts.mails(10).await.unwrap();
    assert_eq!(mails.iter().map(|stored| stored.mail.text.as_str()).collect::<Vec<_>>(), ["new"]);
}

#[tokio::test]
async fn a_month_has_one_key_for_all_who_ask_and_once_forgotten_none_for_ever() {
    let Fresh { accounts, clock, folder } = fresh().await;
    let (mut keys, mut tasks) = (BTreeSet::new(), tokio::task::JoinSet::new());
    for _ in 0..20 {
        let accounts = accounts.clone();
        tasks.spawn(async move { accounts.log_key("2026-11").await.unwrap() });
    }
    while let Some(key) = tasks.join_next().await {
        let LogKey::Key(key) = key.unwrap() else { panic!("it was never erased") };
        keys.insert(*key);
    }
    assert_eq!(keys.len(), 1);
    let LogKey::Key(other) = accounts.log_key("2026-12").await.unwrap() else { panic!("it was never erased") };
    assert!(!keys.contains(&*other));

    assert!(accounts.forget_log_key("2026-11").await.unwrap());
    assert!(!accounts.forget_log_key("2026-11").await.unwrap() && !accounts.forget_log_key("2026-10").await.unwrap());
    assert!(matches!(accounts.log_key("2026-11").await.unwrap(), LogKey::Erased(at) if at == clock.now()));
    let all: Vec<(String, bool)> = accounts
        .log_keys()
        .await
        .unwrap()
        .into_iter()
        .map(|(month, key)| (month, matches!(key, LogKey::Key(_))))
        .collect();
    assert_eq!(all, [("2026-11".to_owned(), false), ("2026-12".to_owned(), true)]);

    let stranger = open(&folder, &clock, 2).await.unwrap();
    assert!(matches!(stranger.log_key("2026-12").await, Err(AccountsError::Envelope(_))), "another secret");
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let Fresh { accounts, clock, folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let token = accounts.new_link(ann, LinkPurpose::Activation, 60).await.unwrap();
    accounts.close().await;
    let again = open(&folder, &clock, 1).await.unwrap();
    assert_eq!(again.take_link(&token).await.unwrap().map(|link| link.user), Some(ann));
}

#[tokio::test]
async fn a_value_this_version_does_not_know_lets_nobody_in() {
    for (sql, column) in [
        ("UPDATE users SET language = 'xx'", "users.language"),
        ("UPDATE users SET home_country = 'Germany'", "users.home_country"),
        ("UPDATE users SET password_hash = 'plain'", "users.password_hash"),
        ("UPDATE user_groups SET group_name = 'a b'", "user_groups.group_name"),
    ] {
        let Fresh { accounts, folder: _folder, .. } = fresh().await;
        let mut user = new_user("ann", "ann@example.com");
        user.groups.insert(GroupName::parse("staff").unwrap());
        accounts.create(&user).await.unwrap();
        sqlx::query(sql).execute(&accounts.pool).await.unwrap();
        let error = accounts.find_by_login("ann").await.unwrap_err();
        assert!(matches!(error, AccountsError::Corrupt { column: c } if c == column), "{sql}: {error}");
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let Fresh { accounts, clock, folder } = fresh().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'newer', TRUE, $1, 0)",
    )
    .bind(vec![0_u8])
    .execute(&accounts.pool)
    .await
    .unwrap();
    accounts.close().await;
    assert!(matches!(open(&folder, &clock, 1).await, Err(AccountsError::Migrate { .. })));
}

#[tokio::test]
async fn whoever_only_reads_makes_nothing_and_changes_nothing() {
    let to_read = async |home: &Home, clock: &Arc<ManualClock>| {
        let envelope = Arc::new(Envelope::from_secret(&[1; 32]).unwrap());
        let entropy = Arc::new(FixedEntropy::seeded(1));
        Accounts::open_to_read(&home.settings(), envelope, Arc::clone(clock) as _, entropy).await
    };
    let Fresh { accounts, clock, folder } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let reader = to_read(&folder, &clock).await.unwrap();
    assert_eq!(reader.user(id).await.unwrap().unwrap().username.as_str(), "ann");
    assert!(reader.create(&new_user("ben", "ben@example.com")).await.is_err());
    reader.close().await;
    // Of an older or a newer version it is left as it is.
    for (change, expected) in [
        ("DELETE FROM _sqlx_migrations WHERE version = 5", 4),
        ("UPDATE _sqlx_migrations SET version = 6 WHERE version = 4", 6),
    ] {
        sqlx::query(change).execute(&accounts.pool).await.unwrap();
        let error = to_read(&folder, &clock).await.err().unwrap();
        assert!(matches!(error, AccountsError::OtherVersion { found, ours: 5, .. } if found == expected), "{error}");
    }
    accounts.close().await;
    // What is not there is not made.
    let missing = Home::new();
    assert!(to_read(&missing, &clock).await.is_err());
    if let Home::Sqlite(folder) = &missing {
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn many_writers_at_once_all_get_through() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let accounts = accounts.clone();
        tasks.spawn(async move { accounts.end_sessions(id).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(epoch(&accounts, id).await, 50);
}
