//! A collector of traces: takes what is posted and keeps it.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::http::{Request, request};

/// Listens on the loopback until the test ends.
pub(crate) struct Collector {
    address: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    while let Some(body) = take(&stream) {
                        kept.lock().unwrap().push(body);
                    }
                });
            }
        });
        Self { address, bodies }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that was posted, as text: names and ids stand readable in the protocol's bytes.
    pub(crate) fn taken(&self) -> String {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }
}

/// One request of a connection; none at its end.
fn take(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let Request { line, body } = request(&mut BufReader::new(stream.try_clone().ok()?))?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    Some(body)
}
