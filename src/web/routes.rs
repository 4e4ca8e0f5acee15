//! The only route table.

use actix_web::http::header;
use actix_web::web::{Data, Path, PayloadConfig, ServiceConfig, get, post, resource, route};
use actix_web::{HttpRequest, HttpResponse, Resource};

use super::answer::Failure;
use super::context::Web;
use super::errors::pages::ProblemKind;
use super::{account, assets, form, operations, portal, saml, signin};

/// The largest body `/saml/sso` and `/saml/slo` take: a message of 64 KiB, in base64 and percent-encoded, beside a RelayState.
const MAX_SAML_BYTES: usize = 256 * 1024;

/// All addresses (design: "Addresses and defaults"; clients and tests rely on them).
pub fn configure(config: &mut ServiceConfig) {
    use account::handlers as own;
    use operations::handlers as machines;
    use portal::handlers as apps;
    use saml::handlers as sso;
    use saml::logout as out;
    use saml::metadata as about;
    use signin::handlers as steps;
    config
        .app_data(PayloadConfig::new(form::MAX_BYTES))
        .service(at("/").route(get().to(apps::portal)))
        .service(at("/signin").route(get().to(steps::begin)).route(post().to(steps::name)))
        .service(at("/signin/step").route(get().to(steps::step)))
        .service(at("/signin/password").route(post().to(steps::password)))
        .service(at("/signin/totp").route(post().to(steps::totp)))
        .service(at("/signin/email-code").route(post().to(steps::email_code)))
        .service(at("/signin/resend").route(post().to(steps::resend)))
        .service(at("/signin/methods").route(get().to(steps::methods)))
        .service(at("/signin/method").route(post().to(steps::method)))
        .service(at("/signin/lost").route(post().to(steps::lost)))
        .service(at("/signin/enrol-link").route(post().to(steps::enrol_link)))
        .service(at("/signin/enrol").route(post().to(steps::enrol)))
        .service(at("/signin/set-password").route(post().to(steps::set_password)))
        .service(at("/signin/devices").route(post().to(steps::devices)))
        .service(at("/signin/remove-device").route(post().to(steps::remove_device)))
        .service(at("/signin/devices-done").route(post().to(steps::devices_done)))
        .service(at("/account/devices").route(get().to(own::devices)))
        .service(at("/account/devices/remove").route(post().to(own::remove)))
        .service(at("/account/devices/end-trust").route(post().to(own::end_trust)))
        .service(at("/link/{token}").route(get().to(steps::link)).route(post().to(steps::use_link)))
        .service(at("/signout").route(post().to(out::sign_out)))
        .service(at("/signout/saml").route(get().to(out::message)))
        .service(at("/signout/apps").route(get().to(out::apps)).route(post().to(out::next)))
        .service(at("/signed-out").route(get().to(steps::signed_out)))
        .service(at("/launch/{app}").route(get().to(apps::launch)).route(post().to(apps::launch_confirmed)))
        .service(
            at("/saml/sso")
                .app_data(PayloadConfig::new(MAX_SAML_BYTES))
                .route(get().to(sso::redirect))
                .route(post().to(sso::post)),
        )
        .service(
            at("/saml/slo")
                .app_data(PayloadConfig::new(MAX_SAML_BYTES))
                .route(get().to(out::redirect))
                .route(post().to(out::post)),
        )
        .service(at("/saml/metadata").route(get().to(about::metadata)))
        .service(at("/saml/metadata/{app}").route(get().to(about::app_metadata)))
        .service(at("/assets/{hash}/{file}").route(get().to(asset)))
        .service(at("/healthz").route(get().to(machines::healthy)))
        .service(at("/readyz").route(get().to(machines::ready)))
        .service(at("/metrics").route(get().to(machines::metrics)))
        .default_service(route().to(not_found));
}

/// An address that answers other methods with 405.
fn at(path: &str) -> Resource {
    resource(path).default_service(route().to(method_not_allowed))
}

async fn not_found(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve_cross_site(&request, async |_| Err(Failure::Page(ProblemKind::NotFound))).await
}

async fn method_not_allowed(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve_cross_site(&request, async |_| Err(Failure::Page(ProblemKind::MethodNotAllowed))).await
}

/// A style, script or icon. The hash in its address changes with its content, so browsers may keep it for good.
async fn asset(path: Path<(String, String)>) -> HttpResponse {
    let (hash, file) = path.into_inner();
    match assets::find(&hash, &file) {
        Some(asset) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, asset.content_type))
            .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .body(asset.bytes),
        None => HttpResponse::NotFound().finish(),
    }
}
