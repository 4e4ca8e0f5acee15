//! The page that each stage calls for.

use super::error::SignInError;
use super::flow::{SignIn, Stage};
use super::handle::Live;
use super::reply::{CookieChanges, InputError, MailedCodeView, Reply, View};
use super::service::{Client, Delivery, Service};
use crate::domain::Method;
use crate::runtime::Snapshot;

impl Service {
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
            view: View::Password { handle, username: typed.clone(), error, attempts_left: None, retry_after: None },
            cookies: CookieChanges::default(),
            app_name: snapshot.display_name(&sign_in.target.app),
            language: None,
        })
    }

    /// The page that a stored sign-in's stage calls for.
    pub(super) async fn stage_page(
        &self,
        client: &Client,
        live: &Live,
        error: Option<InputError>,
    ) -> Result<Reply, SignInError> {
        let handle = live.handle();
        let view = match &live.sign_in.stage {
            Stage::Challenge { person, chosen: Method::EmailOtp, policies, extras, .. } => {
                let view = self.mailed_code_view(client, live, person, policies, *extras).await?;
                View::MailedCode(Box::new(MailedCodeView { error, ..view }))
            }
            Stage::Challenge { person, offers, chosen, policies, extras } => View::Challenge {
                handle,
                username: self.person(person).await?.username,
                method: *chosen,
                policies: policies.clone(),
                error,
                attempts_left: None,
                retry_after: None,
                other_ways: !offers.is_empty(),
                remember_days: self.remember_days(*extras, *chosen),
                devices: extras.devices,
            },
            Stage::AwaitingLink { person, mail, policies } => View::AwaitingLink {
                handle,
                masked_email: match self.parts.delivery {
                    Delivery::Outbox => Some(self.person(person).await?.email.masked()),
                    Delivery::Nobody => None,
                },
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
            Stage::Enrolled { .. } => View::Enrolled { target: live.sign_in.target.app.clone() },
            Stage::Identify
            | Stage::Password { .. }
            | Stage::Deciding { .. }
            // Its page needs to know the browser (`resume`), or was shown when it was decided.
            | Stage::ChoosingDevice { .. }
            | Stage::AtLimit { .. }
            | Stage::Allowed { .. }
            | Stage::Denied { .. } => return Err(SignInError::StartAgain),
        };
        self.reply_for(live, view).await
    }

    pub(super) async fn reply_for(&self, live: &Live, view: View) -> Result<Reply, SignInError> {
        let language = match live.sign_in.stage.person() {
            Some(person) => self.person(person).await?.language,
            None => None,
        };
        let app_name = self.snapshot().display_name(&live.sign_in.target.app);
        Ok(Reply { view, cookies: CookieChanges::default(), app_name, language })
    }
}
