//! What metadata adds to an app. Config says more than metadata, and metadata never makes anything looser (X9): who can
//! change it can ask for more signatures, not for fewer, and for names that tell less, not more.

use std::collections::BTreeMap;

use super::{Supplied, aws};
use crate::config::{AppConfig, Problem};
use crate::domain::{NameIdFormat, SignMode};
use crate::saml::sp_metadata::SpMetadata;

/// The addresses, default first.
pub(super) fn acs(
    metadata: &SpMetadata,
    partition: Option<&aws::Partition>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::with_capacity(metadata.acs.len());
    for address in &metadata.acs {
        if let Err(rule) = partition.map_or(Ok(()), |partition| aws::check_acs(&address.url, partition)) {
            problems.push(Problem::new(".metadata", format!("`{}` cannot take responses: {rule}", address.url)));
        }
        if !addresses.contains(&address.url) {
            addresses.push(address.url.clone());
        }
    }
    addresses
}

/// The numbers by which requests may name the addresses.
pub(super) fn acs_numbers(acs: &[String], metadata: Option<&SpMetadata>) -> BTreeMap<u16, String> {
    match metadata {
        Some(metadata) => metadata.acs.iter().map(|address| (address.index, address.url.clone())).collect(),
        None => (0..).zip(acs.iter().cloned()).collect(),
    }
}

/// Whether each of its requests must carry a signature; then there must be something to verify it by.
pub(super) fn signs_requests(supplied: &Supplied, problems: &mut Vec<Problem>) -> bool {
    let signs = supplied.metadata.as_ref().is_some_and(|metadata| metadata.signs_requests);
    if signs && supplied.request_certificates.is_empty() {
        problems.push(
            Problem::new(".metadata", "the metadata says that requests are signed, and holds no certificate to verify them by")
                .with_help("ask for metadata with a signing certificate, or give it as `request_certificates`"),
        );
    }
    signs
}

/// What is signed: what config says, and the assertion when the metadata wants it.
pub(super) fn sign(config: &AppConfig, metadata: Option<&SpMetadata>) -> SignMode {
    match (config.sign, metadata.is_some_and(|metadata| metadata.wants_assertions_signed)) {
        (SignMode::Response, true) => SignMode::Both,
        (mode, _) => mode,
    }
}

/// The configured format; else the first of the metadata's that tells nothing about the person. An address or a username
/// goes only to an app whose block says so.
pub(super) fn name_id(
    config: &AppConfig,
    metadata: Option<&SpMetadata>,
    problems: &mut Vec<Problem>,
) -> Option<NameIdFormat> {
    let listed = metadata.map(|metadata| metadata.name_id_formats.as_slice()).unwrap_or_default();
    let lists = |format: NameIdFormat| listed.iter().any(|uri| uri == format.uri());
    // Left open: persistent by default, and a request may choose what tells no more.
    if config.name_id.is_some()
        || config.name_id_field.is_some()
        || listed.is_empty()
        || lists(NameIdFormat::Persistent)
        || lists(NameIdFormat::Unspecified)
    {
        return config.name_id;
    }
    if lists(NameIdFormat::Transient) {
        return Some(NameIdFormat::Transient);
    }
    let wanted = listed.iter().map(|uri| format!("`{uri}`")).collect::<Vec<_>>().join(", ");
    problems.push(
        Problem::new(".metadata", format!("the metadata takes no other names of people than {wanted}"))
            .with_help("say `name_id = \"emailAddress\"`, or what else the app is to be told"),
    );
    None
}
