//! A service provider's address on `localhost`: it keeps the form that a browser posts there. The identity provider is on
//! `127.0.0.1`, which is another site to the browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::thread;
use std::time::Duration;

use super::saml::Delivered;

/// Listens until the test's process ends.
pub(crate) struct Receiver {
    pub(crate) acs: String,
    deliveries: Channel<Vec<(String, String)>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let acs = format!("http://localhost:{}/acs", listener.local_addr().unwrap().port());
        let (sender, deliveries) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A browser opens connections ahead of need: one that says nothing must not hold up the next.
                let sender = sender.clone();
                thread::spawn(move || answer(stream, &sender));
            }
        });
        Self { acs, deliveries }
    }

    /// The next response that arrives.
    pub(crate) fn delivered(&self) -> Delivered {
        let fields = self.deliveries.recv_timeout(Duration::from_secs(20)).expect("the browser delivers a response");
        let value = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        Delivered::new(&self.acs, &value("SAMLResponse").expect("a field SAMLResponse"), value("RelayState"))
    }
}

/// Answers one request; a broken connection is the browser's business.
fn answer(stream: TcpStream, sender: &Sender<Vec<(String, String)>>) -> Option<()> {
    let (line, body, mut stream) = request(stream)?;
    let page = "<!doctype html><html lang=\"en\"><title>Wiki</title><h1 id=\"wiki\">Welcome to the wiki</h1>";
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
    .ok()?;
    if line.starts_with("POST /acs ") {
        sender.send(url::form_urlencoded::parse(&body).into_owned().collect()).ok()?;
    }
    Some(())
}

/// The first line and the body of what a browser sends, and where the answer goes.
pub(super) fn request(stream: TcpStream) -> Option<(String, Vec<u8>, TcpStream)> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok()?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line, body, reader.into_inner()))
}
