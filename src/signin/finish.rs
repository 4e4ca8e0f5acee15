//! The end of a sign-in: the session, and the response for the service provider. The issuer runs last, and only on a permit.

use crate::audit::{AssertionRecord, AssertionStage};
use crate::clock::Timestamp;
use crate::domain::{App, AuthnContextClass, DenyReason, Method, PORTAL};
use crate::runtime::Snapshot;
use crate::saml::issuer::{issue, status_response};
use crate::saml::{IssueContext, SecondLevel, ServiceProvider, SignedResponse, StatusReply};
use crate::sessions::{Session, SessionToken};
use crate::state::{Key, Kind, Ttl};

use super::decide::{Decided, Facts};
use super::error::SignInError;
use super::flow::{Person, SignIn, Target};
use super::reply::{CookieChanges, Reply, View};
use super::service::{Client, Service};

/// How long the id of an answered request is remembered: longer than any request is accepted.
const CONSUMED_TTL: Ttl = Ttl::seconds(60 * 60);

impl Service {
    /// Begins or goes on with the session, remembers the device, and leads on to the portal or the app.
    pub(super) async fn finish(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        person: &Person,
        decided: Decided,
    ) -> Result<Reply, SignInError> {
        let (token, session) = self.session_for(client, person, &decided.facts).await?;
        let target = &sign_in.target;
        let app = snapshot.app(&target.app).ok_or(SignInError::UnknownApp)?;
        let view = if app.id.as_str() == PORTAL {
            View::Portal
        } else {
            match self.respond(snapshot, target, app, &session, &decided).await? {
                Ok(response) => View::Respond(Box::new(response)),
                Err(reason) => return self.blocked(snapshot, target, reason, decided).await,
            }
        };
        let cookies =
            CookieChanges { browser: None, session: token.map(|token| token.expose().to_string()), device: None };
        Ok(Reply { view, cookies, app_name: snapshot.display_name(&target.app), language: decided.facts.user.language })
    }

    /// The session to go on with, and its new token where something was shown in this sign-in.
    async fn session_for(
        &self,
        client: &Client,
        person: &Person,
        facts: &Facts,
    ) -> Result<(Option<SessionToken>, Session), SignInError> {
        let visitor = self.visitor(client).await?.filter(|visitor| visitor.user.id == person.user);
        match visitor {
            Some(visitor) if person.shown.is_empty() => Ok((None, visitor.session)),
            Some(visitor) => {
                if let Some((token, session)) =
                    self.parts.sessions.add_proofs(&visitor.token, person.shown.clone()).await?
                {
                    return Ok((Some(token), session));
                }
                self.new_session(person, facts).await
            }
            None => {
                // A session of somebody else, or of before a change, ends when another begins in its browser.
                self.sign_out(client).await?;
                self.new_session(person, facts).await
            }
        }
    }

    async fn new_session(
        &self,
        person: &Person,
        facts: &Facts,
    ) -> Result<(Option<SessionToken>, Session), SignInError> {
        let (token, session) = self.parts.sessions.create(&facts.user, person.proofs().cloned().collect()).await?;
        Ok((Some(token), session))
    }

    /// The response for the service provider; or the reason, if the policies refuse when asked once more for the permit.
    async fn respond(
        &self,
        snapshot: &Snapshot,
        target: &Target,
        app: &App,
        session: &Session,
        decided: &Decided,
    ) -> Result<Result<SignedResponse, DenyReason>, SignInError> {
        let facts = &decided.facts;
        let provider = snapshot.service_provider(&app.id).ok_or(SignInError::NotLaunchable)?;
        let reached = authn_context(facts);
        let Some(context_class) = stated_context(target, reached) else {
            return self.answer_status(snapshot, target, SecondLevel::NoAuthnContext).await.map(Ok);
        };
        let context = self.issue_context(target, provider, session, facts, context_class)?;
        if let Some(subject) = target.request.as_ref().and_then(|request| request.subject())
            && !provider.is_subject(&facts.user, subject, &context.persistent_id_key)
        {
            return self.answer_status(snapshot, target, SecondLevel::UnknownPrincipal).await.map(Ok);
        }
        let request = provider.issue_request(&facts.user, &context.as_ref())?;
        let now = self.parts.clock.now();
        let permit = match snapshot.bundle.permit_issue(&facts.question(app), request, session.id, now) {
            Ok(permit) => permit,
            Err(refused) => return Ok(Err(refused.reason)),
        };
        self.consume(target).await?;
        let (idp, entropy) = (snapshot.idp.clone(), self.parts.entropy.clone());
        let response = self.parts.signing.run(move || issue(permit, &idp, now, &*entropy)).await??;
        let record = AssertionRecord {
            stage: AssertionStage::Intended,
            at: now,
            assertion: response.assertion_id.clone().unwrap_or_default(),
            app: app.id.clone(),
            user: facts.user.username.clone(),
            policy_digest: snapshot.bundle.digest().to_owned(),
            decision: decided.reference.clone(),
            sha256: response.sha256.clone(),
        };
        // INVARIANT: on disk before it leaves.
        self.parts.journal.append(record.clone()).await?;
        self.parts.journal.append(AssertionRecord { stage: AssertionStage::Released, ..record }).await?;
        Ok(Ok(response))
    }

    fn issue_context(
        &self,
        target: &Target,
        provider: &ServiceProvider,
        session: &Session,
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
        let persistent_id_key =
            self.parts.envelope.derive_key("persistent-name-id").map_err(|_| SignInError::StartAgain)?;
        Ok(OwnedContext {
            acs: request.map(|request| request.acs().to_owned()),
            in_response_to: request.map(|request| request.id().to_owned()),
            relay_state: relay_state.cloned(),
            session_index: format!("_{}", data_encoding::HEXLOWER.encode(index.get(..16).unwrap_or(&index))),
            authn_instant: facts.newest,
            authn_context,
            role: target.role.clone(),
            name_id_format: request.and_then(|request| request.name_id_format()),
            persistent_id_key,
        })
    }

    /// Marks the request as answered. Of two answers to one request only the first leaves.
    async fn consume(&self, target: &Target) -> Result<(), SignInError> {
        let Some(request) = &target.request else { return Ok(()) };
        let key = Key::new(Kind::ConsumedRequest, target.app.as_str(), request.id());
        let first = self.parts.store.put_if_absent(&key, request.digest().as_bytes(), CONSUMED_TTL).await?;
        if first { Ok(()) } else { Err(SignInError::AlreadyAnswered) }
    }

    /// Tells a service provider that asked for no page that one would be needed (SAML core §3.4.1, IsPassive).
    pub(super) async fn no_passive(&self, snapshot: &Snapshot, target: &Target) -> Result<Reply, SignInError> {
        let response = self.answer_status(snapshot, target, SecondLevel::NoPassive).await?;
        let mut reply = Reply::of(View::Respond(Box::new(response)));
        reply.app_name = snapshot.display_name(&target.app);
        Ok(reply)
    }

    /// Answers the request with a refusal at once.
    async fn answer_status(
        &self,
        snapshot: &Snapshot,
        target: &Target,
        status: SecondLevel,
    ) -> Result<SignedResponse, SignInError> {
        let request = target.request.as_ref().ok_or(SignInError::StartAgain)?;
        self.consume(target).await?;
        self.sign_status(snapshot, request.refused(status)).await
    }

    /// The refusal that the block page can hand back to the service provider.
    pub(super) async fn request_denied(
        &self,
        snapshot: &Snapshot,
        target: &Target,
    ) -> Result<Option<SignedResponse>, SignInError> {
        match &target.request {
            Some(request) => self.sign_status(snapshot, request.refused(SecondLevel::RequestDenied)).await.map(Some),
            None => Ok(None),
        }
    }

    /// A signed refusal.
    ///
    /// # Errors
    /// The key or the signing pool failed.
    pub async fn sign_status(&self, snapshot: &Snapshot, reply: StatusReply) -> Result<SignedResponse, SignInError> {
        let (idp, entropy, now) = (snapshot.idp.clone(), self.parts.entropy.clone(), self.parts.clock.now());
        Ok(self.parts.signing.run(move || status_response(&reply, &idp, now, &*entropy)).await??)
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
            session_not_on_or_after: None,
            role: self.role.as_ref(),
            name_id_format: self.name_id_format,
            persistent_id_key: &self.persistent_id_key,
        }
    }
}

/// What to state of the class that was reached; `None`: the request asks for more.
fn stated_context(target: &Target, reached: AuthnContextClass) -> Option<AuthnContextClass> {
    match &target.request {
        Some(request) => request.context_to_state(reached),
        None => Some(reached),
    }
}

/// Derived from proofs shown, never from a trusted device.
fn authn_context(facts: &Facts) -> AuthnContextClass {
    if facts.proofs.contains(Method::Totp) {
        AuthnContextClass::TimeSyncToken
    } else if facts.proofs.contains(Method::Password) {
        AuthnContextClass::PasswordProtectedTransport
    } else {
        AuthnContextClass::Unspecified
    }
}
