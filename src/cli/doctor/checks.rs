//! What can be told from the settings, the files and the clock.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::Check;
use crate::cli::check::counted;
use crate::clock::Timestamp;
use crate::config::secret::read_key_file;
use crate::config::{Config, ConfigErrors, Loaded, LocatedProblem};
use crate::policy::findings::Ending;
use crate::policy::testing::{self, Tables};
use crate::runtime::{self, LoadError};
use crate::saml::KeyStore;
use crate::signals::Geo;
use crate::signals::geo::Topic;

/// Addresses change hands: after so many days too much of a geo file is wrong.
const OLD_GEO_DAYS: i64 = 30;
/// Nodes may be that far apart.
const SKEW_SECONDS: i64 = 30;

/// Addresses, proxies and cookies.
pub(super) fn of_settings(config: &Config) -> Vec<Check> {
    let (server, url) = (&config.server, &config.server.public_url);
    let address = if url.is_https() {
        Check::ok("public address", format!("`{url}`; cookies are `Secure` and `__Host-`"))
    } else {
        Check::warning(
            "public address",
            format!("`{url}` is for trying things out on this machine; cookies travel unencrypted"),
            "set `public_url` of `[server]` to the https address people will use",
        )
    };
    let direct = !server.listen.ip().is_loopback();
    let proxies = match (url.is_https() && server.tls_certificate.is_none(), server.trusted_proxies.is_empty()) {
        (true, true) => Check::warning(
            "proxies",
            "none is trusted: behind one, everybody seems to come from its address",
            "set `trusted_proxies` of `[server]` to the addresses of the proxies that end TLS",
        ),
        (_, false) if direct => Check::warning(
            "proxies",
            format!(
                "`{}` can be reached without passing the {} trusted ones",
                server.listen,
                server.trusted_proxies.len()
            ),
            "listen on an address that only the proxies reach, or let a firewall see to it",
        ),
        (_, false) => {
            let blocks: Vec<String> = server.trusted_proxies.iter().map(|block| format!("`{block}`")).collect();
            Check::ok("proxies", format!("`X-Forwarded-For` is believed from {}", blocks.join(", ")))
        }
        (false, true) => Check::ok("proxies", "none; addresses are those of the connections"),
    };
    vec![address, proxies, of_mail(config)]
}

/// Whether mails leave.
fn of_mail(config: &Config) -> Check {
    match &config.mail {
        Some(mail) => Check::ok("mail", format!("handed in at `{}`, from `{}`", mail.url, mail.from)),
        None => Check::warning(
            "mail",
            "none is sent: no alert, no code and no link reaches anybody",
            "add `[mail]`; see docs/mail.md",
        ),
    }
}

/// Apps that load, each with a key to sign for it, as `check` asks.
pub(super) fn apps(loaded: &Loaded, now: Timestamp) -> Vec<Check> {
    let problem = |message: String, help: Option<&str>| {
        Check::problem("apps", message, help.unwrap_or("`cedargate check` shows the place"))
    };
    match runtime::check_apps(loaded, now.to_zoned(TimeZone::UTC).date()) {
        Ok(count) => vec![Check::ok("apps", format!("{}, each with a key to sign for it", counted(count, "app")))],
        Err(LoadError::Config(ConfigErrors::Problems(problems))) => {
            let told = |one: &LocatedProblem| format!("{}: {}", one.place(), one.problem().message);
            problems.iter().map(|one| problem(told(one), one.problem().help.as_deref())).collect()
        }
        Err(error) => vec![problem(format!("{:#}", anyhow::Error::from(error)), None)],
    }
}

/// Policies that load, and do what their tests say.
pub(super) fn policies(loaded: &Loaded, now: Timestamp) -> Check {
    let help = "`cedargate check` shows the places";
    let parsed = match runtime::parse(loaded, now.to_zoned(TimeZone::UTC).date()) {
        Ok(parsed) => parsed,
        Err(error) => return Check::problem("policies", first_line(&error.to_string()), help),
    };
    let tables = Tables::read(&parsed.sources.tests);
    let geo = match runtime::geo_for(loaded, &tables) {
        Ok(geo) => geo,
        Err(error) => return Check::problem("policies", first_line(&error.to_string()), help),
    };
    let setting = runtime::setting(&loaded.config, &parsed.bundle, &parsed.sources, &tables, &geo);
    let report = testing::run_in(&setting, &tables);
    if !report.is_ok() {
        return Check::problem("policies", format!("{} of their tests fail", report.failures.len()), help);
    }
    let counts = parsed.bundle.counts();
    let soon = parsed.bundle.endings(now.to_zoned(TimeZone::UTC).date()).into_iter().find(Ending::is_soon);
    match soon {
        Some(ending) => Check::warning("policies", format!("{counts}; {ending}"), ending.help()),
        None => Check::ok("policies", format!("{counts}, {} tests pass", report.passed)),
    }
}

/// A clock that is wrong refuses every code and every assertion. Without asking another machine, this much can be told: it
/// must not run behind what was written here before.
pub(super) fn clock(config: &Config, now: Timestamp) -> Check {
    let written = newest(&config.audit.path);
    let ahead = written.map_or(0, |written| written.as_second().saturating_sub(now.as_second()));
    let shown = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    if ahead > SKEW_SECONDS {
        return Check::problem(
            "clock",
            format!("it shows {shown}, but the journal was written {ahead} seconds later"),
            "set the clock, and keep it right by NTP (`timedatectl set-ntp true`)",
        );
    }
    // systemd-timesyncd leaves this file when it has set the clock.
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        Check::ok("clock", format!("{shown}, set by NTP"))
    } else {
        Check::ok("clock", format!("{shown}; whether NTP keeps it right can't be told from here"))
    }
}

/// When the newest file of a folder was written.
fn newest(folder: &Path) -> Option<Timestamp> {
    let times = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok());
    times.max().and_then(|time| Timestamp::try_from(time).ok())
}

/// The file everything sealed rests on.
pub(super) fn secret(config: &Config) -> Check {
    let file = &config.server.secret_file;
    if matches!(file.try_exists(), Ok(false)) {
        return Check::ok("secret", format!("`{}` is not there yet; `serve` makes it", file.display()));
    }
    match read_key_file(file) {
        Ok(_) => Check::ok("secret", format!("`{}`", file.display())),
        Err(error) => Check::problem("secret", error.to_string(), "restore the file from its copy, with mode 0600"),
    }
}

/// The certificate that service providers know.
pub(super) fn signing_key(config: &Config, now: Timestamp) -> Check {
    let folder = &config.saml.keys;
    let missing = |name: &str| matches!(folder.join(name).try_exists(), Ok(false));
    if config.saml.pkcs11.is_none() && missing("current.key.pem") && missing("current.crt.pem") {
        return Check::ok("signing key", format!("none in `{}` yet; `serve` makes one", folder.display()));
    }
    let keys = match KeyStore::configured(&config.saml) {
        Ok(keys) => keys,
        Err(error) => {
            return Check::problem("signing key", format!("{:#}", anyhow::Error::from(error)), "see docs/keys.md");
        }
    };
    // Of the keys that sign, the one whose certificate ends first.
    let Some(first) = keys.in_use().min_by_key(|key| key.days_left(now)) else {
        return Check::problem("signing key", "no key signs", "see docs/keys.md");
    };
    let help = format!(
        "`cedargate keys new --kind {}` makes the next one and tells which apps need it",
        first.place.key_type.code()
    );
    match first.warning(now) {
        Some(warning) if first.days_left(now) < 0 => Check::problem("signing key", warning, help),
        Some(warning) => Check::warning("signing key", warning, help),
        None => {
            let date = first.certificate.not_after().strftime("%Y-%m-%d");
            Check::ok(
                "signing key",
                format!("{} published; valid until {date}", counted(keys.published().len(), "certificate")),
            )
        }
    }
}

/// Each file of `[geoip]`, or that there is none.
pub(super) fn geo_files(config: &Config, geo: &Geo, now: Timestamp) -> Vec<Check> {
    let mut checks: Vec<Check> = geo
        .sources()
        .map(|source| {
            let days = source.age_days(now);
            let message = format!("{}: {} of {}", source.topic.key(), source.kind, source.built.strftime("%Y-%m-%d"));
            if days > OLD_GEO_DAYS {
                let help = format!("replace `{}`; its maker has a newer one", source.path.display());
                Check::warning("geo files", format!("{message} is {days} days old"), help)
            } else {
                Check::ok("geo files", message)
            }
        })
        .collect();
    let missing: Vec<&str> =
        Topic::ALL.into_iter().filter(|topic| path_of(config, *topic).is_none()).map(Topic::key).collect();
    // A city file tells countries too.
    let missing: Vec<&str> =
        missing.into_iter().filter(|key| *key != "country" || config.geoip.city.is_none()).collect();
    if !missing.is_empty() {
        checks.push(Check::warning(
            "geo files",
            format!("none for {}: what they tell is unknown to policies", missing.join(", ")),
            "name them in `[geoip]`; see docs/signals.md",
        ));
    }
    checks
}

fn path_of(config: &Config, topic: Topic) -> Option<&PathBuf> {
    match topic {
        Topic::City => config.geoip.city.as_ref(),
        Topic::Country => config.geoip.country.as_ref(),
        Topic::Asn => config.geoip.asn.as_ref(),
        Topic::Anonymous => config.geoip.anonymous.as_ref(),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
