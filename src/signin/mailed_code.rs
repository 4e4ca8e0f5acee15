//! The challenge by mailed code. A mail goes only to somebody who has shown a first factor and is on that challenge's page:
//! because it came first among the offers, because they chose it, or because they asked for another code.

use crate::accounts::{OutboxMail, Urgency};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::domain::{EnforcedPolicy, Method, User};
use crate::methods::email_otp::{CodePurpose, Issued, MailedCode, digits_of};
use crate::methods::{Answer, Origin};
use crate::notify::{CodeMail, sign_in_code};

use super::enrol::{outbox_mail, zone_of};
use super::error::SignInError;
use super::flow::{Extras, Person, Remember, Stage};
use super::handle::Live;
use super::prove::remembering;
use super::reply::{InputError, MailedCodeView, Reply, View};
use super::service::{Client, Service};

/// Whether another code was really mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Mailed,
    TooSoon,
    /// Too many within the hour, or the mail could not be written: the page says so.
    NotMailed,
}

impl Service {
    /// The form with the code.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn mailed_code_typed(
        &self,
        client: &Client,
        handle: &str,
        code: &str,
        remember: Remember,
    ) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let person = challenged(&live)?;
        // What is no code guesses nothing, so it does not count.
        if digits_of(code).is_none() {
            let error = if code.trim().is_empty() { InputError::Empty } else { InputError::CodeMalformed };
            return self.stage_page(client, &live, Some(error)).await;
        }
        let user = self.person(person).await?;
        let answer = self.parts.email_otp.check(&purpose(&live, person), code, origin(client)).await?;
        self.count(Method::EmailOtp, &answer);
        match answer {
            Answer::Right(proof) => self.proved(client, remembering(live, Method::EmailOtp, remember), proof).await,
            answer => self.not_proved(client, &live, &user, Method::EmailOtp, answer).await,
        }
    }

    /// "Send a new code".
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn code_wanted_again(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let person = challenged(&live)?;
        let asked = self.mail_code(client, &live, person).await?;
        if asked != Asked::TooSoon {
            return self.reply_for(&live, View::Continue { id: live.sign_in.id }).await;
        }
        let mut reply = self.stage_page(client, &live, None).await?;
        if let View::MailedCode(view) = &mut reply.view {
            // The moment may have passed meanwhile.
            view.asked_too_soon = view.standing.resend_in > 0;
        }
        Ok(reply)
    }

    /// Mails a code when the sign-in has just come to its page and no code is out.
    pub(super) async fn mail_first_code(&self, client: &Client, live: &Live) -> Result<(), SignInError> {
        let Ok(person) = challenged(live) else { return Ok(()) };
        let standing = self.parts.email_otp.standing(&purpose(live, person), origin(client)).await?;
        if standing.valid.is_none() {
            self.mail_code(client, live, person).await?;
        }
        Ok(())
    }

    /// What the page shows.
    pub(super) async fn mailed_code_view(
        &self,
        client: &Client,
        live: &Live,
        person: &Person,
        policies: &[EnforcedPolicy],
        extras: Extras,
    ) -> Result<MailedCodeView, SignInError> {
        let user = self.person(person).await?;
        Ok(MailedCodeView {
            handle: live.handle(),
            masked_email: user.email.masked(),
            standing: self.parts.email_otp.standing(&purpose(live, person), origin(client)).await?,
            zone: zone_of(&self.snapshot(), &user),
            policies: policies.to_vec(),
            error: None,
            attempts_left: None,
            retry_after: None,
            asked_too_soon: false,
            remember_days: self.remember_days(extras, Method::EmailOtp),
            devices: extras.devices,
        })
    }

    async fn mail_code(&self, client: &Client, live: &Live, person: &Person) -> Result<Asked, SignInError> {
        let user = self.person(person).await?;
        let purpose = purpose(live, person);
        match self.parts.email_otp.issue(&purpose, origin(client)).await? {
            Issued::Code { code, until } => {
                let Err(error) = self.enqueue_code(client, live, &user, &code, until).await else {
                    return Ok(Asked::Mailed);
                };
                // The page says that none is on its way, and lets them ask again.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    signin.id = %live.sign_in.id,
                    "a code can't be mailed"
                );
                drop(error);
                self.parts.email_otp.withdraw(&purpose).await?;
                Ok(Asked::NotMailed)
            }
            Issued::TooSoon { .. } => Ok(Asked::TooSoon),
            Issued::TooMany => {
                tracing::warn!(signin.id = %live.sign_in.id, client.ip = %client.ip, "no more codes within this hour");
                Ok(Asked::NotMailed)
            }
        }
    }

    async fn enqueue_code(
        &self,
        client: &Client,
        live: &Live,
        user: &User,
        code: &MailedCode,
        until: Timestamp,
    ) -> Result<(), SignInError> {
        let snapshot = self.snapshot();
        let app = snapshot.display_name(&live.sign_in.target.app);
        let mail = sign_in_code(
            user.language.unwrap_or_default(),
            &CodeMail {
                code: &code.grouped(),
                name: &user.display_name(),
                organisation: &snapshot.config.organisation.name,
                app: app.as_deref(),
                at: self.parts.clock.now(),
                until,
                zone: zone_of(&snapshot, user),
                ip: client.ip,
                contact: snapshot.config.organisation.contact.as_deref(),
            },
        )?;
        // On record before it can be read.
        self.log(client, EventKind::CodeSent, user, Some(live.sign_in.id), Some(Method::EmailOtp)).await?;
        let mail = OutboxMail { urgency: Urgency::Awaited, expires: Some(until), ..outbox_mail(user, mail) };
        self.parts.accounts.enqueue(mail).await?;
        Ok(())
    }
}

/// The person whose sign-in waits for a mailed code.
fn challenged(live: &Live) -> Result<&Person, SignInError> {
    match &live.sign_in.stage {
        Stage::Challenge { person, chosen: Method::EmailOtp, .. } => Ok(person),
        _ => Err(SignInError::StartAgain),
    }
}

fn purpose(live: &Live, person: &Person) -> CodePurpose {
    CodePurpose { sign_in: live.sign_in.id, user: person.user, epoch: person.epoch }
}

fn origin(client: &Client) -> Origin<'_> {
    Origin { ip: client.ip, device: client.device.as_ref() }
}
