//! Adding a method within a sign-in: the link to the verified address, the authenticator app, and a first password.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::accounts::{LinkPurpose, LinkToken, OutboxMail, PasswordContext, PasswordRules, Urgency};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::domain::{Method, MethodSet, Proof, SignInId, User, UserStatus};
use crate::methods::totp;
use crate::notify::{ActivationMail, Mail, NoticeKind, NoticeMail, activation_link, notice};
use crate::policy::{Enroll, StepPermit};
use crate::runtime::Snapshot;
use crate::state::{Key, Kind, Ttl};
use crate::workers::Password;

use super::error::SignInError;
use super::flow::{Aim, Person, Registration, SignIn, Stage, Target};
use super::handle::{BrowserToken, Live};
use super::reply::{InputError, Reply, View};
use super::service::{Client, Delivery, Service};
use super::transition::{Event, transition};

/// How long a mailed link is good for: it was asked for just now.
const LINK_SECONDS: u32 = 60 * 60;
/// How many links one person is mailed per hour, however often they are asked for.
const MOST_LINKS_PER_HOUR: u64 = 3;

impl Service {
    /// "Send me a link": to the verified address, into the outbox.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn link_wanted(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let (Stage::AwaitingLink { person, .. }, Delivery::Outbox) = (&live.sign_in.stage, self.parts.delivery) else {
            return Err(SignInError::StartAgain);
        };
        let user = self.person(person).await?;
        let stage = transition(live.sign_in.stage.clone(), Event::LinkSent)?;
        // The step is taken before the mail is written, so a form sent twice sends one mail.
        let live = self.parts.sign_ins.advance(live, stage, &client.browser).await?;
        // Over the limit the page says the same: whoever floods a mailbox learns nothing from it.
        let key = Key::new(Kind::Failures, &user.id.to_string(), "links");
        if self.parts.store.increment(&key, Ttl::seconds(60 * 60)).await? <= MOST_LINKS_PER_HOUR {
            let snapshot = self.snapshot();
            let token = self.parts.accounts.new_link(user.id, LinkPurpose::Activation, LINK_SECONDS).await?;
            let url = snapshot.public_url.join(&format!("/link/{}", token.expose()));
            self.parts.accounts.enqueue(link_mail(&snapshot, &user, &url, self.parts.clock.now())?).await?;
            self.log(client, EventKind::LinkSent, &user, Some(live.sign_in.id), Some(Method::ActivationLink)).await?;
        }
        self.reply_for(&live, View::Continue { id: live.sign_in.id }).await
    }

    /// An opened link: a page with a button. A mail scanner that follows links changes nothing.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn link_opened(&self, client: &Client, token: &str) -> Result<Reply, SignInError> {
        if let Some(refusal) = self.refuse_visit(client, &self.portal_target()).await? {
            return Ok(refusal);
        }
        let (_, user) = self.peek(token).await?;
        let mut reply = Reply::of(View::Link {
            token: token.to_owned(),
            masked_email: user.email.masked(),
            registration: registration(user.status),
        });
        reply.language = user.language;
        Ok(reply)
    }

    /// The button on it: a sign-in begins. Who is registered gives the password first, and the link is used up with that; for
    /// who registers the link is all there is, and is used up now.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn link_used(&self, client: &Client, token: &str) -> Result<Reply, SignInError> {
        let target = self.portal_target();
        if let Some(refusal) = self.refuse_visit(client, &target).await? {
            return Ok(refusal);
        }
        let (parsed, user) = self.peek(token).await?;
        let now = self.parts.clock.now();
        let id = SignInId::new(now, &*self.parts.entropy)?;
        if user.status != UserStatus::Pending {
            let stage = Stage::Password { typed: user.username.to_string(), link: Some(token.to_owned()) };
            let target = Target { aim: Aim::Enrol, ..target };
            let sign_in = SignIn::new(id, target, now, stage);
            return self.password_page(&self.snapshot(), client, &sign_in, None);
        }
        let link = self.parts.accounts.take_link(&parsed).await?.ok_or(SignInError::BadLink)?;
        self.log(client, EventKind::LinkConfirmed, &user, Some(id), Some(link.purpose.method())).await?;
        let person = Person {
            user: user.id,
            epoch: user.session_epoch,
            shown: vec![Proof { method: link.purpose.method(), at: now, authenticator: None }],
            session: None,
            earlier: Vec::new(),
            lost: MethodSet::EMPTY,
            registration: Registration::Underway,
        };
        let stage = transition(Stage::Identify, Event::Invited(person))?;
        // Somebody became known, so the browser gets a new token.
        let browser = BrowserToken::new(&*self.parts.entropy)?;
        let sign_in = SignIn::new(id, target, now, stage);
        let live = self.parts.sign_ins.create(sign_in, &browser).await?;
        let mut reply = self.reply_for(&live, View::Continue { id }).await?;
        reply.cookies.browser = Some(browser.expose().to_string());
        Ok(reply)
    }

    /// The first password of somebody who registers.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn password_chosen(&self, client: &Client, handle: &str, password: &str) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let Stage::SettingPassword { person } = live.sign_in.stage.clone() else { return Err(SignInError::StartAgain) };
        let user = self.person(&person).await?;
        let snapshot = self.snapshot();
        let password = Password::new(password.to_owned());
        let context = PasswordContext {
            username: &user.username,
            email: &user.email,
            organisation: &snapshot.config.organisation.name,
        };
        if let Err(problem) = PasswordRules::default().check(&password, context) {
            return self.stage_page(client, &live, Some(InputError::NewPassword(problem))).await;
        }
        if self.may_enrol(&snapshot, client, &person, &live.sign_in.target).await?.is_none() {
            return self.reconsider(client, live).await;
        }
        let hash = self.parts.hashing.hash(password).await?;
        // Of two forms sent at once one sets the password, and it is the one that goes on.
        let live = self.parts.sign_ins.claim(live, &client.browser).await?;
        let epoch = self.parts.accounts.choose_password(user.id, person.epoch, &hash).await?;
        let epoch = epoch.ok_or(SignInError::StartAgain)?;
        self.log(client, EventKind::PasswordSet, &user, Some(live.sign_in.id), Some(Method::Password)).await?;
        self.tell(&user, NoticeKind::PasswordSet, client).await?;
        let proof = Proof { method: Method::Password, at: self.parts.clock.now(), authenticator: None };
        let stage = transition(live.sign_in.stage.clone(), Event::PasswordSet { proof, epoch })?;
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }

    /// The first code from a new authenticator app: stores it, when the policies permit.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn new_code_typed(&self, client: &Client, handle: &str, code: &str) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let Stage::Enrolling { person, sealed_secret } = live.sign_in.stage.clone() else {
            return Err(SignInError::StartAgain);
        };
        let secret = self.open_secret(&person, &sealed_secret)?;
        let now = self.parts.clock.now();
        let Some(step) = totp::verify(&secret, code, now) else {
            let error = if code.trim().is_empty() { InputError::Empty } else { InputError::WrongCode };
            return self.stage_page(client, &live, Some(error)).await;
        };
        let snapshot = self.snapshot();
        let Some((user, permit)) = self.may_enrol(&snapshot, client, &person, &live.sign_in.target).await? else {
            return self.reconsider(client, live).await;
        };
        // Of two forms sent at once one enrols.
        let live = self.parts.sign_ins.claim(live, &client.browser).await?;
        let id = permit.redeem(self.parts.clock.now()).map_err(|_| SignInError::Expired)?;
        let enrolled = self.parts.accounts.enrol_totp(id, person.epoch, &secret, step).await?;
        let (authenticator, epoch) = enrolled.ok_or(SignInError::StartAgain)?;
        self.log(client, EventKind::MethodAdded, &user, Some(live.sign_in.id), Some(Method::Totp)).await?;
        self.tell(&user, NoticeKind::MethodAdded(Method::Totp), client).await?;
        let trial = Proof { method: Method::Totp, at: now, authenticator: Some(authenticator.to_string()) };
        let stage = transition(live.sign_in.stage.clone(), Event::Enrolled { trial, epoch })?;
        if matches!(stage, Stage::Deciding { .. }) {
            return self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await;
        }
        let Stage::Enrolled { mut person } = stage else { return Err(SignInError::StartAgain) };
        person.epoch = epoch;
        let live = self.parts.sign_ins.advance(live, Stage::Enrolled { person }, &client.browser).await?;
        self.reply_for(&live, View::Continue { id: live.sign_in.id }).await
    }

    /// Whether the policies permit adding a method now.
    async fn may_enrol(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        person: &Person,
        target: &Target,
    ) -> Result<Option<(User, StepPermit<Enroll>)>, SignInError> {
        let facts = self.gather(snapshot, client, person, target).await?;
        let permit = snapshot.bundle.permit_enroll(&facts.question(snapshot.portal()), self.parts.clock.now());
        Ok(permit.ok().map(|permit| (facts.user, permit)))
    }

    /// The policies changed their mind since the page was shown: they are asked again where this leads now.
    pub(super) async fn reconsider(&self, client: &Client, live: Live) -> Result<Reply, SignInError> {
        let stage = transition(live.sign_in.stage.clone(), Event::Reconsidered)?;
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }

    /// Tells people by mail what changed about how they sign in (ASVS 6.3.7).
    pub(super) async fn tell(&self, user: &User, kind: NoticeKind, client: &Client) -> Result<(), SignInError> {
        if self.parts.delivery == Delivery::Nobody {
            return Ok(());
        }
        let snapshot = self.snapshot();
        let mail = notice(
            user.language.unwrap_or_default(),
            &NoticeMail {
                kind,
                name: &user.display_name(),
                organisation: &snapshot.config.organisation.name,
                at: self.parts.clock.now(),
                zone: zone_of(&snapshot, user),
                ip: client.ip,
                contact: snapshot.config.organisation.contact.as_deref(),
            },
        )?;
        // What it tells of is done and on record: a mail that cannot be written must not look as if it were not.
        if let Err(error) = self.parts.accounts.enqueue(outbox_mail(user, mail)).await {
            tracing::error!(error = &error as &dyn std::error::Error, user.name = %user.username, "a notice can't be mailed");
        }
        Ok(())
    }

    pub(super) fn portal_target(&self) -> Target {
        Target::app(self.snapshot().portal().id.clone())
    }

    /// A link that works, and whose it is. The page is the same for one that never existed.
    async fn peek(&self, token: &str) -> Result<(LinkToken, User), SignInError> {
        let token = LinkToken::parse(token).ok_or(SignInError::BadLink)?;
        let link = self.parts.accounts.peek_link(&token).await?.ok_or(SignInError::BadLink)?;
        if link.purpose != LinkPurpose::Activation {
            return Err(SignInError::BadLink);
        }
        let user = self.parts.accounts.user(link.user).await?.ok_or(SignInError::BadLink)?;
        Ok((token, user))
    }
}

fn link_mail(snapshot: &Snapshot, user: &User, url: &str, now: Timestamp) -> Result<OutboxMail, SignInError> {
    let contents = ActivationMail {
        name: &user.display_name(),
        organisation: &snapshot.config.organisation.name,
        url,
        expires: now.saturating_add(SignedDuration::from_secs(i64::from(LINK_SECONDS))).unwrap_or(now),
        zone: zone_of(snapshot, user),
        contact: snapshot.config.organisation.contact.as_deref(),
    };
    let mail = activation_link(user.language.unwrap_or_default(), &contents)?;
    Ok(OutboxMail { urgency: Urgency::Awaited, expires: Some(contents.expires), ..outbox_mail(user, mail) })
}

/// A mail to `user` that nobody waits for.
pub(super) fn outbox_mail(user: &User, mail: Mail) -> OutboxMail {
    OutboxMail {
        user: Some(user.id),
        to: user.email.clone(),
        subject: mail.subject,
        text: mail.text,
        html: Some(mail.html),
        urgency: Urgency::Ordinary,
        expires: None,
    }
}

pub(super) fn zone_of(snapshot: &Snapshot, user: &User) -> TimeZone {
    let own = user.time_zone.as_deref().and_then(|zone| TimeZone::get(zone).ok());
    own.unwrap_or_else(|| snapshot.config.organisation.time_zone.zone().clone())
}

fn registration(status: UserStatus) -> Registration {
    if status == UserStatus::Pending { Registration::Underway } else { Registration::Complete }
}
