//! Counts each request, times it, and opens the span that its trace begins with.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::clock::Stopwatch;
use crate::web::context::Web;

/// The route of what no route takes.
const UNKNOWN: &str = "unknown";

/// Around every request. What is counted is the pattern of the route, never what a stranger typed.
///
/// # Errors
/// Those of the handler.
pub async fn measured(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let web = request.app_data::<Data<Web>>().cloned();
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = Empty,
        http.request.method = known_method(request.method()),
        http.route = Empty,
        http.response.status_code = Empty,
    );
    let stopwatch = Stopwatch::start();
    let answer = next.call(request).instrument(span.clone()).await;
    let (route, status) = match &answer {
        Ok(response) => (response.request().match_pattern(), response.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let route = route.as_deref().unwrap_or(UNKNOWN);
    span.record("otel.name", route);
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    if let Some(web) = web {
        web.service.metrics().requested(route, status.as_u16(), stopwatch.micros());
    }
    answer
}

/// Methods are free text; the known ones are few.
fn known_method(method: &actix_web::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}
