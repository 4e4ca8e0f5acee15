//! The pages of a sign-out that goes from app to app.

use askama::Template;

use crate::clock::Timestamp;
use crate::i18n::Arg;
use crate::signin::{AppLine, AppState, NextStop};
use crate::web::page::Frame;

/// One app of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRow {
    /// What people call it.
    pub name: String,
    /// How it is doing, in words.
    pub words: String,
    /// How it is doing, at a glance.
    pub mood: Mood,
}

/// What colour and sign an app's state has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Nothing is known yet.
    Open,
    /// Signed out.
    Good,
    /// Perhaps or surely still signed in.
    Bad,
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Self::Open => "note-blocked",
            Self::Good => "note-here",
            Self::Bad => "note-step",
        }
    }
}

impl AppRow {
    /// A line of the service, in the words of the page.
    #[must_use]
    pub fn of(frame: &Frame, app: &AppLine, time_zone: Option<&str>) -> Self {
        let (words, mood) = match app.state {
            AppState::Waiting => (frame.t("signout-state-waiting"), Mood::Open),
            AppState::Asked => (frame.t("signout-state-asked"), Mood::Open),
            AppState::SignedOut => (frame.t("signout-state-signed-out"), Mood::Good),
            AppState::Failed => (frame.t("signout-state-failed"), Mood::Bad),
            AppState::Unconfirmed => (frame.t("signout-state-unconfirmed"), Mood::Bad),
            AppState::Unreached => (frame.t("signout-state-unreached"), Mood::Bad),
            AppState::Stays(None) => (frame.t("signout-state-stays"), Mood::Bad),
            AppState::Stays(Some(until)) => {
                let (time, zone) = minute(until, time_zone);
                let args = [("time", Arg::Text(&time)), ("zone", Arg::Text(&zone))];
                (frame.t_with("signout-state-stays-until", &args), Mood::Bad)
            }
        };
        Self { name: app.name.clone(), words, mood }
    }
}

/// Hour and minute in the person's zone (UTC when it is not known), and the name of that zone. Sessions end within a day.
fn minute(at: Timestamp, time_zone: Option<&str>) -> (String, String) {
    let zoned = time_zone.and_then(|zone| at.in_tz(zone).ok()).unwrap_or_else(|| at.to_zoned(jiff::tz::TimeZone::UTC));
    (zoned.strftime("%H:%M").to_string(), zoned.strftime("%Z").to_string())
}

/// How far a sign-out is. POST `/signout/apps` goes on; with `skip` past the app whose turn it is. A static script presses the
/// button where an app is told for the first time.
#[derive(Debug, Clone, Template)]
#[template(path = "saml/signing_out.html")]
pub struct SigningOut {
    /// The frame.
    pub frame: Frame,
    /// The apps of the session.
    pub rows: Vec<AppRow>,
    /// What comes next.
    pub next: NextStop,
}

impl SigningOut {
    fn title(&self) -> String {
        match &self.next {
            NextStop::Ask(_) => self.frame.t("signout-title"),
            NextStop::AskAgain(app) => self.frame.t_arg("signout-again-title", "app", app),
            NextStop::Answer(app) => self.frame.t_arg("signout-answer-title", "app", app),
            NextStop::Nowhere => self.frame.t("signed-out-title"),
        }
    }

    fn text(&self) -> String {
        match &self.next {
            NextStop::Ask(_) => self.frame.t("signout-text"),
            NextStop::AskAgain(app) => self.frame.t_arg("signout-again-text", "app", app),
            NextStop::Answer(app) => self.frame.t_arg("signout-answer-text", "app", app),
            NextStop::Nowhere if self.is_everywhere() => self.frame.t("signout-everywhere"),
            NextStop::Nowhere => self.frame.t("signout-partly"),
        }
    }

    fn is_everywhere(&self) -> bool {
        self.rows.iter().all(|row| row.mood == Mood::Good)
    }

    fn goes_on_by_itself(&self) -> bool {
        matches!(self.next, NextStop::Ask(_) | NextStop::Answer(_))
    }
}

/// Carries a logout message to the app: a form that a static script submits; its button does the same without script.
#[derive(Debug, Clone, Template)]
#[template(path = "saml/logout_post.html")]
pub struct LogoutPost {
    /// The frame.
    pub frame: Frame,
    /// The app.
    pub app_name: String,
    /// Where the form goes.
    pub action: String,
    /// `SAMLRequest` or `SAMLResponse`.
    pub field: &'static str,
    /// The message, base64.
    pub value: String,
    /// What goes back beside it.
    pub relay_state: Option<String>,
}

impl LogoutPost {
    fn title(&self) -> String {
        if self.field == "SAMLRequest" {
            self.frame.t_arg("signout-post-title", "app", &self.app_name)
        } else {
            self.frame.t_arg("signout-post-back-title", "app", &self.app_name)
        }
    }
}
