//! The pages of a sign-in. `signin` in them is the handle of the attempt (sealed or the id of a stored one), which every form
//! sends back.

use askama::Template;

use crate::domain::{Language, Method};
use crate::i18n::{self, Arg};
use crate::web::account::pages::DeviceCard;
use crate::web::page::{FormError, Frame};

/// Asks who signs in. POST `/signin` with `username`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/identify.html")]
pub struct Identify {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// What was typed before.
    pub username: String,
    /// What was wrong with it.
    pub error: Option<FormError>,
}

/// Asks for the password. POST `/signin/password` with `username`, `password`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/password.html")]
pub struct Password {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// The name as typed.
    pub username: String,
    /// What was wrong.
    pub error: Option<FormError>,
    /// Attempts left before a pause, after a wrong one. The same for names that nobody has.
    pub attempts_left: Option<u32>,
    /// Seconds until the next attempt is looked at, with [`FormError::TooManyAttempts`].
    pub retry_after: Option<u32>,
    /// With fewer devices less would be asked: POST `/signin/devices`.
    pub see_devices: bool,
}

impl Password {
    /// What stands beside the error: how long to wait, or how many attempts are left.
    fn outlook(&self) -> Option<String> {
        outlook(&self.frame, self.retry_after, self.attempts_left)
    }
}

/// How long to wait, or else how many attempts are left.
fn outlook(frame: &Frame, retry_after: Option<u32>, attempts_left: Option<u32>) -> Option<String> {
    let wait = retry_after.map(|seconds| frame.t_count("error-retry-after", seconds));
    wait.or_else(|| attempts_left.map(|count| frame.t_count("totp-attempts-left", count)))
}

/// Asks for the code of an authenticator app. POST `/signin/totp` with `code` and perhaps `remember_device`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/totp.html")]
pub struct Totp {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// What was wrong.
    pub error: Option<FormError>,
    /// Attempts left before a pause, after a wrong one.
    pub attempts_left: Option<u32>,
    /// Seconds until the next attempt is looked at, with [`FormError::TooManyAttempts`].
    pub retry_after: Option<u32>,
    /// The texts of the policies that ask ([`reasons`]).
    pub reasons: Vec<String>,
    /// There is another way, or the person may say that this one is lost: GET `/signin/methods`.
    pub other_methods: bool,
    /// For how many days this browser may be remembered.
    pub remember_days: Option<u32>,
    /// With fewer devices less would be asked: POST `/signin/devices`.
    pub see_devices: bool,
}

/// Lets people choose a device to remove. POST `/signin/remove-device` with `device`; POST `/signin/devices-done` goes on
/// without.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/choose_device.html")]
pub struct ChooseDevice {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// The devices that count there.
    pub devices: Vec<DeviceCard>,
}

impl Totp {
    fn left(&self) -> Option<String> {
        outlook(&self.frame, self.retry_after, self.attempts_left)
    }
}

/// Asks for the code that was mailed. POST `/signin/email-code` with `code`; another one: POST `/signin/resend`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/email_code.html")]
pub struct EmailCode {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// Where codes go.
    pub masked_email: String,
    /// The code that works now; without one there is no field, only the button that sends one.
    pub valid: Option<CodeTimes>,
    /// Seconds until another code may be asked for; 0 for now.
    pub resend_in: u32,
    /// No more codes are sent within this hour.
    pub exhausted: bool,
    /// Another one was asked for before `resend_in` was over.
    pub too_soon: bool,
    /// What was wrong.
    pub error: Option<FormError>,
    /// Attempts left before a pause, after a wrong one.
    pub attempts_left: Option<u32>,
    /// Seconds until the next attempt is looked at, with [`FormError::TooManyAttempts`].
    pub retry_after: Option<u32>,
    /// The texts of the policies that ask ([`reasons`]).
    pub reasons: Vec<String>,
    /// So many days the device can be remembered for.
    pub remember_days: Option<u32>,
    /// With fewer devices less would be asked: POST `/signin/devices`.
    pub see_devices: bool,
}

/// Local times of a mailed code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTimes {
    /// When it was sent (`14:25:03`).
    pub sent: String,
    /// Until when it works (`14:35`).
    pub until: String,
    /// The zone they are in (`CET`).
    pub zone: String,
}

impl EmailCode {
    /// There is a field, and what was typed into it was wrong.
    fn is_wrong(&self) -> bool {
        self.error.is_some() && self.valid.is_some()
    }

    fn left(&self) -> Option<String> {
        outlook(&self.frame, self.retry_after, self.attempts_left)
    }

    fn sent(&self, times: &CodeTimes) -> String {
        self.frame
            .t_with("email-code-sent", &[("email", Arg::Text(&self.masked_email)), ("time", Arg::Text(&times.sent))])
    }

    fn until(&self, times: &CodeTimes) -> String {
        self.frame.t_with("email-code-until", &[("time", Arg::Text(&times.until)), ("zone", Arg::Text(&times.zone))])
    }
}

/// A method to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodCard {
    /// The value of the form field.
    pub code: &'static str,
    /// What people call it.
    pub label: String,
    /// How it works, in one line.
    pub hint: String,
}

impl MethodCard {
    /// The card of a method.
    #[must_use]
    pub fn new(lang: Language, method: Method) -> Self {
        Self { code: method.code(), label: i18n::method_label(lang, method), hint: i18n::method_hint(lang, method) }
    }
}

/// Lets people choose how to go on. POST `/signin/method` with `method`; "I no longer have this": POST `/signin/lost` with
/// `method`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/methods.html")]
pub struct Methods {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// What will be accepted, best first.
    pub offers: Vec<MethodCard>,
}

/// Says that a second factor must be added, for which a link goes to the verified address. POST `/signin/enrol-link`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/enrol_link.html")]
pub struct EnrolLink {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// Where the link goes; `None` where this server sends no mail, and an administrator has to hand the link out.
    pub masked_email: Option<String>,
    /// It went already.
    pub sent: bool,
    /// The texts of the policies that ask ([`reasons`]).
    pub reasons: Vec<String>,
}

impl EnrolLink {
    fn email(&self) -> &str {
        self.masked_email.as_deref().unwrap_or_default()
    }
}

/// Adds an authenticator app. POST `/signin/enrol` with `code`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/enrol_totp.html")]
pub struct EnrolTotp {
    /// The frame.
    pub frame: Frame,
    /// Where the person is going; `None` for the portal.
    pub app_name: Option<String>,
    /// The handle of the attempt.
    pub signin: String,
    /// The QR code: SVG made by this program, put into the page as it is.
    pub qr_svg: String,
    /// The secret as text, grouped by four.
    pub secret_text: String,
    /// What was wrong.
    pub error: Option<FormError>,
}

impl EnrolTotp {
    /// The QR code without an XML declaration, which HTML does not know.
    fn qr(&self) -> &str {
        self.qr_svg.find("<svg").and_then(|at| self.qr_svg.get(at..)).unwrap_or_default()
    }
}

/// The authenticator was added; it counts from the next sign-in on.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/enrol_done.html")]
pub struct EnrolDone {
    /// The frame.
    pub frame: Frame,
    /// Where to sign in again.
    pub continue_url: String,
}

/// Sets a first password. POST `/signin/set-password` with `username`, `password`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/set_password.html")]
pub struct SetPassword {
    /// The frame.
    pub frame: Frame,
    /// The handle of the attempt.
    pub signin: String,
    /// Whose password it will be.
    pub username: String,
    /// What was wrong.
    pub error: Option<FormError>,
}

/// What an opened link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Starting an account: a password, then a second factor.
    Activation,
    /// Adding a second factor.
    Enrolment,
}

impl LinkKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Activation, Self::Enrolment];

    /// The start of the keys of its texts.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Enrolment => "enrolment",
        }
    }
}

/// A link was opened. Only pressing the button uses it up: mail scanners open links, too. POST `/link/{token}`.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/link.html")]
pub struct Link {
    /// The frame.
    pub frame: Frame,
    /// The last part of the address.
    pub token: String,
    /// What it is for.
    pub kind: LinkKind,
    /// Whose it is, masked.
    pub display: String,
}

impl Link {
    fn text(&self, part: &str) -> String {
        self.frame.t(&format!("link-{}-{part}", self.kind.code()))
    }
}

/// A form that tells the app that it was refused (SAML status RequestDenied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// The app.
    pub app_name: String,
    /// Where the form goes.
    pub acs: String,
    /// The response, base64.
    pub saml_response: String,
    /// What goes back beside it.
    pub relay_state: Option<String>,
}

/// Somebody was refused by policy. Status 403.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/blocked.html")]
pub struct Blocked {
    /// The frame.
    pub frame: Frame,
    /// Where the person was going; `None` for the portal.
    pub app_name: Option<String>,
    /// The policies' text ([`reasons`]), or the general one (`blocked-general`, `blocked-no-role`).
    pub message: String,
    /// What to tell the help desk.
    pub reference: String,
    /// Local time (`2026-11-21 22:15`).
    pub when: String,
    /// The zone it is in (`Europe/Berlin`).
    pub zone: String,
    /// The way back to the app, when an app asked.
    pub back: Option<Back>,
    /// The handle for POST `/signin/devices`: with fewer devices it would go on.
    pub devices: Option<String>,
    /// Where to begin again.
    pub start_again_url: String,
}

/// Signed out.
#[derive(Debug, Clone, Template)]
#[template(path = "signin/signed_out.html")]
pub struct SignedOut {
    /// The frame.
    pub frame: Frame,
}

/// The texts of policies' messages, each once, in order. A message without a text in the files is left out and logged.
#[must_use]
pub fn reasons<'a>(lang: Language, messages: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut texts = Vec::new();
    for message in messages {
        match i18n::policy_message(lang, message) {
            Some(text) if !texts.contains(&text) => texts.push(text),
            Some(_) => {}
            None => tracing::warn!(policy.message = message, "a policy's message has no text"),
        }
    }
    texts
}
