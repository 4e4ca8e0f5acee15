//! `cedargate check --users`: people of whom an app cannot be told, found before they come.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::counted;
use crate::accounts::{Accounts, AccountsError};
use crate::cli::load_config;
use crate::cli::users::Opened;
use crate::clock::{Clock as _, SystemClock, SystemEntropy, Timestamp};
use crate::domain::{User, UserStatus, Username};
use crate::saml::{MappingError, ServiceProvider, rehearse};

/// How many people are read at a time.
const PAGE: u32 = 500;
/// How many problems are told one by one; more are counted.
const MOST_TOLD: usize = 1000;

/// What came of all people and apps.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// How many people were looked at. Those who are suspended get nothing anyway.
    people: usize,
    /// For how many apps.
    apps: usize,
    /// The first of the problems.
    problems: Vec<Problem>,
    /// How many more there are.
    more: usize,
}

/// A person of whom an app cannot be told.
#[derive(Debug, Serialize)]
struct Problem {
    user: String,
    app: String,
    rule: String,
}

impl From<MappingError> for Problem {
    fn from(error: MappingError) -> Self {
        Self { user: error.user.to_string(), app: error.app.to_string(), rule: error.rule }
    }
}

/// Goes through everybody, page by page.
///
/// # Errors
/// The settings or the accounts cannot be read.
pub(super) fn run(file: &Path, apps: &[Arc<ServiceProvider>]) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = load_config(file)?.config;
        // Nothing is made that is not there.
        if Accounts::existing(&config.accounts).await?.is_none() {
            return Ok(Report { apps: apps.len(), ..Report::default() });
        }
        let opened = Opened::open(file).await?;
        let public_url = config.server.public_url_at(config.server.listen);
        let report = check(&opened.accounts, apps, public_url.as_str(), SystemClock.now()).await;
        opened.accounts.close().await;
        Ok(report?)
    })
}

async fn check(
    accounts: &Accounts,
    apps: &[Arc<ServiceProvider>],
    public_url: &str,
    now: Timestamp,
) -> Result<Report, AccountsError> {
    let mut report = Report { apps: apps.len(), ..Report::default() };
    let mut last: Option<Username> = None;
    loop {
        let page = accounts.list(last.as_ref(), PAGE).await?;
        let Some(end) = page.last() else { return Ok(report) };
        last = Some(end.username.clone());
        for user in page.iter().filter(|user| user.status != UserStatus::Suspended) {
            report.look_at(user, apps, public_url, now);
        }
    }
}

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    fn look_at(&mut self, user: &User, apps: &[Arc<ServiceProvider>], public_url: &str, now: Timestamp) {
        self.people += 1;
        let problems = apps.iter().filter_map(|app| rehearse(app, user, public_url, now, &SystemEntropy).err());
        for problem in problems {
            if self.problems.len() < MOST_TOLD {
                self.problems.push(problem.into());
            } else {
                self.more += 1;
            }
        }
    }

    /// One line a problem: user, app, rule.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for Problem { user, app, rule } in &self.problems {
            // Rules quote what people have in their fields.
            let rule: String = rule.chars().map(|c| if c.is_control() { '�' } else { c }).collect();
            writeln!(out, "user `{user}`, app `{app}`: {rule}")?;
        }
        if self.more > 0 {
            writeln!(out, "and {} more", self.more)?;
        }
        let people = if self.people == 1 { "1 person".to_owned() } else { format!("{} people", self.people) };
        let found = counted(self.problems.len() + self.more, "problem");
        writeln!(out, "{people}, {}: {found}", counted(self.apps, "app"))
    }
}
