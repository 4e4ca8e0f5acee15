//! The demonstration's pages: guide, pretence, mails, and a service provider that stands in for AWS.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig, get, post, resource};
use actix_web::{HttpRequest, HttpResponse};

use crate::clock::SystemClock;
use crate::domain::Country;
use crate::methods::totp;
use crate::web::answer::{Failure, page, see_other};
use crate::web::context::{Context, Web};
use crate::web::demo::pages::{
    Account, Choice, Code, Guide, GuideStep, Mail, Mails, Pretend, Pretended as PretendedPage, ServiceProvider,
    ServiceProviderStart,
};
use crate::web::errors::pages::ProblemKind;
use crate::web::form::{Form, Posted};
use crate::web::page::Frame;
use crate::web::security_headers::Forms;

use super::Demo;
use super::pretend::Pretence;

/// Addresses to choose from, each with the key of what it stands for.
const ADDRESSES: [(&str, &str); 4] = [
    ("203.0.113.10", "demo-address-office"),
    ("198.51.100.20", "demo-address-vpn"),
    ("198.51.100.200", "demo-address-home"),
    ("192.0.2.66", "demo-address-blocked"),
];
/// Countries to choose from.
pub(crate) const COUNTRIES: [&str; 5] = ["DE", "FR", "US", "JP", "KP"];
/// The steps of the guide, as parts of the keys of their texts.
pub(crate) const STEPS: [&str; 5] = ["allow", "challenge", "requested", "block", "enrol"];
/// The most mails shown.
const MAX_MAILS: u32 = 50;

/// The addresses of the demonstration.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/demo").route(get().to(guide)))
        .service(resource("/demo/pretend").route(get().to(pretend)).route(post().to(pretended)))
        .service(resource("/demo/mails").route(get().to(mails)))
        .service(resource("/demo/aws").route(get().to(service_provider_start)))
        .service(resource("/demo/aws/acs").route(post().to(service_provider_acs)));
}

async fn guide(web: Data<Web>, demo: Data<Demo>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let frame = context.frame_at("/demo");
        let now = web.service.now();
        let accounts = demo
            .characters
            .iter()
            .map(|character| Account {
                username: character.username.to_owned(),
                password: character.password.clone(),
                text: frame.t(character.text_key),
                code: character.totp.as_ref().map(|secret| code(secret, now)),
            })
            .collect();
        let steps = steps(&frame, &demo);
        let pretence = demo.pretended.get();
        let pretended = Some(PretendedPage {
            address: pretence.ip.to_string(),
            country: pretence.country.to_string(),
            hour: pretence.hour,
        });
        Ok(page(StatusCode::OK, &Guide { frame, accounts, steps, pretended }, Forms::Own))
    })
    .await
}

fn code(secret: &crate::domain::TotpSecret, now: crate::clock::Timestamp) -> Code {
    let seconds_left = u32::try_from(30 - now.as_second().rem_euclid(30)).unwrap_or(0);
    Code { digits: totp::code_at(secret, now), seconds_left }
}

fn steps(frame: &Frame, demo: &Demo) -> Vec<GuideStep> {
    STEPS
        .into_iter()
        .zip(["/signin", "/launch/aws", demo.aws_url.as_str(), "/demo/pretend", "/demo/mails"])
        .map(|(step, url)| GuideStep {
            title: frame.t(&format!("demo-step-{step}-title")),
            text: frame.t(&format!("demo-step-{step}-text")),
            label: frame.t(&format!("demo-step-{step}-label")),
            url: url.to_owned(),
        })
        .collect()
}

async fn pretend(web: Data<Web>, demo: Data<Demo>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let query = Form::parse(request.query_string().as_bytes())?;
        let saved = query.get("saved").is_some();
        Ok(pretend_page(context, &demo.pretended.get(), saved, None))
    })
    .await
}

async fn pretended(web: Data<Web>, demo: Data<Demo>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_form(&request, body, async |context, form| match read_pretence(form) {
        Ok(pretence) => {
            demo.pretended.set(pretence);
            Ok(see_other("/demo/pretend?saved=1"))
        }
        Err(key) => Ok(pretend_page(context, &demo.pretended.get(), false, Some(key))),
    })
    .await
}

/// Reads the form; the error is the key of its text.
fn read_pretence(form: &Form) -> Result<Pretence, &'static str> {
    let address = form.get("address").unwrap_or_default().trim();
    let ip: IpAddr = address.parse().map_err(|_| "demo-pretend-bad-address")?;
    let country = Country::parse(form.get("country").unwrap_or_default()).map_err(|_| "demo-pretend-bad-country")?;
    let hour = match form.get("hour").unwrap_or_default() {
        "" => None,
        text => Some(text.parse().ok().filter(|hour| *hour < 24).ok_or("demo-pretend-bad-hour")?),
    };
    Ok(Pretence { ip: ip.to_canonical(), country, hour })
}

fn pretend_page(context: &Context, pretence: &Pretence, saved: bool, error: Option<&str>) -> HttpResponse {
    let frame = context.frame_at("/demo/pretend");
    let address = pretence.ip.to_string();
    let choice = |value: &str, label: String, current: &str| Choice {
        value: value.to_owned(),
        label,
        selected: value == current,
    };
    let addresses = ADDRESSES.iter().map(|(value, key)| choice(value, frame.t(key), &address)).collect();
    let country = pretence.country.as_str();
    let countries = COUNTRIES
        .iter()
        .map(|value| choice(value, frame.t(&format!("demo-country-{}", value.to_lowercase())), country))
        .collect();
    let current = pretence.hour.map(|hour| hour.to_string()).unwrap_or_default();
    let hours = std::iter::once(choice("", frame.t("demo-hour-true"), &current))
        .chain((0..24).map(|hour: u8| choice(&hour.to_string(), format!("{hour:02}:00"), &current)))
        .collect();
    let error = error.map(|key| frame.t(key));
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page(status, &Pretend { frame, address, addresses, countries, hours, saved, error }, Forms::Own)
}

async fn mails(web: Data<Web>, demo: Data<Demo>, request: HttpRequest) -> HttpResponse {
    web.serve(&request, async |context| {
        let stored = demo.accounts.mails(MAX_MAILS).await.map_err(crate::signin::SignInError::from)?;
        let mails = stored
            .into_iter()
            .map(|stored| Mail {
                to: stored.mail.to.to_string(),
                subject: stored.mail.subject,
                at: stored.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
                links: links(&stored.mail.text),
                text: stored.mail.text,
            })
            .collect();
        Ok(page(StatusCode::OK, &Mails { frame: context.frame_at("/demo/mails"), mails }, Forms::Own))
    })
    .await
}

/// The addresses in a mail, as paths of this server.
fn links(text: &str) -> Vec<String> {
    text.split_whitespace().filter(|word| word.starts_with("http")).map(str::to_owned).collect()
}

async fn service_provider_start(web: Data<Web>, demo: Data<Demo>, request: HttpRequest) -> HttpResponse {
    web.serve_cross_site(&request, async |context| {
        let signin_url = demo.stand_in.request_url(&SystemClock, &*web.entropy).map_err(|error| {
            tracing::error!(%error, "the demonstration's service provider can't ask");
            Failure::Page(ProblemKind::Internal)
        })?;
        let template = ServiceProviderStart {
            frame: context.frame_at("/demo/aws"),
            signin_url,
            guide_url: demo.guide_url.clone(),
        };
        Ok(page(StatusCode::OK, &template, Forms::Own))
    })
    .await
}

async fn service_provider_acs(web: Data<Web>, demo: Data<Demo>, request: HttpRequest, body: Posted) -> HttpResponse {
    web.serve_cross_site(&request, async |context| {
        let form = Form::parse(&body.0.map_err(Failure::Page)?)?;
        let frame = context.frame();
        let (response, relay_state) = (form.required("SAMLResponse")?, form.get("RelayState"));
        let (outcome, xml) = demo.stand_in.receive(&frame, response, relay_state, web.service.now());
        let template = ServiceProvider { frame, outcome, xml, guide_url: demo.guide_url.clone() };
        Ok(page(StatusCode::OK, &template, Forms::Own))
    })
    .await
}
