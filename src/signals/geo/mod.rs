//! Where an address is and whose: the files of `[geoip]`, and what they say. What lives here: reading, verifying and asking them.
//! What must not: what follows from an answer (the observer, and then policies).

mod database;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use self::database::printable;
pub use self::database::{Database, GeoFileError, Source, Topic};
use super::travel::Coordinates;
use crate::config::{GeoIp, Problem};
use crate::domain::Country;

/// Why something is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// No file that would tell is configured.
    NotConfigured,
    /// The file has no answer for this address.
    NotInFile,
    /// The file's answer makes no sense.
    Unreadable,
}

impl Absence {
    /// In words, as `doctor` says it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotConfigured => "no file is configured",
            Self::NotInFile => "not in the file",
            Self::Unreadable => "the file's answer makes no sense",
        }
    }
}

/// One fact about an address, with the file it comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<T> {
    /// The file tells.
    Known {
        /// What.
        value: T,
        /// Which file.
        source: Arc<Source>,
    },
    /// Nobody tells.
    Unknown {
        /// Why not.
        why: Absence,
        /// The file that was asked last.
        source: Option<Arc<Source>>,
    },
}

impl<T> Reading<T> {
    fn of(database: Option<&Arc<Database>>, read: impl FnOnce(&Database) -> Result<T, Absence>) -> Self {
        let Some(database) = database else { return Self::Unknown { why: Absence::NotConfigured, source: None } };
        match read(database) {
            Ok(value) => Self::Known { value, source: database.source().clone() },
            Err(why) => Self::Unknown { why, source: Some(database.source().clone()) },
        }
    }

    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Known { .. } => self,
            Self::Unknown { .. } => match other() {
                Self::Unknown { why: Absence::NotConfigured, .. } => self,
                other => other,
            },
        }
    }

    /// The value, where it is known.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// The file that told, or that was asked in vain.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Known { source, .. } => Some(source),
            Self::Unknown { source, .. } => source.as_deref(),
        }
    }

    /// Why it is not known; `None` when it is.
    #[must_use]
    pub fn absence(&self) -> Option<Absence> {
        match self {
            Self::Known { .. } => None,
            Self::Unknown { why, .. } => Some(*why),
        }
    }
}

/// Everything the files say of one address.
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    /// The country.
    pub country: Reading<Country>,
    /// The place as people read it: `Boxford, United Kingdom`, or the country alone.
    pub place: Reading<String>,
    /// About where that is.
    pub coordinates: Reading<Coordinates>,
    /// The autonomous system: number and, where the file names it, whose it is.
    pub asn: Reading<(u32, Option<String>)>,
    /// Whether it is an anonymiser's.
    pub anonymous: Reading<bool>,
}

/// The verified files of `[geoip]`.
#[derive(Clone, Default)]
pub struct Geo {
    city: Option<Arc<Database>>,
    country: Option<Arc<Database>>,
    asn: Option<Arc<Database>>,
    anonymous: Option<Arc<Database>>,
}

impl Geo {
    /// Reads and verifies the files. Those that did not change since `earlier` are taken over from there.
    ///
    /// # Errors
    /// Every file that cannot be used, each at its key of the settings.
    pub fn open(config: &GeoIp, earlier: Option<&Self>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut open = |topic: Topic, path: &Option<PathBuf>| {
            let path = path.as_ref()?;
            let before = earlier.and_then(|earlier| earlier.database(topic));
            Database::open(topic, path, before)
                .map_err(|error| {
                    problems.push(
                        Problem::new(format!("geoip.{}", topic.key()), error.to_string())
                            .with_help("download the file again, or leave the key out: what it tells is then unknown"),
                    );
                })
                .ok()
        };
        let geo = Self {
            city: open(Topic::City, &config.city),
            country: open(Topic::Country, &config.country),
            asn: open(Topic::Asn, &config.asn),
            anonymous: open(Topic::Anonymous, &config.anonymous),
        };
        if problems.is_empty() { Ok(geo) } else { Err(problems) }
    }

    fn database(&self, topic: Topic) -> Option<&Arc<Database>> {
        match topic {
            Topic::City => self.city.as_ref(),
            Topic::Country => self.country.as_ref(),
            Topic::Asn => self.asn.as_ref(),
            Topic::Anonymous => self.anonymous.as_ref(),
        }
    }

    /// The files in use.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        Topic::ALL.into_iter().filter_map(|topic| Some(&**self.database(topic)?.source()))
    }

    /// What the files say of an address.
    #[must_use]
    pub fn read(&self, ip: IpAddr) -> Readings {
        let (city, country) = (self.city.as_ref(), self.country.as_ref());
        Readings {
            country: Reading::of(city, |file| file.country(ip))
                .or_else(|| Reading::of(country, |file| file.country(ip))),
            place: Reading::of(city, |file| file.place(ip)).or_else(|| Reading::of(country, |file| file.place(ip))),
            coordinates: Reading::of(city, |file| file.coordinates(ip)),
            asn: Reading::of(self.asn.as_ref(), |file| file.asn(ip)),
            anonymous: Reading::of(self.anonymous.as_ref(), |file| file.anonymous(ip)),
        }
    }
}

#[derive(Deserialize)]
struct Names {
    en: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    iso_code: Option<String>,
    names: Option<Names>,
}

impl Named {
    fn name(self) -> Option<String> {
        self.names.and_then(|names| names.en).map(|name| printable(&name)).filter(|name| !name.is_empty())
    }
}

#[derive(Deserialize)]
struct Spot {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// The parts of a record about a place that are of use here.
#[derive(Deserialize)]
struct PlaceRecord {
    country: Option<Named>,
    city: Option<Named>,
    location: Option<Spot>,
}

#[derive(Deserialize)]
struct AsnRecord {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<String>,
}

/// A file of anonymisers says which of these hold; what it leaves out does not.
#[derive(Deserialize)]
struct AnonymousRecord {
    #[serde(default)]
    is_anonymous: bool,
    #[serde(default)]
    is_anonymous_vpn: bool,
    #[serde(default)]
    is_public_proxy: bool,
    #[serde(default)]
    is_residential_proxy: bool,
    #[serde(default)]
    is_tor_exit_node: bool,
}

impl Database {
    fn place_record(&self, ip: IpAddr) -> Result<PlaceRecord, Absence> {
        self.record(ip).map_err(|_| Absence::Unreadable)?.ok_or(Absence::NotInFile)
    }

    fn country(&self, ip: IpAddr) -> Result<Country, Absence> {
        // Where the address is; where its network is registered says something else.
        let code = self.place_record(ip)?.country.and_then(|country| country.iso_code).ok_or(Absence::NotInFile)?;
        let country = Country::parse(&code).map_err(|_| Absence::Unreadable)?;
        // A file that says it does not know has said nothing.
        if [Country::unknown(), Country::private()].contains(&country) { Err(Absence::NotInFile) } else { Ok(country) }
    }

    fn place(&self, ip: IpAddr) -> Result<String, Absence> {
        let record = self.place_record(ip)?;
        let code = record.country.as_ref().and_then(|country| country.iso_code.clone()).map(|code| printable(&code));
        let country = record.country.and_then(Named::name).or(code);
        let parts: Vec<String> = [record.city.and_then(Named::name), country].into_iter().flatten().collect();
        if parts.is_empty() { Err(Absence::NotInFile) } else { Ok(parts.join(", ")) }
    }

    fn coordinates(&self, ip: IpAddr) -> Result<Coordinates, Absence> {
        let spot = self.place_record(ip)?.location.ok_or(Absence::NotInFile)?;
        let (Some(latitude), Some(longitude)) = (spot.latitude, spot.longitude) else { return Err(Absence::NotInFile) };
        Coordinates::new(latitude, longitude).ok_or(Absence::Unreadable)
    }

    fn asn(&self, ip: IpAddr) -> Result<(u32, Option<String>), Absence> {
        let record: AsnRecord = self.record(ip).map_err(|_| Absence::Unreadable)?.ok_or(Absence::NotInFile)?;
        let number = record.autonomous_system_number.filter(|number| *number != 0).ok_or(Absence::NotInFile)?;
        Ok((number, record.autonomous_system_organization.map(|name| printable(&name))))
    }

    /// Such a file lists anonymisers only: an address it does not hold is none.
    fn anonymous(&self, ip: IpAddr) -> Result<bool, Absence> {
        let record: Option<AnonymousRecord> = self.record(ip).map_err(|_| Absence::Unreadable)?;
        Ok(record.is_some_and(|record| {
            record.is_anonymous
                || record.is_anonymous_vpn
                || record.is_public_proxy
                || record.is_residential_proxy
                || record.is_tor_exit_node
        }))
    }
}
