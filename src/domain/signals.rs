//! Observed facts of one sign-in: what policies may ask about network, time, device and risk.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::NetworkName;
use super::ids::IdError;
use crate::clock::Timestamp;

/// A country by its ISO 3166-1 alpha-2 code, or one of two codes that are no country.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(String);

impl Country {
    /// The country is not known.
    pub const UNKNOWN: &'static str = "ZZ";
    /// The address is a private one, which is in no country.
    pub const PRIVATE: &'static str = "XX-PRIVATE";

    /// Reads two capital letters, or [`Country::PRIVATE`].
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(input: &str) -> Result<Self, IdError> {
        let good = input == Self::PRIVATE || (input.len() == 2 && input.bytes().all(|b| b.is_ascii_uppercase()));
        if good {
            Ok(Self(input.to_owned()))
        } else {
            Err(IdError::new(input, "country", "use the two capital letters of ISO 3166-1, as in `DE`"))
        }
    }

    /// The country that stands for not knowing one.
    #[must_use]
    pub fn unknown() -> Self {
        Self(Self::UNKNOWN.to_owned())
    }

    /// The country that stands for a private address.
    #[must_use]
    pub fn private() -> Self {
        Self(Self::PRIVATE.to_owned())
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Country {
    type Error = IdError;

    fn try_from(input: String) -> Result<Self, IdError> {
        Self::parse(&input)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> String {
        country.0
    }
}

/// A fact that could not be had. Its value is then the risky one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSignal {
    /// Where the address is.
    Country,
    /// Whose network the address is in.
    Asn,
    /// Whether the address is an anonymiser's.
    Anonymous,
    /// Which devices the person uses.
    DeviceHistory,
    /// Whether the person was in this country before.
    NewCountry,
    /// Whether the person could have travelled here.
    ImpossibleTravel,
    /// What the directory says of the person.
    Directory,
}

impl UnknownSignal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Country,
        Self::Asn,
        Self::Anonymous,
        Self::DeviceHistory,
        Self::NewCountry,
        Self::ImpossibleTravel,
        Self::Directory,
    ];

    /// The name in the schema (`Signal::"device_history"`).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Asn => "asn",
            Self::Anonymous => "anonymous",
            Self::DeviceHistory => "device_history",
            Self::NewCountry => "new_country",
            Self::ImpossibleTravel => "impossible_travel",
            Self::Directory => "directory",
        }
    }
}

/// What is known of the device for this user and app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// It was allowed here before, with a second factor.
    pub known: bool,
    /// The user trusts it for this app, and that trust would still be enough.
    pub trusted: bool,
    /// How many devices of this user were recorded for this app.
    pub registered: u32,
}

/// What is known of the risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RiskFacts {
    /// Wrong passwords for this name from this network within 15 minutes.
    pub failed_attempts: u32,
    /// The person was never allowed from this country.
    pub new_country: bool,
    /// The last place is too far away for the time since.
    pub impossible_travel: bool,
}

/// All facts of one evaluation. `hour` and `weekday` are local to the app or, where that has no zone of its own, to the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSet {
    /// The client's address; IPv4 never in its IPv6 form.
    pub ip: IpAddr,
    /// Where that is.
    pub country: Country,
    /// Where that is as people read it (`Boxford, United Kingdom`), for pages, mails and lists; policies never see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The autonomous system; 0 = not known.
    pub asn: u32,
    /// The named networks that hold the address.
    pub networks: BTreeSet<NetworkName>,
    /// The address is an anonymiser's, or nobody knows.
    pub anonymous: bool,
    /// The instant of the evaluation.
    pub now: Timestamp,
    /// 0 to 23.
    pub hour: u8,
    /// 1 = Monday to 7.
    pub weekday: u8,
    /// The device.
    pub device: DeviceFacts,
    /// The risk.
    pub risk: RiskFacts,
    /// The facts above that could not be had.
    pub unknown: BTreeSet<UnknownSignal>,
}

impl SignalSet {
    /// Where the address is, in words: the place, or the country alone. `None` when it is not known, or private.
    #[must_use]
    pub fn place_in_words(&self) -> Option<String> {
        let country = self.country.as_str();
        let is_known = country != Country::UNKNOWN && country != Country::PRIVATE;
        self.place.clone().or_else(|| is_known.then(|| country.to_owned()))
    }
}
