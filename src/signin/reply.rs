//! What the service answers: data for a page, and what happens to cookies. `web` renders it.

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::domain::{AppId, DenyReason, EnforcedPolicy, Language, Method, ReferenceId, SignInId, TotpSecret, Username};
use crate::methods::email_otp::CodeStanding;
use crate::saml::SignedResponse;

use super::devices::OwnDevice;
use super::flow::{LinkMail, Registration};

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// What to show.
    pub view: View,
    /// What to tell the browser to keep.
    pub cookies: CookieChanges,
    /// The name of the app the person is on the way to; `None` for the portal.
    pub app_name: Option<String>,
    /// The language the person's account asks for, once they are known.
    pub language: Option<Language>,
}

impl Reply {
    /// A view without further ado.
    #[must_use]
    pub fn of(view: View) -> Self {
        Self { view, cookies: CookieChanges::default(), app_name: None, language: None }
    }
}

/// Cookies to set: new values, `None` to leave as they are.
#[derive(Debug, Default)]
pub struct CookieChanges {
    /// The browser's new token.
    pub browser: Option<String>,
    /// The new session.
    pub session: Option<String>,
    /// The device's token.
    pub device: Option<String>,
}

/// What was wrong with the last input; the page shows it beside the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputError {
    /// Nothing was typed.
    Empty,
    /// Name and password do not belong together; or the account does not exist, which looks the same.
    WrongPassword,
    /// The code is wrong.
    WrongCode,
    /// The code was used before.
    CodeUsed,
    /// The code has expired, or none was sent.
    CodeExpired,
    /// What was typed is no code.
    CodeMalformed,
    /// A new password breaks a rule.
    NewPassword(crate::accounts::PasswordProblem),
}

/// What the page for a mailed code shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailedCodeView {
    /// For the forms' hidden field.
    pub handle: String,
    /// Where codes go, masked.
    pub masked_email: String,
    /// Whether a code is out, and whether another may be asked for.
    pub standing: CodeStanding,
    /// The zone to tell times in.
    pub zone: TimeZone,
    /// The policies that ask for it.
    pub policies: Vec<EnforcedPolicy>,
    /// What was wrong.
    pub error: Option<InputError>,
    /// Tries left before a pause.
    pub attempts_left: Option<u32>,
    /// Too many attempts: when to try again, in seconds.
    pub retry_after: Option<u32>,
    /// Another code was asked for too soon.
    pub asked_too_soon: bool,
    /// For how many days the page offers to remember the device.
    pub remember_days: Option<u16>,
    /// With fewer devices less would be asked.
    pub devices: bool,
}

/// A page, or the way to one.
#[derive(Debug)]
pub enum View {
    /// Ask for the name.
    Identify {
        /// For the form's hidden field.
        handle: String,
        /// As typed before.
        username: String,
        /// What was wrong.
        error: Option<InputError>,
    },
    /// Ask for the password.
    Password {
        /// For the form's hidden field.
        handle: String,
        /// As typed.
        username: String,
        /// What was wrong.
        error: Option<InputError>,
        /// Tries left before a pause.
        attempts_left: Option<u32>,
        /// Too many attempts: when to try again, in seconds.
        retry_after: Option<u32>,
    },
    /// Go to the page of the stage a stored sign-in is in.
    Continue {
        /// The sign-in.
        id: SignInId,
    },
    /// Ask for one more proof.
    Challenge {
        /// For the form's hidden field.
        handle: String,
        /// Whose.
        username: Username,
        /// The method on the page.
        method: Method,
        /// The policies that ask for it.
        policies: Vec<EnforcedPolicy>,
        /// What was wrong.
        error: Option<InputError>,
        /// Tries left before a pause.
        attempts_left: Option<u32>,
        /// Too many attempts: when to try again, in seconds.
        retry_after: Option<u32>,
        /// Whether the page offers "another way": other offers, or "I no longer have this".
        other_ways: bool,
        /// For how many days the page offers to remember the device.
        remember_days: Option<u16>,
        /// Whether the page offers to look at one's devices: with fewer of them less would be asked.
        devices: bool,
    },
    /// Choose a device to remove.
    ChooseDevice {
        /// For the form's hidden field.
        handle: String,
        /// The devices, the one used last first.
        devices: Vec<OwnDevice>,
        /// The person's zone.
        time_zone: Option<String>,
    },
    /// Ask for the code that was mailed.
    MailedCode(Box<MailedCodeView>),
    /// Choose among methods.
    Methods {
        /// For the form's hidden field.
        handle: String,
        /// What would do, best first.
        offers: Vec<Method>,
    },
    /// A link has to be opened before a method may be added.
    AwaitingLink {
        /// For the form's hidden field.
        handle: String,
        /// Where it goes, masked; `None` where nothing is mailed.
        masked_email: Option<String>,
        /// Whether it was asked for.
        mail: LinkMail,
        /// The policies that ask for a second factor.
        policies: Vec<EnforcedPolicy>,
    },
    /// Add an authenticator app.
    Enrolling {
        /// For the form's hidden field.
        handle: String,
        /// The account's name in the app.
        username: Username,
        /// The new secret.
        secret: TotpSecret,
        /// What was wrong.
        error: Option<InputError>,
    },
    /// The method was added; it counts from the next sign-in on.
    Enrolled {
        /// Where to sign in again.
        target: AppId,
    },
    /// Choose a password.
    SettingPassword {
        /// For the form's hidden field.
        handle: String,
        /// Whose.
        username: Username,
        /// What was wrong.
        error: Option<InputError>,
    },
    /// An opened link waits for a press of its button.
    Link {
        /// Whether a registration follows.
        registration: Registration,
        /// The token.
        token: String,
        /// The account, masked.
        masked_email: String,
    },
    /// Refused.
    Blocked {
        /// Why.
        reason: DenyReason,
        /// What the person can quote.
        reference: ReferenceId,
        /// When.
        at: Timestamp,
        /// The person's zone.
        time_zone: Option<String>,
        /// The refusal to hand back to the service provider that asked.
        back: Option<Box<SignedResponse>>,
        /// For the form that leads to one's devices: with fewer of them it would go on.
        devices: Option<String>,
    },
    /// On the way to the page of one's devices.
    AccountDevices,
    /// Signed in, on the way to the portal.
    Portal,
    /// The response for the service provider.
    Respond(Box<SignedResponse>),
}
