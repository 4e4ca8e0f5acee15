use super::*;
use crate::clock::FixedEntropy;
use crate::methods::testing::{House, cheap};
use crate::methods::throttle::FREE;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// RFC 6238 appendix B, SHA-1, the last six digits.
#[test]
fn codes_are_those_of_the_standard() {
    let secret = TotpSecret::from_bytes(b"12345678901234567890".to_vec()).unwrap();
    for (second, code) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ] {
        assert_eq!(code_at(&secret, at(second)), code, "at {second}");
        assert_eq!(verify(&secret, code, at(second)), Some(second.unsigned_abs() / 30), "at {second}");
    }
}

#[test]
fn a_code_is_right_in_its_step_and_the_ones_beside_it() {
    let secret = new_secret(&FixedEntropy::seeded(1)).unwrap();
    let now = 1_700_000_010;
    let code = code_at(&secret, at(now));
    let step = now.unsigned_abs() / 30;
    for (later, expected) in [(-60, None), (-30, Some(step)), (0, Some(step)), (30, Some(step)), (60, None)] {
        assert_eq!(verify(&secret, &code, at(now + later)), expected, "{later} s later");
    }
}

#[test]
fn a_code_is_read_as_people_type_it() {
    let secret = new_secret(&FixedEntropy::seeded(2)).unwrap();
    let now = at(1_700_000_000);
    let code = code_at(&secret, now);
    let (first, last) = code.split_at(3);
    for typed in [format!("{first} {last}"), format!(" {code}\u{a0}"), format!("{first}-{last}")] {
        assert!(verify(&secret, &typed, now).is_some(), "{typed:?}");
    }
    for typed in ["", "12345", "1234567", "+12345", "１２３４５６", "abcdef", &format!("{code}{}", " ".repeat(99))]
    {
        assert_eq!(verify(&secret, typed, now), None, "{typed:?}");
    }
}

#[test]
fn an_enrolment_reads_back_as_the_same_secret() {
    let secret = new_secret(&FixedEntropy::seeded(3)).unwrap();
    assert_eq!(secret.bytes().len(), 20);
    let shown = enrolment(&secret, "Example: Söhne & Co", "ann@example.com").unwrap();
    let read = Totp::from_url(shown.uri.as_str()).unwrap();
    assert_eq!(read.secret().as_ref(), secret.bytes());
    assert_eq!((read.issuer(), read.account_name()), (Some("Example  Söhne & Co"), "ann@example.com"));
    assert_eq!(TotpSecret::from_base32(&shown.secret_text).unwrap(), secret);
    assert!(shown.secret_text.split(' ').all(|group| group.len() == 4), "{}", shown.secret_text.as_str());
}

#[test]
fn the_qr_code_is_one_plain_svg_element() {
    let secret = new_secret(&FixedEntropy::seeded(4)).unwrap();
    let hostile = enrolment(&secret, "\"><script>", "</svg>\u{0}").unwrap();
    let svg = hostile.qr_svg.as_str();
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"), "{svg}");
    assert_eq!(svg.matches('<').count(), 4, "svg, rect, path, end of svg");
    assert!(svg.contains("fill=\"#000\"") && svg.contains("fill=\"#fff\""));
    assert!(!svg.contains("style") && !svg.contains("script"), "a strict page policy takes it");
}

async fn with_app() -> (House, TotpMethod, TotpSecret) {
    let house = House::new(cheap(1)).await;
    let secret = new_secret(&FixedEntropy::seeded(5)).unwrap();
    house.accounts.add_totp(house.ann.id, &secret, 0, "phone").await.unwrap();
    let method = TotpMethod::new(house.accounts.clone(), house.devices(), house.failures(), house.bench.clock());
    (house, method, secret)
}

fn origin() -> Origin<'static> {
    Origin { ip: "203.0.113.1".parse().unwrap(), device: None }
}

#[tokio::test]
async fn a_code_is_taken_once_and_names_its_authenticator() {
    let (house, method, secret) = with_app().await;
    let code = code_at(&secret, house.bench.clock.now());
    let Answer::Right(proof) = method.check(&house.ann, &code, origin()).await.unwrap() else { panic!("it is right") };
    let id = house.accounts.totp_secrets(house.ann.id).await.unwrap()[0].id;
    assert_eq!((proof.method, proof.authenticator), (Method::Totp, Some(id.to_string())));
    let again = method.check(&house.ann, &code, origin()).await.unwrap();
    assert!(matches!(again, Answer::Used { .. }), "{again:?}");
    house.bench.clock.advance(30);
    let next = code_at(&secret, house.bench.clock.now());
    assert!(matches!(method.check(&house.ann, &next, origin()).await.unwrap(), Answer::Right(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_the_same_code_sent_twenty_times_at_once_one_wins_at_most() {
    let (house, method, secret) = with_app().await;
    let code = code_at(&secret, house.bench.clock.now());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (method, ann, code) = (method.clone(), house.ann.clone(), code.clone());
            tokio::spawn(async move { matches!(method.check(&ann, &code, origin()).await.unwrap(), Answer::Right(_)) })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn guessing_codes_has_to_wait() {
    let (house, method, secret) = with_app().await;
    let right = code_at(&secret, house.bench.clock.now());
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for free_left in (0..FREE).rev() {
        let answer = method.check(&house.ann, wrong, origin()).await.unwrap();
        assert!(matches!(answer, Answer::Wrong { free_left: left, .. } if left == free_left), "{answer:?}");
    }
    let answer = method.check(&house.ann, wrong, origin()).await.unwrap();
    assert!(matches!(answer, Answer::Wrong { retry_after: Some(10), .. }), "{answer:?}");
    let answer = method.check(&house.ann, &right, origin()).await.unwrap();
    assert!(matches!(answer, Answer::Wait { retry_after: 10 }), "{answer:?}");
}

#[tokio::test]
async fn without_an_app_no_code_is_right() {
    let house = House::new(cheap(1)).await;
    let method = TotpMethod::new(house.accounts.clone(), house.devices(), house.failures(), house.bench.clock());
    assert!(matches!(method.check(&house.ann, "000000", origin()).await.unwrap(), Answer::Wrong { .. }));
}
