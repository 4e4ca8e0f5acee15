//! Codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 seconds, which is what every app understands). That a step is
//! used once only is kept by `accounts`, by the step that [`verify`] gives back.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::clock::{Entropy, EntropyError, Timestamp};
use crate::domain::{TotpSecret, TotpSecretError};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;

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
}
