//! Showing proofs: the password, the code, and the choice between them.

use crate::accounts::LinkToken;
use crate::audit::EventKind;
use crate::domain::{Method, MethodSet, Proof, SignInId, User};
use crate::methods::{Answer, Origin};
use crate::notify::NoticeKind;
use crate::telemetry::ProofOutcome;
use crate::workers::Password;

use super::error::SignInError;
use super::flow::{Person, Registration, Remember, SignIn, Stage};
use super::handle::{Live, SignIns};
use super::reply::{InputError, Reply, View};
use super::service::{Client, Service};
use super::transition::{Event, transition};

impl Service {
    /// The password form: of the first factor, or asked for again within a session.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn password_typed(&self, client: &Client, handle: &str, password: &str) -> Result<Reply, SignInError> {
        if SignIns::is_stored(handle) {
            self.password_again(client, handle, password).await
        } else {
            self.first_password(client, handle, password).await
        }
    }

    /// What an attacker can see is the same for an unknown name, a wrong password and a locked account.
    async fn first_password(&self, client: &Client, handle: &str, password: &str) -> Result<Reply, SignInError> {
        let sign_in = self.parts.sign_ins.open(handle, &client.browser)?;
        let Stage::Password { typed, link } = sign_in.stage.clone() else { return Err(SignInError::StartAgain) };
        let snapshot = self.snapshot();
        if let Some(refusal) = self.refuse_visit(client, &sign_in.target).await? {
            return Ok(refusal);
        }
        if password.is_empty() {
            return self.password_page(&snapshot, client, &sign_in, Some(InputError::Empty));
        }
        let shown = match self.check_password(client, &typed, password).await? {
            Answer::Right(shown) => shown,
            Answer::Wrong { retry_after: None, free_left } | Answer::Used { free_left } => {
                // Not the name: people type passwords into that field.
                tracing::info!(client.ip = %client.ip, "a name and a password did not belong together");
                let mut reply = self.password_page(&snapshot, client, &sign_in, Some(InputError::WrongPassword))?;
                if let View::Password { attempts_left, .. } = &mut reply.view {
                    *attempts_left = Some(before_a_pause(free_left));
                }
                return Ok(reply);
            }
            Answer::Expired => return Err(SignInError::StartAgain),
            Answer::Wrong { retry_after: Some(seconds), .. } | Answer::Wait { retry_after: seconds } => {
                let mut reply = self.password_page(&snapshot, client, &sign_in, None)?;
                if let View::Password { retry_after, .. } = &mut reply.view {
                    *retry_after = Some(seconds);
                }
                return Ok(reply);
            }
        };
        let mut proofs = vec![shown.proof];
        if let Some(link) = link {
            proofs.push(self.use_link(&link, &shown.user).await?);
        }
        let person = Person {
            user: shown.user.id,
            epoch: shown.user.session_epoch,
            shown: proofs,
            session: None,
            earlier: Vec::new(),
            lost: MethodSet::EMPTY,
            registration: Registration::Complete,
        };
        let stage = transition(sign_in.stage, Event::Recognised(person))?;
        self.settle(client, SignIn { stage, ..sign_in }, None).await
    }

    async fn password_again(&self, client: &Client, handle: &str, password: &str) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let Stage::Challenge { person, chosen: Method::Password, .. } = &live.sign_in.stage else {
            return Err(SignInError::StartAgain);
        };
        if password.is_empty() {
            return self.stage_page(client, &live, Some(InputError::Empty)).await;
        }
        let user = self.person(person).await?;
        match self.check_password(client, user.username.as_str(), password).await? {
            Answer::Right(shown) => self.proved(client, live, shown.proof).await,
            answer => self.not_proved(client, &live, &user, Method::Password, answer).await,
        }
    }

    async fn check_password(
        &self,
        client: &Client,
        typed: &str,
        password: &str,
    ) -> Result<Answer<crate::methods::password::PasswordShown>, SignInError> {
        let origin = Origin { ip: client.ip, device: client.device.as_ref() };
        let hashing = self.parts.metrics.hashing();
        let answer = self.parts.password.check(typed, Password::new(password.to_owned()), origin).await?;
        drop(hashing);
        self.count(Method::Password, &answer);
        Ok(answer)
    }

    /// Tells monitoring how a challenge was answered.
    pub(super) fn count<T>(&self, method: Method, answer: &Answer<T>) {
        let outcome = if matches!(answer, Answer::Right(_)) { ProofOutcome::Right } else { ProofOutcome::Wrong };
        self.parts.metrics.proof(method, outcome);
    }

    /// Uses up the link that led to the password form. The right password comes first, so that a link which somebody else
    /// opened is not lost.
    async fn use_link(&self, token: &str, user: &User) -> Result<Proof, SignInError> {
        let token = LinkToken::parse(token).ok_or(SignInError::BadLink)?;
        let link = self.parts.accounts.take_link(&token).await?.ok_or(SignInError::BadLink)?;
        if link.user != user.id {
            return Err(SignInError::BadLink);
        }
        Ok(Proof { method: link.purpose.method(), at: self.parts.clock.now(), authenticator: None })
    }

    /// A code from an authenticator app.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn code_typed(
        &self,
        client: &Client,
        handle: &str,
        code: &str,
        remember: Remember,
    ) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let Stage::Challenge { person, chosen: Method::Totp, .. } = &live.sign_in.stage else {
            return Err(SignInError::StartAgain);
        };
        if code.trim().is_empty() {
            return self.stage_page(client, &live, Some(InputError::Empty)).await;
        }
        let user = self.person(person).await?;
        let origin = Origin { ip: client.ip, device: client.device.as_ref() };
        let answer = self.parts.totp.check(&user, code, origin).await?;
        self.count(Method::Totp, &answer);
        match answer {
            Answer::Right(proof) => self.proved(client, remembering(live, Method::Totp, remember), proof).await,
            answer => self.not_proved(client, &live, &user, Method::Totp, answer).await,
        }
    }

    pub(super) async fn proved(&self, client: &Client, live: Live, proof: Proof) -> Result<Reply, SignInError> {
        let stage = transition(live.sign_in.stage.clone(), Event::Proved(proof))?;
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }

    /// The same page again, with what was wrong; the account's owner can see later that somebody tried.
    pub(super) async fn not_proved<T>(
        &self,
        client: &Client,
        live: &Live,
        user: &User,
        method: Method,
        answer: Answer<T>,
    ) -> Result<Reply, SignInError> {
        if !matches!(answer, Answer::Expired) {
            self.log(client, EventKind::ProofFailed, user, Some(live.sign_in.id), Some(method)).await?;
        }
        let (error, free, pause) = match answer {
            Answer::Used { free_left } => (Some(InputError::CodeUsed), Some(before_a_pause(free_left)), None),
            Answer::Wrong { free_left, retry_after: None } => {
                (Some(InputError::WrongCode), Some(before_a_pause(free_left)), None)
            }
            Answer::Wrong { retry_after, .. } => (None, None, retry_after),
            Answer::Wait { retry_after } => (None, None, Some(retry_after)),
            Answer::Expired => (Some(InputError::CodeExpired), None, None),
            Answer::Right(_) => (None, None, None),
        };
        let mut reply = self.stage_page(client, live, error).await?;
        match &mut reply.view {
            View::Challenge { attempts_left, retry_after, .. } => (*attempts_left, *retry_after) = (free, pause),
            View::MailedCode(view) => (view.attempts_left, view.retry_after) = (free, pause),
            _ => {}
        }
        Ok(reply)
    }

    /// The page of a stored sign-in's stage: after a redirect, or on reload.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn resume(&self, client: &Client, id: SignInId) -> Result<Reply, SignInError> {
        let live = self.parts.sign_ins.peek(id, &client.browser).await?;
        self.check_session(client, &live).await?;
        if let Stage::ChoosingDevice { person } = &live.sign_in.stage {
            return self.device_choice(client, &live, person).await;
        }
        self.stage_page(client, &live, None).await
    }

    /// "Try another way".
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn other_ways(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
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
        let live = self.live(client, handle).await?;
        let stage = transition(live.sign_in.stage.clone(), Event::Chosen(method))?;
        let live = self.parts.sign_ins.advance(live, stage, &client.browser).await?;
        self.mail_first_code(client, &live).await?;
        let view = View::Continue { id: live.sign_in.id };
        self.reply_for(&live, view).await
    }

    /// "I no longer have this": the method is out for this sign-in, and the policies are asked again.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn method_lost(&self, client: &Client, handle: &str, method: Method) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let stage = transition(live.sign_in.stage.clone(), Event::Lost(method))?;
        if let Some(person) = live.sign_in.stage.person() {
            let user = self.person(person).await?;
            self.log(client, EventKind::MethodLost, &user, Some(live.sign_in.id), Some(method)).await?;
            self.tell(&user, NoticeKind::MethodLost(method), client).await?;
        }
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }
}

/// How many more wrong answers it takes until a pause: the free ones, and the one that begins it.
fn before_a_pause(free_left: u32) -> u32 {
    free_left.saturating_add(1)
}

/// The sign-in with the wish to have the device remembered, if the page offered that with `method`.
pub(super) fn remembering(mut live: Live, method: Method, remember: Remember) -> Live {
    if let Stage::Challenge { extras, .. } = &live.sign_in.stage
        && extras.trustable.contains(method)
    {
        live.sign_in.remember = remember;
    }
    live
}
