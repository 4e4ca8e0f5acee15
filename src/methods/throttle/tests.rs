use std::net::IpAddr;

use super::*;
use crate::clock::{FixedEntropy, ManualClock};
use crate::domain::DeviceId;
use crate::signals::NetworkPrefix;
use crate::state::testing::Bench;

struct Door {
    failures: Failures,
    throttle: Throttle,
    clock: Arc<ManualClock>,
    _bench: Bench,
}

impl Door {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let failures = Failures::new(bench.store(), &[7; 32]);
        let throttle = Throttle::new(failures.clone(), bench.clock());
        Self { failures, throttle, clock: Arc::clone(&bench.clock), _bench: bench }
    }

    fn attempt(&self, name: &str, ip: &str) -> Attempt {
        let source = FailureSource::Network(network(ip));
        Attempt { guarded: Guarded::Password, subject: self.failures.subject(name), source }
    }

    /// Answers wrongly, and gives the seconds to wait if the answer was not even looked at.
    async fn wrong(&self, attempt: &Attempt) -> Option<u32> {
        match self.throttle.admit(attempt.clone()).await.unwrap() {
            Admission::Go(_) => None,
            Admission::Wait { retry_after } => Some(retry_after),
        }
    }

    async fn ticket(&self, attempt: &Attempt) -> Ticket {
        match self.throttle.admit(attempt.clone()).await.unwrap() {
            Admission::Go(ticket) => ticket,
            Admission::Wait { retry_after } => panic!("has to wait {retry_after} s"),
        }
    }

    async fn recent(&self, name: &str, ip: &str) -> u32 {
        self.failures.recent_passwords(&self.failures.subject(name), network(ip)).await.unwrap()
    }
}

fn network(ip: &str) -> NetworkPrefix {
    NetworkPrefix::of(ip.parse::<IpAddr>().unwrap())
}

#[tokio::test]
async fn five_wrong_answers_are_free_and_the_pauses_double() {
    let door = Door::new().await;
    let ann = door.attempt("ann", "203.0.113.1");
    for free_left in (0..FREE).rev() {
        let ticket = door.ticket(&ann).await;
        assert_eq!((ticket.free_left(), ticket.retry_after()), (free_left, None));
    }
    for pause in [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] {
        assert_eq!(door.ticket(&ann).await.retry_after(), Some(pause));
        assert_eq!(door.wrong(&ann).await, Some(pause));
        door.clock.advance(i64::from(pause) - 1);
        assert_eq!(door.wrong(&ann).await, Some(1), "what is refused does not prolong the pause");
        door.clock.advance(1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_answers_at_once_get_no_more_than_the_free_ones_and_one() {
    let door = Door::new().await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (throttle, attempt) = (door.throttle.clone(), door.attempt("ann", "203.0.113.1"));
            tokio::spawn(async move { matches!(throttle.admit(attempt).await.unwrap(), Admission::Go(_)) })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += u32::from(task.await.unwrap());
    }
    assert_eq!(admitted, FREE + 1);
    assert_eq!(door.recent("ann", "203.0.113.1").await, FREE + 1, "the refused ones are not counted");
}

#[tokio::test]
async fn a_right_answer_ends_the_row_but_not_what_policies_read() {
    let door = Door::new().await;
    let ann = door.attempt("ann", "203.0.113.1");
    for _ in 0..FREE {
        door.wrong(&ann).await;
    }
    let ticket = door.ticket(&ann).await;
    assert_eq!(ticket.recent_before(), 5);
    door.throttle.right(ticket).await.unwrap();
    assert_eq!(door.recent("ann", "203.0.113.1").await, 5, "the right one is not among them");
    assert_eq!(door.ticket(&ann).await.free_left(), FREE - 1, "the next row starts");
    door.clock.advance(i64::from(RECENT_SECONDS));
    assert_eq!(door.recent("ann", "203.0.113.1").await, 0);
}

#[tokio::test]
async fn names_networks_and_kinds_of_secret_are_counted_apart() {
    let door = Door::new().await;
    let ann = door.attempt("ann", "203.0.113.1");
    for _ in 0..=FREE {
        door.wrong(&ann).await;
    }
    let totp = Attempt { guarded: Guarded::Totp, ..ann.clone() };
    for (other, waits) in [
        (door.attempt("ann", "203.0.113.200"), true),
        (door.attempt(" ANN ", "::ffff:203.0.113.9"), true),
        (door.attempt("bob", "203.0.113.1"), false),
        (door.attempt("ann", "203.0.112.1"), false),
        (totp, false),
    ] {
        assert_eq!(door.wrong(&other).await.is_some(), waits, "{other:?}");
    }
}

#[tokio::test]
async fn strangers_do_not_slow_down_a_known_device() {
    let door = Door::new().await;
    let stranger = door.attempt("ann", "203.0.113.1");
    for _ in 0..=FREE {
        door.wrong(&stranger).await;
    }
    assert!(door.wrong(&stranger).await.is_some());
    let device = DeviceId::new(door.clock.now(), &FixedEntropy::seeded(1)).unwrap();
    let known = Attempt { source: FailureSource::KnownDevice(device), ..stranger };
    assert_eq!(door.ticket(&known).await.free_left(), FREE - 1);
}

/// A network that nobody answered from before.
fn new_network(number: u32) -> String {
    let [_, _, high, low] = number.to_be_bytes();
    format!("10.{high}.{low}.1")
}

#[tokio::test]
async fn many_networks_together_wait_for_a_name_longer_and_longer() {
    let door = Door::new().await;
    for number in 0..FREE_EVERYWHERE {
        let ticket = door.ticket(&door.attempt("ann", &new_network(number))).await;
        let free_left = (FREE - 1).min(FREE_EVERYWHERE - 1 - number);
        assert_eq!((ticket.free_left(), ticket.retry_after()), (free_left, None), "{number}");
    }
    for (number, pause) in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900].into_iter().enumerate() {
        let next = door.attempt("ann", &new_network(FREE_EVERYWHERE + u32::try_from(number).unwrap()));
        assert_eq!(door.ticket(&next).await.retry_after(), Some(pause));
        let elsewhere = door.attempt("ann", "192.0.2.1");
        assert_eq!(door.wrong(&elsewhere).await, Some(pause), "from anywhere");
        assert_eq!(door.wrong(&door.attempt("bob", &format!("192.0.2.{number}"))).await, None, "nobody else waits");
        door.clock.advance(i64::from(pause));
    }
    let known = DeviceId::new(door.clock.now(), &FixedEntropy::seeded(1)).unwrap();
    door.ticket(&door.attempt("ann", "198.51.100.1")).await;
    assert!(door.wrong(&door.attempt("ann", "198.51.101.1")).await.is_some());
    let known = Attempt { source: FailureSource::KnownDevice(known), ..door.attempt("ann", "198.51.100.1") };
    let ticket = door.ticket(&known).await;
    assert_eq!((ticket.free_left(), ticket.retry_after()), (FREE - 1, None), "a known device does not wait");
    door.throttle.right(ticket).await.unwrap();
    let ticket = door.ticket(&door.attempt("ann", "198.51.102.1")).await;
    assert_eq!(ticket.retry_after(), None, "and its right answer ends the row for all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_networks_at_once_no_more_get_through_than_are_free_and_one() {
    let door = Door::new().await;
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let (throttle, attempt) = (door.throttle.clone(), door.attempt("ann", &new_network(number)));
            tokio::spawn(async move { matches!(throttle.admit(attempt).await.unwrap(), Admission::Go(_)) })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += u32::from(task.await.unwrap());
    }
    assert_eq!(admitted, FREE_EVERYWHERE + 1);
}

#[tokio::test]
async fn what_could_not_be_checked_holds_up_nobody_elsewhere() {
    let door = Door::new().await;
    for number in 0..FREE_EVERYWHERE {
        door.wrong(&door.attempt("ann", &new_network(number))).await;
    }
    for number in 0..3 {
        let ticket = door.ticket(&door.attempt("ann", &new_network(100 + number))).await;
        assert_eq!(ticket.retry_after(), Some(5));
        door.throttle.unchecked(ticket).await.unwrap();
    }
}

/// What an answer shows, and whether it may be right: (pause when it is not looked at, free ones left, next pause), checked.
type Shown = ((Option<u32>, Option<u32>, Option<u32>), bool);

impl Door {
    /// Whether an answer counts for somebody who has a mail address besides.
    async fn is_checked(&self, person: &str, ticket: &mut Ticket) -> bool {
        let (id, mail) = (self.failures.subject(person), self.failures.subject(&format!("{person}@example.com")));
        let by = ticket.attempt.subject.clone();
        let other = if by == id { mail } else { id.clone() };
        self.throttle.admit_person(ticket, Person { id, by, other }).await.unwrap()
    }

    /// Answers wrongly for somebody with more than one name.
    async fn wrong_of(&self, person: &str, attempt: Attempt) -> Shown {
        match self.throttle.admit(attempt).await.unwrap() {
            Admission::Wait { retry_after } => ((Some(retry_after), None, None), false),
            Admission::Go(mut ticket) => {
                let checked = self.is_checked(person, &mut ticket).await;
                ((None, Some(ticket.free_left()), ticket.retry_after()), checked)
            }
        }
    }
}

#[tokio::test]
async fn two_names_of_one_person_show_what_two_names_of_nobody_show() {
    let door = Door::new().await;
    let (mut unchecked, mut looked_at) = (0, 0);
    for round in 0..120 {
        // Few networks and many, by turns, and now and then a while nothing.
        let ip = new_network(if round % 3 == 0 { round } else { round % 4 });
        for (known, unknown) in [("ann", "nobody"), ("ann@example.com", "nobody@example.com")] {
            let (shown, checked) = door.wrong_of("ann", door.attempt(known, &ip)).await;
            let (of_nobody, _) = door.wrong_of(unknown, door.attempt(unknown, &ip)).await;
            assert_eq!(shown, of_nobody, "round {round}, {known}");
            looked_at += u32::from(shown.0.is_none());
            unchecked += u32::from(shown.0.is_none() && !checked);
        }
        door.clock.advance(i64::from(round % 7) * 9);
    }
    assert!(looked_at > 2 * FREE_EVERYWHERE && unchecked > 0, "{unchecked} of {looked_at}");
}

#[tokio::test]
async fn over_both_names_no_more_are_checked_than_of_one() {
    let door = Door::new().await;
    let mut checked = 0;
    for number in 0..FREE_EVERYWHERE {
        for name in ["ann", "ann@example.com"] {
            let (shown, is_checked) = door.wrong_of("ann", door.attempt(name, &new_network(number))).await;
            assert_eq!((shown.0, shown.2), (None, None), "{number}");
            checked += u32::from(is_checked);
        }
    }
    assert_eq!(checked, FREE_EVERYWHERE + 1);
    door.clock.advance(24 * 60 * 60);
    assert!(door.wrong_of("ann", door.attempt("ann", "203.0.113.1")).await.1, "for a day");
}

#[tokio::test]
async fn who_waited_as_long_as_was_said_is_checked() {
    let door = Door::new().await;
    for number in 0..FREE_EVERYWHERE {
        assert!(door.wrong_of("ann", door.attempt("ann", &new_network(number))).await.1);
    }
    for number in 0..10 {
        let next = door.attempt("ann", &new_network(100 + number));
        let ((_, _, pause), checked) = door.wrong_of("ann", next).await;
        assert!(checked, "{number}");
        door.clock.advance(i64::from(pause.unwrap()));
    }
}

#[tokio::test]
async fn a_right_answer_ends_the_row_over_all_names_and_an_unchecked_one_does_not_count() {
    let door = Door::new().await;
    for number in 0..FREE_EVERYWHERE {
        assert!(door.wrong_of("ann", door.attempt("ann@example.com", &new_network(number))).await.1);
    }
    for number in 0..3 {
        let mut ticket = door.ticket(&door.attempt("ann", &new_network(100 + number))).await;
        assert!(door.is_checked("ann", &mut ticket).await, "{number}");
        door.throttle.unchecked(ticket).await.unwrap();
    }
    let mut ticket = door.ticket(&door.attempt("ann", "203.0.113.1")).await;
    assert!(door.is_checked("ann", &mut ticket).await);
    door.throttle.right(ticket).await.unwrap();
    for number in 0..FREE_EVERYWHERE {
        assert!(door.wrong_of("ann", door.attempt("ann", &new_network(200 + number))).await.1, "{number}");
    }
}

/// A right answer forgets the counts of name and person one after the other; what comes in between counts in one of them only.
#[tokio::test]
async fn right_answers_in_flight_are_not_told_to_be_wrong() {
    let door = Door::new().await;
    let mut first = door.ticket(&door.attempt("ann", &new_network(0))).await;
    assert!(door.is_checked("ann", &mut first).await);
    let mut between = Vec::new();
    for number in 1..FREE_EVERYWHERE {
        between.push(door.ticket(&door.attempt("ann", &new_network(number))).await);
    }
    door.throttle.right(first).await.unwrap();
    for ticket in &mut between {
        assert!(door.is_checked("ann", ticket).await);
    }
    for number in 0..FREE_EVERYWHERE {
        let (shown, checked) = door.wrong_of("ann", door.attempt("ann", &new_network(100 + number))).await;
        assert!(checked, "{number}: admitted under the name, so it is checked: {shown:?}");
    }
    let (_, checked) = door.wrong_of("ann", door.attempt("ann@example.com", "203.0.113.1")).await;
    assert!(!checked, "the other name is held up by all of them");
}

/// Answers typed under both names by turns, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_both_names_at_once_no_more_are_checked_than_of_one() {
    let door = Arc::new(Door::new().await);
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let door = Arc::clone(&door);
            tokio::spawn(async move {
                let name = ["ann", "ann@example.com"][number as usize % 2];
                door.wrong_of("ann", door.attempt(name, &new_network(number))).await.1
            })
        })
        .collect();
    let mut checked = 0;
    for task in tasks {
        checked += u32::from(task.await.unwrap());
    }
    assert!((1..=FREE_EVERYWHERE + 1).contains(&checked), "{checked}");
}

#[tokio::test]
async fn who_has_one_name_twice_has_all_free_answers() {
    let door = Door::new().await;
    let name = door.failures.subject("ann@example.com");
    for number in 0..FREE_EVERYWHERE {
        let mut ticket = door.ticket(&door.attempt("ann@example.com", &new_network(number))).await;
        let person = Person { id: name.clone(), by: name.clone(), other: name.clone() };
        assert!(door.throttle.admit_person(&mut ticket, person).await.unwrap(), "{number}");
        assert_eq!(ticket.person.map(|(_, begun)| begun), Some(false), "{number}");
    }
}

#[tokio::test]
async fn a_name_has_a_hundred_wrong_answers_a_day_from_anywhere() {
    let door = Door::new().await;
    let (mut admitted, mut waited) = (0, 0);
    while admitted < MOST_PER_NAME {
        let next = door.attempt("ann", &new_network(admitted));
        match door.throttle.admit(next).await.unwrap() {
            Admission::Go(_) => admitted += 1,
            Admission::Wait { retry_after } => {
                waited += retry_after;
                door.clock.advance(i64::from(retry_after));
            }
        }
    }
    assert!((17 * 60 * 60..24 * 60 * 60).contains(&waited), "{waited} s");
    let next = door.attempt("ann", "203.0.113.1");
    assert!(door.wrong(&next).await.is_some());
    door.clock.advance(15 * 60);
    assert_eq!(door.wrong(&next).await, Some(3600));
    assert_eq!(door.wrong(&door.attempt("bob", "203.0.113.1")).await, None);
    door.clock.advance(24 * 60 * 60);
    assert_eq!(door.wrong(&next).await, None);
}

#[tokio::test]
async fn over_its_cap_a_network_writes_nothing_for_new_names() {
    let door = Door::new().await;
    for number in 0..MOST_PER_NETWORK {
        assert_eq!(door.wrong(&door.attempt(&format!("name {number}"), "203.0.113.1")).await, None, "{number}");
    }
    assert_eq!(door.wrong(&door.attempt("one more", "203.0.113.1")).await, Some(RECENT_SECONDS));
    assert_eq!(door.recent("one more", "203.0.113.1").await, 0);
    assert_eq!(door.wrong(&door.attempt("one more", "203.0.112.1")).await, None);
}

#[tokio::test]
async fn what_could_not_be_checked_does_not_count() {
    let door = Door::new().await;
    let ann = door.attempt("ann", "203.0.113.1");
    for _ in 0..20 {
        let ticket = door.ticket(&ann).await;
        door.throttle.unchecked(ticket).await.unwrap();
    }
    for _ in 0..FREE {
        door.wrong(&ann).await;
    }
    for _ in 0..3 {
        let ticket = door.ticket(&ann).await;
        assert_eq!(ticket.retry_after(), Some(10));
        door.throttle.unchecked(ticket).await.unwrap();
    }
    assert_eq!(door.recent("ann", "203.0.113.1").await, FREE);
}

#[tokio::test]
async fn a_lost_store_admits_nobody() {
    let bench = Bench::new().await;
    let failures = Failures::new(bench.store(), &[7; 32]);
    let throttle = Throttle::new(failures.clone(), bench.clock());
    bench.embedded.close().await;
    let source = FailureSource::Network(network("203.0.113.1"));
    let attempt = Attempt { guarded: Guarded::Password, subject: failures.subject("ann"), source };
    assert!(throttle.admit(attempt).await.is_err());
}
