//! The driver: each public method is one form or link of a sign-in. It reads facts, asks the policies, moves the stage on and
//! says what to show.

use std::net::IpAddr;
use std::sync::Arc;

use tracing::Instrument as _;

use crate::accounts::{Accounts, Envelope};
use crate::audit::{EventKind, EventRecord, Journal};
use crate::clock::{Clock, Entropy};
use crate::devices::{DeviceToken, Devices};
use crate::domain::{Decision, Method, MethodSet, SignInId, User};
use crate::methods::email_otp::EmailOtpMethod;
use crate::methods::password::PasswordMethod;
use crate::methods::totp::TotpMethod;
use crate::runtime::{Runtime, Snapshot};
use crate::sessions::{Participants, Session, SessionToken, Sessions};
use crate::signals::{Baselines, Failures, Lens, Observation};
use crate::state::StateStore;
use crate::telemetry::Metrics;
use crate::workers::{HashPool, Pool};

use super::error::SignInError;
use super::flow::{Person, Registration, SignIn, Stage, Target};
use super::handle::{BrowserToken, Live, SignIns};
use super::reply::{CookieChanges, InputError, Reply, View};
use super::transition::{Event, transition};

/// What becomes of mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// They go to the outbox, and somebody empties it.
    Outbox,
    /// Nobody would ever see them, so none is written and no page promises one.
    Nobody,
}

/// What the service works with.
pub struct Parts {
    /// Config, policies, apps and keys in force.
    pub runtime: Arc<Runtime>,
    /// What monitoring sees.
    pub metrics: Arc<Metrics>,
    /// People.
    pub accounts: Accounts,
    /// SSO sessions.
    pub sessions: Sessions,
    /// The apps of each session.
    pub participants: Participants,
    /// Devices seen.
    pub devices: Devices,
    /// Sign-ins underway.
    pub sign_ins: SignIns,
    /// Short-lived state.
    pub store: Arc<dyn StateStore>,
    /// Counters of wrong answers.
    pub failures: Failures,
    /// What is usual for people.
    pub baselines: Baselines,
    /// What becomes of mails.
    pub delivery: Delivery,
    /// Checks passwords.
    pub password: PasswordMethod,
    /// Checks codes of authenticator apps.
    pub totp: TotpMethod,
    /// Draws and checks mailed codes.
    pub email_otp: EmailOtpMethod,
    /// How the facts of the observer in force are seen.
    pub signals: Arc<dyn Lens>,
    /// The record of decisions and assertions.
    pub journal: Arc<Journal>,
    /// Password hashing, off the request path.
    pub hashing: HashPool,
    /// Signing, off the request path.
    pub signing: Pool,
    /// Seals what is stored, and keys the NameIDs.
    pub envelope: Arc<Envelope>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Who sends a request, as far as HTTP tells.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address, through trusted proxies.
    pub ip: IpAddr,
    /// The browser.
    pub browser: BrowserToken,
    /// The session cookie.
    pub session: Option<SessionToken>,
    /// The device cookie.
    pub device: Option<DeviceToken>,
    /// What the browser says it is. Names a device in lists; nothing is decided on it.
    pub user_agent: Option<String>,
}

/// Drives sign-ins.
pub struct Service {
    pub(super) parts: Parts,
}

/// Somebody whose session still holds.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) token: SessionToken,
    pub(super) session: Session,
    pub(super) user: User,
}

impl Visitor {
    /// The person that a sign-in on this session begins with.
    pub(super) fn person(&self) -> Person {
        Person {
            user: self.user.id,
            epoch: self.user.session_epoch,
            shown: Vec::new(),
            session: Some(self.session.id),
            earlier: self.session.proofs.clone(),
            lost: MethodSet::EMPTY,
            registration: Registration::Complete,
        }
    }
}

impl Service {
    /// A service over `parts`.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// What is in force now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.parts.runtime.snapshot()
    }

    /// What holds it, and loads another.
    #[must_use]
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.parts.runtime
    }

    /// What monitoring sees.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    /// The numbers, with those that have to be looked up. What cannot be looked up keeps its last value.
    pub async fn numbers(&self) -> &Metrics {
        if self.parts.delivery == Delivery::Outbox {
            match self.parts.accounts.outbox_depth().await {
                Ok(depth) => self.parts.metrics.outbox_waiting(depth.waiting),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "waiting mails can't be counted")
                }
            }
        }
        &self.parts.metrics
    }

    /// The instant now.
    #[must_use]
    pub fn now(&self) -> crate::clock::Timestamp {
        self.parts.clock.now()
    }

    /// Whether the stores answer.
    ///
    /// # Errors
    /// One does not.
    pub async fn ready(&self) -> Result<(), SignInError> {
        self.parts.store.ready().await?;
        self.parts.accounts.is_taken("ready").await?;
        Ok(())
    }

    /// Seals where to go, for the address that a service provider's request is sent on to.
    ///
    /// # Errors
    /// Sealing failed.
    pub fn seal_target(&self, target: &Target) -> Result<String, SignInError> {
        Ok(self.parts.sign_ins.seal_target(target)?)
    }

    /// Opens a sealed target.
    ///
    /// # Errors
    /// It is not ours, or expired.
    pub fn open_target(&self, sealed: &str) -> Result<Target, SignInError> {
        Ok(self.parts.sign_ins.open_target(sealed)?)
    }

    /// Starts: with a session straight to the decision, without one at the first page.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin(&self, client: &Client, target: Target) -> Result<Reply, SignInError> {
        let now = self.parts.clock.now();
        let id = SignInId::new(now, &*self.parts.entropy)?;
        let sign_in = SignIn::new(id, target, now, Stage::Identify);
        if !sign_in.target.force_authn()
            && let Some(visitor) = self.visitor(client).await?
        {
            let person = visitor.person();
            let stage = transition(sign_in.stage, Event::Recognised(person))?;
            return self.settle(client, SignIn { stage, ..sign_in }, None).await;
        }
        if let Some(refusal) = self.refuse_visit(client, &sign_in.target).await? {
            return Ok(refusal);
        }
        let snapshot = self.snapshot();
        if sign_in.target.is_passive() {
            return self.no_passive_for_stranger(&snapshot, client, &sign_in.target).await;
        }
        self.identify(&snapshot, client, &sign_in, String::new(), None)
    }

    /// The form of the first page.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub fn name_typed(&self, client: &Client, handle: &str, typed: &str) -> Result<Reply, SignInError> {
        let sign_in = self.parts.sign_ins.open(handle, &client.browser)?;
        let snapshot = self.snapshot();
        let typed = typed.trim();
        if typed.is_empty() || typed.len() > 254 {
            return self.identify(&snapshot, client, &sign_in, typed.to_owned(), Some(InputError::Empty));
        }
        let stage = transition(sign_in.stage.clone(), Event::Named(typed.to_owned()))?;
        self.password_page(&snapshot, client, &SignIn { stage, ..sign_in }, None)
    }

    /// "Not you?"
    ///
    /// # Errors
    /// See [`SignInError`].
    pub fn rename(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let sign_in = self.parts.sign_ins.open(handle, &client.browser)?;
        let stage = transition(sign_in.stage.clone(), Event::Renamed)?;
        self.identify(&self.snapshot(), client, &SignIn { stage, ..sign_in }, String::new(), None)
    }

    /// Writes an event to the journal, with where the client is and which device it has.
    pub(super) async fn log(
        &self,
        client: &Client,
        event: EventKind,
        user: &User,
        sign_in: Option<SignInId>,
        method: Option<Method>,
    ) -> Result<(), SignInError> {
        let record = EventRecord { method, ..self.event(client, event, user, sign_in).await? };
        Ok(self.parts.journal.append(record).await?)
    }

    /// The record of an event, with who sends the request.
    pub(super) async fn event(
        &self,
        client: &Client,
        event: EventKind,
        user: &User,
        sign_in: Option<SignInId>,
    ) -> Result<EventRecord, SignInError> {
        let device = match &client.device {
            Some(token) => self.parts.devices.find(token).await?.map(|device| device.id),
            None => None,
        };
        let (at, user, ip) = (self.parts.clock.now(), user.username.clone(), Some(client.ip));
        Ok(EventRecord { event, at, user, sign_in, method: None, ip, device, about_device: None })
    }

    /// The stored sign-in that a form goes on with. One that began on a session is over with it: whoever signed out, or took
    /// the device off the list, did so in every tab.
    pub(super) async fn live(&self, client: &Client, handle: &str) -> Result<Live, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        self.check_session(client, &live).await?;
        Ok(live)
    }

    pub(super) async fn check_session(&self, client: &Client, live: &Live) -> Result<(), SignInError> {
        match live.sign_in.stage.person() {
            Some(person) => self.session_of(client, person).await.map(drop),
            None => Ok(()),
        }
    }

    /// The session a sign-in began on, which must still hold; `None` where it began without one.
    pub(super) async fn session_of(&self, client: &Client, person: &Person) -> Result<Option<Visitor>, SignInError> {
        let Some(session) = person.session else { return Ok(None) };
        let visitor = self.visitor(client).await?.filter(|visitor| visitor.session.id == session);
        visitor.ok_or(SignInError::StartAgain).map(Some)
    }

    /// The session the client brings, if it still holds: the user exists, nothing ended their sessions
    /// since, and the device it began on is still on their list.
    pub(super) async fn visitor(&self, client: &Client) -> Result<Option<Visitor>, SignInError> {
        let Some(token) = &client.session else { return Ok(None) };
        let Some(session) = self.parts.sessions.find(token).await? else { return Ok(None) };
        let Some(user) = self.parts.accounts.user(session.user).await? else { return Ok(None) };
        let is_removed = match session.device {
            Some(device) => !self.parts.devices.is_registered(user.id, device).await?,
            None => false,
        };
        if is_removed || !session.is_of(&user) {
            self.parts.sessions.end(token).await?;
            return Ok(None);
        }
        Ok(Some(Visitor { token: token.clone(), session, user }))
    }

    /// Asks the policies about a sign-in in stage `deciding`, stores what follows, and says what to show. `live` is the
    /// stored sign-in it came from: whoever replaces it first goes on.
    #[tracing::instrument(name = "sign-in step", skip_all, fields(signin.id = %sign_in.id, app.id = %sign_in.target.app))]
    pub(super) async fn settle(
        &self,
        client: &Client,
        sign_in: SignIn,
        live: Option<Live>,
    ) -> Result<Reply, SignInError> {
        let Stage::Deciding { person } = &sign_in.stage else { return Err(SignInError::StartAgain) };
        let snapshot = self.snapshot();
        let decided = self.decide_and_record_device(&snapshot, client, &sign_in, person).await?;
        if sign_in.target.is_passive() && decided.decision != Decision::Allow {
            if matches!(decided.decision, Decision::Deny(_)) {
                self.alert(&snapshot, client, &sign_in, person, &decided, None).await;
            }
            // No page of ours may be shown, so the refusal goes back at once.
            return self.refuse_passive(&snapshot, client, &sign_in.target, &decided).await;
        }
        let extras = Self::extras(&snapshot, &sign_in, &decided)?;
        let event = self.event_of(&decided, &sign_in, person, extras)?;
        let mut stage = transition(sign_in.stage.clone(), event)?;
        if let Stage::Challenge { extras: beside, .. } = &mut stage {
            *beside = extras;
        }
        // The browser's token changes when somebody becomes known here, and when a session begins.
        let is_new = live.is_none() && !person.shown.is_empty();
        let browser = if is_new { BrowserToken::new(&*self.parts.entropy)? } else { client.browser.clone() };
        let is_over = matches!(stage, Stage::Allowed { .. } | Stage::Denied { .. });
        let live = match live {
            Some(live) => {
                let advanced = self.parts.sign_ins.advance(live, stage.clone(), &browser);
                Some(advanced.instrument(tracing::info_span!("store")).await?)
            }
            None if is_over => None,
            None => {
                let sign_in = SignIn { stage: stage.clone(), ..sign_in.clone() };
                let created = self.parts.sign_ins.create(sign_in, &browser);
                Some(created.instrument(tracing::info_span!("store")).await?)
            }
        };
        // Whoever lost a race for the sign-in does not get here, so each step is told of once.
        if !matches!(stage, Stage::Allowed { .. }) {
            self.alert(&snapshot, client, &sign_in, person, &decided, None).await;
        }
        let mut reply = match stage {
            Stage::Allowed { person } => {
                let reply = self.finish(&snapshot, client, &sign_in, &person, decided.clone()).await?;
                if matches!(reply.view, View::Portal | View::Respond(_)) {
                    let device = decided.device.as_ref().map(|(token, _)| token);
                    self.alert(&snapshot, client, &sign_in, &person, &decided, device).await;
                }
                reply
            }
            Stage::Denied { reason } => self.blocked(&snapshot, client, &sign_in.target, reason, decided).await?,
            Stage::AtLimit { reason, .. } => {
                let mut reply = self.blocked(&snapshot, client, &sign_in.target, reason, decided).await?;
                if let View::Blocked { devices, .. } = &mut reply.view {
                    *devices = live.as_ref().map(Live::handle);
                }
                reply
            }
            _ => {
                if let Some(live) = &live {
                    self.mail_first_code(client, live).await?;
                }
                Reply::of(View::Continue { id: sign_in.id })
            }
        };
        if let (true, Some(live)) = (is_over, live) {
            self.parts.sign_ins.close(live).await?;
        }
        if is_new {
            reply.cookies.browser = Some(browser.expose().to_string());
        } else if reply.cookies.session.is_some() {
            reply.cookies.browser = Some(BrowserToken::new(&*self.parts.entropy)?.expose().to_string());
        }
        Ok(reply)
    }

    /// The refusal, if the policies refuse whoever comes from there, before anybody is known.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn refuse_visit(&self, client: &Client, target: &Target) -> Result<Option<Reply>, SignInError> {
        let snapshot = self.snapshot();
        let app = snapshot.app(&target.app).ok_or(SignInError::UnknownApp)?;
        let signals = self.parts.signals.observe(&snapshot.observer, &Observation::of_visitor(client.ip, &target.app));
        let verdict = snapshot.bundle.visit(app, &signals);
        if verdict.allowed {
            self.try_out_visit(&snapshot, app, target, signals, verdict).await;
            return Ok(None);
        }
        self.visit_denied(&snapshot, client, target, verdict).await.map(Some)
    }

    pub(super) fn identify(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        username: String,
        error: Option<InputError>,
    ) -> Result<Reply, SignInError> {
        let handle = self.parts.sign_ins.seal(sign_in, &client.browser)?;
        Ok(Reply {
            view: View::Identify { handle, username, error },
            cookies: CookieChanges::default(),
            app_name: snapshot.display_name(&sign_in.target.app),
            language: None,
        })
    }

    /// The user behind a person, unless something ended this sign-in meanwhile.
    pub(super) async fn person(&self, person: &Person) -> Result<User, SignInError> {
        match self.parts.accounts.user(person.user).await? {
            Some(user) if user.session_epoch == person.epoch => Ok(user),
            _ => Err(SignInError::StartAgain),
        }
    }
}
