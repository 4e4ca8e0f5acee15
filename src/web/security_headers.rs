//! Headers that every answer carries, and the content security policy of a page.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::DefaultHeaders;

use super::cookies::CookieStyle;

/// Where the forms of a page may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// To this server.
    Own,
    /// To a service provider, and wherever that redirects to: no `form-action` directive can list those.
    ServiceProvider,
}

impl Forms {
    /// The content security policy of a page with such forms.
    #[must_use]
    pub fn content_security_policy(self) -> &'static str {
        match self {
            Self::Own => {
                "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; form-action 'self'; \
                 frame-ancestors 'none'; base-uri 'none'"
            }
            Self::ServiceProvider => {
                "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; \
                 frame-ancestors 'none'; base-uri 'none'"
            }
        }
    }
}

/// What every answer carries. A page sets its own `Cache-Control` and content security policy; without, nothing is kept and
/// nothing may load.
#[must_use]
pub fn defaults(cookies: CookieStyle) -> DefaultHeaders {
    let headers = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    let headers = headers
        .into_iter()
        .fold(DefaultHeaders::new(), |all, (name, value)| all.add((name, HeaderValue::from_static(value))));
    if cookies.is_secure() {
        headers.add((header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")))
    } else {
        headers
    }
}
