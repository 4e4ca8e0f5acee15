//! `cedargate policy explain`: why. Of a decision that was made, by its reference; or of one that could be made, by its facts.

mod branches;
mod case;
mod person;
mod reference;
mod situation;
mod text;
mod what_if;
mod words;

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use super::problems;
use crate::cli::{app, load_config, today};
use crate::config::Loaded;
use crate::domain::{
    AppId, AuthnContextClass, Country, GroupName, Method, NetworkName, RoleName, UserStatus, Username,
};
use crate::policy::case::{DeviceWord, StepName, moment};
use crate::policy::{Bundle, BundleErrors};
use crate::runtime::Candidate;

/// The flags of `policy explain`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The ten characters that a page or a log shows: the decision behind them. Without it, say what could be decided.
    #[arg(conflicts_with_all = ["case", "Facts"])]
    reference: Option<String>,
    /// A case of policies/tests, by its name or a part of it.
    #[arg(long, value_name = "NAME", conflicts_with = "Facts")]
    case: Option<String>,
    #[command(flatten)]
    facts: Facts,
    /// The policies of a folder, or of a revision of git, instead of those that config.toml names.
    #[arg(long, value_name = "DIR|GIT-REV")]
    against: Option<String>,
    /// Name the policies about other people, steps and apps, too.
    #[arg(long)]
    all: bool,
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Who comes, from where, with what. What is left out is open: every value of it that policies tell apart is tried.
#[derive(Debug, clap::Args)]
#[group(id = "Facts", multiple = true)]
struct Facts {
    /// To which app.
    #[arg(long, value_name = "ID", value_parser = AppId::parse)]
    app: Option<AppId>,
    /// What is asked for: `open` (the app), or a step as `signIn`, `trustDevice`, `enroll`.
    #[arg(long, value_name = "STEP", default_value = "open", value_parser = step)]
    step: StepName,
    /// The role they choose. Without it, any.
    #[arg(long, value_name = "NAME", value_parser = RoleName::parse)]
    role: Option<RoleName>,
    /// Who. Where accounts are at hand, their groups, status, home country and methods are read from there.
    #[arg(long, value_name = "NAME", value_parser = Username::parse)]
    user: Option<Username>,
    /// A group of theirs. May be said more than once.
    #[arg(long = "group", value_name = "NAME", value_delimiter = ',', value_parser = GroupName::parse)]
    groups: Vec<GroupName>,
    /// `active` unless told: or `pending`, `suspended`.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<UserStatus>,
    /// Their home country.
    #[arg(long, value_name = "CC", value_parser = Country::parse)]
    home: Option<Country>,
    /// What they have shown just now, with commas between: `password,totp`. Without it, nothing yet.
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = app::method)]
    shown: Vec<Method>,
    /// What they showed earlier, and still counts.
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = app::method)]
    earlier: Vec<Method>,
    /// What they have.
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = app::method)]
    enrolled: Option<Vec<Method>>,
    /// What they had, and say is gone.
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = app::method)]
    lost: Vec<Method>,
    /// What they could add.
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = app::method)]
    enrollable: Option<Vec<Method>>,
    /// Where they come from: networks, country and the rest follow from it.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// The country of the address. `ZZ`: not known.
    #[arg(long, value_name = "CC", value_parser = Country::parse)]
    country: Option<Country>,
    /// A named network that holds the address; `none` for none. May be said more than once.
    #[arg(long = "network", value_name = "NAME", value_delimiter = ',')]
    networks: Vec<String>,
    /// The number of the autonomous system.
    #[arg(long, value_name = "NUMBER")]
    asn: Option<u32>,
    /// Whether the address is an anonymiser's.
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    anonymous: Option<bool>,
    /// When: `2027-01-31T09:00+01:00`, or `2027-01-31T09:00` at the app. Hour, weekday and what ends from now on are open
    /// without it.
    #[arg(long, value_name = "INSTANT", value_parser = time)]
    time: Option<String>,
    /// What is known of the device.
    #[arg(long, value_enum)]
    device: Option<Device>,
    /// How many devices of theirs are recorded for the app.
    #[arg(long, value_name = "NUMBER")]
    devices: Option<u32>,
    /// Wrong passwords of late, from this network.
    #[arg(long, value_name = "NUMBER")]
    failed_attempts: Option<u32>,
    /// Whether they were never allowed from this country.
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    new_country: Option<bool>,
    /// Whether the last place is too far away for the time since.
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    impossible_travel: Option<bool>,
    /// Whether the app sent them.
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    sp_initiated: Option<bool>,
    /// The app wants everything shown anew.
    #[arg(long)]
    force_authn: bool,
    /// The classes of authentication that the app asks for (SAML's RequestedAuthnContext), with commas between; any one will do.
    #[arg(long, value_name = "CLASSES", value_delimiter = ',', value_parser = context)]
    requested: Vec<AuthnContextClass>,
}

/// What is known of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Device {
    /// Never allowed here with a second factor.
    New,
    /// Allowed here before, with a second factor.
    Known,
    /// Known, and remembered at their wish.
    Trusted,
    /// The store that knew is gone.
    Lost,
}

impl Device {
    /// The word of cases; none when the store that knew is gone.
    fn word(self) -> Option<DeviceWord> {
        match self {
            Self::New => Some(DeviceWord::New),
            Self::Known => Some(DeviceWord::Known),
            Self::Trusted => Some(DeviceWord::Trusted),
            Self::Lost => None,
        }
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("say `yes` or `no`".to_owned()),
    }
}

/// A time as cases say it; the zone of the app is not known yet.
fn time(text: &str) -> Result<String, String> {
    moment(text, None).map(|_| text.to_owned())
}

fn status(text: &str) -> Result<UserStatus, String> {
    UserStatus::parse(text).ok_or_else(|| "it is `active`, `pending` or `suspended`".to_owned())
}

fn context(text: &str) -> Result<AuthnContextClass, String> {
    AuthnContextClass::of_word(text).ok_or_else(|| {
        let known: Vec<&str> = AuthnContextClass::ALL.into_iter().map(AuthnContextClass::word).collect();
        format!("there are: {}, or the whole URI of one of them", known.join(", "))
    })
}

fn step(text: &str) -> Result<StepName, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        "it is `open`, `visit`, `signIn`, `assumeRole`, `trustDevice`, `enroll`, `removeMethod`, `removeDevice`, \
         `changeContact`, `changePassword` or `recover`"
            .to_owned()
    })
}

/// The policies that are asked.
struct Asked {
    loaded: Loaded,
    candidate: Candidate,
    bundle: Bundle,
}

/// 0: explained; 1: the policies do not load, or what was decided does not come out again.
pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    let loaded = load_config(config)?;
    let candidate = match &args.against {
        Some(name) => Candidate::read(&loaded, name)?,
        None => Candidate::current(&loaded)?,
    };
    let bundle: Result<Bundle, BundleErrors> = candidate.bundle(today());
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(errors) => return problems(&errors, args.json),
    };
    let asked = Asked { loaded, candidate, bundle };
    match (&args.reference, &args.case, &args.facts.app) {
        (Some(reference), ..) => reference::run(args, reference, &asked),
        (None, Some(case), _) => what_if::of_case(args, case, &asked),
        (None, None, Some(app)) => what_if::run(args, app, &asked),
        (None, None, None) => {
            bail!("say what to explain: a reference, `--app ID` with `--group NAME` or `--user NAME`, or `--case NAME`")
        }
    }
}

/// What `--network` says.
fn networks(named: &[String], asked: &Asked) -> anyhow::Result<Vec<NetworkName>> {
    let known = &asked.bundle.vocabulary().networks;
    let one = |name: &String| match NetworkName::parse(name) {
        Ok(network) if known.contains(&network) => Ok(network),
        _ => {
            let all: Vec<&str> = known.iter().map(NetworkName::as_str).collect();
            bail!("no network is called `{name}`; there are: {}, and `none`", all.join(", "))
        }
    };
    named.iter().filter(|name| *name != "none").map(one).collect()
}
