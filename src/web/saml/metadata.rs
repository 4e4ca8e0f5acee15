//! Where service providers fetch our metadata, and where people get it to upload it somewhere.

use actix_web::http::header::{self, IfNoneMatch};
use actix_web::web::{Data, Header, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::AppId;
use crate::saml::Validity;
use crate::signin::SignInError;
use crate::web::answer::Failure;
use crate::web::context::Web;

/// Browsers say so when a person opens an address, as against software that fetches it.
const FETCH_MODE: &str = "sec-fetch-mode";

/// `GET /saml/metadata`: for everybody.
pub async fn metadata(web: Data<Web>, request: HttpRequest, known: Option<Header<IfNoneMatch>>) -> HttpResponse {
    answer(&web, &request, None, known).await
}

/// `GET /saml/metadata/{app}`: for one app.
pub async fn app_metadata(
    web: Data<Web>,
    request: HttpRequest,
    app: Path<String>,
    known: Option<Header<IfNoneMatch>>,
) -> HttpResponse {
    answer(&web, &request, Some(app.into_inner()), known).await
}

async fn answer(
    web: &Data<Web>,
    request: &HttpRequest,
    app: Option<String>,
    known: Option<Header<IfNoneMatch>>,
) -> HttpResponse {
    web.serve_cross_site(request, async |_| {
        let snapshot = web.service.snapshot();
        let app = match app {
            None => None,
            Some(id) => {
                let id = AppId::parse(&id).map_err(|_| SignInError::UnknownApp)?;
                Some(snapshot.service_provider(&id).ok_or(SignInError::UnknownApp)?.clone())
            }
        };
        let by_hand = wants_a_file(request) || app.as_ref().is_some_and(|app| app.takes_uploads_only());
        let validity = if by_hand { Validity::Unlimited } else { Validity::Week };
        let name = app.as_ref().map_or_else(String::new, |app| format!("-{}", app.app().id));
        let now = web.service.now();
        // The first of a day is signed, perhaps by a hardware module: not on a thread that serves requests.
        let made = actix_web::web::block(move || snapshot.idp.metadata(app.as_deref(), validity, now)).await;
        let document = match made {
            Ok(Ok(document)) => document,
            Ok(Err(error)) => return Err(failed(&error)),
            Err(error) => return Err(failed(&error)),
        };
        let etag = header::EntityTag::new_strong(document.etag.clone());
        let unchanged = known.is_some_and(|Header(known)| match known {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|tag| tag.weak_eq(&etag)),
        });
        let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header(header::ETag(etag))
            // It may be kept, but who uses it asks whether it still is the one: a new key has to get around.
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::VARY, FETCH_MODE));
        if unchanged {
            return Ok(response.finish());
        }
        Ok(response
            .insert_header((header::CONTENT_TYPE, "application/samlmetadata+xml"))
            .insert_header((
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"cedargate-metadata{name}.xml\""),
            ))
            .body(document.xml.clone()))
    })
    .await
}

/// A person who downloads it, or says `?upload`, is going to upload it somewhere by hand.
fn wants_a_file(request: &HttpRequest) -> bool {
    let opened = request.headers().get(FETCH_MODE).is_some_and(|mode| mode == "navigate");
    opened || request.query_string() == "upload"
}

fn failed(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "the metadata can't be made");
    Failure::Page(crate::web::errors::pages::ProblemKind::Unavailable)
}
