//! A client that costs little: one connection, cookies, and the two hidden fields of our forms.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::world::Person;

/// One browser.
pub(crate) struct Browser {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    cookies: BTreeMap<String, String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    location: Option<String>,
    pub(crate) body: String,
}

impl Page {
    /// Whether it posts a SAML response.
    pub(crate) fn has_response(&self) -> bool {
        self.status == 200 && self.body.contains("name=\"SAMLResponse\"")
    }

    /// The value of a hidden field. Our tokens hold nothing that HTML escapes.
    fn field(&self, name: &str) -> &str {
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&marker).unwrap_or_else(|| panic!("no `{name}` in {self:?}"));
        rest.split('"').next().unwrap_or_default()
    }
}

impl Browser {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None, cookies: BTreeMap::new() }
    }

    /// Forgets who was signed in, but not which device this is.
    pub(crate) fn forget_session(&mut self) {
        self.cookies.retain(|name, _| !name.contains("session"));
    }

    pub(crate) fn get(&mut self, path: &str) -> Page {
        self.send("GET", path, "")
    }

    /// Opens the wiki as from its tile.
    pub(crate) fn launch(&mut self) -> Page {
        self.get("/launch/wiki")
    }

    /// From the tile to what the password is answered with.
    pub(crate) fn type_name_and_password(&mut self, person: &Person) -> Page {
        let page = self.launch();
        let page = self.post("/signin", &page, "username", &person.username);
        self.post("/signin/password", &page, "password", &person.password)
    }

    /// From the tile to the page that asks for the code.
    pub(crate) fn reach_code_page(&mut self, person: &Person) -> Page {
        let answer = self.type_name_and_password(person);
        let to = answer.location.clone().unwrap_or_else(|| panic!("no code is asked for: {answer:?}"));
        self.get(&to)
    }

    pub(crate) fn type_code(&mut self, page: &Page, code: &str) -> Page {
        self.post("/signin/totp", page, "code", code)
    }

    /// The whole way with a code.
    pub(crate) fn sign_in_with_code(&mut self, person: &Person) {
        let page = self.reach_code_page(person);
        let page = self.type_code(&page, &person.code());
        assert!(page.has_response(), "{page:?}");
    }

    fn post(&mut self, path: &str, page: &Page, field: &str, value: &str) -> Page {
        let (token, handle) = (page.field("csrf_token"), page.field("signin"));
        let body = serde_urlencoded::to_string([("csrf_token", token), ("signin", handle), (field, value)]);
        self.send("POST", path, &body.expect("a form is encoded"))
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Page {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            cookies.join("; "),
            body.len()
        );
        // A connection that was idle for long may be closed by now: the request goes out again on a new one.
        let page = self.connection.take().and_then(|connection| self.exchange(connection, &request));
        page.unwrap_or_else(|| self.exchange(self.connect(), &request).expect("an answer comes"))
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option is set");
        BufReader::new(stream)
    }

    /// Sends the request and reads the answer. `None`: the connection was closed before.
    fn exchange(&mut self, mut connection: BufReader<TcpStream>, request: &str) -> Option<Page> {
        connection.get_mut().write_all(request.as_bytes()).ok()?;
        let page = self.read(&mut connection)?;
        self.connection = Some(connection);
        Some(page)
    }

    fn read(&mut self, connection: &mut BufReader<TcpStream>) -> Option<Page> {
        let mut line = String::new();
        if connection.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let (mut location, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).expect("headers come");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "location" => location = Some(value.to_owned()),
                "content-length" => length = value.parse().expect("a length"),
                "set-cookie" => self.keep(value),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).expect("the body comes");
        Some(Page { status, location, body: String::from_utf8(body).expect("pages are UTF-8") })
    }

    fn keep(&mut self, cookie: &str) {
        let pair = cookie.split(';').next().unwrap_or_default();
        if let Some((name, value)) = pair.split_once('=') {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
