//! The people of the tests.

use std::sync::atomic::{AtomicU64, Ordering};

use cedargate::clock::{Clock, SystemClock};
use cedargate::domain::TotpSecret;

/// The password of everybody: long enough, in no list.
pub(crate) const PASSWORD: &str = "maple-Otter-41-lantern";

/// Somebody to be imported, and what they would know and hold.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) username: &'static str,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) groups: &'static str,
    pub(crate) status: &'static str,
    totp: Option<TotpSecret>,
    last_step: AtomicU64,
}

/// The seconds since 1970 on the machine's clock, which the server under test reads too.
pub(crate) fn seconds_now() -> u64 {
    SystemClock.now().as_second().cast_unsigned()
}

impl Person {
    fn new(username: &'static str, groups: &'static str) -> Self {
        Self {
            username,
            first_name: "Sam",
            last_name: "Example",
            groups,
            status: "active",
            totp: None,
            last_step: AtomicU64::new(0),
        }
    }

    fn with_app(mut self) -> Self {
        let seed = self.username.bytes().cycle().take(20).collect();
        self.totp = Some(TotpSecret::from_bytes(seed).unwrap());
        self
    }

    pub(crate) fn email(&self) -> String {
        format!("{}@example.com", self.username)
    }

    /// The text form of the secret in their authenticator app; empty for those without one.
    pub(crate) fn secret(&self) -> String {
        self.totp.as_ref().map(TotpSecret::to_base32).unwrap_or_default()
    }

    /// The next code of the app that was not used before. The server takes the step before, now and after: a test has two
    /// codes at least.
    pub(crate) fn code(&self) -> String {
        let now = seconds_now() / 30;
        let step = self.last_step.fetch_max(now, Ordering::SeqCst).saturating_add(1).max(now);
        self.last_step.store(step, Ordering::SeqCst);
        assert!(step <= now + 1, "{} has no unused code left in this minute", self.username);
        self.code_of_step(step)
    }

    /// The code that was accepted last.
    pub(crate) fn used_code(&self) -> String {
        self.code_of_step(self.last_step.load(Ordering::SeqCst))
    }

    /// A code that is none of those accepted now.
    pub(crate) fn wrong_code(&self) -> String {
        let now = seconds_now() / 30;
        let right: Vec<String> = (now - 2..=now + 2).map(|step| self.code_of_step(step)).collect();
        ["000000", "111111", "222222", "333333", "444444", "555555"]
            .into_iter()
            .find(|code| !right.iter().any(|right| right == code))
            .unwrap()
            .to_owned()
    }

    fn code_of_step(&self, step: u64) -> String {
        let secret = self.totp.as_ref().unwrap_or_else(|| panic!("{} has no authenticator app", self.username));
        code_for(secret, step)
    }
}

/// The code of `secret` for a 30 second step (RFC 6238, SHA-1, six digits), computed apart from the server's library.
pub(crate) fn code_for(secret: &TotpSecret, step: u64) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.bytes());
    let mac = aws_lc_rs::hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 15);
    let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// May open AWS, as Dev; has an authenticator app.
pub(crate) fn ann() -> Person {
    Person::new("ann", "aws-users").with_app()
}

/// May open AWS, as Dev; has a password only.
pub(crate) fn bob() -> Person {
    Person::new("bob", "aws-users")
}

/// A contractor, who reaches AWS from the office only.
pub(crate) fn carl() -> Person {
    Person::new("carl", "aws-users;contractors").with_app()
}

/// An administrator of AWS: the role Admin takes more than an authenticator app.
pub(crate) fn dora() -> Person {
    Person::new("dora", "aws-users;aws-admins").with_app()
}

/// In no group.
pub(crate) fn emil() -> Person {
    Person::new("emil", "").with_app()
}

/// Suspended.
pub(crate) fn fay() -> Person {
    Person { status: "suspended", ..Person::new("fay", "aws-users").with_app() }
}

/// With names that try to leave the assertion and the page.
pub(crate) fn mallory() -> Person {
    Person {
        first_name: "R&D </saml:AttributeValue><script>alert(1)</script>",
        last_name: "O'Neil \"]]>\" &amp; Söhne",
        ..Person::new("mallory", "aws-users").with_app()
    }
}

/// Everybody.
pub(crate) fn everybody() -> Vec<Person> {
    vec![ann(), bob(), carl(), dora(), emil(), fay(), mallory()]
}

/// The file that `cedargate users import` reads.
pub(crate) fn csv(people: &[Person]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record([
            "username",
            "email",
            "first_name",
            "last_name",
            "groups",
            "country",
            "time_zone",
            "language",
            "status",
            "password",
            "totp_secret",
        ])
        .unwrap();
    for person in people {
        writer
            .write_record([
                person.username,
                &person.email(),
                person.first_name,
                person.last_name,
                person.groups,
                "DE",
                "Europe/Berlin",
                "en",
                person.status,
                PASSWORD,
                &person.secret(),
            ])
            .unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// The codes of RFC 6238, appendix B (cut to six digits): the tests' own arithmetic is right.
#[test]
fn the_codes_of_the_tests_are_those_of_the_rfc() {
    let secret = TotpSecret::from_bytes(b"12345678901234567890".to_vec()).unwrap();
    for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
        assert_eq!(code_for(&secret, seconds / 30), code);
    }
}
