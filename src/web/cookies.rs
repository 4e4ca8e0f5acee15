//! The cookies: which browser, which session, which device, which language.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time::Duration};

/// What a cookie holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieKind {
    /// Ties sign-ins to the browser that began them.
    Browser,
    /// Opens the SSO session.
    Session,
    /// Tells devices apart, across sessions.
    Device,
    /// The language chosen on a page.
    Language,
}

impl CookieKind {
    fn base_name(self) -> &'static str {
        match self {
            Self::Browser => "cg_browser",
            Self::Session => "cg_session",
            Self::Device => "cg_device",
            Self::Language => "cg_language",
        }
    }

    /// How long the browser keeps it; `None`: until it closes.
    fn max_age(self) -> Option<Duration> {
        match self {
            Self::Browser | Self::Session => None,
            Self::Device | Self::Language => Some(Duration::days(400)),
        }
    }
}

/// How cookies are written: with prefix and `Secure` behind https, without on loopback http, where browsers refuse both.
#[derive(Debug, Clone, Copy)]
pub struct CookieStyle {
    secure: bool,
}

impl CookieStyle {
    /// The style for pages served under `public_url`.
    #[must_use]
    pub fn of(public_url: &str) -> Self {
        Self { secure: public_url.starts_with("https://") }
    }

    /// Whether pages are served over https.
    #[must_use]
    pub fn is_secure(self) -> bool {
        self.secure
    }

    fn name(self, kind: CookieKind) -> String {
        if self.secure { format!("__Host-{}", kind.base_name()) } else { kind.base_name().to_owned() }
    }

    /// The value the browser sent. A cookie sent twice counts for nothing: one of the two was planted.
    #[must_use]
    pub fn read(self, request: &HttpRequest, kind: CookieKind) -> Option<String> {
        let name = self.name(kind);
        let cookies = request.cookies().ok()?;
        let mut values = cookies.iter().filter(|cookie| cookie.name() == name).map(|cookie| cookie.value());
        match (values.next(), values.next()) {
            (Some(value), None) if value.len() <= 128 => Some(value.to_owned()),
            _ => None,
        }
    }

    /// A cookie to set.
    #[must_use]
    pub fn set(self, kind: CookieKind, value: String) -> Cookie<'static> {
        let mut cookie = Cookie::build(self.name(kind), value)
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .finish();
        if let Some(age) = kind.max_age() {
            cookie.set_max_age(age);
        }
        cookie
    }

    /// A cookie that takes itself away.
    #[must_use]
    pub fn remove(self, kind: CookieKind) -> Cookie<'static> {
        let mut cookie = self.set(kind, String::new());
        cookie.set_max_age(Duration::ZERO);
        cookie
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn cookies_behind_https_carry_the_host_prefix_and_secure() {
        let cookie = CookieStyle::of("https://login.example.com").set(CookieKind::Session, "v".into()).to_string();
        assert_eq!(cookie, "__Host-cg_session=v; HttpOnly; SameSite=Lax; Secure; Path=/");
        let cookie = CookieStyle::of("http://127.0.0.1:8080").set(CookieKind::Browser, "v".into()).to_string();
        assert_eq!(cookie, "cg_browser=v; HttpOnly; SameSite=Lax; Path=/");
    }

    #[test]
    fn a_cookie_sent_twice_counts_for_nothing() {
        let style = CookieStyle::of("http://127.0.0.1");
        let request = |header: &'static str| TestRequest::default().insert_header(("cookie", header)).to_http_request();
        assert_eq!(style.read(&request("cg_session=a"), CookieKind::Session).as_deref(), Some("a"));
        assert_eq!(style.read(&request("cg_session=a; cg_session=b"), CookieKind::Session), None);
        assert_eq!(style.read(&request("other=a"), CookieKind::Session), None);
    }
}
