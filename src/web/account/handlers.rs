//! The page of one's devices.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::DeviceId;
use crate::signin::{DevicesPage, Removal, View};
use crate::web::answer::{Failure, page, see_other};
use crate::web::context::{Context, Web};
use crate::web::errors::pages::ProblemKind;
use crate::web::form::{Form, Posted};
use crate::web::security_headers::Forms;
use crate::web::signin::render::policy_texts;

use super::pages::{DeviceCard, Devices, Done};

/// `GET /account/devices`; without a session, the way to one.
pub async fn devices(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        match web.service.account_devices(&context.client).await? {
            Some(found) => Ok(devices_page(context, found, query.get("done").and_then(Done::parse))),
            None => Ok(see_other("/signin")),
        }
    })
    .await
}

fn devices_page(context: &Context, found: DevicesPage, done: Option<Done>) -> HttpResponse {
    let mut frame = context.frame_at("/account/devices");
    if let (false, Some(language)) = (context.language_chosen, found.user.language) {
        frame.lang = language;
    }
    let zone = found.user.time_zone.as_deref();
    let devices = found.devices.into_iter().map(|device| DeviceCard::new(&frame, device, zone)).collect();
    let reasons = match &found.removal {
        Removal::Refused(policies) => policy_texts(&frame, policies),
        Removal::Permitted | Removal::ExtraStep => Vec::new(),
    };
    let template = Devices {
        frame,
        username: found.user.username.to_string(),
        devices,
        may_remove: !matches!(found.removal, Removal::Refused(_)),
        extra_step: found.removal == Removal::ExtraStep,
        reasons,
        done,
    };
    page(StatusCode::OK, &template, Forms::Own)
}

/// `POST /account/devices/remove`.
pub async fn remove(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let reply = web.service.remove_device(&context.client, device(form)?).await?;
        match reply.view {
            View::AccountDevices => Ok(back(Done::Removed)),
            _ => Ok(web.show(context, reply)),
        }
    })
    .await
}

/// `POST /account/devices/end-trust`.
pub async fn end_trust(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| {
        let reply = web.service.end_trust(&context.client, device(form)?).await?;
        match reply.view {
            View::AccountDevices => Ok(back(Done::TrustEnded)),
            _ => Ok(web.show(context, reply)),
        }
    })
    .await
}

fn back(done: Done) -> HttpResponse {
    see_other(&format!("/account/devices?done={}", done.code()))
}

/// The device that a form names.
pub(crate) fn device(form: &Form) -> Result<DeviceId, Failure> {
    DeviceId::parse(form.required("device")?).ok_or(Failure::Page(ProblemKind::BadForm))
}
