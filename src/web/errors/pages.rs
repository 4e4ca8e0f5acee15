//! One page for what went wrong, with a text per case. Each says what happened and offers a way on; none says anything an
//! attacker could use.

use askama::Template;

use crate::web::page::Frame;

/// Something went wrong that is not a policy's doing.
#[derive(Debug, Clone, Template)]
#[template(path = "errors/problem.html")]
pub struct Problem {
    /// The frame.
    pub frame: Frame,
    /// The HTTP status.
    pub status: u16,
    /// What happened.
    pub title: String,
    /// What that means and what to do.
    pub text: String,
    /// What to tell the help desk.
    pub reference: Option<String>,
    /// Where to go on.
    pub next_url: String,
    /// What the link there says.
    pub next_label: String,
}

/// The cases there is a text for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The sign-in took too long.
    Expired,
    /// The form was sent before.
    Replayed,
    /// The sign-in went on in another tab, or its browser cookie is another one.
    StartAgain,
    /// The CSRF token is wrong.
    Csrf,
    /// The browser sends no cookies.
    CookiesOff,
    /// No such page.
    NotFound,
    /// A link is used up, too old or never was one.
    LinkInvalid,
    /// The form cannot be read.
    BadForm,
    /// An app sent a request that cannot be answered.
    BadSamlRequest,
    /// An app sent a logout message that nothing can be done about.
    BadLogoutMessage,
    /// Too many attempts.
    TooManyAttempts,
    /// The session has opened as many apps as it may.
    TooManyApps,
    /// Too much work at once.
    Busy,
    /// Something this server needs is away.
    Unavailable,
    /// The page takes no request of this kind.
    MethodNotAllowed,
    /// Too much was sent.
    TooLarge,
    /// A body of another kind than a form's.
    NotAForm,
    /// The body did not come in time.
    TooSlow,
    /// What the app has to be told cannot be said of this account.
    NoAssertion,
    /// A fault of this server.
    Internal,
}

impl ProblemKind {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Expired,
        Self::Replayed,
        Self::StartAgain,
        Self::Csrf,
        Self::CookiesOff,
        Self::NotFound,
        Self::LinkInvalid,
        Self::BadForm,
        Self::BadSamlRequest,
        Self::BadLogoutMessage,
        Self::TooManyAttempts,
        Self::TooManyApps,
        Self::Busy,
        Self::Unavailable,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::NotAForm,
        Self::TooSlow,
        Self::NoAssertion,
        Self::Internal,
    ];

    /// The part of the keys that names it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::StartAgain => "start-again",
            Self::Csrf => "csrf",
            Self::CookiesOff => "cookies-off",
            Self::NotFound => "not-found",
            Self::LinkInvalid => "link-invalid",
            Self::BadForm => "bad-form",
            Self::BadSamlRequest => "bad-saml-request",
            Self::BadLogoutMessage => "bad-logout-message",
            Self::TooManyAttempts => "too-many-attempts",
            Self::TooManyApps => "too-many-apps",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooLarge => "too-large",
            Self::NotAForm => "not-a-form",
            Self::TooSlow => "too-slow",
            Self::NoAssertion => "no-assertion",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status (RFC 9110).
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::CookiesOff | Self::BadForm | Self::BadSamlRequest | Self::BadLogoutMessage => 400,
            Self::Csrf | Self::NoAssertion => 403,
            Self::NotFound | Self::LinkInvalid => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Replayed | Self::StartAgain | Self::TooManyApps => 409,
            Self::Expired => 410,
            Self::TooLarge => 413,
            Self::NotAForm => 415,
            Self::TooManyAttempts => 429,
            Self::Internal => 500,
            Self::Busy | Self::Unavailable => 503,
        }
    }
}

impl Problem {
    /// The page of a case. Its way on leads to `next_url`, usually where a sign-in begins.
    #[must_use]
    pub fn new(frame: Frame, kind: ProblemKind, next_url: &str) -> Self {
        let code = kind.code();
        Self {
            status: kind.status(),
            title: frame.t(&format!("problem-{code}-title")),
            text: frame.t(&format!("problem-{code}-text")),
            reference: None,
            next_url: next_url.to_owned(),
            next_label: frame.t("problem-next"),
            frame,
        }
    }

    /// The same with a reference for the help desk.
    #[must_use]
    pub fn with_reference(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }

    /// Too many attempts, and how long to wait.
    #[must_use]
    pub fn too_many_attempts(frame: Frame, retry_after_seconds: u32, next_url: &str) -> Self {
        let text = frame.t_count("problem-too-many-attempts-wait", retry_after_seconds);
        Self { text, ..Self::new(frame, ProblemKind::TooManyAttempts, next_url) }
    }
}
