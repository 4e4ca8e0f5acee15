//! Guessing of passwords, seen from the forms: what the page tells, and whom many networks together hold up.

use std::net::IpAddr;

use cedargate::domain::AppId;
use cedargate::signin::{Delivery, Target, View};

use crate::harness::people::PASSWORD;
use crate::time::{Tab, World};

/// The handle of the password page for `name`.
async fn at_password(world: &World, tab: &Tab, name: &str) -> String {
    let target = Target::app(AppId::parse("aws").unwrap());
    let View::Identify { handle, .. } = world.service().begin(&tab.client, target).await.unwrap().view else {
        panic!("no first page")
    };
    match world.service().name_typed(&tab.client, &handle, name).unwrap().view {
        View::Password { handle, .. } => handle,
        view => panic!("{view:?}"),
    }
}

/// What the page tells after `password`: attempts left, and seconds to wait; `None` when it was right.
async fn told(world: &World, tab: &Tab, handle: &str, password: &str) -> Option<(Option<u32>, Option<u32>)> {
    match world.service().password_typed(&tab.client, handle, password).await.unwrap().view {
        View::Password { attempts_left, retry_after, .. } => Some((attempts_left, retry_after)),
        _ => None,
    }
}

#[tokio::test]
async fn the_page_tells_how_many_attempts_are_left_and_the_same_of_nobody() {
    let world = World::delivering(Delivery::Nobody).await;
    for name in ["ann", "ann@example.com", "nobody", "nobody@example.com"] {
        let tab = Tab::new();
        let handle = at_password(&world, &tab, name).await;
        let mut answers = Vec::new();
        for _ in 0..7 {
            answers.push(told(&world, &tab, &handle, "not it").await.unwrap());
        }
        let left = |count| (Some(count), None);
        let wait = (None, Some(10));
        assert_eq!(answers, [left(5), left(4), left(3), left(2), left(1), wait, wait], "{name}");
    }
}

#[tokio::test]
async fn many_networks_together_hold_up_strangers_and_never_a_known_device() {
    let world = World::delivering(Delivery::Nobody).await;
    let mut own = Tab::new();
    let view = own.open(&world, "aws").await;
    let view = own.name_and_password(&world, view).await;
    assert!(matches!(own.code(&world, view).await, View::Respond(_)));
    own.client.session = None;

    let from = |number: u8| {
        let mut tab = Tab::new();
        tab.client.ip = IpAddr::from([10, 1, number, 1]);
        tab
    };
    for number in 0..20 {
        let tab = from(number);
        let handle = at_password(&world, &tab, "ann").await;
        let (_, wait) = told(&world, &tab, &handle, "not it").await.unwrap();
        assert_eq!(wait, None, "{number}");
    }
    let tab = from(20);
    let handle = at_password(&world, &tab, "ann").await;
    assert_eq!(told(&world, &tab, &handle, "not it").await, Some((None, Some(5))));
    let tab = from(21);
    let handle = at_password(&world, &tab, "ann").await;
    assert_eq!(
        told(&world, &tab, &handle, PASSWORD).await,
        Some((None, Some(5))),
        "not even the right one, from anywhere"
    );
    for (name, password) in [("nobody@example.com", "not it"), ("ann@example.com", PASSWORD)] {
        let handle = at_password(&world, &tab, name).await;
        let wrong = Some((Some(5), None));
        assert_eq!(told(&world, &tab, &handle, password).await, wrong, "{name}: another name tells nothing");
    }

    let handle = at_password(&world, &own, "ann").await;
    assert_eq!(told(&world, &own, &handle, PASSWORD).await, None, "the known device does not wait");
}
