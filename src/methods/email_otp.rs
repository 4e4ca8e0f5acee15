//! Codes by mail: eight digits to the address of somebody who has shown a first factor. A code is bound to the sign-in it was
//! asked for in, to the user and to their session epoch; it works once and for ten minutes. The store holds its MAC only.
//! Writing and sending the mail is the caller's business.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::throttle::{Admission, Attempt, Throttle};
use super::{Answer, MethodError, Origin};
use crate::accounts::Envelope;
use crate::clock::{Clock, Entropy, EntropyError, Timestamp};
use crate::devices::Devices;
use crate::domain::{Method, Proof, SignInId, UserId};
use crate::signals::{FailureSource, Failures, Guarded};
use crate::state::{Key, Kind, StateStore, Ttl, decode, encode};

#[cfg(test)]
mod tests;

/// How many digits a code has: 26 bits, more than the 20 that NIST SP 800-63B-4 §3.1.3 asks for.
pub const DIGITS: usize = 8;
/// How long a code works (NIST SP 800-63B-4 §3.1.3.2: ten minutes at most).
pub const LIFETIME_SECONDS: u32 = 10 * 60;
/// How long to wait before another code may be asked for.
pub const RESEND_SECONDS: u32 = 30;
/// How many codes one person is mailed within an hour: from all unknown devices together, and from each device they are
/// known on.
pub const MOST_PER_HOUR: u64 = 5;
/// How many codes are mailed within an hour for unknown devices of one network, to whomever. Who tries stolen passwords in
/// bulk must not flood mailboxes; an office behind one address stays below.
pub const MOST_PER_NETWORK: u64 = 300;

const HOUR: Ttl = Ttl::seconds(60 * 60);
const LABEL: &str = "mailed-code";

/// What a code is good for, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePurpose {
    /// The sign-in it was asked for in.
    pub sign_in: SignInId,
    /// Whose it is.
    pub user: UserId,
    /// Their `session_epoch`: when a password or a method changes, codes from before are worthless.
    pub epoch: i64,
}

/// A code on its way into a mail. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct MailedCode(Zeroizing<String>);

impl MailedCode {
    fn draw(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        // 2^64 is so much more than 10^8 that no code is likelier than another by more than one in 10^11.
        let number = u64::from_be_bytes(entropy.bytes()?) % 100_000_000;
        Ok(Self(Zeroizing::new(format!("{number:0width$}", width = DIGITS))))
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The digits in two groups, as people read them.
    #[must_use]
    pub fn grouped(&self) -> Zeroizing<String> {
        let (first, second) = self.0.split_at_checked(DIGITS / 2).unwrap_or((&self.0, ""));
        Zeroizing::new(format!("{first} {second}"))
    }
}

impl fmt::Debug for MailedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailedCode(…)")
    }
}

/// What became of the wish for a code.
#[derive(Debug)]
pub enum Issued {
    /// It was drawn and is to be mailed. Codes of this sign-in from before are void.
    Code {
        /// For the mail.
        code: MailedCode,
        /// Until when it works.
        until: Timestamp,
    },
    /// The one before was asked for a moment ago.
    TooSoon {
        /// Another may be asked for in so many seconds.
        seconds: u32,
    },
    /// Too many were asked for within the hour.
    TooMany,
}

/// How it stands with the code of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeStanding {
    /// The code that works now; `None` when none was sent, or it has expired or was used.
    pub valid: Option<ValidCode>,
    /// Seconds until another may be asked for; 0 for now.
    pub resend_in: u32,
    /// No more are mailed within this hour.
    pub exhausted: bool,
}

/// From when and until when a code works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidCode {
    /// When it was sent.
    pub sent: Timestamp,
    /// When it expires.
    pub until: Timestamp,
}

/// What the store knows of a code.
#[derive(Serialize, Deserialize)]
struct Stored {
    mac: String,
    sent: Timestamp,
    until: Timestamp,
    /// It was the right answer once. It stays until it expires, so that the person can be told.
    used: bool,
}

/// Draws codes and checks them.
#[derive(Clone)]
pub struct EmailOtpMethod {
    store: Arc<dyn StateStore>,
    envelope: Arc<Envelope>,
    devices: Devices,
    failures: Failures,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl EmailOtpMethod {
    /// Keeps codes in `store`, as MACs under a key of `envelope`.
    #[must_use]
    pub fn new(
        store: Arc<dyn StateStore>,
        envelope: Arc<Envelope>,
        devices: Devices,
        failures: Failures,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let throttle = Throttle::new(failures.clone(), Arc::clone(&clock));
        Self { store, envelope, devices, failures, throttle, clock, entropy }
    }

    /// Draws a code, unless one was asked for a moment ago or too many were. From now on it works, and no other of this
    /// sign-in does.
    ///
    /// # Errors
    /// A store or the random source failed.
    pub async fn issue(&self, purpose: &CodePurpose, origin: Origin<'_>) -> Result<Issued, MethodError> {
        let now = self.clock.now();
        let pause = pause_key(purpose);
        let due = now.as_second().saturating_add(i64::from(RESEND_SECONDS));
        // Of two wishes at once, one passes.
        if !self.store.put_if_absent(&pause, &encode(&pause, &due)?, Ttl::seconds(RESEND_SECONDS)).await? {
            return Ok(Issued::TooSoon { seconds: self.resend_in(purpose).await?.max(1) });
        }
        for (key, most) in self.counters(purpose, origin).await? {
            if self.store.increment(&key, HOUR).await? > most {
                return Ok(Issued::TooMany);
            }
        }
        let code = MailedCode::draw(&*self.entropy)?;
        let until = Timestamp::from_second(now.as_second().saturating_add(i64::from(LIFETIME_SECONDS))).unwrap_or(now);
        let stored = Stored { mac: self.mac(purpose, code.digits()), sent: now, until, used: false };
        let key = code_key(purpose);
        self.store.put(&key, &encode(&key, &stored)?, Ttl::seconds(LIFETIME_SECONDS)).await?;
        Ok(Issued::Code { code, until })
    }

    /// Takes back a code that could not be mailed: it never worked, and another may be asked for at once.
    ///
    /// # Errors
    /// The store failed.
    pub async fn withdraw(&self, purpose: &CodePurpose) -> Result<(), MethodError> {
        self.store.delete(&code_key(purpose)).await?;
        self.store.delete(&pause_key(purpose)).await?;
        Ok(())
    }

    /// Whether a code is out, and whether another may be asked for.
    ///
    /// # Errors
    /// A store failed.
    pub async fn standing(&self, purpose: &CodePurpose, origin: Origin<'_>) -> Result<CodeStanding, MethodError> {
        let stored = self.stored(&code_key(purpose)).await?.map(|(stored, _)| stored);
        let valid = stored.filter(|stored| !stored.used && self.clock.now() < stored.until);
        let mut exhausted = false;
        for (key, most) in self.counters(purpose, origin).await? {
            exhausted |= self.store.count(&key).await? >= most;
        }
        Ok(CodeStanding {
            valid: valid.map(|stored| ValidCode { sent: stored.sent, until: stored.until }),
            resend_in: self.resend_in(purpose).await?,
            exhausted,
        })
    }

    /// Whether `typed` is the code that was mailed for `purpose`, and was not used before. Spaces and hyphens are left out.
    /// The answer counts before it is looked at.
    ///
    /// # Errors
    /// A store failed.
    pub async fn check(
        &self,
        purpose: &CodePurpose,
        typed: &str,
        origin: Origin<'_>,
    ) -> Result<Answer<Proof>, MethodError> {
        let source = origin.source(&self.devices, Some(purpose.user)).await?;
        // By id: a username somebody types elsewhere must not meet these counters.
        let subject = self.failures.subject(&purpose.user.to_string());
        let ticket = match self.throttle.admit(Attempt { guarded: Guarded::EmailOtp, subject, source }).await? {
            Admission::Go(ticket) => ticket,
            Admission::Wait { retry_after } => return Ok(Answer::Wait { retry_after }),
        };
        let now = self.clock.now();
        let key = code_key(purpose);
        let Some((stored, bytes)) = self.stored(&key).await?.filter(|(stored, _)| now < stored.until) else {
            // Nothing could have been guessed, so it does not count.
            self.throttle.unchecked(ticket).await?;
            return Ok(Answer::Expired);
        };
        let (free_left, retry_after) = (ticket.free_left(), ticket.retry_after());
        if !self.is_code(purpose, typed, &stored) {
            return Ok(Answer::Wrong { free_left, retry_after });
        }
        let left = u32::try_from(stored.until.as_second() - now.as_second()).unwrap_or(0).max(1);
        let unused = !stored.used;
        let taken = encode(&key, &Stored { used: true, ..stored })?;
        // INVARIANT: of many right answers at once, one finds the code unused.
        if !unused || !self.store.compare_and_swap(&key, &bytes, &taken, Ttl::seconds(left)).await? {
            return Ok(match retry_after {
                None => Answer::Used { free_left },
                Some(_) => Answer::Wrong { free_left, retry_after },
            });
        }
        self.throttle.right(ticket).await?;
        Ok(Answer::Right(Proof { method: Method::EmailOtp, at: now, authenticator: None }))
    }

    fn is_code(&self, purpose: &CodePurpose, typed: &str, stored: &Stored) -> bool {
        let Some(digits) = digits_of(typed) else { return false };
        let Ok(mac) = data_encoding::HEXLOWER.decode(stored.mac.as_bytes()) else { return false };
        self.envelope.verify_mac(LABEL, &macced(purpose, &digits), &mac)
    }

    fn mac(&self, purpose: &CodePurpose, digits: &str) -> String {
        data_encoding::HEXLOWER.encode(&self.envelope.mac(LABEL, &macced(purpose, digits)))
    }

    async fn stored(&self, key: &Key) -> Result<Option<(Stored, Vec<u8>)>, MethodError> {
        let Some(bytes) = self.store.get(key).await? else { return Ok(None) };
        Ok(Some((decode(key, &bytes)?, bytes)))
    }

    async fn resend_in(&self, purpose: &CodePurpose) -> Result<u32, MethodError> {
        let key = pause_key(purpose);
        let Some(bytes) = self.store.get(&key).await? else { return Ok(0) };
        let due: i64 = decode(&key, &bytes)?;
        Ok(u32::try_from(due.saturating_sub(self.clock.now().as_second())).unwrap_or(0))
    }

    /// What is counted when a code is mailed. Strangers who know a password use up nothing of a device that is known.
    async fn counters(&self, purpose: &CodePurpose, origin: Origin<'_>) -> Result<Vec<(Key, u64)>, MethodError> {
        let user = purpose.user.to_string();
        Ok(match origin.source(&self.devices, Some(purpose.user)).await? {
            FailureSource::KnownDevice(device) => {
                vec![(Key::new(Kind::Failures, &user, &format!("codes.{device}")), MOST_PER_HOUR)]
            }
            FailureSource::Network(network) => vec![
                (Key::new(Kind::Failures, &format!("net-{network}"), "codes"), MOST_PER_NETWORK),
                (Key::new(Kind::Failures, &user, "codes"), MOST_PER_HOUR),
            ],
        })
    }
}

/// The digits of a code as typed or pasted: spaces and hyphens left out; `None` for anything that is no code.
#[must_use]
pub fn digits_of(typed: &str) -> Option<Zeroizing<String>> {
    if typed.len() > 64 {
        return None;
    }
    let digits: Zeroizing<String> =
        Zeroizing::new(typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '–' | '\u{200b}')).collect());
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

fn macced(purpose: &CodePurpose, digits: &str) -> Vec<u8> {
    // Ids and numbers hold no `/`.
    Zeroizing::new(format!("{}/{}/{}/{digits}", purpose.sign_in, purpose.user, purpose.epoch)).as_bytes().to_vec()
}

fn code_key(purpose: &CodePurpose) -> Key {
    Key::new(Kind::MailedCode, &purpose.sign_in.to_string(), &purpose.user.to_string())
}

fn pause_key(purpose: &CodePurpose) -> Key {
    Key::new(Kind::Pause, &purpose.sign_in.to_string(), "codes")
}
