//! The driver: each public method is one form or link of a sign-in. It reads facts, asks the policies, moves the stage on and
//! says what to show.

use std::net::IpAddr;
use std::sync::Arc;

use crate::accounts::{Accounts, Envelope};
use crate::audit::{EventKind, EventRecord, Journal};
use crate::clock::{Clock, Entropy};
use crate::devices::{DeviceToken, Devices};
use crate::domain::{Method, MethodSet, Proof, SignInId, User, UserId};
use crate::methods::throttle::{Admission, Attempt, Throttle, Ticket};
use crate::methods::totp;
use crate::runtime::{Runtime, Snapshot};
use crate::sessions::{Session, SessionToken, Sessions};
use crate::signals::{FailureSource, Failures, Guarded, NetworkPrefix, Observation, SignalSource};
use crate::state::{Key, Kind, StateStore};
use crate::workers::{Checked, HashError, HashPool, Password, Pool};

use super::error::SignInError;
use super::flow::{Person, Registration, SignIn, Stage, Target};
use super::handle::{BrowserToken, Live, SignIns};
use super::reply::{CookieChanges, InputError, Reply, View};
use super::transition::{Event, transition};

/// What the service works with.
pub struct Parts {
    /// Config, policies, apps and keys in force.
    pub runtime: Arc<Runtime>,
    /// People.
    pub accounts: Accounts,
    /// SSO sessions.
    pub sessions: Sessions,
    /// Devices seen.
    pub devices: Devices,
    /// Sign-ins underway.
    pub sign_ins: SignIns,
    /// Short-lived state.
    pub store: Arc<dyn StateStore>,
    /// Counters of wrong answers.
    pub failures: Failures,
    /// Slows down guessing.
    pub throttle: Throttle,
    /// Where the facts come from.
    pub signals: Arc<dyn SignalSource>,
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
}

/// Drives sign-ins.
pub struct Service {
    pub(super) parts: Parts,
}

/// A session that still holds, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) token: SessionToken,
    pub(super) session: Session,
    pub(super) user: User,
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
        self.parts.store.count(&Key::new(Kind::Failures, "ready", "")).await?;
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
        let sign_in = SignIn {
            id: SignInId::new(self.parts.clock.now(), &*self.parts.entropy)?,
            target,
            started: self.parts.clock.now(),
            stage: Stage::Identify,
        };
        if !sign_in.target.force_authn()
            && let Some(visitor) = self.visitor(client).await?
        {
            let person = Person {
                user: visitor.user.id,
                typed: visitor.user.username.to_string(),
                epoch: visitor.user.session_epoch,
                shown: Vec::new(),
                earlier: visitor.session.proofs.clone(),
                lost: MethodSet::EMPTY,
                registration: Registration::Complete,
            };
            let stage = transition(sign_in.stage, Event::Recognised(person))?;
            return self.settle(client, SignIn { stage, ..sign_in }, None).await;
        }
        let snapshot = self.snapshot();
        if sign_in.target.request.as_ref().is_some_and(|request| request.is_passive()) {
            return self.no_passive(&snapshot, &sign_in.target).await;
        }
        if let Some(refusal) = self.refuse_visit(client, &sign_in.target).await? {
            return Ok(refusal);
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

    /// The password form. What an attacker can see is the same for an unknown name, a wrong password and a locked account.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn password_typed(&self, client: &Client, handle: &str, password: &str) -> Result<Reply, SignInError> {
        let sign_in = self.parts.sign_ins.open(handle, &client.browser)?;
        let Stage::Password { typed, carried } = sign_in.stage.clone() else { return Err(SignInError::StartAgain) };
        let snapshot = self.snapshot();
        if let Some(refusal) = self.refuse_visit(client, &sign_in.target).await? {
            return Ok(refusal);
        }
        if password.is_empty() {
            return self.password_page(&snapshot, client, &sign_in, Some(InputError::Empty));
        }
        let login = self.parts.accounts.find_by_login(&typed).await?;
        let source = self.source(client, login.as_ref().map(|login| login.user.id)).await?;
        let ticket = match self.admit(Guarded::Password, &typed, source).await? {
            Admission::Go(ticket) => ticket,
            Admission::Wait { retry_after } => return self.password_pause(&snapshot, client, &sign_in, retry_after),
        };
        let stored = login.as_ref().and_then(|login| login.password.as_ref());
        let checked = match self.parts.hashing.verify(stored, Password::new(password.to_owned())).await {
            Ok(checked) => checked,
            Err(HashError::TooLong) => Checked::NoMatch,
            Err(error) => {
                // Nothing was compared, so it was no attempt.
                self.parts.throttle.unchecked(ticket).await?;
                return Err(error.into());
            }
        };
        let (Some(login), Checked::Match { needs_rehash }) = (login, checked) else {
            return match ticket.retry_after() {
                Some(retry_after) => self.password_pause(&snapshot, client, &sign_in, retry_after),
                None => self.password_page(&snapshot, client, &sign_in, Some(InputError::WrongPassword)),
            };
        };
        self.parts.throttle.right(ticket).await?;
        if needs_rehash {
            self.upgrade_hash(&login, password).await;
        }
        let now = self.parts.clock.now();
        let proof = Proof { method: Method::Password, at: now, authenticator: None };
        let person = Person {
            user: login.user.id,
            typed,
            epoch: login.user.session_epoch,
            shown: carried.into_iter().chain([proof]).collect(),
            earlier: Vec::new(),
            lost: MethodSet::EMPTY,
            registration: Registration::Complete,
        };
        let stage = transition(sign_in.stage, Event::Recognised(person))?;
        self.settle(client, SignIn { stage, ..sign_in }, None).await
    }

    /// The page of a stored sign-in's stage: after a redirect, or on reload.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn resume(&self, client: &Client, id: SignInId) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.peek(id, &client.browser).await?;
        self.stage_page(&live, None).await
    }

    /// "Try another way".
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn other_ways(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        let Stage::Challenge { offers, .. } = &live.sign_in.stage else { return Err(SignInError::StartAgain) };
        let offers = offers.iter().map(|offer| offer.method).collect();
        let view = View::Methods { handle: live.handle(), offers };
        self.reply_for(&live, view).await
    }

    /// Another of the offered methods was chosen.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn method_chosen(&self, client: &Client, handle: &str, method: Method) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        let stage = transition(live.sign_in.stage.clone(), Event::Chosen(method))?;
        let live = self.parts.sign_ins.advance(live, stage, &client.browser).await?;
        let view = View::Continue { id: live.sign_in.id };
        self.reply_for(&live, view).await
    }

    /// "I no longer have this": the method is out for this sign-in, and the policies are asked again.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn method_lost(&self, client: &Client, handle: &str, method: Method) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        let stage = transition(live.sign_in.stage.clone(), Event::Lost(method))?;
        if let Some(person) = live.sign_in.stage.person() {
            self.log(EventKind::MethodLost, &self.person(person).await?, Some(live.sign_in.id), Some(method)).await?;
        }
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }

    /// A code from an authenticator app.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn code_typed(&self, client: &Client, handle: &str, code: &str) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        let Stage::Challenge { person, chosen: Method::Totp, .. } = &live.sign_in.stage else {
            return Err(SignInError::StartAgain);
        };
        if code.trim().is_empty() {
            return self.stage_page(&live, Some(InputError::Empty)).await;
        }
        let source = self.source(client, Some(person.user)).await?;
        let ticket = match self.admit(Guarded::Totp, &person.user.to_string(), source).await? {
            Admission::Go(ticket) => ticket,
            Admission::Wait { retry_after } => return self.code_pause(&live, retry_after).await,
        };
        let now = self.parts.clock.now();
        for record in self.parts.accounts.totp_secrets(person.user).await? {
            let Some(step) = totp::verify(&record.secret, code, now) else { continue };
            // A code seen over a shoulder is used up: the step only ever rises.
            if !self.parts.accounts.use_totp_step(record.id, step).await? {
                return self.code_again(&live, InputError::CodeUsed, &ticket).await;
            }
            self.parts.throttle.right(ticket).await?;
            let proof = Proof { method: Method::Totp, at: now, authenticator: Some(record.id.to_string()) };
            let stage = transition(live.sign_in.stage.clone(), Event::Proved(proof))?;
            return self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await;
        }
        self.code_again(&live, InputError::WrongCode, &ticket).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn sign_out(&self, client: &Client) -> Result<(), SignInError> {
        let Some(token) = &client.session else { return Ok(()) };
        let visitor = self.visitor(client).await?;
        self.parts.sessions.end(token).await?;
        if let Some(visitor) = visitor {
            self.log(EventKind::SignedOut, &visitor.user, None, None).await?;
        }
        Ok(())
    }

    /// Writes an event to the journal.
    pub(super) async fn log(
        &self,
        event: EventKind,
        user: &User,
        sign_in: Option<SignInId>,
        method: Option<Method>,
    ) -> Result<(), SignInError> {
        let at = self.parts.clock.now();
        let record = EventRecord { event, at, user: user.username.clone(), sign_in, method };
        Ok(self.parts.journal.append(record).await?)
    }

    /// The session the client brings, if it still holds: the user exists, and nothing ended their sessions since.
    pub(super) async fn visitor(&self, client: &Client) -> Result<Option<Visitor>, SignInError> {
        let Some(token) = &client.session else { return Ok(None) };
        let Some(session) = self.parts.sessions.find(token).await? else { return Ok(None) };
        let Some(user) = self.parts.accounts.user(session.user).await? else { return Ok(None) };
        if !session.is_of(&user) {
            self.parts.sessions.end(token).await?;
            return Ok(None);
        }
        Ok(Some(Visitor { token: token.clone(), session, user }))
    }

    /// Asks the policies about a sign-in in stage `deciding`, stores what follows, and says what to show. `live` is the
    /// stored sign-in it came from: whoever replaces it first goes on.
    pub(super) async fn settle(
        &self,
        client: &Client,
        sign_in: SignIn,
        live: Option<Live>,
    ) -> Result<Reply, SignInError> {
        let Stage::Deciding { person } = &sign_in.stage else { return Err(SignInError::StartAgain) };
        let snapshot = self.snapshot();
        let (decided, device) = self.decide_and_record_device(&snapshot, client, &sign_in, person).await?;
        if sign_in.target.request.as_ref().is_some_and(|request| request.is_passive()) && !decided.is_final() {
            return self.no_passive(&snapshot, &sign_in.target).await;
        }
        let event = self.event_of(&decided, person)?;
        let stage = transition(sign_in.stage.clone(), event)?;
        // The browser's token changes when somebody becomes known here, and when a session begins.
        let is_new = live.is_none() && !person.shown.is_empty();
        let browser = if is_new { BrowserToken::new(&*self.parts.entropy)? } else { client.browser.clone() };
        let is_over = matches!(stage, Stage::Allowed { .. } | Stage::Denied { .. });
        let live = match live {
            Some(live) => Some(self.parts.sign_ins.advance(live, stage.clone(), &browser).await?),
            None if is_over => None,
            None => {
                Some(self.parts.sign_ins.create(SignIn { stage: stage.clone(), ..sign_in.clone() }, &browser).await?)
            }
        };
        let mut reply = match stage {
            Stage::Allowed { person } => {
                let mut reply = self.finish(&snapshot, client, &sign_in, &person, decided).await?;
                reply.cookies.device = device.map(|token| token.expose().to_string());
                reply
            }
            Stage::Denied { reason } => self.blocked(&snapshot, &sign_in.target, reason, decided).await?,
            _ => Reply::of(View::Continue { id: sign_in.id }),
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
        let signals = self.parts.signals.observe(&Observation::of_visitor(client.ip));
        let verdict = snapshot.bundle.visit(app, &signals);
        if verdict.allowed {
            return Ok(None);
        }
        self.visit_denied(&snapshot, client, target, verdict).await.map(Some)
    }

    fn identify(
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

    pub(super) fn password_page(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        error: Option<InputError>,
    ) -> Result<Reply, SignInError> {
        let Stage::Password { typed, .. } = &sign_in.stage else { return Err(SignInError::StartAgain) };
        let handle = self.parts.sign_ins.seal(sign_in, &client.browser)?;
        Ok(Reply {
            view: View::Password { handle, username: typed.clone(), error, retry_after: None },
            cookies: CookieChanges::default(),
            app_name: snapshot.display_name(&sign_in.target.app),
            language: None,
        })
    }

    /// The page that a stored sign-in's stage calls for.
    pub(super) async fn stage_page(&self, live: &Live, error: Option<InputError>) -> Result<Reply, SignInError> {
        let handle = live.handle();
        let view = match &live.sign_in.stage {
            Stage::Challenge { offers, chosen, policies, .. } => View::Challenge {
                handle,
                method: *chosen,
                policies: policies.clone(),
                error,
                attempts_left: None,
                retry_after: None,
                other_ways: !offers.is_empty(),
            },
            Stage::AwaitingLink { person, mail, policies } => View::AwaitingLink {
                handle,
                masked_email: self.person(person).await?.email.masked(),
                mail: *mail,
                policies: policies.clone(),
            },
            Stage::Enrolling { person, sealed_secret } => View::Enrolling {
                handle,
                username: self.person(person).await?.username,
                secret: self.open_secret(person, sealed_secret)?,
                error,
            },
            Stage::SettingPassword { person } => {
                View::SettingPassword { handle, username: self.person(person).await?.username, error }
            }
            Stage::Enrolled => View::Enrolled { target: live.sign_in.target.app.clone() },
            Stage::Identify
            | Stage::Password { .. }
            | Stage::Deciding { .. }
            | Stage::Allowed { .. }
            | Stage::Denied { .. } => return Err(SignInError::StartAgain),
        };
        self.reply_for(live, view).await
    }

    fn password_pause(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        seconds: u32,
    ) -> Result<Reply, SignInError> {
        let mut reply = self.password_page(snapshot, client, sign_in, None)?;
        if let View::Password { retry_after, .. } = &mut reply.view {
            *retry_after = Some(seconds);
        }
        Ok(reply)
    }

    async fn code_pause(&self, live: &Live, seconds: u32) -> Result<Reply, SignInError> {
        let mut reply = self.stage_page(live, None).await?;
        if let View::Challenge { retry_after, .. } = &mut reply.view {
            *retry_after = Some(seconds);
        }
        Ok(reply)
    }

    async fn code_again(&self, live: &Live, error: InputError, ticket: &Ticket) -> Result<Reply, SignInError> {
        if let Some(seconds) = ticket.retry_after() {
            return self.code_pause(live, seconds).await;
        }
        let mut reply = self.stage_page(live, Some(error)).await?;
        if let View::Challenge { attempts_left, .. } = &mut reply.view {
            *attempts_left = Some(ticket.free_left());
        }
        Ok(reply)
    }

    async fn admit(&self, guarded: Guarded, name: &str, source: FailureSource) -> Result<Admission, SignInError> {
        let subject = self.parts.failures.subject(name);
        Ok(self.parts.throttle.admit(Attempt { guarded, subject, source }).await?)
    }

    /// Where an answer comes from: a device this user is known on, or just a network.
    async fn source(&self, client: &Client, user: Option<UserId>) -> Result<FailureSource, SignInError> {
        if let Some(user) = user
            && let Some(device) = self.parts.devices.known_to(user, client.device.as_ref()).await?
        {
            return Ok(FailureSource::KnownDevice(device));
        }
        Ok(FailureSource::Network(NetworkPrefix::of(client.ip)))
    }

    pub(super) async fn reply_for(&self, live: &Live, view: View) -> Result<Reply, SignInError> {
        let language = match live.sign_in.stage.person() {
            Some(person) => self.person(person).await?.language,
            None => None,
        };
        let app_name = self.snapshot().display_name(&live.sign_in.target.app);
        Ok(Reply { view, cookies: CookieChanges::default(), app_name, language })
    }

    /// The user behind a person, unless something ended this sign-in meanwhile.
    pub(super) async fn person(&self, person: &Person) -> Result<User, SignInError> {
        match self.parts.accounts.user(person.user).await? {
            Some(user) if user.session_epoch == person.epoch => Ok(user),
            _ => Err(SignInError::StartAgain),
        }
    }

    /// Stores a hash of today's cost in place of a weaker one. Failing to is no reason to refuse the sign-in.
    async fn upgrade_hash(&self, login: &crate::accounts::Login, password: &str) {
        let Some(old) = &login.password else { return };
        let upgraded = async {
            let new = self.parts.hashing.hash(Password::new(password.to_owned())).await?;
            self.parts.accounts.upgrade_password_hash(login.user.id, old, &new).await?;
            Ok::<_, SignInError>(())
        };
        if let Err(error) = upgraded.await {
            tracing::warn!(user.name = %login.user.username, %error, "a password hash keeps its old cost for now");
        }
    }
}
