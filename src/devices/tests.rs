use super::*;
use crate::clock::FixedEntropy;
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
    let facts = facts(devices, user, app, token).await;
    let allowed = Allowed { user, app, token, decided_on: &facts, factors, sighting: sighting() };
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
