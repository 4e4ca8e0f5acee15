use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::clock::SystemEntropy;
use crate::devices::{Allowed, DeviceName, DeviceToken, Factors, Recorded, Sighting};
use crate::domain::{AppId, DeviceFacts, User};
use crate::methods::testing::{House, cheap};
use crate::methods::throttle::{FREE, MOST_PER_NAME};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));

struct Post {
    house: House,
    method: EmailOtpMethod,
}

impl Post {
    async fn new() -> Self {
        let house = House::new(cheap(1)).await;
        let envelope = Arc::new(Envelope::from_secret(&[9; 32]).unwrap());
        let (devices, failures) = (house.devices(), house.failures());
        let (store, clock) = (house.bench.store(), house.bench.clock());
        let method = EmailOtpMethod::new(store, envelope, devices, failures, clock, Arc::new(SystemEntropy));
        Self { house, method }
    }

    fn ann(&self) -> &User {
        &self.house.ann
    }

    /// A new sign-in of ann's.
    fn purpose(&self) -> CodePurpose {
        let sign_in = SignInId::new(self.house.bench.clock.now(), &SystemEntropy).unwrap();
        CodePurpose { sign_in, user: self.ann().id, epoch: self.ann().session_epoch }
    }

    async fn code(&self, purpose: &CodePurpose) -> MailedCode {
        match self.method.issue(purpose, from(HERE)).await.unwrap() {
            Issued::Code { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }

    async fn check(&self, purpose: &CodePurpose, typed: &str) -> Answer<Proof> {
        self.method.check(purpose, typed, from(HERE)).await.unwrap()
    }

    fn advance(&self, seconds: u32) {
        self.house.bench.clock.advance(i64::from(seconds));
    }

    /// A browser that ann is known on.
    async fn known_device(&self) -> DeviceToken {
        let (devices, app) = (self.house.devices(), AppId::parse("aws").unwrap());
        let sighting = Sighting { name: DeviceName::default(), place: None, ip: HERE };
        let decided_on = DeviceFacts::default();
        let user = self.ann().id;
        let allowed = Allowed {
            user,
            app: &app,
            token: None,
            decided_on: &decided_on,
            was_listed: false,
            factors: Factors::Two,
            sighting,
        };
        match devices.record_allow(allowed).await.unwrap() {
            Recorded::Done { token, .. } => token,
            other => panic!("{other:?}"),
        }
    }
}

fn from<'a>(ip: IpAddr) -> Origin<'a> {
    Origin { ip, device: None }
}

/// A code that is not `code`.
fn other_than(code: &MailedCode) -> &'static str {
    if code.digits() == "00000000" { "11111111" } else { "00000000" }
}

#[tokio::test]
async fn a_code_is_right_once_and_only_where_it_belongs() {
    let post = Post::new().await;
    let purpose = post.purpose();
    let code = post.code(&purpose).await;
    for elsewhere in [
        CodePurpose { epoch: purpose.epoch + 1, ..purpose },
        CodePurpose { user: UserId::new(post.house.bench.clock.now(), &SystemEntropy).unwrap(), ..purpose },
        post.purpose(),
    ] {
        let answer = post.check(&elsewhere, code.digits()).await;
        assert!(matches!(answer, Answer::Wrong { .. } | Answer::Expired), "{elsewhere:?}: {answer:?}");
    }
    let answer = post.check(&purpose, &code.grouped()).await;
    assert!(matches!(&answer, Answer::Right(proof) if proof.method == Method::EmailOtp), "{answer:?}");
    assert!(matches!(post.check(&purpose, code.digits()).await, Answer::Used { .. }));
}

#[tokio::test]
async fn a_code_works_for_ten_minutes() {
    let post = Post::new().await;
    for (age, works) in [(LIFETIME_SECONDS - 1, true), (LIFETIME_SECONDS, false)] {
        let purpose = post.purpose();
        let code = post.code(&purpose).await;
        post.advance(age);
        let answer = post.check(&purpose, code.digits()).await;
        assert_eq!(matches!(answer, Answer::Right(_)), works, "{age} s: {answer:?}");
        assert_eq!(matches!(answer, Answer::Expired), !works, "{age} s: {answer:?}");
    }
}

#[tokio::test]
async fn the_newest_code_is_the_one_that_works() {
    let post = Post::new().await;
    let purpose = post.purpose();
    let first = post.code(&purpose).await;
    assert!(matches!(post.method.issue(&purpose, from(HERE)).await.unwrap(), Issued::TooSoon { seconds: 30 }));
    post.advance(RESEND_SECONDS);
    let second = post.code(&purpose).await;
    assert!(matches!(post.check(&purpose, first.digits()).await, Answer::Wrong { .. }));
    assert!(matches!(post.check(&purpose, second.digits()).await, Answer::Right(_)));
}

#[tokio::test]
async fn a_withdrawn_code_never_worked_and_another_may_be_asked_for_at_once() {
    let post = Post::new().await;
    let purpose = post.purpose();
    let code = post.code(&purpose).await;
    post.method.withdraw(&purpose).await.unwrap();
    assert!(matches!(post.check(&purpose, code.digits()).await, Answer::Expired));
    assert_eq!(post.method.standing(&purpose, from(HERE)).await.unwrap().valid, None);
    post.code(&purpose).await;
}

#[tokio::test]
async fn a_mailbox_gets_five_codes_an_hour_and_a_known_device_has_its_own_five() {
    let post = Post::new().await;
    for number in 0..MOST_PER_HOUR {
        let (purpose, ip) = (post.purpose(), IpAddr::from([198, 51, u8::try_from(number).unwrap(), 1]));
        assert!(!post.method.standing(&purpose, from(ip)).await.unwrap().exhausted, "{number}");
        assert!(matches!(post.method.issue(&purpose, from(ip)).await.unwrap(), Issued::Code { .. }), "{number}");
    }
    let purpose = post.purpose();
    assert!(post.method.standing(&purpose, from(HERE)).await.unwrap().exhausted);
    assert!(matches!(post.method.issue(&purpose, from(HERE)).await.unwrap(), Issued::TooMany));
    let device = post.known_device().await;
    let known = Origin { ip: HERE, device: Some(&device) };
    assert!(matches!(post.method.issue(&post.purpose(), known).await.unwrap(), Issued::Code { .. }));
    post.advance(60 * 60);
    assert!(matches!(post.method.issue(&post.purpose(), from(HERE)).await.unwrap(), Issued::Code { .. }));
}

#[tokio::test]
async fn a_network_cannot_flood_many_mailboxes() {
    let post = Post::new().await;
    let somebody = || {
        let user = UserId::new(post.house.bench.clock.now(), &SystemEntropy).unwrap();
        CodePurpose { user, ..post.purpose() }
    };
    for number in 0..MOST_PER_NETWORK {
        let issued = post.method.issue(&somebody(), from(HERE)).await.unwrap();
        assert!(matches!(issued, Issued::Code { .. }), "{number}: {issued:?}");
    }
    assert!(matches!(post.method.issue(&somebody(), from(HERE)).await.unwrap(), Issued::TooMany));
    let elsewhere = from(IpAddr::from([203, 0, 112, 1]));
    assert!(matches!(post.method.issue(&somebody(), elsewhere).await.unwrap(), Issued::Code { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_guesses_at_once_are_counted_before_any_is_looked_at() {
    let post = Post::new().await;
    let purpose = post.purpose();
    let code = post.code(&purpose).await;
    let guesses: Vec<_> = (0..100)
        .map(|_| {
            let (method, wrong) = (post.method.clone(), other_than(&code));
            tokio::spawn(async move { method.check(&purpose, wrong, from(HERE)).await.unwrap() })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        match guess.await.unwrap() {
            Answer::Wrong { .. } => looked_at += 1,
            Answer::Wait { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looked_at, FREE + 1, "the free ones, and the one that begins the pause");
    assert!(matches!(post.check(&purpose, code.digits()).await, Answer::Wait { .. }), "not even the right one now");
}

#[tokio::test]
async fn a_hundred_guesses_from_a_hundred_networks_use_up_what_unknown_devices_have() {
    let post = Post::new().await;
    let purpose = post.purpose();
    let code = post.code(&purpose).await;
    let (mut looked_at, mut network) = (0, 0_u16);
    while looked_at < MOST_PER_NAME {
        network += 1;
        let [high, low] = network.to_be_bytes();
        let answer =
            post.method.check(&purpose, other_than(&code), from(IpAddr::from([10, high, low, 1]))).await.unwrap();
        match answer {
            Answer::Wrong { .. } => looked_at += 1,
            // The code expires meanwhile; whoever guesses asks for another one.
            Answer::Wait { retry_after } => {
                post.advance(retry_after);
                post.method.withdraw(&purpose).await.unwrap();
                post.method.issue(&purpose, from(IpAddr::from([10, high, low, 1]))).await.unwrap();
            }
            Answer::Expired => {
                post.advance(60 * 60);
                post.code(&purpose).await;
            }
            other => panic!("{other:?}"),
        }
        assert!(network < 2000, "it ends");
    }
    let answer = post.method.check(&purpose, "00000000", from(IpAddr::from([192, 0, 2, 1]))).await.unwrap();
    assert!(matches!(answer, Answer::Wait { .. }), "{answer:?}");
    let device = post.known_device().await;
    let known = Origin { ip: HERE, device: Some(&device) };
    let purpose = post.purpose();
    let Issued::Code { code, .. } = post.method.issue(&purpose, known).await.unwrap() else { panic!("no code") };
    assert!(matches!(post.method.check(&purpose, code.digits(), known).await.unwrap(), Answer::Right(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_right_answers_at_once_one_is_taken() {
    let post = Post::new().await;
    for _ in 0..5 {
        let purpose = post.purpose();
        let code = post.code(&purpose).await;
        let answers: Vec<_> = (0..5)
            .map(|_| {
                let (method, code) = (post.method.clone(), code.clone());
                tokio::spawn(async move { method.check(&purpose, code.digits(), from(HERE)).await.unwrap() })
            })
            .collect();
        let mut right = 0;
        for answer in answers {
            right += u32::from(matches!(answer.await.unwrap(), Answer::Right(_)));
        }
        assert_eq!(right, 1);
        post.advance(60 * 60);
    }
}

#[tokio::test]
async fn the_store_never_sees_a_code() {
    let post = Post::new().await;
    let purpose = post.purpose();
    let code = post.code(&purpose).await;
    let stored = post.house.bench.embedded.get(&code_key(&purpose)).await.unwrap().unwrap();
    let stored = String::from_utf8(stored).unwrap();
    assert!(!stored.contains(code.digits()), "{stored}");
    assert_eq!(format!("{code:?}"), "MailedCode(…)");
}

#[tokio::test]
async fn without_the_store_nobody_is_let_in() {
    let post = Post::new().await;
    let purpose = post.purpose();
    let code = post.code(&purpose).await;
    post.house.bench.embedded.close().await;
    assert!(post.method.check(&purpose, code.digits(), from(HERE)).await.is_err());
    assert!(post.method.issue(&post.purpose(), from(HERE)).await.is_err());
}

#[test]
fn codes_are_read_as_people_type_and_paste_them() {
    for (typed, read) in [
        ("12345678", true),
        (" 1234 5678 ", true),
        ("1234-5678\r\n", true),
        ("1234\u{a0}5678", true),
        ("1234567", false),
        ("123456789", false),
        ("1234567x", false),
        ("１２３４５６７８", false),
        ("", false),
        (&"1 ".repeat(100), false),
    ] {
        assert_eq!(digits_of(typed).is_some(), read, "{typed:?}");
    }
}

#[test]
fn codes_have_eight_digits_and_differ() {
    let drawn: std::collections::HashSet<String> =
        (0..1000).map(|_| MailedCode::draw(&SystemEntropy).unwrap().digits().to_owned()).collect();
    assert!(drawn.iter().all(|code| code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit())));
    assert!(drawn.len() > 990, "{}", drawn.len());
}
