//! From what the service answers to the page for it.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

use crate::accounts::PasswordProblem;
use crate::domain::{DenyReason, EnforcedPolicy, Method, PORTAL};
use crate::methods::totp;
use crate::saml::SignedResponse;
use crate::signin::{InputError, LinkMail, MailedCodeView, Registration, Reply, View};
use crate::web::account::pages::DeviceCard;
use crate::web::answer::{page, see_other};
use crate::web::context::{Context, Web};
use crate::web::page::{FormError, Frame, local_time};
use crate::web::saml::pages::Post;
use crate::web::security_headers::Forms;

use super::pages::{
    Back, Blocked, ChooseDevice, CodeTimes, EmailCode, EnrolDone, EnrolLink, EnrolTotp, Identify, Link, LinkKind,
    MethodCard, Methods, Password, SetPassword, SignedOut, Totp, reasons,
};

impl Web {
    /// Shows a reply to a form.
    #[must_use]
    pub fn show(&self, context: &Context, reply: Reply) -> HttpResponse {
        self.show_at(context, reply, None)
    }

    /// Shows a reply at an address that can be asked for again in another language.
    #[must_use]
    pub fn show_at(&self, context: &Context, reply: Reply, address: Option<&str>) -> HttpResponse {
        let mut frame = match address {
            Some(address) => context.frame_at(address),
            None => context.frame(),
        };
        if let (false, Some(language)) = (context.language_chosen, reply.language) {
            frame.lang = language;
        }
        if let Some(browser) = reply.cookies.browser.as_deref() {
            frame.csrf_token = self.csrf_token_of(browser).unwrap_or_default();
        }
        let mut response = render(frame, reply.view, reply.app_name);
        self.set_cookies(&mut response, reply.cookies);
        response
    }

    /// The page after signing out.
    #[must_use]
    pub fn signed_out_page(&self, context: &Context, address: &str) -> HttpResponse {
        page(StatusCode::OK, &SignedOut { frame: context.frame_at(address) }, Forms::Own)
    }
}

fn render(frame: Frame, view: View, app_name: Option<String>) -> HttpResponse {
    match view {
        View::Continue { id } => see_other(&format!("/signin/step?signin={id}")),
        View::Portal => see_other("/"),
        View::AccountDevices => see_other("/account/devices"),
        View::Respond(response) => respond(frame, *response, app_name.unwrap_or_default()),
        View::Blocked { reason, reference, at, time_zone, back, devices } => {
            let (when, zone) = local_time(at, time_zone.as_deref());
            let back = back.map(|response| Back {
                app_name: app_name.clone().unwrap_or_default(),
                acs: response.acs.clone(),
                saml_response: response.form_value(),
                relay_state: response.relay_state.as_ref().map(|state| state.as_str().to_owned()),
            });
            let forms = if back.is_some() { Forms::ServiceProvider } else { Forms::Own };
            let message = deny_message(&frame, &reason);
            let start_again_url = "/signin".to_owned();
            let reference = reference.to_string();
            page(
                StatusCode::FORBIDDEN,
                &Blocked { frame, app_name, message, reference, when, zone, back, devices, start_again_url },
                forms,
            )
        }
        view => step_page(frame, view, app_name),
    }
}

/// The pages that ask for something.
fn step_page(frame: Frame, view: View, app_name: Option<String>) -> HttpResponse {
    match view {
        View::Identify { handle: signin, username, error } => {
            let error = error.map(name_error);
            page(status(error), &Identify { frame, app_name, signin, username, error }, Forms::Own)
        }
        View::Password { handle: signin, username, error, attempts_left, retry_after } => {
            let error = error.map(password_error).or(retry_after.map(|_| FormError::TooManyAttempts));
            let see_devices = false;
            let template =
                Password { frame, app_name, signin, username, error, attempts_left, retry_after, see_devices };
            paused(page(status(error), &template, Forms::Own), retry_after)
        }
        View::Challenge {
            handle: signin,
            method: Method::Totp,
            policies,
            error,
            attempts_left,
            retry_after,
            other_ways,
            remember_days,
            devices: see_devices,
            ..
        } => {
            let error = error.map(code_error).or(retry_after.map(|_| FormError::TooManyAttempts));
            let reasons = policy_texts(&frame, &policies);
            let template = Totp {
                frame,
                app_name,
                signin,
                error,
                attempts_left,
                retry_after,
                reasons,
                other_methods: other_ways,
                remember_days: remember_days.map(u32::from),
                see_devices,
            };
            paused(page(status(error), &template, Forms::Own), retry_after)
        }
        View::Challenge {
            handle: signin,
            username,
            method: Method::Password,
            error,
            attempts_left,
            retry_after,
            devices: see_devices,
            ..
        } => {
            let error = error.map(password_error).or(retry_after.map(|_| FormError::TooManyAttempts));
            let username = username.to_string();
            let template =
                Password { frame, app_name, signin, username, error, attempts_left, retry_after, see_devices };
            paused(page(status(error), &template, Forms::Own), retry_after)
        }
        View::MailedCode(view) => email_code_page(frame, *view, app_name),
        View::Challenge { handle: signin, method, .. } => {
            let offers = vec![MethodCard::new(frame.lang, method)];
            page(StatusCode::OK, &Methods { frame, app_name, signin, offers }, Forms::Own)
        }
        View::Methods { handle: signin, offers } => {
            let offers = offers.into_iter().map(|method| MethodCard::new(frame.lang, method)).collect();
            page(StatusCode::OK, &Methods { frame, app_name, signin, offers }, Forms::Own)
        }
        View::ChooseDevice { handle: signin, devices, time_zone } => {
            // Little room: what helps to choose is when it was used last.
            let card =
                |device| DeviceCard { first_used: None, ..DeviceCard::new(&frame, device, time_zone.as_deref()) };
            let devices = devices.into_iter().map(card).collect();
            page(StatusCode::OK, &ChooseDevice { frame, app_name, signin, devices }, Forms::Own)
        }
        view => enrolment_page(frame, view, app_name),
    }
}

fn email_code_page(frame: Frame, view: MailedCodeView, app_name: Option<String>) -> HttpResponse {
    let MailedCodeView { standing, zone, .. } = &view;
    let valid = standing.valid.map(|code| CodeTimes {
        sent: code.sent.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string(),
        until: code.until.to_zoned(zone.clone()).strftime("%H:%M").to_string(),
        zone: code.until.to_zoned(zone.clone()).strftime("%Z").to_string(),
    });
    let wrong = view.error.map(mailed_code_error);
    let template = EmailCode {
        app_name,
        valid,
        resend_in: standing.resend_in,
        exhausted: standing.exhausted,
        too_soon: view.asked_too_soon,
        error: wrong.or(view.retry_after.map(|_| FormError::TooManyAttempts)),
        attempts_left: view.attempts_left,
        retry_after: view.retry_after,
        reasons: policy_texts(&frame, &view.policies),
        signin: view.handle,
        masked_email: view.masked_email,
        remember_days: view.remember_days.map(u32::from),
        see_devices: view.devices,
        frame,
    };
    let status = if template.too_soon { StatusCode::TOO_MANY_REQUESTS } else { status(template.error) };
    let wait = template.retry_after.or(template.too_soon.then_some(template.resend_in));
    paused(page(status, &template, Forms::Own), wait)
}

/// The pages that set something up.
fn enrolment_page(frame: Frame, view: View, app_name: Option<String>) -> HttpResponse {
    match view {
        View::AwaitingLink { handle: signin, masked_email, mail, policies } => {
            let reasons = policy_texts(&frame, &policies);
            let sent = mail == LinkMail::Sent;
            page(StatusCode::OK, &EnrolLink { frame, app_name, signin, masked_email, sent, reasons }, Forms::Own)
        }
        View::Enrolling { handle: signin, username, secret, error } => {
            let error = error.map(code_error);
            let (qr_svg, secret_text) = match totp::enrolment(&secret, &frame.organisation, username.as_str()) {
                Ok(shown) => (shown.qr_svg.to_string(), shown.secret_text.to_string()),
                Err(error) => {
                    tracing::error!(%error, "an authenticator app can't be offered");
                    return HttpResponse::InternalServerError().finish();
                }
            };
            page(status(error), &EnrolTotp { frame, app_name, signin, qr_svg, secret_text, error }, Forms::Own)
        }
        View::Enrolled { target } => {
            let continue_url =
                if target.as_str() == PORTAL { "/signin".to_owned() } else { format!("/launch/{target}") };
            page(StatusCode::OK, &EnrolDone { frame, continue_url }, Forms::Own)
        }
        View::SettingPassword { handle: signin, username, error } => {
            let error = error.map(password_error);
            let username = username.to_string();
            page(status(error), &SetPassword { frame, signin, username, error }, Forms::Own)
        }
        View::Link { token, masked_email: display, registration } => {
            let kind = if registration == Registration::Underway { LinkKind::Activation } else { LinkKind::Enrolment };
            page(StatusCode::OK, &Link { frame, token, kind, display }, Forms::Own)
        }
        // INVARIANT: `render` and `step_page` took the others.
        _ => HttpResponse::InternalServerError().finish(),
    }
}

/// The page that posts a response to the service provider.
pub(crate) fn respond(frame: Frame, response: SignedResponse, app_name: String) -> HttpResponse {
    let template = Post {
        frame,
        app_name,
        saml_response: response.form_value(),
        relay_state: response.relay_state.map(|state| state.as_str().to_owned()),
        acs: response.acs,
    };
    page(StatusCode::OK, &template, Forms::ServiceProvider)
}

/// A form shown again says so: 401 for a wrong proof, 422 for what was never one, 429 for too many.
fn status(error: Option<FormError>) -> StatusCode {
    match error {
        None => StatusCode::OK,
        Some(
            FormError::WrongPassword
            | FormError::CodeWrong
            | FormError::CodeUsed
            | FormError::MailedCodeWrong
            | FormError::MailedCodeUsed
            | FormError::MailedCodeExpired,
        ) => StatusCode::UNAUTHORIZED,
        Some(FormError::TooManyAttempts) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn paused(mut response: HttpResponse, retry_after: Option<u32>) -> HttpResponse {
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    response
}

fn name_error(_: InputError) -> FormError {
    FormError::NameMissing
}

fn password_error(error: InputError) -> FormError {
    match error {
        InputError::Empty => FormError::PasswordMissing,
        InputError::NewPassword(problem) => new_password_error(problem),
        InputError::WrongPassword
        | InputError::WrongCode
        | InputError::CodeUsed
        | InputError::CodeExpired
        | InputError::CodeMalformed => FormError::WrongPassword,
    }
}

fn new_password_error(problem: PasswordProblem) -> FormError {
    match problem {
        PasswordProblem::TooShort { .. } => FormError::PasswordTooShort,
        PasswordProblem::TooLong => FormError::PasswordTooLong,
        PasswordProblem::Common | PasswordProblem::Repetitive => FormError::PasswordCommon,
        PasswordProblem::Context => FormError::PasswordContext,
    }
}

fn code_error(error: InputError) -> FormError {
    match error {
        InputError::Empty | InputError::CodeMalformed => FormError::CodeMalformed,
        InputError::CodeUsed => FormError::CodeUsed,
        InputError::WrongCode | InputError::CodeExpired | InputError::WrongPassword | InputError::NewPassword(_) => {
            FormError::CodeWrong
        }
    }
}

fn mailed_code_error(error: InputError) -> FormError {
    match error {
        InputError::Empty | InputError::CodeMalformed => FormError::MailedCodeMalformed,
        InputError::CodeUsed => FormError::MailedCodeUsed,
        InputError::CodeExpired => FormError::MailedCodeExpired,
        InputError::WrongCode | InputError::WrongPassword | InputError::NewPassword(_) => FormError::MailedCodeWrong,
    }
}

/// The texts of what policies say.
pub(crate) fn policy_texts(frame: &Frame, policies: &[EnforcedPolicy]) -> Vec<String> {
    reasons(frame.lang, policies.iter().filter_map(|policy| policy.message.as_deref()))
}

fn deny_message(frame: &Frame, reason: &DenyReason) -> String {
    let texts = match reason {
        DenyReason::Forbidden { policies } => policy_texts(frame, policies),
        DenyReason::NoPermit => vec![frame.t("blocked-no-permit")],
        DenyReason::NoRole => vec![frame.t("blocked-no-role")],
        DenyReason::CannotShow => vec![frame.t("blocked-cannot-show")],
        DenyReason::EvaluationError { .. } => vec![frame.t("blocked-general")],
    };
    if texts.is_empty() { frame.t("blocked-general") } else { texts.join(" ") }
}

#[cfg(test)]
mod tests {
    use crate::domain::Language;
    use crate::i18n;

    #[test]
    fn every_reason_to_be_refused_has_a_text_in_every_language() {
        for language in Language::ALL {
            for key in ["blocked-no-permit", "blocked-no-role", "blocked-general"] {
                assert!(i18n::find(language, key, &[]).is_some(), "{key} in {language:?}");
            }
        }
    }
}
