//! `cedargate policy list` and `show`: what is in force, and how it is written.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::{parsed, problems};
use crate::domain::PolicyId;

/// The flags of `policy list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Write a JSON array instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let bundle = match parsed(config)?.1 {
        Ok(parsed) => parsed.bundle,
        Err(errors) => return problems(&errors, args.json),
    };
    let out = &mut io::stdout().lock();
    let ids: Vec<&PolicyId> = bundle.policy_ids().collect();
    if args.json {
        writeln!(out, "{:#}", json!(ids))?;
    } else {
        ids.iter().try_for_each(|id| writeln!(out, "{id}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints one policy.
pub(super) fn show(id: &str, config: &Path) -> anyhow::Result<ExitCode> {
    let bundle = match parsed(config)?.1 {
        Ok(parsed) => parsed.bundle,
        Err(errors) => return problems(&errors, false),
    };
    let parsed = PolicyId::parse(id)?;
    let text = bundle.policy_text(&parsed).with_context(|| format!("no policy is called `{id}`"))?;
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
