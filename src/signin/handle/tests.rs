use super::*;
use crate::domain::{AppId, MethodSet, UserId};
use crate::signin::flow::{Person, Registration};
use crate::state::testing::Bench;

struct World {
    bench: Bench,
    sign_ins: SignIns,
    mine: BrowserToken,
    other: BrowserToken,
}

async fn world() -> World {
    let bench = Bench::new().await;
    let envelope = Arc::new(Envelope::from_secret(&[7; 32]).unwrap());
    let entropy = bench.entropy();
    let token = || BrowserToken::new(entropy.as_ref()).unwrap();
    let (mine, other) = (token(), token());
    let sign_ins = SignIns::new(bench.store(), envelope, bench.clock(), entropy);
    World { bench, sign_ins, mine, other }
}

impl World {
    fn sign_in(&self, stage: Stage) -> SignIn {
        let now = self.bench.clock().now();
        let id = SignInId::new(now, self.bench.entropy().as_ref()).unwrap();
        SignIn::new(id, Target::app(AppId::parse("wiki").unwrap()), now, stage)
    }

    fn deciding(&self) -> Stage {
        let now = self.bench.clock().now();
        let person = Person {
            user: UserId::new(now, self.bench.entropy().as_ref()).unwrap(),
            session: None,
            epoch: 1,
            shown: Vec::new(),
            earlier: Vec::new(),
            lost: MethodSet::EMPTY,
            registration: Registration::Complete,
        };
        Stage::Deciding { person }
    }
}

#[tokio::test]
async fn a_sealed_sign_in_opens_in_its_browser_within_its_time_and_nowhere_else() {
    let w = world().await;
    let handle = w.sign_ins.seal(&w.sign_in(Stage::Identify), &w.mine).unwrap();
    assert!(matches!(w.sign_ins.open(&handle, &w.mine).unwrap().stage, Stage::Identify));
    assert!(matches!(w.sign_ins.open(&handle, &w.other), Err(HandleError::StartAgain)));
    let sealed_target = w.sign_ins.seal_target(&Target::app(AppId::parse("wiki").unwrap())).unwrap();
    for forged in ["", "s.", "s.AAAA", "t.1.1", &handle[1..], &format!("s.{sealed_target}"), &"s".repeat(100_000)] {
        assert!(matches!(w.sign_ins.open(forged, &w.mine), Err(HandleError::StartAgain)), "{forged:.40}");
    }
    w.bench.clock.advance(LIFETIME_SECONDS);
    assert!(w.sign_ins.open(&handle, &w.mine).is_ok(), "good to its last second");
    w.bench.clock.advance(1);
    assert!(matches!(w.sign_ins.open(&handle, &w.mine), Err(HandleError::Expired)));
    w.bench.clock.advance(-2 * LIFETIME_SECONDS);
    assert!(matches!(w.sign_ins.open(&handle, &w.mine), Err(HandleError::Expired)), "from the future");
}

#[tokio::test]
async fn a_sealed_target_expires_and_is_no_sign_in() {
    let w = world().await;
    let target = Target::app(AppId::parse("wiki").unwrap());
    let sealed = w.sign_ins.seal_target(&target).unwrap();
    assert_eq!(w.sign_ins.open_target(&sealed).unwrap(), target);
    let handle = w.sign_ins.seal(&w.sign_in(Stage::Identify), &w.mine).unwrap();
    assert!(matches!(w.sign_ins.open_target(&handle), Err(HandleError::StartAgain)));
    w.bench.clock.advance(LIFETIME_SECONDS + 1);
    assert!(matches!(w.sign_ins.open_target(&sealed), Err(HandleError::Expired)));
}

#[tokio::test]
async fn a_stored_sign_in_is_one_browsers_and_each_form_of_it_works_once() {
    let w = world().await;
    let live = w.sign_ins.create(w.sign_in(w.deciding()), &w.mine).await.unwrap();
    let (id, first) = (live.sign_in.id, live.handle());
    assert!(matches!(w.sign_ins.load(&first, &w.other).await, Err(HandleError::StartAgain)));
    assert!(matches!(w.sign_ins.peek(id, &w.other).await, Err(HandleError::StartAgain)));
    let next = w.sign_ins.advance(live, w.deciding(), &w.mine).await.unwrap();
    assert_ne!(next.handle(), first);
    assert!(matches!(w.sign_ins.load(&first, &w.mine).await, Err(HandleError::StartAgain)), "a replayed form");
    assert!(w.sign_ins.load(&next.handle(), &w.mine).await.is_ok());
    w.sign_ins.close(next).await.unwrap();
    assert!(matches!(w.sign_ins.peek(id, &w.mine).await, Err(HandleError::StartAgain)));
}

#[tokio::test]
async fn of_two_forms_sent_at_once_one_loses() {
    let w = world().await;
    let live = w.sign_ins.create(w.sign_in(w.deciding()), &w.mine).await.unwrap();
    let handle = live.handle();
    let (one, two) =
        (w.sign_ins.load(&handle, &w.mine).await.unwrap(), w.sign_ins.load(&handle, &w.mine).await.unwrap());
    let (one, two) =
        tokio::join!(w.sign_ins.advance(one, w.deciding(), &w.mine), w.sign_ins.advance(two, w.deciding(), &w.mine));
    assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn a_stored_sign_in_ends_with_its_time_however_often_it_went_on() {
    let w = world().await;
    let live = w.sign_ins.create(w.sign_in(w.deciding()), &w.mine).await.unwrap();
    w.bench.clock.advance(LIFETIME_SECONDS - 10);
    let live = w.sign_ins.advance(live, w.deciding(), &w.mine).await.unwrap();
    w.bench.clock.advance(11);
    let late = w.sign_ins.load(&live.handle(), &w.mine).await;
    assert!(matches!(late, Err(HandleError::StartAgain | HandleError::Expired)));
}

#[tokio::test]
async fn a_lost_store_is_an_error_and_not_a_new_beginning() {
    let w = world().await;
    let live = w.sign_ins.create(w.sign_in(w.deciding()), &w.mine).await.unwrap();
    w.bench.embedded.close().await;
    assert!(matches!(w.sign_ins.load(&live.handle(), &w.mine).await, Err(HandleError::State(_))));
}
