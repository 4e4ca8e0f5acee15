//! Mails, handed to a mail server that others wrote: who is told of what, and what happens while it cannot be reached.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use cedargate::accounts::{Accounts, StoredMail};
use cedargate::clock::{Clock, ManualClock, Stopwatch, SystemEntropy};
use cedargate::config;
use cedargate::domain::AppId;
use cedargate::signals::Plain;
use cedargate::signin::{BrowserToken, Client as Visitor, Delivery, Target, View};
use cedargate::web::server::{Opened, Surroundings, open};
use reqwest::StatusCode;
use tempfile::TempDir;

use crate::harness::client::{Client, Page};
use crate::harness::mail::{Certified, MAIL_PASSWORD, MailServer, USER};
use crate::harness::people::PASSWORD;
use crate::harness::repository;
use crate::harness::server::{Server, Setup, copy_folder, from};

/// An app that one device may use, and that everybody with an account may open.
const NOTES: &str = r#"
[[apps]]
id = "notes"
name = "Notes"
entity_id = "https://notes.example.com/saml"
acs = ["https://notes.example.com/acs"]
device_limit = 1
"#;
const NOTES_POLICY: &str = r#"
@id("test.notes") @description("Everybody may open the notes.")
permit (principal in Group::"everyone", action == Action::"signIn", resource == App::"notes");

@id("test.notes-third") @description("Nobody uses the notes from a third device.") @alert("user,security") @message("device.limit")
forbid (principal is User, action == Action::"signIn", resource == App::"notes")
when { !context.device.known && context.device.registered >= 2 };
"#;

fn mail_section(port: u16, more: &str) -> String {
    format!(
        "[mail]\nurl = \"smtp://127.0.0.1:{port}\"\nfrom = \"Example Works <login@example.com>\"\n\
         security_team = [\"soc@example.com\"]\n{more}\n"
    )
}

fn serve(port: u16, more: &str) -> Server {
    Setup::default().with_config(&mail_section(port, more)).with_config(NOTES).with_policies(NOTES_POLICY).start()
}

async fn after_password(client: &Client, at: &str, username: &str, password: &str) -> Page {
    let page = client.follow(at).await;
    let page = client.submit(&page.form("/signin").set("username", username)).await;
    client.submit(&page.form("/signin/password").set("password", password)).await
}

async fn with_code(client: &Client, page: &Page, code: &str) -> Page {
    client.submit(&page.form("/signin/totp").set("code", code)).await
}

#[tokio::test]
async fn a_new_device_and_one_too_many_are_told_to_the_person() {
    let mails = MailServer::start(&[]);
    let server = serve(mails.port, "");
    let ann = server.person("ann");
    let page = after_password(&server.client(), "/launch/notes", "ann", PASSWORD).await;
    assert!(page.find_form("/signin/totp").is_some(), "{page:?}");
    let challenged = mails.next();
    assert_eq!(challenged.header("Subject"), "Your access to Example Works: sign-in with your password");

    let first = server.client();
    let page = after_password(&first, "/launch/notes", "ann", PASSWORD).await;
    mails.next_about("sign-in with your password");
    with_code(&first, &page, &ann.code()).await;
    let new_device = mails.next();
    assert_eq!(new_device.header("Subject"), "Your access to Example Works: new sign-in");
    assert_eq!(new_device.to(), "ann@example.com");
    for part in [new_device.text(), new_device.html()] {
        for said in ["Sam Example", "(Europe/Berlin)", "Notes", "127.0.0.1", "not known", "it@example.com"] {
            assert!(part.contains(said), "{said} in {part}");
        }
    }

    // The same device again: known, so nobody is told.
    assert_eq!(first.follow("/launch/notes").await.status, StatusCode::OK);
    // A second device where one is allowed.
    let second = server.client();
    let page = after_password(&second, "/launch/notes", "ann", PASSWORD).await;
    assert!(page.find_form("/signin/totp").is_some(), "{page:?}");
    let limit = mails.next();
    assert_eq!(limit.header("Subject"), "Your access to Example Works: sign-in with your password");
    assert!(limit.text().contains("more devices than this app allows"), "{}", limit.text());
    // A wrong code and a reload ask for nothing new, so nothing more is mailed until the right one.
    let page = with_code(&second, &page, &ann.wrong_code()).await;
    second.get("/signin/step").await;
    with_code(&second, &page, &ann.code()).await;
    assert_eq!(mails.next().header("Subject"), "Your access to Example Works: new sign-in");
    assert!(server.audit().contains("device.limit"));
}

#[tokio::test]
async fn a_refusal_is_told_to_the_person_and_the_security_team() {
    let mails = MailServer::start(&[]);
    let server = serve(mails.port, "");
    let emil = server.person("emil");
    for _ in 0..2 {
        let device = server.client();
        let page = after_password(&device, "/launch/notes", "emil", PASSWORD).await;
        with_code(&device, &page, &emil.code()).await;
    }
    let third = server.client().at_address(from::OFFICE);
    let page = after_password(&third, "/launch/notes", "emil", PASSWORD).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
    let (one, other) = (mails.next_about("refused"), mails.next_about("refused"));
    let (person, team) = if one.to() == "emil@example.com" { (one, other) } else { (other, one) };
    assert_eq!((person.to(), team.to()), ("emil@example.com", "soc@example.com"));
    assert_eq!(team.header("Subject"), "Example Works: emil refused");
    for said in ["User: emil", "test.notes-third", from::OFFICE, "Reference: "] {
        assert!(team.text().contains(said), "{said} in {}", team.text());
    }
    let reference = team.text().split("Reference: ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(page.text("main").contains(reference), "the page and the mail name one reference");
    assert!(!person.text().contains("test.notes-third"), "ids are for the team");
}

#[tokio::test]
async fn five_wrong_passwords_are_told_when_the_right_one_comes() {
    let mails = MailServer::start(&[]);
    let server = serve(mails.port, "");
    let client = server.client();
    for _ in 0..5 {
        after_password(&client, "/", "ann", "not the password").await;
    }
    let start = Stopwatch::start();
    // Too many wrong ones make everybody wait a little; the page says how long.
    let page = loop {
        let page = after_password(&client, "/", "ann", PASSWORD).await;
        if page.find_form("/signin/totp").is_some() {
            break page;
        }
        assert!(start.micros() < 60_000_000, "{page:?}");
        tokio::task::yield_now().await;
    };
    assert!(server.audit().contains("risk.failed-some"), "{page:?}");
    let mail = mails.next();
    assert_eq!(mail.header("Subject"), "Your access to Example Works: sign-in with your password");
    assert_eq!(mail.to(), "ann@example.com");
}

#[tokio::test]
async fn a_mail_server_that_is_down_delays_mails_and_no_page() {
    let mails = MailServer::start(&[]);
    let port = mails.port;
    drop(mails);
    let server = serve(port, "");
    let (client, ann) = (server.client(), server.person("ann"));
    let page = after_password(&client, "/", "ann", PASSWORD).await;
    let page = with_code(&client, &page, &ann.code()).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/"));
    server.wait_for("a mail could not be sent");
    let mails = MailServer::start(&["--port", &port.to_string()]);
    let subjects = [mails.next(), mails.next()].map(|mail| mail.header("Subject").to_owned());
    assert!(subjects.iter().any(|subject| subject.ends_with("new sign-in")), "{subjects:?}");
    assert!(subjects.iter().any(|subject| subject.ends_with("sign-in with your password")), "{subjects:?}");
}

#[tokio::test]
async fn what_waits_is_sent_after_a_restart_and_only_once() {
    let mails = MailServer::start(&[]);
    let port = mails.port;
    drop(mails);
    let mut server = serve(port, "");
    after_password(&server.client(), "/", "ann", PASSWORD).await;
    server.wait_for("a mail could not be sent");
    // Killed at any point: what it had leased is free again when the lease is over, which no test waits for. So it is killed
    // between two tries, and the next process takes the mail.
    server.restart();
    let mails = MailServer::start(&["--port", &port.to_string()]);
    let first = mails.next();
    assert!(first.header("Message-ID").ends_with("@example.com>"), "{first:?}");
    assert_eq!(first.header("Auto-Submitted"), "auto-generated");
    after_password(&server.client(), "/", "bob", PASSWORD).await;
    assert_eq!(mails.next().to(), "bob@example.com");
    assert_eq!(mails.log().matches("\"to\": [\"ann@example.com\"]").count(), 1, "{}", mails.log());
}

#[tokio::test]
async fn starttls_is_demanded_and_the_password_given_behind_it() {
    let certified = Certified::new();
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("mail-password");
    std::fs::write(&password_file, format!("{MAIL_PASSWORD}\n")).unwrap();
    let more = format!(
        "tls = \"starttls\"\nca_file = \"{}\"\nusername = \"{USER}\"\npassword_file = \"{}\"",
        certified.certificate.display(),
        password_file.display()
    );
    let clear = MailServer::start(&[]);
    let port = clear.port;
    let server = serve(port, &more);
    after_password(&server.client(), "/", "ann", PASSWORD).await;
    server.wait_for("a mail could not be sent");
    assert!(!clear.log().contains("mail {"), "a server without STARTTLS gets nothing: {}", clear.log());
    drop(clear);

    let port = port.to_string();
    let flags: Vec<&str> = ["--port", &port, "--tls", "starttls", "--user", USER, "--password"].into();
    let other: Vec<&str> = flags.iter().copied().chain(["another"]).chain(certified.flags()).collect();
    let strict = MailServer::start(&other);
    strict.wait_for("wrong password");
    assert!(!strict.log().contains("mail {"));
    drop(strict);

    let right: Vec<&str> = flags.iter().copied().chain([MAIL_PASSWORD]).chain(certified.flags()).collect();
    let right = MailServer::start(&right);
    after_password(&server.client(), "/", "bob", PASSWORD).await;
    let mail = right.next();
    assert_eq!((&mail.0["encrypted"], &mail.0["authenticated"]), (&true.into(), &true.into()), "{mail:?}");
    assert!(!server.log().contains(MAIL_PASSWORD), "the password is in no log");
}

#[tokio::test]
async fn smtps_is_encrypted_from_the_start_and_a_foreign_certificate_is_refused() {
    let certified = Certified::new();
    let flags: Vec<&str> = ["--tls", "implicit"].into_iter().chain(certified.flags()).collect();
    let mails = MailServer::start(&flags);
    let config = |ca: &Certified| {
        let ca = ca.certificate.display();
        format!(
            "[mail]\nurl = \"smtps://127.0.0.1:{}\"\nfrom = \"login@example.com\"\nca_file = \"{ca}\"\n",
            mails.port
        )
    };
    let foreign = Setup::default().with_config(&config(&Certified::new())).start();
    after_password(&foreign.client(), "/", "ann", PASSWORD).await;
    foreign.wait_for("a mail could not be sent");
    assert!(!mails.log().contains("mail {"), "{}", mails.log());
    drop(foreign);
    let server = Setup::default().with_config(&config(&certified)).start();
    after_password(&server.client(), "/", "ann", PASSWORD).await;
    assert_eq!(mails.next().0["encrypted"], true);
}

#[tokio::test]
async fn a_refused_recipient_holds_up_nobody_else() {
    let mails = MailServer::start(&["--refuse", "ann@example.com"]);
    let server = serve(mails.port, "");
    after_password(&server.client(), "/", "ann", PASSWORD).await;
    mails.wait_for("refused ann@example.com");
    after_password(&server.client(), "/", "bob", PASSWORD).await;
    assert_eq!(mails.next().to(), "bob@example.com");
}

#[tokio::test]
async fn a_setting_that_cannot_work_stops_the_start_and_says_which() {
    let server = Setup::default();
    let said = server.with_config(&mail_section(25, "username = \"x\"\npassword_file = \"none\"")).fails_to_start();
    assert!(said.contains("`mail.password_file`: can't read"), "{said}");
}

/// The parts of a server with a clock of the tests; its mails stay in the outbox.
struct World {
    clock: Arc<ManualClock>,
    opened: Opened,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&repository("policies"), &folder.path().join("policies"));
        let shipped = std::fs::read_to_string(repository("config.toml")).unwrap();
        std::fs::write(folder.path().join("config.toml"), shipped + &mail_section(25, "")).unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-18T10:00:00Z".parse().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let surroundings =
            Surroundings { clock: clock.clone(), entropy: Arc::new(SystemEntropy), delivery: Delivery::Outbox };
        let loaded = config::load(&folder.path().join("config.toml"), []).unwrap();
        let opened = open(loaded, &listener, surroundings, Arc::new(Plain)).await.unwrap();
        Self { clock, opened, _folder: folder }
    }

    fn accounts(&self) -> &Accounts {
        &self.opened.accounts
    }

    async fn visit(&self, ip: &str) {
        let ip: IpAddr = ip.parse().unwrap();
        let visitor = Visitor {
            ip,
            browser: BrowserToken::parse(&"A".repeat(43)).unwrap(),
            session: None,
            device: None,
            user_agent: None,
        };
        let target = Target::app(AppId::parse("portal").unwrap());
        let reply = self.opened.web.service.begin(&visitor, target).await.unwrap();
        assert!(matches!(reply.view, View::Blocked { .. }), "{:?}", reply.view);
    }

    async fn mails(&self) -> Vec<StoredMail> {
        self.opened.web.service.sum_up_refused_visits().await.unwrap();
        self.accounts().mails(100).await.unwrap()
    }
}

#[tokio::test]
async fn refused_visits_are_one_mail_per_network_and_hour() {
    let world = World::new().await;
    for _ in 0..7 {
        world.visit("192.0.2.66").await;
    }
    assert!(world.mails().await.is_empty(), "the hour is not over");
    world.clock.advance(60 * 60);
    world.visit("192.0.2.66").await;
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].mail.to.as_str(), "soc@example.com");
    assert!(mails[0].mail.subject.contains("7 visits refused from 192.0.2.0/24"), "{}", mails[0].mail.subject);
    assert!(mails[0].mail.text.contains("net.blocked"), "{}", mails[0].mail.text);
    assert_eq!(world.mails().await.len(), 1, "told once");
    world.clock.advance(60 * 60);
    let mails = world.mails().await;
    assert_eq!(mails.len(), 2);
    assert!(mails[0].mail.subject.contains("1 visits"), "{}", mails[0].mail.subject);
    world.clock.advance(Duration::from_secs(24 * 60 * 60).as_secs().cast_signed());
    assert_eq!(world.mails().await.len(), 2);
}

/// Every sign-in to AWS is told of as a challenge, and the wiki is open to nobody.
const TELLING: &str = r#"
@id("test.told") @description("Each password is told of.") @alert("user")
forbid (principal is User, action == Action::"signIn", resource == App::"aws")
unless { context.fresh.contains(Proof::"second_factor") };
@id("test.closed") @description("Nobody reads the wiki.") @alert("user")
forbid (principal is User, action == Action::"signIn", resource == App::"wiki");
"#;

/// How many mails say this in their subject.
async fn about(world: &crate::time::World, subject: &str) -> usize {
    let mails = world.opened.accounts.mails(100).await.unwrap();
    mails.iter().filter(|mail| mail.mail.subject.contains(subject)).count()
}

/// Shows the password for AWS `count` times, each in a browser of its own.
async fn challenged(world: &crate::time::World, count: usize) {
    for _ in 0..count {
        let mut tab = crate::time::Tab::new();
        let view = tab.open(world, "aws").await;
        tab.name_and_password(world, view).await;
    }
}

#[tokio::test]
async fn challenges_use_up_neither_the_mail_about_a_sign_in_nor_that_of_a_severe_policy() {
    let severe = TELLING.replace("@id(\"test.closed\")", "@id(\"test.closed\") @severity(\"high\")");
    let world = crate::time::World::with_policies(Delivery::Outbox, &severe).await;
    challenged(&world, 12).await;
    assert_eq!(about(&world, "sign-in with your password").await, 10, "one person is not flooded");
    let mut tab = crate::time::Tab::new();
    let view = tab.open(&world, "wiki").await;
    tab.name_and_password(&world, view).await;
    assert_eq!(about(&world, "refused").await, 1, "the severe one");
    let mut tab = crate::time::Tab::new();
    let view = tab.open(&world, "aws").await;
    let view = tab.name_and_password(&world, view).await;
    assert!(matches!(tab.code(&world, view).await, View::Respond(_)));
    assert_eq!(about(&world, "new sign-in").await, 1, "whoever got in from a new device is told of");
}

#[tokio::test]
async fn an_alert_that_was_left_out_is_told_on_the_next_occasion() {
    let world = crate::time::World::with_policies(Delivery::Outbox, TELLING).await;
    let mut tab = crate::time::Tab::new();
    let view = tab.open(&world, "portal").await;
    let view = tab.name_and_password(&world, view).await;
    assert!(matches!(tab.code(&world, view).await, View::Portal));
    // For the limit of an hour.
    challenged(&world, 10).await;
    tab.open(&world, "wiki").await;
    assert_eq!(about(&world, "refused").await, 0, "over the limit");
    for _ in 0..3 {
        world.clock.advance(25 * 60);
        assert!(world.service().portal(&tab.client).await.unwrap().is_some());
    }
    // For a full outbox.
    let database =
        sqlx::SqlitePool::connect(&format!("sqlite:{}", world.file("var/accounts.db").display())).await.unwrap();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO outbox \
         (id, user_id, key_id, body, created_at, urgency, expires_at, attempts, next_try_at) \
         SELECT 'waiting-' || i, NULL, '', x'00', {now}, 1, {now}, 0, {now} FROM n",
        cedargate::accounts::MAX_WAITING_MAILS,
        now = world.clock.now().as_millisecond(),
    );
    sqlx::query(sqlx::AssertSqlSafe(fill)).execute(&database).await.unwrap();
    tab.open(&world, "wiki").await;
    sqlx::query("DELETE FROM outbox").execute(&database).await.unwrap();
    tab.open(&world, "wiki").await;
    assert_eq!(about(&world, "refused").await, 1, "told now");
    tab.open(&world, "wiki").await;
    assert_eq!(about(&world, "refused").await, 1, "and once");
}
