use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::accounts::{Envelope, GIVE_UP_SECONDS, OutboxDepth, OutboxMail, Urgency};
use crate::clock::{FixedEntropy, ManualClock};
use crate::domain::EmailAddress;

/// A mail server that answers as told, and takes mails when it was told nothing more.
#[derive(Default)]
struct Told {
    answers: Mutex<VecDeque<SendError>>,
    taken: Mutex<Vec<String>>,
}

#[async_trait]
impl Carrier for Told {
    async fn carry(&self, mail: &StoredMail) -> Result<(), SendError> {
        if let Some(error) = self.answers.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.taken.lock().unwrap().push(mail.mail.text.clone());
        Ok(())
    }
}

struct World {
    accounts: Accounts,
    clock: Arc<ManualClock>,
    server: Arc<Told>,
    courier: Courier,
    stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(answers: impl IntoIterator<Item = SendError>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
        let entropy = Arc::new(FixedEntropy::seeded(1));
        let envelope = Arc::new(Envelope::from_secret(&[1; 32]).unwrap());
        let path = folder.path().join("accounts.db");
        let accounts =
            Accounts::open(&crate::config::Accounts::sqlite(&path), envelope, clock.clone(), entropy.clone())
                .await
                .unwrap();
        let server = Arc::new(Told { answers: Mutex::new(answers.into_iter().collect()), ..Told::default() });
        let courier = Courier::new(accounts.clone(), server.clone(), clock.clone(), entropy);
        Self { accounts, clock, server, courier, stop: watch::channel(false).0, _folder: folder }
    }

    async fn write(&self, texts: &[&str]) {
        for text in texts {
            let to = EmailAddress::parse("soc@example.com").unwrap();
            let (urgency, expires) = (Urgency::Ordinary, None);
            let (subject, text) = ("Hello".to_owned(), (*text).to_owned());
            self.accounts
                .enqueue(OutboxMail { user: None, to, subject, text, html: None, urgency, expires })
                .await
                .unwrap();
            self.clock.advance(1);
        }
    }

    async fn round(&self) -> Round {
        self.courier.round(0, &self.stop.subscribe()).await.unwrap()
    }

    fn taken(&self) -> Vec<String> {
        self.server.taken.lock().unwrap().clone()
    }

    /// Rounds until nothing is left to do, an hour apart; the number of tries.
    async fn until_settled(&self) -> usize {
        for tries in 0.. {
            if self.accounts.outbox_depth().await.unwrap().waiting == 0 {
                return tries;
            }
            self.round().await;
            self.clock.advance(60 * 60);
        }
        unreachable!()
    }
}

fn down() -> SendError {
    SendError::Unreachable("connection refused".to_owned())
}

#[tokio::test]
async fn mails_are_sent_in_order_and_once() {
    let world = World::new([]).await;
    world.write(&["one", "two", "three", "four", "five"]).await;
    assert_eq!(world.round().await, Round::Busy);
    assert_eq!(world.round().await, Round::Busy);
    assert_eq!(world.round().await, Round::Idle);
    assert_eq!(world.taken(), ["one", "two", "three", "four", "five"]);
    assert_eq!(world.accounts.outbox_depth().await.unwrap(), OutboxDepth::default());
}

#[tokio::test]
async fn a_server_that_is_down_delays_all_mails_and_loses_none() {
    let world = World::new([down(), down()]).await;
    world.write(&["one", "two"]).await;
    assert_eq!(world.round().await, Round::Outage);
    let mails = world.accounts.mails(10).await.unwrap();
    assert_eq!(mails.iter().map(|mail| mail.dispatch.attempts).collect::<Vec<_>>(), [0, 1], "the second went back");
    assert!(mails[1].dispatch.last_error.as_deref().unwrap().contains("connection refused"));
    assert_eq!(world.round().await, Round::Outage);
    world.clock.advance(10);
    assert_eq!(world.round().await, Round::Busy);
    let mut taken = world.taken();
    taken.sort();
    assert_eq!(taken, ["one", "two"]);
}

#[tokio::test]
async fn one_mail_that_is_not_taken_holds_up_no_other() {
    let world =
        World::new([SendError::Refused("550 no such box".to_owned()), SendError::Deferred("451".to_owned())]).await;
    world.write(&["refused", "deferred", "fine"]).await;
    assert_eq!(world.round().await, Round::Busy);
    assert_eq!(world.taken(), ["fine"]);
    world.clock.advance(7);
    world.round().await;
    assert_eq!(world.taken(), ["fine", "deferred"], "soon");
    world.clock.advance(19 * 60);
    world.round().await;
    assert_eq!(world.taken(), ["fine", "deferred", "refused"], "not so soon: mostly it stays refused");
}

#[tokio::test]
async fn after_three_days_a_mail_is_given_up_and_kept() {
    let refusals = (0..1000).map(|_| SendError::Refused("550 no such box".to_owned()));
    let world = World::new(refusals).await;
    world.write(&["never"]).await;
    let start = world.clock.now().as_second();
    let tries = world.until_settled().await;
    let lasted = world.clock.now().as_second() - start;
    assert!((60 * 60 * 60..=GIVE_UP_SECONDS + 60 * 60).contains(&lasted), "{tries} rounds, {lasted} s");
    let mail = world.accounts.mails(1).await.unwrap().remove(0);
    assert!(mail.dispatch.given_up.is_some() && mail.dispatch.sent.is_none());
    assert!((10..30).contains(&mail.dispatch.attempts), "{} attempts", mail.dispatch.attempts);
}

#[tokio::test]
async fn what_expired_while_the_server_was_down_is_not_sent_when_it_is_back() {
    let world = World::new([down()]).await;
    world.write(&["one", "two"]).await;
    world.round().await;
    world.clock.advance(GIVE_UP_SECONDS);
    assert_eq!(world.round().await, Round::Idle);
    assert_eq!(world.accounts.outbox_depth().await.unwrap().given_up, 2);
    assert!(world.taken().is_empty());
}

#[tokio::test]
async fn two_couriers_send_each_mail_once() {
    let world = World::new([]).await;
    let texts: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    world.write(&texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let stop = world.stop.subscribe();
    let all = async || while world.courier.round(0, &stop).await.unwrap() == Round::Busy {};
    tokio::join!(all(), all(), all());
    let mut taken = world.taken();
    taken.sort();
    assert_eq!(taken, texts);
}

#[tokio::test]
async fn a_courier_that_is_told_to_stop_stops_and_gives_back() {
    let world = World::new([]).await;
    world.write(&["one"]).await;
    let stop = world.stop.subscribe();
    world.stop.send(true).unwrap();
    assert_eq!(world.courier.round(0, &stop).await.unwrap(), Round::Idle);
    world.courier.run(stop).await;
    assert!(world.taken().is_empty());
    assert_eq!(world.accounts.lease_mails(1, 60).await.unwrap().len(), 1, "it is nobody's");
}

#[test]
fn pauses_grow_to_a_limit() {
    let pauses: Vec<u32> = (1..8).map(outage_seconds).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    let pauses: Vec<u32> = (1..10).map(|attempts| grown(5, 3, attempts, 3600)).collect();
    assert_eq!(pauses, [5, 15, 45, 135, 405, 1215, 3600, 3600, 3600]);
    assert_eq!(grown(5, 3, u32::MAX, 3600), 3600);
}
