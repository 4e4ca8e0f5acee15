//! `cedargate policy explain REFERENCE`: the decision behind a reference, and what came of every policy.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::{parsed, problems};
use crate::audit::DecisionRecord;
use crate::cli::open_log;
use crate::domain::{
    Country, Decision, DenyReason, EmailAddress, MethodSet, ReferenceId, Step, User, UserId, UserStatus, Username,
};
use crate::policy::explain::{Outcome, explain};
use crate::policy::{Bundle, Question};

/// The flags of `policy explain`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The ten characters that a page or a log shows.
    reference: String,
}

/// Explains a stored decision by the policies in force now, and says so when others decided.
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let (loaded, parsed) = parsed(config)?;
    let bundle = match parsed {
        Ok(parsed) => parsed.bundle,
        Err(errors) => return problems(&errors, false),
    };
    let reference = ReferenceId::parse(&args.reference)?;
    let log = open_log(&loaded.config)?;
    let record = log
        .find(&reference)?
        .with_context(|| format!("no decision `{reference}` in `{}`", loaded.config.audit.path.display()))?;
    let out = &mut io::stdout().lock();
    write_record(out, &record)?;
    if record.policy_digest == bundle.digest() {
        writeln!(out, "\nThe policies that decided are the ones in force:")?;
    } else {
        writeln!(out, "\nOther policies are in force by now. By them:")?;
    }
    write_policies(out, &bundle, &record)?;
    Ok(ExitCode::SUCCESS)
}

fn write_record(out: &mut impl io::Write, record: &DecisionRecord) -> io::Result<()> {
    let who = record.user.as_ref().map_or("somebody unknown".to_owned(), Username::to_string);
    writeln!(out, "{} at {}", record.reference, record.at.strftime("%Y-%m-%d %H:%M:%S UTC"))?;
    writeln!(out, "{who}, {} {}: {}", record.step.action(), record.app, outcome(&record.decision))?;
    for policy in &record.determining {
        writeln!(out, "  because of {}", policy.id)?;
    }
    writeln!(out, "  shown: {}; fresh: {}", codes(record.proofs), codes(record.fresh))?;
    let signals = &record.signals;
    let networks: Vec<&str> = signals.networks.iter().map(|network| network.as_str()).collect();
    let place = signals.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    let networks = or_none(&networks.join(", "));
    writeln!(out, "  from {} in {}{place}, AS {}, networks: {networks}", signals.ip, signals.country, signals.asn)?;
    writeln!(out, "  hour {}, weekday {}", signals.hour, signals.weekday)?;
    let device = signals.device;
    writeln!(
        out,
        "  device known: {}, trusted: {}, {} registered; failed attempts: {}",
        device.known, device.trusted, device.registered, signals.risk.failed_attempts
    )?;
    let risk = signals.risk;
    writeln!(
        out,
        "  anonymous: {}, new country: {}, impossible travel: {}",
        signals.anonymous, risk.new_country, risk.impossible_travel
    )?;
    let unknown: Vec<&str> = signals.unknown.iter().map(|signal| signal.code()).collect();
    writeln!(out, "  not known: {}", or_none(&unknown.join(", ")))?;
    writeln!(out, "  asked {} times in {} µs, policies {}", record.evaluations, record.micros, record.policy_digest)
}

fn write_policies(out: &mut impl io::Write, bundle: &Bundle, record: &DecisionRecord) -> anyhow::Result<()> {
    let app = bundle.vocabulary().app(record.app.as_str());
    let app = app.with_context(|| format!("there is no app `{}` any more", record.app))?;
    if record.step == Step::Visit {
        let verdict = bundle.visit(app, &record.signals);
        writeln!(out, "  {}", if verdict.allowed { "a visit is allowed" } else { "a visit is refused" })?;
        for policy in verdict.determining {
            writeln!(out, "  matched  {}", policy.id)?;
        }
        return Ok(());
    }
    let user = user_of(record)?;
    let question = Question {
        user: &user,
        app,
        proofs: record.proofs,
        fresh: record.fresh,
        signals: &record.signals,
        sp_initiated: record.sp_initiated,
        force_authn: record.force_authn,
        required: record.required,
        profile: record.profile,
    };
    let explanation = explain(bundle, record.step, record.role.as_ref(), &question);
    for policy in &explanation.policies {
        let effect = if policy.forbids { "forbid" } else { "permit" };
        let shadow = if policy.shadow { " (shadow)" } else { "" };
        match &policy.outcome {
            Outcome::Matched => {
                writeln!(out, "  {effect}  matched      {}{shadow}: {}", policy.id, policy.description)?
            }
            Outcome::NotMatched { condition } => {
                writeln!(out, "  {effect}  not matched  {}{shadow}: {condition}", policy.id)?;
            }
            Outcome::Error { message } => writeln!(out, "  {effect}  error        {}{shadow}: {message}", policy.id)?,
            Outcome::Expired => writeln!(out, "  {effect}  expired      {}: {}", policy.id, policy.description)?,
            Outcome::OtherScope => {}
        }
    }
    let others = explanation.policies.iter().filter(|policy| policy.outcome == Outcome::OtherScope).count();
    writeln!(out, "  {others} more policies are about other people, steps or apps")?;
    writeln!(out, "As asked, Cedar says {}.", if explanation.allowed { "allow" } else { "deny" })?;
    Ok(())
}

/// The person as they were then: all that policies can see of them is in the record.
fn user_of(record: &DecisionRecord) -> anyhow::Result<User> {
    Ok(User {
        id: UserId::parse("00000000-0000-7000-8000-000000000000").context("a fixed id is well formed")?,
        username: record.user.clone().context("the record names nobody")?,
        email: EmailAddress::parse("nobody@example.invalid")?,
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: record.groups.clone(),
        home_country: record.home_country.clone().unwrap_or_else(Country::unknown),
        time_zone: None,
        language: None,
        status: record.status.unwrap_or(UserStatus::Suspended),
        session_epoch: 0,
        devices_since: None,
    })
}

fn outcome(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "allowed".to_owned(),
        Decision::Challenge { offers, .. } => {
            let offers: Vec<&str> = offers.iter().map(|offer| offer.method.code()).collect();
            format!("challenged, offering {}", offers.join(", "))
        }
        Decision::Enrol { permitted: true, .. } => "to enrol a method".to_owned(),
        Decision::Enrol { permitted: false, .. } => "to enrol a method, after opening a link".to_owned(),
        Decision::Deny(DenyReason::Forbidden { .. }) => "denied: forbidden".to_owned(),
        Decision::Deny(DenyReason::NoPermit) => "denied: no policy grants it".to_owned(),
        Decision::Deny(DenyReason::NoRole) => "denied: no role is granted".to_owned(),
        Decision::Deny(DenyReason::CannotShow) => "denied: the app wants shown what the person cannot show".to_owned(),
        Decision::Deny(DenyReason::EvaluationError { .. }) => "denied: a policy could not be evaluated".to_owned(),
    }
}

fn codes(methods: MethodSet) -> String {
    let codes: Vec<&str> = methods.iter().map(|method| method.code()).collect();
    or_none(&codes.join(", "))
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}
