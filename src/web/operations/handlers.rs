//! `/healthz`, `/readyz` and `/metrics`. Plain text, no cookies, nothing about people.

use std::fmt::Write as _;

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::runtime::InForce;
use crate::web::answer::plain;
use crate::web::context::Web;

/// `GET /healthz`: the process answers.
pub async fn healthy() -> HttpResponse {
    plain(StatusCode::OK).body("ok\n")
}

/// `GET /readyz`: the stores answer too, so sign-ins can go on, and the server is not about to stop. The text says what is in
/// force, and whether the files hold something that is not. A refused set is no reason to send people elsewhere.
///
/// Why a set was refused is told to those who may read the numbers: it quotes the files.
pub async fn ready(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    if web.lifecycle.is_stopping() {
        return plain(StatusCode::SERVICE_UNAVAILABLE).body("stopping\n");
    }
    match web.service.ready().await {
        Ok(()) if may_read_metrics(&web, &request) => {
            plain(StatusCode::OK).body(format!("ready\n{}", state_of_files(&web)))
        }
        Ok(()) => plain(StatusCode::OK).body("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            plain(StatusCode::SERVICE_UNAVAILABLE).body("not ready\n")
        }
    }
}

fn state_of_files(web: &Web) -> String {
    let runtime = web.service.runtime();
    let InForce { snapshot, since, config_digest, waiting, .. } = &*runtime.in_force();
    let age = web.service.now().duration_since(*since).as_secs().max(0);
    let digest = snapshot.bundle.digest();
    let mut text = format!("policies {digest}\nconfig {config_digest}\nin force since {since:.0} ({age} s)\n");
    if !waiting.is_empty() {
        let _ = writeln!(text, "takes effect at the next start: {}", waiting.join(", "));
    }
    if let Some(refusal) = runtime.refusal() {
        let _ = writeln!(text, "the files are refused since {:.0}:", refusal.since);
        for line in refusal.why.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// `GET /metrics`: for this very machine and the networks of `[telemetry]`.
pub async fn metrics(web: Data<Web>, request: HttpRequest) -> HttpResponse {
    if !may_read_metrics(&web, &request) {
        return plain(StatusCode::FORBIDDEN).body(
            "the numbers are for this machine and the networks of `telemetry.metrics_networks` in config.toml\n",
        );
    }
    match web.service.numbers().await.text(web.service.now()) {
        Ok(text) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the numbers can't be written");
            plain(StatusCode::INTERNAL_SERVER_ERROR).body("the numbers can't be written\n")
        }
    }
}

fn may_read_metrics(web: &Web, request: &HttpRequest) -> bool {
    let snapshot = web.service.snapshot();
    let Ok(ip) = web.address(request, &snapshot) else { return false };
    // Behind a proxy on this machine that is not named in config, everybody seems to be this machine.
    let forwarded = ["x-forwarded-for", "forwarded", "via"].iter().any(|name| request.headers().contains_key(*name));
    let from_here = ip.is_loopback() && !forwarded;
    from_here || snapshot.config.telemetry.metrics_networks.iter().any(|block| block.contains(&ip))
}
