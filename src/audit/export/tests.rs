use std::collections::BTreeSet;

use super::*;
use crate::audit::{EventKind, EventRecord};
use crate::domain::{Method, Username};

fn event(kind: EventKind, user: &str) -> Record {
    EventRecord {
        event: kind,
        at: "2026-11-21T12:00:00Z".parse().unwrap(),
        user: Username::parse(user).unwrap(),
        sign_in: None,
        method: Some(Method::Totp),
        about_device: None,
        ip: Some("203.0.113.77".parse().unwrap()),
        device: crate::domain::DeviceId::parse("019aaf26-4600-7000-8000-b0e7430c95c9"),
    }
    .into()
}

#[test]
fn masked_people_keep_one_pseudonym_per_key_and_addresses_their_network() {
    let (mask, other) = (Mask::new(&[1; 32]), Mask::new(&[2; 32]));
    let masked = |mask: &Mask, user: &str| json(&mask.record(event(EventKind::SignedOut, user))).unwrap();
    let line = masked(&mask, "ann");
    for gone in ["\"ann\"", "203.0.113.77", "b0e7430c95c9"] {
        assert!(!line.contains(gone), "{line}");
    }
    assert!(line.contains("\"203.0.113.0\"") && line.contains("\"user-"), "{line}");
    assert_eq!(line, masked(&mask, "ann"));
    let lines: BTreeSet<String> = [line, masked(&mask, "ben"), masked(&other, "ann")].into();
    assert_eq!(lines.len(), 3);
}

#[test]
fn events_of_the_schema_have_what_their_class_asks_for() {
    for (kind, type_uid) in [
        (EventKind::ProofFailed, Some(300_201)),
        (EventKind::SignedOut, Some(300_202)),
        (EventKind::PasswordSet, Some(300_103)),
        (EventKind::MethodAdded, Some(300_110)),
        (EventKind::CodeSent, None),
    ] {
        let event = ocsf::event(&event(kind, "ann"));
        assert_eq!(event.as_ref().map(|event| event["type_uid"].as_u64().unwrap()), type_uid, "{kind:?}");
        let Some(event) = event else { continue };
        // Required by the base event, the category and the class.
        for required in
            ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid", "user"]
        {
            assert!(!event[required].is_null(), "{kind:?}: no `{required}`: {event:#}");
        }
        let number = |key: &str| event[key].as_u64().unwrap();
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"));
        assert_eq!(number("class_uid") / 1000, number("category_uid"));
        assert!(
            event["metadata"]["product"]["vendor_name"].is_string() && event["metadata"]["version"] == ocsf::VERSION
        );
        assert_eq!(event["time"], 1_795_262_400_000_i64, "milliseconds");
        assert!(number("class_uid") != 3002 || event["service"]["name"].is_string(), "one of service and dst_endpoint");
    }
}
