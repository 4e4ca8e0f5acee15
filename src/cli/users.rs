//! `cedargate users …`: import people, look at them, shut them out, give them a way in.

mod accounts;
mod devices;
mod output;
mod password;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

pub(super) use self::accounts::Opened;
use crate::accounts::import::{self, ImportMode};
use crate::accounts::{AccountsError, LinkPurpose, LinkToken, NewUser, PasswordContext, PasswordRules};
use crate::domain::{EmailAddress, GroupName, User, UserStatus, Username};

/// The group of those who may do everything in the console.
const OWNERS: &str = "owners";
/// How many users are read at a time.
const PAGE: u32 = 500;

/// What can be done with people.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create people from a CSV file: all of them, or none if a row has a problem
    Import(ImportArgs),
    /// Print an example of the CSV file with all columns
    SampleCsv,
    /// List everybody
    List(JsonArgs),
    /// Show one person with their groups and authenticators
    Show(ShowArgs),
    /// Shut a person out; ends their sessions at once
    Disable(UserArgs),
    /// Let a person in
    Enable(UserArgs),
    /// Set a password, read from the terminal or as one line from standard input; ends the person's sessions
    SetPassword(UserArgs),
    /// Remove a person's authenticators, as after a lost phone; ends their sessions
    ResetMethods(UserArgs),
    /// List a person's devices, or free one: its sessions and its trust end
    Devices(devices::DevicesArgs),
    /// Print a link with which a person completes registration; works once, for five days
    ActivationLink(UserArgs),
    /// Create the first owner and print the link with which they register
    BootstrapAdmin(BootstrapArgs),
}

/// Arguments of `users import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The CSV file (UTF-8, commas)
    file: PathBuf,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `users list`.
#[derive(Debug, Args)]
pub(super) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `users show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Username or email address
    user: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of commands about one person.
#[derive(Debug, Args)]
pub(super) struct UserArgs {
    /// Username or email address
    user: String,
}

/// Arguments of `users bootstrap-admin`.
#[derive(Debug, Args)]
pub(super) struct BootstrapArgs {
    /// The owner's username
    #[arg(long, default_value = "admin", value_parser = Username::parse)]
    username: Username,
    /// The owner's email address; without it, `contact` of `[organisation]`
    #[arg(long, value_parser = EmailAddress::parse)]
    email: Option<EmailAddress>,
}

/// Runs the command: 0 done, 1 what was given has problems (they were printed). Errors mean that it could not run.
///
/// # Errors
/// The configuration or the accounts database cannot be read, or standard output cannot be written.
pub(super) fn run(command: Command, config: &Path) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if let Command::SampleCsv = command {
        out.write_all(import::SAMPLE.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = Opened::open(config).await?;
        let code = execute(command, &opened, &mut out).await;
        opened.accounts.close().await;
        code
    })
}

async fn execute(command: Command, opened: &Opened, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match command {
        Command::SampleCsv => out.write_all(import::SAMPLE.as_bytes())?,
        Command::Import(args) => return import_file(&args, opened, out).await,
        Command::List(args) => list(&args, opened, out).await?,
        Command::Show(args) => {
            let user = opened.find(&args.user).await?;
            let authenticators = opened.accounts.authenticators(user.id).await?;
            output::one(out, &user, &authenticators, args.json)?;
        }
        Command::Disable(args) => set_status(&args.user, UserStatus::Suspended, opened, out).await?,
        Command::Enable(args) => set_status(&args.user, UserStatus::Active, opened, out).await?,
        Command::SetPassword(args) => return set_password(&args.user, opened, out).await,
        Command::ResetMethods(args) => reset_methods(&args.user, opened, out).await?,
        Command::Devices(args) => devices::run(&args, opened, out).await?,
        Command::ActivationLink(args) => {
            let user = opened.find(&args.user).await?;
            if user.status == UserStatus::Suspended {
                bail!("`{}` is suspended; `cedargate users enable` lets them in", user.username);
            }
            activation_link(&user, opened, out).await?;
        }
        Command::BootstrapAdmin(args) => bootstrap_admin(args, opened, out).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Afterwards the person has a password alone: what they may add a method with is the link of `activation-link`.
async fn reset_methods(user: &str, opened: &Opened, out: &mut impl Write) -> anyhow::Result<()> {
    let user = opened.find(user).await?;
    let mut removed = 0;
    for authenticator in opened.accounts.authenticators(user.id).await? {
        removed += usize::from(opened.accounts.remove_authenticator(user.id, authenticator.id).await?);
    }
    match removed {
        0 => writeln!(out, "{}: has no authenticators", user.username)?,
        1 => writeln!(out, "{}: 1 authenticator removed; all sessions ended", user.username)?,
        more => writeln!(out, "{}: {more} authenticators removed; all sessions ended", user.username)?,
    }
    Ok(())
}

async fn import_file(args: &ImportArgs, opened: &Opened, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let limits = import::Limits::default();
    let bytes = accounts::read_limited(&args.file, limits.bytes)?;
    let sheet = match import::read(&bytes, limits, &opened.import_rules()?) {
        Ok(sheet) => sheet,
        Err(error) => {
            output::file_problem(out, &args.file, &error, args.json)?;
            return Ok(ExitCode::from(1));
        }
    };
    let mode = if args.dry_run { ImportMode::DryRun } else { ImportMode::Apply };
    let report = opened.accounts.import(sheet, mode, &opened.hashing()?).await?;
    output::report(out, &report, args.json)?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn list(args: &JsonArgs, opened: &Opened, out: &mut impl Write) -> anyhow::Result<()> {
    let mut everybody: Vec<User> = Vec::new();
    loop {
        let page = opened.accounts.list(everybody.last().map(|user| &user.username), PAGE).await?;
        if page.is_empty() {
            return Ok(output::many(out, &everybody, args.json)?);
        }
        everybody.extend(page);
    }
}

async fn set_status(typed: &str, status: UserStatus, opened: &Opened, out: &mut impl Write) -> anyhow::Result<()> {
    let user = opened.find(typed).await?;
    opened.accounts.set_status(user.id, status).await?;
    writeln!(out, "{}: {} (was {}); all sessions ended", user.username, status.code(), user.status.code())?;
    Ok(())
}

async fn set_password(typed: &str, opened: &Opened, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let user = opened.find(typed).await?;
    let password = password::read(&user.username)?;
    let organisation = &opened.config.organisation.name;
    let context = PasswordContext { username: &user.username, email: &user.email, organisation };
    if let Err(problem) = PasswordRules::default().check(&password, context) {
        writeln!(out, "{}: {problem}", user.username)?;
        return Ok(ExitCode::from(1));
    }
    let hash = opened.hashing()?.hash(password).await?;
    opened.accounts.set_password(user.id, &hash).await?;
    writeln!(out, "{}: password set; all sessions ended; status {}", user.username, user.status.code())?;
    Ok(ExitCode::SUCCESS)
}

async fn activation_link(user: &User, opened: &Opened, out: &mut impl Write) -> anyhow::Result<()> {
    let valid = LinkPurpose::ACTIVATION_SECONDS;
    let token = opened.accounts.new_link(user.id, LinkPurpose::Activation, valid).await?;
    writeln!(out, "{}", link_address(opened, &token))?;
    Ok(())
}

/// Where a link is opened.
fn link_address(opened: &Opened, token: &LinkToken) -> String {
    opened.config.server.public_url.join(&format!("/link/{}", token.expose()))
}

/// Creates a pending owner. Asked again for the same owner before they registered, it gives a new link.
async fn bootstrap_admin(args: BootstrapArgs, opened: &Opened, out: &mut impl Write) -> anyhow::Result<()> {
    let owners = GroupName::parse(OWNERS)?;
    if let Some(user) = opened.accounts.user_by_name(&args.username).await? {
        if user.status == UserStatus::Pending && user.groups.contains(&owners) {
            return activation_link(&user, opened, out).await;
        }
        bail!("the user `{}` is there already; choose another with --username", user.username);
    }
    let contact = opened.config.organisation.contact.as_deref();
    let email = match (args.email, contact.map(EmailAddress::parse)) {
        (Some(email), _) | (None, Some(Ok(email))) => email,
        (None, _) => bail!("give the owner's address with --email"),
    };
    let mut owner = NewUser::pending(args.username, email);
    owner.groups.insert(owners);
    let id = match opened.accounts.create(&owner).await {
        Ok(id) => id,
        Err(AccountsError::Taken { name }) => bail!("`{name}` belongs to another user"),
        Err(error) => return Err(error.into()),
    };
    let user = opened.accounts.user(id).await?.context("the owner was removed while being created")?;
    activation_link(&user, opened, out).await
}
