//! `cedargate demo`: everything on one computer, on temporary data.

use std::net::SocketAddr;
use std::process::ExitCode;

/// Where to show it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address to listen on, a loopback one; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Runs until a signal says to stop.
///
/// # Errors
/// The address is taken or not a loopback one, or something cannot be opened.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    crate::demo::run(args.listen)?;
    Ok(ExitCode::SUCCESS)
}
