//! The demonstration's own pages: a guide, the mails it did not send, the facts to pretend, and a service provider that
//! stands in for AWS. They take plain texts; who fills them knows what they mean.

use askama::Template;

use crate::web::page::Frame;

/// What the demo pretends about the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pretended {
    /// The address.
    pub address: String,
    /// The country in words.
    pub country: String,
    /// The hour of the day; `None` for the true one.
    pub hour: Option<u8>,
}

impl Pretended {
    fn hour_text(&self, frame: &Frame) -> String {
        self.hour.map_or_else(|| frame.t("demo-hour-true"), |hour| format!("{hour:02}:00"))
    }
}

/// An account to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name to sign in by.
    pub username: String,
    /// Its random password.
    pub password: String,
    /// What trying it shows.
    pub text: String,
    /// The code of its authenticator app now, if it has one.
    pub code: Option<Code>,
}

/// A code that the demo shows instead of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its digits.
    pub digits: String,
    /// For how long it is the code of now.
    pub seconds_left: u32,
}

/// A step of the guided tour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuideStep {
    /// What it shows.
    pub title: String,
    /// What to do and what to look at.
    pub text: String,
    /// Where to go.
    pub url: String,
    /// What the link says.
    pub label: String,
}

/// The guide: where the demo begins. GET `/demo`.
#[derive(Debug, Clone, Template)]
#[template(path = "demo/guide.html")]
pub struct Guide {
    /// The frame.
    pub frame: Frame,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The tour.
    pub steps: Vec<GuideStep>,
    /// What is pretended now; `None` when nothing is.
    pub pretended: Option<Pretended>,
}

/// A mail that would have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// When.
    pub at: String,
    /// The plain text.
    pub text: String,
    /// The addresses in it, to click on; anything but `http` and `https` is left out.
    pub links: Vec<String>,
}

impl Mail {
    fn web_links(&self) -> impl Iterator<Item = &str> {
        self.links.iter().map(String::as_str).filter(|link| link.starts_with("http://") || link.starts_with("https://"))
    }
}

/// The mails, newest first. GET `/demo/mails`.
#[derive(Debug, Clone, Template)]
#[template(path = "demo/mails.html")]
pub struct Mails {
    /// The frame.
    pub frame: Frame,
    /// The mails.
    pub mails: Vec<Mail>,
}

/// One value to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The value of the field.
    pub value: String,
    /// What people read.
    pub label: String,
    /// It is chosen.
    pub selected: bool,
}

/// Which facts to pretend. POST `/demo/pretend` with `address`, `country`, `hour` (empty: the true one).
#[derive(Debug, Clone, Template)]
#[template(path = "demo/pretend.html")]
pub struct Pretend {
    /// The frame.
    pub frame: Frame,
    /// The address typed or in force.
    pub address: String,
    /// Addresses that lie in a named network, as suggestions.
    pub addresses: Vec<Choice>,
    /// The countries.
    pub countries: Vec<Choice>,
    /// The hours.
    pub hours: Vec<Choice>,
    /// It was just saved.
    pub saved: bool,
    /// What was wrong, in words.
    pub error: Option<String>,
}

/// The start page of the service provider. Its button begins a sign-in there (SP-initiated).
#[derive(Debug, Clone, Template)]
#[template(path = "demo/service_provider_start.html")]
pub struct ServiceProviderStart {
    /// The frame.
    pub frame: Frame,
    /// Begins a sign-in.
    pub signin_url: String,
    /// The guide.
    pub guide_url: String,
}

/// An attribute as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedAttribute {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// What the service provider read from a response whose signature it verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who issued it.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The subject's format.
    pub subject_format: String,
    /// For whom it is.
    pub audience: String,
    /// Until when it may be used.
    pub valid_until: String,
    /// How the person authenticated.
    pub authn_context: String,
    /// The request it answers; `None` when nobody asked.
    pub in_response_to: Option<String>,
    /// What came beside it.
    pub relay_state: Option<String>,
    /// The attributes.
    pub attributes: Vec<ReceivedAttribute>,
    /// The roles a person may choose from.
    pub roles: Vec<String>,
    /// How long their session would last.
    pub session_duration: Option<String>,
    /// What was checked, in words.
    pub checks: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was in order.
    Verified(Box<Received>),
    /// It was refused for this reason: it does not verify.
    Refused(String),
    /// The identity provider said no with this status.
    Denied(String),
}

/// What the service provider got. POST of a response to its ACS.
#[derive(Debug, Clone, Template)]
#[template(path = "demo/service_provider.html")]
pub struct ServiceProvider {
    /// The frame.
    pub frame: Frame,
    /// What came of it.
    pub outcome: Outcome,
    /// The XML as it arrived.
    pub xml: Option<String>,
    /// The guide.
    pub guide_url: String,
}
