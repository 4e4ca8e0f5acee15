//! `[telemetry]`: who may read the numbers, and where traces go.

use std::fmt;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::networks;

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Addresses and blocks that may read `/metrics`, besides this very machine.
    #[serde(deserialize_with = "networks::deserialize_blocks")]
    #[schemars(schema_with = "networks::blocks_schema")]
    pub metrics_networks: Vec<IpNet>,
    /// The OpenTelemetry collector that traces are sent to, by OTLP over HTTP. Left out, none are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "otlp-url"))]
    pub otlp_url: Option<OtlpUrl>,
}

/// The base address of a collector: `http://localhost:4318`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct OtlpUrl(String);

/// A text that is no address of a collector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtlpUrlError {
    /// It is no URL of a host.
    #[error("`{0}` is no address of a collector; write it as `http://localhost:4318`")]
    NotAUrl(String),
    /// It asks for TLS.
    #[error("`{0}` is not http: traces go to a collector on this machine or in this cluster, which sends them on")]
    NotHttp(String),
}

impl OtlpUrl {
    /// Reads scheme, host, port and perhaps a path.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(input: &str) -> Result<Self, OtlpUrlError> {
        let not_a_url = || OtlpUrlError::NotAUrl(input.to_owned());
        let url = Url::parse(input).map_err(|_| not_a_url())?;
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if url.host().is_none() || !bare || url.password().is_some() {
            return Err(not_a_url());
        }
        if url.scheme() != "http" {
            return Err(OtlpUrlError::NotHttp(input.to_owned()));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Where traces are posted.
    #[must_use]
    pub fn traces(&self) -> String {
        format!("{}/v1/traces", self.0)
    }
}

impl fmt::Display for OtlpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OtlpUrl {
    type Error = OtlpUrlError;

    fn try_from(input: String) -> Result<Self, OtlpUrlError> {
        Self::parse(&input)
    }
}

impl From<OtlpUrl> for String {
    fn from(url: OtlpUrl) -> String {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_reached_over_http() {
        let traces = |input: &str| OtlpUrl::parse(input).map(|url| url.traces());
        assert_eq!(traces("http://localhost:4318").unwrap(), "http://localhost:4318/v1/traces");
        assert_eq!(traces("http://[::1]:4318/otlp/").unwrap(), "http://[::1]:4318/otlp/v1/traces");
        assert!(matches!(traces("https://collector.example.com"), Err(OtlpUrlError::NotHttp(_))));
        for input in ["localhost:4318", "collector", "http://", "http://user@localhost:4318", "http://localhost/?x=1"] {
            assert!(traces(input).is_err(), "{input}");
        }
    }
}
