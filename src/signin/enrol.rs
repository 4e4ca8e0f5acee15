//! Adding a method within a sign-in: the link to the verified address, the authenticator app, and a first password.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::accounts::{Link, LinkPurpose, LinkToken, OutboxMail, PasswordContext, PasswordRules};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::domain::{Method, MethodSet, Proof, SignInId, User, UserId, UserStatus};
use crate::methods::totp;
use crate::notify::{ActivationMail, activation_link};
use crate::runtime::Snapshot;
use crate::workers::Password;

use super::error::SignInError;
use super::flow::{Aim, Person, Registration, SignIn, Stage, Target};
use super::reply::{InputError, Reply, View};
use super::service::{Client, Service};
use super::transition::{Event, transition};

/// How long a mailed link is good for: it was asked for just now.
const LINK_SECONDS: u32 = 60 * 60;

impl Service {
    /// "Send me a link": to the verified address, into the outbox.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn link_wanted(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        let Stage::AwaitingLink { person, .. } = &live.sign_in.stage else { return Err(SignInError::StartAgain) };
        let user = self.person(person).await?;
        let stage = transition(live.sign_in.stage.clone(), Event::LinkSent)?;
        // The step is taken before the mail is written, so a form sent twice sends one mail.
        let live = self.parts.sign_ins.advance(live, stage, &client.browser).await?;
        let snapshot = self.snapshot();
        let token = self.parts.accounts.new_link(user.id, LinkPurpose::Activation, LINK_SECONDS).await?;
        let url = snapshot.public_url.join(&format!("/link/{}", token.expose()));
        self.parts.accounts.enqueue(link_mail(&snapshot, &user, &url, self.parts.clock.now())?).await?;
        self.reply_for(&live, View::Continue { id: live.sign_in.id }).await
    }

    /// An opened link: a page with a button. A mail scanner that follows links changes nothing.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn link_opened(&self, token: &str) -> Result<Reply, SignInError> {
        let link = self.peek(token).await?;
        let user = self.parts.accounts.user(link.user).await?.ok_or(SignInError::BadLink)?;
        let mut reply = Reply::of(View::Link {
            token: token.to_owned(),
            masked_email: user.email.masked(),
            registration: registration(user.status),
        });
        reply.language = user.language;
        Ok(reply)
    }

    /// The button on it: the link is used up, and a sign-in begins that carries it as a proof.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn link_used(&self, client: &Client, token: &str) -> Result<Reply, SignInError> {
        let link = self.take(token).await?;
        let user = self.parts.accounts.user(link.user).await?.ok_or(SignInError::BadLink)?;
        let now = self.parts.clock.now();
        let snapshot = self.snapshot();
        let proof = Proof { method: Method::ActivationLink, at: now, authenticator: None };
        let sign_in = SignIn {
            id: SignInId::new(now, &*self.parts.entropy)?,
            target: Target::app(snapshot.portal().id.clone()),
            started: now,
            stage: Stage::Identify,
        };
        self.log(EventKind::LinkConfirmed, &user, Some(sign_in.id), Some(Method::ActivationLink)).await?;
        let typed = user.username.to_string();
        if user.status != UserStatus::Pending {
            let stage = Stage::Password { typed, carried: vec![proof] };
            let target = Target { aim: Aim::Enrol, ..sign_in.target };
            return self.password_page(&snapshot, client, &SignIn { stage, target, ..sign_in }, None);
        }
        let person = Person {
            user: user.id,
            typed,
            epoch: user.session_epoch,
            shown: vec![proof],
            earlier: Vec::new(),
            lost: MethodSet::EMPTY,
            registration: Registration::Underway,
        };
        let stage = transition(sign_in.stage.clone(), Event::Invited(person))?;
        let live = self.parts.sign_ins.create(SignIn { stage, ..sign_in }, &client.browser).await?;
        self.reply_for(&live, View::Continue { id: live.sign_in.id }).await
    }

    /// The first password of somebody who registers.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn password_chosen(&self, client: &Client, handle: &str, password: &str) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        let Stage::SettingPassword { person } = &live.sign_in.stage else { return Err(SignInError::StartAgain) };
        let user = self.person(person).await?;
        let snapshot = self.snapshot();
        let password = Password::new(password.to_owned());
        let context = PasswordContext {
            username: &user.username,
            email: &user.email,
            organisation: &snapshot.config.organisation.name,
        };
        if let Err(problem) = PasswordRules::default().check(&password, context) {
            return self.stage_page(&live, Some(InputError::NewPassword(problem))).await;
        }
        let hash = self.parts.hashing.hash(password).await?;
        self.parts.accounts.set_password(user.id, &hash).await?;
        self.log(EventKind::PasswordSet, &user, Some(live.sign_in.id), Some(Method::Password)).await?;
        let epoch = self.epoch(user.id).await?;
        let proof = Proof { method: Method::Password, at: self.parts.clock.now(), authenticator: None };
        let stage = transition(live.sign_in.stage.clone(), Event::PasswordSet { proof, epoch })?;
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }

    /// The first code from a new authenticator app: stores it, when the policies permit.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn new_code_typed(&self, client: &Client, handle: &str, code: &str) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.load(handle, &client.browser).await?;
        let Stage::Enrolling { person, sealed_secret } = &live.sign_in.stage else {
            return Err(SignInError::StartAgain);
        };
        let secret = self.open_secret(person, sealed_secret)?;
        let now = self.parts.clock.now();
        let Some(step) = totp::verify(&secret, code, now) else {
            let error = if code.trim().is_empty() { InputError::Empty } else { InputError::WrongCode };
            return self.stage_page(&live, Some(error)).await;
        };
        let snapshot = self.snapshot();
        let facts = self.gather(client, person, &live.sign_in.target).await?;
        let permit = snapshot.bundle.permit_enroll(&facts.question(snapshot.portal()), now);
        let Ok(permit) = permit else { return self.enrolment_refused(&snapshot, client, live).await };
        let user = permit.redeem(now).map_err(|_| SignInError::Expired)?;
        let authenticator = self.parts.accounts.add_totp(user, &secret, step, "").await?;
        if person.registration == Registration::Underway {
            self.parts.accounts.set_status(user, UserStatus::Active).await?;
        }
        let epoch = self.epoch(user).await?;
        self.log(EventKind::MethodAdded, &facts.user, Some(live.sign_in.id), Some(Method::Totp)).await?;
        let trial = Proof { method: Method::Totp, at: now, authenticator: Some(authenticator.to_string()) };
        let stage = transition(live.sign_in.stage.clone(), Event::Enrolled { trial, epoch })?;
        let sign_in = SignIn { stage: stage.clone(), ..live.sign_in.clone() };
        if matches!(stage, Stage::Deciding { .. }) {
            return self.settle(client, sign_in, Some(live)).await;
        }
        let live = self.parts.sign_ins.advance(live, stage, &client.browser).await?;
        self.reply_for(&live, View::Continue { id: live.sign_in.id }).await
    }

    /// The policies changed their mind since the page was shown: they are asked again where this leads now.
    async fn enrolment_refused(
        &self,
        _snapshot: &Snapshot,
        client: &Client,
        live: super::handle::Live,
    ) -> Result<Reply, SignInError> {
        let Stage::Enrolling { person, .. } = live.sign_in.stage.clone() else { return Err(SignInError::StartAgain) };
        self.settle(client, SignIn { stage: Stage::Deciding { person }, ..live.sign_in.clone() }, Some(live)).await
    }

    /// The user's `session_epoch` after a change this sign-in made itself.
    async fn epoch(&self, user: UserId) -> Result<i64, SignInError> {
        Ok(self.parts.accounts.user(user).await?.ok_or(SignInError::StartAgain)?.session_epoch)
    }

    async fn peek(&self, token: &str) -> Result<Link, SignInError> {
        let token = LinkToken::parse(token).ok_or(SignInError::BadLink)?;
        self.parts.accounts.peek_link(&token).await?.ok_or(SignInError::BadLink)
    }

    async fn take(&self, token: &str) -> Result<Link, SignInError> {
        let token = LinkToken::parse(token).ok_or(SignInError::BadLink)?;
        self.parts.accounts.take_link(&token).await?.ok_or(SignInError::BadLink)
    }
}

fn link_mail(snapshot: &Snapshot, user: &User, url: &str, now: Timestamp) -> Result<OutboxMail, SignInError> {
    let zone = user.time_zone.as_deref().and_then(|zone| TimeZone::get(zone).ok());
    let contents = ActivationMail {
        name: &user.display_name(),
        organisation: &snapshot.config.organisation.name,
        url,
        expires: now.saturating_add(SignedDuration::from_secs(i64::from(LINK_SECONDS))).unwrap_or(now),
        zone: zone.unwrap_or_else(|| snapshot.config.organisation.time_zone.zone().clone()),
        contact: snapshot.config.organisation.contact.as_deref(),
    };
    let mail = activation_link(user.language.unwrap_or_default(), &contents)?;
    Ok(OutboxMail {
        user: user.id,
        to: user.email.clone(),
        subject: mail.subject,
        text: mail.text,
        html: Some(mail.html),
    })
}

fn registration(status: UserStatus) -> Registration {
    if status == UserStatus::Pending { Registration::Underway } else { Registration::Complete }
}
