//! `cedargate serve`: the server.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use crate::clock::{SystemClock, SystemEntropy};
use crate::signals::Plain;
use crate::signin::Delivery;
use crate::web::server::{Surroundings, open, serve};

/// Runs until a signal says to stop.
///
/// # Errors
/// Something cannot be opened or bound.
pub(super) fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let loaded = super::load_config(file)?;
    let address = loaded.config.server.listen;
    actix_web::rt::System::new().block_on(async {
        let listener = TcpListener::bind(address).with_context(|| format!("can't listen on `{address}`"))?;
        let surroundings =
            Surroundings { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), delivery: Delivery::Nobody };
        let opened = open(loaded, &listener, surroundings, Arc::new(Plain)).await?;
        let url = opened.web.service.snapshot().public_url.clone();
        let server = serve(listener, opened.web, |_| {})?;
        writeln!(std::io::stdout().lock(), "listening on {}", url.as_str())?;
        server.await?;
        Ok(ExitCode::SUCCESS)
    })
}
