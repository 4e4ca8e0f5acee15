//! `[geoip]`: the files that tell where an address is, and whose.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[geoip]`: files in MaxMind's format (`.mmdb`), of whatever maker. What no file tells is unknown to policies. A file that is
/// named here but cannot be read, or is damaged, stops the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeoIp {
    /// Places: country, city and coordinates, as in `GeoLite2-City.mmdb`. Impossible travel is told by this file alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub city: Option<PathBuf>,
    /// Countries, as in `GeoLite2-Country.mmdb`; asked where `city` does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub country: Option<PathBuf>,
    /// Whose network an address is in, as in `GeoLite2-ASN.mmdb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub asn: Option<PathBuf>,
    /// The addresses of anonymisers (VPNs for hire, Tor, open proxies), as in `GeoIP2-Anonymous-IP.mmdb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "path"))]
    pub anonymous: Option<PathBuf>,
}

impl GeoIp {
    /// The paths of the files.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.city, &self.country, &self.asn, &self.anonymous].into_iter().flatten()
    }

    /// Every path, to be changed.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.city, &mut self.country, &mut self.asn, &mut self.anonymous].into_iter().flatten()
    }
}
