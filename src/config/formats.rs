//! The forms of texts: what each `format` of the schema asks for.

use std::net::SocketAddr;

use url::Url;

use super::apps::APP_ICONS;
use super::server::is_https_or_loopback;
use super::{AccountsUrl, MailSender, MailUrl, MetadataSource, OtlpUrl, PublicUrl, StateUrl, ZoneName, parse_block};
use crate::domain::{
    AppId, CONSOLE, CONSOLE_GROUPS, CONSOLE_USERS, Country, CountryListName, EVERYONE, EmailAddress, GroupName,
    NetworkName, PORTAL, RelayState, RoleName, Template, UserField,
};

/// The longest constant or name of an attribute.
const MAX_ATTRIBUTE_CHARS: usize = 1024;

/// Why a text is refused, and what to write instead where that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { message: error.to_string(), help: None }
    }
}

fn refuse(message: impl Into<String>, help: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal { message: message.into(), help: Some(help.into()) })
}

/// Checks `text` against a format of the schema; `None` when there is no such format.
pub(super) fn check(format: &str, text: &str) -> Option<Result<(), Refusal>> {
    Some(match format {
        "socket-address" => socket_address(text),
        "public-url" => PublicUrl::parse(text).map(drop).map_err(Refusal::from),
        "address-block" => parse_block(text).map(drop).map_err(Refusal::from),
        "path" => plain(text, 4096, "a path"),
        "state-url" => StateUrl::parse(text).map(drop).map_err(Refusal::from),
        "accounts-url" => AccountsUrl::parse(text).map(drop).map_err(Refusal::from),
        "mail-url" => MailUrl::parse(text).map(drop).map_err(Refusal::from),
        "mail-sender" => MailSender::parse(text).map(drop).map_err(Refusal::from),
        "mail-name" => plain(text, 256, "a name to sign in with"),
        "mail-address" => EmailAddress::parse(text).map(drop).map_err(Refusal::from),
        "otlp-url" => OtlpUrl::parse(text).map(drop).map_err(Refusal::from),
        "display-name" => plain(text, 120, "a name for people to read"),
        "time-zone" => ZoneName::parse(text).map(drop).map_err(Refusal::from),
        "app-id" => app_id(text),
        "group-name" => group_name(text),
        "group-reference" => group_reference(text),
        "network-name" => NetworkName::parse(text).map(drop).map_err(Refusal::from),
        "country-list-name" => CountryListName::parse(text).map(drop).map_err(Refusal::from),
        "country" => Country::parse(text).map(drop).map_err(Refusal::from),
        "role-name" => RoleName::parse(text).map(drop).map_err(Refusal::from),
        "entity-id" => entity_id(text),
        "metadata-source" => match plain(text, 4096, "a file or an address") {
            Ok(()) => MetadataSource::parse(text).map(drop).map_err(Refusal::from),
            refused => refused,
        },
        "acs-url" => app_url(text, "https://app.example.com/saml/acs"),
        "logout-url" => app_url(text, "https://app.example.com/saml/logout"),
        "relay-state" => RelayState::parse(text).map(drop).map_err(Refusal::from),
        "target-name" => slug(text),
        "icon-name" => icon(text),
        "attribute-name" => plain(text, 256, "an attribute name"),
        "attribute-value" => plain(text, MAX_ATTRIBUTE_CHARS, "an attribute"),
        "user-field" => user_field(text),
        "template" => Template::parse(text).map(drop).map_err(|e| Refusal { message: e.problem, help: Some(e.help) }),
        "arn" => arn(text),
        "pkcs11-label" => plain(text, 255, "a label of PKCS#11"),
        _ => return None,
    })
}

fn icon(text: &str) -> Result<(), Refusal> {
    if APP_ICONS.contains(&text) {
        return Ok(());
    }
    refuse(format!("`{text}` is no icon"), format!("use one of {}", APP_ICONS.join(", ")))
}

fn socket_address(text: &str) -> Result<(), Refusal> {
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    refuse(
        format!("`{text}` is no address with a port"),
        "write it as `127.0.0.1:8080`, or `[::]:8080` for every address of this machine",
    )
}

fn plain(text: &str, most: usize, what: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        refuse(format!("{what} cannot be empty"), "leave the key out to have the default")
    } else if text.chars().count() > most {
        refuse(format!("this is too long for {what}"), format!("use {most} characters at most"))
    } else if text.chars().any(char::is_control) {
        refuse(format!("{what} cannot hold control characters"), "write it on one line")
    } else {
        Ok(())
    }
}

fn app_id(text: &str) -> Result<(), Refusal> {
    AppId::parse(text)?;
    if [PORTAL, CONSOLE].contains(&text) {
        return refuse(
            format!("the app `{text}` is built in"),
            "choose another id; policies may name it without declaring it",
        );
    }
    Ok(())
}

fn group_name(text: &str) -> Result<(), Refusal> {
    GroupName::parse(text)?;
    if [EVERYONE, CONSOLE_USERS].contains(&text) || CONSOLE_GROUPS.contains(&text) {
        return refuse(
            format!("the group `{text}` is built in"),
            "leave it out; policies may name it without declaring it",
        );
    }
    Ok(())
}

/// A group that is declared under `[groups]`, or built in; which of them is there is looked up when all is read.
fn group_reference(text: &str) -> Result<(), Refusal> {
    GroupName::parse(text)?;
    if text == EVERYONE {
        return refuse("`everyone` keeps nobody out", "leave the key out");
    }
    Ok(())
}

fn entity_id(text: &str) -> Result<(), Refusal> {
    // SAML metadata §2.2.1: a URI of at most 1024 characters.
    if !text.is_empty() && text.chars().count() <= 1024 && !text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Ok(());
    }
    refuse(format!("`{text}` is no entity ID"), "use the one the app shows, a URI of at most 1024 characters")
}

fn app_url(text: &str, example: &str) -> Result<(), Refusal> {
    let Ok(url) = Url::parse(text) else {
        return refuse(format!("`{text}` is no URL"), format!("write it as `{example}`"));
    };
    if !is_https_or_loopback(&url) {
        return refuse(
            format!("`{text}` is not https"),
            "what goes there lets people in or out: http is for loopback addresses only",
        );
    }
    if url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
        || text.contains(char::is_whitespace)
    {
        return refuse(format!("`{text}` has more than an address to post to"), "leave out names, passwords and `#…`");
    }
    Ok(())
}

fn slug(text: &str) -> Result<(), Refusal> {
    let good =
        (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if good { Ok(()) } else { refuse(format!("`{text}` is no name"), "use 1 to 64 letters, digits, `-` or `_`") }
}

fn user_field(text: &str) -> Result<(), Refusal> {
    match UserField::parse(text) {
        Some(_) => Ok(()),
        None => refuse(format!("`{text}` is no field of a user"), UserField::help(text)),
    }
}

fn arn(text: &str) -> Result<(), Refusal> {
    if text.starts_with("arn:") && text.split(':').count() >= 6 && !text.contains(char::is_whitespace) {
        return Ok(());
    }
    refuse(format!("`{text}` is no ARN"), "copy it from the AWS console: `arn:aws:iam::123456789012:…`")
}
