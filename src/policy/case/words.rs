//! The short words of a case: an address, a country, a time and a device stand for the facts that follow from them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Zoned;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Case, Signals};
use crate::domain::{App, AppId, Country, DeviceFacts, NetworkName, SignalSet};

/// What addresses and hours mean on a server: by config.toml, and by its geo files.
pub trait Surroundings {
    /// The named networks that hold the address.
    fn networks(&self, address: IpAddr) -> BTreeSet<NetworkName>;
    /// The country of the address; `None` when no geo file tells it.
    fn country(&self, address: IpAddr) -> Option<Country>;
    /// The zone in which the app's hours are read.
    fn zone(&self, app: &AppId) -> TimeZone;
}

/// From which country: its code, or what the geo files say of the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CountryWord {
    /// `"by-address"`
    ByAddress(ByAddress),
    /// ISO 3166-1 alpha-2, `ZZ` or `XX-PRIVATE`.
    Code(Country),
}

/// The one word that is no country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByAddress {
    /// Look the address up.
    ByAddress,
}

/// What kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceWord {
    /// Seen before at an Allow with a second factor.
    Known,
    /// Not seen before.
    New,
    /// Known, and remembered for the app.
    Trusted,
}

impl DeviceWord {
    /// What is known of such a device, beside how many there are.
    pub fn tell(self, device: &mut DeviceFacts) {
        device.known = self != Self::New;
        device.trusted = self == Self::Trusted;
    }
}

/// The keys of the texts that somebody reads: one alone, or a list; an empty one for none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Messages {
    /// One.
    One(String),
    /// Any number.
    All(BTreeSet<String>),
}

impl Messages {
    /// All of them.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<String> {
        match self {
            Self::One(key) => BTreeSet::from([key.clone()]),
            Self::All(keys) => keys.clone(),
        }
    }
}

/// A time in quotes, or a date-time of TOML.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Time(toml::value::Datetime),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Time(time) => time.to_string(),
    }))
}

/// Classes of authentication by the last part of their URI, or by the whole of it.
pub(super) mod contexts {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::domain::AuthnContextClass;

    pub(in super::super) fn serialize<S: Serializer>(all: &[AuthnContextClass], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(|class| class.word()))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<AuthnContextClass>, D::Error> {
        let class = |text: String| {
            AuthnContextClass::of_word(&text).ok_or_else(|| {
                let known: Vec<&str> = AuthnContextClass::ALL.into_iter().map(AuthnContextClass::word).collect();
                let hint = super::super::nearest(&text, known.iter().copied());
                let hint = hint.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
                D::Error::custom(format!("no class of authentication is called `{text}`{hint}"))
            })
        };
        Vec::<String>::deserialize(from)?.into_iter().map(class).collect()
    }
}

impl Case {
    /// The facts: what is written under `signals`, and what follows from the short words.
    pub(super) fn facts(&self, app: &App, surroundings: Option<&dyn Surroundings>) -> Result<SignalSet, String> {
        self.said_once()?;
        let mut facts = self.signals.set();
        if let Some(address) = self.address {
            let known = surroundings.ok_or("an `address` means nothing without the networks of config.toml")?;
            facts.ip = address;
            facts.networks = known.networks(address);
        }
        match &self.country {
            None => {}
            Some(CountryWord::Code(country)) => facts.country = country.clone(),
            Some(CountryWord::ByAddress(_)) => {
                let address = self.address.ok_or("`country = \"by-address\"` needs an `address`")?;
                facts.country = surroundings
                    .and_then(|known| known.country(address))
                    .ok_or_else(|| format!("no geo file of this server tells the country of {address}"))?;
            }
        }
        if let Some(time) = &self.time {
            let local = moment(time, surroundings.map(|known| known.zone(&app.id)))?;
            facts.now = local.timestamp();
            // INVARIANT: jiff gives hours 0 to 23 and weekdays 1 to 7.
            facts.hour = local.hour().unsigned_abs();
            facts.weekday = local.weekday().to_monday_one_offset().unsigned_abs();
        }
        if let Some(device) = self.device {
            device.tell(&mut facts.device);
        }
        facts.device.registered = self.devices.unwrap_or(facts.device.registered);
        Ok(facts)
    }

    /// A fact that is told twice would be told wrongly once.
    fn said_once(&self) -> Result<(), String> {
        let (told, plain) = (&self.signals, Signals::default());
        let twice = [
            (
                "address",
                self.address.is_some() && (told.ip != plain.ip || !told.networks.is_empty()),
                "ip` or `networks",
            ),
            ("country", self.country.is_some() && told.country != plain.country, "country"),
            (
                "time",
                self.time.is_some() && (told.hour, told.weekday) != (plain.hour, plain.weekday),
                "hour` or `weekday",
            ),
            (
                "device",
                self.device.is_some() && (told.device_known, told.device_trusted) != (true, false),
                "device_known` or `device_trusted",
            ),
            ("devices", self.devices.is_some() && told.devices != plain.devices, "devices"),
        ];
        match twice.into_iter().find(|(_, both, _)| *both) {
            Some((word, _, fact)) => Err(format!("`{word}` and `{fact}` of `signals` tell the same: keep one")),
            None => Ok(()),
        }
    }
}

/// The instant, as the app's clock on the wall shows it. A time without an offset is one of that clock; without a server, that
/// clock is the one of whoever wrote the time.
///
/// # Errors
/// It is no time.
pub fn moment(text: &str, zone: Option<TimeZone>) -> Result<Zoned, String> {
    let help = || format!("`{text}` is no time; write it as 2026-11-25T09:00+01:00, or 2026-11-25T09:00 at the app");
    let pieces = Pieces::parse(text).map_err(|_| help())?;
    let time = pieces.date().to_datetime(pieces.time().ok_or_else(help)?);
    let written = match pieces.to_time_zone() {
        Ok(Some(named)) => Some(named),
        Ok(None) => pieces.to_numeric_offset().map(TimeZone::fixed),
        Err(_) => return Err(help()),
    };
    let there = written.or_else(|| zone.clone()).unwrap_or(TimeZone::UTC);
    let instant = time.to_zoned(there).map_err(|_| help())?;
    Ok(match zone {
        Some(zone) => instant.with_time_zone(zone),
        None => instant,
    })
}
