//! The portal, and opening an app from it.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::{AppId, RoleName};
use crate::signin::{Availability, PortalPage, SignInError, Target};
use crate::web::answer::{Failure, page, see_other};
use crate::web::assets;
use crate::web::context::{Context, Web};
use crate::web::form::{Form, Posted};
use crate::web::saml::pages::{HiddenField, LaunchConfirm};
use crate::web::security_headers::Forms;

use super::pages::{Portal, RoleTile, Tile, TileNote};

/// `GET /`: the apps; without a session, the way to one.
pub async fn portal(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        match web.service.portal(&context.client).await? {
            Some(found) => Ok(portal_page(&web, context, found, query.get("q"))),
            // Whoever comes back by hand from an app that does not send them back finds the sign-out again here.
            None if web.service.is_signing_out(&context.client).await? => Ok(see_other("/signout/apps")),
            None => Ok(see_other("/signin")),
        }
    })
    .await
}

fn portal_page(web: &Web, context: &Context, found: PortalPage, query: Option<&str>) -> HttpResponse {
    let mut frame = context.frame_at("/");
    if let (false, Some(language)) = (context.language_chosen, found.user.language) {
        frame.lang = language;
    }
    let query = query.map(str::trim).filter(|query| !query.is_empty());
    let wanted = query.map(str::to_lowercase);
    let snapshot = web.service.snapshot();
    let apps = found
        .tiles
        .into_iter()
        .filter(|tile| wanted.as_ref().is_none_or(|wanted| tile.app.name.to_lowercase().contains(wanted)))
        .map(|tile| Tile {
            icon: snapshot.icon(&tile.app.id).and_then(assets::app_icon_url),
            id: tile.app.id.to_string(),
            launch_url: format!("/launch/{}", tile.app.id),
            note: note(tile.availability),
            roles: tile.roles.iter().map(|(role, state)| role_tile(&tile.app.id, role, *state)).collect(),
            name: tile.app.name,
        })
        .collect();
    let template = Portal {
        frame,
        display_name: found.user.display_name(),
        username: found.user.username.to_string(),
        apps,
        query: query.map(str::to_owned),
    };
    page(StatusCode::OK, &template, Forms::Own)
}

fn role_tile(app: &AppId, role: &RoleName, availability: Availability) -> RoleTile {
    RoleTile { name: role.to_string(), launch_url: format!("/launch/{app}?role={role}"), note: note(availability) }
}

fn note(availability: Availability) -> Option<TileNote> {
    match availability {
        Availability::Ready => None,
        Availability::ExtraStep => Some(TileNote::ExtraStep),
        Availability::NotAvailable => Some(TileNote::NotAvailable),
    }
}

/// `GET /launch/{app}`: straight on where a click on our own page, or an act of the person's own (a bookmark), led here;
/// otherwise it asks first, so that no other site opens apps in somebody's name.
pub async fn launch(web: Data<Web>, request: HttpRequest, app: Path<String>) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        if is_own_act(&request) {
            launch_target(&web, context, &app, &query).await
        } else {
            confirm(&web, context, &app, &query).await
        }
    })
    .await
}

/// `POST /launch/{app}`: the answer to the question, with the token of our forms.
pub async fn launch_confirmed(web: Data<Web>, request: HttpRequest, app: Path<String>, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| launch_target(&web, context, &app, form).await).await
}

async fn launch_target(web: &Web, context: &Context, app: &str, fields: &Form) -> Result<HttpResponse, Failure> {
    let target = target(web, app, fields)?;
    let reply = web.service.begin(&context.client, target).await?;
    Ok(web.show(context, reply))
}

fn target(web: &Web, app: &str, fields: &Form) -> Result<Target, SignInError> {
    let app = AppId::parse(app).map_err(|_| SignInError::UnknownApp)?;
    let snapshot = web.service.snapshot();
    let provider = snapshot.service_provider(&app).ok_or(SignInError::UnknownApp)?;
    if !provider.idp_initiated() {
        return Err(SignInError::NotLaunchable);
    }
    let offered = |role: &RoleName| provider.app().roles.contains(role);
    let role = fields
        .get("role")
        .map(|role| RoleName::parse(role).ok().filter(offered).ok_or(SignInError::UnknownApp))
        .transpose()?;
    let relay_state = fields.get("relay_state").map(str::to_owned);
    provider.relay_state_for_launch(relay_state.as_deref()).map_err(|_| SignInError::UnknownApp)?;
    Ok(Target { role, relay_state, ..Target::app(app) })
}

async fn confirm(web: &Web, context: &Context, app: &str, query: &Form) -> Result<HttpResponse, Failure> {
    let target = target(web, app, query)?;
    if let Some(refusal) = web.service.refuse_visit(&context.client, &target).await? {
        return Ok(web.show(context, refusal));
    }
    let app_name = web.service.snapshot().display_name(&target.app).unwrap_or_default();
    let fields = ["role", "relay_state"]
        .into_iter()
        .filter_map(|name| query.get(name).map(|value| HiddenField { name, value: value.to_owned() }))
        .collect();
    let action = format!("/launch/{}", target.app);
    Ok(page(
        StatusCode::OK,
        &LaunchConfirm { frame: context.frame(), app_name, action, fields },
        Forms::ServiceProvider,
    ))
}

/// Fetch metadata (W3C): `same-origin`, or `none` (typed, bookmarked) with a user's act.
fn is_own_act(request: &HttpRequest) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    match header("sec-fetch-site") {
        Some("same-origin") => true,
        Some("none") => header("sec-fetch-user") == Some("?1"),
        _ => false,
    }
}
