//! What many at once must not break, and what half a change must not leave behind.

use super::*;

/// Does `work` in `count` tasks at once, and gives what each got.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    work: impl Fn(usize) -> F,
) -> Vec<T> {
    (0..count).map(work).collect::<tokio::task::JoinSet<T>>().join_all().await
}

#[tokio::test]
async fn of_many_who_choose_a_password_at_once_one_does() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let chosen = at_once(20, |_| {
        let accounts = accounts.clone();
        async move { accounts.choose_password(id, 0, &hash(19_456)).await.unwrap() }
    });
    assert_eq!(chosen.await.into_iter().flatten().collect::<Vec<_>>(), [1]);
    assert_eq!(epoch(&accounts, id).await, 1);
}

#[tokio::test]
async fn of_many_enrolments_at_once_one_counts() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let enrolled = at_once(20, |_| {
        let accounts = accounts.clone();
        async move { accounts.enrol_totp(id, 0, &seed(1), 5).await.unwrap() }
    });
    assert_eq!(enrolled.await.into_iter().flatten().count(), 1);
    assert_eq!((accounts.authenticators(id).await.unwrap().len(), epoch(&accounts, id).await), (1, 1));
}

#[tokio::test]
async fn many_additions_at_once_respect_the_number_of_authenticators() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let added = at_once(40, |_| {
        let accounts = accounts.clone();
        async move { accounts.add_totp(id, &seed(1), 5, "").await }
    });
    let refused = added.await.into_iter().filter(|added| matches!(added, Err(AccountsError::TooManyAuthenticators)));
    let most = MAX_AUTHENTICATORS as usize;
    assert_eq!((refused.count(), accounts.authenticators(id).await.unwrap().len()), (40 - most, most));
    assert_eq!(epoch(&accounts, id).await, i64::from(MAX_AUTHENTICATORS), "a refused one ends no session");
}

#[tokio::test]
async fn of_links_made_at_once_one_works() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    let made = at_once(20, |_| {
        let accounts = accounts.clone();
        async move { accounts.new_link(id, LinkPurpose::Activation, 60).await.unwrap() }
    });
    let mut working = 0;
    for token in made.await {
        working += usize::from(accounts.peek_link(&token).await.unwrap().is_some());
    }
    assert_eq!(working, 1);
}

#[tokio::test]
async fn of_many_users_of_one_name_at_once_one_is_made() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let made = at_once(20, |number| {
        let accounts = accounts.clone();
        // Each is another's address too: names and addresses are one space.
        let (name, email) =
            [("ann@example.com", "ben@example.com"), ("ben@example.com", "ann@example.com")][number % 2];
        async move { accounts.create(&new_user(name, email)).await }
    });
    let made = made.await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    assert_eq!(accounts.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn mails_written_at_once_do_not_overflow_the_outbox() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         INSERT INTO outbox (id, user_id, key_id, body, created_at, urgency, expires_at, attempts, next_try_at) \
         SELECT 'filler ' || i, $2, 'none', $3, $4, 1, $4, 0, $4 FROM n",
    )
    .bind(i64::from(MAX_WAITING_MAILS) - 10)
    .bind(id.to_string())
    .bind(vec![0_u8])
    .bind(accounts.now_millis())
    .execute(&accounts.pool)
    .await
    .unwrap();
    // Connections first: making one takes longer than a mail, so the mails would come one after the other.
    for _ in 0..3 {
        at_once(30, |_| {
            let accounts = accounts.clone();
            async move { accounts.mails(0).await.unwrap() }
        })
        .await;
    }
    let written = at_once(30, |_| {
        let accounts = accounts.clone();
        async move { accounts.enqueue(mail(id, "one of thirty")).await }
    });
    let written = written.await;
    let full = written.iter().filter(|written| matches!(written, Err(AccountsError::OutboxFull))).count();
    assert_eq!((written.iter().filter(|written| written.is_ok()).count(), full), (10, 20), "{written:?}");
}

#[tokio::test]
async fn no_change_that_must_end_sessions_happens_without_ending_them() {
    let Fresh { accounts, folder: _folder, .. } = fresh().await;
    let id = accounts.create(&new_user("ann", "ann@example.com")).await.unwrap();
    accounts.set_password(id, &hash(19_456)).await.unwrap();
    let totp = accounts.add_totp(id, &seed(1), 5, "phone").await.unwrap();
    let link = accounts.new_link(id, LinkPurpose::Activation, 60).await.unwrap();
    let before = (accounts.find_by_login("ann").await.unwrap(), accounts.authenticators(id).await.unwrap());
    const PASSWORDS: &[&str] = &["set_password", "choose_password"];
    const FACTORS: &[&str] = &["add_totp", "enrol_totp", "remove_authenticator"];
    for (table, what, changes) in [
        // The epoch cannot rise, so nothing may change.
        ("users", "COLUMN session_epoch", &[PASSWORDS, FACTORS, &["set_status"]].concat()),
        // The change cannot be made, so the epoch may not rise.
        ("users", "COLUMN password_hash", &PASSWORDS.to_vec()),
        ("links", "COLUMN user_id", &[PASSWORDS, &["set_status"]].concat()),
        ("authenticators", "COLUMN user_id", &FACTORS.to_vec()),
    ] {
        let renamed = async |from: &str, to: &str| {
            let mut transaction = accounts.add().await.unwrap();
            // A connection of SQLite looks for the column in the table as it last saw it, so it has to look again first.
            for statement in
                [format!("SELECT count(*) FROM {table}"), format!("ALTER TABLE {table} RENAME {from} TO {to}")]
            {
                sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await.unwrap();
            }
            transaction.commit().await.unwrap();
        };
        let column = what.trim_start_matches("COLUMN ");
        renamed(what, "gone").await;
        for change in changes {
            let result = match *change {
                "set_password" => accounts.set_password(id, &hash(8_000)).await,
                "choose_password" => accounts.choose_password(id, 2, &hash(8_000)).await.map(drop),
                "set_status" => accounts.set_status(id, UserStatus::Suspended).await,
                "add_totp" => accounts.add_totp(id, &seed(2), 5, "").await.map(drop),
                "enrol_totp" => accounts.enrol_totp(id, 2, &seed(2), 5).await.map(drop),
                _ => accounts.remove_authenticator(id, totp).await.map(drop),
            };
            assert!(matches!(result, Err(AccountsError::Database(_))), "{what} of {table}, {change}: {result:?}");
        }
        renamed("COLUMN gone", column).await;
        let after = (accounts.find_by_login("ann").await.unwrap(), accounts.authenticators(id).await.unwrap());
        assert_eq!(after, before, "{what} of {table}");
        assert!(accounts.peek_link(&link).await.unwrap().is_some(), "{what} of {table}");
    }
}
