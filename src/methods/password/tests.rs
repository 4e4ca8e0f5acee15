use super::*;
use crate::devices::{Allowed, DeviceName, Factors, Recorded, Sighting};
use crate::domain::{AppId, DeviceFacts, UserStatus};
use crate::methods::testing::{House, cheap};
use crate::methods::throttle::FREE;

const RIGHT: &str = "a long walk in the wood";

fn method(house: &House) -> PasswordMethod {
    let (accounts, hashing) = (house.accounts.clone(), house.hashing.clone());
    PasswordMethod::new(accounts, hashing, house.devices(), house.failures(), house.bench.clock())
}

fn stranger() -> Origin<'static> {
    Origin { ip: "203.0.113.1".parse().unwrap(), device: None }
}

async fn answer(house: &House, typed: &str, password: &str, origin: Origin<'_>) -> Answer<PasswordShown> {
    method(house).check(typed, Password::new(password.to_owned()), origin).await.unwrap()
}

#[tokio::test]
async fn the_right_password_is_taken_by_username_and_by_address() {
    let house = House::new(cheap(1)).await;
    for typed in ["ann", " ANN ", "ann@example.com", "Ann@Example.COM"] {
        let Answer::Right(shown) = answer(&house, typed, RIGHT, stranger()).await else { panic!("{typed}") };
        assert_eq!(shown.user, house.ann);
        assert_eq!((shown.proof.method, shown.proof.at), (Method::Password, house.bench.clock.now()));
        assert_eq!(shown.failed_attempts, 0);
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answers_all_along() {
    let house = House::new(cheap(1)).await;
    let shape = |answer: Answer<PasswordShown>| match answer {
        Answer::Right(shown) => panic!("{shown:?}"),
        Answer::Wrong { free_left, retry_after } => ("wrong", Some(free_left), retry_after),
        Answer::Used { .. } => panic!("a password may be used again"),
        Answer::Wait { retry_after } => ("wait", None, Some(retry_after)),
        Answer::Expired => ("expired", None, None),
    };
    for round in 0..FREE + 3 {
        // Nor do the answers tell that a name and a mail address belong to one account.
        for (known, unknown) in [("ann", "nobody"), ("ANN@example.com", "nobody@example.com")] {
            let known = shape(answer(&house, known, "wrong", stranger()).await);
            let unknown = shape(answer(&house, unknown, "wrong", stranger()).await);
            assert_eq!(known, unknown, "round {round}");
        }
    }
    assert!(matches!(answer(&house, "ann", RIGHT, stranger()).await, Answer::Wait { .. }), "not even the right one");
}

#[tokio::test]
async fn beyond_the_limit_over_both_names_the_right_password_is_a_wrong_one_and_nothing_else_shows() {
    let house = House::new(cheap(1)).await;
    let from = |number: u8| Origin { ip: std::net::IpAddr::from([10, 0, number, 1]), device: None };
    for number in 0..20 {
        for (known, unknown) in [("ann", "nobody"), ("ann@example.com", "nobody@example.com")] {
            let known = answer(&house, known, "wrong", from(number)).await;
            let unknown = answer(&house, unknown, "wrong", from(number)).await;
            assert_eq!(format!("{known:?}"), format!("{unknown:?}"), "network {number}");
            assert!(matches!(known, Answer::Wrong { retry_after: None, .. }), "network {number}: {known:?}");
        }
    }
    let house = House::new(cheap(1)).await;
    for number in 0..=20 {
        answer(&house, "ann", "wrong", from(number)).await;
    }
    let right = answer(&house, "ann@example.com", RIGHT, from(30)).await;
    assert!(matches!(right, Answer::Wrong { free_left, retry_after: None } if free_left == FREE - 1), "{right:?}");
    house.bench.clock.advance(5);
    assert!(matches!(answer(&house, "ann@example.com", RIGHT, from(30)).await, Answer::Right(_)));
}

#[tokio::test]
async fn a_right_password_tells_how_many_were_wrong_before() {
    let house = House::new(cheap(1)).await;
    for _ in 0..3 {
        answer(&house, "ann", "wrong", stranger()).await;
    }
    let Answer::Right(shown) = answer(&house, "ann", RIGHT, stranger()).await else { panic!("it is right") };
    assert_eq!(shown.failed_attempts, 3);
}

#[tokio::test]
async fn on_a_known_device_strangers_do_not_keep_its_user_waiting() {
    let house = House::new(cheap(1)).await;
    let (devices, aws) = (house.devices(), AppId::parse("aws").unwrap());
    let sighting = Sighting { name: DeviceName::default(), place: None, ip: "203.0.113.7".parse().unwrap() };
    let decided_on = DeviceFacts::default();
    let user = house.ann.id;
    let allowed = Allowed {
        user,
        app: &aws,
        token: None,
        decided_on: &decided_on,
        was_listed: false,
        factors: Factors::Two,
        sighting,
    };
    let recorded = devices.record_allow(allowed).await;
    let Recorded::Done { token, .. } = recorded.unwrap() else { panic!("nobody else was here") };
    for _ in 0..=FREE {
        answer(&house, "ann", "wrong", stranger()).await;
    }
    assert!(matches!(answer(&house, "ann", RIGHT, stranger()).await, Answer::Wait { .. }));
    let known = Origin { device: Some(&token), ..stranger() };
    assert!(matches!(answer(&house, "ann", RIGHT, known).await, Answer::Right(_)));
}

#[tokio::test]
async fn a_suspended_user_is_for_policies_to_refuse() {
    let house = House::new(cheap(1)).await;
    house.accounts.set_status(house.ann.id, UserStatus::Suspended).await.unwrap();
    let Answer::Right(shown) = answer(&house, "ann", RIGHT, stranger()).await else { panic!("it is right") };
    assert_eq!(shown.user.status, UserStatus::Suspended);
}

#[tokio::test]
async fn a_weaker_hash_is_replaced_at_the_next_sign_in() {
    let mut house = House::new(cheap(1)).await;
    let before = house.accounts.find_by_login("ann").await.unwrap().unwrap().password.unwrap();
    house.hashing = HashPool::start(cheap(2), Arc::new(crate::clock::SystemEntropy)).unwrap();
    assert!(matches!(answer(&house, "ann", RIGHT, stranger()).await, Answer::Right(_)));
    let after = house.accounts.find_by_login("ann").await.unwrap().unwrap();
    assert_ne!(after.password, Some(before));
    assert_eq!(after.user.session_epoch, house.ann.session_epoch, "sessions go on");
    assert!(matches!(answer(&house, "ann", RIGHT, stranger()).await, Answer::Right(_)));
}

#[tokio::test]
async fn a_lost_store_lets_nobody_in() {
    let house = House::new(cheap(1)).await;
    let method = method(&house);
    house.bench.embedded.close().await;
    let result = method.check("ann", Password::new(RIGHT.to_owned()), stranger()).await;
    assert!(matches!(result, Err(MethodError::State(_))), "{result:?}");
}
