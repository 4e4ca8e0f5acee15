//! The forms and links of a sign-in: each takes its fields, calls one function of the service, and shows what comes.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::{AppId, Method, PORTAL, SignInId};
use crate::signin::{Remember, SignInError, Target};
use crate::web::account::handlers::device;
use crate::web::answer::Failure;
use crate::web::context::Web;
use crate::web::errors::pages::ProblemKind;
use crate::web::form::{Form, Posted};

/// `GET /signin`: begins. `request` is a sealed target that `/saml/sso` made; without it, the way leads to the portal. Apps are
/// opened by `/launch/{app}`, which asks first where another site led there.
pub async fn begin(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        let (target, address) = match query.get("request") {
            Some(sealed) => (web.service.open_target(sealed)?, None),
            None => (Target::app(AppId::parse(PORTAL).map_err(|_| SignInError::UnknownApp)?), Some(request.path())),
        };
        let reply = web.service.begin(&context.client, target).await?;
        Ok(web.show_at(context, reply, address))
    })
    .await
}

/// `POST /signin`: a name was typed; or, with the field `change`, "Not you?" was pressed.
pub async fn name(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let handle = form.required("signin")?;
        let reply = match form.get("change") {
            Some(_) => web.service.rename(&context.client, handle)?,
            None => web.service.name_typed(&context.client, handle, form.required("username")?)?,
        };
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/password`.
pub async fn password(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, password) = (form.required("signin")?, form.required("password")?);
        let reply = web.service.password_typed(&context.client, handle, password).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `GET /signin/step`: the page of a stored sign-in's stage. Reload and "back" come here.
pub async fn step(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        let id = SignInId::parse(query.required("signin")?).ok_or(SignInError::StartAgain)?;
        let reply = web.service.resume(&context.client, id).await?;
        Ok(web.show_at(context, reply, Some(&format!("/signin/step?signin={id}"))))
    })
    .await
}

/// `POST /signin/totp`: a code from an authenticator app.
pub async fn totp(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, code) = (form.required("signin")?, form.required("code")?);
        let reply = web.service.code_typed(&context.client, handle, code, remember(form)).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// The tick at "Remember this browser". A box that is not ticked is not sent at all.
fn remember(form: &Form) -> Remember {
    if form.get("remember_device").is_some() { Remember::Yes } else { Remember::No }
}

/// `POST /signin/devices`: "See your devices".
pub async fn devices(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let reply = web.service.devices_wanted(&context.client, form.required("signin")?).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/remove-device`: one of them was chosen.
pub async fn remove_device(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, device) = (form.required("signin")?, device(form)?);
        let reply = web.service.device_chosen(&context.client, handle, device).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/devices-done`: "Go on without removing one".
pub async fn devices_done(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let reply = web.service.devices_done(&context.client, form.required("signin")?).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/email-code`: a mailed code.
pub async fn email_code(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, code) = (form.required("signin")?, form.required("code")?);
        let reply = web.service.mailed_code_typed(&context.client, handle, code, remember(form)).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/resend`: "Send a new code".
pub async fn resend(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let reply = web.service.code_wanted_again(&context.client, form.required("signin")?).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `GET /signin/methods`: "Try another way". The handle in the address is worthless without the browser's cookie.
pub async fn methods(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        let reply = web.service.other_ways(&context.client, query.required("signin")?).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/method`: a method was chosen.
pub async fn method(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, method) = (form.required("signin")?, offered(form)?);
        let reply = web.service.method_chosen(&context.client, handle, method).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/lost`: "I no longer have this".
pub async fn lost(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, method) = (form.required("signin")?, offered(form)?);
        let reply = web.service.method_lost(&context.client, handle, method).await?;
        Ok(web.show(context, reply))
    })
    .await
}

fn offered(form: &Form) -> Result<Method, Failure> {
    Method::parse(form.required("method")?).ok_or(Failure::Page(ProblemKind::BadForm))
}

/// `POST /signin/enrol-link`: "Send me a link".
pub async fn enrol_link(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let reply = web.service.link_wanted(&context.client, form.required("signin")?).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/enrol`: the first code from a new authenticator app.
pub async fn enrol(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, code) = (form.required("signin")?, form.required("code")?);
        let reply = web.service.new_code_typed(&context.client, handle, code).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `POST /signin/set-password`: the first password of somebody who registers.
pub async fn set_password(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let (handle, password) = (form.required("signin")?, form.required("password")?);
        let reply = web.service.password_chosen(&context.client, handle, password).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `GET /link/{token}`: shows a button. Programs that follow links in mails press none.
pub async fn link(web: Data<Web>, request: HttpRequest, token: Path<String>) -> HttpResponse {
    web.serve(&request, async |context| {
        let reply = web.service.link_opened(&context.client, &token).await?;
        Ok(web.show_at(context, reply, Some(request.path())))
    })
    .await
}

/// `POST /link/{token}`: the button.
pub async fn use_link(web: Data<Web>, request: HttpRequest, token: Path<String>, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, _| {
        let reply = web.service.link_used(&context.client, &token).await?;
        Ok(web.show(context, reply))
    })
    .await
}

/// `GET /signed-out`.
pub async fn signed_out(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| Ok(web.signed_out_page(context, request.path()))).await
}
