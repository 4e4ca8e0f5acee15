//! What every handler starts from: who asks, in which language, and the token that forms of this browser must carry.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;

use crate::accounts::Envelope;
use crate::clock::{Entropy, EntropyError};
use crate::devices::DeviceToken;
use crate::domain::Language;
use crate::i18n;
use crate::runtime::Snapshot;
use crate::sessions::SessionToken;
use crate::signin::{BrowserToken, Client, Service};

use super::client_ip::{BadForwardedFor, client_ip};
use super::cookies::{CookieKind, CookieStyle};
use super::form::Form;
use super::lifecycle::Lifecycle;
use super::page::Frame;

/// What the handlers share.
pub struct Web {
    /// Sign-ins.
    pub service: Service,
    /// Keys the token of forms.
    pub envelope: Arc<Envelope>,
    /// Draws browser tokens.
    pub entropy: Arc<dyn Entropy>,
    /// How cookies are written.
    pub cookies: CookieStyle,
    /// Whether the server is about to stop.
    pub lifecycle: Lifecycle,
}

/// A request that cannot even be placed.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// See [`BadForwardedFor`].
    #[error(transparent)]
    ForwardedFor(#[from] BadForwardedFor),
    /// The connection has no address.
    #[error("the connection has no address")]
    NoPeer,
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// One request, read.
#[derive(Debug)]
pub struct Context {
    /// Who asks.
    pub client: Client,
    /// In which language.
    pub language: Language,
    /// The person chose the language, so their account's does not override it.
    pub language_chosen: bool,
    /// The browser brought no token: this is the new one to set.
    pub new_browser: bool,
    /// The token that forms must carry.
    pub csrf_token: String,
    organisation: String,
    contact: Option<String>,
}

impl Web {
    /// Reads the cookies, the address and the language of a request.
    ///
    /// # Errors
    /// It cannot be placed.
    pub fn context(&self, request: &HttpRequest) -> Result<Context, ContextError> {
        let snapshot = self.service.snapshot();
        let ip = self.address(request, &snapshot)?;
        let known = self.cookies.read(request, CookieKind::Browser).and_then(|cookie| BrowserToken::parse(&cookie));
        let (browser, new_browser) = match known {
            Some(browser) => (browser, false),
            None => (BrowserToken::new(&*self.entropy)?, true),
        };
        let csrf_token = self.csrf_token(&browser);
        let (language, language_chosen) = self.language(request);
        let session = self.cookies.read(request, CookieKind::Session).and_then(|cookie| SessionToken::parse(&cookie));
        let device = self.cookies.read(request, CookieKind::Device).and_then(|cookie| DeviceToken::parse(&cookie));
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let user_agent = user_agent.map(str::to_owned);
        Ok(Context {
            client: Client { ip, browser, session, device, user_agent },
            language,
            language_chosen,
            new_browser,
            csrf_token,
            organisation: snapshot.config.organisation.name.clone(),
            contact: snapshot.config.organisation.contact.clone(),
        })
    }

    /// Where a request comes from, past the proxies that config trusts.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn address(&self, request: &HttpRequest, snapshot: &Snapshot) -> Result<IpAddr, ContextError> {
        let peer = request.peer_addr().ok_or(ContextError::NoPeer)?.ip();
        Ok(self.client_ip(request, peer, &snapshot.config.server.trusted_proxies)?)
    }

    /// Whether a form carries the token of this browser.
    #[must_use]
    pub fn is_own_form(&self, context: &Context, form: &Form) -> bool {
        let Some(token) = form.get("csrf_token") else { return false };
        let Ok(token) = data_encoding::HEXLOWER.decode(token.as_bytes()) else { return false };
        self.envelope.verify_mac("csrf", context.client.browser.expose().as_bytes(), &token)
    }

    fn csrf_token(&self, browser: &BrowserToken) -> String {
        data_encoding::HEXLOWER.encode(&self.envelope.mac("csrf", browser.expose().as_bytes()))
    }

    /// The token of forms for a browser whose cookie is about to become `cookie`.
    #[must_use]
    pub fn csrf_token_of(&self, cookie: &str) -> Option<String> {
        BrowserToken::parse(cookie).map(|browser| self.csrf_token(&browser))
    }

    fn client_ip(
        &self,
        request: &HttpRequest,
        peer: IpAddr,
        trusted: &[ipnet::IpNet],
    ) -> Result<IpAddr, BadForwardedFor> {
        let values: Result<Vec<&str>, _> = request
            .headers()
            .get_all("x-forwarded-for")
            .map(|value| value.to_str().map_err(|_| BadForwardedFor))
            .collect();
        client_ip(peer, values?.into_iter(), trusted)
    }

    fn language(&self, request: &HttpRequest) -> (Language, bool) {
        let asked = Form::parse(request.query_string().as_bytes())
            .ok()
            .and_then(|query| query.get("lang").and_then(Language::parse));
        let kept = || self.cookies.read(request, CookieKind::Language).and_then(|tag| Language::parse(&tag));
        match asked.or_else(kept) {
            Some(language) => (language, true),
            None => {
                let header = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
                (i18n::negotiate(header.unwrap_or_default()), false)
            }
        }
    }
}

impl Context {
    /// The frame of a page.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame::new(self.language, &self.organisation, self.contact.as_deref(), &self.csrf_token)
    }

    /// The frame of a page that can be had in the other language at `address`.
    #[must_use]
    pub fn frame_at(&self, address: &str) -> Frame {
        Frame { language_url: Some(address.to_owned()), ..self.frame() }
    }
}
