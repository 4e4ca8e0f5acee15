//! Which records a command is about: the flags that `audit search` and `audit export` share.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::audit::Search;
use crate::cli::since::since;
use crate::clock::Timestamp;
use crate::domain::{AppId, DecisionKind, ReferenceId, Username};

/// The flags.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// This decision, and what rests on it: the ten characters that a page or a log shows
    #[arg(long, value_name = "REFERENCE")]
    reference: Option<String>,
    /// About this person
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// About this app
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Decisions that came to this: allow, challenge, enrol or deny
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Not before: 30d, 12h, 2026-11-01 or 2026-11-01T08:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A further folder with segments, as of another server; may be given more than once
    #[arg(long, value_name = "FOLDER")]
    pub(super) folder: Vec<PathBuf>,
}

impl Filter {
    /// As the journal takes it.
    pub(super) fn search(&self, now: Timestamp) -> anyhow::Result<Search> {
        let time = |text: &Option<String>, flag: &str| {
            text.as_deref().map(|text| since(text, now)).transpose().with_context(|| format!("cannot read `{flag}`"))
        };
        Ok(Search {
            since: time(&self.since, "--since")?,
            until: time(&self.until, "--until")?,
            user: self.user.as_deref().map(Username::parse).transpose()?,
            app: self.app.as_deref().map(AppId::parse).transpose()?,
            outcome: self.outcome.as_deref().map(outcome).transpose()?,
            reference: self.reference.as_deref().map(ReferenceId::parse).transpose()?,
        })
    }
}

fn outcome(code: &str) -> anyhow::Result<DecisionKind> {
    let codes = || DecisionKind::ALL.map(DecisionKind::code).join(", ");
    let found = DecisionKind::ALL.into_iter().find(|kind| kind.code() == code);
    found.with_context(|| format!("`{code}` is no outcome: one of {}", codes()))
}
