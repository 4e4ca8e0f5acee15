//! From a page or a problem to an HTTP answer.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::signin::{CookieChanges, SignInError};

use super::context::{Context, ContextError, Web};
use super::cookies::CookieKind;
use super::errors::pages::{Problem, ProblemKind};
use super::form::{Form, Posted};
use super::security_headers::Forms;

/// Why a handler has no page of its own to show.
#[derive(Debug)]
pub enum Failure {
    /// A page says what to do.
    Page(ProblemKind),
    /// The sign-in does not go on.
    SignIn(SignInError),
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        Self::SignIn(error)
    }
}

impl From<super::form::BadForm> for Failure {
    fn from(_: super::form::BadForm) -> Self {
        Self::Page(ProblemKind::BadForm)
    }
}

/// A page: never kept by caches, with the policy its forms need.
#[must_use]
pub fn page(status: StatusCode, template: &impl Template, forms: Forms) -> HttpResponse {
    match template.render() {
        Ok(html) => HttpResponse::build(status)
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CONTENT_SECURITY_POLICY, forms.content_security_policy()))
            .body(html),
        Err(error) => {
            tracing::error!(%error, "a page can't be rendered");
            HttpResponse::InternalServerError().body("this page can't be shown")
        }
    }
}

/// On to another address of ours, with GET.
#[must_use]
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

impl Web {
    /// Runs a handler's body: reads the request, and turns whatever goes wrong into a page.
    pub async fn serve<F>(&self, request: &HttpRequest, body: F) -> HttpResponse
    where
        F: AsyncFnOnce(&Context) -> Result<HttpResponse, Failure>,
    {
        let context = match self.context(request) {
            Ok(context) => context,
            Err(error) => return unplaced(&error),
        };
        let mut response = match body(&context).await {
            Ok(response) => response,
            Err(failure) => self.failure(&context, failure),
        };
        if context.new_browser && !sets_cookie(&response, &self.cookies.set(CookieKind::Browser, String::new())) {
            let cookie = self.cookies.set(CookieKind::Browser, context.client.browser.expose().to_string());
            add_cookie(&mut response, &cookie);
        }
        if context.language_chosen {
            add_cookie(&mut response, &self.cookies.set(CookieKind::Language, context.language.tag().to_owned()));
        }
        response
    }

    /// [`Web::serve`] for what other sites post here. Our cookies did not come along, so none is set: a new one would push
    /// the browser's own aside.
    pub async fn serve_cross_site<F>(&self, request: &HttpRequest, body: F) -> HttpResponse
    where
        F: AsyncFnOnce(&Context) -> Result<HttpResponse, Failure>,
    {
        match self.context(request) {
            Ok(context) => body(&context).await.unwrap_or_else(|failure| self.failure(&context, failure)),
            Err(error) => unplaced(&error),
        }
    }

    /// [`Web::serve`] for a form of our own: the browser must have kept its cookie, and the form must carry its token.
    pub async fn serve_form<F>(&self, request: &HttpRequest, posted: Posted, body: F) -> HttpResponse
    where
        F: AsyncFnOnce(&Context, &Form) -> Result<HttpResponse, Failure>,
    {
        self.serve(request, async |context| {
            let form = Form::parse(&posted.0.map_err(Failure::Page)?)?;
            if context.new_browser {
                return Err(Failure::Page(ProblemKind::CookiesOff));
            }
            if !self.is_own_form(context, &form) {
                return Err(Failure::Page(ProblemKind::Csrf));
            }
            body(context, &form).await
        })
        .await
    }

    /// Writes the cookies of a reply.
    pub fn set_cookies(&self, response: &mut HttpResponse, cookies: CookieChanges) {
        let changes = [
            (CookieKind::Browser, cookies.browser),
            (CookieKind::Session, cookies.session),
            (CookieKind::Device, cookies.device),
        ];
        for (kind, value) in changes {
            if let Some(value) = value {
                add_cookie(response, &self.cookies.set(kind, value));
            }
        }
    }

    /// Lets the browser be known by a new token.
    pub fn set_browser(&self, response: &mut HttpResponse, browser: Option<String>) {
        self.set_cookies(response, CookieChanges { browser, ..CookieChanges::default() });
    }

    /// Takes cookies away.
    pub fn remove_cookies(&self, response: &mut HttpResponse, kinds: &[CookieKind]) {
        for kind in kinds {
            add_cookie(response, &self.cookies.remove(*kind));
        }
    }

    fn failure(&self, context: &Context, failure: Failure) -> HttpResponse {
        let mut retry_after = None;
        let problem = match failure {
            Failure::Page(kind) => self.problem(context, kind),
            Failure::SignIn(SignInError::TooMany(seconds)) => {
                retry_after = Some(seconds);
                Problem::too_many_attempts(context.frame(), seconds, "/signin")
            }
            Failure::SignIn(error) => {
                retry_after = match &error {
                    SignInError::Busy => Some(2),
                    // Stores are looked for again within seconds once they are back.
                    SignInError::Unavailable { .. } => Some(5),
                    _ => None,
                };
                self.sign_in_problem(context, &error)
            }
        };
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = page(status, &problem, Forms::Own);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        }
        response
    }

    fn problem(&self, context: &Context, kind: ProblemKind) -> Problem {
        Problem::new(
            context.frame(),
            kind,
            if matches!(kind, ProblemKind::NotFound | ProblemKind::NoAssertion) { "/" } else { "/signin" },
        )
    }

    fn sign_in_problem(&self, context: &Context, error: &SignInError) -> Problem {
        let kind = match error {
            SignInError::StartAgain => ProblemKind::StartAgain,
            SignInError::Expired => ProblemKind::Expired,
            SignInError::AlreadyAnswered => ProblemKind::Replayed,
            SignInError::BadLink => ProblemKind::LinkInvalid,
            SignInError::UnknownApp | SignInError::NotLaunchable => ProblemKind::NotFound,
            SignInError::Busy => ProblemKind::Busy,
            SignInError::TooMany(_) => ProblemKind::TooManyAttempts,
            SignInError::TooManyApps => ProblemKind::TooManyApps,
            SignInError::Mapping(_) => ProblemKind::NoAssertion,
            SignInError::Unavailable { .. } => ProblemKind::Unavailable,
        };
        let problem = self.problem(context, kind);
        match kind {
            ProblemKind::Internal | ProblemKind::Unavailable => self.service.metrics().failed(error.away()),
            // Nothing failed: the log tells which account has to be mended, and the page how to ask for it.
            ProblemKind::NoAssertion => {}
            _ => return problem,
        }
        match crate::domain::ReferenceId::new(&*self.entropy) {
            Ok(reference) => {
                tracing::error!(error.reference = %reference, error = %Chain(error), "a sign-in failed");
                problem.with_reference(reference.as_str())
            }
            Err(_) => problem,
        }
    }
}

/// An error with everything it was caused by, on one line.
pub(super) struct Chain<'a>(pub(super) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn unplaced(error: &ContextError) -> HttpResponse {
    match error {
        ContextError::ForwardedFor(error) => {
            tracing::warn!(%error, "a request was refused");
            HttpResponse::BadRequest().body("X-Forwarded-For is malformed")
        }
        ContextError::NoPeer | ContextError::Entropy(_) => {
            tracing::error!(%error, "a request can't be placed");
            HttpResponse::ServiceUnavailable().body("try again in a moment")
        }
    }
}

fn sets_cookie(response: &HttpResponse, like: &actix_web::cookie::Cookie<'_>) -> bool {
    response.cookies().any(|cookie| cookie.name() == like.name())
}

fn add_cookie(response: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) {
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "a cookie can't be set");
    }
}

/// The start of a plain answer.
#[must_use]
pub fn plain(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder.insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"));
    builder
}
