//! A browser without scripts: cookies, forms as the page gives them, redirects within the site.

use std::sync::Arc;

use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, StatusCode};
use scraper::{ElementRef, Html, Selector};
use url::Url;

use super::people::{PASSWORD, Person};

/// One browser with its cookies. A clone shares them: a second tab.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    jar: Arc<Jar>,
    base: Url,
    headers: HeaderMap,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A form of a page, with what its fields hold.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) action: Url,
    method: Method,
    pub(crate) fields: Vec<(String, String)>,
}

impl Client {
    pub(crate) fn new(base: &Url) -> Self {
        let jar = Arc::new(Jar::default());
        let site = base.origin();
        let http = reqwest::Client::builder()
            .cookie_provider(Arc::clone(&jar))
            // A server that was restarted has forgotten the connections of before.
            .pool_max_idle_per_host(0)
            // Where another site is next, the test wants to see the answer that sends there.
            .redirect(Policy::custom(move |attempt| {
                if attempt.url().origin() != site {
                    attempt.stop()
                } else if attempt.previous().len() > 10 {
                    attempt.error("a redirect loop")
                } else {
                    attempt.follow()
                }
            }))
            .build()
            .unwrap();
        Self { http, jar, base: base.clone(), headers: HeaderMap::new() }
    }

    /// The same browser behind the address `ip` (the tests' config trusts the loopback as a proxy).
    pub(crate) fn at_address(&self, ip: &str) -> Self {
        self.with_header("x-forwarded-for", ip)
    }

    /// The same browser, sending a further header with everything.
    pub(crate) fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        client
    }

    /// The cookies that would be sent now, as `name=value`.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let header = self.jar.cookies(&self.base);
        header.map(|value| value.to_str().unwrap().split("; ").map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Forgets all cookies.
    pub(crate) fn without_cookies(&self) -> Self {
        Self { headers: self.headers.clone(), ..Self::new(&self.base) }
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(self.http.get(self.base.join(path).unwrap())).await
    }

    /// The same, when the server may be gone: nothing, then.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Page> {
        let request = self.http.get(self.base.join(path).unwrap()).headers(self.headers.clone());
        let response = request.send().await.ok()?;
        let (status, url, headers) = (response.status(), response.url().clone(), response.headers().clone());
        Some(Page { status, url, headers, body: response.text().await.ok()? })
    }

    /// Follows a link of one of our own pages, as a browser announces it.
    pub(crate) async fn follow(&self, path: &str) -> Page {
        self.send(self.http.get(self.base.join(path).unwrap()).header("sec-fetch-site", "same-origin")).await
    }

    /// Posts fields that no page gave.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(self.http.post(self.base.join(path).unwrap()).form(fields)).await
    }

    /// Sends any method with any body.
    pub(crate) async fn request(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Page {
        let request = self.http.request(method, self.base.join(path).unwrap());
        self.send(request.header("content-type", kind).body(body)).await
    }

    pub(crate) async fn submit(&self, form: &Form) -> Page {
        let request = if form.method == Method::GET {
            let mut url = form.action.clone();
            url.query_pairs_mut().clear().extend_pairs(&form.fields);
            self.http.get(url)
        } else {
            self.http.post(form.action.clone()).form(&form.fields)
        };
        self.send(request.header("sec-fetch-site", "same-origin")).await
    }

    async fn send(&self, request: RequestBuilder) -> Page {
        let response = request.headers(self.headers.clone()).send().await.unwrap();
        let (status, url, headers) = (response.status(), response.url().clone(), response.headers().clone());
        Page { status, url, headers, body: response.text().await.unwrap() }
    }

    /// Walks from a page that asks for a name to the first that asks for neither name, password nor code.
    pub(crate) async fn walk(&self, mut page: Page, person: &Person) -> Page {
        for _ in 0..4 {
            let form = if let Some(form) = page.find_form("/signin/totp") {
                form.set("code", &person.code())
            } else if let Some(form) = page.find_form("/signin/password") {
                form.set("password", PASSWORD)
            } else if let Some(form) = page.find_form("/signin") {
                form.set("username", person.username)
            } else {
                return page;
            };
            page = self.submit(&form).await;
        }
        panic!("the sign-in of {} does not end: {page:?}", person.username);
    }

    /// Signs in to the portal.
    pub(crate) async fn sign_in(&self, person: &Person) -> Page {
        let page = self.walk(self.get("/").await, person).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/"), "{page:?}");
        page
    }
}

impl Page {
    fn html(&self) -> Html {
        Html::parse_document(&self.body)
    }

    /// The text of the first element that `selector` finds; empty when there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let (html, selector) = (self.html(), Selector::parse(selector).unwrap());
        let words = html
            .select(&selector)
            .next()
            .map(|element| element.text().collect::<Vec<_>>().join(" "))
            .unwrap_or_default();
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The attribute `name` of every element that `selector` finds.
    pub(crate) fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let (html, selector) = (self.html(), Selector::parse(selector).unwrap());
        html.select(&selector).filter_map(|element| element.attr(name).map(str::to_owned)).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The form that goes to `action` (a path of this site, or a whole address), if the page has one.
    pub(crate) fn find_form(&self, action: &str) -> Option<Form> {
        let wanted = self.url.join(action).unwrap();
        self.forms().into_iter().find(|form| form.action == wanted)
    }

    /// The form that goes to `action`.
    pub(crate) fn form(&self, action: &str) -> Form {
        self.find_form(action).unwrap_or_else(|| panic!("no form goes to {action}: {self:?}"))
    }

    /// All forms, with the values their fields have before anybody types. Buttons count only when pressed: [`Form::set`].
    pub(crate) fn forms(&self) -> Vec<Form> {
        let (html, all) = (self.html(), Selector::parse("form").unwrap());
        html.select(&all).map(|form| self.read_form(form)).collect()
    }

    fn read_form(&self, form: ElementRef<'_>) -> Form {
        let fields = Selector::parse("input[name], textarea[name]").unwrap();
        let fields = form
            .select(&fields)
            .filter(|field| match field.attr("type") {
                Some("submit" | "button" | "image") => false,
                Some("checkbox" | "radio") => field.attr("checked").is_some(),
                _ => true,
            })
            .map(|field| {
                let text = || field.text().collect::<String>();
                (field.attr("name").unwrap().to_owned(), field.attr("value").map_or_else(text, str::to_owned))
            })
            .collect();
        Form {
            action: self.url.join(form.attr("action").unwrap_or_default()).unwrap(),
            method: if form.attr("method").is_some_and(|method| method.eq_ignore_ascii_case("post")) {
                Method::POST
            } else {
                Method::GET
            },
            fields,
        }
    }
}

impl Form {
    /// The value of a field.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Types into a field, or presses the button called `name`.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Takes a field out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self
    }

    /// Sends a field twice.
    pub(crate) fn twice(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}
