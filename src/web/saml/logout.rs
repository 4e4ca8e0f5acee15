//! Signing out: of this server, and of the apps that were opened.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::saml::logout::{self, Carrier, LogoutError, Received, SignedMessage};
use crate::signin::{LogoutStep, SignOut};
use crate::web::answer::{Failure, page, see_other};
use crate::web::context::{Context, Web};
use crate::web::cookies::CookieKind;
use crate::web::errors::pages::ProblemKind;
use crate::web::form::{Form, Posted};
use crate::web::security_headers::Forms;

use super::logout_pages::{AppRow, LogoutPost, SigningOut};

/// `POST /signout`.
pub async fn sign_out(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, _| {
        let next = web.service.sign_out(&context.client).await?;
        let is_over = next == SignOut::Over;
        let mut response = lead_on(&web, context, next);
        if is_over {
            // The browser's token goes too, and with it every sign-in that was underway here.
            web.remove_cookies(&mut response, &[CookieKind::Session, CookieKind::Browser]);
        }
        Ok(response)
    })
    .await
}

/// `GET /saml/slo`: the Redirect binding.
pub async fn redirect(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve_cross_site(&request, async |context| {
        accept(&web, context, logout::receive_redirect(request.query_string()))
    })
    .await
}

/// `POST /saml/slo`: the POST binding. It comes from another site, so no cookie of ours comes with it; none is read.
pub async fn post(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_cross_site(&request, async |context| {
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&body.0.map_err(Failure::Page)?)
            .map_err(|_| Failure::Page(ProblemKind::BadLogoutMessage))?;
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        accept(&web, context, logout::receive_post(fields))
    })
    .await
}

/// Checks a message, its signature first, and sends the browser on with what was read, sealed. The address is the same site's,
/// so the cookies come along there.
fn accept(web: &Web, context: &Context, received: Result<Received, LogoutError>) -> Result<HttpResponse, Failure> {
    let snapshot = web.service.snapshot();
    let verified =
        received.and_then(|received| logout::verify(&received, &*snapshot, &snapshot.idp, web.service.now()));
    match verified {
        Ok(message) => Ok(see_other(&format!("/signout/saml?message={}", web.service.seal_logout(&message)?))),
        Err(error) => {
            tracing::warn!(%error, client.ip = %context.client.ip, "a logout message was refused");
            Err(Failure::Page(ProblemKind::BadLogoutMessage))
        }
    }
}

/// `GET /signout/saml`: an app's message, sealed.
pub async fn message(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        let next = web.service.logout_message(&context.client, query.required("message")?).await?;
        Ok(lead_on(&web, context, next))
    })
    .await
}

/// `GET /signout/apps`: how far it is.
pub async fn apps(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let found = web.service.logout_page(&context.client).await?;
        let frame = context.frame_at(request.path());
        let rows = found.apps.iter().map(|app| AppRow::of(&frame, app, found.time_zone.as_deref())).collect();
        let template = SigningOut { frame, rows, next: found.next };
        // The button leads on to an app.
        Ok(page(StatusCode::OK, &template, Forms::ServiceProvider))
    })
    .await
}

/// `POST /signout/apps`: its buttons.
pub async fn next(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let step = if form.get("skip").is_some() { LogoutStep::Skip } else { LogoutStep::GoOn };
        let next = web.service.logout_step(&context.client, step).await?;
        Ok(lead_on(&web, context, next))
    })
    .await
}

fn lead_on(web: &Web, context: &Context, next: SignOut) -> HttpResponse {
    match next {
        SignOut::Over => see_other("/signed-out"),
        SignOut::Apps(browser) => {
            let mut response = see_other("/signout/apps");
            if browser.is_some() {
                web.remove_cookies(&mut response, &[CookieKind::Session]);
            }
            web.set_browser(&mut response, browser);
            response
        }
        SignOut::Send { message, app_name, ended } => {
            let mut response = carry(context, *message, app_name);
            if ended {
                web.remove_cookies(&mut response, &[CookieKind::Session, CookieKind::Browser]);
            }
            response
        }
    }
}

fn carry(context: &Context, message: SignedMessage, app_name: String) -> HttpResponse {
    match message.carrier {
        Carrier::Redirect(address) => HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish(),
        Carrier::Post { url, field, value, relay_state } => {
            let template = LogoutPost {
                frame: context.frame(),
                app_name,
                action: url,
                field,
                value,
                relay_state: relay_state.map(|state| state.as_str().to_owned()),
            };
            page(StatusCode::OK, &template, Forms::ServiceProvider)
        }
    }
}
