use std::collections::BTreeSet;

use super::*;
use crate::clock::FixedEntropy;
use crate::domain::{Country, EmailAddress, Method, MethodSet, User, UserStatus, Username};
use crate::state::testing::Bench;

fn devices(bench: &Bench) -> Devices {
    Devices::new(bench.store(), bench.clock(), bench.entropy())
}

fn user(seed: i64) -> UserId {
    UserId::new("2026-11-21T12:00:00Z".parse().unwrap(), &FixedEntropy::seeded(seed)).unwrap()
}

fn app(id: &str) -> AppId {
    AppId::parse(id).unwrap()
}

fn sighting() -> Sighting {
    let name = DeviceName::of_user_agent("Firefox/145.0 (Linux)");
    Sighting { name, place: Some("DE".to_owned()), ip: "203.0.113.7".parse().unwrap() }
}

async fn facts(devices: &Devices, user: UserId, app: &AppId, token: Option<&DeviceToken>) -> DeviceFacts {
    devices.recognise(user, app, token).await.unwrap().facts
}

/// Allows `user` into `app` on the facts of this moment; gives the browser's token.
async fn allow(
    devices: &Devices,
    user: UserId,
    app: &AppId,
    token: Option<&DeviceToken>,
    factors: Factors,
) -> DeviceToken {
    let seen = devices.recognise(user, app, token).await.unwrap();
    let (decided_on, was_listed) = (&seen.facts, seen.is_listed);
    let allowed = Allowed { user, app, token, decided_on, was_listed, factors, sighting: sighting() };
    match devices.record_allow(allowed).await.unwrap() {
        Recorded::Done { token, .. } => token,
        Recorded::FactsChanged => panic!("nobody else was here"),
    }
}

#[tokio::test]
async fn a_device_is_known_after_an_allow_with_a_second_factor() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws) = (user(1), app("aws"));
    assert_eq!(facts(&devices, ann, &aws, None).await, DeviceFacts::default());

    let token = allow(&devices, ann, &aws, None, Factors::One).await;
    let counted = DeviceFacts { known: false, trusted: false, registered: 1 };
    assert_eq!(facts(&devices, ann, &aws, Some(&token)).await, counted, "counted, but not known");
    assert_eq!(devices.known_to(ann, Some(&token)).await.unwrap(), None);

    let same = allow(&devices, ann, &aws, Some(&token), Factors::Two).await;
    assert_eq!(same, token, "the browser keeps its token");
    let known = DeviceFacts { known: true, trusted: false, registered: 1 };
    assert_eq!(facts(&devices, ann, &aws, Some(&token)).await, known);
    assert!(devices.known_to(ann, Some(&token)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_known_holds_for_one_user_and_one_app() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, bob) = (user(1), user(2));
    let token = allow(&devices, ann, &app("aws"), None, Factors::Two).await;
    assert_eq!(facts(&devices, bob, &app("aws"), Some(&token)).await, DeviceFacts::default());
    assert_eq!(devices.known_to(bob, Some(&token)).await.unwrap(), None);
    assert_eq!(facts(&devices, ann, &app("wiki"), Some(&token)).await, DeviceFacts::default());
    assert!(devices.known_to(ann, Some(&token)).await.unwrap().is_some(), "to the throttle, any app will do");
}

#[tokio::test]
async fn a_token_nobody_gave_out_is_an_unknown_device_and_is_not_taken_over() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws) = (user(1), app("aws"));
    let made_up = DeviceToken::parse(&"A".repeat(43)).unwrap();
    assert_eq!(facts(&devices, ann, &aws, Some(&made_up)).await, DeviceFacts::default());
    let given = allow(&devices, ann, &aws, Some(&made_up), Factors::Two).await;
    assert_ne!(given, made_up);
    assert_eq!(devices.find(&made_up).await.unwrap(), None);
}

#[tokio::test]
async fn each_new_browser_counts_one() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws) = (user(1), app("aws"));
    for count in 1..=4 {
        let token = allow(&devices, ann, &aws, None, Factors::Two).await;
        allow(&devices, ann, &aws, Some(&token), Factors::Two).await;
        assert_eq!(facts(&devices, ann, &aws, Some(&token)).await.registered, count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_devices_decided_on_at_the_same_count_one_is_recorded() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws) = (user(1), app("aws"));
    let decided_on = facts(&devices, ann, &aws, None).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (devices, aws) = (devices.clone(), aws.clone());
            tokio::spawn(async move {
                let allowed = Allowed {
                    user: ann,
                    app: &aws,
                    token: None,
                    decided_on: &decided_on,
                    was_listed: false,
                    factors: Factors::Two,
                    sighting: sighting(),
                };
                devices.record_allow(allowed).await.unwrap()
            })
        })
        .collect();
    let mut recorded = 0;
    for task in tasks {
        recorded += usize::from(matches!(task.await.unwrap(), Recorded::Done { .. }));
    }
    assert_eq!(recorded, 1, "the others have to be decided anew");
    assert_eq!(facts(&devices, ann, &aws, None).await.registered, 1);
}

#[tokio::test]
async fn an_unused_device_is_forgotten() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws) = (user(1), app("aws"));
    let token = allow(&devices, ann, &aws, None, Factors::Two).await;
    bench.clock.advance(i64::from(FORGET_SECONDS) - 1);
    assert!(facts(&devices, ann, &aws, Some(&token)).await.known);
    allow(&devices, ann, &aws, Some(&token), Factors::Two).await;
    bench.clock.advance(i64::from(FORGET_SECONDS) - 1);
    assert!(facts(&devices, ann, &aws, Some(&token)).await.known, "each Allow keeps it");
    bench.clock.advance(1);
    assert_eq!(facts(&devices, ann, &aws, Some(&token)).await, DeviceFacts::default());
}

#[tokio::test]
async fn the_count_stands_still_at_its_most() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws) = (user(1), app("aws"));
    for device in 0..MAX_COUNTED {
        let member = device.to_string();
        bench.store().insert_bounded(&app_devices_key(ann, &aws), &member, MAX_COUNTED, LIFETIME).await.unwrap();
    }
    let token = allow(&devices, ann, &aws, None, Factors::Two).await;
    let facts = facts(&devices, ann, &aws, Some(&token)).await;
    assert_eq!(facts, DeviceFacts { known: true, trusted: false, registered: MAX_COUNTED });
}

#[tokio::test]
async fn a_lost_store_gives_no_facts() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    bench.embedded.close().await;
    assert!(matches!(devices.recognise(user(1), &app("aws"), None).await, Err(DeviceError::State(_))));
}

fn person(id: UserId, epoch: i64) -> User {
    User {
        id,
        username: Username::parse("ann").unwrap(),
        email: EmailAddress::parse("ann@example.com").unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: BTreeSet::new(),
        home_country: Country::unknown(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: epoch,
        devices_since: None,
    }
}

async fn id_of(devices: &Devices, token: &DeviceToken) -> DeviceId {
    devices.find(token).await.unwrap().unwrap().id
}

#[tokio::test]
async fn the_list_says_what_when_where_and_for_which_apps() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws, wiki) = (user(1), app("aws"), app("wiki"));
    let old = allow(&devices, ann, &aws, None, Factors::Two).await;
    bench.clock.advance(60);
    let new = allow(&devices, ann, &wiki, None, Factors::One).await;
    allow(&devices, user(2), &wiki, None, Factors::One).await;
    bench.clock.advance(60);
    allow(&devices, ann, &wiki, Some(&old), Factors::Two).await;
    let listed = devices.list(ann, &[aws.clone(), wiki.clone()]).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|device| device.id).collect();
    assert_eq!(
        ids,
        [id_of(&devices, &old).await, id_of(&devices, &new).await],
        "the one used last first, and only hers"
    );
    let first = &listed[0];
    assert_eq!((first.apps.as_slice(), listed[1].apps.as_slice()), (&[aws, wiki.clone()][..], &[wiki][..]));
    assert_eq!(first.name, DeviceName { browser: Some("Firefox".into()), system: Some("Linux".into()) });
    assert_eq!((first.place.as_deref(), first.ip), (Some("DE"), Some("203.0.113.7".parse().unwrap())));
    let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    assert_eq!(
        (first.first_allowed, first.last_allowed),
        (Some(noon), noon.checked_add(jiff::SignedDuration::from_secs(120)).ok())
    );
}

#[tokio::test]
async fn a_removed_device_is_unknown_everywhere_and_makes_room() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, apps) = (user(1), [app("aws"), app("wiki")]);
    let token = allow(&devices, ann, &apps[0], None, Factors::Two).await;
    allow(&devices, ann, &apps[1], Some(&token), Factors::Two).await;
    let kept = allow(&devices, ann, &apps[0], None, Factors::Two).await;
    let (id, bob) = (id_of(&devices, &token).await, user(2));
    allow(&devices, bob, &apps[0], Some(&token), Factors::Two).await;
    assert!(devices.is_registered(ann, id).await.unwrap());

    assert!(devices.remove(ann, id, &apps).await.unwrap());
    assert!(!devices.remove(ann, id, &apps).await.unwrap(), "it is gone already");
    assert!(!devices.is_registered(ann, id).await.unwrap());
    assert_eq!(
        facts(&devices, ann, &apps[0], Some(&token)).await,
        DeviceFacts { registered: 1, ..DeviceFacts::default() }
    );
    assert_eq!(facts(&devices, ann, &apps[1], Some(&token)).await, DeviceFacts::default());
    assert_eq!(devices.known_to(ann, Some(&token)).await.unwrap(), None);
    assert!(facts(&devices, bob, &apps[0], Some(&token)).await.known, "other people's devices stay theirs");
    assert!(facts(&devices, ann, &apps[0], Some(&kept)).await.known, "her other one stays too");

    allow(&devices, ann, &apps[0], Some(&token), Factors::One).await;
    let again = facts(&devices, ann, &apps[0], Some(&token)).await;
    assert_eq!(again, DeviceFacts { known: false, trusted: false, registered: 2 }, "it comes back as a stranger");
}

#[tokio::test]
async fn what_is_left_of_a_removed_device_counts_for_nothing() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws, gone) = (user(1), app("aws"), app("gone"));
    let token = allow(&devices, ann, &aws, None, Factors::Two).await;
    allow(&devices, ann, &gone, Some(&token), Factors::Two).await;
    let id = id_of(&devices, &token).await;
    // The app `gone` is not in config any more, so nothing of it is cleaned up.
    assert!(devices.remove(ann, id, std::slice::from_ref(&aws)).await.unwrap());
    let left = facts(&devices, ann, &gone, Some(&token)).await;
    assert_eq!(left, DeviceFacts { known: false, trusted: false, registered: 1 }, "counted, so that access narrows");
    allow(&devices, ann, &aws, Some(&token), Factors::One).await;
    assert!(!facts(&devices, ann, &gone, Some(&token)).await.known, "a new registration is not the old one");
    let listed = devices.list(ann, std::slice::from_ref(&gone)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(devices.remove(ann, id, std::slice::from_ref(&gone)).await.unwrap(), "and it can be removed");
    assert!(devices.list(ann, &[gone]).await.unwrap().is_empty());
}

#[tokio::test]
async fn all_devices_but_one_can_be_removed() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, apps) = (user(1), [app("aws"), app("wiki")]);
    let mut tokens = Vec::new();
    for number in 0..4 {
        tokens.push(allow(&devices, ann, &apps[number % 2], None, Factors::Two).await);
    }
    let keep = id_of(&devices, &tokens[2]).await;
    assert_eq!(devices.remove_all(ann, Some(keep), &apps).await.unwrap().len(), 3);
    let left: Vec<_> = devices.list(ann, &apps).await.unwrap().into_iter().map(|device| device.id).collect();
    assert_eq!(left, [keep]);
}

#[tokio::test]
async fn trust_belongs_to_one_user_app_and_registration() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws, wiki) = (user(1), app("aws"), app("wiki"));
    let token = allow(&devices, ann, &aws, None, Factors::Two).await;
    allow(&devices, ann, &wiki, Some(&token), Factors::Two).await;
    allow(&devices, user(2), &aws, Some(&token), Factors::Two).await;
    let id = id_of(&devices, &token).await;
    let trust =
        Trust { proofs: [Method::Password, Method::Totp].into_iter().collect(), at: bench.clock.now(), epoch: 3 };
    let of = async |user, app: &AppId| devices.recognise(user, app, Some(&token)).await.unwrap().trust;

    assert!(devices.trust(ann, id, &aws, trust.clone(), 30).await.unwrap());
    assert_eq!(of(ann, &aws).await, Some(trust.clone()));
    assert_eq!((of(ann, &wiki).await, of(user(2), &aws).await), (None, None));
    let listed = devices.list(ann, &[aws.clone(), wiki.clone()]).await.unwrap();
    assert_eq!(listed[0].trusts, [(aws.clone(), trust.clone())]);

    assert!(devices.end_trust(ann, id).await.unwrap());
    assert_eq!(of(ann, &aws).await, None);
    assert!(facts(&devices, ann, &aws, Some(&token)).await.known, "it is known all the same");
    assert!(devices.trust(ann, id, &aws, trust.clone(), 30).await.unwrap());
    assert_eq!(of(ann, &aws).await, Some(trust.clone()), "and can be trusted again");

    devices.remove(ann, id, &[]).await.unwrap();
    allow(&devices, ann, &aws, Some(&token), Factors::Two).await;
    assert_eq!(of(ann, &aws).await, None, "what comes back is trusted for nothing");
    devices.remove(ann, id, &[aws.clone(), wiki]).await.unwrap();
    assert!(!devices.trust(ann, id, &aws, trust, 30).await.unwrap(), "nobody trusts what is not on the list");
    assert!(!devices.end_trust(ann, id).await.unwrap());
}

#[tokio::test]
async fn trust_stands_for_its_days_and_until_a_password_or_method_changes() {
    let bench = Bench::new().await;
    let (start, day) = (bench.clock.now(), 24 * 60 * 60);
    let trust = Trust { proofs: MethodSet::EMPTY, at: start, epoch: 3 };
    let ann = person(user(1), 3);
    let after = |seconds| start.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    for (seconds, days, stands) in [
        (0, 30, true),
        (30 * day - 1, 30, true),
        (30 * day, 30, false),
        (day, 1, false),
        (0, 0, false),
        (-1, 30, false),
    ] {
        assert_eq!(trust.stands(&ann, days, after(seconds)), stands, "{seconds} s of {days} days");
    }
    assert!(!trust.stands(&person(user(1), 4), 30, start), "the epoch rose");
    assert_eq!(trust.ends(30), after(30 * day));
}

#[tokio::test]
async fn a_decision_from_before_does_not_bring_a_removed_device_back() {
    let bench = Bench::new().await;
    let devices = devices(&bench);
    let (ann, aws) = (user(1), app("aws"));
    let token = allow(&devices, ann, &aws, None, Factors::Two).await;
    let seen = devices.recognise(ann, &aws, Some(&token)).await.unwrap();
    let id = id_of(&devices, &token).await;
    assert!(devices.remove(ann, id, std::slice::from_ref(&aws)).await.unwrap());
    let allowed = Allowed {
        user: ann,
        app: &aws,
        token: Some(&token),
        decided_on: &seen.facts,
        was_listed: seen.is_listed,
        factors: Factors::Two,
        sighting: sighting(),
    };
    assert!(matches!(devices.record_allow(allowed).await.unwrap(), Recorded::FactsChanged));
    assert!(!devices.is_registered(ann, id).await.unwrap());
    assert_eq!(facts(&devices, ann, &aws, Some(&token)).await, DeviceFacts::default());
}
