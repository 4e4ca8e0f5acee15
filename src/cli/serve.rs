//! `cedargate serve`: the server.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Loaded;
use crate::runtime::in_force_file;
use crate::runtime::watch::Watch;
use crate::signals::Plain;
use crate::signin::Delivery;
use crate::telemetry::{self, LogFormat, Traces};
use crate::web::mailing::Mailing;
use crate::web::server::{Surroundings, open, serve};

/// Runs until a signal says to stop. The settings are read before logging starts, as they say where traces go.
///
/// # Errors
/// Something cannot be opened or bound.
pub(super) fn run(file: &Path, format: LogFormat, filter: &str) -> anyhow::Result<ExitCode> {
    let loaded = super::load_config(file)?;
    let traces = loaded.config.telemetry.otlp_url.as_ref().map(|url| Traces::to(&url.traces())).transpose()?;
    telemetry::init(format, filter, traces.as_ref())?;
    let served = until_stopped(loaded);
    if let Some(traces) = traces {
        traces.finish();
    }
    served
}

fn until_stopped(loaded: Loaded) -> anyhow::Result<ExitCode> {
    let address = loaded.config.server.listen;
    let in_force = in_force_file(&loaded.config);
    actix_web::rt::System::new().block_on(async {
        let listener = TcpListener::bind(address).with_context(|| format!("can't listen on `{address}`"))?;
        let delivery = if loaded.config.mail.is_some() { Delivery::Outbox } else { Delivery::Nobody };
        let surroundings = Surroundings { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), delivery };
        let opened = open(loaded, &listener, surroundings, Arc::new(Plain)).await?;
        let url = opened.web.service.snapshot().public_url.clone();
        let watch = Watch::start(opened.web.service.runtime().clone()).await?;
        let mailing = opened.courier.map(|courier| Mailing::start(courier, opened.web.clone()));
        let server = serve(listener, opened.web, |_| {})?;
        let watching = actix_web::rt::spawn(watch.run());
        let refreshing = actix_web::rt::spawn(opened.refresher.run());
        writeln!(std::io::stdout().lock(), "listening on {}", url.as_str())?;
        let keeping = actix_web::rt::spawn(opened.heads.clone().keep());
        let served = server.await;
        watching.abort();
        refreshing.abort();
        if let Some(mailing) = mailing {
            mailing.stop().await;
        }
        keeping.abort();
        let signed = opened.heads.sign().await.context("the head of the audit journal can't be stored");
        opened.accounts.close().await;
        // Nothing is in force any more. Whoever wrote it anew meanwhile, or removed it, is right as well.
        let _ = std::fs::remove_file(in_force);
        served?;
        signed?;
        Ok(ExitCode::SUCCESS)
    })
}
