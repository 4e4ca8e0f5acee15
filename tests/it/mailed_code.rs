//! The challenge by mailed code: the server's own parts with a clock of the tests, and the demonstration in a browser.

use std::sync::Arc;

use cedargate::accounts::StoredMail;
use cedargate::clock::Clock;
use cedargate::domain::{AuthenticatorId, Method, User, UserId, UserStatus, Username};
use cedargate::signin::{Delivery, InputError, MailedCodeView, Remember, SignInError, View};
use regex::Regex;

use crate::demo::{Demo, ENTER, credentials, give_password};
use crate::harness::browser::Browser;
use crate::time::{Tab, World, challenge};

/// Ann without her authenticator app: she has a password, and a mail address.
async fn world() -> World {
    let world = World::delivering(Delivery::Outbox).await;
    without_app(&world).await;
    world
}

async fn ann(world: &World) -> User {
    let name = Username::parse("ann").unwrap();
    world.opened.accounts.user_by_name(&name).await.unwrap().unwrap()
}

async fn without_app(world: &World) {
    let ann = ann(world).await.id;
    for id in authenticators(world, ann).await {
        world.opened.accounts.remove_authenticator(ann, id).await.unwrap();
    }
}

async fn authenticators(world: &World, user: UserId) -> Vec<AuthenticatorId> {
    world.opened.accounts.authenticators(user).await.unwrap().into_iter().map(|found| found.id).collect()
}

/// The mails with codes, and notices; not the alerts, which tests/it/mail.rs looks at.
async fn mails(world: &World) -> Vec<StoredMail> {
    let mut mails = world.opened.accounts.mails(100).await.unwrap();
    mails.retain(|mail| !mail.mail.text.contains("\nDevice: "));
    mails
}

/// The code in the newest mail.
async fn mailed_code(world: &World) -> String {
    let mails = mails(world).await;
    let text = &mails.first().expect("a mail").mail.text;
    Regex::new(r"\b\d{4} \d{4}\b").unwrap().find(text).unwrap_or_else(|| panic!("{text}")).as_str().to_owned()
}

/// Name and password for `app`, up to the page that asks for the code.
async fn at_code_page(world: &World, tab: &mut Tab, app: &str) -> MailedCodeView {
    let view = tab.open(world, app).await;
    page(tab.name_and_password(world, view).await)
}

fn page(view: View) -> MailedCodeView {
    match view {
        View::MailedCode(view) => *view,
        view => panic!("expected the page for a mailed code, got {view:?}"),
    }
}

async fn type_code(world: &World, tab: &mut Tab, handle: &str, code: &str) -> View {
    let reply = world.service().mailed_code_typed(&tab.client, handle, code, Remember::No).await.unwrap();
    tab.shown(world, reply).await
}

async fn ask_again(world: &World, tab: &mut Tab, handle: &str) -> MailedCodeView {
    let reply = world.service().code_wanted_again(&tab.client, handle).await.unwrap();
    page(tab.shown(world, reply).await)
}

#[tokio::test]
async fn a_code_is_mailed_after_the_password_and_opens_the_app() {
    let world = world().await;
    let mut tab = Tab::new();
    let view = tab.open(&world, "aws").await;
    assert!(mails(&world).await.is_empty(), "nothing is sent to a name somebody typed");
    let view = page(tab.name_and_password(&world, view).await);
    assert_eq!(view.masked_email, "a•••@example.com");
    let valid = view.standing.valid.expect("it was sent");
    assert_eq!(valid.until.as_second() - valid.sent.as_second(), 600);
    let all = mails(&world).await;
    assert_eq!((all.len(), all[0].mail.to.as_str()), (1, "ann@example.com"));
    let code = mailed_code(&world).await;
    assert!(!all[0].mail.subject.contains(&code[..4]), "{}", all[0].mail.subject);

    let wrong = if code == "0000 0000" { "11111111" } else { "00000000" };
    let again = page(type_code(&world, &mut tab, &view.handle, wrong).await);
    assert_eq!((again.error, again.attempts_left), (Some(InputError::WrongCode), Some(5)));
    let malformed = page(type_code(&world, &mut tab, &view.handle, "1234").await);
    assert_eq!((malformed.error, malformed.attempts_left), (Some(InputError::CodeMalformed), None));
    assert!(matches!(type_code(&world, &mut tab, &view.handle, &format!(" {code}\n")).await, View::Respond(_)));
    assert_eq!(mails(&world).await.len(), 1, "one code was enough");
}

#[tokio::test]
async fn reading_the_page_again_mails_nothing_and_asking_again_waits_half_a_minute() {
    let world = world().await;
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    let first = mailed_code(&world).await;
    let early = ask_again(&world, &mut tab, &view.handle).await;
    assert!(early.asked_too_soon);
    assert_eq!((early.standing.resend_in, mails(&world).await.len()), (30, 1));
    world.clock.advance(30);
    let later = ask_again(&world, &mut tab, &view.handle).await;
    assert_eq!((later.asked_too_soon, mails(&world).await.len()), (false, 2));
    let second = mailed_code(&world).await;
    let old = page(type_code(&world, &mut tab, &view.handle, &first).await);
    assert_eq!(old.error, Some(InputError::WrongCode), "the newest code is the one that works");
    assert!(matches!(type_code(&world, &mut tab, &view.handle, &second).await, View::Respond(_)));
}

#[tokio::test]
async fn an_expired_code_says_so_and_another_one_works() {
    let world = world().await;
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    let code = mailed_code(&world).await;
    world.clock.advance(600);
    let expired = page(type_code(&world, &mut tab, &view.handle, &code).await);
    assert_eq!((expired.error, expired.standing.valid), (Some(InputError::CodeExpired), None));
    let fresh = ask_again(&world, &mut tab, &expired.handle).await;
    assert!(fresh.standing.valid.is_some());
    let code = mailed_code(&world).await;
    assert!(matches!(type_code(&world, &mut tab, &fresh.handle, &code).await, View::Respond(_)));
}

#[tokio::test]
async fn a_code_works_in_its_own_sign_in_and_browser_only() {
    let world = world().await;
    let (mut mine, mut theirs) = (Tab::new(), Tab::new());
    let view = at_code_page(&world, &mut mine, "aws").await;
    let code = mailed_code(&world).await;
    // Somebody else who knows the password, in a sign-in of their own.
    let other = at_code_page(&world, &mut theirs, "aws").await;
    let answer = page(type_code(&world, &mut theirs, &other.handle, &code).await);
    assert_eq!(answer.error, Some(InputError::WrongCode));
    let stolen = world.service().mailed_code_typed(&theirs.client, &view.handle, &code, Remember::No).await;
    assert!(matches!(stolen, Err(SignInError::StartAgain)), "{stolen:?}");
    assert!(matches!(type_code(&world, &mut mine, &view.handle, &code).await, View::Respond(_)));
}

#[tokio::test]
async fn a_change_of_password_or_method_voids_the_code() {
    let world = world().await;
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    let code = mailed_code(&world).await;
    let secret = cedargate::domain::TotpSecret::from_bytes((1..21).collect()).unwrap();
    world.opened.accounts.add_totp(ann(&world).await.id, &secret, 0, "").await.unwrap();
    let late = world.service().mailed_code_typed(&tab.client, &view.handle, &code, Remember::No).await;
    assert!(matches!(late, Err(SignInError::StartAgain)), "{late:?}");
    let resend = world.service().code_wanted_again(&tab.client, &view.handle).await;
    assert!(matches!(resend, Err(SignInError::StartAgain)), "{resend:?}");
}

#[tokio::test]
async fn a_mailbox_is_not_flooded_and_the_page_says_so() {
    let world = world().await;
    for number in 1..=7 {
        let mut tab = Tab::new();
        let view = at_code_page(&world, &mut tab, "aws").await;
        assert_eq!(view.standing.valid.is_some(), number <= 5, "{number}");
        assert_eq!(view.standing.exhausted, number >= 5, "{number}");
    }
    assert_eq!(mails(&world).await.len(), 5);
    world.clock.advance(60 * 60);
    assert!(at_code_page(&world, &mut Tab::new(), "aws").await.standing.valid.is_some());
}

#[tokio::test]
async fn a_code_is_the_other_way_for_who_has_an_app() {
    let world = World::delivering(Delivery::Outbox).await;
    let mut tab = Tab::new();
    let view = tab.open(&world, "aws").await;
    let view = tab.name_and_password(&world, view).await;
    let handle = challenge(&view, Method::Totp);
    assert!(mails(&world).await.is_empty(), "nobody asked for one");
    let ways = world.service().other_ways(&tab.client, &handle).await.unwrap();
    let View::Methods { handle, offers } = ways.view else { panic!("{:?}", ways.view) };
    assert_eq!(offers, [Method::Totp, Method::EmailOtp]);
    let reply = world.service().method_chosen(&tab.client, &handle, Method::EmailOtp).await.unwrap();
    let view = page(tab.shown(&world, reply).await);
    let code = mailed_code(&world).await;
    // There and back: the code that is out is not sent again.
    let reply = world.service().method_chosen(&tab.client, &view.handle, Method::Totp).await.unwrap();
    let handle = challenge(&tab.shown(&world, reply).await, Method::Totp);
    let reply = world.service().method_chosen(&tab.client, &handle, Method::EmailOtp).await.unwrap();
    let view = page(tab.shown(&world, reply).await);
    assert_eq!(mails(&world).await.len(), 1);
    assert!(matches!(type_code(&world, &mut tab, &view.handle, &code).await, View::Respond(_)));
}

#[tokio::test]
async fn who_lost_the_app_goes_on_with_a_code_and_who_lost_the_mailbox_too_is_refused() {
    let world = World::delivering(Delivery::Outbox).await;
    let mut tab = Tab::new();
    let view = tab.open(&world, "aws").await;
    let handle = challenge(&tab.name_and_password(&world, view).await, Method::Totp);
    let reply = world.service().method_lost(&tab.client, &handle, Method::Totp).await.unwrap();
    let view = page(tab.shown(&world, reply).await);
    let subjects: Vec<_> = mails(&world).await.into_iter().map(|mail| mail.mail.subject).collect();
    assert_eq!(subjects.len(), 2, "the code, and the notice: {subjects:?}");
    let reply = world.service().method_lost(&tab.client, &view.handle, Method::EmailOtp).await.unwrap();
    assert!(matches!(tab.shown(&world, reply).await, View::Blocked { .. }));
}

#[tokio::test]
async fn a_lost_mailbox_gets_no_link_either() {
    let world = world().await;
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    let reply = world.service().method_lost(&tab.client, &view.handle, Method::EmailOtp).await.unwrap();
    assert!(matches!(tab.shown(&world, reply).await, View::Blocked { .. }));
}

#[tokio::test]
async fn nobody_is_asked_for_a_code_that_would_not_help_or_could_not_come() {
    // A server without mail.
    let silent = World::delivering(Delivery::Nobody).await;
    without_app(&silent).await;
    let mut tab = Tab::new();
    let view = tab.open(&silent, "aws").await;
    assert!(matches!(tab.name_and_password(&silent, view).await, View::AwaitingLink { .. }));

    // Somebody suspended is refused at once, and gets no mail.
    let world = world().await;
    world.opened.accounts.set_status(ann(&world).await.id, UserStatus::Suspended).await.unwrap();
    let mut tab = Tab::new();
    let view = tab.open(&world, "aws").await;
    assert!(matches!(tab.name_and_password(&world, view).await, View::Blocked { .. }));
    assert!(mails(&world).await.is_empty());
}

#[tokio::test]
async fn guesses_run_into_a_pause_that_the_page_tells() {
    let world = world().await;
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    let code = mailed_code(&world).await;
    let wrong = if code == "0000 0000" { "11111111" } else { "00000000" };
    for left in (1..=5).rev() {
        let page = page(type_code(&world, &mut tab, &view.handle, wrong).await);
        assert_eq!((page.attempts_left, page.retry_after), (Some(left), None));
    }
    let paused = page(type_code(&world, &mut tab, &view.handle, wrong).await);
    assert_eq!(paused.retry_after, Some(10));
    let early = page(type_code(&world, &mut tab, &view.handle, &code).await);
    assert_eq!(early.retry_after, Some(10), "not even the right one");
    world.clock.advance(10);
    assert!(matches!(type_code(&world, &mut tab, &view.handle, &code).await, View::Respond(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_forms_with_the_right_code_at_once_one_opens_the_app() {
    let world = Arc::new(world().await);
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    let code = mailed_code(&world).await;
    let forms: Vec<_> = (0..20)
        .map(|_| {
            let (world, client) = (Arc::clone(&world), tab.client.clone());
            let (handle, code) = (view.handle.clone(), code.clone());
            tokio::spawn(async move {
                let answer = world.service().mailed_code_typed(&client, &handle, &code, Remember::No).await;
                matches!(answer, Ok(reply) if matches!(reply.view, View::Respond(_)))
            })
        })
        .collect();
    let mut opened = 0;
    for form in forms {
        opened += u32::from(form.await.unwrap());
    }
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn within_the_session_the_code_counts_on() {
    let world = world().await;
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    let code = mailed_code(&world).await;
    assert!(matches!(type_code(&world, &mut tab, &view.handle, &code).await, View::Respond(_)));
    world.clock.advance(20 * 60);
    assert!(matches!(tab.open(&world, "aws").await, View::Respond(_)));
    assert_eq!(mails(&world).await.len(), 1);
}

#[tokio::test]
async fn a_full_outbox_ends_no_sign_in_and_the_code_comes_when_it_has_room() {
    let world = world().await;
    let database =
        sqlx::SqlitePool::connect(&format!("sqlite:{}", world.file("var/accounts.db").display())).await.unwrap();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO outbox \
         (id, user_id, key_id, body, created_at, urgency, expires_at, attempts, next_try_at) \
         SELECT 'waiting-' || i, '{}', '', x'00', {now}, 1, {now}, 0, {now} FROM n",
        cedargate::accounts::MAX_WAITING_MAILS,
        ann(&world).await.id,
        now = world.clock.now().as_millisecond(),
    );
    sqlx::query(sqlx::AssertSqlSafe(fill)).execute(&database).await.unwrap();
    let mut tab = Tab::new();
    let view = at_code_page(&world, &mut tab, "aws").await;
    assert_eq!((view.standing.valid, view.standing.resend_in, view.standing.exhausted), (None, 0, false));
    sqlx::query("DELETE FROM outbox").execute(&database).await.unwrap();
    let view = ask_again(&world, &mut tab, &view.handle).await;
    assert!(view.standing.valid.is_some());
    let code = mailed_code(&world).await;
    assert!(matches!(type_code(&world, &mut tab, &view.handle, &code).await, View::Respond(_)));
}

/// The code in the newest mail that the demonstration shows.
async fn shown_code(browser: &Browser, demo: &Demo) -> String {
    browser.open(&demo.at("/demo/mails")).await;
    browser.wait_for("article").await;
    let text = browser.text().await;
    Regex::new(r"\b\d{4} \d{4}\b").unwrap().find(&text).unwrap_or_else(|| panic!("{text}")).as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_an_app_confirms_with_a_mailed_code() {
    let (demo, browser) = (Demo::start(), Browser::start().await);
    let (password, _) = credentials(&browser, &demo, "dora").await;
    browser.press("Open AWS").await;
    browser.fill("username", "dora").await;
    browser.keys(ENTER).await;
    browser.fill("password", "not it").await;
    browser.keys(ENTER).await;
    browser.wait_for("[aria-invalid=true]").await;
    assert!(browser.text().await.contains("5 attempts left before a pause"), "{}", browser.text().await);
    browser.look("password-wrong").await;
    browser.fill("password", &password).await;
    browser.keys(ENTER).await;

    browser.wait_for("input[name=code]").await;
    assert_eq!(browser.focused("name").await.as_deref(), Some("code"));
    let text = browser.text().await;
    assert!(text.contains("d•••@example.com") && text.contains("until"), "{text}");
    assert!(Regex::new(r"Send a new code \(in \d+ s\)").unwrap().is_match(&text), "it counts down: {text}");
    browser.look("email-code").await;
    let page = browser.url().await;
    let code = shown_code(&browser, &demo).await;
    browser.look("demo-mails-code").await;

    browser.open(page.as_str()).await;
    browser.fill("code", if code == "0000 0000" { "11111111" } else { "00000000" }).await;
    browser.keys(ENTER).await;
    browser.wait_for("[aria-invalid=true]").await;
    browser.look("email-code-wrong").await;
    browser.press("Try another way").await;
    browser.wait_for("form[action='/signin/lost']").await;
    browser.look("email-code-ways").await;
    browser.press("Code by email").await;
    browser.fill("code", &format!(" {code} ")).await;
    browser.keys(ENTER).await;
    browser.wait_for("#roles").await;
    assert!(browser.text().await.contains("role/Dev"), "{}", browser.text().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_asking_for_another_code_too_soon_is_answered_by_a_page() {
    let (demo, browser) = (Demo::start(), Browser::start().await);
    let (password, _) = credentials(&browser, &demo, "dora").await;
    browser.stop_scripts().await;
    browser.press("Open AWS").await;
    give_password(&browser, "dora", &password).await;
    browser.wait_for("form[action='/signin/resend']").await;
    browser.press("Send a new code").await;
    browser.wait_for("[role=alert]:not(:empty)").await;
    let text = browser.text().await;
    assert!(text.contains("you can ask for another one"), "{text}");
    browser.look("email-code-too-soon").await;
}
