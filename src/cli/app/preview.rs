//! `cedargate app preview`: what an app would be told of somebody, and why.

mod output;

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::accounts::Accounts;
use crate::audit::{Journal, Means, Quota};
use crate::cli::users::Opened;
use crate::cli::{EXIT_PROBLEMS, load_config};
use crate::clock::{Clock, ManualClock, SystemClock, SystemEntropy, Timestamp};
use crate::domain::{AppId, DeviceFacts, Method, MethodSet, RoleName, User};
use crate::runtime::{Heads, Snapshot, head_key, offline, signed_head};
use crate::signin::{Preview, PreviewError, Stated, preview};

/// The policies refuse.
const EXIT_REFUSED: u8 = 3;

/// The flags of `app preview`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Who signs in: username or email address.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// To which app.
    #[arg(long, value_name = "ID", value_parser = AppId::parse)]
    app: AppId,
    /// What they show, with commas between: `password,totp`. Without it, all they can.
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = method)]
    proofs: Option<Vec<Method>>,
    /// The one role they choose.
    #[arg(long, value_name = "NAME", value_parser = RoleName::parse)]
    role: Option<RoleName>,
    /// One of the app's addresses. Without it, the first.
    #[arg(long, value_name = "URL")]
    acs: Option<String>,
    /// Where they come from.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,
    /// When: `2027-01-31T09:00:00+01:00`. Without it, now.
    #[arg(long, value_name = "INSTANT", conflicts_with = "sign", value_parser = instant)]
    time: Option<Timestamp>,
    /// What is known of the device.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// Write the response as XML.
    #[arg(long, conflicts_with = "json")]
    xml: bool,
    /// Sign it: the app takes it for five minutes, and the journal has it.
    #[arg(long)]
    sign: bool,
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What is known of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DeviceArg {
    /// Their first one, never seen before.
    #[default]
    New,
    /// The one they always use.
    Known,
}

impl DeviceArg {
    fn facts(self) -> DeviceFacts {
        match self {
            Self::New => DeviceFacts::default(),
            Self::Known => DeviceFacts { known: true, trusted: false, registered: 1 },
        }
    }
}

/// Reads the code of a method.
pub(in crate::cli) fn method(code: &str) -> Result<Method, String> {
    Method::parse(code).ok_or_else(|| {
        let near = Method::ALL.into_iter().min_by_key(|method| strsim::damerau_levenshtein(method.code(), code));
        let hint = near.map(|near| format!("; did you mean `{}`?", near.code())).unwrap_or_default();
        format!("there is no method `{code}`{hint}")
    })
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write it as `2027-01-31T09:00:00+01:00`".to_owned())
}

/// 0: this is what the app is told; 1: it cannot be said of this person; 3: the policies refuse.
pub(super) fn run(args: &Args, file: &Path) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = match args.time {
        Some(at) => Arc::new(ManualClock::at(at)),
        None => Arc::new(SystemClock),
    };
    let snapshot = offline(load_config(file)?, clock.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if Accounts::existing(&snapshot.config.accounts).await?.is_none() {
            bail!("there are no people yet: `cedargate users import` brings them");
        }
        let opened = Opened::open(file).await?;
        let code = show(args, &snapshot, &opened, &*clock).await;
        opened.accounts.close().await;
        code
    })
}

async fn show(args: &Args, snapshot: &Snapshot, opened: &Opened, clock: &dyn Clock) -> anyhow::Result<ExitCode> {
    let user = opened.find(&args.user).await?;
    let authenticators = opened.accounts.authenticators(user.id).await?;
    let journal = if args.sign { Some(journal(opened).await?) } else { None };
    let stated = Stated {
        user: &user,
        authenticators: &authenticators,
        app: &args.app,
        proofs: args.proofs.as_ref().map(|proofs| proofs.iter().copied().collect::<MethodSet>()),
        role: args.role.as_ref(),
        acs: args.acs.as_deref(),
        ip: args.address,
        device: args.device.facts(),
    };
    let out = &mut io::stdout().lock();
    let preview = match preview(snapshot, &opened.envelope, &SystemEntropy, &stated) {
        Ok(preview) => preview,
        Err(PreviewError::Mapping(error)) => {
            output::impossible(out, &error, args.json)?;
            return Ok(ExitCode::from(EXIT_PROBLEMS));
        }
        Err(error) => return Err(error.into()),
    };
    let code = if preview.request().is_some() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) };
    match journal {
        Some((journal, heads)) => {
            let written = sign(out, args, snapshot, clock, preview, &user, &journal).await;
            // Whatever was recorded is covered, even if the rest failed.
            heads.sign().await?;
            written?;
        }
        None if args.json => writeln!(out, "{:#}", output::value(&preview, &user))?,
        None if args.xml && preview.request().is_some() => {
            let xml = preview.draft(snapshot, &SystemEntropy)?.unwrap_or_default();
            writeln!(out, "{xml}")?;
        }
        // Nothing but XML goes where XML was asked for.
        None if args.xml => output::text(&mut io::stderr().lock(), &preview, &user)?,
        None => output::text(out, &preview, &user)?,
    }
    Ok(code)
}

async fn sign(
    out: &mut impl io::Write,
    args: &Args,
    snapshot: &Snapshot,
    clock: &dyn Clock,
    preview: Preview,
    user: &User,
    journal: &Journal,
) -> anyhow::Result<()> {
    // The preview is given up for the signature, so what is written after it is made before.
    let (mut text, mut value) = (Vec::new(), output::value(&preview, user));
    output::text(&mut text, &preview, user)?;
    let signed = preview.sign(snapshot, clock, &SystemEntropy, journal).await?;
    match &signed {
        Some(signed) if args.json => {
            output::add_signed(&mut value, signed);
            writeln!(out, "{value:#}")?;
        }
        Some(signed) if args.xml => writeln!(out, "{}", signed.response.xml)?,
        Some(signed) => {
            out.write_all(&text)?;
            output::signed(out, signed)?;
        }
        None if args.json => writeln!(out, "{value:#}")?,
        None if args.xml => io::stderr().lock().write_all(&text)?,
        None => out.write_all(&text)?,
    }
    out.flush()?;
    match signed {
        Some(signed) => Ok(signed.released(journal).await?),
        None => Ok(()),
    }
}

/// The journal as the server opens it, and what signs its head.
async fn journal(opened: &Opened) -> anyhow::Result<(Arc<Journal>, Heads)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stored = opened.accounts.newest_audit_heads().await?.into_iter().filter_map(signed_head).collect::<Vec<_>>();
    let path = &opened.config.audit.path;
    let keys = Arc::new(opened.accounts.clone());
    let means = Means { clock: clock.clone(), entropy: Arc::new(SystemEntropy), keys, quota: Quota::USUAL };
    let journal = Journal::open(path, means, &stored)
        .with_context(|| format!("nothing is signed that `{}` does not have on record", path.display()))?;
    let journal = Arc::new(journal);
    let heads = Heads::new(journal.clone(), opened.accounts.clone(), head_key(&opened.envelope)?, clock);
    Ok((journal, heads))
}
