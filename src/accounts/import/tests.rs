use std::sync::Arc;

use super::*;
use crate::accounts::contract::{fresh, new_user};
use crate::clock::FixedEntropy;
use crate::domain::{TotpSecret, UserStatus};
use crate::workers::{Checked, HashCost, HashPool, HashSettings, Password};

fn rules() -> Rules {
    let groups = ["aws-users", "staff"].map(|name| GroupName::parse(name).unwrap()).into();
    Rules { groups, passwords: PasswordRules::default(), organisation: "Example Bank".into() }
}

fn sheet(csv: &str) -> Result<Sheet, ImportError> {
    read(csv.as_bytes(), Limits::default(), &rules())
}

fn hashing() -> HashPool {
    let cost = HashCost { memory_kib: 7_168, passes: 1, lanes: 1 };
    HashPool::start(HashSettings { cost, threads: 2, queue: 2 }, Arc::new(FixedEntropy::seeded(3))).unwrap()
}

/// The problems of the one row below this header.
fn problems(header: &str, row: &str) -> Vec<String> {
    let sheet = sheet(&format!("{header}\n{row}\n")).unwrap();
    sheet.rows.into_iter().next().unwrap().outcome.err().unwrap_or_default()
}

#[tokio::test]
async fn everybody_in_a_good_file_can_be_found_with_all_fields() {
    let fresh = fresh().await;
    let hashing = hashing();
    let taken_over = hashing.hash(Password::new("brought along".into())).await.unwrap();
    let seed = TotpSecret::from_bytes(vec![7; 20]).unwrap();
    let csv = format!(
        "\u{feff}Username,email,first_name,last_name,phone,groups,country,time_zone,language,status,password,password_hash,totp_secret\r\n\
         Ann,Ann@Example.com,\"Ann, B.\",Archer,+44 20 7946-0018,aws-users; staff,GB,europe/london, en-GB ,, correct horse,,{}\r\n\
         ben,ben@example.com,,,,,,,,,,\"{}\",\r\n\
         cid,cid@example.com,,,,,,,,,,,\r\n",
        seed.to_base32(),
        taken_over.expose()
    );
    let report = fresh.accounts.import(sheet(&csv).unwrap(), ImportMode::Apply, &hashing).await.unwrap();
    assert!(report.applied && report.is_good(), "{report:?}");
    assert!(report.rows.iter().all(|row| row.outcome == RowOutcome::Created));

    let ann = fresh.accounts.find_by_login("ann").await.unwrap().unwrap();
    let user = &ann.user;
    assert_eq!((user.first_name.as_str(), user.phone.as_deref()), ("Ann, B.", Some("+442079460018")));
    assert_eq!((user.home_country.as_str(), user.time_zone.as_deref()), ("GB", Some("Europe/London")));
    assert_eq!((user.groups.len(), user.status), (2, UserStatus::Active));
    assert_eq!(fresh.accounts.totp_secrets(user.id).await.unwrap()[0].secret, seed);
    let ben = fresh.accounts.find_by_login("ben").await.unwrap().unwrap();
    for (login, password) in [(&ann, " correct horse"), (&ben, "brought along")] {
        let checked = hashing.verify(login.password.as_ref(), Password::new(password.into())).await.unwrap();
        assert!(matches!(checked, Checked::Match { .. }), "{password}");
    }
    let cid = fresh.accounts.find_by_login("cid").await.unwrap().unwrap();
    assert_eq!((cid.user.status, cid.password), (UserStatus::Pending, None));
}

#[test]
fn the_sample_is_a_good_file_with_all_columns() {
    let sheet = sheet(SAMPLE).unwrap();
    assert!(sheet.rows.iter().all(|row| row.outcome.is_ok()), "{sheet:?}");
    assert_eq!(SAMPLE.lines().next().unwrap(), COLUMNS.join(","));
}

#[test]
fn each_bad_field_is_named_with_what_to_write_instead() {
    let cases = [
        (
            "email",
            "nobody",
            "email: `nobody` is no email address: write it as name@example.com, 254 characters at most",
        ),
        ("first_name", &"x".repeat(129), "first_name: use at most 128 characters and no control characters"),
        ("phone", "0170 1234567", "phone: write it with the country code, as in `+49 170 1234567`"),
        ("phone", "+0123456789", "phone: write it with the country code, as in `+49 170 1234567`"),
        ("groups", "staf", "groups: `staf` is not declared; did you mean `staff`?"),
        ("groups", "owners", "groups: `owners` is not declared under [groups] in the configuration"),
        ("groups", "a b", "groups: `a b` is no group name: use 1 to 128 letters, digits, `-`, `_`, `.` or `/`"),
        (
            "country",
            "Germany",
            "country: `Germany` is no country: use the two capital letters of ISO 3166-1, as in `DE`",
        ),
        ("country", "ZZ", "country: `ZZ` is no country; leave the field empty when it is not known"),
        (
            "time_zone",
            "CET/Berlin",
            "time_zone: there is no time zone `CET/Berlin`; use a name such as `Europe/Berlin`",
        ),
        ("language", "fr", "language: use `en` or `de`"),
        ("status", "Active", "status: use `active`, `pending` or `suspended`"),
        ("password", "short", "password: the password needs at least 8 characters"),
        ("password", "Password1", "password: this password is one of the commonest"),
        (
            "password",
            "examplebank",
            "password: the password must not be built from your name, your email address or the name of the organisation",
        ),
        (
            "password_hash",
            "$2b$abc",
            "password_hash: a password hash is written in PHC form: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`",
        ),
        (
            "totp_secret",
            "GEZDGNBVGY3TQOJQ",
            "totp_secret: a TOTP secret needs at least 16 bytes (26 base32 characters)",
        ),
        (
            "totp_secret",
            "not base32!",
            "totp_secret: a TOTP secret is written in base32: the letters A to Z and the digits 2 to 7",
        ),
    ];
    for (column, value, expected) in cases {
        let (header, row) = if column == "email" {
            ("username,email".to_owned(), format!("ann,{value}"))
        } else {
            (format!("username,email,{column}"), format!("ann,ann@example.com,{value}"))
        };
        assert_eq!(problems(&header, &row), [expected], "{column}");
    }
    assert_eq!(problems("username,email", "a/b,ann@example.com").len(), 1);
    assert_eq!(problems("username,email", ","), ["username: is missing", "email: is missing"]);
    let both = problems("username,email,password,password_hash", "ann,ann@example.com,correct horse,$2b$x");
    assert_eq!(both.len(), 2, "all problems at once: {both:?}");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let huge = Limits { bytes: 10, rows: 1 };
    let cases: [(&[u8], Limits, &str); 12] = [
        (b"username,email\nann,ann@example.com\n", huge, "the file has more than 10 bytes; split it"),
        (
            b"username,email\na,a@x\nb,b@x\n",
            Limits { rows: 1, ..Limits::default() },
            "the file has more than 1 rows; split it",
        ),
        (b"username,email\n\xff,x\n", Limits::default(), "the file is not UTF-8; save it as `CSV UTF-8`"),
        (b"", Limits::default(), "the file holds no rows"),
        (b"\n\n", Limits::default(), "the file holds no rows"),
        (b"username,email\n", Limits::default(), "the file holds no rows"),
        (b"username;email\nann;ann@example.com\n", Limits::default(), "the columns are separated by `;`"),
        (b"username,emial\n", Limits::default(), "there is no column `emial`; did you mean `email`?"),
        (b"username,email,role\n", Limits::default(), "there is no column `role`"),
        (b"username,email,Email\n", Limits::default(), "the column `email` stands in the header twice"),
        (b"username,phone\n", Limits::default(), "the column `email` is missing"),
        (b"username,email\nann,ann@example.com,x\n", Limits::default(), "line 2: 3 fields where the header has 2"),
    ];
    for (bytes, limits, expected) in cases {
        let error = read(bytes, limits, &rules()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error} ≠ {expected}");
    }
}

#[tokio::test]
async fn one_bad_row_holds_all_others_back() {
    let fresh = fresh().await;
    let taken = fresh.accounts.create(&new_user("dan", "dan@example.com")).await.unwrap();
    for (bad, problem) in [
        ("x/y,x@example.com", "username"),
        ("ANN,other@example.com", "username: `ann` is in line 2 already"),
        ("other,ann@EXAMPLE.com", "email: `ann@example.com` is in line 2 already"),
        ("dan,new@example.com", "username: `dan` is taken by an existing user"),
        ("new,DAN@example.com", "email: `dan@example.com` is taken by an existing user"),
    ] {
        for mode in [ImportMode::Apply, ImportMode::DryRun] {
            let csv = format!("username,email\nann,ann@example.com\n{bad}\n");
            let report = fresh.accounts.import(sheet(&csv).unwrap(), mode, &hashing()).await.unwrap();
            assert!(!report.applied && !report.is_good());
            assert_eq!((report.rows[0].outcome, report.rows[1].outcome), (RowOutcome::Held, RowOutcome::Refused));
            assert!(report.rows[1].problems[0].starts_with(problem), "{:?}", report.rows[1].problems);
            assert_eq!(report.rows[1].line, 3);
        }
    }
    let all = fresh.accounts.list(None, 10).await.unwrap();
    assert_eq!(all.iter().map(|user| user.id).collect::<Vec<_>>(), [taken]);
}

#[tokio::test]
async fn a_name_taken_after_the_check_holds_all_rows_back() {
    let fresh = fresh().await;
    let rows = sheet("username,email\nann,ann@example.com\nben,ben@example.com\n").unwrap().rows;
    fresh.accounts.create(&new_user("ben", "other@example.com")).await.unwrap();
    let report = fresh.accounts.write_all(rows).await.unwrap();
    assert_eq!((report.rows[0].outcome, report.rows[1].outcome), (RowOutcome::Held, RowOutcome::Refused));
    assert!(fresh.accounts.find_by_login("ann").await.unwrap().is_none(), "the row before was rolled back");
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let fresh = fresh().await;
    let csv = "username,email,password\nann,ann@example.com,correct horse\n";
    let report = fresh.accounts.import(sheet(csv).unwrap(), ImportMode::DryRun, &hashing()).await.unwrap();
    assert_eq!((report.applied, report.rows[0].outcome), (false, RowOutcome::WouldCreate));
    assert!(fresh.accounts.list(None, 10).await.unwrap().is_empty());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let mut csv = b"username,email,groups,phone,password\n".to_vec();
        csv.extend(&bytes);
        drop(read(&csv, Limits::default(), &rules()));
        drop(read(&bytes, Limits::default(), &rules()));
    }
}
