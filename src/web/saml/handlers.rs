//! Where service providers send requests.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::saml::request::{self, Parsed, Refusal, RequestError};
use crate::signin::Target;
use crate::web::answer::{Failure, see_other};
use crate::web::context::{Context, Web};
use crate::web::errors::pages::ProblemKind;
use crate::web::form::Posted;
use crate::web::signin::render::respond;

/// `GET /saml/sso`: the Redirect binding.
pub async fn redirect(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    web.serve_cross_site(&request, async |context| {
        accept(&web, context, crate::saml::request::parse_redirect(request.query_string())).await
    })
    .await
}

/// `POST /saml/sso`: the POST binding. It comes from another site, so no cookie of ours comes with it; none is read.
pub async fn post(web: Data<Web>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_cross_site(&request, async |context| {
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&body.0.map_err(Failure::Page)?)
            .map_err(|_| Failure::Page(ProblemKind::BadSamlRequest))?;
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        accept(&web, context, request::parse_post(fields)).await
    })
    .await
}

/// Checks a request and sends the browser on to the sign-in with what was read, sealed. The address is the same site's, so
/// the cookies come along there.
async fn accept(web: &Web, context: &Context, parsed: Result<Parsed, RequestError>) -> Result<HttpResponse, Failure> {
    let snapshot = web.service.snapshot();
    let verified = parsed
        .map_err(Refusal::Local)
        .and_then(|parsed| request::verify(&parsed, &*snapshot, snapshot.idp.sso_url(), web.service.now()));
    match verified {
        Ok(request) => {
            let target = Target { request: Some(request.clone()), ..Target::app(request.app().clone()) };
            Ok(see_other(&format!("/signin?request={}", web.service.seal_target(&target)?)))
        }
        Err(Refusal::Local(error)) => {
            tracing::warn!(%error, client.ip = %context.client.ip, "a SAML request was refused");
            Err(Failure::Page(ProblemKind::BadSamlRequest))
        }
        Err(Refusal::Status { app, reply }) => {
            let response = web.service.refuse_request(&snapshot, &context.client, &app, reply).await?;
            Ok(respond(context.frame(), response, snapshot.display_name(&app).unwrap_or_default()))
        }
    }
}
