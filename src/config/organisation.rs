//! `[organisation]`: who runs this, and in whose hours.

use std::fmt;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[organisation]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Organisation {
    /// The name people read at the top of each page.
    #[schemars(extend("format" = "display-name"))]
    pub name: String,
    /// Whom to turn to, as people should read it: an address, a number, a room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "display-name"))]
    pub contact: Option<String>,
    /// The IANA zone in which policies read hour and weekday, where neither the app nor the person has one.
    #[schemars(extend("format" = "time-zone"))]
    pub time_zone: ZoneName,
}

impl Default for Organisation {
    fn default() -> Self {
        Self { name: "cedargate".to_owned(), contact: None, time_zone: ZoneName::default() }
    }
}

/// A time zone of the IANA database, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ZoneName {
    name: String,
    zone: TimeZone,
}

/// A name that is in no time zone database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone; use an IANA name, as in `Europe/Berlin`")]
pub struct ZoneError(String);

impl ZoneName {
    /// Reads a name.
    ///
    /// # Errors
    /// The database does not hold it.
    pub fn parse(input: &str) -> Result<Self, ZoneError> {
        let zone = TimeZone::get(input).map_err(|_| ZoneError(input.to_owned()))?;
        Ok(Self { name: zone.iana_name().unwrap_or(input).to_owned(), zone })
    }

    /// The zone itself.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl Default for ZoneName {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for ZoneName {
    type Error = ZoneError;

    fn try_from(input: String) -> Result<Self, ZoneError> {
        Self::parse(&input)
    }
}

impl From<ZoneName> for String {
    fn from(zone: ZoneName) -> String {
        zone.name
    }
}
