//! A sign-out on its way from app to app: what is kept of it between two pages, and what follows what. No I/O.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::{AppId, RelayState, Username};
use crate::saml::logout::{AppAnswer, Outcome, VerifiedLogoutRequest, Word};
use crate::sessions::Participant;

/// How far one app is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Progress {
    /// It will be told.
    Waiting,
    /// The browser was sent there with the request of this id, and has not come back.
    Asked(String),
    /// It says so under its signature.
    SignedOut,
    /// It says that it could not.
    Failed,
    /// It answered without a signature.
    Unconfirmed,
    /// The person went on without its answer.
    Unreached,
    /// Nobody can tell it.
    Stays,
}

/// One app of the session that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AppLogout {
    pub(super) participant: Participant,
    pub(super) progress: Progress,
}

/// The app that began it, and waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Initiator {
    pub(super) app: AppId,
    pub(super) request: String,
    pub(super) relay_state: Option<RelayState>,
    /// It means all sessions of the person, and those in other browsers cannot be ended from here.
    #[serde(default)]
    pub(super) is_about_all: bool,
}

impl Initiator {
    pub(super) fn of(request: &VerifiedLogoutRequest) -> Self {
        Self {
            app: request.app().clone(),
            request: request.id().to_owned(),
            relay_state: request.relay_state().cloned(),
            is_about_all: request.names_no_session(),
        }
    }
}

/// A sign-out underway. Our own session is over already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Logout {
    pub(super) user: Username,
    pub(super) time_zone: Option<String>,
    pub(super) started: Timestamp,
    pub(super) initiator: Option<Initiator>,
    pub(super) apps: Vec<AppLogout>,
}

impl Logout {
    /// The apps of a session, those that `is_reachable` says take messages to be told. The app that began it signed the person
    /// out itself.
    pub(super) fn apps(
        participants: Vec<Participant>,
        initiator: Option<&Initiator>,
        now: Timestamp,
        is_reachable: impl Fn(&Participant) -> bool,
    ) -> Vec<AppLogout> {
        let others = participants.into_iter().filter(|one| initiator.is_none_or(|initiator| initiator.app != one.app));
        let mut apps: Vec<AppLogout> = Vec::new();
        for participant in others {
            let progress = if is_reachable(&participant) { Progress::Waiting } else { Progress::Stays };
            // What ended by itself is nobody's business any more.
            if progress == Progress::Stays && participant.until.is_some_and(|until| until <= now) {
                continue;
            }
            // An app that was told two names holds on for as long as the longer of them.
            let told = apps.iter_mut().find(|other| {
                progress == Progress::Stays && other.progress == progress && other.participant.app == participant.app
            });
            match told {
                Some(other) => other.participant.until = later(other.participant.until, participant.until),
                None => apps.push(AppLogout { participant, progress }),
            }
        }
        apps
    }

    /// The app whose turn it is.
    pub(super) fn current(&self) -> Option<&AppLogout> {
        self.apps.iter().find(|app| app.is_open())
    }

    fn current_mut(&mut self) -> Option<&mut AppLogout> {
        self.apps.iter_mut().find(|app| app.is_open())
    }

    /// The app whose turn it is was asked by the message of this id.
    pub(super) fn asked(mut self, id: String) -> Self {
        if let Some(app) = self.current_mut() {
            app.progress = Progress::Asked(id);
        }
        self
    }

    /// The person goes on without the app whose turn it is.
    pub(super) fn skipped(mut self) -> Self {
        if let Some(app) = self.current_mut() {
            app.progress = Progress::Unreached;
        }
        self
    }

    /// An app answered. `None` when nobody asked it that.
    pub(super) fn answered(mut self, answer: &AppAnswer) -> Option<Self> {
        let asked = Progress::Asked(answer.in_response_to().to_owned());
        let app = self.apps.iter_mut().find(|app| app.participant.app == *answer.app() && app.progress == asked)?;
        app.progress = match answer.word() {
            Word::SignedOut => Progress::SignedOut,
            Word::Failed => Progress::Failed,
            Word::Unsigned => Progress::Unconfirmed,
        };
        Some(self)
    }

    /// What the app that began it is answered.
    pub(super) fn outcome(&self) -> Outcome {
        let is_about_all = self.initiator.as_ref().is_some_and(|initiator| initiator.is_about_all);
        if !is_about_all && self.apps.iter().all(|app| app.progress == Progress::SignedOut) {
            Outcome::Everywhere
        } else {
            Outcome::Partly
        }
    }
}

impl AppLogout {
    fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Waiting | Progress::Asked(_))
    }
}

/// The later of two ends; no end is later than any.
fn later(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.zip(other).map(|(one, other)| one.max(other))
}
