//! `cedargate keys …`: looks after the signing keys. Works on the files alone; a server that runs on them takes the change
//! within seconds.

mod output;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;

use super::load_config;
use crate::clock::{Clock as _, SystemClock, SystemEntropy};
use crate::saml::KeyFolder;
use crate::saml::keys::{KeyType, NewKey, Place, RsaBits, Slot};

/// What to do with the keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show which key signs, which will, which did, and until when each certificate is valid
    List(ListArgs),
    /// Make the next key: published at once, it signs from `keys promote` on
    New(NewArgs),
    /// Sign with the next key; the one before stays published
    Promote(StepArgs),
    /// Take the previous key out of the metadata
    Retire(RetireArgs),
}

/// Arguments of `keys list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Write one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Arguments of `keys new`.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    #[command(flatten)]
    step: StepArgs,
    /// How large an RSA key is [default: 2048]
    #[arg(long, value_enum, value_name = "BITS")]
    bits: Option<Bits>,
}

/// Arguments of each step.
#[derive(Debug, clap::Args)]
pub(super) struct StepArgs {
    /// Which kind of key
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    kind: Kind,
    /// Write one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Arguments of `keys retire`.
#[derive(Debug, clap::Args)]
pub(super) struct RetireArgs {
    /// Which of them
    #[arg(value_enum, default_value_t)]
    key: Retirable,
    #[command(flatten)]
    step: StepArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Kind {
    /// RSA, which everybody takes
    #[default]
    Rsa,
    /// ECDSA on the curve P-256, for apps with `signature_algorithm = "ecdsa-sha256"`
    Ecdsa,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bits {
    #[value(name = "2048")]
    B2048,
    #[value(name = "3072")]
    B3072,
    #[value(name = "4096")]
    B4096,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Retirable {
    /// The one that signed until the last `keys promote`
    #[default]
    Previous,
    /// One that is not wanted after all
    Next,
}

impl Kind {
    fn key_type(self) -> KeyType {
        match self {
            Self::Rsa => KeyType::Rsa,
            Self::Ecdsa => KeyType::Ecdsa,
        }
    }
}

/// Runs one of them.
///
/// # Errors
/// The settings or the folder cannot be read, or the step makes no sense now.
pub(super) fn run(command: &Command, file: &Path) -> anyhow::Result<ExitCode> {
    let config = load_config(file)?.config;
    let folder = KeyFolder::configured(&config.saml);
    let now = SystemClock.now();
    let out = &mut io::stdout().lock();
    let (done, json) = match command {
        Command::List(args) => {
            let (keys, unfinished) = (folder.list()?, folder.unfinished()?);
            output::list(out, &config, &keys, unfinished, now, args.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::New(args) => {
            let new = new_key(args)?;
            (folder.make_next(new, now, &SystemEntropy)?, args.step.json)
        }
        Command::Promote(args) => (folder.promote(args.kind.key_type(), now)?, args.json),
        Command::Retire(args) => {
            let slot = match args.key {
                Retirable::Previous => Slot::Previous,
                Retirable::Next => Slot::Next,
            };
            (folder.retire(Place::new(slot, args.step.kind.key_type()), now)?, args.step.json)
        }
    };
    output::done(out, &config, &done, json)?;
    Ok(ExitCode::SUCCESS)
}

fn new_key(args: &NewArgs) -> anyhow::Result<NewKey> {
    match (args.step.kind, args.bits) {
        (Kind::Ecdsa, None) => Ok(NewKey::Ecdsa),
        (Kind::Ecdsa, Some(_)) => anyhow::bail!("`--bits` is for RSA: an ECDSA key is always on the curve P-256"),
        (Kind::Rsa, bits) => Ok(NewKey::Rsa(match bits {
            None | Some(Bits::B2048) => RsaBits::B2048,
            Some(Bits::B3072) => RsaBits::B3072,
            Some(Bits::B4096) => RsaBits::B4096,
        })),
    }
}
