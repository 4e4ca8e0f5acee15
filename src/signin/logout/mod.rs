//! Signing out, here and in the apps of the session. Our own session always ends first; then the browser is sent to each app
//! that takes logout messages, one after the other, and comes back here in between: to an app that does not send it back, a
//! person can return by hand and go on without it.

mod state;
#[cfg(test)]
mod tests;

use crate::audit::{EventKind, LogoutKind, LogoutRecord};
use crate::clock::Timestamp;
use crate::domain::{AppId, IssueRequest, SessionId, Username};
use crate::runtime::Snapshot;
use crate::saml::ServiceProvider;
use crate::saml::logout::{
    self, AnswerOrder, AppAnswer, LogoutMessage, Outcome, RequestOrder, SignedMessage, VerifiedLogoutRequest,
};
use crate::sessions::Participant;
use crate::state::{Key, Kind, Ttl, decode, encode};

use super::error::SignInError;
use super::flow::LIFETIME_SECONDS;
use super::handle::BrowserToken;
use super::service::{Client, Service, Visitor};
use super::visit::MOST_STRANGERS_PER_HOUR;
use state::{AppLogout, Initiator, Logout, Progress};

/// How long the id of an answered request is remembered: longer than any request is accepted.
const CONSUMED_TTL: Ttl = Ttl::seconds(60 * 60);

/// How one app of the session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppState {
    /// Its turn will come.
    Waiting,
    /// The browser was sent there, and no answer came yet.
    Asked,
    /// The person is signed out there.
    SignedOut,
    /// It says that it could not sign the person out.
    Failed,
    /// It answered, but without a signature.
    Unconfirmed,
    /// It did not answer.
    Unreached,
    /// It takes no logout messages, and stays signed in until this instant; `None`: for as long as it likes.
    Stays(Option<Timestamp>),
}

/// One app on the page of a sign-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppLine {
    /// What people call it.
    pub name: String,
    /// How it is doing.
    pub state: AppState,
}

/// What the page of a sign-out leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStop {
    /// This app is told next.
    Ask(String),
    /// This app was told and has not answered.
    AskAgain(String),
    /// This app began it and is answered.
    Answer(String),
    /// Nothing: it is over.
    Nowhere,
}

/// A sign-out underway, for its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutPage {
    /// The apps of the session.
    pub apps: Vec<AppLine>,
    /// What comes next.
    pub next: NextStop,
    /// The person's zone.
    pub time_zone: Option<String>,
}

/// What the button on the page of a sign-out asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutStep {
    /// On to the next stop.
    GoOn,
    /// Past the app whose turn it is.
    Skip,
}

/// Where a sign-out leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignOut {
    /// Nothing was open: the page that says so.
    Over,
    /// The page with the apps, in a browser that is to be known by this token from now on; `None`: by the one it has.
    Apps(Option<String>),
    /// To an app. Whether the session of this browser ended is told by `ended`.
    Send {
        /// With this message.
        message: Box<SignedMessage>,
        /// To what people call so.
        app_name: String,
        /// Whether a session of this browser ended just now.
        ended: bool,
    },
}

/// A stored sign-out, as read: the next step replaces exactly this.
struct Stored {
    logout: Logout,
    bytes: Vec<u8>,
}

impl Service {
    /// "Sign out": ends the session, then tells the apps that were opened in it.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn sign_out(&self, client: &Client) -> Result<SignOut, SignInError> {
        let Some(visitor) = self.leaving(client).await? else { return Ok(SignOut::Over) };
        let (logout, browser) = self.close(client, &visitor, None).await?;
        if logout.apps.is_empty() { Ok(SignOut::Over) } else { Ok(SignOut::Apps(Some(browser.expose().to_string()))) }
    }

    /// Who signs out: also of a session that is idle or got a new token this moment, for its apps still hold.
    async fn leaving(&self, client: &Client) -> Result<Option<Visitor>, SignInError> {
        let Some(token) = &client.session else { return Ok(None) };
        let Some(session) = self.parts.sessions.to_end(token).await? else { return Ok(None) };
        let user = self.parts.accounts.user(session.user).await?;
        Ok(user.map(|user| Visitor { token: token.clone(), session, user }))
    }

    /// Ends the session of `visitor`. What is to be done then is stored first, for a browser that gets a new token: with the
    /// old one go all sign-ins that were underway in it. Whatever fails before the end leaves the session to be tried again.
    async fn close(
        &self,
        client: &Client,
        visitor: &Visitor,
        initiator: Option<Initiator>,
    ) -> Result<(Logout, BrowserToken), SignInError> {
        let browser = BrowserToken::new(&*self.parts.entropy)?;
        let logout = self.after(visitor, initiator).await?;
        self.put_logout(&browser, &logout).await?;
        self.log(client, EventKind::SignedOut, &visitor.user, None, None).await?;
        // `false`: another tab was faster, and it is over all the same.
        self.parts.sessions.end(&visitor.token).await?;
        // Apps may have joined until then. Those stored are told even when this look fails.
        let logout = match self.look_again(&browser, visitor, &logout).await {
            Ok(newer) => newer.unwrap_or(logout),
            Err(error) => {
                tracing::error!(%error, "apps that were opened while somebody signed out may not be told");
                logout
            }
        };
        Ok((logout, browser))
    }

    /// The sign-out with the apps that joined since `logout` was stored, if any did.
    async fn look_again(
        &self,
        browser: &BrowserToken,
        visitor: &Visitor,
        logout: &Logout,
    ) -> Result<Option<Logout>, SignInError> {
        let newer = self.after(visitor, logout.initiator.clone()).await?;
        if newer.apps == logout.apps {
            return Ok(None);
        }
        self.put_logout(browser, &newer).await?;
        Ok(Some(newer))
    }

    /// Ends the session of the client, if it holds, and nothing else. Gives what it was.
    pub(super) async fn end_session(&self, client: &Client) -> Result<Option<Visitor>, SignInError> {
        let visitor = self.visitor(client).await?;
        if let Some(visitor) = &visitor {
            self.parts.sessions.end(&visitor.token).await?;
        }
        if let Some(visitor) = &visitor {
            self.log(client, EventKind::SignedOut, &visitor.user, None, None).await?;
        }
        Ok(visitor)
    }

    /// Seals a message of an app into an address of ours, where the browser's cookies are back.
    ///
    /// # Errors
    /// Sealing failed.
    pub fn seal_logout(&self, message: &LogoutMessage) -> Result<String, SignInError> {
        Ok(self.parts.sign_ins.seal_logout(message)?)
    }

    /// An app's message, at the address it was sealed into.
    ///
    /// # Errors
    /// It is not ours, has expired or was used; or see [`SignInError`].
    pub async fn logout_message(&self, client: &Client, sealed: &str) -> Result<SignOut, SignInError> {
        match self.parts.sign_ins.open_logout(sealed)? {
            LogoutMessage::Request(request) => self.logout_requested(client, &request).await,
            LogoutMessage::Answer(answer) => self.logout_answered(client, &answer).await,
        }
    }

    /// An app signs somebody out (SAML profiles §4.4.3.2). Only the session that the app was told of ends: its request names
    /// the person and the session as the app knows them.
    async fn logout_requested(&self, client: &Client, request: &VerifiedLogoutRequest) -> Result<SignOut, SignInError> {
        self.consume_logout(request).await?;
        let initiator = Initiator::of(request);
        let Some(visitor) = self.leaving(client).await? else {
            // The session is over, and its apps went untold; or it lives, and its cookie did not come along.
            return self.answer_at_once(client, &initiator, Outcome::Partly).await;
        };
        let participants = self.parts.participants.of(visitor.session.id).await?;
        let is_meant = |one: &Participant| one.app == *request.app() && request.means(&one.name_id, &one.session_index);
        if !participants.iter().any(is_meant) {
            tracing::warn!(app.id = %request.app(), "a logout request names somebody who is not signed in here");
            return self.answer_at_once(client, &initiator, Outcome::NobodyHere).await;
        }
        let (logout, browser) = self.close(client, &visitor, Some(initiator)).await?;
        tracing::info!(app.id = %request.app(), request.id = request.id(), request.sha256 = request.digest(), "an app signed somebody out");
        if logout.current().is_some() {
            return Ok(SignOut::Apps(Some(browser.expose().to_string())));
        }
        self.answer(client, &logout, true).await
    }

    /// An app answers a request of ours; the browser carries it and must be the one that is signing out.
    async fn logout_answered(&self, client: &Client, answer: &AppAnswer) -> Result<SignOut, SignInError> {
        let stored = self.logout_of(client).await?;
        let logout = stored.logout.clone().answered(answer).ok_or(SignInError::StartAgain)?;
        self.replace_logout(client, &stored, &logout).await?;
        Ok(SignOut::Apps(None))
    }

    /// Whether an app's answer is still waited for in this browser, or an app's turn is still to come.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_signing_out(&self, client: &Client) -> Result<bool, SignInError> {
        let key = key(&client.browser);
        let Some(bytes) = self.parts.store.get(&key).await? else { return Ok(false) };
        let logout: Logout = decode(&key, &bytes)?;
        Ok(logout.current().is_some())
    }

    /// The sign-out underway in this browser.
    ///
    /// # Errors
    /// There is none; or see [`SignInError`].
    pub async fn logout_page(&self, client: &Client) -> Result<LogoutPage, SignInError> {
        let Stored { logout, .. } = self.logout_of(client).await?;
        let snapshot = self.snapshot();
        let name = |app: &AppId| name_of(&snapshot, app);
        let next = match (logout.current(), &logout.initiator) {
            (Some(AppLogout { participant, progress: Progress::Asked(_) }), _) => {
                NextStop::AskAgain(name(&participant.app))
            }
            (Some(app), _) => NextStop::Ask(name(&app.participant.app)),
            (None, Some(initiator)) if endpoint(&snapshot, &initiator.app, self.now()).is_some() => {
                NextStop::Answer(name(&initiator.app))
            }
            (None, _) => NextStop::Nowhere,
        };
        let apps =
            logout.apps.iter().map(|app| AppLine { name: name(&app.participant.app), state: state_of(app) }).collect();
        Ok(LogoutPage { apps, next, time_zone: logout.time_zone })
    }

    /// The button of that page.
    ///
    /// # Errors
    /// There is no sign-out underway in this browser, or it went on in another tab; or see [`SignInError`].
    pub async fn logout_step(&self, client: &Client, step: LogoutStep) -> Result<SignOut, SignInError> {
        let stored = self.logout_of(client).await?;
        let Some(current) = stored.logout.current() else {
            let last = self.answer(client, &stored.logout, false).await?;
            // Of two presses of the last button, one loses.
            let is_first = self.parts.store.delete(&key(&client.browser)).await?;
            return if is_first { Ok(last) } else { Err(SignInError::StartAgain) };
        };
        if step == LogoutStep::Skip {
            self.replace_logout(client, &stored, &stored.logout.clone().skipped()).await?;
            return Ok(SignOut::Apps(None));
        }
        let snapshot = self.snapshot();
        let participant = &current.participant;
        let Some(provider) = reachable(&snapshot, participant, self.now()) else {
            // It was taken out of the config meanwhile, or its metadata ended.
            self.replace_logout(client, &stored, &stored.logout.clone().skipped()).await?;
            return Ok(SignOut::Apps(None));
        };
        let Some(endpoint) = provider.logout().cloned() else { return Err(SignInError::UnknownApp) };
        let order = RequestOrder {
            endpoint,
            name_id: participant.name_id.clone(),
            session_index: participant.session_index.clone(),
            encryption: provider.encryption().cloned(),
            algorithm: provider.signature_algorithm(),
        };
        let (idp, entropy, clock) = (snapshot.idp.clone(), self.parts.entropy.clone(), self.parts.clock.clone());
        let signing = self.parts.signing.run(move || logout::request(&order, &idp, clock.now(), &*entropy));
        let message = signing.await??;
        let app = participant.app.clone();
        self.record_logout(client, LogoutKind::Request, &app, Some(&stored.logout.user), &message).await?;
        // Whoever lost a race for the step does not get here, so each message leaves once.
        self.replace_logout(client, &stored, &stored.logout.clone().asked(message.id.clone())).await?;
        Ok(SignOut::Send { message: Box::new(message), app_name: name_of(&snapshot, &app), ended: false })
    }

    /// Writes down that an app is about to be told of a session, which must still hold.
    pub(super) async fn join(
        &self,
        visitor: Option<&Visitor>,
        session: SessionId,
        participant: &Participant,
    ) -> Result<(), SignInError> {
        let ends = match visitor {
            Some(visitor) => visitor.session.ends(),
            None => later(self.parts.clock.now(), crate::sessions::ABSOLUTE_SECONDS),
        };
        self.parts.participants.record(session, ends, participant).await?;
        // A sign-out in between has not seen this app, so it gets nothing.
        match visitor {
            Some(visitor) if self.parts.sessions.find(&visitor.token).await?.is_none() => Err(SignInError::StartAgain),
            _ => Ok(()),
        }
    }

    /// What is to be done when the session of `visitor` has ended.
    async fn after(&self, visitor: &Visitor, initiator: Option<Initiator>) -> Result<Logout, SignInError> {
        let participants = self.parts.participants.of(visitor.session.id).await?;
        let (snapshot, now) = (self.snapshot(), self.parts.clock.now());
        let is_reachable = |one: &Participant| reachable(&snapshot, one, now).is_some();
        Ok(Logout {
            user: visitor.user.username.clone(),
            time_zone: visitor.user.time_zone.clone(),
            started: now,
            apps: Logout::apps(participants, initiator.as_ref(), now, is_reachable),
            initiator,
        })
    }

    async fn put_logout(&self, browser: &BrowserToken, logout: &Logout) -> Result<(), SignInError> {
        let key = key(browser);
        Ok(self.parts.store.put(&key, &encode(&key, logout)?, self.time_left(logout)).await?)
    }

    async fn logout_of(&self, client: &Client) -> Result<Stored, SignInError> {
        let key = key(&client.browser);
        let bytes = self.parts.store.get(&key).await?.ok_or(SignInError::StartAgain)?;
        Ok(Stored { logout: decode(&key, &bytes)?, bytes })
    }

    /// Of two steps taken at once, one loses.
    async fn replace_logout(&self, client: &Client, stored: &Stored, new: &Logout) -> Result<(), SignInError> {
        let key = key(&client.browser);
        let bytes = encode(&key, new)?;
        let left = self.time_left(new);
        if self.parts.store.compare_and_swap(&key, &stored.bytes, &bytes, left).await? {
            Ok(())
        } else {
            Err(SignInError::StartAgain)
        }
    }

    fn time_left(&self, logout: &Logout) -> Ttl {
        let left = logout.started.as_second() + LIFETIME_SECONDS - self.parts.clock.now().as_second();
        Ttl::seconds(u32::try_from(left).unwrap_or(0))
    }

    /// Marks the request as answered: sent again, it signs nobody out who has signed in since.
    async fn consume_logout(&self, request: &VerifiedLogoutRequest) -> Result<(), SignInError> {
        let id = format!("logout/{}", request.id());
        let key = Key::new(Kind::ConsumedRequest, request.app().as_str(), &id);
        let first = self.parts.store.put_if_absent(&key, request.digest().as_bytes(), CONSUMED_TTL).await?;
        // Requests tell whole seconds.
        let forgotten = request.issue_instant().as_second() < self.parts.store.born().await?.as_second();
        if first && !forgotten { Ok(()) } else { Err(SignInError::AlreadyAnswered) }
    }

    /// Answers a request that ended nothing.
    async fn answer_at_once(
        &self,
        client: &Client,
        initiator: &Initiator,
        outcome: Outcome,
    ) -> Result<SignOut, SignInError> {
        self.send_answer(client, initiator, outcome, None, false).await
    }

    /// The end of a sign-out: the answer to the app that began it.
    async fn answer(&self, client: &Client, logout: &Logout, ended: bool) -> Result<SignOut, SignInError> {
        let Some(initiator) = &logout.initiator else { return Ok(SignOut::Over) };
        self.send_answer(client, initiator, logout.outcome(), Some(&logout.user), ended).await
    }

    async fn send_answer(
        &self,
        client: &Client,
        initiator: &Initiator,
        outcome: Outcome,
        user: Option<&Username>,
        ended: bool,
    ) -> Result<SignOut, SignInError> {
        let snapshot = self.snapshot();
        let Some(provider) = snapshot.service_provider(&initiator.app) else { return Ok(SignOut::Over) };
        let Some(endpoint) = endpoint(&snapshot, &initiator.app, self.now()).cloned() else { return Ok(SignOut::Over) };
        let order = AnswerOrder {
            endpoint,
            in_response_to: initiator.request.clone(),
            relay_state: initiator.relay_state.clone(),
            outcome,
            algorithm: provider.signature_algorithm(),
        };
        let (idp, entropy, clock) = (snapshot.idp.clone(), self.parts.entropy.clone(), self.parts.clock.clone());
        let signing = self.parts.signing.run(move || logout::answer(&order, &idp, clock.now(), &*entropy));
        let message = signing.await??;
        self.record_logout(client, LogoutKind::Response, &initiator.app, user, &message).await?;
        Ok(SignOut::Send { message: Box::new(message), app_name: name_of(&snapshot, &initiator.app), ended })
    }

    async fn record_logout(
        &self,
        client: &Client,
        kind: LogoutKind,
        app: &AppId,
        user: Option<&Username>,
        message: &SignedMessage,
    ) -> Result<(), SignInError> {
        let record = LogoutRecord {
            at: self.parts.clock.now(),
            message: kind,
            id: message.id.clone(),
            app: app.clone(),
            user: user.cloned(),
            status: message.status.map(str::to_owned),
            destination: message.destination.clone(),
            sha256: message.sha256.clone(),
            ip: client.ip,
        };
        // INVARIANT: on disk before it leaves, but for what strangers cause when there is no room for that.
        if record.user.is_some() {
            return Ok(self.parts.journal.append(record).await?);
        }
        if self.may_record_stranger("logouts", MOST_STRANGERS_PER_HOUR).await? {
            self.record_stranger(record).await
        } else {
            Ok(())
        }
    }
}

/// What an app is told by `request`, to be written down before it is.
pub(super) fn participant(provider: &ServiceProvider, request: &IssueRequest, now: Timestamp) -> Participant {
    Participant {
        app: request.app.clone(),
        entity_id: request.audience.clone(),
        name_id: request.name_id.clone(),
        session_index: request.session_index.clone(),
        until: provider.session_ends(request, now),
    }
}

/// The app of a participant, if it takes logout messages and still is who was told.
fn reachable<'a>(snapshot: &'a Snapshot, participant: &Participant, now: Timestamp) -> Option<&'a ServiceProvider> {
    let provider = snapshot.service_provider(&participant.app)?;
    (endpoint(snapshot, &participant.app, now).is_some() && provider.entity_id() == participant.entity_id)
        .then_some(provider)
}

/// Where an app takes logout messages, as long as what its metadata says is valid.
fn endpoint<'a>(snapshot: &'a Snapshot, app: &AppId, now: Timestamp) -> Option<&'a crate::domain::LogoutEndpoint> {
    let provider = snapshot.service_provider(app)?;
    if provider.is_valid_at(now) { provider.logout() } else { None }
}

/// What people call an app; its id when config no longer knows it.
fn name_of(snapshot: &Snapshot, app: &AppId) -> String {
    snapshot.display_name(app).unwrap_or_else(|| app.to_string())
}

fn state_of(app: &AppLogout) -> AppState {
    match app.progress {
        Progress::Waiting => AppState::Waiting,
        Progress::Asked(_) => AppState::Asked,
        Progress::SignedOut => AppState::SignedOut,
        Progress::Failed => AppState::Failed,
        Progress::Unconfirmed => AppState::Unconfirmed,
        Progress::Unreached => AppState::Unreached,
        Progress::Stays => AppState::Stays(app.participant.until),
    }
}

fn key(browser: &BrowserToken) -> Key {
    Key::new(Kind::Logout, &browser.hash(), "")
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
