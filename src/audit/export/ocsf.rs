//! Records as events of the Open Cybersecurity Schema Framework, version 1.5.0 (schema.ocsf.io): Authentication (3002) and Account
//! Change (3001). What has no place there has none here: assertions and refusals only carry a decision that is told already.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::audit::record::{DecisionRecord, EventKind, EventRecord, Record};
use crate::clock::Timestamp;
use crate::domain::{Class, DecisionKind, Method, MethodSet, Profile, Step, Username, classes};

/// The version of the schema: the first in which a factor of an authentication may be named without more of it.
pub const VERSION: &str = "1.5.0";
/// Identity and access management.
const CATEGORY: u16 = 3;

const ACCOUNT_CHANGE: EventClass = EventClass { uid: 3001, name: "Account Change" };
const AUTHENTICATION: EventClass = EventClass { uid: 3002, name: "Authentication" };
const SAML: u8 = 5;

struct EventClass {
    uid: u32,
    name: &'static str,
}

/// What happened, by its number in the class and its name.
struct Activity(u32, &'static str);

/// How it ended: number, name, and how much it matters.
struct Status(u8, &'static str, u8);

const SUCCESS: Status = Status(1, "Success", INFORMATIONAL);
const FAILURE: Status = Status(2, "Failure", LOW);
const INFORMATIONAL: u8 = 1;
const LOW: u8 = 2;

/// The event that a record is; `None` where the schema has no class for it.
#[must_use]
pub fn event(record: &Record) -> Option<Value> {
    match record {
        Record::Decision(decision) => decided(decision),
        Record::Event(event) => happened(event),
        Record::Segment(_) | Record::Assertion(_) | Record::Status(_) | Record::Logout(_) | Record::Forgotten(_) => {
            None
        }
    }
}

fn decided(decision: &DecisionRecord) -> Option<Value> {
    if !matches!(decision.step, Step::Visit | Step::SignIn | Step::AssumeRole) {
        return None;
    }
    let kind = decision.decision.kind();
    let status = match kind {
        DecisionKind::Allow => SUCCESS,
        DecisionKind::Deny => FAILURE,
        DecisionKind::Challenge => Status(99, "Challenge", INFORMATIONAL),
        DecisionKind::Enrol => Status(99, "Enrol", INFORMATIONAL),
    };
    let mut event = base(&AUTHENTICATION, &Activity(1, "Logon"), status, decision.at, decision.user.as_ref());
    let mut policies: Vec<&str> = decision.determining.iter().map(|policy| policy.id.as_str()).collect();
    policies.dedup();
    let more = json!({
        "auth_protocol_id": SAML,
        "auth_protocol": "SAML",
        "auth_factors": factors(decision.proofs),
        "is_mfa": classes(decision.proofs, Profile::default()).contains(Class::SecondFactor),
        "is_remote": true,
        "service": { "name": decision.app },
        "src_endpoint": endpoint(decision.signals.ip, Some(decision.signals.country.as_str())),
        "status_detail": policies.join(", "),
        "unmapped": {
            "step": decision.step.action(),
            "outcome": kind.code(),
            "reference": decision.reference,
            "policies": policies,
            "policy_digest": decision.policy_digest,
            "evaluation_micros": decision.micros,
        },
    });
    merge(&mut event, more);
    if let Some(session) = decision.session {
        merge(&mut event, json!({ "session": { "uid": session } }));
    }
    Some(event)
}

fn happened(event: &EventRecord) -> Option<Value> {
    let (class, activity, status) = match event.event {
        EventKind::ProofFailed => (AUTHENTICATION, Activity(1, "Logon"), FAILURE),
        EventKind::SignedOut => (AUTHENTICATION, Activity(2, "Logoff"), SUCCESS),
        EventKind::PasswordSet => (ACCOUNT_CHANGE, Activity(3, "Password Change"), SUCCESS),
        EventKind::MethodAdded => (ACCOUNT_CHANGE, Activity(10, "MFA Factor Enable"), SUCCESS),
        EventKind::LinkSent
        | EventKind::CodeSent
        | EventKind::MethodLost
        | EventKind::LinkConfirmed
        | EventKind::DeviceTrusted
        | EventKind::TrustEnded
        | EventKind::DeviceRemoved
        | EventKind::PreviewSigned => return None,
    };
    let is_authentication = class.uid == AUTHENTICATION.uid;
    let mut value = base(&class, &activity, status, event.at, Some(&event.user));
    merge(&mut value, json!({ "status_detail": event.event.code() }));
    if is_authentication {
        // The class wants to know with what: the portal is where people sign in and out.
        merge(&mut value, json!({ "service": { "name": "cedargate" }, "is_remote": true }));
        if let Some(method) = event.method {
            merge(&mut value, json!({ "auth_factors": factors(MethodSet::EMPTY.with(method)) }));
        }
    }
    if let Some(ip) = event.ip {
        merge(&mut value, json!({ "src_endpoint": endpoint(ip, None) }));
    }
    Some(value)
}

/// What every event must say.
fn base(class: &EventClass, activity: &Activity, status: Status, at: Timestamp, user: Option<&Username>) -> Value {
    let Activity(activity_id, activity_name) = activity;
    let Status(status_id, status_name, severity_id) = status;
    // Before a first factor nobody is known, but the class wants somebody.
    let user = user.map_or_else(
        || json!({ "name": "unknown", "type_id": 0, "type": "Unknown" }),
        |user| json!({ "name": user, "uid": user, "type_id": 1, "type": "User" }),
    );
    json!({
        "metadata": {
            "version": VERSION,
            "product": {
                "name": "cedargate",
                "vendor_name": "cedargate",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "category_uid": CATEGORY,
        "category_name": "Identity & Access Management",
        "class_uid": class.uid,
        "class_name": class.name,
        "activity_id": activity_id,
        "activity_name": activity_name,
        "type_uid": class.uid * 100 + activity_id,
        "type_name": format!("{}: {activity_name}", class.name),
        "severity_id": severity_id,
        "severity": if severity_id == LOW { "Low" } else { "Informational" },
        "status_id": status_id,
        "status": status_name,
        "time": at.as_millisecond(),
        "user": user,
    })
}

fn endpoint(ip: IpAddr, country: Option<&str>) -> Value {
    let known = country.filter(|country| country.len() == 2 && *country != "ZZ");
    match known {
        Some(country) => json!({ "ip": ip, "location": { "country": country } }),
        None => json!({ "ip": ip }),
    }
}

fn factors(methods: MethodSet) -> Vec<Value> {
    let factor = |method: Method| {
        let (id, name) = match method {
            Method::SmsOtp | Method::SmsApproval | Method::SmsEmailOtp => (1, "SMS"),
            Method::SecurityQuestions => (2, "Security Question"),
            Method::VoiceCall => (3, "Phone Call"),
            Method::Push => (5, "Push Notification"),
            Method::HardwareToken | Method::YubikeyOtp => (6, "Hardware Token"),
            Method::Totp | Method::RadiusOtp => (7, "OTP"),
            Method::EmailOtp | Method::EmailApproval | Method::AlternateEmailOtp | Method::MagicLink => (8, "Email"),
            Method::Passkey | Method::SecurityKey => (10, "WebAuthn"),
            Method::Password | Method::DirectoryPassword => (11, "Password"),
            Method::QrApproval
            | Method::UpstreamMfa
            | Method::GridCard
            | Method::BackupCode
            | Method::ExternalIdp
            | Method::AccessPass
            | Method::ActivationLink
            | Method::RecoveryLink => (99, "Other"),
        };
        json!({ "factor_type_id": id, "factor_type": name, "is_totp": method == Method::Totp })
    };
    methods.iter().map(factor).collect()
}

fn merge(event: &mut Value, more: Value) {
    if let (Value::Object(event), Value::Object(more)) = (event, more) {
        event.extend(more);
    }
}
