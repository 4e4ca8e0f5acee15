//! What only time brings about: proofs that grow old, forms that expire. The server's own parts, with a clock of the tests.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;

use cedargate::accounts::{Accounts, NewUser};
use cedargate::clock::{Clock, ManualClock, SystemEntropy};
use cedargate::config;
use cedargate::devices::DeviceToken;
use cedargate::domain::{AppId, EmailAddress, GroupName, Method, SignInId, TotpSecret, UserStatus, Username};
use cedargate::sessions::SessionToken;
use cedargate::signin::{BrowserToken, Client, Delivery, LIFETIME_SECONDS, Reply, Service, SignInError, Target, View};
use cedargate::web::server::{Opened, Surroundings, open};
use cedargate::workers::{HashPool, HashSettings, Password};
use tempfile::TempDir;

use crate::harness::people::{PASSWORD, code_for};
use crate::harness::repository;
use crate::harness::server::copy_folder;

/// The shipped config and policies, ann, and a clock.
struct World {
    clock: Arc<ManualClock>,
    opened: Opened,
    secret: TotpSecret,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::delivering(Delivery::Nobody).await
    }

    async fn delivering(delivery: Delivery) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&repository("policies"), &folder.path().join("policies"));
        std::fs::copy(repository("config.toml"), folder.path().join("config.toml")).unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-18T10:00:00Z".parse().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let surroundings = Surroundings { clock: clock.clone(), entropy: Arc::new(SystemEntropy), delivery };
        let loaded = config::load(&folder.path().join("config.toml"), []).unwrap();
        let opened = open(loaded, &listener, surroundings, Arc::new(cedargate::signals::Plain)).await.unwrap();
        let secret = TotpSecret::from_bytes((0..20).collect()).unwrap();
        ann(&opened.accounts, &secret).await;
        Self { clock, opened, secret, _folder: folder }
    }

    fn service(&self) -> &Service {
        &self.opened.web.service
    }

    /// A code not used before: half a minute later.
    fn next_code(&self) -> String {
        self.clock.advance(30);
        code_for(&self.secret, self.clock.now().as_second().cast_unsigned() / 30)
    }
}

async fn ann(accounts: &Accounts, secret: &TotpSecret) {
    let email = EmailAddress::parse("ann@example.com").unwrap();
    let mut ann = NewUser::pending(Username::parse("ann").unwrap(), email);
    ann.status = UserStatus::Active;
    ann.groups.insert(GroupName::parse("aws-users").unwrap());
    let id = accounts.create(&ann).await.unwrap();
    let pool = HashPool::start(HashSettings::default(), Arc::new(SystemEntropy)).unwrap();
    accounts.set_password(id, &pool.hash(Password::new(PASSWORD.to_owned())).await.unwrap()).await.unwrap();
    accounts.add_totp(id, secret, 0, "").await.unwrap();
}

/// A browser: it keeps what replies tell it to keep.
struct Tab {
    client: Client,
}

impl Tab {
    fn new() -> Self {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let browser = BrowserToken::parse(&"A".repeat(43)).unwrap();
        Self { client: Client { ip, browser, session: None, device: None } }
    }

    fn keep(&mut self, reply: &Reply) {
        let cookies = &reply.cookies;
        if let Some(browser) = &cookies.browser {
            self.client.browser = BrowserToken::parse(browser).unwrap();
        }
        if let Some(session) = &cookies.session {
            self.client.session = SessionToken::parse(session);
        }
        if let Some(device) = &cookies.device {
            self.client.device = DeviceToken::parse(device);
        }
    }

    /// Opens an app, and gives what is shown.
    async fn open(&mut self, world: &World, app: &str) -> View {
        let target = Target::app(AppId::parse(app).unwrap());
        let reply = world.service().begin(&self.client, target).await.unwrap();
        self.shown(world, reply).await
    }

    /// Follows a redirect to the page of the stage.
    async fn shown(&mut self, world: &World, reply: Reply) -> View {
        self.keep(&reply);
        match reply.view {
            View::Continue { id } => world.service().resume(&self.client, id).await.unwrap().view,
            view => view,
        }
    }

    async fn name_and_password(&mut self, world: &World, view: View) -> View {
        let View::Identify { handle, .. } = view else { panic!("{view:?}") };
        let reply = world.service().name_typed(&self.client, &handle, "ann").unwrap();
        let View::Password { handle, .. } = reply.view else { panic!("{:?}", reply.view) };
        self.password(world, &handle).await
    }

    async fn password(&mut self, world: &World, handle: &str) -> View {
        let reply = world.service().password_typed(&self.client, handle, PASSWORD).await.unwrap();
        self.shown(world, reply).await
    }

    async fn code(&mut self, world: &World, view: View) -> View {
        let handle = challenge(&view, Method::Totp);
        let reply = world.service().code_typed(&self.client, &handle, &world.next_code()).await.unwrap();
        self.shown(world, reply).await
    }
}

/// The handle of a challenge for `wanted`.
fn challenge(view: &View, wanted: Method) -> String {
    match view {
        View::Challenge { handle, method, .. } if *method == wanted => handle.clone(),
        view => panic!("expected a challenge for {wanted:?}, got {view:?}"),
    }
}

#[tokio::test]
async fn a_step_that_wants_fresh_proofs_asks_for_the_password_again_and_goes_on() {
    let world = World::new().await;
    for _ in 0..3 {
        let mut device = Tab::new();
        let view = device.open(&world, "aws").await;
        let view = device.name_and_password(&world, view).await;
        assert!(matches!(device.code(&world, view).await, View::Respond(_)));
    }
    // A fourth device: the policy `device.limit` wants a second factor shown now, whatever the session showed before.
    let mut fourth = Tab::new();
    let view = fourth.open(&world, "portal").await;
    let view = fourth.name_and_password(&world, view).await;
    assert!(matches!(fourth.code(&world, view).await, View::Portal));
    fourth.client.device = None;
    world.clock.advance(11 * 60);
    let view = fourth.open(&world, "aws").await;
    let handle = challenge(&view, Method::Password);
    let wrong = world.service().password_typed(&fourth.client, &handle, "not it").await.unwrap();
    assert!(matches!(wrong.view, View::Challenge { method: Method::Password, error: Some(_), .. }), "{:?}", wrong.view);
    let view = fourth.password(&world, &handle).await;
    assert!(matches!(fourth.code(&world, view).await, View::Respond(_)));
}

#[tokio::test]
async fn a_form_is_good_for_fifteen_minutes() {
    let world = World::new().await;
    let mut tab = Tab::new();
    let View::Identify { handle, .. } = tab.open(&world, "wiki").await else { panic!("no first page") };
    world.clock.advance(LIFETIME_SECONDS + 1);
    let late = world.service().name_typed(&tab.client, &handle, "ann");
    assert!(matches!(late, Err(SignInError::Expired)), "{late:?}");

    let view = tab.open(&world, "wiki").await;
    let view = tab.name_and_password(&world, view).await;
    let handle = challenge(&view, Method::Totp);
    world.clock.advance(LIFETIME_SECONDS + 1);
    let late = world.service().code_typed(&tab.client, &handle, &world.next_code()).await;
    assert!(matches!(late, Err(SignInError::Expired | SignInError::StartAgain)), "{late:?}");
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_after_half_a_day() {
    let world = World::new().await;
    let mut tab = Tab::new();
    let view = tab.open(&world, "portal").await;
    let view = tab.name_and_password(&world, view).await;
    assert!(matches!(tab.code(&world, view).await, View::Portal));
    for _ in 0..28 {
        world.clock.advance(25 * 60);
        assert!(world.service().portal(&tab.client).await.unwrap().is_some());
    }
    world.clock.advance(25 * 60);
    assert!(world.service().portal(&tab.client).await.unwrap().is_none(), "twelve hours are over");
    let mut idle = Tab::new();
    let view = idle.open(&world, "portal").await;
    let view = idle.name_and_password(&world, view).await;
    assert!(matches!(idle.code(&world, view).await, View::Portal));
    world.clock.advance(31 * 60);
    assert!(world.service().portal(&idle.client).await.unwrap().is_none(), "half an hour without a click");
}

#[tokio::test]
async fn a_step_of_nobodys_sign_in_shows_nothing() {
    let world = World::new().await;
    let id = SignInId::parse("01a20076-0db4-7232-b0f6-c1e3ab6477bb").unwrap();
    let answer = world.service().resume(&Tab::new().client, id).await;
    assert!(matches!(answer, Err(SignInError::StartAgain)), "{answer:?}");
}

#[tokio::test]
async fn whoever_knows_a_password_cannot_flood_the_mailbox_with_links() {
    let world = World::delivering(Delivery::Outbox).await;
    let accounts = &world.opened.accounts;
    let ann = accounts.user_by_name(&Username::parse("ann").unwrap()).await.unwrap().unwrap();
    for authenticator in accounts.authenticators(ann.id).await.unwrap() {
        accounts.remove_authenticator(ann.id, authenticator.id).await.unwrap();
    }
    let mut tab = Tab::new();
    let view = tab.open(&world, "aws").await;
    let mut view = tab.name_and_password(&world, view).await;
    for _ in 0..5 {
        let View::AwaitingLink { handle, .. } = view else { panic!("{view:?}") };
        let reply = world.service().link_wanted(&tab.client, &handle).await.unwrap();
        view = tab.shown(&world, reply).await;
        let again = world.service().link_wanted(&tab.client, &handle).await;
        assert!(matches!(again, Err(SignInError::StartAgain)), "a form sent twice: {again:?}");
    }
    assert_eq!(accounts.mails(100).await.unwrap().len(), 3, "three an hour, and the page says the same");
}
