//! `cedargate check --users`: people of whom an app cannot be told, found before they come.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;

use super::counted;
use crate::accounts::{Accounts, AccountsError};
use crate::cli::load_config;
use crate::cli::users::Opened;
use crate::clock::{Clock as _, SystemClock, SystemEntropy, Timestamp};
use crate::domain::{
    App, Country, DeviceFacts, MethodSet, Profile, Required, RiskFacts, SignalSet, Step, User, UserStatus, Username,
};
use crate::policy::Question;
use crate::policy::explain::explain;
use crate::runtime::Checked;
use crate::saml::{MappingError, rehearse};

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
    /// How many there are besides of people whom no policy lets into the app, so that it never comes to that.
    out_of_reach: usize,
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
pub(super) fn run(file: &Path, checked: &Checked) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = load_config(file)?.config;
        // Nothing is made that is not there.
        if Accounts::existing(&config.accounts).await?.is_none() {
            return Ok(Report { apps: checked.apps.len(), ..Report::default() });
        }
        let opened = Opened::open(file).await?;
        let public_url = config.server.public_url_at(config.server.listen);
        let look = Look { checked, public_url: public_url.as_str(), signals: somewhere(SystemClock.now()) };
        let report = look.at_everybody(&opened.accounts).await;
        opened.accounts.close().await;
        Ok(report?)
    })
}

/// What everybody is looked at with.
struct Look<'a> {
    checked: &'a Checked,
    public_url: &'a str,
    /// Facts of nowhere in particular: which permits are about somebody does not depend on them.
    signals: SignalSet,
}

impl Look<'_> {
    async fn at_everybody(&self, accounts: &Accounts) -> Result<Report, AccountsError> {
        let mut report = Report { apps: self.checked.apps.len(), ..Report::default() };
        let mut last: Option<Username> = None;
        loop {
            let page = accounts.list(last.as_ref(), PAGE).await?;
            let Some(end) = page.last() else { return Ok(report) };
            last = Some(end.username.clone());
            for user in page.iter().filter(|user| user.status != UserStatus::Suspended) {
                self.at(user, &mut report);
            }
        }
    }

    fn at(&self, user: &User, report: &mut Report) {
        report.people += 1;
        for provider in &self.checked.apps {
            let rehearsed = rehearse(provider, user, self.public_url, self.signals.now, &SystemEntropy);
            let Err(error) = rehearsed else { continue };
            if !self.is_within_reach(user, provider.app()) {
                report.out_of_reach += 1;
            } else if report.problems.len() < MOST_TOLD {
                report.problems.push(error.into());
            } else {
                report.more += 1;
            }
        }
    }

    fn is_within_reach(&self, user: &User, app: &App) -> bool {
        let question = Question {
            user,
            app,
            proofs: MethodSet::EMPTY,
            fresh: MethodSet::EMPTY,
            signals: &self.signals,
            sp_initiated: false,
            force_authn: false,
            required: Required::NOTHING,
            profile: Profile::default(),
        };
        explain(&self.checked.bundle, Step::SignIn, None, &question).is_within_reach()
    }
}

fn somewhere(now: Timestamp) -> SignalSet {
    SignalSet {
        ip: IpAddr::from([127, 0, 0, 1]),
        country: Country::unknown(),
        place: None,
        asn: 0,
        networks: BTreeSet::new(),
        anonymous: false,
        now,
        hour: 0,
        weekday: 1,
        device: DeviceFacts::default(),
        risk: RiskFacts::default(),
        unknown: BTreeSet::new(),
    }
}

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
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
        write!(out, "{people}, {}: {found}", counted(self.apps, "app"))?;
        if self.out_of_reach > 0 {
            write!(out, "; {} of people whom no policy lets into the app", self.out_of_reach)?;
        }
        writeln!(out)
    }
}
