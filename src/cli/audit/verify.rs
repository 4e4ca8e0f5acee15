//! `cedargate audit verify`: is the journal as it was written?

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::audit::NodeId;
use crate::audit::verify::{Evidence, Report, Scope, verify};
use crate::cli::EXIT_PROBLEMS;
use crate::cli::users::Opened;
use crate::runtime::{head_key, signed_head};

/// Arguments of `audit verify`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A further folder with segments, as of another server; may be given more than once
    #[arg(long, value_name = "FOLDER")]
    folder: Vec<PathBuf>,
    /// Look at this node alone; may be given more than once
    #[arg(long, value_name = "ID")]
    node: Vec<String>,
    /// The oldest segments were moved elsewhere: begin with the first that is there
    #[arg(long)]
    kept_only: bool,
    /// Write one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Proves the journal.
///
/// # Errors
/// Settings, accounts or segments cannot be read.
pub(super) fn run(args: Args, config: &Path) -> anyhow::Result<ExitCode> {
    let scope = Scope { nodes: nodes(&args.node)?, kept_only: args.kept_only };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = open(config).await?;
        let key = head_key(&opened.envelope)?;
        // The heads come first: what a running server writes meanwhile is in the files then.
        let stored = opened.accounts.audit_heads().await?;
        let all = stored.len();
        let heads: Vec<_> = stored.into_iter().filter_map(signed_head).collect();
        let evidence = Evidence { unreadable: all - heads.len(), heads, key: &key };
        let mut folders = args.folder;
        if opened.config.audit.path.exists() || folders.is_empty() {
            folders.insert(0, opened.config.audit.path);
        }
        let report = verify(&folders, evidence, &scope)?;
        let out = &mut io::stdout().lock();
        if args.json {
            writeln!(out, "{:#}", json!({ "ok": report.is_ok(), "public_key": key.public_key(), "report": report }))?;
        } else {
            write_report(out, &report, &key.public_key())?;
        }
        Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
    })
}

/// Nothing is made here: a proof that begins with an empty database or a new secret proves nothing.
pub(super) async fn open(file: &Path) -> anyhow::Result<Opened> {
    let config = crate::cli::load_config(file)?.config;
    let secret = &config.server.secret_file;
    ensure!(
        secret.exists(),
        "there is no key file `{}`: the heads of the journal are signed, and its keys are sealed, with it",
        secret.display()
    );
    Opened::open(file).await
}

fn nodes(ids: &[String]) -> anyhow::Result<BTreeSet<NodeId>> {
    ids.iter()
        .map(|id| NodeId::parse(id).with_context(|| format!("`{id}` is no id of a node: 16 hexadecimal digits")))
        .collect()
}

fn write_report(out: &mut impl io::Write, report: &Report, public_key: &str) -> io::Result<()> {
    for node in &report.nodes {
        write!(
            out,
            "node {}: {}, {}, {}; ",
            node.node,
            counted(node.lines, "record"),
            counted(node.segments as u64, "segment"),
            counted(node.boots as u64, "boot"),
        )?;
        match (node.signed, node.signed_at) {
            (Some(signed), Some(at)) => {
                let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
                writeln!(out, "signed up to record {} on {at}", signed.seq)?;
            }
            _ => writeln!(out, "nothing signed yet")?,
        }
        if let Some(last) = node.last {
            writeln!(out, "  ends with record {}, {}", last.seq, last.hash)?;
        }
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    if report.more > 0 {
        writeln!(out, "… and {} more", report.more)?;
    }
    writeln!(out, "heads are signed with the public key {public_key}")?;
    match report.findings.len() + report.more {
        0 if report.nodes.is_empty() => writeln!(out, "there is no journal yet"),
        0 => writeln!(out, "complete and unaltered up to the last signed head"),
        count => writeln!(out, "{}", counted(count as u64, "problem")),
    }
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
