use super::*;
use crate::domain::{Country, EmailAddress, Method, UserStatus, Username};
use crate::state::testing::Bench;

fn new_id(bench: &Bench) -> SessionId {
    SessionId::new(bench.clock().now(), bench.entropy().as_ref()).unwrap()
}

fn sessions(bench: &Bench) -> Sessions {
    Sessions::new(bench.store(), bench.clock(), bench.entropy())
}

fn ann(bench: &Bench) -> User {
    User {
        id: UserId::new(bench.clock.now(), bench.entropy().as_ref()).unwrap(),
        username: Username::parse("ann").unwrap(),
        email: EmailAddress::parse("ann@example.com").unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: std::collections::BTreeSet::new(),
        home_country: Country::unknown(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 3,
        devices_since: None,
    }
}

fn proof(bench: &Bench, method: Method) -> Proof {
    Proof { method, at: bench.clock.now(), authenticator: None }
}

#[tokio::test]
async fn a_token_opens_its_session_and_nothing_else_does() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (token, session) =
        sessions.create(new_id(&bench), &ann(&bench), vec![proof(&bench, Method::Password)], None).await.unwrap();
    let cookie = SessionToken::parse(&token.expose()).unwrap();
    assert_eq!(sessions.find(&cookie).await.unwrap(), Some(session));
    let other = SessionToken::parse(&"A".repeat(43)).unwrap();
    assert_eq!(sessions.find(&other).await.unwrap(), None);
    for no_token in ["", "x", &"A".repeat(42), &"A".repeat(44), &"!".repeat(43), &"ä".repeat(43)] {
        assert!(SessionToken::parse(no_token).is_none(), "{no_token}");
    }
    assert_eq!(format!("{token:?}"), "SessionToken(…)");
}

#[tokio::test]
async fn the_store_never_sees_the_token() {
    let bench = Bench::new().await;
    let (token, session) = sessions(&bench).create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    let key = key(&token);
    let stored = String::from_utf8(bench.store().get(&key).await.unwrap().unwrap()).unwrap();
    assert!(stored.contains(&session.id.to_string()));
    assert!(!stored.contains(token.expose().as_str()) && !key.as_str().contains(token.expose().as_str()));
}

#[tokio::test]
async fn an_unused_session_is_over_after_half_an_hour() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (token, _) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    for _ in 0..3 {
        bench.clock.advance(IDLE_SECONDS - 1);
        assert!(sessions.find(&token).await.unwrap().is_some(), "each use keeps it");
    }
    bench.clock.advance(IDLE_SECONDS);
    assert_eq!(sessions.find(&token).await.unwrap(), None);
}

#[tokio::test]
async fn a_used_session_is_over_after_twelve_hours() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (mut token, _) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    for _ in 0..47 {
        bench.clock.advance(ABSOLUTE_SECONDS / 48);
        assert!(sessions.find(&token).await.unwrap().is_some());
    }
    // Showing more does not prolong it.
    token = sessions.add_proofs(&token, vec![proof(&bench, Method::Totp)]).await.unwrap().unwrap().0;
    bench.clock.advance(ABSOLUTE_SECONDS / 48 - 1);
    assert!(sessions.find(&token).await.unwrap().is_some());
    bench.clock.advance(1);
    assert_eq!(sessions.find(&token).await.unwrap(), None);
}

#[tokio::test]
async fn use_is_written_down_once_a_minute() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (token, session) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    bench.clock.advance(59);
    assert_eq!(sessions.find(&token).await.unwrap().unwrap().last_used, session.last_used);
    bench.clock.advance(1);
    assert_eq!(sessions.find(&token).await.unwrap().unwrap().last_used, bench.clock.now());
}

#[tokio::test]
async fn a_session_from_the_future_counts_for_nothing() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (token, _) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    bench.clock.advance(-60);
    assert_eq!(sessions.find(&token).await.unwrap(), None);
}

#[tokio::test]
async fn showing_more_changes_the_token_and_voids_the_old_one() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (old, before) =
        sessions.create(new_id(&bench), &ann(&bench), vec![proof(&bench, Method::Password)], None).await.unwrap();
    bench.clock.advance(5);
    let newer = vec![proof(&bench, Method::Totp), proof(&bench, Method::Password)];
    let (new, after) = sessions.add_proofs(&old, newer).await.unwrap().unwrap();
    assert_eq!(sessions.find(&old).await.unwrap(), None);
    assert_eq!(sessions.find(&new).await.unwrap().as_ref(), Some(&after));
    assert_eq!((after.id, after.created), (before.id, before.created));
    let shown: Vec<_> = after.proofs.iter().map(|proof| (proof.method, proof.at)).collect();
    assert_eq!(shown, [(Method::Totp, bench.clock.now()), (Method::Password, bench.clock.now())], "the newest of each");
    assert!(sessions.add_proofs(&old, Vec::new()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_ended_session_is_gone() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (token, _) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    assert!(sessions.end(&token).await.unwrap());
    assert_eq!(sessions.find(&token).await.unwrap(), None);
    assert!(!sessions.end(&token).await.unwrap());
}

#[tokio::test]
async fn a_sign_out_finds_an_idle_session_and_ends_one_that_just_got_a_new_token() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (old, session) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    let (new, _) = sessions.add_proofs(&old, Vec::new()).await.unwrap().unwrap();
    let (newest, _) = sessions.add_proofs(&new, Vec::new()).await.unwrap().unwrap();
    assert_eq!(sessions.find(&old).await.unwrap(), None, "the old one opens nothing");
    bench.clock.advance(IDLE_SECONDS);
    assert_eq!(sessions.find(&newest).await.unwrap(), None);
    assert!(sessions.add_proofs(&newest, Vec::new()).await.unwrap().is_none());
    for token in [&old, &new, &newest] {
        assert_eq!(sessions.to_end(token).await.unwrap().map(|found| found.id), Some(session.id));
    }
    assert!(sessions.end(&old).await.unwrap());
    assert_eq!(sessions.to_end(&newest).await.unwrap(), None);
    assert!(!sessions.end(&old).await.unwrap());

    let (token, _) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    bench.clock.advance(ABSOLUTE_SECONDS);
    assert_eq!(sessions.to_end(&token).await.unwrap(), None, "it is kept no longer than it may last");
}

#[tokio::test]
async fn a_sign_out_and_a_step_up_at_once_leave_no_session() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    for _ in 0..50 {
        let (token, _) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
        let (stepped, ended) = tokio::join!(sessions.add_proofs(&token, Vec::new()), sessions.end(&token));
        assert!(ended.unwrap());
        if let Some((new, _)) = stepped.unwrap() {
            assert_eq!(sessions.find(&new).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_raised_epoch_or_another_person_disowns_it() {
    let bench = Bench::new().await;
    let ann = ann(&bench);
    let (_, session) = sessions(&bench).create(new_id(&bench), &ann, Vec::new(), None).await.unwrap();
    assert!(session.is_of(&ann));
    assert!(!session.is_of(&User { session_epoch: 4, ..ann.clone() }));
    let somebody = UserId::new(bench.clock.now(), &crate::clock::FixedEntropy::seeded(99)).unwrap();
    assert!(!session.is_of(&User { id: somebody, ..ann }));
}

#[tokio::test]
async fn a_lost_store_is_an_error_and_no_session() {
    let bench = Bench::new().await;
    let sessions = sessions(&bench);
    let (token, _) = sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.unwrap();
    bench.embedded.close().await;
    assert!(matches!(sessions.find(&token).await, Err(SessionError::State(_))));
    assert!(sessions.create(new_id(&bench), &ann(&bench), Vec::new(), None).await.is_err());
}
