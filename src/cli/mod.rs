//! The command line. One file per command; each ends with 0 when all is well, 1 when something in the files is wrong, and 2
//! when the command itself could not run.

mod app;
mod audit;
mod check;
mod damage;
mod demo;
mod doctor;
mod keys;
mod metadata;
mod plan;
mod policy;
mod progress;
mod replace;
mod schema;
mod serve;
mod since;
mod users;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, ConfigErrors, LocatedProblem};
use crate::runtime::LoadError;
use crate::telemetry::{self, LogFormat};
use crate::web::server::OpenError;

/// What the files say is wrong.
const EXIT_PROBLEMS: u8 = 1;
/// The command could not do its work. `clap` ends with this too when it cannot read the command line.
const EXIT_FAILED: u8 = 2;

/// A SAML identity provider whose every decision is a Cedar policy kept in files.
#[derive(Debug, Parser)]
#[command(name = "cedargate", version, propagate_version = true)]
struct Cli {
    /// The settings.
    #[arg(long, global = true, value_name = "FILE", default_value = "config.toml", env = "CEDARGATE_CONFIG")]
    config: PathBuf,

    /// How logs are written.
    #[arg(long, global = true, value_enum, default_value_t, env = "CEDARGATE_LOG_FORMAT")]
    log_format: LogFormat,

    /// What is logged: a level, or directives as `warn,cedargate=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "info,actix_server=warn", env = "CEDARGATE_LOG")]
    log: String,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check config.toml and tell every problem, each with file, line and column.
    Check(check::Args),
    /// Look whether this server is set up well, and what it knows of an address.
    Doctor(doctor::Args),
    /// Show what the running server would take from changed files.
    Plan(plan::Args),
    /// Connect apps: from the catalogue into config.toml, what to click on the other side, and what they are told.
    #[command(subcommand)]
    App(app::Command),
    /// Look at and test the policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Print the JSON schema of config.toml, for editors.
    Schema,
    /// Run the server.
    Serve,
    /// Show everything on this computer, on temporary data.
    Demo(demo::Args),
    /// Prove the journal, search it, hand it on, forget a month of it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look after the signing keys: list, make, promote, retire.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print the metadata to upload to service providers.
    Metadata(metadata::Args),
    /// Look after people: import, list, show, disable, links.
    #[command(subcommand)]
    Users(users::Command),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    run(Cli::parse()).unwrap_or_else(|error| report(&mut io::stderr().lock(), &error))
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // The server starts its logs itself, once the settings have said where traces go.
    if !matches!(cli.command, Command::Serve) {
        telemetry::init(cli.log_format, &cli.log, None)?;
    }
    match cli.command {
        Command::Check(args) => check::run(&args, &cli.config),
        Command::Doctor(args) => doctor::run(&args, &cli.config),
        Command::Plan(args) => plan::run(&args, &cli.config),
        Command::App(command) => app::run(command, &cli.config),
        Command::Policy(command) => policy::run(&command, &cli.config),
        Command::Schema => schema::run(),
        Command::Serve => serve::run(&cli.config, cli.log_format, &cli.log),
        Command::Demo(args) => demo::run(&args),
        Command::Audit(command) => audit::run(command, &cli.config),
        Command::Keys(command) => keys::run(&command, &cli.config),
        Command::Metadata(args) => metadata::run(&args, &cli.config),
        Command::Users(command) => users::run(command, &cli.config),
    }
}

/// Writes an error that ended a command, and picks the exit code. Every command may return [`ConfigErrors`] with `?`.
fn report(out: &mut dyn io::Write, error: &anyhow::Error) -> ExitCode {
    // Whoever read the output has enough of it, as `head` does.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::from(EXIT_FAILED);
    }
    let load = error.downcast_ref::<LoadError>().or_else(|| match error.downcast_ref::<OpenError>() {
        Some(OpenError::Load(load)) => Some(load),
        _ => None,
    });
    let config = error.downcast_ref::<ConfigErrors>().or(match load {
        Some(LoadError::Config(config)) => Some(config),
        _ => None,
    });
    let told = plain(&in_full(error));
    let (written, code) = match (config, load) {
        (Some(ConfigErrors::Problems(problems)), _) => (write_problems(out, problems), EXIT_PROBLEMS),
        (None, Some(LoadError::Policies(_) | LoadError::PolicyTests(_))) => {
            (writeln!(out, "cedargate: {told}"), EXIT_PROBLEMS)
        }
        _ => (writeln!(out, "cedargate: {told}"), EXIT_FAILED),
    };
    // With standard error closed, the code is all that can still be told.
    ExitCode::from(if written.is_ok() { code } else { EXIT_FAILED })
}

/// An error with its causes, each told once: some name theirs already.
fn in_full(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Loads the settings as every command does: file and environment.
///
/// # Errors
/// As [`config::load`].
pub(crate) fn load_config(file: &Path) -> Result<config::Loaded, ConfigErrors> {
    config::load(file, config::environment())
}

/// The journal of these settings, to be read.
///
/// # Errors
/// The keys it is sealed with are there and cannot be read.
pub(crate) fn open_log(config: &config::Config) -> anyhow::Result<crate::audit::Log> {
    audit::open_log(config, &[])
}

/// The day, by which exceptions in policies expire.
pub(crate) fn today() -> jiff::civil::Date {
    SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Writes each problem of the settings as [`write_finding`] does.
fn write_problems(out: &mut dyn io::Write, problems: &[LocatedProblem]) -> io::Result<()> {
    problems.iter().try_for_each(|problem| write_finding(out, &problem.place(), &problem.problem().message, problem))
}

/// Writes `file:line:column: message`, then the line itself with the place underlined, and what to do.
fn write_finding(
    out: &mut dyn io::Write,
    place: &str,
    message: &str,
    finding: &dyn miette::Diagnostic,
) -> io::Result<()> {
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_context_lines(1)
        .with_links(false);
    writeln!(out, "{}", plain(&format!("{place}: {message}")))?;
    let mut picture = String::new();
    if handler.render_report(&mut picture, finding).is_ok() {
        // Above the frame stands the message, which the line just written says with its place.
        let body = |line: &&str| line.contains("╭─[") || line.trim_start().starts_with("help:");
        for line in picture.lines().skip_while(|line| !body(line)) {
            writeln!(out, "{}", plain(line))?;
        }
    }
    writeln!(out)
}

/// Text of others for a terminal: without what could steer it, or turn what stands around.
fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '�' } else { c }).collect()
}

#[cfg(test)]
mod tests;
