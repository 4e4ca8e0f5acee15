//! `cedargate policy new`: a policy of a usual kind, written out to be read, checked within the whole set, and shown at work.

mod cases;
mod kinds;
mod values;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use serde_json::json;

use self::cases::Shown;
use self::kinds::Proposal;
use self::values::{Days, Proofs};
use super::problem;
use crate::cli::check::counted;
use crate::cli::replace::{create, replace};
use crate::cli::{EXIT_PROBLEMS, load_config, today, write_finding};
use crate::domain::{AppId, Country, CountryListName, GroupName, NetworkName, PolicyId, Username};
use crate::policy::{Bundle, BundleErrors, PolicySources, SourceFile, laid_out, testing, with_appended};
use crate::runtime::Candidate;

/// Of tests that fail, so many are named to people: a policy on all apps breaks a hundred of them.
const MOST_TESTS: usize = 5;

/// The flags of `policy new`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// What kind of policy.
    kind: Kind,
    /// Its `@id`; left out, one is made of the kind and what it is about.
    #[arg(long, value_parser = PolicyId::parse)]
    id: Option<PolicyId>,
    /// Its `@description`: one sentence for whoever reads the log.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Its `@owner`: whom to ask.
    #[arg(long, value_name = "WHO")]
    owner: Option<String>,
    /// About this app alone; left out, about all of them.
    #[arg(long, value_name = "ID", value_parser = AppId::parse)]
    app: Option<AppId>,
    /// About this group alone; left out, about everybody.
    #[arg(long, value_name = "NAME", conflicts_with = "user", value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// exception: about this person alone.
    #[arg(long, value_name = "USERNAME", value_parser = Username::parse)]
    user: Option<Username>,
    /// access: the first factors that will do: `password,passkey`.
    #[arg(long, value_name = "METHODS")]
    first_factor: Option<Proofs>,
    /// access: `any` second factor, or those that will do: `totp,phishing_resistant`.
    #[arg(long, value_name = "METHODS")]
    second_factor: Option<Proofs>,
    /// access: a trusted device spares the second factor.
    #[arg(long, requires = "second_factor")]
    trust: bool,
    /// office-only: the networks of config.toml; may be given more than once. Default `office`.
    #[arg(long, value_name = "NAME", value_parser = NetworkName::parse)]
    network: Vec<NetworkName>,
    /// country-block: a list of config.toml.
    #[arg(long, value_name = "NAME", conflicts_with = "country", value_parser = CountryListName::parse)]
    list: Option<CountryListName>,
    /// country-block: a country, by its two letters; may be given more than once.
    #[arg(long, value_name = "CODE", value_parser = Country::parse)]
    country: Vec<Country>,
    /// hours: the first hour it is open.
    #[arg(long, value_name = "HOUR", value_parser = clap::value_parser!(u8).range(0..=23))]
    from: Option<u8>,
    /// hours: the hour it closes.
    #[arg(long, value_name = "HOUR", value_parser = clap::value_parser!(u8).range(1..=24))]
    until: Option<u8>,
    /// hours: the days it is open: `mon-fri` or `mon,wed`. Default: all.
    #[arg(long, value_name = "DAYS")]
    days: Option<Days>,
    /// device-limit: how many devices; left out, what the app says in config.toml.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// device-limit, new-device: what follows. Default `challenge`.
    #[arg(long, value_enum)]
    then: Option<Then>,
    /// Whom to tell by mail: `user`, `security` or `user,security`.
    #[arg(long, value_name = "WHOM")]
    alert: Option<String>,
    /// exception: the first day without it.
    #[arg(long, value_name = "DATE")]
    expires: Option<Date>,
    /// exception: from this forbid; left out, a permit for an app is written.
    #[arg(long, value_name = "ID", value_parser = PolicyId::parse)]
    to: Option<PolicyId>,
    /// On trial: it is recorded what it would do, and nothing is enforced.
    #[arg(long)]
    on_trial: bool,
    /// Write it: at the end of this file of the policy folder, or with --to where the forbid stands.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = ".")]
    write: Option<PathBuf>,
    /// Write one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// The kinds there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A group opens an app, with these first factors and that second one.
    Access,
    /// An app opens from some networks only.
    OfficeOnly,
    /// Countries nobody comes from.
    CountryBlock,
    /// When an app is open.
    Hours,
    /// So many devices a person.
    DeviceLimit,
    /// What a device not seen before takes.
    NewDevice,
    /// Somebody gets through until a day.
    Exception,
}

/// What follows when a policy applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Then {
    /// A second factor is asked for.
    #[default]
    Challenge,
    /// No.
    Deny,
}

pub(super) fn run(args: &Args, config: &Path) -> anyhow::Result<ExitCode> {
    args.refuse_flags_of_other_kinds()?;
    let loaded = load_config(config)?;
    let current = Candidate::current(&loaded)?;
    let before = match current.bundle(today()) {
        Ok(bundle) => bundle,
        Err(errors) => return refused(&errors, args.json),
    };
    let proposal = Proposal::of(args, &before)?;
    let file = target(args, &proposal, &current.sources, &loaded.config.policies.path)?;
    let new = match proposal.put_into(&file) {
        Ok(new) => new,
        Err(errors) => return refused(&errors, args.json),
    };
    let mut sources = current.sources.clone();
    match sources.policies.iter_mut().find(|known| known.path == new.path) {
        Some(known) => known.text.clone_from(&new.text),
        None => sources.policies.push(new.clone()),
    }
    let after = match Bundle::parse(&sources, current.vocabulary.clone(), today()) {
        Ok(bundle) => bundle,
        Err(errors) => return refused(&errors, args.json),
    };
    let shown = cases::show(args, &proposal, &before, &after, &sources.tests);
    let written = match &args.write {
        Some(_) if file.text.is_empty() && !Path::new(&file.path).exists() => {
            create(Path::new(&file.path), &new.text)?;
            true
        }
        Some(_) => {
            replace(Path::new(&file.path), &file.text, &new.text, |_| Ok(()))?;
            true
        }
        None => false,
    };
    let said = Said { proposal: &proposal, shown, file: &new.path, written, broken: broken(&before, &after, &sources) };
    said.write(&mut io::stdout().lock(), args)?;
    Ok(ExitCode::SUCCESS)
}

/// The set does not load, as it is or with the new policy.
fn refused(errors: &BundleErrors, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let problems: Vec<_> = errors.problems.iter().map(problem).collect();
        writeln!(io::stdout().lock(), "{:#}", json!({ "ok": false, "problems": problems }))?;
    } else {
        let out = &mut io::stderr().lock();
        for problem in &errors.problems {
            let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
            write_finding(out, &place, &problem.message, problem)?;
        }
        writeln!(out, "{}; nothing was written", counted(errors.problems.len(), "problem"))?;
    }
    Ok(ExitCode::from(EXIT_PROBLEMS))
}

/// The file the policy goes to; one that is not there yet is empty.
fn target(args: &Args, proposal: &Proposal, sources: &PolicySources, folder: &Path) -> anyhow::Result<SourceFile> {
    if let Proposal::Exception { forbid, .. } = proposal {
        let found = sources.policies.iter().find(|file| file.text.contains(forbid.as_str()));
        return found.cloned().context("the policy is in no file");
    }
    let name = args.write.clone().unwrap_or_else(|| PathBuf::from("new.cedar"));
    if name == Path::new(".") {
        bail!("`--write` needs the name of a file, as `--write 90-own.cedar`");
    }
    let path = if name.components().count() == 1 { folder.join(&name) } else { name };
    let is_read = path.extension().is_some_and(|extension| extension == "cedar")
        && path.parent().and_then(|parent| fs::canonicalize(parent).ok()) == fs::canonicalize(folder).ok();
    if !is_read {
        bail!("`{}` is no `.cedar` file in `{}`, so nothing would read it", path.display(), folder.display());
    }
    let known = sources.policies.iter().find(|file| Path::new(&file.path) == path.as_path());
    Ok(known.cloned().unwrap_or_else(|| SourceFile { path: path.display().to_string(), text: String::new() }))
}

/// The tests of the set that passed before and do not now.
fn broken(before: &Bundle, after: &Bundle, sources: &PolicySources) -> Vec<String> {
    let failing = |bundle: &Bundle| testing::run(bundle, &sources.tests).failures;
    let (old, new) = (failing(before), failing(after));
    let is_new = |failure: &&testing::Failure| {
        !old.iter().any(|known| (&known.file, known.line) == (&failure.file, failure.line))
    };
    let new = new.iter().filter(is_new);
    new.map(|failure| format!("{}:{}: {}: {}", failure.file, failure.line, failure.case, failure.message)).collect()
}

/// What the command says.
struct Said<'a> {
    proposal: &'a Proposal,
    shown: Shown,
    file: &'a str,
    written: bool,
    broken: Vec<String>,
}

impl Said<'_> {
    fn write(&self, out: &mut dyn io::Write, args: &Args) -> anyhow::Result<()> {
        let Self { proposal, shown, file, written, broken } = self;
        if args.json {
            let file = written.then_some(file);
            let said = json!({
                "ok": true, "policies": proposal.ids(), "text": proposal.text(), "cases": shown.text, "file": file,
                "tests_that_fail_now": broken,
            });
            writeln!(out, "{said:#}")?;
            return Ok(());
        }
        writeln!(out, "{}", proposal.text())?;
        writeln!(out, "# For policies/tests: what the whole set decides with it.\n\n{}\n", shown.text.trim_end())?;
        if !shown.decides && !args.on_trial {
            writeln!(out, "Mind: it makes no difference in these cases.")?;
        }
        if !broken.is_empty() {
            let (tests, fail) = (counted(broken.len(), "policy test"), if *written { "now" } else { "would then" });
            writeln!(out, "Mind: {tests} {fail} fail, and a set whose tests fail does not come into force:")?;
            broken.iter().take(MOST_TESTS).try_for_each(|failure| writeln!(out, "  {failure}"))?;
            if broken.len() > MOST_TESTS {
                writeln!(out, "  … and {} more", broken.len() - MOST_TESTS)?;
            }
        }
        if *written {
            writeln!(
                out,
                "Written to {file}. Put the cases into a file of policies/tests, then: cedargate policy test"
            )?;
        } else if args.to.is_some() {
            writeln!(out, "Nothing was written: with `--write` it goes into {file}.")?;
        } else {
            writeln!(out, "Nothing was written: `--write FILE` adds it to a file of the policy folder.")?;
        }
        Ok(())
    }
}

impl Proposal {
    /// `file` with the policy in it, laid out when the file was.
    fn put_into(&self, file: &SourceFile) -> Result<SourceFile, BundleErrors> {
        let new = match self {
            Self::Policies { text, .. } => with_appended(file, text),
            Self::Exception { forbid, text, .. } => {
                SourceFile { path: file.path.clone(), text: file.text.replacen(forbid.as_str(), text.trim_end(), 1) }
            }
        };
        Ok(match laid_out(file) {
            Ok(layout) if layout == file.text => SourceFile { text: laid_out(&new)?, path: new.path },
            _ => new,
        })
    }
}

impl Args {
    /// A flag that the kind does not read would be silently without effect.
    fn refuse_flags_of_other_kinds(&self) -> anyhow::Result<()> {
        use Kind::{Access, CountryBlock, DeviceLimit, Exception, Hours, NewDevice, OfficeOnly};
        let all = [Access, OfficeOnly, CountryBlock, Hours, DeviceLimit, NewDevice, Exception];
        let given: [(&str, bool, &[Kind]); 16] = [
            ("--first-factor", self.first_factor.is_some(), &[Access]),
            ("--second-factor", self.second_factor.is_some(), &[Access]),
            ("--network", !self.network.is_empty(), &[OfficeOnly]),
            ("--list", self.list.is_some(), &[CountryBlock]),
            ("--country", !self.country.is_empty(), &[CountryBlock]),
            ("--from", self.from.is_some(), &[Hours]),
            ("--until", self.until.is_some(), &[Hours]),
            ("--days", self.days.is_some(), &[Hours]),
            ("--limit", self.limit.is_some(), &[DeviceLimit]),
            ("--then", self.then.is_some(), &[DeviceLimit, NewDevice]),
            ("--alert", self.alert.is_some(), &[OfficeOnly, CountryBlock, Hours, DeviceLimit, NewDevice]),
            ("--user", self.user.is_some(), &[Exception]),
            ("--expires", self.expires.is_some(), &[Exception, Access]),
            ("--to", self.to.is_some(), &[Exception]),
            ("--on-trial", self.on_trial && self.to.is_some(), &[]),
            ("--app", self.app.is_some() && self.to.is_some(), &[]),
        ];
        for (flag, is_given, kinds) in given {
            if is_given && !kinds.contains(&self.kind) {
                let of = all.iter().filter(|kind| kinds.contains(kind)).map(|kind| format!("`{}`", kind.name()));
                let of: Vec<String> = of.collect();
                if of.is_empty() {
                    bail!("`{flag}` has no meaning with `--to`: the forbid says it already");
                }
                bail!("`{flag}` is for {}", of.join(" and "));
            }
        }
        Ok(())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::OfficeOnly => "office-only",
            Self::CountryBlock => "country-block",
            Self::Hours => "hours",
            Self::DeviceLimit => "device-limit",
            Self::NewDevice => "new-device",
            Self::Exception => "exception",
        }
    }
}
