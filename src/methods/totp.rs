//! Codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 seconds, which is what every app understands). Each step is
//! taken once per authenticator: `accounts` keeps the last one.

use std::sync::Arc;

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use super::throttle::{Admission, Attempt, Throttle};
use super::{Answer, MethodError, Origin};
use crate::accounts::Accounts;
use crate::clock::{Clock, Entropy, EntropyError, Timestamp};
use crate::devices::Devices;
use crate::domain::{AuthenticatorId, Method, Proof, TotpSecret, TotpSecretError, User};
use crate::signals::{Failures, Guarded};

#[cfg(test)]
mod tests;

/// How long one code is the current one.
pub const STEP_SECONDS: u64 = 30;
/// The steps before and after the current one that are taken too (RFC 6238 §5.2).
const SKEW: u16 = 1;
const DIGITS: u8 = 6;
/// 160 bits, as RFC 4226 §4 R6 recommends.
const SECRET_BYTES: usize = 20;

/// An enrolment cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TotpError {
    /// No random bytes for a secret.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The random bytes make no secret.
    #[error(transparent)]
    Secret(#[from] TotpSecretError),
    /// The `otpauth:` address cannot be built from issuer and account.
    #[error("cannot build the address for the authenticator app")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address is too long for a QR code.
    #[error("cannot draw the QR code")]
    Qr(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a person needs to add the secret to their app. All of it is secret.
pub struct Enrolment {
    /// The `otpauth:` address.
    pub uri: Zeroizing<String>,
    /// It as a QR code: an `<svg>` element, black on white with the quiet zone that readers need, in both themes.
    pub qr_svg: Zeroizing<String>,
    /// The secret to type, in groups of four.
    pub secret_text: Zeroizing<String>,
}

/// A new secret.
///
/// # Errors
/// The random source failed.
pub fn new_secret(entropy: &dyn Entropy) -> Result<TotpSecret, TotpError> {
    Ok(TotpSecret::from_bytes(entropy.bytes::<SECRET_BYTES>()?.to_vec())?)
}

/// What to show for adding `secret` to an app, where it will be listed as `issuer` and `account`.
///
/// # Errors
/// The names are too long for a QR code.
pub fn enrolment(secret: &TotpSecret, issuer: &str, account: &str) -> Result<Enrolment, TotpError> {
    let totp = builder(secret)
        .with_issuer(Some(label_part(issuer)))
        .with_account_name(label_part(account))
        .build()
        .map_err(|error| TotpError::Address(error.into()))?;
    let uri = Zeroizing::new(totp.to_url().map_err(|error| TotpError::Address(error.into()))?);
    let code =
        QrCode::with_error_correction_level(uri.as_bytes(), EcLevel::M).map_err(|error| TotpError::Qr(error.into()))?;
    let drawn = Zeroizing::new(
        code.render()
            .quiet_zone(true)
            .min_dimensions(240, 240)
            .dark_color(svg::Color("#000"))
            .light_color(svg::Color("#fff"))
            .build(),
    );
    // A page wants the element alone, without the XML declaration before it.
    let element = drawn.find("<svg").and_then(|start| drawn.get(start..)).unwrap_or(&drawn);
    Ok(Enrolment { qr_svg: Zeroizing::new(element.to_owned()), secret_text: grouped(secret), uri })
}

/// The step in which `code` is right: the current one, the one before or the one after. Spaces and hyphens within the code are
/// left out. Whether the step was used before is for the caller to ask.
#[must_use]
pub fn verify(secret: &TotpSecret, code: &str, now: Timestamp) -> Option<u64> {
    if code.len() > 32 {
        return None;
    }
    let code: Zeroizing<String> = Zeroizing::new(code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect());
    let seconds = u64::try_from(now.as_second()).ok()?;
    totp(secret).check(&code, seconds)
}

/// The code that an app shows at `now`: for the demonstration and for tests.
#[must_use]
pub fn code_at(secret: &TotpSecret, now: Timestamp) -> String {
    totp(secret).generate(u64::try_from(now.as_second()).unwrap_or(0)).to_string()
}

/// Checks the codes of people's authenticator apps.
#[derive(Clone)]
pub struct TotpMethod {
    accounts: Accounts,
    devices: Devices,
    failures: Failures,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
}

impl TotpMethod {
    /// Compares with the secrets in `accounts`.
    #[must_use]
    pub fn new(accounts: Accounts, devices: Devices, failures: Failures, clock: Arc<dyn Clock>) -> Self {
        let throttle = Throttle::new(failures.clone(), Arc::clone(&clock));
        Self { accounts, devices, failures, throttle, clock }
    }

    /// Whether one of the user's apps shows `code` now, and showed it to nobody before. Asked only after a first factor.
    ///
    /// # Errors
    /// A store failed.
    pub async fn check(&self, user: &User, code: &str, origin: Origin<'_>) -> Result<Answer<Proof>, MethodError> {
        let source = origin.source(&self.devices, Some(user.id)).await?;
        // By id: a username somebody types elsewhere must not meet these counters.
        let subject = self.failures.subject(&user.id.to_string());
        let attempt = Attempt { guarded: Guarded::Totp, subject, source };
        let ticket = match self.throttle.admit(attempt).await? {
            Admission::Go(ticket) => ticket,
            Admission::Wait { retry_after } => return Ok(Answer::Wait { retry_after }),
        };
        let now = self.clock.now();
        let (free_left, retry_after) = (ticket.free_left(), ticket.retry_after());
        let authenticator = match self.use_code(user, code, now).await? {
            Taken::By(authenticator) => authenticator,
            Taken::Before if retry_after.is_none() => return Ok(Answer::Used { free_left }),
            Taken::Before | Taken::ByNone => return Ok(Answer::Wrong { free_left, retry_after }),
        };
        self.throttle.right(ticket).await?;
        let authenticator = Some(authenticator.to_string());
        Ok(Answer::Right(Proof { method: Method::Totp, at: now, authenticator }))
    }

    async fn use_code(&self, user: &User, code: &str, now: Timestamp) -> Result<Taken, MethodError> {
        let mut taken = Taken::ByNone;
        for record in self.accounts.totp_secrets(user.id).await? {
            if let Some(step) = verify(&record.secret, code, now) {
                if self.accounts.use_totp_step(record.id, step).await? {
                    return Ok(Taken::By(record.id));
                }
                taken = Taken::Before;
            }
        }
        Ok(taken)
    }
}

/// What became of a code.
enum Taken {
    By(AuthenticatorId),
    Before,
    ByNone,
}

fn builder(secret: &TotpSecret) -> Builder {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_skew(SKEW)
        .with_step_duration(STEP_SECONDS)
        .with_secret(secret.bytes().to_vec())
}

fn totp(secret: &TotpSecret) -> Totp {
    // INVARIANT: these are the parameters that `build` accepts too; it looks at names besides, which codes do not depend on.
    builder(secret).build_noncompliant()
}

/// A name as the label of the address can carry it: `:` stands between issuer and account there.
fn label_part(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).map(|c| if c == ':' { ' ' } else { c }).take(64).collect()
}

fn grouped(secret: &TotpSecret) -> Zeroizing<String> {
    let letters = Zeroizing::new(secret.to_base32());
    let mut text = Zeroizing::new(String::with_capacity(letters.len() * 2));
    for (index, letter) in letters.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}
