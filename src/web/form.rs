//! Posted forms and query strings: small, each field at most once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use zeroize::Zeroizing;

use super::errors::pages::ProblemKind;

/// The largest form of our own pages.
pub const MAX_BYTES: usize = 64 * 1024;

/// How long a body may take from its first byte to its last: a form on the slowest of lines, not a hand on the door.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The body of a posted form, or why there is none. The route's limit on the body's size applies.
#[derive(Debug)]
pub struct Posted(pub Result<Bytes, ProblemKind>);

impl FromRequest for Posted {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_form = kind.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded";
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = within(BODY_TIMEOUT, bytes).await;
            Ok(Self(bytes.and_then(|bytes| if is_form { Ok(bytes) } else { Err(ProblemKind::NotAForm) })))
        })
    }
}

/// The whole body, if it comes within `limit`.
async fn within(
    limit: Duration,
    body: impl Future<Output = Result<Bytes, actix_web::Error>>,
) -> Result<Bytes, ProblemKind> {
    let Ok(body) = tokio::time::timeout(limit, body).await else { return Err(ProblemKind::TooSlow) };
    body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => ProblemKind::TooLarge,
        _ => ProblemKind::BadForm,
    })
}

/// A form that is not one of ours: fields doubled or missing, or no form at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form is not one of ours")]
pub struct BadForm;

/// The fields of a form or query. Passwords are among them: it does not print, and its values are wiped.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Form(BTreeMap<String, Zeroizing<String>>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// A field stands there twice, or the bytes are no form.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadForm> {
        let mut fields = BTreeMap::new();
        for (name, value) in serde_urlencoded::from_bytes::<Vec<(String, String)>>(bytes).map_err(|_| BadForm)? {
            if fields.insert(name, Zeroizing::new(value)).is_some() {
                return Err(BadForm);
            }
        }
        Ok(Self(fields))
    }

    /// A field that has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&self, name: &str) -> Result<&str, BadForm> {
        self.get(name).ok_or(BadForm)
    }

    /// A field that may be there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let limit = Duration::from_millis(5);
        assert_eq!(within(limit, std::future::pending()).await, Err(ProblemKind::TooSlow));
        let whole = std::future::ready(Ok(Bytes::from_static(b"a=b")));
        assert_eq!(within(limit, whole).await, Ok(Bytes::from_static(b"a=b")));
    }

    #[test]
    fn a_field_may_stand_there_once() {
        let form = Form::parse(b"username=ann%40example.com&password=a+b").unwrap();
        assert_eq!(form.required("username"), Ok("ann@example.com"));
        assert_eq!(form.get("password"), Some("a b"));
        assert_eq!(form.required("code"), Err(BadForm));
        assert!(Form::parse(b"username=ann&username=bob").is_err());
    }
}
