//! The end of a sign-in: the response for the service provider, issued only on a permit, and then the session.

use tracing::Instrument as _;

use crate::audit::{AssertionRecord, AssertionStage, StatusRecord};
use crate::clock::Timestamp;
use crate::domain::{
    App, AppId, AuthnContextClass, Decision, DenyReason, PORTAL, Profile, ReferenceId, SessionId, Step, Username,
};
use crate::policy::Refused;
use crate::runtime::Snapshot;
use crate::saml::issuer::{issue, status_response};
use crate::saml::{IssueContext, SecondLevel, ServiceProvider, SignedResponse, StatusReply};
use crate::sessions::{Participant, SessionToken, end_of};
use crate::signals::NetworkPrefix;
use crate::state::{Key, Kind, Ttl};

use super::decide::{Decided, Facts};
use super::error::SignInError;
use super::flow::{Person, SignIn, Target};
use super::logout::participant;
use super::reply::{CookieChanges, Reply, View};
use super::service::{Client, Service, Visitor};
use super::visit::MOST_STRANGERS_PER_HOUR;

/// How many refusals are signed per minute for one network before anybody is known there.
const MOST_STATUSES_PER_MINUTE: u64 = 60;

/// How long the id of an answered request is remembered: longer than any request is accepted.
const CONSUMED_TTL: Ttl = Ttl::seconds(60 * 60);

/// What the key of persistent and transient NameIDs is derived for.
pub(super) const NAME_ID_KEY: &str = "persistent-name-id";

impl Service {
    /// Has the response signed, then begins the session or goes on with it, and leads on to the portal or the app. The session
    /// changes last: whatever fails before leaves the browser as it was.
    pub(super) async fn finish(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        person: &Person,
        decided: Decided,
    ) -> Result<Reply, SignInError> {
        let target = &sign_in.target;
        let app = snapshot.app(&target.app).ok_or(SignInError::UnknownApp)?;
        // A session that ended since the decision takes its proofs along: no other one begins on them.
        let visitor = self.session_of(client, person).await?;
        // Only the leave to open an app begins a session.
        if visitor.is_none() && decided.subject.step != Step::SignIn {
            return Err(SignInError::StartAgain);
        }
        let session = match &visitor {
            Some(visitor) => Span { id: visitor.session.id, ends: visitor.session.ends() },
            None => {
                let now = self.parts.clock.now();
                Span { id: SessionId::new(now, &*self.parts.entropy)?, ends: end_of(now) }
            }
        };
        let answer = if app.id.as_str() == PORTAL {
            None
        } else {
            match self.respond(snapshot, client, target, app, session, &decided).await? {
                Ok(answer) => {
                    if let Some(participant) = &answer.participant {
                        self.join(visitor.as_ref(), session.id, participant).await?;
                    }
                    Some(answer)
                }
                Err(refused) => {
                    let reference = self.record_refusal(snapshot, &decided, &refused).await?;
                    let decided = Decided { reference, ..decided };
                    return self.blocked(snapshot, client, target, refused.reason, decided).await;
                }
            }
        };
        self.remember_device(snapshot, client, sign_in, app, &decided).await?;
        let token = self.keep_session(client, visitor, session.id, person, &decided).await?;
        let view = match answer {
            None if decided.subject.step == Step::RemoveDevice => View::AccountDevices,
            None => View::Portal,
            Some(Answer { response, record, .. }) => {
                if let Some(record) = record {
                    let released = AssertionRecord { stage: AssertionStage::Released, ..record };
                    self.parts.journal.append(released).await?;
                }
                View::Respond(Box::new(response))
            }
        };
        let session = token.map(|token| token.expose().to_string());
        Ok(Reply {
            view,
            cookies: CookieChanges {
                session,
                device: decided.device.map(|(token, _)| token.expose().to_string()),
                ..CookieChanges::default()
            },
            app_name: snapshot.display_name(&target.app),
            language: decided.facts.user.language,
        })
    }

    /// The new token of the session, where something was shown in this sign-in.
    async fn keep_session(
        &self,
        client: &Client,
        visitor: Option<Visitor>,
        id: SessionId,
        person: &Person,
        decided: &Decided,
    ) -> Result<Option<SessionToken>, SignInError> {
        match visitor {
            Some(_) if person.shown.is_empty() => Ok(None),
            Some(visitor) => {
                let kept = self.parts.sessions.add_proofs(&visitor.token, person.shown.clone()).await?;
                // It ended in this very moment, by another tab.
                let (token, _) = kept.ok_or(SignInError::StartAgain)?;
                Ok(Some(token))
            }
            None => {
                // A session of somebody else, or of before a change, ends when another begins in its browser.
                self.end_session(client).await?;
                let (user, proofs) = (&decided.facts.user, person.proofs().cloned().collect());
                let device = decided.device.as_ref().map(|(_, device)| device.id);
                let (token, _) = self.parts.sessions.create(id, user, proofs, device).await?;
                Ok(Some(token))
            }
        }
    }

    /// The response for the service provider; or the refusal, if the policies refuse when asked once more for the permit.
    async fn respond(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        target: &Target,
        app: &App,
        session: Span,
        decided: &Decided,
    ) -> Result<Result<Answer, Refused>, SignInError> {
        let facts = &decided.facts;
        let provider = snapshot.service_provider(&app.id).ok_or(SignInError::NotLaunchable)?;
        // What its metadata said may have ended since the person opened it.
        let ended = !provider.is_valid_at(self.now());
        if ended || (target.request.is_none() && !provider.idp_initiated()) {
            return Err(SignInError::NotLaunchable);
        }
        let Some(context_class) = stated_context(target, facts) else {
            let response = self.answer_status(snapshot, client, target, SecondLevel::NoAuthnContext, decided).await?;
            return Ok(Ok(Answer::status(response)));
        };
        let context = self.issue_context(target, provider, session, facts, context_class)?;
        if let Some(subject) = target.request.as_ref().and_then(|request| request.subject())
            && !provider.is_subject(&facts.user, subject, &context.persistent_id_key)
        {
            let response = self.answer_status(snapshot, client, target, SecondLevel::UnknownPrincipal, decided).await?;
            return Ok(Ok(Answer::status(response)));
        }
        let request = provider.issue_request(&facts.user, &context.as_ref())?;
        let participant = participant(provider, &request, facts.signals.now);
        // Before the request is used up and anything is signed: it can be tried again after a sign-out.
        self.parts.participants.check_room(session.id, &participant).await?;
        // The permit is as old as the facts it rests on, and redeemed when the signing pool comes to it.
        let permit = match snapshot.bundle.permit_issue(&facts.question(app), request, session.id, facts.signals.now) {
            Ok(permit) => permit,
            Err(refused) => return Ok(Err(refused)),
        };
        let (idp, entropy, clock) = (snapshot.idp.clone(), self.parts.entropy.clone(), self.parts.clock.clone());
        let signing = self.parts.signing.run(move || issue(permit, &idp, clock.now(), &*entropy));
        let response = signing.instrument(tracing::info_span!("sign", app.id = %app.id)).await??;
        // Whoever was shut out or changed a factor while this was signed gets nothing.
        let still = self.parts.accounts.user(facts.user.id).await?;
        if !still.is_some_and(|user| user.session_epoch == facts.user.session_epoch && user.status == facts.user.status)
        {
            return Err(SignInError::StartAgain);
        }
        self.consume(target).await?;
        let record = AssertionRecord {
            stage: AssertionStage::Intended,
            at: self.parts.clock.now(),
            assertion: response.assertion_id.clone().unwrap_or_default(),
            app: app.id.clone(),
            user: facts.user.username.clone(),
            policy_digest: snapshot.bundle.digest().to_owned(),
            decision: decided.reference.clone(),
            sha256: response.sha256.clone(),
            roles: response.roles.clone(),
            acs: response.acs.clone(),
        };
        // INVARIANT: on disk before it leaves.
        self.parts.journal.append(record.clone()).await?;
        self.parts.metrics.asserted(&app.id);
        Ok(Ok(Answer { response, record: Some(record), participant: Some(participant) }))
    }

    fn issue_context(
        &self,
        target: &Target,
        provider: &ServiceProvider,
        session: Span,
        facts: &Facts,
        authn_context: AuthnContextClass,
    ) -> Result<OwnedContext, SignInError> {
        let request = target.request.as_ref();
        let relay_state = match request {
            // INVARIANT: `saml::request::verify` applied the app's rules to it.
            Some(request) => request.relay_state(),
            None => {
                provider.relay_state_for_launch(target.relay_state.as_deref()).map_err(|_| SignInError::UnknownApp)?
            }
        };
        let index = self.parts.envelope.mac("session-index", format!("{}/{}", session.id, target.app).as_bytes());
        let persistent_id_key = self.parts.envelope.derive_key(NAME_ID_KEY)?;
        Ok(OwnedContext {
            acs: request.map(|request| request.acs().to_owned()),
            in_response_to: request.map(|request| request.id().to_owned()),
            relay_state: relay_state.cloned(),
            session_index: format!("_{}", data_encoding::HEXLOWER.encode(index.get(..16).unwrap_or(&index))),
            authn_instant: facts.newest,
            authn_context,
            session_ends: session.ends,
            role: target.role.clone(),
            name_id_format: request.and_then(|request| request.name_id_format()),
            persistent_id_key,
        })
    }

    /// Marks the request as answered. Of two answers to one request only the first leaves. A store that was born after the
    /// request was sent may have forgotten an answer.
    async fn consume(&self, target: &Target) -> Result<(), SignInError> {
        let Some(request) = &target.request else { return Ok(()) };
        let key = Key::new(Kind::ConsumedRequest, target.app.as_str(), request.id());
        let first = self.parts.store.put_if_absent(&key, request.digest().as_bytes(), CONSUMED_TTL).await?;
        // Requests tell whole seconds.
        let forgotten = request.issue_instant().as_second() < self.parts.store.born().await?.as_second();
        if first && !forgotten { Ok(()) } else { Err(SignInError::AlreadyAnswered) }
    }

    /// Answers a request that allows no page, from a browser without a session (SAML core §3.4.1, IsPassive). Strangers can
    /// send these, so nothing is stored, and a network gets only so many signatures.
    pub(super) async fn no_passive_for_stranger(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        target: &Target,
    ) -> Result<Reply, SignInError> {
        let request = target.request.as_ref().ok_or(SignInError::StartAgain)?;
        let response =
            self.refuse_request(snapshot, client, &target.app, request.refused(SecondLevel::NoPassive)).await?;
        let mut reply = Reply::of(View::Respond(Box::new(response)));
        reply.app_name = snapshot.display_name(&target.app);
        Ok(reply)
    }

    /// Answers a request that allows no page, when the policies do not simply allow it.
    pub(super) async fn refuse_passive(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        target: &Target,
        decided: &Decided,
    ) -> Result<Reply, SignInError> {
        let status = match &decided.decision {
            Decision::Deny(reason) => status_of(reason),
            _ => SecondLevel::NoPassive,
        };
        let response = self.answer_status(snapshot, client, target, status, decided).await?;
        let mut reply = Reply::of(View::Respond(Box::new(response)));
        reply.app_name = snapshot.display_name(&target.app);
        Ok(reply)
    }

    /// Signs a refusal for a request that anybody may have sent: so many per network and minute, and no more.
    ///
    /// # Errors
    /// There were too many; or the key, the signing pool or the journal failed.
    pub async fn refuse_request(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        app: &AppId,
        reply: StatusReply,
    ) -> Result<SignedResponse, SignInError> {
        let network = NetworkPrefix::of(client.ip).to_string();
        let key = Key::new(Kind::Failures, "strangers", &format!("status-{network}"));
        if self.parts.store.increment(&key, Ttl::seconds(60)).await? > MOST_STATUSES_PER_MINUTE {
            return Err(SignInError::TooMany(60));
        }
        self.sign_status(snapshot, client, app, reply, None).await
    }

    /// Answers the request with a refusal at once.
    async fn answer_status(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        target: &Target,
        status: SecondLevel,
        decided: &Decided,
    ) -> Result<SignedResponse, SignInError> {
        let request = target.request.as_ref().ok_or(SignInError::StartAgain)?;
        self.consume(target).await?;
        self.sign_status(snapshot, client, &target.app, request.refused(status), Some(About::of(decided))).await
    }

    /// The refusal that the block page can hand back to the service provider.
    pub(super) async fn request_denied(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        target: &Target,
        reason: &DenyReason,
        decided: &Decided,
    ) -> Result<Option<SignedResponse>, SignInError> {
        let Some(request) = &target.request else { return Ok(None) };
        let reply = request.refused(status_of(reason));
        self.sign_status(snapshot, client, &target.app, reply, Some(About::of(decided))).await.map(Some)
    }

    /// Signs a refusal, and writes that down before anybody gets it. Of those that strangers cause a capped number is kept,
    /// and the log has the others.
    async fn sign_status(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        app: &AppId,
        reply: StatusReply,
        about: Option<About>,
    ) -> Result<SignedResponse, SignInError> {
        let (idp, entropy, now) = (snapshot.idp.clone(), self.parts.entropy.clone(), self.parts.clock.now());
        let status = reply.status.uri();
        let response = self.parts.signing.run(move || status_response(&reply, &idp, now, &*entropy)).await??;
        let keep = about.is_some() || self.may_record_stranger("statuses", MOST_STRANGERS_PER_HOUR).await?;
        let (user, decision) = about.map(|about| (about.user, about.decision)).unzip();
        tracing::info!(
            app.id = %app,
            client.ip = %client.ip,
            response.id = %response.id,
            response.status = status,
            response.sha256 = %response.sha256,
            "a refusal was signed"
        );
        if keep {
            let record = StatusRecord {
                at: now,
                response: response.id.clone(),
                app: app.clone(),
                user,
                decision,
                status: status.to_owned(),
                acs: response.acs.clone(),
                sha256: response.sha256.clone(),
                ip: client.ip,
            };
            // INVARIANT: on disk before it leaves, but for what strangers cause when there is no room for that.
            if record.user.is_some() {
                self.parts.journal.append(record).await?;
            } else {
                self.record_stranger(record).await?;
            }
        }
        Ok(response)
    }
}

/// The session that an assertion belongs to; it may not have begun yet.
#[derive(Debug, Clone, Copy)]
struct Span {
    id: SessionId,
    /// At the latest.
    ends: Timestamp,
}

/// Whom a refusal is about, and what it rests on.
struct About {
    user: Username,
    decision: ReferenceId,
}

impl About {
    fn of(decided: &Decided) -> Self {
        Self { user: decided.facts.user.username.clone(), decision: decided.reference.clone() }
    }
}

/// What goes back to a service provider, the record of the assertion in it, to be written again when it leaves, and whom it
/// tells of the session.
struct Answer {
    response: SignedResponse,
    record: Option<AssertionRecord>,
    participant: Option<Participant>,
}

impl Answer {
    fn status(response: SignedResponse) -> Self {
        Self { response, record: None, participant: None }
    }
}

/// What an [`IssueContext`] borrows from.
struct OwnedContext {
    acs: Option<String>,
    in_response_to: Option<String>,
    relay_state: Option<crate::domain::RelayState>,
    session_index: String,
    authn_instant: Timestamp,
    authn_context: AuthnContextClass,
    session_ends: Timestamp,
    role: Option<crate::domain::RoleName>,
    name_id_format: Option<crate::domain::NameIdFormat>,
    persistent_id_key: zeroize::Zeroizing<[u8; 32]>,
}

impl OwnedContext {
    fn as_ref(&self) -> IssueContext<'_> {
        IssueContext {
            acs: self.acs.as_deref(),
            in_response_to: self.in_response_to.as_deref(),
            relay_state: self.relay_state.as_ref(),
            session_index: &self.session_index,
            authn_instant: self.authn_instant,
            authn_context: self.authn_context,
            session_not_on_or_after: Some(self.session_ends),
            role: self.role.as_ref(),
            name_id_format: self.name_id_format,
            persistent_id_key: &self.persistent_id_key,
        }
    }
}

/// What a refusal is called to the service provider.
fn status_of(reason: &DenyReason) -> SecondLevel {
    match reason {
        DenyReason::CannotShow => SecondLevel::NoAuthnContext,
        DenyReason::Forbidden { .. }
        | DenyReason::NoPermit
        | DenyReason::NoRole
        | DenyReason::EvaluationError { .. } => SecondLevel::RequestDenied,
    }
}

/// What to state of what was shown; `None`: the request asks for more. Never from a trusted device.
fn stated_context(target: &Target, facts: &Facts) -> Option<AuthnContextClass> {
    match &target.request {
        Some(request) => request.context_to_state(facts.proofs, Profile::default()),
        None => Some(AuthnContextClass::of(facts.proofs, Profile::default())),
    }
}
