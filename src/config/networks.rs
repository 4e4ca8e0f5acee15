//! `[networks]` and every other place that takes address blocks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::domain::NetworkName;

/// A text that is no address block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// It is neither an address nor a block.
    #[error("`{0}` is no address block; write it as `203.0.113.0/24`, `2001:db8::/32` or a single address")]
    NotABlock(String),
    /// Bits are set behind the prefix: a typing error in either half.
    #[error("`{input}` has bits set behind its prefix; did you mean `{meant}`?")]
    HostBits {
        /// What was given.
        input: String,
        /// The block it lies in.
        meant: IpNet,
    },
}

/// Reads a block (`203.0.113.0/24`) or a single address, which is the block of itself.
///
/// # Errors
/// It is neither, or bits are set behind the prefix.
pub fn parse_block(input: &str) -> Result<IpNet, BlockError> {
    if let Ok(ip) = input.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    let block: IpNet = input.parse().map_err(|_| BlockError::NotABlock(input.to_owned()))?;
    let meant = block.trunc();
    if meant == block { Ok(block) } else { Err(BlockError::HostBits { input: input.to_owned(), meant }) }
}

/// An [`IpNet`] that is read by [`parse_block`].
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Block(IpNet);

impl TryFrom<String> for Block {
    type Error = BlockError;

    fn try_from(input: String) -> Result<Self, BlockError> {
        parse_block(&input).map(Self)
    }
}

pub(super) fn deserialize_blocks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    Ok(Vec::<Block>::deserialize(deserializer)?.into_iter().map(|block| block.0).collect())
}

pub(super) fn deserialize_named<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<NetworkName, Vec<IpNet>>, D::Error> {
    let named = BTreeMap::<NetworkName, Vec<Block>>::deserialize(deserializer)?;
    Ok(named.into_iter().map(|(name, blocks)| (name, blocks.into_iter().map(|block| block.0).collect())).collect())
}

pub(super) fn blocks_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "address-block" } })
}

pub(super) fn named_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "format": "network-name" },
        "additionalProperties": { "type": "array", "items": { "type": "string", "format": "address-block" } },
    })
}

pub(super) fn country_lists_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "format": "country-list-name" },
        "additionalProperties": { "type": "array", "items": { "type": "string", "format": "country" } },
    })
}

pub(super) fn groups_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "format": "group-name" },
        "additionalProperties": { "type": "string" },
    })
}
