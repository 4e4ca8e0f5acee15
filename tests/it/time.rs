//! What only time brings about: proofs that grow old, forms that expire. The server's own parts, with a clock of the tests.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;

use cedargate::accounts::{Accounts, NewUser};
use cedargate::clock::{Clock, ManualClock, SystemEntropy};
use cedargate::config;
use cedargate::devices::DeviceToken;
use cedargate::domain::{AppId, EmailAddress, GroupName, Method, SignInId, TotpSecret, UserStatus, Username};
use cedargate::sessions::SessionToken;
use cedargate::signin::{
    BrowserToken, Client, Delivery, LIFETIME_SECONDS, Remember, Removal, Reply, Service, SignInError, Target, View,
};
use cedargate::web::server::{Opened, Surroundings, open};
use cedargate::workers::{HashPool, HashSettings, Password};
use tempfile::TempDir;

use crate::harness::checkout;
use crate::harness::people::{PASSWORD, code_for};

/// The shipped config and policies, ann, and a clock.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) opened: Opened,
    secret: TotpSecret,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::delivering(Delivery::Nobody).await
    }

    pub(crate) async fn delivering(delivery: Delivery) -> Self {
        Self::with_policies(delivery, "").await
    }

    /// With policies beside the shipped ones.
    pub(crate) async fn with_policies(delivery: Delivery, policies: &str) -> Self {
        let folder = checkout();
        std::fs::write(folder.path().join("policies/90-test.cedar"), policies).unwrap();
        if !policies.is_empty() {
            // What the shipped tests say of the shipped policies need not hold beside others.
            std::fs::remove_dir_all(folder.path().join("policies/tests")).unwrap();
        }
        let clock = Arc::new(ManualClock::at("2026-11-18T10:00:00Z".parse().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let surroundings = Surroundings { clock: clock.clone(), entropy: Arc::new(SystemEntropy), delivery };
        let loaded = config::load(&folder.path().join("config.toml"), []).unwrap();
        let opened = open(loaded, &listener, surroundings, Arc::new(cedargate::signals::Plain)).await.unwrap();
        let secret = TotpSecret::from_bytes((0..20).collect()).unwrap();
        ann(&opened.accounts, &secret).await;
        Self { clock, opened, secret, folder }
    }

    /// A file of the server's.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn service(&self) -> &Service {
        &self.opened.web.service
    }

    /// A code not used before: half a minute later.
    pub(crate) fn next_code(&self) -> String {
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
pub(crate) struct Tab {
    pub(crate) client: Client,
}

impl Tab {
    pub(crate) fn new() -> Self {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let browser = BrowserToken::parse(&"A".repeat(43)).unwrap();
        Self { client: Client { ip, browser, session: None, device: None, user_agent: None } }
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
    pub(crate) async fn open(&mut self, world: &World, app: &str) -> View {
        let target = Target::app(AppId::parse(app).unwrap());
        let reply = world.service().begin(&self.client, target).await.unwrap();
        self.shown(world, reply).await
    }

    /// Follows a redirect to the page of the stage.
    pub(crate) async fn shown(&mut self, world: &World, reply: Reply) -> View {
        self.keep(&reply);
        match reply.view {
            View::Continue { id } => world.service().resume(&self.client, id).await.unwrap().view,
            view => view,
        }
    }

    pub(crate) async fn name_and_password(&mut self, world: &World, view: View) -> View {
        let View::Identify { handle, .. } = view else { panic!("{view:?}") };
        let reply = world.service().name_typed(&self.client, &handle, "ann").unwrap();
        let View::Password { handle, .. } = reply.view else { panic!("{:?}", reply.view) };
        self.password(world, &handle).await
    }

    pub(crate) async fn password(&mut self, world: &World, handle: &str) -> View {
        let reply = world.service().password_typed(&self.client, handle, PASSWORD).await.unwrap();
        self.shown(world, reply).await
    }

    pub(crate) async fn code(&mut self, world: &World, view: View) -> View {
        self.code_and(world, view, Remember::No).await
    }

    async fn code_and(&mut self, world: &World, view: View, remember: Remember) -> View {
        let handle = challenge(&view, Method::Totp);
        let reply = world.service().code_typed(&self.client, &handle, &world.next_code(), remember).await.unwrap();
        self.shown(world, reply).await
    }
}

/// The handle of a challenge for `wanted`.
pub(crate) fn challenge(view: &View, wanted: Method) -> String {
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
    let late = world.service().code_typed(&tab.client, &handle, &world.next_code(), Remember::No).await;
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

/// A mailed code, which everybody with an address can be asked for, does not do here.
const ONLY_AN_APP: &str = r#"
@id("test.only-an-app") @description("The wiki takes an authenticator app.")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
unless { context.proofs.contains(Proof::"totp") };
"#;

#[tokio::test]
async fn whoever_knows_a_password_cannot_flood_the_mailbox_with_links() {
    let world = World::with_policies(Delivery::Outbox, ONLY_AN_APP).await;
    let accounts = &world.opened.accounts;
    let ann = accounts.user_by_name(&Username::parse("ann").unwrap()).await.unwrap().unwrap();
    for authenticator in accounts.authenticators(ann.id).await.unwrap() {
        accounts.remove_authenticator(ann.id, authenticator.id).await.unwrap();
    }
    let mut tab = Tab::new();
    let view = tab.open(&world, "wiki").await;
    let mut view = tab.name_and_password(&world, view).await;
    for _ in 0..5 {
        let View::AwaitingLink { handle, .. } = view else { panic!("{view:?}") };
        let reply = world.service().link_wanted(&tab.client, &handle).await.unwrap();
        view = tab.shown(&world, reply).await;
        let again = world.service().link_wanted(&tab.client, &handle).await;
        assert!(matches!(again, Err(SignInError::StartAgain)), "a form sent twice: {again:?}");
    }
    // Alerts are mails too, but none that anybody asks for.
    let links = accounts.mails(100).await.unwrap().into_iter().filter(|mail| mail.mail.text.contains("/link/"));
    assert_eq!(links.count(), 3, "three an hour, and the page says the same");
}

#[tokio::test]
async fn a_remembered_device_is_asked_for_no_code_for_thirty_days() {
    let world = World::new().await;
    let mut tab = Tab::new();
    let view = tab.open(&world, "aws").await;
    let view = tab.name_and_password(&world, view).await;
    assert!(matches!(view, View::Challenge { remember_days: Some(30), .. }), "{view:?}");
    assert!(matches!(tab.code_and(&world, view, Remember::Yes).await, View::Respond(_)));
    let started = world.clock.now();
    for (day, asked) in [(1, false), (29, false), (30, true)] {
        let now = world.clock.now().as_second() - started.as_second();
        world.clock.advance(day * 24 * 60 * 60 - now);
        tab.client.session = None;
        let view = tab.open(&world, "aws").await;
        let view = tab.name_and_password(&world, view).await;
        assert_eq!(matches!(view, View::Challenge { method: Method::Totp, .. }), asked, "day {day}: {view:?}");
        assert_eq!(matches!(view, View::Respond(_)), !asked, "day {day}: {view:?}");
    }
    // Somebody who has the browser and not the password still gets nowhere.
    let view = tab.open(&world, "aws").await;
    assert!(matches!(view, View::Identify { .. }), "{view:?}");
}

#[tokio::test]
async fn typed_at_the_portal_a_minute_ago_the_password_is_still_good_for_remembering_the_device() {
    let world = World::new().await;
    let mut tab = Tab::new();
    let view = tab.open(&world, "portal").await;
    let view = tab.name_and_password(&world, view).await;
    assert!(
        matches!(view, View::Challenge { remember_days: None, .. }),
        "no policy of the portal knows trust: {view:?}"
    );
    assert!(matches!(tab.code(&world, view).await, View::Portal));
    tab.client.session = None;
    let view = tab.open(&world, "portal").await;
    assert!(matches!(tab.name_and_password(&world, view).await, View::Portal), "the device is known now");
    for (minutes, offered) in [(1, Some(30)), (11, None)] {
        world.clock.advance(minutes * 60);
        let view = tab.open(&world, "aws").await;
        assert!(
            matches!(view, View::Challenge { remember_days, .. } if remember_days == offered),
            "{minutes}: {view:?}"
        );
    }
}

#[tokio::test]
async fn a_fourth_device_takes_the_place_of_another_which_is_signed_out() {
    let world = World::new().await;
    let mut first = Vec::new();
    for _ in 0..3 {
        let mut device = Tab::new();
        let view = device.open(&world, "aws").await;
        let view = device.name_and_password(&world, view).await;
        assert!(matches!(view, View::Challenge { devices: false, .. }), "{view:?}");
        assert!(matches!(device.code(&world, view).await, View::Respond(_)));
        first.push(device);
    }
    let mut fourth = Tab::new();
    let view = fourth.open(&world, "aws").await;
    let view = fourth.name_and_password(&world, view).await;
    let View::Challenge { handle, devices: true, .. } = view else { panic!("{view:?}") };
    let reply = world.service().devices_wanted(&fourth.client, &handle).await.unwrap();
    let view = fourth.shown(&world, reply).await;
    assert!(matches!(view, View::Challenge { devices: false, remember_days: None, .. }), "{view:?}");
    let View::ChooseDevice { handle, devices, .. } = fourth.code(&world, view).await else { panic!("no list") };
    assert_eq!(devices.len(), 3);
    assert!(devices.iter().all(|device| !device.is_current));
    let removed = devices.last().unwrap().listed.id;
    let reply = world.service().device_chosen(&fourth.client, &handle, removed).await.unwrap();
    assert!(matches!(fourth.shown(&world, reply).await, View::Respond(_)));
    let mut signed_in = Vec::new();
    for device in &first {
        signed_in.push(world.service().portal(&device.client).await.unwrap().is_some());
    }
    assert_eq!(signed_in, [false, true, true], "the one that was not used for longest");
    let page = world.service().account_devices(&fourth.client).await.unwrap().unwrap();
    assert_eq!((page.devices.len(), page.removal), (3, Removal::Permitted));
    // Ten minutes later removing another one asks again.
    world.clock.advance(11 * 60);
    let page = world.service().account_devices(&fourth.client).await.unwrap().unwrap();
    assert_eq!(page.removal, Removal::ExtraStep);
    let other = page.devices.last().unwrap().listed.id;
    let reply = world.service().remove_device(&fourth.client, other).await.unwrap();
    let view = fourth.shown(&world, reply).await;
    let handle = challenge(&view, Method::Password);
    let view = fourth.password(&world, &handle).await;
    assert!(matches!(fourth.code(&world, view).await, View::AccountDevices));
    let reply = world.service().remove_device(&fourth.client, other).await.unwrap();
    assert!(matches!(reply.view, View::AccountDevices), "{reply:?}");
    assert_eq!(world.service().account_devices(&fourth.client).await.unwrap().unwrap().devices.len(), 2);
}
