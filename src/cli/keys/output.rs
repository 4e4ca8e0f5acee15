//! What `cedargate keys` says: what there is, what was done, and what to do next at each app.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use crate::clock::Timestamp;
use crate::config::{AppConfig, Config, Preset};
use crate::saml::keys::{Done, KeyType, Listed, Slot, Step, WARN_DAYS};
use crate::saml::{Certificate, certificate};

/// An app that has to learn of a change.
#[derive(Debug, Serialize)]
struct Upload {
    app: String,
    metadata: String,
    what: String,
}

/// The apps whose responses are signed by keys of this kind.
fn uploads(config: &Config, key_type: KeyType) -> Vec<Upload> {
    let of_kind = config.apps.iter().filter(|app| KeyType::of(app.signature_algorithm) == key_type);
    of_kind
        .map(|app| Upload {
            app: app.id.to_string(),
            metadata: format!("{}/saml/metadata/{}", config.server.public_url.as_str().trim_end_matches('/'), app.id),
            what: what_to_do(app),
        })
        .collect()
}

fn what_to_do(app: &AppConfig) -> String {
    let providers: BTreeSet<&str> = app.roles.iter().map(|role| role.provider_arn.as_str()).collect();
    match app.preset {
        Some(Preset::Aws) if providers.is_empty() => "replace the metadata of its IAM identity provider".to_owned(),
        Some(Preset::Aws) => {
            let providers: Vec<String> = providers.into_iter().map(|arn| format!("`{arn}`")).collect();
            format!("replace the metadata of {}", providers.join(", "))
        }
        None => "give it this metadata, unless it fetches it by itself".to_owned(),
    }
}

fn bits(certificate: &Certificate) -> String {
    match certificate.key_kind() {
        certificate::KeyKind::Rsa(bits) => format!("RSA-{bits}"),
        certificate::KeyKind::P256 => "ECDSA P-256".to_owned(),
        certificate::KeyKind::P384 => "ECDSA P-384".to_owned(),
    }
}

/// All keys.
pub(super) fn list(
    out: &mut impl Write,
    config: &Config,
    keys: &[Listed],
    unfinished: Option<(Step, KeyType)>,
    now: Timestamp,
    as_json: bool,
) -> io::Result<()> {
    if as_json {
        let keys: Vec<_> = keys.iter().map(|key| listed_json(key, now)).collect();
        let unfinished = unfinished.map(|(step, kind)| json!({ "step": step, "kind": kind.code() }));
        return writeln!(out, "{:#}", json!({ "folder": config.saml.keys, "unfinished": unfinished, "keys": keys }));
    }
    if keys.is_empty() {
        return writeln!(
            out,
            "no keys in `{}` yet: `cedargate keys new` or the first `cedargate serve` makes one",
            config.saml.keys.display()
        );
    }
    writeln!(out, "{:<9} {:<12} {:<11} {:<11} SHA-256 OF THE CERTIFICATE", "", "KIND", "MADE", "VALID UNTIL")?;
    for key in keys {
        let slot = key.place.map_or("retired", |place| place.slot.code());
        let kind = key.certificate.as_ref().map_or_else(|| key.entry.kind.to_string(), bits);
        let end = key.certificate.as_ref().map_or_else(String::new, |certificate| day(certificate.not_after()));
        writeln!(out, "{slot:<9} {kind:<12} {:<11} {end:<11} {}", day(key.entry.created), key.entry.fingerprint)?;
    }
    for warning in keys.iter().filter_map(Listed::published).filter_map(|key| key.warning(now)) {
        writeln!(out, "\nwarning: {warning}: make another with `cedargate keys new`")?;
    }
    match unfinished {
        Some((step, kind)) => writeln!(
            out,
            "\nwarning: `cedargate keys {step}` was interrupted: run `cedargate keys {step} --kind {}` to finish it",
            kind.code()
        ),
        None => Ok(()),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn listed_json(key: &Listed, now: Timestamp) -> serde_json::Value {
    let published = key.published();
    json!({
        "slot": key.place.map_or("retired", |place| place.slot.code()),
        "kind": key.entry.kind.code(),
        "key": key.certificate.as_ref().map(bits),
        "fingerprint": key.entry.fingerprint,
        "created": key.entry.created,
        "promoted": key.entry.promoted,
        "retired": key.entry.retired,
        "not_before": key.certificate.as_ref().map(Certificate::not_before),
        "not_after": key.certificate.as_ref().map(Certificate::not_after),
        "days_left": published.as_ref().map(|key| key.days_left(now)),
        "ends_soon": published.as_ref().is_some_and(|key| key.days_left(now) < WARN_DAYS),
    })
}

/// What a step came to, and what comes next.
pub(super) fn done(out: &mut impl Write, config: &Config, done: &Done, as_json: bool) -> io::Result<()> {
    let uploads = uploads(config, done.place.key_type);
    if as_json {
        return writeln!(
            out,
            "{:#}",
            json!({
                "step": done.step,
                "slot": done.place.slot,
                "kind": done.place.key_type.code(),
                "fingerprint": done.fingerprint,
                "resumed": done.resumed,
                "apps": uploads,
            })
        );
    }
    let kind = done.place.key_type;
    if done.resumed {
        writeln!(out, "finished a step that had been interrupted")?;
    }
    match (done.step, done.place.slot) {
        (Step::New, Slot::Current) => {
            writeln!(out, "made the first {kind} key, which signs from now on: {}", done.fingerprint)?;
            give(out, &uploads, "Give each of these apps the metadata:")
        }
        (Step::New, _) => {
            writeln!(out, "made the {}; it signs nothing yet: {}", done.place, done.fingerprint)?;
            give(
                out,
                &uploads,
                "The metadata holds both certificates now. Before you promote the new key, each of these apps must have it, \
                 or its people can't sign in:",
            )?;
            writeln!(out, "\nThen: cedargate keys promote --kind {}", kind.code())
        }
        (Step::Promote, _) => {
            writeln!(out, "the new {kind} key signs from now on: {}", done.fingerprint)?;
            writeln!(out, "The key before stays published. When sign-ins to every app work, take it out:")?;
            writeln!(out, "\n    cedargate keys retire --kind {}", kind.code())
        }
        (Step::Retire, slot) => {
            writeln!(out, "took the {} out of the metadata: {}", done.place, done.fingerprint)?;
            writeln!(
                out,
                "Its certificate is kept in `{}`; its private key was removed. What the disk still holds of the file, and \
                 copies elsewhere, are beyond this command.",
                config.saml.keys.join("retired").display()
            )?;
            give(
                out,
                &uploads,
                match slot {
                    Slot::Next => "Those of these apps that were given it trust it until they get the new metadata:",
                    _ => "These apps trust the old certificate until they get the new metadata:",
                },
            )
        }
    }
}

fn give(out: &mut impl Write, uploads: &[Upload], intro: &str) -> io::Result<()> {
    if uploads.is_empty() {
        return writeln!(out, "No app is signed for with a key of this kind.");
    }
    writeln!(out, "{intro}\n")?;
    for Upload { app, metadata, what } in uploads {
        writeln!(out, "    {app:<12} {metadata}\n    {:<12} {what}", "")?;
    }
    Ok(())
}
