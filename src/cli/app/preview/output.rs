//! What `app preview` prints.

use std::fmt::Display;
use std::io;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::domain::{
    Decision, DenyReason, EncryptedPart, Encryption, EnforcedPolicy, IssueRequest, MethodSet, NetworkName, PolicyId,
    User,
};
use crate::policy::explain::Outcome;
use crate::saml::MappingError;
use crate::signin::{Preview, RoleVerdict, Signed};

/// The width of the words on the left.
const LABEL: usize = 12;

/// Text that came from outside, without what could steer a terminal.
fn plain(text: impl Display) -> String {
    text.to_string().chars().map(|c| if c.is_control() { '�' } else { c }).collect()
}

fn codes(methods: MethodSet) -> String {
    listed(methods.iter().map(|method| method.code()))
}

fn listed(words: impl IntoIterator<Item = impl Display>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn ids(policies: &[EnforcedPolicy]) -> Vec<&str> {
    policies.iter().map(|policy| policy.id.as_str()).collect()
}

/// The policies that the answer rests on: where it is no because of the role that was chosen, those of the role, too.
fn determining(preview: &Preview) -> Vec<&str> {
    let mut found = ids(&preview.determining);
    if preview.request().is_none() {
        let chosen = |role: &&RoleVerdict| preview.role.as_ref() == Some(&role.role) && !role.verdict.allowed;
        let of_role = preview.roles.iter().filter(chosen).flat_map(|role| ids(&role.verdict.determining));
        for id in of_role {
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

/// The word that config and JSON have for something.
fn word(value: impl serde::Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

/// As one JSON object.
pub(super) fn value(preview: &Preview, user: &User) -> Value {
    json!({
        "ok": preview.request().is_some(),
        "user": user.username.as_str(),
        "app": preview.app.id.as_str(),
        "decision": preview.decision,
        "policies": determining(preview),
        "withheld": preview.withheld.map(|why| why.to_string()),
        "shadow": preview.shadow,
        "would": preview.would,
        "shown": preview.shown,
        "not_set_up": preview.not_theirs,
        "signals": preview.signals,
        "roles": preview.roles.iter().map(|role| json!({
            "role": role.role.as_str(),
            "permitted": role.verdict.allowed,
            "policies": ids(&role.verdict.determining),
        })).collect::<Vec<_>>(),
        "assertion": preview.request().map(assertion),
    })
}

fn assertion(request: &IssueRequest) -> Value {
    let attributes = request.attributes.iter().map(|attribute| {
        json!({
            "name": attribute.name,
            "name_format": attribute.format,
            "friendly_name": attribute.friendly_name,
            "values": attribute.values,
        })
    });
    let roles = request.roles.iter().map(|role| json!({ "role": role.name.as_str(), "value": role.value }));
    json!({
        "name_id": { "format": request.name_id.format, "value": request.name_id.value },
        "attributes": attributes.collect::<Vec<_>>(),
        "role_attribute": request.role_attribute,
        "roles": roles.collect::<Vec<_>>(),
        "audience": request.audience,
        "acs": request.acs,
        "relay_state": request.relay_state,
        "authn_context": request.authn_context.uri(),
        "authn_instant": request.authn_instant,
        "session_not_on_or_after": request.session_not_on_or_after,
        "sign": request.sign,
        "signature_algorithm": request.signature_algorithm,
        "encrypted": request.encryption.as_ref().map(encrypted),
    })
}

/// What only the app can read, in the word of config.
fn encrypted(encryption: &Encryption) -> &'static str {
    match encryption.part {
        EncryptedPart::Assertion => "assertion",
        EncryptedPart::NameId => "name-id",
    }
}

/// Adds what was signed.
pub(super) fn add_signed(value: &mut Value, signed: &Signed) {
    if let Some(object) = value.as_object_mut() {
        let told = json!({
            "saml_response": signed.response.form_value(),
            "sha256": signed.response.sha256,
            "reference": signed.reference.as_str(),
        });
        object.insert("signed".to_owned(), told);
    }
}

/// It cannot be said of this person.
pub(super) fn impossible(out: &mut impl io::Write, error: &MappingError, as_json: bool) -> io::Result<()> {
    if as_json {
        let (user, app, rule) = (error.user.as_str(), error.app.as_str(), &error.rule);
        return writeln!(out, "{:#}", json!({ "ok": false, "user": user, "app": app, "problem": rule }));
    }
    writeln!(out, "{}", plain(error))
}

/// What was signed, and how long it is worth something.
pub(super) fn signed(out: &mut impl io::Write, signed: &Signed) -> io::Result<()> {
    writeln!(out, "\nSigned. The app takes it for 5 minutes; treat it like a password.")?;
    writeln!(out, "Recorded under {}, SHA-256 {}.", signed.reference, signed.response.sha256)?;
    writeln!(out, "\nSAMLResponse={}", signed.response.form_value())
}

/// For people.
pub(super) fn text(out: &mut impl io::Write, preview: &Preview, user: &User) -> io::Result<()> {
    let app = format!("{} ({})", preview.app.id, plain(&preview.app.name));
    match preview.request() {
        Some(_) => writeln!(out, "{} may open {app}", user.username)?,
        None => writeln!(out, "{} does not get into {app}: {}", user.username, refusal(preview, user))?,
    }
    if let Some(why) = preview.withheld.filter(|_| preview.request().is_some()) {
        row(out, "not sent", format!("{why}; `--sign` signs nothing"))?;
    }
    row(out, "policies", listed(determining(preview)))?;
    if !preview.shadow.is_empty() {
        let would = preview.would.map(|would| format!("; with them in force: {}", would.code())).unwrap_or_default();
        row(out, "on trial", format!("{}{would}", listed(preview.shadow.iter().map(PolicyId::as_str))))?;
    }
    row(out, "shown", codes(preview.shown))?;
    if !preview.not_theirs.is_empty() {
        row(out, "", format!("{} has not set up: {}", user.username, codes(preview.not_theirs)))?;
    }
    circumstances(out, preview)?;
    match preview.request() {
        Some(request) => told(out, request)?,
        None => obstacles(out, preview)?,
    }
    roles(out, &preview.roles, preview.request())
}

fn row(out: &mut impl io::Write, label: &str, text: impl Display) -> io::Result<()> {
    writeln!(out, "  {label:<LABEL$} {}", plain(text))
}

fn to_second(at: Timestamp) -> impl Display {
    at.strftime("%Y-%m-%d %H:%M:%S UTC")
}

fn circumstances(out: &mut impl io::Write, preview: &Preview) -> io::Result<()> {
    let signals = &preview.signals;
    let networks = listed(signals.networks.iter().map(NetworkName::as_str));
    row(out, "from", format!("{} in {}, AS {}, networks: {networks}", signals.ip, signals.country, signals.asn))?;
    row(out, "at", format!("{}, hour {}, weekday {}", to_second(signals.now), signals.hour, signals.weekday))?;
    let device = if signals.device.known { "the one they always use" } else { "their first, never seen before" };
    row(out, "device", format!("{device}; no wrong passwords, nothing on record of earlier places"))
}

fn told(out: &mut impl io::Write, request: &IssueRequest) -> io::Result<()> {
    row(out, "NameID", format!("{} ({})", request.name_id.value, word(request.name_id.format)))?;
    row(out, "audience", &request.audience)?;
    row(out, "address", &request.acs)?;
    row(out, "RelayState", request.relay_state.as_ref().map_or("none", |state| state.as_str()))?;
    let shown = to_second(request.authn_instant);
    row(out, "context", format!("{}, shown at {shown}", request.authn_context.uri()))?;
    if let Some(end) = request.session_not_on_or_after {
        row(out, "session", format!("until {}", to_second(end)))?;
    }
    row(out, "signature", format!("{}, {}", word(request.sign), word(request.signature_algorithm)))?;
    if let Some(encryption) = &request.encryption {
        let how = format!("{}, {}", word(encryption.algorithm), word(encryption.key_transport));
        row(out, "encrypted", format!("the {}: {how}", encrypted(encryption)))?;
    }
    writeln!(out, "  attributes")?;
    for attribute in &request.attributes {
        let friendly = attribute.friendly_name.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
        writeln!(out, "    {}", plain(format_args!("{}{friendly} ({})", attribute.name, word(attribute.format))))?;
        for value in &attribute.values {
            writeln!(out, "      {}", plain(value))?;
        }
    }
    if let Some(name) = request.role_attribute.as_ref().filter(|_| !request.roles.is_empty()) {
        writeln!(out, "    {}", plain(name))?;
        for role in &request.roles {
            writeln!(out, "      {}", plain(&role.value))?;
        }
    }
    Ok(())
}

fn roles(out: &mut impl io::Write, roles: &[RoleVerdict], request: Option<&IssueRequest>) -> io::Result<()> {
    if !roles.is_empty() {
        writeln!(out, "  roles")?;
    }
    for RoleVerdict { role, verdict } in roles {
        let policies = listed(ids(&verdict.determining));
        let left_out = request.is_some_and(|request| !request.roles.iter().any(|told| told.name == *role));
        let said = match verdict.allowed {
            true if left_out => format!("permitted by {policies}, but another one was chosen"),
            true => format!("permitted by {policies}"),
            false if verdict.determining.is_empty() => "granted by no policy".to_owned(),
            false => format!("refused by {policies}"),
        };
        let role = role.to_string();
        writeln!(out, "    {role:<LABEL$} {said}")?;
    }
    Ok(())
}

/// One method needs no choice.
fn one_of<'a>(codes: impl IntoIterator<Item = &'a str>) -> String {
    match codes.into_iter().collect::<Vec<_>>().as_slice() {
        [only] => (*only).to_owned(),
        codes => format!("one of {}", listed(codes)),
    }
}

fn refusal(preview: &Preview, user: &User) -> String {
    match &preview.decision {
        // The permit was refused after the plan: the reason is in the decision then.
        Decision::Allow => "refused".to_owned(),
        Decision::Challenge { offers, .. } => {
            format!("asked for more: {}", one_of(offers.iter().map(|offer| offer.method.code())))
        }
        Decision::Enrol { methods, permitted, .. } => {
            let how = match (*permitted, preview.mails) {
                (true, _) => "now".to_owned(),
                (false, true) => "after a link that is mailed".to_owned(),
                (false, false) => {
                    format!("after a link: `cedargate users activation-link {}` prints one", user.username)
                }
            };
            format!("asked to set up {}, {how}", one_of(methods.iter().map(|method| method.code())))
        }
        Decision::Deny(DenyReason::Forbidden { .. }) => "refused".to_owned(),
        Decision::Deny(DenyReason::NoPermit) => "refused, because no policy permits it".to_owned(),
        Decision::Deny(DenyReason::NoRole) => "refused, because there is no role for them".to_owned(),
        Decision::Deny(DenyReason::CannotShow) => {
            "refused, because the app wants shown what they cannot show".to_owned()
        }
        Decision::Deny(DenyReason::EvaluationError { policies }) => {
            format!("refused, because policies failed: {}", listed(policies))
        }
    }
}

/// The policies that stand in the way; where none does, why no permit fits.
fn obstacles(out: &mut impl io::Write, preview: &Preview) -> io::Result<()> {
    let in_force = || preview.explanation.policies.iter().filter(|policy| !policy.shadow);
    let mut found = false;
    for policy in in_force().filter(|policy| policy.forbids && policy.outcome == Outcome::Matched) {
        found = true;
        row(out, "forbid", format!("{}: {}", policy.id, policy.description))?;
    }
    if found {
        return Ok(());
    }
    for policy in in_force().filter(|policy| !policy.forbids) {
        if let Outcome::NotMatched { condition } = &policy.outcome {
            found = true;
            row(out, "no permit", format!("{}: not {condition}", policy.id))?;
        }
    }
    if !found && preview.decision == Decision::Deny(DenyReason::NoPermit) {
        row(out, "no permit", "no policy permits any group of theirs to open it")?;
    }
    Ok(())
}
