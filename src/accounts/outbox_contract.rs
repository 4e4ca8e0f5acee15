//! What every database does with the outbox: leases, retries, giving up.

use std::sync::Arc;

use super::*;
use super::{Fresh, fresh, new_user, open};
use crate::clock::Timestamp;
use crate::domain::{EmailAddress, UserId};

fn mail(user: Option<UserId>, text: &str) -> OutboxMail {
    OutboxMail {
        user,
        to: EmailAddress::parse("ann@example.com").unwrap(),
        subject: "Hello".into(),
        text: text.into(),
        html: None,
        urgency: Urgency::Ordinary,
        expires: None,
    }
}

fn texts(leased: &[LeasedMail]) -> Vec<&str> {
    leased.iter().map(|mail| mail.stored.mail.text.as_str()).collect()
}

#[tokio::test]
async fn many_nodes_at_once_lease_each_mail_once() {
    let Fresh { accounts, clock, folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    for number in 0..30 {
        accounts.enqueue(mail(Some(ann), &number.to_string())).await.unwrap();
    }
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let node = open(&folder, &clock, 1).await.unwrap();
        tasks.spawn(async move {
            let mut all = Vec::new();
            loop {
                let leased = node.lease_mails(2, 60).await.unwrap();
                if leased.is_empty() {
                    return all;
                }
                all.extend(leased.into_iter().map(|mail| mail.stored.mail.text));
            }
        });
    }
    let mut all: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(all, (0..30).map(|number: u32| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn awaited_mails_go_first_and_the_others_in_order() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    for text in ["one", "two"] {
        accounts.enqueue(mail(Some(ann), text)).await.unwrap();
        clock.advance(1);
    }
    accounts.enqueue(OutboxMail { urgency: Urgency::Awaited, ..mail(Some(ann), "link") }).await.unwrap();
    accounts.enqueue(mail(None, "team")).await.unwrap();
    assert_eq!(texts(&accounts.lease_mails(10, 60).await.unwrap()), ["link", "one", "two", "team"]);
    assert!(accounts.lease_mails(10, 60).await.unwrap().is_empty(), "leased is leased");
}

#[tokio::test]
async fn a_lease_that_is_over_says_nothing_any_more() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    accounts.enqueue(mail(None, "team")).await.unwrap();
    let slow = accounts.lease_mails(1, 60).await.unwrap().remove(0);
    clock.advance(60);
    let second = accounts.lease_mails(1, 60).await.unwrap().remove(0);
    assert_eq!((slow.stored.dispatch.attempts, second.stored.dispatch.attempts), (1, 2));
    assert!(!accounts.mail_failed(&slow, clock.now(), "too late").await.unwrap());
    assert!(!accounts.mail_sent(&slow).await.unwrap());
    assert!(!accounts.release_mail(&slow).await.unwrap());
    assert!(accounts.mail_sent(&second).await.unwrap());
    assert!(!accounts.mail_sent(&second).await.unwrap(), "once");
    clock.advance(3600);
    assert!(accounts.lease_mails(1, 60).await.unwrap().is_empty());
    assert_eq!(accounts.outbox_depth().await.unwrap(), OutboxDepth::default());
}

#[tokio::test]
async fn a_mail_that_failed_is_due_when_its_time_has_come() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    accounts.enqueue(mail(None, "team")).await.unwrap();
    let leased = accounts.lease_mails(1, 60).await.unwrap().remove(0);
    let later = Timestamp::from_second(clock.now().as_second() + 30).unwrap();
    assert!(accounts.mail_failed(&leased, later, "451 try\r\nagain").await.unwrap());
    clock.advance(29);
    assert!(accounts.lease_mails(1, 60).await.unwrap().is_empty());
    clock.advance(1);
    let again = accounts.lease_mails(1, 60).await.unwrap().remove(0);
    assert_eq!(again.stored.dispatch.last_error.as_deref(), Some("451 try  again"));
    assert!(accounts.release_mail(&again).await.unwrap());
    let third = accounts.lease_mails(1, 60).await.unwrap().remove(0);
    assert_eq!(third.stored.dispatch.attempts, 2, "a released lease was no attempt");
}

#[tokio::test]
async fn a_mail_is_given_up_when_it_is_of_no_use_any_more_and_kept() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    let in_a_minute = Timestamp::from_second(clock.now().as_second() + 60).unwrap();
    let in_a_month = Timestamp::from_second(clock.now().as_second() + 30 * 86_400).unwrap();
    for (expires, lived) in [(Some(in_a_minute), 60), (None, GIVE_UP_SECONDS), (Some(in_a_month), GIVE_UP_SECONDS)] {
        accounts.enqueue(OutboxMail { expires, ..mail(None, "team") }).await.unwrap();
        let written = clock.now().as_second();
        let leased = accounts.lease_mails(1, 60).await.unwrap().remove(0);
        let just_before = Timestamp::from_second(written + lived - 1).unwrap();
        accounts.mail_failed(&leased, just_before, "451").await.unwrap();
        assert_eq!(accounts.outbox_depth().await.unwrap().waiting, 1);
        clock.advance(lived - 1);
        let leased = accounts.lease_mails(1, 60).await.unwrap().remove(0);
        let too_late = Timestamp::from_second(written + lived).unwrap();
        assert!(accounts.mail_failed(&leased, too_late, "550 no such box").await.unwrap());
        let kept = accounts.mails(1).await.unwrap().remove(0);
        assert_eq!(kept.dispatch.given_up, Some(just_before));
        assert_eq!(kept.dispatch.last_error.as_deref(), Some("550 no such box"));
        assert_eq!(accounts.outbox_depth().await.unwrap().waiting, 0);
        clock.advance(86_400);
        assert!(accounts.lease_mails(1, 60).await.unwrap().is_empty());
    }
    assert_eq!(accounts.outbox_depth().await.unwrap().given_up, 3);
}

#[tokio::test]
async fn a_mail_that_does_not_open_holds_up_no_other() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    accounts.enqueue(mail(None, "broken")).await.unwrap();
    sqlx::query("UPDATE outbox SET body = $1").bind(vec![1_u8, 2, 3]).execute(&accounts.pool).await.unwrap();
    accounts.enqueue(mail(None, "whole")).await.unwrap();
    assert_eq!(texts(&accounts.lease_mails(10, 60).await.unwrap()), ["whole"]);
    assert_eq!(accounts.outbox_depth().await.unwrap().given_up, 1);
}

#[tokio::test]
async fn the_depth_tells_how_long_the_oldest_waits() {
    let Fresh { accounts, clock, folder: _folder } = fresh().await;
    assert_eq!(accounts.outbox_depth().await.unwrap(), OutboxDepth::default());
    let first = clock.now();
    for text in ["one", "two"] {
        accounts.enqueue(mail(None, text)).await.unwrap();
        clock.advance(5);
    }
    let expected = OutboxDepth { waiting: 2, given_up: 0, oldest: Some(first) };
    assert_eq!(accounts.outbox_depth().await.unwrap(), expected);
}

#[tokio::test]
async fn mails_of_the_first_version_are_kept_and_sent() {
    let Fresh { accounts, clock, folder } = fresh().await;
    let ann = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    accounts.enqueue(mail(Some(ann), "old")).await.unwrap();
    // The tables as the first version had them.
    for statement in [
        "CREATE TABLE old AS SELECT id, user_id, key_id, body, created_at, sent_at FROM outbox",
        "DROP TABLE outbox",
        "CREATE TABLE outbox (id TEXT PRIMARY KEY NOT NULL, user_id TEXT NOT NULL REFERENCES users (id) ON DELETE \
         CASCADE, key_id TEXT NOT NULL, body BLOB NOT NULL, created_at BIGINT NOT NULL, sent_at BIGINT)",
        "INSERT INTO outbox SELECT * FROM old",
        "DROP TABLE old",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
    ] {
        let statement = match folder {
            Home::Sqlite(_) => statement.to_owned(),
            Home::Postgres(_) => statement.replace("BLOB", "BYTEA"),
        };
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&accounts.pool).await.unwrap();
    }
    accounts.close().await;
    let accounts = open(&folder, &Arc::clone(&clock), 1).await.unwrap();
    let leased = accounts.lease_mails(10, 60).await.unwrap();
    assert_eq!(texts(&leased), ["old"]);
    assert_eq!(leased[0].stored.mail.user, Some(ann));
}
