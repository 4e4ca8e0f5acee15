//! Reading the XML of metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roxmltree::Node;

use super::{Endpoint, IndexedAddress, SpMetadata, SpMetadataError, duration};
use crate::clock::Timestamp;
use crate::saml::certificate::Certificate;
use crate::saml::service_provider::{MAX_REQUEST_CERTIFICATES, check_acs_url};
use crate::saml::xml::{self, ReadError, attribute, flag, is, long_text, plain_text, wrong};
use crate::saml::{BINDING_POST, ns};

/// The most keys, addresses or formats one service provider may have.
const MAX_ENTRIES: usize = 64;
/// The most entities of one document.
const MAX_ENTITIES: usize = 10_000;
/// SAML core §8.3.6.
const MAX_ENTITY_ID_CHARS: usize = 1024;
/// The base64 of a certificate.
const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
/// How many things that are left out are told.
const MAX_NOTES: usize = 16;

type Providers = BTreeMap<String, Result<SpMetadata, SpMetadataError>>;

/// What surrounding elements say of all below them.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    valid_until: Option<Timestamp>,
    cache_duration: Option<Duration>,
}

impl Bounds {
    /// Together with what `node` says itself: the earlier end, the shorter time.
    fn with(self, node: Node<'_, '_>) -> Result<Self, ReadError> {
        let until = match attribute(node, "validUntil")?.map(str::trim) {
            Some(text) => Some(text.parse().map_err(|_| wrong(format!("`{text}` in `validUntil` is no time in UTC")))?),
            None => None,
        };
        let kept = match attribute(node, "cacheDuration")?.map(str::trim) {
            Some(text) => Some(
                duration::parse(text).ok_or_else(|| wrong(format!("`{text}` in `cacheDuration` is no duration")))?,
            ),
            None => None,
        };
        Ok(Self {
            valid_until: self.valid_until.into_iter().chain(until).min(),
            cache_duration: self.cache_duration.into_iter().chain(kept).min(),
        })
    }
}

/// The service providers of a document.
pub(super) fn entities(xml: &str) -> Result<Providers, SpMetadataError> {
    let document = xml::parse(xml, xml::METADATA)?;
    let mut providers = Providers::new();
    let root = document.root_element();
    if !is(root, ns::METADATA, "EntityDescriptor") && !is(root, ns::METADATA, "EntitiesDescriptor") {
        return Err(wrong("its root is neither `EntityDescriptor` nor `EntitiesDescriptor`").into());
    }
    let (mut open, mut seen) = (vec![(root, Bounds::default())], BTreeSet::new());
    while let Some((node, outer)) = open.pop() {
        let bounds = outer.with(node)?;
        if is(node, ns::METADATA, "EntitiesDescriptor") {
            let below = |child: &Node<'_, '_>| {
                is(*child, ns::METADATA, "EntityDescriptor") || is(*child, ns::METADATA, "EntitiesDescriptor")
            };
            open.extend(node.children().filter(below).map(|child| (child, bounds)));
            continue;
        }
        let id = entity_id(node)?;
        let again = !seen.insert(id.to_owned());
        if seen.len() > MAX_ENTITIES {
            return Err(wrong(format!("it holds more than {MAX_ENTITIES} entities")).into());
        }
        match entity(node, id, bounds) {
            _ if again && providers.contains_key(id) => {
                providers.insert(id.to_owned(), Err(SpMetadataError::Twice(id.to_owned())));
            }
            Err(SpMetadataError::NoServiceProvider) => {}
            read => drop(providers.insert(id.to_owned(), read)),
        }
    }
    Ok(providers)
}

fn entity_id<'a>(node: Node<'a, '_>) -> Result<&'a str, ReadError> {
    attribute(node, "entityID")?
        .filter(|id| (1..=MAX_ENTITY_ID_CHARS).contains(&id.chars().count()) && !id.contains(char::is_whitespace))
        .ok_or_else(|| wrong("its `entityID` is missing, too long, or holds spaces"))
}

fn entity(node: Node<'_, '_>, id: &str, outer: Bounds) -> Result<SpMetadata, SpMetadataError> {
    let speaks = |role: &Node<'_, '_>| {
        let protocols = role.attribute("protocolSupportEnumeration").unwrap_or_default();
        is(*role, ns::METADATA, "SPSSODescriptor") && protocols.split_ascii_whitespace().any(|p| p == ns::PROTOCOL)
    };
    let mut roles = node.children().filter(speaks);
    let role = roles.next().ok_or(SpMetadataError::NoServiceProvider)?;
    if roles.next().is_some() {
        return Err(wrong(format!("`{id}` has more than one `SPSSODescriptor`")).into());
    }
    let bounds = outer.with(role)?;
    let mut left_out = Notes::default();
    let (signing, encryption) = keys(role, &mut left_out)?;
    Ok(SpMetadata {
        entity_id: id.to_owned(),
        acs: addresses(role, &mut left_out)?,
        signing,
        encryption,
        name_id_formats: formats(role)?,
        signs_requests: flag(role, "AuthnRequestsSigned")?,
        wants_assertions_signed: flag(role, "WantAssertionsSigned")?,
        logout: logout(role, &mut left_out)?,
        valid_until: bounds.valid_until,
        cache_duration: bounds.cache_duration,
        left_out: left_out.0,
    })
}

/// What is left out; the first few are told.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: String) {
        if self.0.len() < MAX_NOTES {
            self.0.push(note);
        }
    }
}

/// The children of this name, not more than anybody needs.
fn children<'a, 'i>(role: Node<'a, 'i>, name: &'static str) -> Result<Vec<Node<'a, 'i>>, ReadError> {
    let found: Vec<_> = role.children().filter(|child| is(*child, ns::METADATA, name)).collect();
    if found.len() > MAX_ENTRIES {
        return Err(wrong(format!("it holds more than {MAX_ENTRIES} `{name}`")));
    }
    Ok(found)
}

/// The addresses that take responses by POST, the default first (SAML metadata §2.2.3: the first that says it is; else the
/// first that does not say it is not; else the first).
fn addresses(role: Node<'_, '_>, left_out: &mut Notes) -> Result<Vec<IndexedAddress>, ReadError> {
    let mut found = Vec::new();
    let mut indices = BTreeSet::new();
    for node in children(role, "AssertionConsumerService")? {
        let index: u16 = attribute(node, "index")?
            .and_then(|index| index.trim().parse().ok())
            .ok_or_else(|| wrong("an `AssertionConsumerService` has no `index` from 0 to 65535"))?;
        if !indices.insert(index) {
            return Err(wrong(format!("two `AssertionConsumerService` have the index {index}")));
        }
        let default = attribute(node, "isDefault")?.is_some().then(|| flag(node, "isDefault")).transpose()?;
        // Only POST carries a response here; an address for another binding is none of ours.
        if attribute(node, "Binding")? != Some(BINDING_POST) {
            continue;
        }
        let url = address(node, "Location")?.ok_or_else(|| wrong("an `AssertionConsumerService` has no `Location`"))?;
        match check_acs_url(url) {
            Ok(()) if found.iter().any(|(_, known): &(_, IndexedAddress)| known.url == url) => {
                found.push((Some(false), IndexedAddress { index, url: url.to_owned() }));
            }
            Ok(()) => found.push((default, IndexedAddress { index, url: url.to_owned() })),
            Err(why) => left_out.add(format!("address `{url}`: {why}")),
        }
    }
    let first = found
        .iter()
        .position(|(default, _)| *default == Some(true))
        .or_else(|| found.iter().position(|(default, _)| default.is_none()))
        .unwrap_or(0);
    if found.is_empty() {
        let why = left_out.0.join("; ");
        let more = if why.is_empty() { String::new() } else { format!(" ({why})") };
        return Err(wrong(format!("it names no address that takes responses by HTTP-POST over https{more}")));
    }
    let default = found.remove(first);
    Ok(std::iter::once(default).chain(found).map(|(_, address)| address).collect())
}

fn address<'a>(node: Node<'a, '_>, name: &'static str) -> Result<Option<&'a str>, ReadError> {
    Ok(attribute(node, name)?.map(str::trim))
}

fn logout(role: Node<'_, '_>, left_out: &mut Notes) -> Result<Vec<Endpoint>, ReadError> {
    let mut endpoints = Vec::new();
    for node in children(role, "SingleLogoutService")? {
        let missing = |what: &str| wrong(format!("a `SingleLogoutService` has no `{what}`"));
        let binding = attribute(node, "Binding")?.ok_or_else(|| missing("Binding"))?;
        let location = address(node, "Location")?.ok_or_else(|| missing("Location"))?;
        let response = address(node, "ResponseLocation")?;
        let refused = [Some(location), response]
            .into_iter()
            .flatten()
            .find_map(|url| check_acs_url(url).err().map(|why| format!("logout address `{url}`: {why}")));
        match refused {
            Some(note) => left_out.add(note),
            None => endpoints.push(Endpoint {
                binding: binding.to_owned(),
                location: location.to_owned(),
                response_location: response.map(str::to_owned),
            }),
        }
    }
    Ok(endpoints)
}

fn formats(role: Node<'_, '_>) -> Result<Vec<String>, ReadError> {
    children(role, "NameIDFormat")?.into_iter().map(|node| plain_text(node).map(str::to_owned)).collect()
}

/// The certificates to verify with, and those to encrypt for; one without `use` is for both (SAML metadata §2.4.1.1).
fn keys(role: Node<'_, '_>, left_out: &mut Notes) -> Result<(Vec<Certificate>, Vec<Certificate>), ReadError> {
    let (mut signing, mut encryption) = (Vec::new(), Vec::new());
    for node in children(role, "KeyDescriptor")? {
        let used_for = attribute(node, "use")?;
        let (signs, encrypts) = match used_for {
            None => (true, true),
            Some("signing") => (true, false),
            Some("encryption") => (false, true),
            Some(other) => return Err(wrong(format!("a `KeyDescriptor` is for `{other}`"))),
        };
        let certificates: Vec<_> =
            node.descendants().filter(|inner| is(*inner, ns::DSIG, "X509Certificate")).take(MAX_ENTRIES).collect();
        if certificates.is_empty() {
            left_out.add(format!("a key for {}: it comes without a certificate", used_for.unwrap_or("all")));
        }
        for text in certificates {
            match Certificate::from_base64(long_text(text, MAX_CERTIFICATE_BYTES)?) {
                Ok(certificate) => {
                    // Many say the same certificate once for each use, or twice.
                    if signs && !signing.contains(&certificate) {
                        signing.push(certificate.clone());
                    }
                    if signing.len() > MAX_REQUEST_CERTIFICATES {
                        return Err(wrong(format!(
                            "a service provider has more than {MAX_REQUEST_CERTIFICATES} certificates for signing"
                        )));
                    }
                    if encrypts && !encryption.contains(&certificate) {
                        encryption.push(certificate);
                    }
                }
                // A key we do not work with is one less to trust.
                Err(error) => left_out.add(format!("a certificate for {}: it {error}", used_for.unwrap_or("all"))),
            }
        }
    }
    Ok((signing, encryption))
}
